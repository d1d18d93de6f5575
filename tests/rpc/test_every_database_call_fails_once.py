"""Every call of the database fails once, the SQLite way: clean faults, nothing lost, nothing wrong (PROMISES, T4)."""

from __future__ import annotations

import itertools
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from xmlrpc.client import Fault, ServerProxy

import pytest
from farm_kit import Asked, SetClock, TestClient, check_counters, open_farm
from rpc_kit import InProcess

from hqserver.app import surfaces
from hqserver.domain.errors import Busy, DiskFull, FarmError
from hqserver.rpc.dispatch import Dispatcher
from hqserver.rpc.method import Caller
from hqserver.services.care import upkeep
from hqserver.services.care.audit import audit_all
from hqserver.services.dispatch import assignment
from hqserver.services.farm import Policy
from hqserver.services.retries import Retries
from hqserver.store.calls import CallBook

CODES = {
    "full": (sqlite3.SQLITE_FULL, "database or disk is full"),
    "busy": (sqlite3.SQLITE_BUSY, "database is locked"),
    "no memory": (sqlite3.SQLITE_NOMEM, "out of memory"),
}


class Failing(sqlite3.Connection):
    """A connection that fails once: `left` more statements of all connections from now, 0 for never."""

    left = 0
    code, words = CODES["full"]

    def execute(self, *words: Any) -> sqlite3.Cursor:
        self._fail_or_go_on()
        return super().execute(*words)

    def executemany(self, *words: Any) -> sqlite3.Cursor:
        self._fail_or_go_on()
        return super().executemany(*words)

    @classmethod
    def arm(cls, number: int) -> None:
        cls.left = number

    @classmethod
    def _fail_or_go_on(cls) -> None:
        if cls.left:
            cls.left -= 1
            if not cls.left:
                problem = sqlite3.OperationalError(cls.words)
                problem.sqlite_errorcode = cls.code
                raise problem


@pytest.fixture(params=CODES)
def failing(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Failing]]:
    connect = sqlite3.connect
    monkeypatch.setattr(sqlite3, "connect", lambda *words, **more: connect(*words, **{"factory": Failing, **more}))
    Failing.code, Failing.words = CODES[request.param]
    yield Failing
    Failing.arm(0)


class Answering(InProcess):
    """A caller whose every call is an attempt of its own, and is answered."""

    def __init__(self, dispatcher: Dispatcher, retries: Retries) -> None:
        super().__init__(dispatcher)
        self._retries = retries

    def request(self, host: Any, handler: str, request_body: Any, verbose: bool = False) -> Any:
        attempt = self._retries.attempt("here", bytes(request_body))
        parser, unmarshaller = self.getparser()
        parser.feed(self._dispatcher.handle(bytes(request_body), Caller(attempt=attempt)))
        parser.close()
        attempt.answered()
        attempt.ended()
        return unmarshaller.close()


def test_no_failure_of_the_database_loses_anything_or_is_told_badly(
    tmp_path: Path, clock: SetClock, asked: Asked, policy: Policy, failing: type[Failing]
) -> None:
    farm = open_farm(tmp_path, clock, asked, policy)
    with closing(farm.database):
        retries = Retries(farm.database, CallBook(tmp_path / "calls.answered"), clock, "boot")
        transport = Answering(Dispatcher(surfaces(farm)), retries)
        hq = ServerProxy("http://in-process", transport=transport, allow_none=True)
        client = TestClient(farm, cpus=110)
        client.register()
        client.beat()
        acknowledged: list[int] = []
        numbers = itertools.count(1)
        live: list[str] = []

        def newjob(**specification: Any) -> list[int]:
            ids: list[int] = hq.newjob({"name": f"j{next(numbers)}", **specification})  # type: ignore[assignment]
            acknowledged.extend(ids)
            return ids

        def fetch() -> None:
            while assignment.dispatch_pass(farm):
                pass
            live.extend(str(order["run"]) for order in client.beat().orders if order["kind"] == "start")

        def end(code: int) -> None:
            # A report that was not taken stays first in the daemon's outbox.
            client.beat(client.ended(live[0], code))
            live.pop(0)

        family = {"command": "p", "children": [{"name": "c", "command": "c"}] * 2}
        for each in ({"command": "c"}, {"command": "c", "priority": 3}, family, {"command": "c"}):
            newjob(**each)
        acknowledged.extend(hq.newjob([{"name": "c", "command": "c"}] * 100))  # type: ignore[arg-type]
        fetch()
        running, other, family_id = acknowledged[-1], acknowledged[-2], acknowledged[2]
        steps: list[Callable[[], object]] = [
            newjob,
            lambda: hq.addCallback(family_id, "any:failed,work:failed", {"type": "webhook", "url": "http://h/"}),
            lambda: newjob(command="c", submitKey=f"k{next(numbers)}"),
            lambda: newjob(**family),
            lambda: acknowledged.append(hq.runcmd(f"echo {next(numbers)}")),  # type: ignore[arg-type]
            fetch,
            lambda: client.beat(*(client.started(run) for run in live[:2])),
            lambda: client.beat(progress=dict.fromkeys(live[:2], 0.5)),
            lambda: upkeep.flush(farm),
            lambda: end(0),
            lambda: end(3),
            lambda: hq.getJobs(acknowledged[:5], ["status", "overallProgress", "ETA", "logs"]),
            lambda: hq.getJob(acknowledged[0]),
            lambda: hq.getJobOutput(acknowledged[0]),
            lambda: hq.getJobIdsByStatus(["running"]),
            hq.getUnfinishedRootJobIds,
            lambda: hq.getClients(),
            lambda: hq.addNote(f"note {next(numbers)}", None, acknowledged[0], None),
            lambda: hq.createClientGroup(f"group {next(numbers)}"),
            hq.getClientGroups,
            lambda: hq.setJobPriority([running], 7),
            lambda: hq.pauseJobs([running]),
            lambda: hq.resumeJobs([running]),
            lambda: hq.cancelJobs([other]),
            lambda: hq.rescheduleJobs([acknowledged[0]]),
            lambda: hq.system.multicall([{"methodName": "newjob", "params": [{"name": "m"}]}]),
            fetch,
            retries.flush,
            lambda: upkeep.notice_silence(farm),
            lambda: upkeep.bound_waits(farm),
            lambda: upkeep.forget_submissions(farm),
        ]
        told = 0
        for step in steps:
            for number in itertools.count(1):
                failing.arm(number)
                try:
                    step()
                except Fault as fault:
                    told += 1
                    assert fault.faultCode in (503, 507), f"statement {number}: {fault}"
                except (Busy, DiskFull):
                    told += 1
                except FarmError as problem:
                    assert not failing.left, problem  # a second time is not always wanted: it had been done
                if failing.left:
                    failing.arm(0)
                    break
        assert told > 100
        with farm.database.read() as connection:
            found = {row["id"]: row["name"] for row in connection.execute("SELECT id, name FROM job")}
            assert connection.execute("PRAGMA integrity_check").fetchone()[0] == "ok"
        assert set(acknowledged) == {each for each, name in found.items() if name != "m"}
        check_counters(farm)
        assert audit_all(farm.database)[1] == []
