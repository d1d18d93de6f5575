import os
from pathlib import Path

from hqclient.daemon import user_idle
from hqclient.daemon.user_idle import logind_idle_seconds, terminal_idle_seconds, user_idle_minutes

ACTIVE = "Class=user\nState=active\nIdleHint=no\nIdleSinceHint=0\n"
IDLE = "Class=user\nState=active\nIdleHint=yes\nIdleSinceHint=1000000000\n"


def test_contract_9_24_the_least_idle_session_counts() -> None:
    assert logind_idle_seconds(IDLE, now=1300.0) == 300.0
    assert logind_idle_seconds(IDLE + "\n" + ACTIVE, now=1300.0) == 0.0


def test_sessions_that_are_no_users_or_about_to_close_do_not_count() -> None:
    greeter = ACTIVE.replace("Class=user", "Class=greeter")
    closing = ACTIVE.replace("State=active", "State=closing")
    assert logind_idle_seconds(greeter + "\n" + closing, now=1300.0) is None
    assert logind_idle_seconds(greeter + "\n" + IDLE, now=1300.0) == 300.0
    assert logind_idle_seconds("", now=1300.0) is None


def test_the_terminal_touched_last_counts(tmp_path: Path) -> None:
    for name, accessed in (("tty1", 1000), ("tty2", 2000)):
        (tmp_path / name).touch()
        os.utime(tmp_path / name, (accessed, 0))
    terminals = [tmp_path / "tty1", tmp_path / "tty2", tmp_path / ":0"]
    assert terminal_idle_seconds(terminals, now=2060.0) == 60.0
    assert terminal_idle_seconds([tmp_path / ":0"], now=2060.0) is None


def test_macos_counts_in_nanoseconds() -> None:
    assert user_idle._macos('  | "HIDIdleTime" = 90000000000\n') == 90.0
    assert user_idle._macos("nothing") is None


def test_this_machine_gives_whole_minutes_or_unknown() -> None:
    assert user_idle_minutes() >= -1


def test_a_program_that_is_missing_or_fails_answers_nothing() -> None:
    assert user_idle._answer("no-such-program-here") == ""
    assert user_idle._answer("false") == ""
    assert user_idle._answer("echo", "yes") == "yes\n"
