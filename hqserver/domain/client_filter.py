"""Which clients are meant: the filter of `findClients` (CONTRACT 10, Finding), held against their attributes."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .errors import BadParameters, near_match
from .job_filter import name_test, text_test
from .values import Wrong, as_flag, as_ids, as_integer, as_text, as_words

GROUPS = "groupNames"
"""What a demand reads beside attributes: the names of the client's groups."""

Demand = Callable[[Mapping[str, Any]], bool]


def _called(pattern: str) -> Demand:
    test = name_test(pattern.lower())
    return lambda client: test(client["hostname"].lower()) or test(client["label"].lower())


def _on_platform(pattern: str) -> Demand:
    test = name_test(pattern.lower())
    return lambda client: test(client["platform"].lower())


def _telling(part: str) -> Demand:
    test = text_test(part)
    return lambda client: test(client["label"]) or test(client["description"])


def _any_of(attribute: str) -> Callable[[Collection[Any]], Demand]:
    return lambda wanted: lambda client: not set(wanted).isdisjoint(client[attribute])


def _is(attribute: str) -> Callable[[bool], Demand]:
    return lambda wanted: lambda client: bool(client[attribute]) is wanted


def _at_least(attribute: str) -> Callable[[int], Demand]:
    return lambda least: lambda client: client[attribute] >= least


@dataclass(frozen=True, slots=True)
class _Reader:
    """How a key is read, what it demands, and the attributes that it looks at."""

    read: Callable[[Any], Any]
    demand: Callable[[Any], Demand]
    attributes: Sequence[str]


_READERS = {
    "ids": _Reader(as_ids, lambda ids: lambda client: client["id"] in ids, ["id"]),
    "name": _Reader(as_text, _called, ["hostname", "label"]),
    "text": _Reader(as_text, _telling, ["label", "description"]),
    "group": _Reader(as_words, _any_of(GROUPS), []),
    "platform": _Reader(as_text, _on_platform, ["platform"]),
    "job": _Reader(as_ids, _any_of("runningJobs"), ["runningJobs"]),
    "available": _Reader(as_flag, _is("available"), ["available"]),
    "running": _Reader(as_flag, _is("runningJobs"), ["runningJobs"]),
    "disabled": _Reader(as_flag, _is("disabled"), ["disabled"]),
    "sick": _Reader(as_flag, _is("sick"), ["sick"]),
    "needsUpgrade": _Reader(as_flag, _is("needsUpgrade"), ["needsUpgrade"]),
    "minCpus": _Reader(as_integer(0), _at_least("cpus"), ["cpus"]),
    "minMemory": _Reader(as_integer(0, 2**53), _at_least("memory"), ["memory"]),
}

CLIENT_FILTER_KEYS = tuple(_READERS)
"""The keys of a filter of clients, as callers write them."""


@dataclass(frozen=True, slots=True)
class ClientFilter:
    """What must hold of a client, all of it. `attributes` are those that it looks at."""

    demands: tuple[Demand, ...] = ()
    attributes: tuple[str, ...] = ()

    def matches(self, client: Mapping[str, Any]) -> bool:
        """Whether it holds of a client with these attributes, the names of its groups under `GROUPS`."""
        return all(demand(client) for demand in self.demands)


def parse_client_filter(given: object) -> ClientFilter:
    """The filter that a dictionary means; None and an empty one mean every client.

    `ids`: any of these; `name`: a shell pattern for its `hostname` or `label`; `text`: a part of its label or
    description; `group`: in any of these; `platform`: a shell pattern; `job`: runs any of these; `available`,
    `running`, `disabled`, `sick`, `needsUpgrade`: so, or not so; `minCpus`, `minMemory` (kB): as much or more. Case
    does not count. Raises `BadParameters` naming the key, and the near match for one that is none.
    """
    if given is None:
        return ClientFilter()
    if not isinstance(given, Mapping):
        raise BadParameters(f"filter must be a dictionary, not {type(given).__name__}")
    demands: list[Demand] = []
    attributes: dict[str, None] = {}
    for key, value in given.items():
        if key not in _READERS:
            raise BadParameters(f"filter: there is no key {key!r}{near_match(str(key), _READERS)}")
        if value is None or (isinstance(value, str) and not value.strip()):
            continue
        reader = _READERS[key]
        try:
            demands.append(reader.demand(reader.read(value)))
        except Wrong as problem:
            raise BadParameters(f"filter.{key} {problem}") from None
        attributes |= dict.fromkeys(reader.attributes)
    return ClientFilter(tuple(demands), tuple(attributes))
