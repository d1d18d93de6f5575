"""What Houdini's ROPs and its PDG scheduler send, played on a real farm (CONTRACT 8): containers, jobs that add their
render jobs while they run, a simulation with a tracker and slices, jobs for several hosts, progress and hooks."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

import pytest
from live_farm import LiveFarm, wait_until

pytestmark = pytest.mark.farm

PROGRAMS = Path(__file__).parent / "houdini"


@pytest.fixture
def root(live: LiveFarm, tmp_path: Path) -> Path:
    """The network folder that all machines share, with three clients on this machine told apart by name."""
    folder = tmp_path / "shared"
    folder.mkdir()
    live.call("setNetworkFolder", "HQROOT", "fileserver", str(folder), "H:", str(folder), True)
    for name in ("alpha", "beta", "gamma"):
        live.start_client(name)
    return folder


def program(name: str, *words: object) -> str:
    return " ".join([f'"{sys.executable}"', f'"$HQCOMMANDS/{name}.py"', *map(str, words)])


def spec(name: str, command: str = "", **properties: Any) -> dict[str, Any]:
    """As Houdini's submit module builds it: empty values where nothing was chosen."""
    return {
        "name": name,
        "shell": "bash",
        "command": command,
        "conditions": [],
        "tags": "",
        "environment": {"HQCOMMANDS": str(PROGRAMS), "HFS": "/opt/hfs20.5", "HQ_PRESERVE_ENV_VARS": "HFS"},
        "emailTo": "",
        "emailReasons": "",
        **properties,
    }


def test_a_render_rop_s_container_runs_the_job_that_adds_its_render_jobs_while_it_runs(
    live: LiveFarm, root: Path
) -> None:
    group = live.call("createClientGroup", "Render nodes")
    for client in live.call("getClients", None, ["id", "name"]):
        if client["name"] != "gamma":
            live.call("addClientToGroup", group, client["id"])
    ifds = spec(
        "Generate IFDs",
        program("generate_ifds", 1, 4),
        tags=["single:generate"],
        priority="5 (Medium)",
        conditions=[{"type": "client", "name": "group", "op": "==", "value": "Render nodes"}],
        onSuccess=program("ask_for_output"),
    )
    container, generator = live.call("newjob", spec("Render /out/mantra1", children=[ifds], priority=5))
    live.wait_for(container, "succeeded")

    renders = live.job(generator, "children")
    assert len(renders) == 4
    assert sorted(path.name for path in root.glob("*.pic")) == [f"frame.{frame:04d}.pic" for frame in range(1, 5)]
    for job in live.call("getJobs", renders, ["status", "priority", "conditions", "clients", "progress", "parents"]):
        assert (job["status"], job["priority"], job["progress"]) == ("succeeded", 5, 1.0)
        assert job["conditions"][0]["value"] == "Render nodes"
        assert {client["name"] for client in job["clients"]} <= {"alpha", "beta"}
        assert job["parents"] == [generator]
    # The hook ran once, when the render jobs had ended too, and its output follows the command's (9.8, 9.13).
    output = live.call("getJobOutput", generator)
    assert len(re.findall(r"^hook: succeeded, [45] lines so far$", output, re.MULTILINE)) == 1
    ended = max(job["endTime"] for job in live.call("getJobs", renders, ["endTime"]))
    assert live.job(generator, "endTime") >= ended
    told = live.job(container, "overallProgress", "ETA", "tasks", "progress", "uiStatus", "clients")
    assert (told["overallProgress"], told["ETA"], told["progress"]) == (1.0, 0.0, 0.0)
    assert told["tasks"] == {"total": 5, "finished": 5, "failed": 0}
    assert told["uiStatus"] == "succeeded"
    assert told["clients"] == []


def test_a_render_job_that_fails_is_tried_again_and_then_fails_what_waits_for_it(live: LiveFarm, root: Path) -> None:
    broken = spec("Render -> frame", "echo trying; exit 3", triesLeft=1, onError="echo gave up with $HQSTATUS")
    container, job = live.call(
        "newjob", spec("Render", children=[broken], onChildError="echo a frame of job $JOBID failed")
    )
    live.wait_for(container, "failed")
    assert live.call("getJobOutput", job).count("trying") == 2
    assert live.call("getJobOutput", job).count("gave up with failed") == 1
    assert f"a frame of job {container} failed" in live.call("getJobOutput", container)
    assert live.job(job, "triesLeft") == 0


def test_a_simulation_s_slices_run_at_the_same_time_each_on_a_machine_of_its_own(live: LiveFarm, root: Path) -> None:
    slices = [
        spec(
            f"Slice {number}",
            program("slice"),
            environment={"HQCOMMANDS": str(PROGRAMS), "SLICE": str(number), "CLUSTER": "", "WEDGENUM": "0"},
            tags=["single:slice"],
        )
        for number in range(3)
    ]
    tracker = spec("Tracker", program("tracker", 3), tags=[])
    simulation, tracker_id, *slice_ids = live.call("newjob", spec("Simulate", children=[tracker, *slices]))
    live.wait_for(simulation, "succeeded")
    assert live.call("getJobOutput", tracker_id).splitlines()[-1] == "slices 0 1 2"
    used = [job["clients"] for job in live.call("getJobs", slice_ids, ["clients"])]
    assert sorted(clients[0]["name"] for clients in used) == ["alpha", "beta", "gamma"]
    assert all(len(clients) == 1 for clients in used)


def test_a_frame_for_several_hosts_runs_on_the_first_and_is_told_of_them_all(live: LiveFarm, root: Path) -> None:
    (job,) = live.call(
        "newjob", spec("mantra -H", 'echo "hosts=$HQHOSTS"; sleep 0.5', minHosts="2", maxHosts="2", cpus=2)
    )
    running = wait_until(
        lambda: live.job(job, "status") == "running" and live.job(job, "clients"), what="the job to run"
    )
    assert len(running) == 2
    assert live.job(job, "uiStatus") == "running"
    live.wait_for(job, "succeeded")
    hosts = live.call("getJobOutput", job).strip().removeprefix("hosts=").split(",")
    assert hosts == [client["hostname"] for client in running]


def test_a_job_for_more_hosts_than_are_free_holds_those_it_can_get(live: LiveFarm, root: Path) -> None:
    (blocker,) = live.call("newjob", spec("blocker", "sleep 30", tags="single"))
    live.wait_for(blocker, "running")
    (job,) = live.call("newjob", spec("all three", 'echo "hosts=$HQHOSTS"', minHosts=3, maxHosts=3))
    held = wait_until(lambda: live.job(job, "clientsOnHold"), what="held clients")
    assert len(held) == 3
    assert live.job(job, "uiStatus") == "waiting for resources"
    assert "3 clients together" in live.job(job, "waitingFor")
    live.call("cancelJobs", [blocker])
    live.wait_for(job, "succeeded")
    assert live.job(job, "clientsOnHold") == []


def test_a_pdg_cook_submits_a_job_an_item_below_its_top_job_and_cancels_what_is_left(
    live: LiveFarm, root: Path
) -> None:
    hostname = live.call("getClients", None, ["hostname"])[0]["hostname"]
    (top,) = live.call("newjob", spec("PDG: ropfetch1", "sleep 300", submittedBy="artist", tags="single:mq"))
    live.wait_for(top, "running")  # before it has children: a job that waits for its children fails with the first
    items = [
        live.call(
            "newjob",
            spec(
                f"item {number}",
                f"echo item $PDG_ITEM; exit {int(number == 2)}",
                host=hostname,
                cpus=1,
                environment={"PDG_ITEM": str(number), "HOUDINI_MAXTHREADS": "1"},
            ),
            str(top),
        )[0]
        for number in range(4)
    ]
    wanted = {"succeeded": [0, 1, 3], "failed": [2]}

    def ended() -> bool:
        found = live.call("getJobs", items, ["status", "progress"])
        return all(job["status"] in ("succeeded", "failed") for job in found)

    wait_until(ended, what="the items to end")
    for status, numbers in wanted.items():
        for number in numbers:
            assert live.job(items[number], "status") == status
            assert f"item {number}" in live.call("getJobOutput", items[number])
    assert {live.job(item, "submittedBy") for item in items} == {"artist"}
    assert live.job(top, "status") == "running"
    live.call("cancelJobs", [top])
    live.wait_for(top, "cancelled")
