"""The checker that judges soaks finds every broken promise: a judge that cannot say no proves nothing (PROMISES 7)."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent.parent / "scripts"))

from check_history import (
    INVARIANTS,
    Submitted,
    Told,
    Usage,
    Verdict,
    judge,
    judge_database,
    judge_pings,
    judge_usage,
)

GOOD = Submitted(7, "t1", "1\n2\n", 0, undisturbed=True)
BAD = Submitted(8, "t2", "1\n", 3, undisturbed=True)
CANCELLED = Submitted(9, "t3", "1\n", 0, undisturbed=False)
JOURNAL = "start t1 run1\nalive t1 run1\nend t1 run1 0\nstart t2 run2\nend t2 run2 3\nstart t3 run3\ncancelled t3\n"
TOLD = {7: Told("succeeded", "1\n2\n"), 8: Told("failed", "1\n"), 9: Told("cancelled", "")}
NAMES = {"t1": 1, "t2": 1, "t3": 1}
TWICE = "start t1 run1\nend t1 run1 0\nstart t1 run9\nend t1 run9 0\n"
AT_ONCE = "start t1 run1\nstart t1 run9\nalive t1 run1\nend t1 run9 0\n"
AFTER_A_LOSS = Told("succeeded", "1\n[hq] try 2 on node2\n1\n2\n", losses=1)


def violations(
    told: dict[int, Told] | None = None, journal: str = JOURNAL, names: dict[str, int] | None = None
) -> list[str]:
    return judge([GOOD, BAD, CANCELLED], TOLD | (told or {}), names or NAMES, journal).violations


def test_a_farm_that_kept_its_promises_is_believed() -> None:
    found = judge([GOOD, BAD, CANCELLED], TOLD, NAMES, JOURNAL)
    assert found.violations == []
    assert found.ledger() == "accepted 3, finished 3, lost 0, doubled 0"
    assert found.by_status == {"succeeded": 1, "failed": 1, "cancelled": 1}


# I1, I8, I10 ----------------------------------------------------------------------------------------------------------


def test_a_job_that_is_not_known_any_more_is_lost() -> None:
    found = judge([GOOD, BAD, CANCELLED], {7: TOLD[7], 9: TOLD[9]}, NAMES, JOURNAL)
    assert found.lost == 1
    assert found.violations == ["I1: job 8 is unknown"]


@pytest.mark.parametrize("status", ["runnable", "running", "paused", "queued"])
def test_a_job_that_never_ends_is_lost(status: str) -> None:
    assert violations({7: Told(status, "1\n2\n")}) == [f"I1: job 7 is {status}"]


def test_a_submission_that_made_two_jobs_is_found() -> None:
    found = judge([GOOD], TOLD, {"t1": 2}, JOURNAL)
    assert (found.doubled, found.violations) == (1, ["I8: submission t1 made 2 jobs"])


def test_an_id_given_twice_is_found() -> None:
    twice = Submitted(7, "t2", "1\n2\n", 0, undisturbed=False)
    assert "I10: id 7 was given twice" in judge([GOOD, twice], TOLD, NAMES, JOURNAL).violations


# I2 -------------------------------------------------------------------------------------------------------------------


def test_success_without_a_command_that_ended_with_nought_is_found() -> None:
    assert "I2: job 7 succeeded, and no command of it ended with 0" in violations(
        journal=JOURNAL.replace("run1 0", "run1 5")
    )


def test_a_failure_called_success_is_found() -> None:
    assert "I2: job 8 is succeeded, its command ended with 3" in violations({8: Told("succeeded", "1\n")})


def test_a_success_called_failure_is_found() -> None:
    assert violations({7: Told("failed", "1\n2\n")}) == ["I2: job 7 is failed, its command ended with 0"]


@pytest.mark.parametrize("losses", [0, 2, 3])
def test_a_job_may_be_abandoned_only_after_three_losses(losses: int) -> None:
    found = violations({7: Told("abandoned", "1\n", losses=losses)})
    assert ("I2: job 7 is abandoned, its command ended with 0" in found) is (losses < 3)


# I3 -------------------------------------------------------------------------------------------------------------------


def test_a_command_carried_out_twice_is_found() -> None:
    found = judge([GOOD], TOLD, NAMES, TWICE)
    assert found.doubled == 1
    assert found.violations == ["I3: the command of job 7 was carried out 2 times"]


def test_a_command_carried_out_again_because_its_client_was_silent_is_told_and_no_violation() -> None:
    found = judge([GOOD], {7: AFTER_A_LOSS}, NAMES, TWICE)
    assert (found.violations, found.doubled, found.repeated) == ([], 0, 1)
    assert "1 carried out again after a loss" in found.counted["I3"]


def test_a_run_that_began_twice_is_found() -> None:
    assert "I3: run run3 of job 9 began twice" in violations(journal=JOURNAL + "start t3 run3\n")


def test_two_runs_alive_at_once_are_found() -> None:
    found = judge([GOOD], TOLD, NAMES, AT_ONCE)
    assert (found.doubled, found.violations) == (1, ["I3: two runs of job 7 lived at once"])


def test_a_silent_client_explains_two_runs_at_once_but_not_of_a_job_with_a_lease() -> None:
    assert judge([GOOD], {7: AFTER_A_LOSS}, NAMES, AT_ONCE).violations == []
    strict = replace(GOOD, strict=True)
    assert judge([strict], {7: AFTER_A_LOSS}, NAMES, AT_ONCE).violations == ["I3: two runs of job 7 lived at once"]


def test_a_kill_that_nobody_confirmed_explains_two_runs_of_a_job_that_was_ejected() -> None:
    ejected = replace(GOOD, undisturbed=False)
    assert judge([ejected], {7: replace(TOLD[7], unconfirmed=True)}, NAMES, AT_ONCE).violations == []
    assert judge([ejected], TOLD, NAMES, AT_ONCE).violations == ["I3: two runs of job 7 lived at once"]


# I4, I5 ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("line", ["alive t3 run3", "end t3 run3 0", "start t3 run8"])
def test_a_sign_of_life_after_cancelled_is_found(line: str) -> None:
    run = line.split()[2]
    assert violations(journal=f"{JOURNAL}{line}\n") == [f"I4: run {run} of job 9 wrote after `cancelled`"]


def test_output_that_is_not_what_the_command_wrote_is_found() -> None:
    assert violations({7: Told("succeeded", "1\n")}) == ["I5: the output of job 7 is not what its command wrote"]


def test_lines_of_the_farm_itself_are_not_the_commands() -> None:
    said = "1\n2\n[hqclient: the command left 1 processes behind; ended]\n"
    assert violations({7: Told("succeeded", said)}) == []
    assert violations({7: Told("succeeded", f"{said}3\n")}) == ["I5: the output of job 7 is not what its command wrote"]


def test_after_a_loss_the_output_of_the_run_that_counts_must_be_whole() -> None:
    cut = replace(AFTER_A_LOSS, output="1\n2\n[hq] try 2 on node2\n1\n")
    assert judge([GOOD], {7: cut}, NAMES, TWICE).violations == ["I5: the output of job 7 is not what its command wrote"]


# I6, I7, I9 -----------------------------------------------------------------------------------------------------------


def test_a_ping_that_took_too_long_is_found() -> None:
    verdict = Verdict()
    judge_pings(verdict, [0.001] * 98 + [0.004, 1.9], [0.01])
    assert verdict.violations == []
    assert verdict.counted["I6"].startswith("100 pings, p99 4 ms, longest 1900 ms")
    judge_pings(verdict, [0.001, 2.2], [0.01])
    assert verdict.violations == ["I6: a ping took 2.2 s"]


def test_a_machine_that_keeps_the_pinger_waiting_explains_a_slow_ping() -> None:
    verdict = Verdict()
    judge_pings(verdict, [0.001, 2.2], [0.01, 0.1])
    assert verdict.violations == []


@pytest.mark.parametrize("after", [Usage(160, 8, 20), Usage(50, 30, 20), Usage(50, 8, 80)])
def test_what_does_not_come_back_is_found(after: Usage) -> None:
    before = {"server": Usage(40, 8, 20), "node1": Usage(30, 3, 10)}
    verdict = Verdict()
    judge_usage(verdict, before, {**before, "server": after})
    assert verdict.violations == [
        f"I7: server takes up {after}, at the start 40 MB, 8 threads, 20 descriptors",
    ]


def test_a_little_more_than_at_the_start_is_no_leak() -> None:
    verdict = Verdict()
    judge_usage(verdict, {"server": Usage(40, 8, 20)}, {"server": Usage(90, 10, 30)})
    assert verdict.violations == []
    assert "server grew most, from 40 MB" in verdict.counted["I7"]


def test_a_damaged_database_is_found() -> None:
    verdict = Verdict()
    judge_database(verdict, ["job 3: 2 runs counted, 1 found"], "3 jobs counted")
    assert verdict.violations == ["I9: job 3: 2 runs counted, 1 found"]


# The verdict ----------------------------------------------------------------------------------------------------------


def test_every_invariant_has_its_line_which_says_kept_broken_or_not_measured() -> None:
    found = judge([GOOD], {}, NAMES, JOURNAL)
    judge_usage(found, {"server": Usage(40, 8, 20)}, {"server": Usage(40, 8, 20)})
    lines = {line.split()[0]: line for line in found.lines()}
    assert list(lines) == list(INVARIANTS) == [f"I{number}" for number in range(1, 11)]
    assert " BROKEN 1x " in lines["I1"]
    assert " kept " in lines["I7"]
    assert " not measured " in lines["I6"]
