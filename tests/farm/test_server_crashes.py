"""The server killed, cut, full, restored: nothing that was acknowledged is lost or doubled (PROMISES 7.1)."""

from __future__ import annotations

import os
import random
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from crash_kit import Submitter, Unanswered, call_body, check_database, hqserver, post, root_ids
from live_farm import LiveFarm, wait_until

from hqserver.domain.crash import EXIT_CRASHED, SERVER_POINTS

pytestmark = pytest.mark.farm


def kill_server(live: LiveFarm) -> None:
    assert live.server is not None
    live.server.end(signal.SIGKILL)


def ended_with(live: LiveFarm) -> int:
    assert live.server is not None
    live.server.process.wait(30)
    return live.server.end()


def stop(live: LiveFarm) -> None:
    assert live.server is not None
    assert live.server.end() == 0, live.server.lines


@pytest.mark.timeout(180)
def test_a_server_killed_at_random_loses_and_doubles_nothing(live: LiveFarm) -> None:
    """T1: four callers, half of them with keys; P1, P2."""
    chance = random.Random(1)
    submitters = [Submitter(live.url) for _ in range(4)]
    done = threading.Event()

    def work(submitter: Submitter, key: bool) -> None:
        while not done.is_set():
            submitter.submit(key=key)

    threads = [threading.Thread(target=work, args=[each, index % 2 == 0]) for index, each in enumerate(submitters)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(8):
            time.sleep(chance.uniform(0.02, 0.15))
            kill_server(live)
            live.start_server()
        known = sum(len(each.acknowledged) for each in submitters)
        wait_until(lambda: sum(len(each.acknowledged) for each in submitters) > known + 20, what="more answers")
    finally:
        done.set()
        for thread in threads:
            thread.join(60)
    whole = Submitter(live.url, {name: ids for each in submitters for name, ids in each.acknowledged.items()})
    assert len(whole.acknowledged) > 30
    whole.check(live)
    check_database(live)


# Crash points ------------------------------------------------------------------------------------------------------


def while_submitting(live: LiveFarm, point: str) -> None:
    """T2: it ends at the point, the same bytes come again after the restart, and it is one job."""
    submitter = Submitter(live.url)
    live.start_server(env={"HQ_CRASH_AT": point})
    crashed: list[int] = []

    def restart() -> None:
        crashed.append(ended_with(live))
        live.start_server()

    for _ in range(3):
        submitter.submit(restart=restart)
    if not crashed:  # it ended after the last answer
        restart()
    assert crashed == [EXIT_CRASHED]
    submitter.check(live)


def while_reporting(live: LiveFarm, point: str) -> None:
    """A client's run goes on, and what it reports counts once: P5."""
    ran = live.folder / "ran"
    live.start_server(env={"HQ_CRASH_AT": point})
    live.start_client("alpha")
    job = live.call("newjob", {"name": "x", "command": f"echo begun >> {ran}; echo hello"})[0]
    assert ended_with(live) == EXIT_CRASHED
    live.start_server()
    live.wait_for(job, "succeeded")
    assert ran.read_text() == "begun\n"
    wait_until(lambda: live.call("getJobOutput", job) == "hello\n", what="the output")


def while_copying(live: LiveFarm, point: str) -> None:
    """A copy that was cut short is never taken for one, and the farm goes on."""
    live.start_server()
    text = "x" * 2000
    jobs = live.call("newjob", [{"name": "x", "description": text} for _ in range(1000)])
    stop(live)
    target = live.folder / "copy.db"
    status, _ = hqserver(live, "backup", str(target), env={"HQ_CRASH_AT": point})
    assert status == EXIT_CRASHED
    assert target.exists() is (point == "copy_renamed")
    live.start_server()
    assert len(live.call("getJobs", jobs, ["name"])) == 1000
    target.unlink(missing_ok=True)
    assert hqserver(live, "backup", str(target))[0] == 0


def while_restoring(live: LiveFarm, point: str) -> None:
    """Either database is served whole, or the server says that there is none; doing it again helps."""
    live.start_server()
    old = live.call("newjob", {"name": "old"})[0]
    copy = live.folder / "copy.db"
    assert hqserver(live, "backup", str(copy))[0] == 0
    new = live.call("newjob", {"name": "new"})[0]
    kill_server(live)
    assert hqserver(live, "restore", str(copy), env={"HQ_CRASH_AT": point})[0] == EXIT_CRASHED
    if point in ("restore_database_aside", "restore_log_aside"):
        status, said = hqserver(live, "--port", "0")
        assert status == 1
        assert "is gone" in said
        assert hqserver(live, "restore", str(copy))[0] == 0
    live.start_server()
    assert root_ids(live) == ([old, new] if point == "restore_prepared" else [old])
    assert live.call("newjob", {"name": "newer"})[0] > new


def while_expiring(live: LiveFarm, point: str) -> None:
    """What is left of the old jobs goes the next time; counters agree in between."""
    live.start_server()
    live.call("newjob", [{"name": "old", "children": [{"name": "below"}]} for _ in range(120)])
    stop(live)
    code = (
        "import sys; from pathlib import Path\n"
        "from hqserver.app import open_farm; from hqserver.config import load\n"
        "from hqserver.services.care import upkeep; from hqserver.clock import SystemClock\n"
        "class Later(SystemClock):\n"
        "    def now(self): return super().now() + 100 * 86400\n"
        "config = load({'data': sys.argv[1]}, {}, None)\n"
        "upkeep.expire_jobs(open_farm(config, Later(), lambda: None, lambda client: None))\n"
    )
    words = [sys.executable, "-c", code, str(live.folder / "server")]
    ended = subprocess.run(words, env={**os.environ, "HQ_CRASH_AT": point}, check=False)
    assert ended.returncode == EXIT_CRASHED
    live.start_server()
    assert len(root_ids(live)) == 20
    stop(live)
    assert subprocess.run(words, check=False).returncode == 0
    live.start_server()
    assert root_ids(live) == []


def while_compacting(live: LiveFarm, point: str) -> None:
    """What was given back stays so, the rest is given back the next time, and nothing is lost."""
    live.start_server()
    kept = live.call("newjob", {"name": "kept"})[0]
    gone = live.call("newjob", [{"name": "x", "description": "y" * 4000} for _ in range(1500)])
    live.call("deleteJobs", gone)
    stop(live)
    live.start_server(env={"HQ_CRASH_AT": point})
    with pytest.raises(Unanswered):
        post(live.url, call_body("compactDatabase"))
    assert ended_with(live) == EXIT_CRASHED
    live.start_server()
    assert root_ids(live) == [kept]
    found = live.call("compactDatabase")
    while found["running"]:
        found = live.call("compactDatabase")
    assert found["failed"] == ""
    assert live.call("compactDatabase")["after"] < 2**21


def while_resetting(live: LiveFarm, point: str) -> None:
    """Asking again finishes it, and the copy has all that there was."""
    live.start_server()
    jobs = live.call("newjob", [{"name": "x", "children": [{"name": "below"}]} for _ in range(250)])
    stop(live)
    live.start_server(env={"HQ_CRASH_AT": point})
    with pytest.raises(Unanswered):
        post(live.url, call_body("resetFarm", "delete all jobs"))
    assert ended_with(live) == EXIT_CRASHED
    live.start_server()
    assert (len(root_ids(live)) == 250) is (point == "reset_copied")
    found = live.call("resetFarm", "delete all jobs", max(jobs))
    while found["running"]:
        found = live.call("resetFarm", "delete all jobs", found["lastJob"])
    assert (found["failed"], found["left"]) == ("", 0)
    assert root_ids(live) == []
    (copy,) = (live.folder / "server" / "backups").glob("before-reset-*.db")
    with closing(sqlite3.connect(copy)) as connection:
        assert connection.execute("SELECT count(*) FROM job").fetchone() == (500,)
    assert live.call("newjob", {"name": "new"})[0] > max(jobs)


SCENARIOS: dict[str, tuple[Callable[[LiveFarm, str], None], str]] = {
    # Two transactions are the start's own.
    "before_commit": (while_submitting, ":3"),
    "after_commit": (while_submitting, ":3"),
    "ids_before_reserved": (while_submitting, ""),
    "ids_reserved": (while_submitting, ""),
    "reply_before_written": (while_submitting, ":2"),
    "reply_before_noted": (while_submitting, ":2"),
    "reply_noted": (while_submitting, ":2"),
    "log_before_appended": (while_reporting, ""),
    "log_appended": (while_reporting, ""),
    "reports_before_applied": (while_reporting, ""),
    "reports_applied": (while_reporting, ""),
    "copy_half_made": (while_copying, ""),
    "copy_checked": (while_copying, ""),
    "copy_renamed": (while_copying, ""),
    "restore_prepared": (while_restoring, ""),
    "restore_database_aside": (while_restoring, ""),
    "restore_log_aside": (while_restoring, ""),
    "restore_done": (while_restoring, ""),
    "expiry_batch_done": (while_expiring, ""),
    "compacted_in_part": (while_compacting, ""),
    "reset_copied": (while_resetting, ""),
    "reset_part_removed": (while_resetting, ""),
}


def test_every_point_has_its_scenario() -> None:
    assert set(SCENARIOS) == set(SERVER_POINTS)


@pytest.mark.parametrize("point", SCENARIOS)
def test_a_server_that_ends_at_this_point_loses_and_doubles_nothing(live: LiveFarm, point: str) -> None:
    stop(live)
    scenario, times = SCENARIOS[point]
    scenario(live, point + times if scenario is while_submitting else point)
    check_database(live)


def test_a_deliberate_second_submit_after_a_crash_is_a_second_job(live: LiveFarm) -> None:
    """That the first was answered outlives the server. It is noted when the next call of the connection is read."""
    body = call_body("newjob", {"name": "twice"})
    first = post(live.url, body, call_body("ping"))
    kill_server(live)
    live.start_server()
    assert post(live.url, body) != first


def test_a_call_whose_connection_ends_unanswered_is_known_again(live: LiveFarm) -> None:
    """Python's own proxy repeats such a call behind one's back (PROMISES 1.1); here the caller hangs up."""
    body = call_body("newjob", {"name": "hung up", "children": [{"name": "c"} for _ in range(300)]})
    host, port = live.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port))) as caller:
        head = (
            f"POST / HTTP/1.1\r\nHost: {host}:{port}\r\nContent-Type: text/xml\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        caller.sendall(head.encode() + body)
    ids = post(live.url, body)
    assert root_ids(live) == ids[:1]
    assert post(live.url, body) != ids


# A disk that fails, a disk that is full -----------------------------------------------------------------------------


@pytest.mark.timeout(240)
def test_a_disk_that_fails_to_sync_ends_the_server_and_loses_nothing(
    live: LiveFarm, need: Callable[[str], None]
) -> None:
    """T5: the n-th fsync of every thread fails; PROMISES 1.4."""
    need("strace")
    stop(live)
    submitter = Submitter(live.url)
    statuses = []
    for number in (1, 2, 3, 4, 6, 9, 13):
        under = ["strace", "-f", "-qq", "-o", os.devnull, "-e", "trace=fsync,fdatasync"]
        inject = f"inject=fsync,fdatasync:error=EIO:when={number}"
        try:
            live.start_server(under=[*under, "-e", inject])
        except AssertionError:
            assert live.server is not None
            statuses.append(live.server.end())
            refused = [line for line in live.server.lines if line.startswith("hqserver: ")]
            assert len(refused) == (statuses[-1] == 1), live.server.lines
            continue

        def restart() -> None:
            statuses.append(ended_with(live))
            live.start_server()

        for count in range(20):
            submitter.submit(key=count % 2 == 0, restart=restart)
        stop(live)
    assert set(statuses) <= {1, 75}
    assert statuses.count(75) >= 3
    live.start_server()
    submitter.check(live)
    check_database(live)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 40 MB at the server's data folder."""
    folder = tmp_path / "server"
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=40m", "tmpfs", str(folder)], capture_output=True)
    if mounted.returncode:
        pytest.skip("nothing can be mounted here; tests/rpc/test_a_full_disk.py does it by SQLite's own limit")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def fill(filler: Path) -> None:
    """Write a file until its disk is full."""
    with filler.open("wb", buffering=0) as file:
        try:
            while file.write(bytes(64 * 1024)):
                pass
        except OSError:
            pass


def test_a_full_disk_refuses_new_jobs_and_nothing_else(small_disk: Path, tmp_path: Path) -> None:
    """T6, P12: reports and logs land, and with room again new jobs are taken without a restart."""
    live = LiveFarm(tmp_path)
    try:
        live.start_client("alpha")
        go = tmp_path / "go"
        job = live.call("newjob", {"name": "x", "command": f"until [ -e {go} ]; do sleep 0.1; done; seq 20000"})[0]
        live.wait_for(job, "running")
        fill(small_disk / "filler")
        submitter = Submitter(live.url, {"x": [job]})
        refusal = ""
        for _ in range(2000):
            try:
                submitter.submit(description="y" * 20_000, conditions=[])
            except Exception as problem:
                refusal = str(problem)
                break
        assert "507" in refusal and "full" in refusal, refusal
        go.touch()
        live.wait_for(job, "succeeded")
        assert live.call("getJobOutput", job) == "".join(f"{number}\n" for number in range(1, 20_001))
        (small_disk / "filler").unlink()

        def taken() -> bool:
            try:
                return bool(submitter.submit())
            except Exception as problem:
                assert "507" in str(problem)
                return False

        wait_until(taken, what="new jobs to be taken")
        submitter.check(live)
        check_database(live)
    finally:
        live.close()


@pytest.mark.timeout(180)
def test_a_job_that_prints_more_than_there_is_room_for_ends_when_there_is_and_holds_up_no_other(
    small_disk: Path, tmp_path: Path
) -> None:
    """T6, P9, P12: not a byte of its output is lost."""
    live = LiveFarm(tmp_path)
    try:
        live.start_client("alpha")
        jobs = {}
        for name, print_it in (("much", "seq 1500000 3500000"), ("little", "seq 20000")):
            command = f"until [ -e {tmp_path / name} ]; do sleep 0.1; done; {print_it}"
            (jobs[name],) = live.call("newjob", {"name": name, "command": command})
            live.wait_for(jobs[name], "running")
        fill(small_disk / "filler")
        (tmp_path / "much").touch()
        log = small_disk / "hqserver.log"
        wait_until(lambda: f"of job {jobs['much']} cannot be written" in log.read_text(), what="a log without room")
        (tmp_path / "little").touch()
        live.wait_for(jobs["little"], "succeeded")
        assert live.job(jobs["much"], "status") == "running"
        (small_disk / "filler").unlink()
        live.wait_for(jobs["much"], "succeeded")
        for name, numbers in (("much", range(1_500_000, 3_500_001)), ("little", range(1, 20_001))):
            assert live.call("getJobOutput", jobs[name]) == "".join(f"{number}\n" for number in numbers), name
        wait_until(lambda: live.call("getServerErrors").get("errors"), what="an error of the server")
    finally:
        live.close()


# Damage and copies --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("damage", ["page 3", "cut", "zero header", "gone"])
def test_a_damaged_database_is_refused_and_the_newest_good_copy_named(live: LiveFarm, damage: str) -> None:
    """T8, P13."""
    job = live.call("newjob", {"name": "x"})[0]
    assert hqserver(live, "backup")[0] == 0
    stop(live)
    (copy,) = (live.folder / "server" / "backups").glob("asked-*.db")
    path = live.folder / "server" / "farm.db"
    if damage == "gone":
        path.unlink()
    else:
        with path.open("r+b") as file:
            if damage == "cut":
                file.truncate(path.stat().st_size // 2)
            else:
                file.seek(2 * 4096 if damage == "page 3" else 0)
                file.write(random.Random(3).randbytes(4096) if damage == "page 3" else bytes(100))
    status, said = hqserver(live, "--port", "0")
    assert status == 1
    assert said.startswith("hqserver: ") and "\n" not in said
    assert said.endswith(f"the newest good copy: hqserver restore {copy}")
    assert hqserver(live, "restore", str(copy))[0] == 0
    live.start_server()
    assert root_ids(live) == [job]


def test_a_restored_farm_never_gives_an_id_again(live: LiveFarm) -> None:
    """T9, I10: clients still hold work of the time that is gone."""
    live.start_client("alpha")
    before = live.call("newjob", [{"name": "before"} for _ in range(20)])
    copy = str(live.folder / "copy.db")
    assert hqserver(live, "backup", copy) == (0, f"copied to {copy}")
    since = live.call("newjob", [{"name": "since", "command": "sleep 60"} for _ in range(50)])
    live.wait_for(since[0], "running")
    status, said = hqserver(live, "restore", copy)
    assert (status, "in use by another hqserver" in said) == (1, True)
    kill_server(live)
    assert hqserver(live, "restore", copy)[0] == 0
    live.start_server()
    assert root_ids(live) == before
    after = live.call("newjob", [{"name": "after"} for _ in range(50)])
    assert not set(after) & {*before, *since}
    done = live.call("newjob", {"name": "done", "command": "true"})[0]
    live.wait_for(done, "succeeded")  # the client gave up what nobody here knows
    wait_until(lambda: live.call("getClientErrors", 1), what="word of what the client gave up")
    told = [each["message"] for each in live.call("getClientErrors", 1)["errors"]]
    assert all(each.startswith("nobody here knows run ") for each in told), told
    check_database(live)


# The end in order -----------------------------------------------------------------------------------------------------


def test_a_server_that_is_asked_to_end_answers_what_it_began(live: LiveFarm) -> None:
    """T17: no job is there without an answer, none is lost, and it ends in time with 0."""
    assert live.server is not None
    answered: list[int] = []
    going = threading.Barrier(5)

    def work() -> None:
        post(live.url, call_body("ping"))
        going.wait(20)
        try:
            while True:
                answered.extend(post(live.url, call_body("newjob", {"name": "x"})))
        except Unanswered:
            pass

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    going.wait(20)
    wait_until(lambda: len(answered) > 20, what="answers")
    assert live.server.end() == 0, "it ended by itself, within the patience of `end`"
    for thread in threads:
        thread.join(20)
    assert not (live.folder / "server" / "farm.db-wal").exists()
    live.start_server()
    assert root_ids(live) == sorted(answered)
    check_database(live)
