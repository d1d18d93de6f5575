"""What the server knows of its clients from moment to moment, in memory.

Heartbeats change this and nothing else; once a second what people look at is written to the database in one batch
(DESIGN, Store). Every age is by the server's monotonic clock: no clock of a client is ever compared with it. After a
restart of the server every silence counts from its start.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from hqserver.domain.placement import Seat
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
    lost: bool = False
    orders_waiting: bool = True
    unsaved: bool = False
    previous_session: str = ""
    refused_sessions: set[str] = field(default_factory=set)

    def silence(self, monotonic: float) -> float:
        """Seconds since the client was heard."""
        return max(monotonic - self.heard_at, 0.0)


class Watch:
    """All clients by id, and by the hash of their secret."""

    def __init__(self, rows: Iterable[ClientRow], monotonic: float, suspect_seconds: float):
        self._lock = threading.Lock()
        self._suspect_seconds = suspect_seconds
        self._clients = {row.id: Presence(row, monotonic, monotonic) for row in rows}
        self._by_secret = {presence.row.secret_hash: presence for presence in self._clients.values()}
        self._progress: dict[str, float] = {}
        self._ending_since: dict[str, float] = {}

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

    # Whether a client takes work ---------------------------------------------------------------------------------

    def why_not_taking(self, presence: Presence, monotonic: float, unconfirmed: Iterable[int]) -> str:
        """Why the client gets no new work, "" where it does. Completes "<client> ..."."""
        if presence.row.disabled:
            return "is disabled"
        if not presence.heard:
            return "has not been heard of since the server started"
        if presence.lost or presence.silence(monotonic) > self._suspect_seconds:
            return f"has been silent for {presence.silence(monotonic):.0f} s"
        if not presence.accepting:
            return "takes no new work (it is draining or its disk is nearly full)"
        if presence.row.id in unconfirmed:
            return "may still run a job that was cancelled or given to another client"
        return ""

    def seats(
        self,
        monotonic: float,
        occupancy: Mapping[int, tuple[int, int]],
        unconfirmed: Iterable[int],
        only: int | None = None,
    ) -> list[Seat]:
        """The clients as placement sees them, `occupancy` saying which CPUs are in use; all of them, or only one."""
        unconfirmed = set(unconfirmed)
        seats = []
        for presence in self.every():
            if only is not None and presence.row.id != only:
                continue
            cpus_used, live_runs = occupancy.get(presence.row.id, (0, 0))
            row = presence.row
            # CPUs counted beyond what it has are those of runs it queues already.
            queued = max(cpus_used - row.cpus, 0)
            why_not = self.why_not_taking(presence, monotonic, unconfirmed)
            seats.append(
                Seat(
                    client_id=row.id,
                    label=row.label,
                    platform=row.platform,
                    cpus=row.cpus,
                    cpus_used=cpus_used,
                    live_runs=live_runs,
                    spare=max(presence.spare - queued, 0),
                    load=row.load,
                    taking=not why_not,
                    why_not=why_not,
                )
            )
        return seats

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

    def overdue_kills(self, run_ids: Iterable[str], monotonic: float, timeout_seconds: float) -> set[str]:
        """Of the runs whose kill is not confirmed, those first seen so longer than the time-out ago."""
        with self._lock:
            self._ending_since = {run_id: self._ending_since.get(run_id, monotonic) for run_id in run_ids}
            return {run_id for run_id, since in self._ending_since.items() if monotonic - since > timeout_seconds}
