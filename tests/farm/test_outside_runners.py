"""Runners that are no hqclient, against a real server: each job once, whatever dies meanwhile (CONTRACT 10)."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from live_farm import BIN, LiveFarm, Program, wait_until

from hqclient.cli.claims import _EPILOG
from hqclient.farm import Farm

pytestmark = pytest.mark.farm


def work(url: str, runner: str, done: list[tuple[int, str]]) -> None:
    """Claim what there is, until there is nothing."""
    with Farm(url) as farm:
        while (claim := farm.claim_job({}, runner)) is not None:
            done.append((claim.job_id, claim.work))
            claim.finish("succeeded", output=f"done by {runner}\n")


def test_runners_in_many_threads_and_a_client_do_each_job_once(live: LiveFarm) -> None:
    jobs = live.call("newjob", [{"name": f"job {number}", "command": "echo x"} for number in range(90)])
    agenda = live.call("newjob", {"name": "pieces", "command": "echo {frame}", "agenda": "1-10"})
    live.start_client("alpha")
    done: list[tuple[int, str]] = []
    threads = [threading.Thread(target=work, args=[live.url, f"laptop{number % 3}", done]) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert not any(thread.is_alive() for thread in threads)
    for job in [*jobs, *agenda]:
        live.wait_for(job, "succeeded")
    runs = [run for job in [*jobs, *agenda] for run in live.call("getRuns", job)]
    assert len(runs) == 100
    assert {run["status"] for run in runs} == {"succeeded"}
    by_runners = [run for run in runs if run["client"].startswith("laptop")]
    assert (len(by_runners), len(set(done))) == (len(done), len(done))
    assert done


@pytest.mark.timeout(120)
def test_an_end_counts_that_is_told_after_the_server_was_killed(live: LiveFarm) -> None:
    (job,) = live.call("newjob", {"name": "x", "command": "x"})
    claim = live.call("claimJob", {}, "laptop", 600)
    assert live.server is not None
    live.server.end(signal.SIGKILL)
    live.start_server()
    assert live.job(job, "status") == "running"
    assert live.call("claimJob", {}, "laptop") is None
    assert live.call("renewClaim", claim["run"])["wanted"] is True
    outcome = {"status": "succeeded", "run": claim["run"], "output": "hello\n", "result": [1]}
    assert live.call("finishJob", job, outcome) == {"run": claim["run"], "status": "succeeded"}
    live.server.end(signal.SIGKILL)
    live.start_server()
    assert live.job(job, "status") == "succeeded"
    assert live.call("finishJob", job, outcome)["status"] == "succeeded"
    assert live.call("getJobOutput", job) == "hello\n"
    assert live.call("getJobResult", job) == [1]


def test_the_work_of_a_runner_that_dies_is_done_by_a_client(live: LiveFarm) -> None:
    (job,) = live.call("newjob", {"name": "x", "command": "echo hello"})
    code = f"from hqclient.farm import Farm; print(Farm({live.url!r}).claim_job({{}}, 'laptop', seconds=2).run)"
    dead = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    run = dead.stdout.strip()
    live.start_client("alpha")
    wait_until(lambda: live.job(job, "status") == "succeeded", what="the job", show=lambda: live.story(job))
    first, second = (each["client"] for each in live.call("getRuns", job))
    assert (first, second.endswith(":alpha")) == ("laptop", True)
    assert live.call("renewClaim", run)["wanted"] is False
    assert "hello" in live.call("getJobOutput", job)


@pytest.mark.skipif(sys.platform == "win32", reason="the command is for a POSIX shell")
def test_what_a_claimed_command_leaves_counts_while_its_claim_lasts(live: LiveFarm) -> None:
    """The command finds the server, its job and its claim in the environment that came with the claim."""
    leave = f"{BIN / 'hq'} set-result '{{\"number\": '$NUMBER'}}'"
    (job,) = live.call("newjob", {"name": "x", "command": leave})
    own = {key: each for key, each in os.environ.items() if key not in ("HQSERVER", "JOBID", "HQ_RUN_TOKEN")}
    words = [BIN / "hq", "--server", live.url, "claim", "--as", "laptop"]
    said = subprocess.run(words, env=own, capture_output=True, timeout=60, check=True)
    claim = json.loads(said.stdout)

    def run(number: int) -> subprocess.CompletedProcess[str]:
        environment = {**own, **claim["environment"], "NUMBER": str(number)}
        return subprocess.run(
            ["sh", "-c", claim["command"]], env=environment, capture_output=True, text=True, timeout=60, check=False
        )

    assert run(1).returncode == 0
    assert live.call("getJobResult", job) == {"number": 1}
    live.call("finishJob", job, {"status": "returned", "run": claim["run"]})
    late = run(2)
    assert (late.returncode, "owns its work no more" in late.stderr) == (3, True)
    assert live.call("getJobResult", job) == {"number": 1}


def reset_has_begun(live: LiveFarm) -> bool:
    told = live.call("getEvents", 0, 1000, {"kind": "farm"})["events"]
    return any(each["now"] == "resetting" for each in told)


@pytest.mark.timeout(120)
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_reset_goes_on_after_the_server_was_restarted(live: LiveFarm, number: signal.Signals) -> None:
    live.start_client("alpha")
    (busy,) = live.call("newjob", {"name": "busy", "command": "trap '' TERM; sleep 2; sleep 2", "shell": "sh"})
    live.wait_for(busy, "running")
    live.call("newjob", [{"name": f"job {index}", "conditions": []} for index in range(300)])
    words = [str(BIN / "hq"), "--server", live.url, "--json", "reset", "--confirm", "delete all jobs"]
    asked = Program(words)
    try:
        wait_until(lambda: reset_has_begun(live), what="the reset to begin")
        assert live.server is not None
        live.server.end(number)
        live.start_server()
        (came,) = live.call("newjob", {"name": "came meanwhile", "command": "true"})
        assert asked.process.wait(90) == 0, asked.lines
    finally:
        status = asked.end(signal.SIGKILL)
    assert status == 0
    found, _ = json.JSONDecoder().raw_decode("\n".join(asked.lines))  # a note for people follows it
    assert (found["step"], found["lastJob"], found["jobs"]) == ("done", 301, 301)
    assert live.job(came, "name") == "came meanwhile"
    assert live.server.said("jobs up to 301 are removed"), "the server that was started anew was asked again"


@pytest.mark.skipif(sys.platform == "win32", reason="the example is for a POSIX shell")
@pytest.mark.parametrize(("command", "status"), [("echo it\\'s done", "succeeded"), ("echo no; exit 3", "failed")])
def test_the_example_of_the_help_works_as_it_stands(live: LiveFarm, tmp_path: Path, command: str, status: str) -> None:
    (job,) = live.call("newjob", {"name": "x", "command": command, "hostgroup": "laptops"})
    live.call("newjob", {"name": "other", "command": "x"})
    live.call("claimJob", {"ids": []}, "laptop7")
    (runner,) = live.call("getClients", None, ["id"])
    live.call("addClientToGroup", live.call("createClientGroup", "laptops"), runner["id"])
    lines = [line for line in _EPILOG.splitlines() if line.startswith("  ")]
    environment = {"HQSERVER": live.url, "PATH": f"{BIN}:/usr/bin:/bin", "HOME": str(tmp_path)}
    said = subprocess.run(
        ["sh", "-c", "\n".join(lines)], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60
    )
    assert (said.returncode, said.stderr) == (0, "")
    assert live.job(job, "status") == status
    assert live.call("getJobOutput", job) in ("it's done\n", "no\n")
