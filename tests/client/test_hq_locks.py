"""`hq lock`, `hq locks`, `hq unlock` and locks of the Python API over the farm's real methods (CONTRACT 10)."""

from __future__ import annotations

import os
import signal
import sys
import threading
from pathlib import Path
from typing import Any

import psutil
import pytest
from farm_kit import SetClock
from hq_over_services import ServicesHq
from live_farm import wait_until

from hqclient import locks as held_locks
from hqclient.cli import guarded
from hqclient.connection import Connection
from hqclient.errors import AnswerLost, BadParameters, LockHeld, LockLost
from hqserver.services import locks
from hqserver.services.farm import Farm


@pytest.fixture
def hq(farm: Farm) -> ServicesHq:
    return ServicesHq(farm)


@pytest.fixture
def steady(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The clock by which holders count: a test sets its one entry."""
    now = [500.0]
    monkeypatch.setattr(held_locks, "steady_seconds", lambda: now[0])
    return now


@pytest.fixture
def eager(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leases are renewed long before they are over, so that no test waits for that."""
    monkeypatch.setattr(held_locks, "_RENEWED_AT", 0.0005)


def held(farm: Farm) -> dict[str, str]:
    """Owners of the locks that are held."""
    return {each["name"]: each["owner"] for each in locks.listed(farm, None)}


def python(*lines: str) -> list[str]:
    return [sys.executable, "-c", "\n".join(lines)]


# The Python API ------------------------------------------------------------------------------------------------------


def test_a_lock_is_held_for_the_length_of_the_block(hq: ServicesHq, farm: Farm) -> None:
    with hq.farm.lock("nightly") as lock:
        assert held(farm) == {"nightly": lock.owner}
        assert f"process {os.getpid()}" in lock.owner
        assert lock.lost is False
        lock.check()
        assert [each["name"] for each in hq.farm.locks()] == ["nightly"]
    assert held(farm) == {}
    assert "lock nightly" not in [each.name for each in threading.enumerate()]
    with pytest.raises(ZeroDivisionError), hq.farm.lock("nightly"):
        _ = 1 / 0
    assert held(farm) == {}


def test_two_holders_never_have_one_name(hq: ServicesHq) -> None:
    with hq.farm.lock("nightly") as first:
        with pytest.raises(LockHeld, match=r"the lock 'nightly' is held by .+, process \d+, \w+$") as caught:
            hq.farm.lock("nightly").acquire()
        assert first.owner in str(caught.value)
        with pytest.raises(LockHeld, match=r"and was for 0\.01 s$"):
            hq.farm.lock("nightly", wait_seconds=0.01).acquire()


def test_whoever_waits_gets_it_once_it_is_free(hq: ServicesHq, farm: Farm) -> None:
    first = hq.farm.lock("nightly", owner="first")
    first.acquire()
    second = ServicesHq(farm).farm.lock("nightly", owner="second", wait_seconds=60)
    waiter = threading.Thread(target=second.acquire)
    waiter.start()
    first.release()
    waiter.join(60)
    assert held(farm) == {"nightly": "second"}
    second.release()


@pytest.mark.usefixtures("eager")
def test_a_lock_is_renewed_in_the_background(hq: ServicesHq, farm: Farm, clock: SetClock) -> None:
    with hq.farm.lock("nightly") as lock:
        before = locks.listed(farm, None)[0]["until"]
        clock.advance(20)
        wait_until(lambda: locks.listed(farm, None)[0]["until"] > before, what="a renewal")
        assert locks.listed(farm, None)[0]["owner"] == lock.owner


@pytest.mark.usefixtures("eager")
def test_a_broken_lock_is_noticed_and_raised_at_the_end(hq: ServicesHq) -> None:
    lock = hq.farm.lock("nightly")
    lock.acquire()
    assert hq.farm.break_lock("nightly") is True
    wait_until(lambda: lock.lost, what="the loss")
    with pytest.raises(LockLost, match="'nightly' was lost: its lease is over or somebody broke it"):
        lock.check()
    with pytest.raises(LockLost):
        lock.release()
    assert hq.farm.break_lock("nightly") is False


def test_a_lock_that_is_broken_between_two_renewals_is_noticed_at_the_end(hq: ServicesHq) -> None:
    lock = hq.farm.lock("nightly", lease_seconds=3600)
    lock.acquire()
    hq.farm.break_lock("nightly")
    assert lock.lost is False
    with pytest.raises(LockLost):
        lock.release()
    assert lock.lost is True


def test_what_a_block_raises_is_not_hidden_by_the_loss(hq: ServicesHq) -> None:
    with pytest.raises(ZeroDivisionError), hq.farm.lock("nightly"):
        hq.farm.break_lock("nightly")
        _ = 1 / 0


def test_a_lease_that_was_not_renewed_in_time_is_lost_for_good(hq: ServicesHq, farm: Farm, steady: list[float]) -> None:
    """PROMISES 2.2: whoever holds a lease counts it from before it asked."""
    lock = hq.farm.lock("nightly", lease_seconds=600)
    lock.acquire()
    steady[0] += 599.9
    assert lock.lost is False
    steady[0] += 0.1
    assert lock.lost is True
    steady[0] -= 300
    assert lock.lost is True
    with pytest.raises(LockLost, match="the server could not be reached for 600 s"):
        lock.release()
    assert held(farm) == {}, "what the server still kept is let go"


class Silent(Connection):
    """A connection whose calls are not answered, as long as `away`."""

    def __init__(self, inner: Connection):
        self.inner, self.away, self.asked = inner, True, 0

    def call(self, name: str, *args: object) -> Any:
        self.asked += 1
        if self.away:
            raise AnswerLost("no answer")
        return self.inner.call(name, *args)

    def close(self) -> None:
        pass


@pytest.mark.usefixtures("eager")
def test_a_renewal_that_fails_is_tried_again(hq: ServicesHq, farm: Farm, clock: SetClock) -> None:
    connection = Silent(hq.farm.connection)
    lock = held_locks.Lock(hq.farm, connection, "nightly")
    with lock:
        before = locks.listed(farm, None)[0]["until"]
        clock.advance(20)
        wait_until(lambda: connection.asked, what="a call that fails")
        connection.away = False
        wait_until(lambda: locks.listed(farm, None)[0]["until"] > before, what="the renewal")
        lock.check()


def test_a_server_that_restarts_is_waited_for_by_those_who_wait(hq: ServicesHq, farm: Farm) -> None:
    silent = Silent(hq.farm.connection)
    waiting = held_locks.Lock(silent, silent, "nightly", wait_seconds=60)  # type: ignore[arg-type]
    waiter = threading.Thread(target=waiting.acquire)
    waiter.start()
    wait_until(lambda: silent.asked >= 2, what="calls that fail")
    silent.away = False
    waiter.join(60)
    assert held(farm) == {"nightly": waiting.owner}
    waiting.release()
    silent.away = True
    with pytest.raises(AnswerLost):
        held_locks.Lock(silent, silent, "nightly").acquire()  # type: ignore[arg-type]


def test_what_is_wrong_with_a_lock_is_said_at_once(hq: ServicesHq) -> None:
    with pytest.raises(BadParameters, match="seconds must be from 1"):
        hq.farm.lock("nightly", lease_seconds=0.1, wait_seconds=60).acquire()
    with pytest.raises(BadParameters, match="name must have"):
        hq.farm.lock("").acquire()


def test_a_connection_beside_another_is_of_its_own(hq: ServicesHq) -> None:
    connection = Connection("http://ana:secret@farm:5050")
    other = held_locks.beside(connection, 30)
    assert other is not connection
    assert (other.address, other.timeout_seconds) == (connection.address, 10.0)
    assert held_locks.beside(connection, 1).timeout_seconds == 1.0
    assert held_locks.beside(connection, 3600).timeout_seconds == connection.timeout_seconds
    assert held_locks.beside(hq.farm.connection, 30) is hq.farm.connection


# hq ------------------------------------------------------------------------------------------------------------------


def test_locks_are_listed_and_broken(hq: ServicesHq, farm: Farm) -> None:
    assert hq("locks").err == "hq: no lock is held\n"
    locks.acquire(farm, "nightly", 30, "ana")
    locks.acquire(farm, "publish \u202e", 30, "ben")
    lines = hq("locks").out.splitlines()
    assert lines[0].split() == ["LOCK", "HELD", "BY", "SINCE", "UNTIL"]
    assert lines[1].startswith("nightly ")
    assert "publish \\u202e" in lines[2]
    assert [each["owner"] for each in hq("--json", "locks", "nightly", "x").json] == ["ana"]
    assert hq("locks", "x").err == "hq: none of these locks is held\n"
    said = hq("unlock", "nightly", "x", "nightly")
    assert (said.code, said.out, said.err) == (3, "nightly  broken\n", "hq: not held: x\n")
    assert held(farm) == {"publish \u202e": "ben"}
    assert hq("--json", "unlock", "publish \u202e").json == ["publish \u202e"]


def test_a_command_runs_while_the_lock_is_held(hq: ServicesHq, farm: Farm, tmp_path: Path) -> None:
    mark = tmp_path / "ran"
    assert hq("lock", "nightly", *python(f"open({str(mark)!r}, 'w'); raise SystemExit(7)")).code == 7
    assert mark.exists()
    assert held(farm) == {}
    assert hq("lock", "--lease", "5", "nightly", "--", *python("import os; os.kill(os.getpid(), 9)")).code == 137
    assert hq("lock", "nightly", *python("")).code == 0


def test_the_lock_is_held_by_hq_while_the_command_runs(hq: ServicesHq, farm: Farm, tmp_path: Path) -> None:
    seen: list[dict[str, str]] = []
    stop = tmp_path / "stop"

    def look() -> None:
        seen.append(wait_until(lambda: held(farm), what="the lock"))
        stop.touch()

    watcher = threading.Thread(target=look)
    watcher.start()
    code = hq(
        "lock", "nightly", *python("import os, time", f"while not os.path.exists({str(stop)!r}): time.sleep(0.01)")
    )
    watcher.join()
    assert (code.code, list(seen[0]), held(farm)) == (0, ["nightly"], {})


def test_a_lock_that_is_not_free_in_time_runs_nothing(hq: ServicesHq, farm: Farm, tmp_path: Path) -> None:
    mark = tmp_path / "ran"
    locks.acquire(farm, "nightly", 30, "ana")
    said = hq("lock", "--wait", "0", "nightly", "touch", str(mark))
    assert (said.code, said.err) == (124, "hq: the lock 'nightly' is held by ana\n")
    said = hq("lock", "--wait", "0.05", "nightly", "touch", str(mark))
    assert said.code == 124
    assert "hq: waiting for ana, who has the lock until 20" in said.err
    assert not mark.exists()


def test_a_command_is_ended_before_another_can_have_the_lock(
    hq: ServicesHq, tmp_path: Path, steady: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    """PROMISES 2.2: no two are ever within; what a command takes to end is kept of the lease that nobody renews."""
    monkeypatch.setattr(held_locks.Lock, "_keep", lambda lock: None)
    mark = tmp_path / "mark"

    def most_of_the_lease_goes_by() -> None:
        wait_until(mark.exists, what="the command")
        steady[0] += 591

    watcher = threading.Thread(target=most_of_the_lease_goes_by)
    watcher.start()
    said = hq(
        *("lock", "--lease", "600", "nightly"),
        *python("import time", f"open({str(mark)!r}, 'w').close()", "time.sleep(600)"),
    )
    watcher.join()
    assert (said.code, said.err) == (
        3,
        "hq: the lock 'nightly' was lost: the server could not be reached for 590 s\n",
    )


@pytest.mark.slow
@pytest.mark.usefixtures("eager")
def test_a_lock_that_is_lost_ends_the_command_and_what_it_started(hq: ServicesHq, farm: Farm, tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    inner = f"import os, time; open({str(pids)!r}, 'a').write(str(os.getpid()) + chr(10)); time.sleep(600)"
    outer = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {inner!r}])"

    def break_it() -> None:
        wait_until(lambda: pids.exists() and pids.read_text().endswith("\n"), what="the command's own command")
        locks.break_lock(farm, "nightly", "eve")

    breaker = threading.Thread(target=break_it)
    breaker.start()
    said = hq("lock", "nightly", sys.executable, "-c", outer)
    breaker.join()
    assert (said.code, said.err) == (
        3,
        "hq: the lock 'nightly' was lost: its lease is over or somebody broke it\n",
    )
    wait_until(lambda: not is_alive(int(pids.read_text())), what="the end of the command's own command")


def is_alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (["lock"], "the following arguments are required: NAME"),
        (["lock", "nightly"], "give a command to run while the lock is held"),
        (["lock", "nightly", "--"], "give a command to run"),
        (["lock", "nightly", "--wait", "0", "x"], "options of hq lock stand before the name of the lock; --wait"),
        (["lock", "--wait", "soon", "nightly", "x"], "'soon' is not a number of seconds"),
        (["lock", "nightly", "/nowhere/at/all"], "/nowhere/at/all cannot be run: No such file or directory"),
        (["unlock"], "required"),
    ],
)
def test_a_wrong_word_is_one_sentence(hq: ServicesHq, farm: Farm, argv: list[str], words: str) -> None:
    said = hq(*argv)
    assert words in said.err
    assert (said.code, said.out, said.err.count("\n")) == (2, "", 1)
    assert held(farm) == {}


def test_what_the_server_refuses_runs_nothing(hq: ServicesHq, tmp_path: Path) -> None:
    mark = tmp_path / "ran"
    said = hq("lock", "--lease", "0.5", "nightly", "touch", str(mark))
    assert (said.code, "seconds must be from 1 to 86400" in said.err, mark.exists()) == (3, True, False)


# Signals -------------------------------------------------------------------------------------------------------------


def signalled(number: int, ready: Path, sent: Path) -> threading.Thread:
    """Sends this program a signal once the command is ready, and says so."""

    def send() -> None:
        wait_until(ready.exists, what="the command")
        os.kill(os.getpid(), number)
        sent.touch()

    thread = threading.Thread(target=send)
    thread.start()
    return thread


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_is_passed_on_and_the_command_decides(hq: ServicesHq, farm: Farm, tmp_path: Path, number: int) -> None:
    ready = tmp_path / "ready"
    sender = signalled(number, ready, tmp_path / "sent")
    before = signal.getsignal(number)
    code = hq(
        *("lock", "nightly"),
        *python(
            "import signal, sys, time",
            f"signal.signal({int(number)}, lambda *_: sys.exit(5))",
            f"open({str(ready)!r}, 'w')",
            "time.sleep(600)",
        ),
    ).code
    sender.join()
    assert (code, held(farm)) == (5, {})
    assert signal.getsignal(number) is before


def test_ctrl_c_is_the_commands_own(tmp_path: Path) -> None:
    """The terminal sends it to both; this program sends it on to nobody."""
    ready, sent, got = tmp_path / "ready", tmp_path / "sent", tmp_path / "got"
    sender = signalled(signal.SIGINT, ready, sent)
    code = guarded.run_guarded(
        python(
            "import os, signal, time",
            f"signal.signal(signal.SIGINT, lambda *_: open({str(got)!r}, 'w'))",
            f"open({str(ready)!r}, 'w')",
            f"while not os.path.exists({str(sent)!r}): time.sleep(0.01)",
        ),
        lambda: False,
        10.0,
    )
    sender.join()
    assert (code, got.exists()) == (0, False)


def test_what_is_ignored_stays_ignored_for_the_command(tmp_path: Path) -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        code = guarded.run_guarded(
            python("import signal", "raise SystemExit(signal.getsignal(signal.SIGHUP) is signal.SIG_IGN)"),
            lambda: False,
            10.0,
        )
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)
    assert code == 1
