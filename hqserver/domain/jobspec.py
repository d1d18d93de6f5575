"""The job specification: from what a caller sent to values the farm trusts, or one sentence that names the place.

Sources: CONTRACT 2 and 9.5. A specification is accepted whole or not at all; its properties stand in `properties`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from sys import getsizeof
from typing import Any

from .agenda import MOST_PIECES, Agenda, make_agenda
from .conditions import Condition, groups_condition, hosts_condition
from .errors import BadSpecification, TooLarge, near_match
from .failure import FailurePattern
from .hooks import Hook
from .properties import PROPERTIES, Command
from .tags import EXCLUDE_PROGRESS
from .values import Wrong

__all__ = ["PROPERTIES", "Command", "JobSpec", "command_for", "parse_jobspec", "walk"]

DEEPEST_NESTING = 64
MOST_JOBS_A_CALL = 100_000
LARGEST_JSON_MEMORY = 80 * 1024 * 1024
"""Bytes of memory that a specification in JSON and what is read from it may take; 10,000 jobs of 0.6 kB take 35 MB."""

_JSON_VALUE_BYTES = 72  # of the smallest object with its place in a list, and of a short text


@dataclass(frozen=True, slots=True)
class JobSpec:
    """One checked specification. None where a property may be inherited and was not given (CONTRACT 9.8)."""

    name: str
    place: str
    description: str = ""
    command: Command = ""
    shell: str = ""
    environment: dict[str, str] = field(default_factory=dict)
    children: tuple[JobSpec, ...] = ()
    children_ids: tuple[int, ...] = ()
    parent_ids: tuple[int, ...] = ()
    stub_id: str = ""
    child_stub_ids: tuple[str, ...] = ()
    priority: int | None = None
    conditions: tuple[Condition, ...] = ()
    cpus: int = 1
    min_hosts: int = 1
    max_hosts: int = 1
    tags: tuple[str, ...] = ()
    resources: dict[str, int] = field(default_factory=dict)
    tries: int = 0
    min_time: int = 0
    max_time: int = 0
    max_silence: int = 0
    max_memory: int = 0
    failure_patterns: tuple[FailurePattern, ...] = ()
    lease: int = 0
    split_output: bool = False
    hooks: dict[Hook, Command] = field(default_factory=dict)
    submitted_by: str | None = None
    email_to: tuple[str, ...] = ()
    email_reasons: tuple[str, ...] = ()
    progress_pattern: str = ""
    agenda: Agenda | None = None
    max_concurrent: int = 0
    properties: dict[str, str] = field(default_factory=dict)
    uuid: str = ""
    submit_key: str = ""
    unknown: dict[str, Any] = field(default_factory=dict)

    @property
    def weightless(self) -> bool:
        """Whether it does not count in `overallProgress`: no command, or the tag for it (CONTRACT 9.5, 9.19)."""
        return not self.command or EXCLUDE_PROGRESS in self.tags


@dataclass(slots=True)
class _Size:
    """How much one call holds so far."""

    jobs: int = 0
    pieces: int = 0


def parse_jobspec(document: Any, *, refuse_unknown: bool) -> list[JobSpec]:
    """The checked specifications in `newjob`'s first parameter: a JSON text, a dictionary or a list of dictionaries.

    With `refuse_unknown` a property that nobody knows is a fault, otherwise it is kept (CONTRACT 9.5).
    Raises `BadSpecification` naming the place, e.g. `children[3].priority`, and `TooLarge`.
    """
    if isinstance(document, str):
        _check_json(document)
        try:
            document = json.loads(document)
        except RecursionError:
            raise BadSpecification("jobspec is JSON that is nested too deep") from None
        except ValueError as problem:
            raise BadSpecification(f"jobspec is text but not JSON: {problem}") from None
    several = isinstance(document, list | tuple)
    documents: Sequence[Any] = document if several else [document]
    if not documents:
        raise BadSpecification("jobspec is an empty list")
    size = _Size()
    specs = [
        _parse(entry, f"[{index}]" if several and len(documents) > 1 else "", 1, refuse_unknown, size)
        for index, entry in enumerate(documents)
    ]
    _check_submit_keys(specs)
    _check_stubs(specs)
    return specs


def _check_json(text: str) -> None:
    """Raises `TooLarge` for a text that would take more memory than a call may (PROMISES P10).

    Every value but the first follows one of these characters; those in texts count too, which a farm's texts allow.
    """
    values = sum(text.count(mark) for mark in ",[{:")
    memory = getsizeof(text) + values * _JSON_VALUE_BYTES
    if memory > LARGEST_JSON_MEMORY:
        raise TooLarge(
            f"jobspec is JSON that takes {memory // 1024**2} MB of memory once read; at most"
            f" {LARGEST_JSON_MEMORY // 1024**2} are taken: send it in several calls, the children of a job with its id"
            " as parent_id"
        )


def _parse(document: Any, place: str, depth: int, refuse_unknown: bool, size: _Size) -> JobSpec:
    what = place or "jobspec"
    if not isinstance(document, Mapping):
        raise BadSpecification(f"{what} must be a dictionary, not {_shown(document)}")
    if depth > DEEPEST_NESTING:
        raise BadSpecification(f"{what[:60]}...: children are nested more than {DEEPEST_NESTING} deep")
    size.jobs += 1
    if size.jobs > MOST_JOBS_A_CALL:
        raise TooLarge(f"jobspec holds more than {MOST_JOBS_A_CALL} jobs")
    if "name" not in document:
        raise BadSpecification(f"{what} has no 'name'")
    values: dict[str, Any] = {}
    unknown: dict[str, Any] = {}
    prefix = f"{place}." if place else ""
    for key, value in document.items():
        known = PROPERTIES.get(key)
        if known is None:
            if refuse_unknown or not isinstance(key, str) or not _is_text(key):
                hint = near_match(str(key), PROPERTIES)
                raise BadSpecification(f"{prefix}{key}: no such property of a job{hint}")
            unknown[key] = value
            continue
        if key != "name" and (value is None or value == ""):
            continue  # an empty text stands for None where a caller cannot say None (CONTRACT 9.2)
        try:
            parsed = known.parse(value)
        except Wrong as problem:
            told = str(problem)
            # A sentence that quotes the part that is wrong needs not show the whole.
            shown = "" if "'" in told else f", not {_shown(value)}"
            raise BadSpecification(f"{prefix}{key} {told}{shown}") from None
        if known.field:
            values[known.field] = parsed
    if depth > 1 and values.get("submit_key"):
        raise BadSpecification(f"{prefix}submitKey belongs to the outermost specification: a call is one submission")
    nested = values.pop("children", ())
    if isinstance(nested, Mapping):
        nested = [nested]
    if nested == "":
        nested = ()
    if not isinstance(nested, list | tuple):
        raise BadSpecification(f"{prefix}children must be a list of dictionaries, not {_shown(nested)}")
    values["children"] = tuple(
        _parse(child, f"{prefix}children[{index}]", depth + 1, refuse_unknown, size)
        for index, child in enumerate(nested)
    )
    _join_shorthands(values)
    _check_hosts(values, prefix)
    _make_agenda(values, prefix)
    size.pieces += len(values["agenda"].pieces) if values["agenda"] else 0
    if size.pieces > MOST_PIECES:
        raise TooLarge(f"jobspec holds agendas of more than {MOST_PIECES} pieces; chunk puts several frames into one")
    return JobSpec(place=place, unknown=unknown, **values)


def _join_shorthands(values: dict[str, Any]) -> None:
    """Hooks become one field, `host` and `hostgroup` become conditions (CONTRACT 1.6, 9.5)."""
    values["hooks"] = {hook: command for hook in Hook if (command := values.pop(hook, ""))}
    conditions = list(values.get("conditions", ()))
    if hosts := values.pop("hosts", ()):
        conditions.append(hosts_condition(hosts))
    if groups := values.pop("groups", ()):
        conditions.append(groups_condition(groups))
    values["conditions"] = tuple(conditions)


def _check_hosts(values: dict[str, Any], prefix: str) -> None:
    low, high = values.pop("min_hosts", None), values.pop("max_hosts", None)
    if low is not None and high is not None and high < low:
        raise BadSpecification(f"{prefix}maxHosts is {high}, less than minHosts, which is {low}")
    values["min_hosts"] = low or 1
    values["max_hosts"] = high or low or 1


def _make_agenda(values: dict[str, Any], prefix: str) -> None:
    """Cut the agenda into pieces, and refuse what a job of many pieces cannot have (CONTRACT 10)."""
    given = values.pop("agenda", "")
    how = {name: values.pop(name, 0) for name in ("chunk", "partitions")}
    order = values.pop("order", None)
    values["agenda"] = None
    if not given:
        for name, value in {**how, "order": order}.items():
            if value:
                raise BadSpecification(f"{prefix}{name} says how an agenda is cut, and there is no agenda")
        return
    try:
        values["agenda"] = make_agenda(given, **how, order=order)
    except Wrong as problem:
        raise BadSpecification(f"{prefix}agenda {problem}") from None
    if not values.get("command"):
        raise BadSpecification(f"{prefix}agenda needs a command to run for its pieces")
    if values["hooks"]:
        hook = next(iter(values["hooks"]))
        raise BadSpecification(f"{prefix}{hook} belongs to a job without an agenda: give it to a parent of this job")
    if values["max_hosts"] > 1:
        raise BadSpecification(f"{prefix}maxHosts must be 1 for a job with an agenda: each piece runs on one client")


def _is_text(key: str) -> bool:
    try:
        key.encode()
    except UnicodeEncodeError:  # half of a surrogate pair, which JSON can spell
        return False
    return True


def _check_submit_keys(specs: Sequence[JobSpec]) -> None:
    keyed = [spec for spec in specs if spec.submit_key]
    for spec in keyed[1:]:
        if spec.submit_key != keyed[0].submit_key:
            where = _at(spec, "submitKey")
            raise BadSpecification(f"{where} {spec.submit_key!r} is not that of the others: a call is one submission")


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."


def walk(specs: Sequence[JobSpec]) -> Iterator[tuple[JobSpec, JobSpec | None]]:
    """Each specification with its nesting parent: first those of the list in order, then the nested ones, depth
    first. This is the order in which `newjob` returns ids (CONTRACT 9.6)."""
    yield from ((spec, None) for spec in specs)
    for spec in specs:
        yield from _descend(spec)


def _descend(spec: JobSpec) -> Iterator[tuple[JobSpec, JobSpec | None]]:
    for child in spec.children:
        yield child, spec
        yield from _descend(child)


def _check_stubs(specs: Sequence[JobSpec]) -> None:
    """Stub names must be known, unique and free of cycles, nesting counted as well (CONTRACT 9.5)."""
    if not any(spec.child_stub_ids for spec, _ in walk(specs)):
        return
    named: dict[str, JobSpec] = {}
    for spec, _ in walk(specs):
        if spec.stub_id:
            if spec.stub_id in named:
                raise BadSpecification(f"{_at(spec, 'stubId')} {spec.stub_id!r} names two specifications")
            named[spec.stub_id] = spec
    below: dict[int, list[JobSpec]] = {}
    for spec, _ in walk(specs):
        for stub in spec.child_stub_ids:
            if stub not in named:
                hint = near_match(stub, named)
                raise BadSpecification(f"{_at(spec, 'childStubIds')} names {stub!r}, which no stubId has{hint}")
        below[id(spec)] = [*spec.children, *(named[stub] for stub in spec.child_stub_ids)]
    _check_acyclic(specs, below)


def _check_acyclic(specs: Sequence[JobSpec], below: Mapping[int, list[JobSpec]]) -> None:
    done: set[int] = set()
    for start, _ in walk(specs):
        if id(start) in done:
            continue
        path: set[int] = {id(start)}
        stack = [(start, iter(below[id(start)]))]
        while stack:
            spec, children = stack[-1]
            child = next(children, None)
            if child is None:
                stack.pop()
                path.discard(id(spec))
                done.add(id(spec))
            elif id(child) in path:
                raise BadSpecification(f"{_at(child, 'stubId')} {child.stub_id!r} would be its own descendant")
            elif id(child) not in done:
                path.add(id(child))
                stack.append((child, iter(below[id(child)])))


def _at(spec: JobSpec, key: str) -> str:
    return f"{spec.place}.{key}" if spec.place else key


def command_for(command: Command, platform_key: str) -> str | None:
    """The command line a client of this platform would run; None where there is none for it (CONTRACT 9.17)."""
    return command if isinstance(command, str) else command.get(platform_key)
