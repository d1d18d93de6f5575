"""Where a job may run, in the words of `hq submit`: `memory >= 16GB`, `hostname in node1, node2`."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from hqserver.domain.conditions import as_conditions
from hqserver.domain.values import Wrong

from .exits import BadUsage

_CONDITION = re.compile(r"\s*([\w:]+)\s*(?:(==|!=|<=|>=|=|<|>)|\s(in|not_in|not\s+in|any)\s)\s*(.+?)\s*", re.DOTALL)
_MEMORY = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*([MGT])B?", re.IGNORECASE)
_KILOBYTES = {"M": 1024, "G": 1024**2, "T": 1024**3}


def condition(text: str) -> dict[str, str]:
    """The condition, of a job specification, that NAME OP VALUE says. Raises `BadUsage`.

    `=` is `==`, `not in` is `not_in`, and memory, which HQueue counts in kB, may be said in MB, GB or TB.
    """
    found = _CONDITION.fullmatch(text)
    if not found:
        raise BadUsage(f"--condition takes 'NAME OP VALUE', such as 'memory >= 16GB', not {text!r}")
    name, comparison, membership, value = found.groups()
    op = "==" if comparison == "=" else comparison or "_".join(membership.split())
    size = kilobytes(value) if name == "memory" else None
    if size is not None:
        value = str(size)
    made = {"type": "client", "name": name, "op": op, "value": value}
    try:
        as_conditions([made])
    except Wrong as problem:
        raise BadUsage(f"--condition {text!r}: {str(problem).removeprefix('entry 1: ')}") from None
    return made


def kilobytes(text: str) -> int | None:
    """How HQueue counts a size such as 512MB, 16GB or 1.5T; None for any other text."""
    size = _MEMORY.fullmatch(text.strip())
    return int(float(size[1]) * _KILOBYTES[size[2].upper()]) if size else None


def spoken(condition: Mapping[str, Any]) -> str:
    """The words for a condition as attribute `conditions` gives it."""
    op = str(condition["op"]).replace("_", " ")
    return f"{condition['name']} {op} {condition['value']}"


def resources(words: Sequence[str]) -> dict[str, int]:
    """Amounts by name from `NAME` (one of it) or `NAME=N`. Raises `BadUsage`."""
    found = {}
    for word in words:
        name, equals, amount = word.partition("=")
        if not name.strip() or (equals and not amount.strip().isdecimal()):
            raise BadUsage(f"--resource takes NAME or NAME=N, not {word!r}")
        found[name.strip()] = int(amount) if equals else 1
    return found


def hosts(text: str) -> tuple[int, int]:
    """Fewest and most clients from `MIN` or `MIN-MAX`. Raises `BadUsage`."""
    found = re.fullmatch(r"([1-9][0-9]*)(?:-([1-9][0-9]*))?", text)
    low, high = (int(found[1]), int(found[2] or found[1])) if found else (0, 0)
    if not 0 < low <= high:
        raise BadUsage(f"--hosts takes MIN or MIN-MAX, such as 2-4, not {text!r}")
    return low, high
