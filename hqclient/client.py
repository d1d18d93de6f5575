"""One client of a farm as a Python object: what it is, and what it is told."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from .availability import rules_from
from .connection import Caller


class Client:
    """A machine of the farm, or one of several clients there, by its name: `hostname` or `hostname:name`.

    `client["cpus"]` is an attribute of CONTRACT 1.3 as it was last read; it is read when it is first used, and
    `refresh` reads again. Every use raises `NotFound`, with the near match, where no client is called so.
    """

    def __init__(self, farm: Caller, name: str, attributes: Mapping[str, Any] | None = None) -> None:
        self.farm = farm
        self.name = name
        self._attributes = dict(attributes or {})

    def __getitem__(self, name: str) -> Any:
        if name not in self._attributes:
            self.refresh(name)
        return self._attributes[name]

    @property
    def attributes(self) -> dict[str, Any]:
        """Everything that has been read so far; everything there is, if nothing has."""
        if not self._attributes:
            self.refresh()
        return dict(self._attributes)

    def refresh(self, *names: str) -> dict[str, Any]:
        """Read these attributes again (all of them where none is named) and give them."""
        read = dict(self.farm.call("getClientByName", self.name, list(names) or None))
        self._attributes.update(read)
        return read

    @property
    def id(self) -> int:
        """Its id."""
        return int(self["id"])

    def job_order(self, limit: int = 100, offset: int = 0) -> list[int]:
        """Ids of the waiting jobs that it could run, in the order in which it would: `limit` after `offset` of them."""
        return list(self.farm.call("getJobOrder", self.id, limit, offset))

    def disable(self) -> None:
        """Give it no new jobs; those that it runs go on."""
        self.farm.call("setdisabled", self["label"], True)

    def enable(self) -> None:
        """Give it jobs again."""
        self.farm.call("setdisabled", self["label"], False)

    def describe(self, text: str) -> None:
        """Describe it in free text, "" for nothing."""
        self.farm.call("setClientDescription", self.id, text)

    def set_availability(self, rules: str | Sequence[Mapping[str, Any]]) -> None:
        """Say when it takes jobs, in the words of `hqclient.availability` or as `availabilityRules` has it.

        Raises `BadParameters` for rules that mean nothing.
        """
        said = rules_from(rules) if isinstance(rules, str) else [dict(rule) for rule in rules]
        self.farm.call("setAvailabilityRules", self.id, said)

    def upgrade(self) -> None:
        """Have it fetch the server's client code and go on with that; what it runs goes on. Returns at once."""
        self.farm.call("upgradeClients", [self.id])

    def restart(self) -> None:
        """Have its daemon restart; what it runs goes on. Returns at once."""
        self.farm.call("restartClients", [self.id])

    def remove(self) -> None:
        """Take it off the farm: what it runs goes back to the queue. Returns at once."""
        self.farm.call("removeClients", [self.id])

    def note(self, text: str) -> None:
        """Add a note to its thread. Blank text is not stored."""
        self.farm.call("addNote", text, None, None, self.id)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Client) and (self.name, self.farm.url) == (other.name, other.farm.url)

    def __hash__(self) -> int:
        return hash((self.name, self.farm.url))

    def __repr__(self) -> str:
        return f"Client({self.name!r})"
