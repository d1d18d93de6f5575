"""The farm as people meet it: real processes, real sockets, nothing of ours in between."""

from __future__ import annotations

import json
import os
import signal
import socketserver
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest
from live_farm import BIN, LiveFarm, Program, wait_until

pytestmark = pytest.mark.farm

SEED_SUBMIT = """
from xmlrpc.client import ServerProxy

hq_server = ServerProxy({url!r})
job_spec = {{
    "name": "Render My Image",
    "shell": "bash",
    "command": "cd $HQROOT/houdini_distros/hfs 2>/dev/null;"
    + " for p in 25 50 100; do echo ALF_PROGRESS $p%; sleep 0.1; done; echo rendered",
}}
job_ids = hq_server.newjob(job_spec)
while True:
    job_details = hq_server.getJob(job_ids[0], ["progress", "status"])
    status = job_details["status"]
    if status in ("succeeded", "failed", "cancelled", "abandoned"):
        break
    progress = job_details["progress"]
    print("Progress: %.2f" % (progress * 100))
print("Status: ", job_details["status"])
"""

SEED_PING = """
from xmlrpc.client import ServerProxy

hq_server = ServerProxy({url!r})
try:
    hq_server.ping()
except Exception:
    print("HQueue server is down.")
else:
    print("HQueue server is up.")
"""


def python(code: str) -> str:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60).stdout


def test_the_seeds_example_that_submits_a_job_and_polls_it_works_as_printed(farm_of_one: LiveFarm) -> None:
    lines = python(SEED_SUBMIT.format(url=farm_of_one.url)).splitlines()
    assert lines[-1] == "Status:  succeeded"
    assert any(line.startswith("Progress: ") for line in lines)


def test_the_seeds_example_that_tests_the_connection_works_as_printed(live: LiveFarm) -> None:
    assert python(SEED_PING.format(url=live.url)) == "HQueue server is up.\n"
    assert live.server is not None
    assert live.server.end() == 0
    assert python(SEED_PING.format(url=live.url)) == "HQueue server is down.\n"


def test_a_command_runs_with_its_environment_and_its_output_is_complete_when_it_has_succeeded(
    farm_of_one: LiveFarm,
) -> None:
    command = 'echo "$JOBID $ROOTJOBID $GREETING $HQHOSTS"; echo "$HQSERVER"; echo "$HQROOT" >&2; echo "$HQCLIENTARCH"'
    (job,) = farm_of_one.call(
        "newjob", {"name": "Hello", "shell": "bash", "command": command, "environment": {"GREETING": "good day"}}
    )
    farm_of_one.wait_for(job, "succeeded")
    lines = farm_of_one.call("getJobOutput", job).splitlines()
    assert lines[0].startswith(f"{job} {job} good day ")
    assert lines[1:3] == [farm_of_one.url, "/mnt/hq"]
    assert "-" in lines[3]


def test_a_running_command_may_add_children_through_the_address_in_its_environment(farm_of_one: LiveFarm) -> None:
    """9.21: HQSERVER is a usable URL (without a login there is no token in it)."""
    script = (
        f'{sys.executable} -c "import os, xmlrpc.client; '
        "print(xmlrpc.client.ServerProxy(os.environ['HQSERVER']).newjob("
        "{'name': 'child', 'command': 'echo from the child'}, os.environ['JOBID']))\""
    )
    (parent,) = farm_of_one.call("newjob", {"name": "parent", "command": script})
    farm_of_one.wait_for(parent, "succeeded")
    (child,) = farm_of_one.job(parent, "children")
    assert farm_of_one.call("getJobOutput", child) == "from the child\n"


def test_frames_and_the_job_that_assembles_them_run_in_order(farm_of_one: LiveFarm) -> None:
    shared = farm_of_one.folder / "frames"
    shared.mkdir()
    frames = [{"name": f"frame {n}", "command": f"echo {n} > {shared}/{n}"} for n in range(6)]
    ids = farm_of_one.call("newjob", {"name": "animation", "command": f"cat {shared}/* | sort", "children": frames})
    farm_of_one.wait_for(ids[0], "succeeded")
    assert farm_of_one.call("getJobOutput", ids[0]).split() == [str(n) for n in range(6)]
    assert farm_of_one.job(ids[0], "overallProgress") == 1.0


def test_a_command_that_cannot_start_fails_its_job_and_the_output_says_why(farm_of_one: LiveFarm) -> None:
    (job,) = farm_of_one.call("newjob", {"name": "x", "shell": "no-such-shell", "command": "echo never"})
    farm_of_one.wait_for(job, "failed")
    assert "no-such-shell" in farm_of_one.call("getJobOutput", job)


def test_output_is_there_while_the_command_runs(farm_of_one: LiveFarm) -> None:
    (job,) = farm_of_one.call("newjob", {"name": "x", "command": "echo early; echo 'ALF_PROGRESS 40%'; sleep 30"})
    wait_until(
        lambda: "early" in farm_of_one.call("getJobOutput", job), what="output", show=lambda: farm_of_one.story(job)
    )
    wait_until(lambda: farm_of_one.job(job, "progress") == 0.4, what="progress", show=lambda: farm_of_one.story(job))
    farm_of_one.call("cancelJobs", [job])
    farm_of_one.wait_for(job, "cancelled")


def alive(token: str) -> list[int]:
    """Processes whose command line or environment holds the token."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                text = (entry / "cmdline").read_bytes() + (entry / "environ").read_bytes()
            except OSError:
                continue
            if token.encode() in text and not (entry / "cmdline").read_bytes().startswith(b"python"):
                found.append(int(entry.name))
    return found


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_cancel_ends_a_hostile_tree_before_the_job_is_called_cancelled(farm_of_one: LiveFarm) -> None:
    token = f"hostile-{os.getpid()}"
    command = (
        "trap '' TERM; setsid sh -c 'trap \"\" TERM; while :; do sleep 1; done' & "
        "env -i setsid sleep 1000 & (sh -c 'sleep 1000 &') ; echo up; while :; do sleep 1; done"
    )
    (job,) = farm_of_one.call("newjob", {"name": "x", "command": command, "environment": {"TREE": token}})
    wait_until(
        lambda: "up" in farm_of_one.call("getJobOutput", job), what="the tree", show=lambda: farm_of_one.story(job)
    )
    assert alive(token)
    farm_of_one.call("cancelJobs", [job])
    assert farm_of_one.job(job, "waitingFor") == "" or "ending on" in farm_of_one.job(job, "waitingFor")
    farm_of_one.wait_for(job, "cancelled")
    assert alive(token) == []
    assert farm_of_one.job(job, "unconfirmed") == []


def test_commands_go_on_while_the_server_is_away_and_their_results_are_delivered(farm_of_one: LiveFarm) -> None:
    (job,) = farm_of_one.call("newjob", {"name": "x", "command": "echo begun; sleep 1.5; echo done"})
    farm_of_one.wait_for(job, "running")
    wait_until(lambda: "begun" in farm_of_one.call("getJobOutput", job), what="the command to begin")
    assert farm_of_one.server is not None
    farm_of_one.server.end(signal.SIGKILL)
    farm_of_one.start_server()
    farm_of_one.wait_for(job, "succeeded")
    assert farm_of_one.call("getJobOutput", job) == "begun\ndone\n"
    assert len([line for line in farm_of_one.job(job, "logs") if line["status"] == "running"]) == 1


def test_commands_go_on_while_the_daemon_is_away_and_are_adopted_again(farm_of_one: LiveFarm) -> None:
    over = farm_of_one.folder / "the short one is over"
    short, long = farm_of_one.call(
        "newjob",
        [
            {"name": "a", "command": f"sleep 1; echo short; touch '{over}'; exit 3"},
            {"name": "b", "command": "sleep 3; echo long"},
        ],
    )
    farm_of_one.wait_for(short, "running")
    wait_until(lambda: farm_of_one.job(long, "commandStartTime"), what="both to run")
    wait_until(lambda: farm_of_one.job(short, "commandStartTime"), what="both to run")
    farm_of_one.clients["alpha"].end(signal.SIGKILL)
    wait_until(over.exists, what="the short command to end while no daemon is there")
    farm_of_one.start_client("alpha")
    farm_of_one.wait_for(short, "failed")
    farm_of_one.wait_for(long, "succeeded")
    assert farm_of_one.call("getJobOutput", short) == "short\n"
    assert farm_of_one.call("getJobOutput", long) == "long\n"
    assert len(farm_of_one.call("getClients")) == 1


def test_a_second_client_shares_the_work(farm_of_one: LiveFarm) -> None:
    farm_of_one.start_client("beta", cpus=1)
    ids = farm_of_one.call("newjob", [{"name": "x", "command": "sleep 0.7"} for _ in range(6)])
    for job in ids:
        farm_of_one.wait_for(job, "succeeded")
    used = {client["label"].rpartition(":")[2] for job in ids for client in farm_of_one.job(job, "clients")}
    assert used == {"alpha", "beta"}


def test_the_hq_command_submits_waits_and_shows(farm_of_one: LiveFarm) -> None:
    def hq(*words: str) -> subprocess.CompletedProcess[str]:
        command = [str(BIN / "hq"), "--server", farm_of_one.url, *words]
        return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)

    submitted = hq("submit", "--name", "greeting", "echo hello; sleep 0.2")
    assert submitted.returncode == 0, submitted.stderr
    job = submitted.stdout.split()[0]
    assert hq("wait", job).returncode == 0
    assert hq("output", job).stdout == "hello\n"
    assert "greeting" in hq("list", "--all").stdout
    assert "greeting" in hq("show", job).stdout
    assert "alpha" in hq("clients").stdout
    failed = hq("submit", "exit 7").stdout.split()[0]
    assert hq("wait", failed).returncode == 1
    followed = hq("submit", "--follow", "for i in 1 2 3; do echo line $i; sleep 0.2; done")
    assert followed.stdout.endswith("line 1\nline 2\nline 3\n")
    long = hq("submit", "sleep 100").stdout.split()[0]
    assert hq("cancel", long).returncode == 0
    assert hq("wait", long).returncode == 1
    assert json.loads(hq("--json", "clients").stdout)[0]["name"] == "alpha"


def test_a_port_in_use_a_bad_folder_and_a_damaged_database_are_one_sentence_each(
    live: LiveFarm, tmp_path: Path
) -> None:
    def refused(*flags: str) -> str:
        program = Program([str(BIN / "hqserver"), *flags])
        assert program.process.wait(30) != 0
        program.end()
        assert len(program.lines) == 1, program.lines
        return program.lines[0]

    assert "in use" in refused("--port", str(live.port), "--data", str(tmp_path / "other"))
    assert "another hqserver" in refused("--port", "0", "--data", str(tmp_path / "server"))
    (tmp_path / "file").write_text("not a folder")
    assert "cannot be written" in refused("--port", "0", "--data", str(tmp_path / "file" / "below"))
    damaged = tmp_path / "damaged"
    damaged.mkdir()
    (damaged / "farm.db").write_bytes(b"SQLite format 3\0" + b"garbage " * 1000)
    assert "damaged" in refused("--port", "0", "--data", str(damaged))
    assert "openNetworks" in refused("--host", "0.0.0.0", "--data", str(tmp_path / "other"))


def test_a_clients_mistakes_are_one_sentence_each(live: LiveFarm, tmp_path: Path) -> None:
    def refused(*flags: str) -> str:
        program = Program([str(BIN / "hqclient"), *flags])
        assert program.process.wait(30) != 0
        program.end()
        assert len(program.lines) == 1, program.lines
        return program.lines[0]

    with socketserver.TCPServer(("127.0.0.1", 0), BaseHTTPRequestHandler) as other:
        threading.Thread(target=other.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{other.server_address[1]}"
        assert "no farm" in refused("--server", address, "--port", "0", "--data", str(tmp_path / "wrong"))
        other.shutdown()
    assert "http" in refused("--server", "ftp://nowhere", "--data", str(tmp_path / "c"))
    (tmp_path / "file").write_text("not a folder")
    assert "file" in refused("--server", live.url, "--data", str(tmp_path / "file" / "below"))
    live.start_client("alpha")
    assert refused("--server", live.url, "--name", "alpha", "--port", "0", "--data", str(tmp_path / "alpha"))
