"""The two tables of the lifecycle, over all pairs."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from pathlib import Path

import pytest

from hqserver.domain import lifecycle
from hqserver.domain.lifecycle import RUN, WORK, InvalidTransition, RunEvent, WorkEvent, advance_run, advance_work
from hqserver.domain.status import FINISHED_WORK, LIVE_RUN, WORK_ON_CLIENT, RunStatus, WorkStatus

NOT_SERVED_RUN = {RunStatus.PAUSING, RunStatus.PAUSED, RunStatus.RESUMING, RunStatus.PREEMPTED}
NOT_SERVED_WORK = {WorkStatus.PAUSING, WorkStatus.PAUSED, WorkStatus.RESUMING, WorkStatus.BLOCKED}
"""Statuses of commands that this version has not (pause, block, preempt): nothing may lead there yet."""


@pytest.mark.parametrize("event", RunEvent)
@pytest.mark.parametrize("status", RunStatus)
def test_a_run_moves_by_the_table_or_tells_why_not(status: RunStatus, event: RunEvent) -> None:
    if (status, event) in RUN:
        assert advance_run(status, event) is RUN[status, event]
    else:
        with pytest.raises(InvalidTransition, match=f"a {status} run cannot take the event '{event}'"):
            advance_run(status, event)


@pytest.mark.parametrize("event", WorkEvent)
@pytest.mark.parametrize("status", WorkStatus)
def test_a_work_item_moves_by_the_table_or_tells_why_not(status: WorkStatus, event: WorkEvent) -> None:
    if (status, event) in WORK:
        assert advance_work(status, event) is WORK[status, event]
    else:
        with pytest.raises(InvalidTransition, match=f"a {status} work item cannot take the event '{event}'"):
            advance_work(status, event)


def reached(moves: Iterable[tuple[str, str]], start: Collection[str]) -> set[str]:
    found = set(start)
    pairs = list(moves)
    while True:
        more = {now for was, now in pairs if was in found} - found
        if not more:
            return found
        found |= more


def test_a_run_that_is_offered_can_come_to_every_status_that_is_served() -> None:
    found = reached([(was, move.status) for (was, _), move in RUN.items()], [RunStatus.OFFERED])
    assert found == set(RunStatus) - NOT_SERVED_RUN


def test_work_that_is_submitted_can_come_to_every_status_that_is_served() -> None:
    found = reached([(was, now) for (was, _), now in WORK.items()], [WorkStatus.QUEUED, WorkStatus.RUNNABLE])
    assert found == set(WorkStatus) - NOT_SERVED_WORK


@pytest.mark.parametrize("status", [status for status in LIVE_RUN if status not in NOT_SERVED_RUN])
def test_every_live_run_can_end(status: RunStatus) -> None:
    assert reached([(was, move.status) for (was, _), move in RUN.items()], [status]) - set(LIVE_RUN)


def test_a_run_that_is_over_never_moves_again() -> None:
    assert [pair for pair in RUN if pair[0] not in LIVE_RUN] == []


def test_finished_work_never_moves_again() -> None:
    """Until `retry` and `rerun` are served."""
    assert [pair for pair in WORK if pair[0] in FINISHED_WORK] == []


def test_every_event_is_told_to_somebody() -> None:
    assert {event for _, event in RUN} == set(RunEvent)
    assert {event for _, event in WORK} == set(WorkEvent)


@pytest.mark.parametrize(("status", "event"), RUN)
def test_what_a_run_tells_its_work_the_work_can_take(status: RunStatus, event: RunEvent) -> None:
    """A live run's work item is on a client; whatever the run becomes, that item knows what to do."""
    told = RUN[status, event].work
    if told is None:
        return
    for held in set(WORK_ON_CLIENT) - NOT_SERVED_WORK:
        assert advance_work(held, told) not in WORK_ON_CLIENT


@pytest.mark.parametrize(("status", "event"), RUN)
def test_work_hears_of_a_run_that_ends_and_of_no_other(status: RunStatus, event: RunEvent) -> None:
    move = RUN[status, event]
    if move.status in LIVE_RUN:
        assert move.work is None
    else:
        # TAKEN_OVER: the work stays with the run that took it over, and is told of that one alone.
        assert (move.work is None) == (event is RunEvent.TAKEN_OVER)


def test_only_an_exit_with_zero_makes_a_run_succeed() -> None:
    """PROMISES 2.1: no time-out, restart or loss may write it."""
    events = {event for (_, event), move in RUN.items() if move.status is RunStatus.SUCCEEDED}
    assert events == {RunEvent.EXITED_ZERO}
    told = {event for (_, event), move in RUN.items() if move.work is WorkEvent.RUN_SUCCEEDED}
    assert told == {RunEvent.EXITED_ZERO}


def test_only_a_run_that_succeeded_makes_work_succeed() -> None:
    events = {event for (_, event), now in WORK.items() if now is WorkStatus.SUCCEEDED}
    assert events == {WorkEvent.RUN_SUCCEEDED}


def test_what_was_cancelled_ends_cancelled_however_its_command_ends() -> None:
    """CONTRACT 9.11."""
    ends = {move.status for (was, _), move in RUN.items() if was is RunStatus.ENDING and move.status not in LIVE_RUN}
    assert ends == {RunStatus.CANCELLED}


@pytest.mark.parametrize("status", [RunStatus.OFFERED, RunStatus.RUNNING, RunStatus.ENDING, RunStatus.LOST])
@pytest.mark.parametrize(
    "event",
    [RunEvent.STARTED, RunEvent.EXITED_ZERO, RunEvent.EXITED_NONZERO, RunEvent.KILLED, RunEvent.REFUSED, RunEvent.END],
)
def test_no_report_of_a_live_run_is_ever_impossible(status: RunStatus, event: RunEvent) -> None:
    """A report that raised would never be acknowledged, and a client would send it for ever."""
    assert (status, event) in RUN


def test_the_diagram_names_every_row_of_both_tables() -> None:
    drawn = lifecycle.diagram()
    for (status, event), move in RUN.items():
        assert f"| {status} | {event} | {move.status} | {move.work or ''} |" in drawn
    for (work_status, work_event), now in WORK.items():
        assert f"| {work_status} | {work_event} | {now} |  |" in drawn


def test_the_page_beside_the_tables_is_generated_from_them() -> None:
    page = Path(lifecycle.__file__).with_name("LIFECYCLE.md")
    assert page.read_text(encoding="utf-8") == lifecycle.diagram()
