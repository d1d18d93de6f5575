"""Which clients may run a job: conditions on a client's names, groups and hardware (CONTRACT 2.4, 9.5).

A client must pass all conditions of a job. How words are compared, the same in every condition:

- Hosts: "alpha" is any client on that host, "alpha:one" the client called "one" there, "alpha:" the one without a
  name. Host names compare without case, as in DNS; an alias or a name with its domain is another host. Client names
  compare exactly. The names `hostname` and `hostname:name` mean the same here.
- Groups compare exactly; they are names that people gave. A client in several groups is equal to each of them.
- `os` and `platform` compare without case, and the spellings of one system or processor are the same (`macos`,
  `darwin`). A platform without a processor ("linux") is that system on any.
- `memory` (kB) and `cpus` are numbers.
"""

from __future__ import annotations

import json
import math
import operator
import re
import reprlib
from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field
from typing import Any

from .errors import near_match
from .platforms import PLATFORM_KEYS, platform_key, platform_name
from .values import Wrong, as_text, as_words


@dataclass(frozen=True, slots=True)
class ClientFacts:
    """What conditions look at. `memory` in kB, `platform` e.g. "linux-x86_64", `groups` are names."""

    hostname: str
    name: str
    platform: str
    cpus: int
    memory: int
    groups: frozenset[str]

    @property
    def label(self) -> str:
        """How the client is called: "hostname", or "hostname:name" for one with a name (CONTRACT 1.3)."""
        return f"{self.hostname}:{self.name}" if self.name else self.hostname


def _host(word: str) -> str:
    host, colon, name = (part.strip() for part in word.partition(":"))
    if re.search(r"\s", host) or not host or "," in word:
        raise Wrong(f"must name clients as hostname, hostname:name or hostname: ({reprlib.repr(word)} is not)")
    return host.casefold() + colon + name


def _hosts(facts: ClientFacts) -> Iterable[str]:
    host = facts.hostname.casefold()
    return host, f"{host}:{facts.name}"


def _os(word: str) -> str:
    key = platform_key(word)
    if key not in PLATFORM_KEYS or "-" in word:
        known = ", ".join(PLATFORM_KEYS)
        raise Wrong(f"must be one of {known} ({reprlib.repr(word)} is not){near_match(word, PLATFORM_KEYS)}")
    return key


def _platform(word: str) -> str:
    system, dash, machine = word.partition("-")
    key = platform_key(system)
    return platform_name(key, machine) if dash else key


def _platforms(facts: ClientFacts) -> Iterable[str]:
    return platform_key(facts.platform), _platform(facts.platform)


def _number(word: str) -> float:
    plain = re.fullmatch(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?", word)
    if not plain or not math.isfinite(float(word)):
        raise Wrong(f"must be a number ({reprlib.repr(word)} is not)")
    return float(word)


@dataclass(frozen=True, slots=True)
class _Subject:
    """What a condition asks about.

    `found`: the words (or the number) that are true of a client; `wanted`: a condition's value as those are spelled.
    """

    found: Callable[[ClientFacts], Iterable[str | float]]
    wanted: Callable[[str], str | float]
    is_number: bool = False


_SUBJECTS: dict[str, _Subject] = {
    "hostname": _Subject(_hosts, _host),
    "hostname:name": _Subject(_hosts, _host),
    "group": _Subject(lambda facts: facts.groups, str),
    "os": _Subject(lambda facts: (platform_key(facts.platform),), _os),
    "platform": _Subject(_platforms, _platform),
    "memory": _Subject(lambda facts: (facts.memory,), _number, is_number=True),
    "cpus": _Subject(lambda facts: (facts.cpus,), _number, is_number=True),
}

_LIST_OPERATORS = ("in", "not_in", "any")
_NEGATIVE_OPERATORS = ("!=", "not_in")
_COMPARISONS: dict[str, Callable[[Any, Any], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_WORD_OPERATORS = ("==", "!=", *_LIST_OPERATORS)
_SPOKEN = {"any": "in", "not_in": "not in"}


@dataclass(frozen=True, slots=True)
class Condition:
    """One condition on a client, e.g. `hostname in alpha, beta`. `values` are the caller's words, each once.

    Raises `Wrong` for a name, an operator or values that no condition has. `any` is HQueue's old word for `in`.
    """

    name: str
    op: str
    values: tuple[str, ...]
    # The values as they are compared: derived, so neither part of what a condition equals nor of what it shows.
    _wanted: frozenset[str | float] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        subject = _SUBJECTS.get(self.name)
        if subject is None:
            raise Wrong(f"no condition is named {reprlib.repr(self.name)}{near_match(self.name, _SUBJECTS)}")
        known = (*_WORD_OPERATORS, *_COMPARISONS) if subject.is_number else _WORD_OPERATORS
        if self.op not in known:
            hint = near_match(self.op, known)
            raise Wrong(f"op of {self.name} must be one of {' '.join(known)}, not {reprlib.repr(self.op)}{hint}")
        _check_count(self.name, self.op, self.values)
        try:
            wanted = frozenset(subject.wanted(value) for value in self.values)
        except Wrong as problem:
            raise Wrong(f"value {problem}") from None
        object.__setattr__(self, "_wanted", wanted)

    def holds(self, facts: ClientFacts) -> bool:
        """Whether the client passes. `!=` and `not_in` hold where none of the client's words is among the values."""
        found = _SUBJECTS[self.name].found(facts)
        compare = _COMPARISONS.get(self.op)
        if compare is None:
            return self._wanted.isdisjoint(found) == (self.op in _NEGATIVE_OPERATORS)
        return all(compare(number, limit) for number in found for limit in self._wanted)

    def passing(self, by_word: Mapping[str | float, Set[int]], everybody: Set[int]) -> Set[int]:
        """The clients that pass, of `everybody`: what `holds` says of each, at the cost of this condition's values.

        `by_word`: the clients of which each word of `words_of` is true.
        """
        compare = _COMPARISONS.get(self.op)
        if compare is not None:
            true = [word for word in by_word if all(compare(word, limit) for limit in self._wanted)]
            return everybody & frozenset().union(*(by_word[word] for word in true))
        named = frozenset().union(*(by_word.get(word, ()) for word in self._wanted))
        return everybody - named if self.op in _NEGATIVE_OPERATORS else everybody & named

    def as_dict(self) -> dict[str, str]:
        """The condition as a specification writes it (CONTRACT 2.4), in the caller's words."""
        return {"type": "client", "name": self.name, "op": self.op, "value": ",".join(self.values)}

    def __str__(self) -> str:
        return f"{self.name} {_SPOKEN.get(self.op, self.op)} {', '.join(self.values)}"


def words_of(facts: ClientFacts, name: str) -> Iterable[str | float]:
    """The words (or the number) that are true of a client, spelled as conditions called `name` compare them."""
    return _SUBJECTS[name].found(facts)


def _check_count(name: str, op: str, values: tuple[str, ...]) -> None:
    if not values:
        raise Wrong("has no value")
    with_comma = any("," in value for value in values)
    if op in _LIST_OPERATORS:
        if with_comma:
            raise Wrong("value must be a list of words without a comma")
    elif len(values) > 1 or (with_comma and name != "group"):  # the name of a group may hold a comma
        hint = {"==": "; did you mean 'in'?", "!=": "; did you mean 'not_in'?"}.get(op, "")
        raise Wrong(f"value of {op!r} must be a single one, not {reprlib.repr(','.join(values))}{hint}")


def as_conditions(value: Any) -> tuple[Condition, ...]:
    """The conditions of a specification: dictionaries or their JSON texts, in a list or one alone.

    Blank entries are skipped; nothing or an empty list is no condition. Raises `Wrong` with a sentence that names the
    entry, counted from 1.
    """
    if isinstance(value, str):
        value = _from_json(value) if value.strip() else ()
    if isinstance(value, Mapping):
        value = [value]
    if value is not None and not isinstance(value, list | tuple):
        raise Wrong("must be a list of dictionaries")
    conditions = []
    for number, entry in enumerate(value or (), start=1):
        if entry is None or entry == {} or (isinstance(entry, str) and not entry.strip()):
            continue
        try:
            conditions.append(_condition(_from_json(entry) if isinstance(entry, str) else entry))
        except Wrong as problem:
            raise Wrong(f"entry {number}: {problem}") from None
    return tuple(conditions)


def _from_json(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        raise Wrong(f"must be a dictionary or its JSON text ({reprlib.repr(text)} is not)") from None


_KEYS = ("type", "name", "op", "value")


def _condition(entry: Any) -> Condition:
    if not isinstance(entry, Mapping):
        raise Wrong(f"must be a dictionary ({reprlib.repr(entry)} is not)")
    for key in entry:
        if key not in _KEYS:
            raise Wrong(f"a condition has no {reprlib.repr(key)}{near_match(str(key), _KEYS)}")
    kind = entry.get("type")
    if kind is not None and (not isinstance(kind, str) or kind.strip().lower() not in ("client", "")):
        raise Wrong(f"type must be 'client', not {reprlib.repr(kind)}")
    for key in ("name", "op", "value"):
        if entry.get(key) is None:
            raise Wrong(f"has no {key!r}")
    name, op = _word("name", entry["name"]), _word("op", entry["op"])
    sent = entry["value"] if isinstance(entry["value"], list | tuple) else (entry["value"],)
    words = [_word("value", word) for word in sent]
    if op in _LIST_OPERATORS:
        words = [word.strip() for word in ",".join(words).split(",")]
    return Condition(name, op, tuple(dict.fromkeys(word for word in words if word)))


def _word(key: str, value: Any) -> str:
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    try:
        return as_text(value).strip()
    except Wrong as problem:
        raise Wrong(f"{key} {problem}") from None


def hosts_condition(hosts: Sequence[str]) -> Condition:
    """What property `host` asks for: one of these clients, in the forms of this module. Raises `Wrong` for none."""
    return _one_of("hostname:name" if any(":" in host for host in hosts) else "hostname", hosts)


def groups_condition(groups: Sequence[str]) -> Condition:
    """What property `hostgroup` asks for: a client in at least one of these groups. Raises `Wrong` for none."""
    return _one_of("group", groups)


def _one_of(name: str, words: Sequence[str]) -> Condition:
    values = tuple(dict.fromkeys(words))
    return Condition(name, "==" if len(values) == 1 else "in", values)


def permitted(entries: Sequence[str]) -> Condition:
    """What `savePermittedClientsList` asks for: one of these clients, in the forms of this module (CONTRACT 1.2).

    Raises `Wrong` for an empty list and for an entry that names no client: the condition replaces all others, so
    nothing is skipped here.
    """
    if not isinstance(entries, list | tuple) or not entries:
        raise Wrong("must be a list of at least one client")
    words = [as_text(entry).strip() for entry in entries]
    for word in words:
        _host(word)
    return hosts_condition(words)


def as_hosts(value: Any) -> tuple[str, ...]:
    """Property `host`: a list or a comma list of clients, each once; blank ones are skipped (CONTRACT 1.6)."""
    hosts = _comma_list(value)
    for host in hosts:
        _host(host)
    return hosts


def as_groups(value: Any) -> tuple[str, ...]:
    """Property `hostgroup`: a list or a comma list of group names, each once; blank ones are skipped (CONTRACT 1.6).

    A name may hold anything but a comma, which separates in a list too.
    """
    return _comma_list(value)


def _comma_list(value: Any) -> tuple[str, ...]:
    return as_words(",".join(as_words(value)))
