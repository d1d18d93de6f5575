"""A farm for tests: a settable clock, a real database file, a client that beats through the services, a recount."""

from __future__ import annotations

import itertools
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from hqserver.domain.run import RunEnd
from hqserver.services.care.audit import audit_all
from hqserver.services.clients import beats, registration
from hqserver.services.clients.beats import Answer, Beat, Piece
from hqserver.services.clients.registration import Identity
from hqserver.services.dispatch import assignment
from hqserver.services.farm import Farm, Policy
from hqserver.services.intake import submission
from hqserver.services.watch import Watch
from hqserver.services.work.reports import ENDED, PAUSED, REFUSED, RESUMED, STARTED, Report
from hqserver.store import clients
from hqserver.store.database import Database
from hqserver.store.output import OutputFiles


class SetClock:
    """A clock that stands until a test moves it."""

    def __init__(self) -> None:
        self.wall = 1_700_000_000.0
        self.steady = 1000.0
        self.began = self.wall - self.steady

    def now(self) -> float:
        return self.wall

    def monotonic(self) -> float:
        return self.steady

    def certain(self) -> float:
        return min(self.wall, self.began + self.steady)

    def advance(self, seconds: float) -> None:
        self.wall += seconds
        self.steady += seconds


@dataclass
class Asked:
    """What the services asked of the dispatcher and the waker."""

    passes: int = 0
    woken: list[int] = field(default_factory=list)

    def ask_for_pass(self) -> None:
        self.passes += 1

    def wake(self, client_id: int) -> None:
        self.woken.append(client_id)


@cache
def _empty_database() -> dict[str, bytes]:
    """A farm's files before anything is in it, made by the real migrations: once a process, for it takes a while."""
    with tempfile.TemporaryDirectory() as folder:
        Database(Path(folder, "farm.db")).close()
        return {path.name: path.read_bytes() for path in Path(folder).iterdir() if path.is_file()}


def open_farm(folder: Path, clock: SetClock, asked: Asked, policy: Policy) -> Farm:
    path = folder / "farm.db"
    if not path.exists():
        for name, content in _empty_database().items():
            (folder / name).write_bytes(content)
    database = Database(path)
    with database.read() as connection:
        known = clients.every(connection)
    watch = Watch(known, clock.monotonic(), policy.suspect_seconds)
    return Farm(database, OutputFiles(folder / "output"), watch, clock, policy, asked.ask_for_pass, asked.wake)


@contextmanager
def restarted(farm: Farm, clock: SetClock, asked: Asked, *clients: TestClient) -> Iterator[Farm]:
    """The farm's server, ended and started anew on the same file, for these clients."""
    farm.database.close()
    found = open_farm(farm.database.path.parent, clock, asked, farm.policy)
    for client in clients:
        client.farm = found
    try:
        yield found
        check_counters(found)
    finally:
        found.database.close()


def check_counters(farm: Farm) -> None:
    """What stands on every job's row is what the server's own audit counts anew (DESIGN, How a job moves)."""
    _, differences = audit_all(farm.database)
    assert not differences, "; ".join(map(str, differences))


@dataclass
class TestClient:
    """A daemon's side of the protocol, driven by hand through the services."""

    __test__ = False
    farm: Farm
    hostname: str = "alpha"
    name: str = ""
    cpus: int = 2
    platform: str = "linux-x86_64"
    boot_id: str = "boot-1"
    session: str = "s1"
    secret: str = ""
    id: int = 0
    sequence: int = 0
    spare: int = 0
    orders: dict[str, dict[str, Any]] = field(default_factory=dict)
    start_orders: dict[str, dict[str, Any]] = field(default_factory=dict)
    answered_at: float = 0.0
    held: set[str] = field(default_factory=set)
    died: set[str] = field(default_factory=set)
    highest_job: int = 0
    _numbers: Iterator[int] = field(default_factory=itertools.count)

    def register(self) -> registration.Registration:
        identity = Identity(
            hostname=self.hostname,
            name=self.name,
            session=self.session,
            boot_id=self.boot_id,
            platform=self.platform,
            cpus=self.cpus,
            cpu_speed=3000,
            memory=16_000_000,
            version="v",
            port=0,
            runs=frozenset(self.held),
            died=frozenset(self.died),
            highest_job=self.highest_job,
        )
        found = registration.register(self.farm, identity, self.secret, "127.0.0.1")
        self.id, self.secret, self.sequence = found.client_id, found.secret or self.secret, 0
        return found

    def beat(
        self,
        *reports: Report,
        output: tuple[Piece, ...] = (),
        progress: dict[str, float] | None = None,
        accepting: bool = True,
        declining: str = "",
        queued: tuple[str, ...] = (),
    ) -> Answer:
        self.sequence += 1
        answer = beats.beat(
            self.farm,
            self.secret,
            Beat(
                session=self.session,
                sequence=self.sequence,
                load=0.5,
                memory_free=8_000_000,
                disk_free=100_000_000,
                idle_minutes=-1,
                utc_offset=0,
                spare=self.spare,
                accepting=accepting,
                declining=declining,
                queued=frozenset(queued),
                progress=progress or {},
                output=output,
                reports=reports,
                highest_job=self.highest_job,
            ),
        )
        self.answered_at = self.farm.clock.monotonic()
        for order in answer.orders:
            if "run" not in order:
                continue  # it is the daemon's own: to end, to restart
            self.orders[str(order["run"])] = order
            if order["kind"] == "start":
                self.start_orders[str(order["run"])] = order
        return answer

    def fetch(self) -> list[dict[str, Any]]:
        """Let a dispatch pass happen, beat, and give the start orders that came."""
        while assignment.dispatch_pass(self.farm):
            pass
        return [order for order in self.beat().orders if order["kind"] == "start"]

    def started(self, run: str, ago: float = 0.0) -> Report:
        return Report(f"{run}:started", run, STARTED, started_ago=ago)

    def ended(
        self,
        run: str,
        code: int = 0,
        *,
        seconds: float = 1.0,
        killed: bool = False,
        signal: int = 0,
        log_size: int | None = None,
        log_sent: int = 0,
        stderr: tuple[int, int] | None = None,
        failure: str = "",
        line: str = "",
    ) -> Report:
        """It ended; `failure` is the action of the failure pattern that `line` of its output matched. `stderr`: size of
        that log and how much of it was sent, None for a run that has none."""
        size, stderr_sent = stderr or (None, 0)
        end = RunEnd(exit_code=code, signal=signal, log_size=log_size, stderr_size=size)
        return Report(
            *(f"{run}:ended", run, ENDED),
            started_ago=seconds,
            ended_ago=0.0,
            killed=killed,
            failure=failure,
            failure_line=line,
            log_sent=log_sent,
            stderr_sent=stderr_sent,
            end=end,
        )

    def reached(self, run: str, limit: str, *, failure: str = "", line: str = "") -> Report:
        """It reached a limit (PROTOCOL.md, Limits)."""
        killed = limit != "minTime"
        end = RunEnd(exit_code=143 if killed else 1, signal=15 if killed else 0, reason=f"{limit}: it was reached")
        return Report(
            *(f"{run}:ended", run, ENDED),
            started_ago=60.0,
            killed=killed,
            limit=limit,
            failure=failure,
            failure_line=line,
            end=end,
        )

    def paused(self, run: str) -> Report:
        return Report(f"{run}:paused:{next(self._numbers)}", run, PAUSED)

    def resumed(self, run: str) -> Report:
        return Report(f"{run}:resumed:{next(self._numbers)}", run, RESUMED)

    def refused(self, run: str, reason: str = "draining") -> Report:
        return Report(f"{run}:refused", run, REFUSED, end=RunEnd(reason=reason))

    def run_all(self, code: int = 0) -> int:
        """Run whatever the farm hands out until it hands out nothing; how many runs that were."""
        count = 0
        orders = self.fetch()
        while orders:
            count += len(orders)
            answer = self.beat(*(self.ended(order["run"], code) for order in orders))
            orders = [order for order in answer.orders if order["kind"] == "start"] or self.fetch()
        return count


def submit(farm: Farm, **specification: Any) -> int:
    """Submit one job with a name; the id."""
    return submission.submit(farm, {"name": "a job", **specification})[0]
