"""What a job requires of its clients, as one value: jobs that require the same share a row and a check.

A requirement is the key by which the dispatch pass groups work, so that a thousand frames that fit nowhere cost one
check (DESIGN, Dispatch).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

from .conditions import Condition, as_conditions
from .properties import Command
from .tags import sharing_tags


@dataclass(frozen=True, slots=True)
class Requirement:
    """What must hold of a client, and of what it runs, before it gets the work.

    `cpus`: CPUs needed, 0 = all of the machine's; `platforms`: keys it has a command for, () = any; `sharing`: the
    tags that limit what else its machine runs; `resources`: (name, amount) of counted ones; `min_hosts` clients are
    needed to start, `max_hosts` is the most it gets.
    """

    cpus: int = 1
    platforms: tuple[str, ...] = ()
    conditions: tuple[Condition, ...] = ()
    sharing: tuple[str, ...] = ()
    resources: tuple[tuple[str, int], ...] = ()
    min_hosts: int = 1
    max_hosts: int = 1

    @property
    def several_hosts(self) -> bool:
        """Whether the job may get more than one client."""
        return self.max_hosts > 1

    @property
    def groups(self) -> set[str]:
        """The groups of clients that it asks for."""
        asking = (each for each in self.conditions if each.name == "group" and each.op in ("==", "in", "any"))
        return {group for condition in asking for group in condition.values}

    def with_conditions(self, conditions: tuple[Condition, ...]) -> Requirement:
        """The same, with these conditions in place of its own."""
        return replace(self, conditions=conditions)

    def key(self) -> str:
        """A canonical text, equal for equal requirements: how the database finds the row."""
        document: dict[str, Any] = {"cpus": self.cpus, "platforms": self.platforms}
        if self.conditions:
            document["conditions"] = [condition.as_dict() for condition in self.conditions]
        if self.sharing:
            document["sharing"] = self.sharing
        if self.resources:
            document["resources"] = self.resources
        if self.several_hosts:
            document["hosts"] = [self.min_hosts, self.max_hosts]
        return json.dumps(document, separators=(",", ":"))


@lru_cache(maxsize=4096)
def requirement_from(key: str) -> Requirement:
    """The requirement that `Requirement.key` wrote down."""
    document = json.loads(key)
    low, high = document.get("hosts", (1, 1))
    return Requirement(
        cpus=document["cpus"],
        platforms=tuple(document["platforms"]),
        conditions=as_conditions(document.get("conditions", [])),
        sharing=tuple(document.get("sharing", ())),
        resources=tuple((name, amount) for name, amount in document.get("resources", ())),
        min_hosts=low,
        max_hosts=high,
    )


def requirement_of(
    command: Command,
    cpus: int,
    *,
    conditions: tuple[Condition, ...] = (),
    tags: Iterable[str] = (),
    resources: Mapping[str, int] | None = None,
    hosts: tuple[int, int] = (1, 1),
) -> Requirement:
    """What a job with these properties requires (CONTRACT 2.1, 2.4, 2.5, 5.6, 9.5, 9.17)."""
    return Requirement(
        cpus=cpus,
        platforms=tuple(sorted(command)) if isinstance(command, dict) else (),
        conditions=conditions,
        sharing=sharing_tags(tags),
        resources=tuple(sorted((resources or {}).items())),
        min_hosts=hosts[0],
        max_hosts=hosts[1],
    )
