"""The two tables of the lifecycle, over all pairs."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from pathlib import Path

import pytest

from hqserver.domain import lifecycle
from hqserver.domain.lifecycle import (
    EJECTING,
    RUN,
    WORK,
    InvalidTransition,
    RunEvent,
    RunMove,
    WorkEvent,
    advance_run,
    advance_work,
)
from hqserver.domain.status import FINISHED_WORK, LIVE_RUN, WORK_ON_CLIENT, RunStatus, WorkStatus

NOT_SERVED_RUN = {RunStatus.PREEMPTED}
"""Statuses of commands that this version has not (block, preempt): nothing may lead there yet."""

WORK_OF_RUN: dict[RunStatus, set[WorkStatus]] = {
    RunStatus.OFFERED: {WorkStatus.RUNNING},
    RunStatus.RUNNING: {WorkStatus.RUNNING},
    RunStatus.PAUSING: {WorkStatus.PAUSING},
    RunStatus.PAUSED: {WorkStatus.PAUSED},
    RunStatus.RESUMING: {WorkStatus.RESUMING},
    # A kill leaves the work as it was until it is confirmed (CONTRACT 9.11).
    RunStatus.ENDING: {WorkStatus.RUNNING, WorkStatus.PAUSING, WorkStatus.PAUSED, WorkStatus.RESUMING},
    RunStatus.LOST: {WorkStatus.RUNNING},
}
"""How the work stands that a live run holds."""

MOVES = [(status, event, move) for (status, event), move in RUN.items()] + [
    (RunStatus.ENDING, event, move) for event, move in EJECTING.items()
]
"""Every row of the runs' tables, that of runs which are being ejected included."""


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
    assert found == set(WorkStatus)


@pytest.mark.parametrize("status", [status for status in LIVE_RUN if status not in NOT_SERVED_RUN])
def test_every_live_run_can_end(status: RunStatus) -> None:
    assert reached([(was, move.status) for (was, _), move in RUN.items()], [status]) - set(LIVE_RUN)


def test_a_run_that_is_over_never_moves_again() -> None:
    assert [pair for pair in RUN if pair[0] not in LIVE_RUN] == []


def test_finished_work_moves_only_when_somebody_wants_it_done_again() -> None:
    """CONTRACT 3.5: it waits as it did at first, for its children or for nothing."""
    moves = {pair: now for pair, now in WORK.items() if pair[0] in FINISHED_WORK}
    anew = {(status, WorkEvent.RESET): WorkStatus.QUEUED for status in FINISHED_WORK}
    # 9.10: an abandoned one goes on when its client is back, and a proof that it is dead changes nothing.
    abandoned = {
        (WorkStatus.ABANDONED, WorkEvent.OWNER_BACK): WorkStatus.RUNNING,
        (WorkStatus.ABANDONED, WorkEvent.RUN_RETURNED): WorkStatus.ABANDONED,
    }
    assert moves == anew | abandoned


def test_every_event_is_told_to_somebody() -> None:
    assert {event for _, event in RUN} == set(RunEvent)
    assert {event for _, event in WORK} == set(WorkEvent)


@pytest.mark.parametrize(("status", "event", "move"), MOVES)
def test_what_a_run_tells_its_work_the_work_can_take(status: RunStatus, event: RunEvent, move: RunMove) -> None:
    """A live run's work item is on a client; whatever the run becomes, that item knows what to do, and stands after it
    as the run does."""
    for held in WORK_OF_RUN[status]:
        now = held if move.work is None else advance_work(held, move.work)
        if event is RunEvent.TAKEN_OVER:
            assert now is WorkStatus.RUNNING, "it is the other run's now"
        elif move.status in LIVE_RUN:
            assert now in WORK_OF_RUN[move.status]
        else:
            assert now not in WORK_ON_CLIENT


def test_a_run_that_is_to_leave_its_client_is_ended_as_any_other_may_be() -> None:
    """9.12: the work of one whose command was quicker keeps its result; a kill puts it back, and no try is burnt."""
    assert EJECTING.keys() == {event for status, event in RUN if status is RunStatus.ENDING} | {RunEvent.EJECT}
    assert advance_run(RunStatus.ENDING, RunEvent.EXITED_ZERO, ejecting=True).status is RunStatus.SUCCEEDED
    for event in (RunEvent.KILLED, RunEvent.REFUSED, RunEvent.GIVEN_UP, RunEvent.DIED):
        assert advance_run(RunStatus.ENDING, event, ejecting=True).work is WorkEvent.RUN_RETURNED
    with pytest.raises(InvalidTransition):
        advance_run(RunStatus.ENDING, RunEvent.CLIENT_BACK, ejecting=True)


def test_only_an_exit_with_zero_makes_a_run_succeed() -> None:
    """PROMISES 2.1: no time-out, restart or loss may write it."""
    assert {event for _, event, move in MOVES if move.status is RunStatus.SUCCEEDED} == {RunEvent.EXITED_ZERO}
    assert {event for _, event, move in MOVES if move.work is WorkEvent.RUN_SUCCEEDED} == {RunEvent.EXITED_ZERO}


def test_only_a_run_that_succeeded_or_somebody_by_hand_makes_work_succeed() -> None:
    """P3; PROMISES 2.1: `outcome` says which."""
    events = {event for (_, event), now in WORK.items() if now is WorkStatus.SUCCEEDED}
    assert events == {WorkEvent.RUN_SUCCEEDED, WorkEvent.COMPLETE}


def test_what_was_cancelled_ends_cancelled_however_its_command_ends() -> None:
    """CONTRACT 9.11."""
    ends = {move.status for (was, _), move in RUN.items() if was is RunStatus.ENDING and move.status not in LIVE_RUN}
    assert ends == {RunStatus.CANCELLED}


@pytest.mark.parametrize("status", LIVE_RUN)
@pytest.mark.parametrize(
    "event",
    [
        *(RunEvent.STARTED, RunEvent.EXITED_ZERO, RunEvent.EXITED_NONZERO, RunEvent.OVERRAN, RunEvent.KILLED),
        *(RunEvent.REFUSED, RunEvent.END),
    ],
)
def test_no_report_of_a_live_run_is_ever_impossible(status: RunStatus, event: RunEvent) -> None:
    """A report that raised would never be acknowledged, and a client would send it for ever."""
    assert (status, event) in RUN


@pytest.mark.parametrize("event", [RunEvent.PAUSED, RunEvent.RESUMED])
@pytest.mark.parametrize("status", [status for status in LIVE_RUN if status not in (RunStatus.OFFERED, RunStatus.LOST)])
def test_how_a_run_stands_is_welcome_news_of_every_run_that_has_started(status: RunStatus, event: RunEvent) -> None:
    assert (status, event) in RUN


def test_the_diagram_names_every_row_of_both_tables() -> None:
    drawn = lifecycle.diagram()
    for status, event, move in MOVES:
        assert f"| {status} | {event} | {move.status} | {move.work or ''} |" in drawn
    for (work_status, work_event), now in WORK.items():
        assert f"| {work_status} | {work_event} | {now} |  |" in drawn


def test_the_page_beside_the_tables_is_generated_from_them() -> None:
    page = Path(lifecycle.__file__).with_name("LIFECYCLE.md")
    assert page.read_text(encoding="utf-8") == lifecycle.diagram()
