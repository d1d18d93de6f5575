"""What the server knows of its clients from moment to moment, in memory.

Heartbeats change this and nothing else; once a second what people look at is written to the database in one batch
(DESIGN, Store). Every age is by the server's monotonic clock: no clock of a client is ever compared with it. After a
restart of the server every silence counts from its start.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from hqserver.domain.conditions import ClientFacts
from hqserver.store.clients import ClientRow


@dataclass(slots=True)
class Presence:
    """One client as last heard of. `heard_at` and `registered_at` are monotonic; `heard`: since the server started."""

    row: ClientRow
    heard_at: float
    registered_at: float
    heard: bool = False
    sequence: int = 0
    spare: int = 0
    accepting: bool = True
    declining: str = ""
    lost: bool = False
    orders_waiting: bool = True
    unsaved: bool = False
    previous_session: str = ""
    refused_sessions: set[str] = field(default_factory=set)
    copies: dict[str, float] = field(default_factory=dict)
    """Other data folders from which a daemon with its secret wants to be this client, and since when, monotonic."""
    known_facts: ClientFacts | None = None
    answered_at: float = 0.0
    """When the last beat was answered, monotonic; 0.0 before the first one since the server started."""
    sent_again: set[tuple[str, str]] = field(default_factory=set)
    """Logs, by run and stream, that differed from what it wrote, and that it was asked to send again."""
    probe_at: float = 0.0
    """When a client that is set aside may be tried again, monotonic."""

    def silence(self, monotonic: float) -> float:
        """Seconds since the client was heard."""
        return max(monotonic - self.heard_at, 0.0)


class Watch:
    """All clients by id, and by the hash of their secret."""

    def __init__(self, rows: Iterable[ClientRow], monotonic: float, suspect_seconds: float):
        self._lock = threading.Lock()
        self.suspect_seconds = suspect_seconds
        """Silence after which a client gets no new work (CONTRACT 9.10)."""
        # A client that was set aside before the server started is tried again at once: its `probe_at` is past.
        self._clients = {row.id: Presence(row, monotonic, monotonic) for row in rows}
        self._by_secret = {presence.row.secret_hash: presence for presence in self._clients.values()}
        self._groups: dict[int, frozenset[str]] = {}
        self._progress: dict[str, float] = {}
        self._waiting_since: dict[str, float] = {}
        self._stuck: dict[int, str] = {}
        self._renewed: dict[str, float] = {}
        self.last_job = 0
        """The last job's id, as it was when somebody looked; clients name none that is higher."""

    def put(self, presence: Presence) -> None:
        """Take in a client that registered, in place of what was known of it."""
        with self._lock:
            known = self._clients.get(presence.row.id)
            if known is not None:
                self._by_secret.pop(known.row.secret_hash, None)
            self._clients[presence.row.id] = presence
            self._by_secret[presence.row.secret_hash] = presence

    def get(self, client_id: int) -> Presence | None:
        """The client with this id."""
        return self._clients.get(client_id)

    def by_secret(self, secret_hash: str) -> Presence | None:
        """The client whose secret has this hash."""
        return self._by_secret.get(secret_hash)

    def by_name(self, hostname: str, name: str) -> Presence | None:
        """The client with this label."""
        for presence in self.every():
            if presence.row.hostname == hostname and presence.row.name == name:
                return presence
        return None

    def every(self) -> list[Presence]:
        """All clients, oldest first."""
        with self._lock:
            return [self._clients[client_id] for client_id in sorted(self._clients)]

    def label(self, client_id: int | None) -> str:
        """The client's label for people, "" for none."""
        if client_id is None:
            return ""
        presence = self._clients.get(client_id)
        return presence.row.label if presence else f"client {client_id}"

    def is_outside(self, client_id: int) -> bool:
        """Whether this is a runner that is not our daemon (CONTRACT 10)."""
        presence = self._clients.get(client_id)
        return presence is not None and bool(presence.row.outside)

    # Whether a client takes work ---------------------------------------------------------------------------------

    def facts(self, presence: Presence) -> ClientFacts:
        """What conditions look at."""
        row = presence.row
        groups = self._groups.get(row.id, frozenset())
        if presence.known_facts is None or presence.known_facts.groups != groups:
            presence.known_facts = ClientFacts(row.hostname, row.name, row.platform, row.cpus, row.memory, groups)
        return presence.known_facts

    def set_groups(self, groups: Mapping[int, frozenset[str]]) -> None:
        """Names of the groups each client is in, by its id."""
        self._groups = dict(groups)

    def stuck_with(self, client_id: int) -> str:
        """What the client does not manage to end, "" for nothing."""
        return self._stuck.get(client_id, "")

    def set_stuck(self, stuck: Mapping[int, str]) -> tuple[list[int], list[int]]:
        """The clients that do not manage to end something, by id, with what it is; those that are new among them, and
        those that are not among them any more."""
        was, self._stuck = self._stuck, dict(stuck)
        return sorted(stuck.keys() - was.keys()), sorted(was.keys() - stuck.keys())

    # Claims of runners from outside -------------------------------------------------------------------------------

    def renew(self, run_id: str, monotonic: float) -> float:
        """Whoever claimed the run still works on it; from when its claim counted until now."""
        with self._lock:
            before = self._renewed.get(run_id, monotonic)
            self._renewed[run_id] = monotonic
            return before

    def renewed_at(self, run_id: str, monotonic: float) -> float:
        """When the claim was made or renewed; a claim from before the server started counts from the first look."""
        with self._lock:
            return self._renewed.setdefault(run_id, monotonic)

    def forget_claims(self, live: Iterable[str]) -> None:
        """Forget the claims of all runs but these."""
        with self._lock:
            self._renewed = {run_id: self._renewed[run_id] for run_id in live if run_id in self._renewed}

    # What waits to be written or confirmed -------------------------------------------------------------------------

    def note_progress(self, progress: Mapping[str, float]) -> None:
        """Remember how far runs are, until the next flush."""
        with self._lock:
            self._progress.update(progress)

    def take_progress(self) -> dict[str, float]:
        """What was remembered since the last time."""
        with self._lock:
            progress, self._progress = self._progress, {}
        return progress

    def take_unsaved(self) -> list[ClientRow]:
        """Clients whose vitals changed since the last time."""
        changed = [presence for presence in self.every() if presence.unsaved]
        for presence in changed:
            presence.unsaved = False
        return [presence.row for presence in changed]

    def waiting_seconds(self, waiting: Iterable[str], monotonic: float) -> dict[str, float]:
        """Of the things that wait for a client to confirm something: for how long each has been seen here.

        `waiting` names all there are now, each by what it is and what it waits for.
        """
        with self._lock:
            self._waiting_since = {each: self._waiting_since.get(each, monotonic) for each in waiting}
            return {each: monotonic - since for each, since in self._waiting_since.items()}
