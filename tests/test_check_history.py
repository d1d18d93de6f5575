"""The checker that judges soaks finds every broken promise: a judge that cannot say no proves nothing (PROMISES 7)."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent.parent / "scripts"))

from check_history import Submitted, Told, judge

GOOD = Submitted(7, "t1", "1\n2\n", 0, undisturbed=True)
BAD = Submitted(8, "t2", "1\n", 3, undisturbed=True)
CANCELLED = Submitted(9, "t3", "1\n", 0, undisturbed=False)
JOURNAL = "start t1 run1\nend t1 run1 0\nstart t2 run2\nend t2 run2 3\nstart t3 run3\n"
TOLD = {7: Told("succeeded", "1\n2\n"), 8: Told("failed", "1\n"), 9: Told("cancelled", "")}
NAMES = {"t1": 1, "t2": 1, "t3": 1}


def violations(
    told: dict[int, Told] | None = None, journal: str = JOURNAL, names: dict[str, int] | None = None
) -> list[str]:
    return judge([GOOD, BAD, CANCELLED], TOLD | (told or {}), names or NAMES, journal).violations


def test_a_farm_that_kept_its_promises_is_believed() -> None:
    found = judge([GOOD, BAD, CANCELLED], TOLD, NAMES, JOURNAL)
    assert found.violations == []
    assert found.ledger() == "accepted 3, finished 3, lost 0, doubled 0"
    assert found.by_status == {"succeeded": 1, "failed": 1, "cancelled": 1}


def test_a_job_that_is_not_known_any_more_is_lost() -> None:
    found = judge([GOOD, BAD, CANCELLED], {7: TOLD[7], 9: TOLD[9]}, NAMES, JOURNAL)
    assert found.lost == 1
    assert found.violations == ["I1: job 8 is unknown"]


@pytest.mark.parametrize("status", ["runnable", "running", "paused", "queued"])
def test_a_job_that_never_ends_is_lost(status: str) -> None:
    assert violations({7: Told(status, "1\n2\n")}) == [f"I1: job 7 is {status}"]


def test_success_without_a_command_that_ended_with_nought_is_found() -> None:
    assert "I2: job 7 succeeded, and no command of it ended with 0" in violations(
        journal=JOURNAL.replace("run1 0", "run1 5")
    )


def test_a_failure_called_success_is_found() -> None:
    assert "I2: job 8 is succeeded, its command ended with 3" in violations({8: Told("succeeded", "1\n")})


def test_a_command_carried_out_twice_is_found() -> None:
    found = judge([GOOD], TOLD, NAMES, JOURNAL + "start t1 run9\nend t1 run9 0\n")
    assert found.doubled == 1
    assert found.violations == ["I3: the command of job 7 was carried out 2 times"]


def test_a_run_that_began_twice_is_found() -> None:
    assert violations(journal=JOURNAL + "start t3 run3\n") == ["I3: job 9 has a run that began twice"]


def test_output_that_is_not_what_the_command_wrote_is_found() -> None:
    assert violations({7: Told("succeeded", "1\n")}) == ["I5: the output of job 7 is not what its command wrote"]


def test_a_submission_that_made_two_jobs_is_found() -> None:
    found = judge([GOOD], TOLD, {"t1": 2}, JOURNAL)
    assert (found.doubled, found.violations) == (1, ["I8: submission t1 made 2 jobs"])


def test_an_id_given_twice_is_found() -> None:
    twice = Submitted(7, "t2", "1\n2\n", 0, undisturbed=False)
    assert "I10: id 7 was given twice" in judge([GOOD, twice], TOLD, NAMES, JOURNAL).violations
