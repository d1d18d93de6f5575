"""Real commands under real runners (PROMISES 5, T13, T18)."""

import hashlib
import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from run_kit import an_order, has_line, is_gone, pid_said, run_to_end, runner_of, wait_until

from hqclient.daemon.runs.kill_request import KillRequest
from hqclient.daemon.runs.process_tree import carriers
from hqclient.daemon.runs.runfolder import ExitRecord, RunFolder, Standing
from hqclient.daemon.runs.runfolders import RunFolders

pytestmark = pytest.mark.slow


def killed_run(tmp_path: Path, command: str, *words: str, **fields: object) -> tuple[ExitRecord, list[int]]:
    """Kill a run once it has said its words; its record, and the pids it said, all of them gone by now."""
    folder = RunFolders(tmp_path / "runs").create(an_order(command, **fields))
    with runner_of(folder) as runner:
        pids = [pid_said(folder, word) for word in words]
        folder.request_kill(KillRequest("cancelled by ann"))
        assert runner.wait(30) == 0
    assert [pid for pid in pids if not is_gone(pid)] == []
    assert carriers(folder.run_id) == []
    record = folder.exit_record()
    assert record is not None
    assert record.killed
    assert record.reason == "cancelled by ann"
    return record, pids


def test_a_command_ends_with_its_code_and_its_output(tmp_path: Path) -> None:
    folder, record = run_to_end(tmp_path, "echo out; echo err >&2; exit 3")
    assert (record.exit_code, record.signal, record.killed, record.reason) == (3, 0, False, "")
    log = folder.read_log(0, 100)
    assert log == b"out\nerr\n"
    assert (record.log_size, record.log_hash) == (len(log), hashlib.sha256(log).hexdigest())
    assert folder.standing() is Standing.ENDED


def test_a_record_has_times_and_costs(tmp_path: Path) -> None:
    _, record = run_to_end(tmp_path, '"$PYTHON" -c "x = bytearray(60 << 20); [i * i for i in range(10**6)]"')
    assert 0 <= record.ended_at.age_seconds() <= record.started_at.age_seconds() < 60
    assert record.cpu_seconds > 0.0
    assert record.max_memory_kb > 60 << 10


def test_a_command_that_dies_of_a_signal_says_which(tmp_path: Path) -> None:
    _, record = run_to_end(tmp_path, "kill -SEGV $$")
    assert (record.exit_code, record.signal, record.killed) == (128 + 11, 11, False)
    assert record.reason.startswith("ended by signal 11 (")


def test_a_command_sees_its_environment_and_nothing_else(tmp_path: Path) -> None:
    environment = {"PATH": os.environ["PATH"], "NAME": "zwölf\nlines", "EMPTY": ""}
    folder, _ = run_to_end(tmp_path, "env -0", environment=environment)
    seen = dict(entry.split("=", 1) for entry in folder.read_log(0, 9999).decode().split("\0") if entry)
    shells_own = {"PWD", "OLDPWD", "SHLVL", "_"}
    assert {name: text for name, text in seen.items() if name not in shells_own} == {
        **environment,
        "HQ_RUN_TOKEN": folder.run_id,
    }


def test_a_command_starts_in_its_own_empty_folder_and_session_without_input(tmp_path: Path) -> None:
    folder, record = run_to_end(tmp_path, "pwd; ls -A; cat; echo $$; ps -o sid= -p $$; umask")
    place, pid, session, umask = folder.read_log(0, 999).decode().split()
    assert record.exit_code == 0
    assert Path(place) == Path(folder.working_directory)
    assert pid == session
    assert int(umask, 8) == current_umask()


def current_umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def test_a_command_hears_all_signals_and_has_no_stray_files_open(tmp_path: Path) -> None:
    script = (
        "import os, signal; print([s for s in signal.valid_signals() if signal.getsignal(s) == signal.SIG_IGN"
        " and s not in (signal.SIGPIPE, signal.SIGXFSZ)], signal.pthread_sigmask(0, ()), os.listdir('/proc/self/fd'))"
    )
    folder, _ = run_to_end(tmp_path, f'exec "$PYTHON" -c "{script}"')
    # 0, 1 and 2, and the one that listing the folder needs.
    assert folder.read_log(0, 999) == b"[] set() ['0', '1', '2', '3']\n"


def test_no_core_is_dumped(tmp_path: Path) -> None:
    folder, _ = run_to_end(tmp_path, "ulimit -S -c")
    assert folder.read_log(0, 99) == b"0\n"


@pytest.mark.parametrize(
    ("fields", "exit_code", "sentence"),
    [
        ({"shell": "nosuchshell"}, 127, "there is no shell 'nosuchshell' on this machine"),
        ({"shell": "/nowhere/sh"}, 127, "there is no shell '/nowhere/sh' on this machine"),
        ({"command": "x" * 200_000}, 126, "Argument list too long"),
        ({"environment": {f"V{n}": "x" * 100_000 for n in range(40)}}, 126, "Argument list too long"),
        ({"environment": {"A": "nul \0 here"}}, 126, "embedded null byte"),
        ({"command": "nul \0 here"}, 126, "embedded null byte"),
        ({"environment": {"A=B": "c"}}, 126, "illegal environment variable name"),
    ],
)
def test_a_command_that_cannot_start_fails_and_its_log_says_why(
    tmp_path: Path, fields: dict[str, object], exit_code: int, sentence: str
) -> None:
    folder = RunFolders(tmp_path / "runs").create({**an_order(), **fields})
    with runner_of(folder) as runner:
        assert runner.wait(30) == 0
    record = folder.exit_record()
    assert record is not None
    assert (record.exit_code, record.signal, record.killed) == (exit_code, 0, False)
    log = folder.read_log(0, 9999)
    assert log.startswith(b"ERROR: Could not run command: ")
    assert sentence in log.decode()
    assert sentence in record.reason
    assert record.log_hash == hashlib.sha256(log).hexdigest()


def test_a_shell_that_is_no_program_fails_the_run(tmp_path: Path) -> None:
    shell = tmp_path / "shell"
    shell.write_bytes(b"\x7fELF nonsense")
    shell.chmod(0o755)
    _, record = run_to_end(tmp_path, shell=str(shell))
    assert record.exit_code == 126
    assert "Exec format error" in record.reason


def test_an_order_that_is_none_fails_the_run_with_the_reason(tmp_path: Path) -> None:
    folder = RunFolders(tmp_path / "runs").create({"run": "a" * 32})
    with runner_of(folder, stderr=subprocess.DEVNULL) as runner:
        assert runner.wait(30) == 1
    record = folder.exit_record()
    assert record is not None
    assert record.exit_code == 126
    assert "KeyError" in record.reason


def test_a_run_is_carried_out_once(tmp_path: Path) -> None:
    folder, record = run_to_end(tmp_path, "echo once")
    with runner_of(folder) as again:
        assert again.wait(30) == 1
    assert folder.exit_record() == record
    assert folder.read_log(0, 99) == b"once\n"


def test_output_is_in_the_log_while_the_command_runs(tmp_path: Path) -> None:
    folder = RunFolders(tmp_path / "runs").create(an_order("echo early; sleep 600"))
    with runner_of(folder):
        wait_until(lambda: has_line(folder, "early"), "the line arrives")
        assert folder.standing() is Standing.RUNNING


def test_progress_is_told_while_the_command_runs(tmp_path: Path) -> None:
    order = an_order("echo at 40%; sleep 600", progressPatterns=[r"at (\d+)%"])
    folder = RunFolders(tmp_path / "runs").create(order)
    with runner_of(folder):
        wait_until(lambda: folder.progress() == 0.4, "the progress arrives")


def test_t18_a_flood_neither_blocks_nor_fills_the_disk(tmp_path: Path) -> None:
    folder, record = run_to_end(tmp_path, "yes | head -c 100000000; echo over", logLimit=100_000)
    log = folder.read_log(0, 1 << 20)
    assert record.exit_code == 0
    assert record.log_truncated
    assert len(log) == record.log_size <= 100_000
    assert record.log_hash == hashlib.sha256(log).hexdigest()
    assert log.startswith(b"y\ny\n")
    assert log.endswith(b"y\nover\n")
    assert b"bytes of output are left out here" in log


def test_t18_one_line_of_50_mb_of_zeros(tmp_path: Path) -> None:
    folder, record = run_to_end(tmp_path, "head -c 50000000 /dev/zero", logLimit=5000, progressPatterns=[r"(\d+)%"])
    assert (record.exit_code, record.log_truncated) == (0, True)
    assert folder.log_size() == record.log_size <= 5000


def test_binary_output_is_kept_byte_for_byte(tmp_path: Path) -> None:
    every_byte = bytes(range(256)) * 100
    (tmp_path / "data").write_bytes(every_byte)
    folder, _ = run_to_end(tmp_path, f"cat {tmp_path / 'data'}")
    assert folder.read_log(0, 1 << 20) == every_byte


def test_a_full_disk_does_not_stop_the_command(tmp_path: Path) -> None:
    folder = RunFolders(tmp_path / "runs").create(an_order("head -c 50000 /dev/zero; exit 7"))
    hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
    # What grows is refused; what has its room, the record, is not.
    limit = f"import resource as r; r.setrlimit(r.RLIMIT_FSIZE, (20000, {hard}))"
    program = f"{limit}; import runpy; runpy.run_module('hqclient.daemon.runs.runner', run_name='__main__')"
    subprocess.run([sys.executable, "-c", program, str(folder.path)], timeout=60, check=True)
    record = folder.exit_record()
    assert record is not None
    assert (record.exit_code, record.log_truncated, record.log_size) == (7, True, 20000)


def test_t13_a_tree_that_ignores_sigterm_is_killed_after_the_grace(tmp_path: Path) -> None:
    record, _ = killed_run(tmp_path, 'exec "$PYTHON" $PROGRAMS/ignores_term.py', "stubborn")
    assert record.signal == signal.SIGKILL


def test_a_command_may_use_its_grace_to_clean_up(tmp_path: Path) -> None:
    command = "trap 'echo cleaning; exit 0' TERM; echo ready $$; while :; do sleep 0.01; done"
    record, _ = killed_run(tmp_path, command, "ready", killGrace=60.0)
    assert record.exit_code == 0
    assert (tmp_path / "runs").exists()


def test_t13_a_daemon_that_left_session_and_parent_is_killed(tmp_path: Path) -> None:
    killed_run(tmp_path, '"$PYTHON" $PROGRAMS/escapes.py', "escaped")


def test_t13_fifty_children_are_killed(tmp_path: Path) -> None:
    killed_run(tmp_path, '"$PYTHON" $PROGRAMS/forks_fifty.py', "forked")


def test_t13_a_stopped_child_is_killed(tmp_path: Path) -> None:
    killed_run(tmp_path, '"$PYTHON" $PROGRAMS/stops_child.py', "stopped")


def test_t13_a_stopped_command_that_dies_of_sigterm_needs_no_sigkill(tmp_path: Path) -> None:
    folder = RunFolders(tmp_path / "runs").create(an_order("echo pid $$; kill -STOP $$; sleep 600", killGrace=60.0))
    with runner_of(folder) as runner:
        process = psutil.Process(pid_said(folder, "pid"))
        wait_until(lambda: process.status() == psutil.STATUS_STOPPED, "the command stops itself")
        folder.request_kill(KillRequest("enough"))
        assert runner.wait(30) == 0
    record = folder.exit_record()
    assert record is not None
    assert record.signal == signal.SIGTERM


def test_t13_a_command_that_closed_its_output_is_killed(tmp_path: Path) -> None:
    killed_run(tmp_path, "echo closing $$; exec >&- 2>&-; sleep 600", "closing")


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="orphans come home on Linux only")
def test_t13_a_child_without_environment_and_session_is_killed(tmp_path: Path) -> None:
    killed_run(tmp_path, "env -i setsid sh -c 'echo bare $$; exec sleep 600' & wait", "bare")


def test_a_kill_that_comes_before_the_start_starts_nothing(tmp_path: Path) -> None:
    folder = RunFolders(tmp_path / "runs").create(an_order(f"touch {tmp_path}/started"))
    folder.request_kill(KillRequest("too late"))
    with runner_of(folder) as runner:
        assert runner.wait(30) == 0
    record = folder.exit_record()
    assert record is not None
    assert (record.killed, record.reason, record.log_size) == (True, "too late", 0)
    assert not (tmp_path / "started").exists()


def test_a_signal_without_a_kill_request_changes_nothing(tmp_path: Path) -> None:
    folder = RunFolders(tmp_path / "runs").create(an_order("echo ready; sleep 0.3; echo whole"))
    with runner_of(folder) as runner:
        wait_until(lambda: has_line(folder, "ready"), "the command runs")
        for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
            runner.send_signal(number)
        assert runner.wait(30) == 0
    record = folder.exit_record()
    assert record is not None
    assert (record.exit_code, record.killed) == (0, False)
    assert folder.read_log(0, 99) == b"ready\nwhole\n"


def test_what_a_command_leaves_behind_is_ended_and_the_log_says_so(tmp_path: Path) -> None:
    folder, record = run_to_end(tmp_path, "(echo left $(exec sh -c 'echo $PPID'); exec sleep 600) & sleep 0.2; exit 5")
    assert (record.exit_code, record.killed) == (5, False)
    assert is_gone(pid_said(folder, "left"))
    assert has_line(folder, "[hqclient: the command left 1 process behind, which had to be ended]")


def test_what_ends_by_itself_in_a_moment_is_not_ended(tmp_path: Path) -> None:
    folder, _ = run_to_end(tmp_path, "(sleep 0.1; echo late) & exit 0")
    assert folder.read_log(0, 999) == b"late\n"


def test_a_catastrophic_pattern_costs_the_progress_and_not_the_run(tmp_path: Path) -> None:
    command = f"echo {'a' * 60}; echo done"
    folder, record = run_to_end(tmp_path, command, progressPatterns=["(a+)+b"])
    assert record.exit_code == 0
    assert b"the progress pattern '(a+)+b' takes too long" in folder.read_log(0, 9999)


def test_a_waiting_runner_costs_no_cpu(tmp_path: Path) -> None:
    folder = RunFolders(tmp_path / "runs").create(an_order("echo quiet; sleep 600"))
    with runner_of(folder) as runner:
        wait_until(lambda: has_line(folder, "quiet"), "the command runs")
        process = psutil.Process(runner.pid)
        wait_until(lambda: process.status() == psutil.STATUS_SLEEPING, "the runner waits")
        before = process.cpu_times()
        time.sleep(0.3)
        after = process.cpu_times()
        assert after.user + after.system - before.user - before.system < 0.1


def test_a_killed_runner_leaves_a_lost_run(tmp_path: Path) -> None:
    folder = RunFolders(tmp_path / "runs").create(an_order("echo on; sleep 600"))
    with runner_of(folder) as runner:
        wait_until(lambda: has_line(folder, "on"), "the command runs")
        runner.kill()
        runner.wait()
        assert not folder.is_alive()
        assert folder.exit_record() is None
        assert RunFolder(folder.path).standing() is Standing.LOST
        wait_until(lambda: folder.pids() is not None, "its pids are known")
        pids = folder.pids()
        assert pids is not None
        assert pids.command is not None
        assert pids.command.exists()
        pids.command.send(signal.SIGKILL)
        for orphan in carriers(folder.run_id):
            orphan.kill()
