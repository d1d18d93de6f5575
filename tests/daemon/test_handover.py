from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from hqclient.daemon import handover
from hqclient.daemon.handover import EXIT_AGAIN, FAILURE_SECONDS, CodeState, choose, read_state, write_state

OLD, NEW, OTHER = "0" * 64, "1" * 64, "2" * 64
TRIAL = CodeState(installed=OLD, trial=NEW, begun=True)


@pytest.mark.parametrize(
    ("state", "left", "version"),
    [
        (CodeState(), CodeState(installed=OLD), ""),
        (CodeState(trial=NEW), TRIAL, NEW),
        (CodeState(installed=OLD, current=OTHER), CodeState(installed=OLD, current=OTHER), OTHER),
        (
            CodeState(installed=OLD, current=OTHER, trial=NEW),
            CodeState(installed=OLD, current=OTHER, trial=NEW, begun=True),
            NEW,
        ),
        # Another client has been installed since.
        (CodeState(installed=NEW, current=OTHER), CodeState(installed=OLD), ""),
    ],
)
def test_what_the_installed_program_runs(state: CodeState, left: CodeState, version: str) -> None:
    assert choose(state, OLD, 1000.0) == (left, version)


@pytest.mark.parametrize("current", ["", OTHER])
def test_a_trial_that_was_begun_and_left_no_verdict_has_failed(current: str) -> None:
    state, version = choose(CodeState(installed=OLD, current=current, trial=NEW, begun=True), OLD, 1000.0)
    assert version == current
    assert (state.trial, state.begun, state.failed, state.failed_at) == ("", False, NEW, 1000.0)
    assert choose(state, OLD, 1001.0) == (state, current)


def test_a_version_that_failed_is_refused_for_a_while() -> None:
    state = CodeState().failing(NEW, "no good", 1000.0)
    assert state.refuses(NEW, 1000.0)
    assert state.refuses(NEW, 1000.0 + FAILURE_SECONDS - 1)
    assert not state.refuses(NEW, 1000.0 + FAILURE_SECONDS)
    assert not state.refuses(NEW, 0.0)  # the clock was set back: nobody knows how long ago that was
    assert not state.refuses(OTHER, 1000.0)


def test_what_is_confirmed_is_current_and_forgives() -> None:
    state = CodeState(installed=OLD, current=OTHER, trial=NEW, begun=True, failed=OLD, reason="x", failed_at=1.0)
    assert state.confirmed() == CodeState(installed=OLD, current=NEW)


def test_the_state_is_kept(tmp_path: Path) -> None:
    state = CodeState(OLD, NEW, OTHER, True, "3" * 64, "a\u00e4\n", 1.5)
    write_state(tmp_path, state)
    assert read_state(tmp_path) == state


@pytest.mark.parametrize("text", [None, "", "[]", "null", "{", '{"trial": 1, "begun": "yes"}'])
def test_a_state_that_cannot_be_read_is_that_of_a_fresh_installation(tmp_path: Path, text: str | None) -> None:
    if text is not None:
        (tmp_path / "state.json").write_text(text)
    assert read_state(tmp_path) == CodeState()


def test_versions_agree_on_the_status_that_asks_for_a_start() -> None:
    """One version returns it to another: it may never change."""
    assert EXIT_AGAIN == 79


def test_a_state_of_another_version_is_read_as_far_as_it_is_known(tmp_path: Path) -> None:
    (tmp_path / "state.json").write_text(json.dumps({"current": NEW, "mood": "good"}))
    assert read_state(tmp_path) == CodeState(current=NEW)


def handed_over(folder: Path, text: str, seconds: str = "10", *arguments: str) -> tuple[int, str]:
    """Exit status and output of code whose `hqclient.daemon.cli` is `text`; the installed program says `back`."""
    daemon = folder / NEW / "hqclient" / "daemon"
    daemon.mkdir(parents=True)
    for package in (daemon, daemon.parent):
        (package / "__init__.py").touch()
    (daemon / "cli.py").write_text(text)
    if seconds != "0":
        write_state(folder, TRIAL)
    installed = json.dumps([sys.executable, "-c", "print('back')"])
    words = [sys.executable, "-P", handover.__file__, str(folder), NEW, seconds, installed, *arguments]
    done = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)
    return done.returncode, done.stdout.strip()


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("import no_such_module\n", "it failed: ModuleNotFoundError: No module named 'no_such_module'"),
        ("def (\n", "it failed: SyntaxError: "),
        ("pass\n", "it failed: AttributeError: "),
        ("def serve(arguments): raise ValueError('x')\n", "it failed: ValueError: x"),
        ("def serve(arguments): return 1\n", "it ended with exit status 1 before"),
        ("def serve(arguments): raise SystemExit(2)\n", "it ended with exit status 2 before"),
        ("def serve(arguments): raise SystemExit('no')\n", "it ended with exit status 1 before"),
    ],
)
def test_code_on_trial_that_fails_gives_way_to_the_installed_program(tmp_path: Path, text: str, reason: str) -> None:
    assert handed_over(tmp_path, text) == (0, "back")
    state = read_state(tmp_path)
    assert state.reason.startswith(reason)
    assert (state.failed, state.trial, state.begun) == (NEW, "", False)


def test_code_that_does_nothing_gives_way_in_time(tmp_path: Path) -> None:
    assert handed_over(tmp_path, "import time\ndef serve(arguments): time.sleep(100)\n", "0.2") == (0, "back")
    assert read_state(tmp_path).reason == "the server had not answered it within 0.2 s"


def test_code_on_trial_that_ends_as_asked_is_neither_good_nor_bad(tmp_path: Path) -> None:
    assert handed_over(tmp_path, "def serve(arguments): return 0\n") == (0, "")
    assert read_state(tmp_path) == CodeState(installed=OLD)


def test_an_interrupted_trial_is_neither_good_nor_bad(tmp_path: Path) -> None:
    assert handed_over(tmp_path, "def serve(arguments): raise KeyboardInterrupt\n") == (130, "")
    assert read_state(tmp_path) == CodeState(installed=OLD)


CONFIRMS = """
from pathlib import Path
import __main__ as handover
def serve(arguments):
    folder = Path(__file__).parents[3]
    handover.write_state(folder, handover.read_state(folder).confirmed())
    return {status}
"""


@pytest.mark.parametrize(("status", "outcome"), [(3, (3, "")), (EXIT_AGAIN, (0, "back"))])
def test_confirmed_code_ends_as_it_likes_and_stays(tmp_path: Path, status: int, outcome: tuple[int, str]) -> None:
    """`EXIT_AGAIN` asks for a start: by the installed program, which then runs what is current."""
    assert handed_over(tmp_path, CONFIRMS.format(status=status)) == outcome
    assert read_state(tmp_path) == CodeState(installed=OLD, current=NEW)


def test_confirmed_code_that_fails_later_gives_way_too(tmp_path: Path) -> None:
    write_state(tmp_path, CodeState(installed=OLD, current=NEW))
    assert handed_over(tmp_path, "def serve(arguments): raise ValueError('x')\n", "0") == (0, "back")
    assert (read_state(tmp_path).current, read_state(tmp_path).failed) == ("", NEW)


def test_code_that_is_not_on_trial_has_all_the_time_and_its_arguments(tmp_path: Path) -> None:
    text = "def serve(arguments): print(arguments); return 1\n"
    assert handed_over(tmp_path, text, "0", "--name", "alpha") == (1, "['--name', 'alpha']")
