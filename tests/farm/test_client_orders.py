"""Clients that are removed and restarted from the server, as real processes (CONTRACT 9.27)."""

from __future__ import annotations

from pathlib import Path

import pytest
from live_farm import LiveFarm, wait_until

pytestmark = pytest.mark.farm


def ids_by_name(farm: LiveFarm) -> dict[str, int]:
    return {client["name"]: client["id"] for client in farm.call("getClients", None, ["name", "id"])}


def counting(path: Path) -> str:
    """A command that appends to a file for as long as it lives, and ends when `<path>.stop` is there."""
    return f"until [ -e {path}.stop ]; do echo on >> {path}; sleep 0.1; done"


def test_a_removed_client_ends_what_it_runs_and_its_daemon_and_another_takes_the_work(live: LiveFarm) -> None:
    assert live.server is not None
    live.server.end()
    live.start_server(env={"HQSERVER_ACTIVE_TIMEOUT": "0.05"})
    daemon = live.start_client("first")
    progress = live.folder / "progress"
    (job,) = live.call("newjob", {"name": "long", "command": counting(progress)})
    wait_until(progress.exists, what="the command to run", show=lambda: live.story(job))

    first = ids_by_name(live)["first"]
    live.call("removeClients", [first])
    assert daemon.process.wait(30) == 0, daemon.lines
    live.start_client("second")
    wait_until(lambda: list(ids_by_name(live)) == ["second"], what="the first client to be gone")
    (progress.parent / "progress.stop").touch()
    live.wait_for(job, "succeeded")
    clients = live.job(job, "clients")
    assert [client["name"] for client in clients] == ["first", "second"]
    assert live.call("getJobHistory", first) == [job]


def test_a_client_that_is_restarted_goes_on_with_what_it_runs(farm_of_one: LiveFarm) -> None:
    progress = farm_of_one.folder / "progress"
    (job,) = farm_of_one.call("newjob", {"name": "long", "command": counting(progress)})
    wait_until(progress.exists, what="the command to run", show=lambda: farm_of_one.story(job))
    (client,) = ids_by_name(farm_of_one).values()

    farm_of_one.call("restartClients", [client])
    wait_until(
        lambda: farm_of_one.call("getClient", client, ["wanted"])["wanted"] == "",
        what="the client to have restarted",
        show=lambda: farm_of_one.clients["alpha"].lines,
    )
    (progress.parent / "progress.stop").touch()
    farm_of_one.wait_for(job, "succeeded")
    assert len(farm_of_one.call("getClients")) == 1
    events = [entry["event"] for entry in farm_of_one.job(job, "logs")]
    assert "lost" not in events
