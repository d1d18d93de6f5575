"""Every method that is not idempotent does nothing twice when a request comes again unanswered (CONTRACT 10)."""

from __future__ import annotations

import xmlrpc.client
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from farm_kit import SetClock, TestClient, submit

from hqserver.rpc.dispatch import Dispatcher
from hqserver.rpc.method import Caller, Registry
from hqserver.services import locks
from hqserver.services.farm import Farm
from hqserver.services.retries import Retries
from hqserver.store.calls import CallBook

EXAMPLES: dict[str, tuple[Any, ...]] = {
    "newjob": ({"name": "x", "children": [{"name": "c", "command": "true"}]},),
    "runcmd": ("true",),
    "createClientGroup": ("night",),
    "addNote": ("look at this", None, None, None),
    "addWork": (1, "9-10"),
    "addCallback": (1, "failed", {"type": "command", "command": "true"}),
    "releaseLock": ("nightly", "TOKEN"),
    "breakLock": ("nightly",),
    "changeWork": (1, ["3"], "block"),
    "changeJobs": ([1], "pause"),
    "changeRuns": (["RUN"], "cancel"),
    "importJobs": (
        {
            "version": 1,
            "jobs": [{"id": 7, "status": "succeeded", "queueTime": 1.0, "specification": {"name": "x"}}],
        },
    ),
    "resetFarm": ("delete all jobs",),
    "claimJob": ({"name": "claimed"}, "laptop"),
    "system.multicall": ([{"methodName": "newjob", "params": [{"name": "x"}]}] * 2,),
}
"""A call of each; `system.multicall` is as idempotent as what it calls. Job 1 has an agenda, of which RUN is a run;
the lock nightly is held under TOKEN."""

LAPTOP = {"type": "client", "name": "hostname", "op": "==", "value": "laptop"}
REFUSED_THE_SECOND_TIME = {"createClientGroup", "addWork"}


class Requests:
    """Sends requests to the dispatcher and says how their connections ended."""

    def __init__(self, farm: Farm, registry: Registry, folder: Path, clock: SetClock):
        self._dispatcher = Dispatcher(registry)
        self._retries = Retries(farm.database, CallBook(folder / "calls.answered"), clock, "boot")
        self._farm = farm
        farm.database.path.with_name("backups").touch()  # no folder: a reset ends before it waits for the run
        submit(farm, command="render", agenda="1-3", maxConcurrent=1)
        submit(farm, name="claimed", command="render", agenda="1-3", conditions=[LAPTOP])
        client = TestClient(farm)
        client.register()
        client.beat()
        (order,) = client.fetch()
        self._run = str(order["run"])
        lock = locks.acquire(farm, "nightly", 30, "ana")
        assert lock is not None
        self._token = str(lock["token"])

    def send(self, name: str, *, answered: bool) -> Any:
        text = xmlrpc.client.dumps(EXAMPLES[name], name, allow_none=True)
        body = text.replace("RUN", self._run).replace("TOKEN", self._token).encode()
        attempt = self._retries.attempt("10.0.0.1", body)
        answer = self._dispatcher.handle(body, Caller(attempt=attempt))
        if answered:
            attempt.answered()
        attempt.ended()
        (result,), _ = xmlrpc.client.loads(answer, use_builtin_types=True)
        return result

    def rows(self) -> dict[str, int]:
        """How many rows each table has, but for the calls themselves."""
        with self._farm.database.read() as connection:
            names = [row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
            return {
                name: connection.execute(f"SELECT count(*) FROM {name}").fetchone()[0]
                for name in names
                if name != "call"
            }


@pytest.fixture
def requests(farm: Farm, registry: Registry, tmp_path: Path, clock: SetClock) -> Iterator[Requests]:
    yield Requests(farm, registry, tmp_path, clock)


def test_every_method_that_is_not_idempotent_has_an_example(registry: Registry) -> None:
    assert {method.name for method in registry if not method.idempotent} == EXAMPLES.keys() - {"system.multicall"}


@pytest.mark.parametrize("name", EXAMPLES)
def test_a_request_that_comes_again_unanswered_does_nothing_twice(requests: Requests, name: str) -> None:
    first, before = requests.send(name, answered=False), requests.rows()
    assert requests.send(name, answered=False) == first
    assert requests.send(name, answered=True) == first
    assert requests.rows() == before


@pytest.mark.parametrize("name", sorted(EXAMPLES.keys() - REFUSED_THE_SECOND_TIME))
def test_a_request_that_was_answered_is_a_wish_of_its_own_the_next_time(requests: Requests, name: str) -> None:
    first, before = requests.send(name, answered=True), requests.rows()
    second = requests.send(name, answered=True)
    assert (second, requests.rows()) != (first, before)
