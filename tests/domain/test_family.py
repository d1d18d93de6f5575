"""A job's status as a function of its intent, its work and its children (CONTRACT 9.8, 9.9)."""

from __future__ import annotations

import itertools

import pytest

from hqserver.domain.family import fails_its_parent, rollup, ui_status
from hqserver.domain.status import FINISHED_JOB, JobStatus, WorkStatus

J, W = JobStatus, WorkStatus


def status_of(
    *work: WorkStatus,
    cancelled: bool = False,
    has_run: bool = False,
    unfinished: int = 0,
    failed: int = 0,
    ending: int = 0,
    held: str = "",
    pending: int = 0,
) -> JobStatus:
    return rollup(
        {status: work.count(status) for status in WorkStatus},
        cancelled=cancelled,
        has_run=has_run,
        children_unfinished=unfinished,
        children_failed=failed,
        children_ending=ending,
        held=held,
        pending=pending,
    )


@pytest.mark.parametrize(
    ("work", "expected"),
    [
        ((), J.SUCCEEDED),
        ((W.QUEUED,), J.RUNNABLE),
        ((W.BLOCKED,), J.PAUSED),
        ((W.RUNNABLE,), J.RUNNABLE),
        ((W.RUNNING,), J.RUNNING),
        ((W.PAUSING,), J.PAUSING),
        ((W.PAUSED,), J.PAUSED),
        ((W.RESUMING,), J.RESUMING),
        ((W.SUCCEEDED,), J.SUCCEEDED),
        ((W.FAILED,), J.FAILED),
        ((W.CANCELLED,), J.CANCELLED),
        ((W.ABANDONED,), J.ABANDONED),
    ],
)
def test_a_job_without_children_is_as_its_one_work_item(work: tuple[WorkStatus, ...], expected: JobStatus) -> None:
    assert status_of(*work) is expected


@pytest.mark.parametrize(
    ("work", "expected"),
    [
        ((W.RUNNING, W.FAILED), J.RUNNING),
        ((W.RUNNING, W.PAUSED), J.RUNNING),
        ((W.PAUSING, W.RESUMING, W.PAUSED), J.PAUSING),
        ((W.PAUSED, W.RUNNABLE), J.PAUSED),
        ((W.RUNNABLE, W.FAILED), J.RUNNABLE),
        ((W.FAILED, W.ABANDONED, W.CANCELLED, W.SUCCEEDED), J.FAILED),
        ((W.ABANDONED, W.CANCELLED, W.SUCCEEDED), J.ABANDONED),
        ((W.CANCELLED, W.SUCCEEDED), J.CANCELLED),
        ((W.SUCCEEDED, W.SUCCEEDED), J.SUCCEEDED),
    ],
)
def test_of_several_work_items_the_first_rule_that_holds_decides(
    work: tuple[WorkStatus, ...], expected: JobStatus
) -> None:
    """A failed frame does not stop the others."""
    assert status_of(*work) is expected


@pytest.mark.parametrize(
    ("work", "has_run", "expected"),
    [
        ((), False, J.QUEUED),
        ((W.QUEUED,), False, J.QUEUED),
        ((W.RUNNABLE,), False, J.QUEUED),
        ((W.QUEUED,), True, J.QUEUED),
        ((W.RUNNING,), True, J.RUNNING),
        ((W.SUCCEEDED,), True, J.RUNNING),
        ((W.FAILED,), True, J.RUNNING),
    ],
)
def test_a_job_with_unfinished_children_waits_for_them(
    work: tuple[WorkStatus, ...], has_run: bool, expected: JobStatus
) -> None:
    """A command that ended while children it added still live leaves its job running (9.8)."""
    assert status_of(*work, has_run=has_run, unfinished=1) is expected


@pytest.mark.parametrize(
    ("work", "unfinished", "expected"),
    [
        ((W.RUNNABLE,), 0, J.PAUSED),
        ((W.QUEUED,), 1, J.QUEUED),
        ((W.RUNNING,), 0, J.RUNNING),
        ((W.PAUSING,), 0, J.PAUSING),
        ((W.SUCCEEDED,), 0, J.SUCCEEDED),
    ],
)
@pytest.mark.parametrize("held", ["pause", "block"])
def test_a_job_that_is_held_is_paused_once_only_that_keeps_its_work(
    work: tuple[WorkStatus, ...], unfinished: int, expected: JobStatus, held: str
) -> None:
    """9.9: work left is runnable, or paused when held; on the wire a blocked job is paused too."""
    assert status_of(*work, unfinished=unfinished, held=held) is expected


@pytest.mark.parametrize(("pending", "expected"), [(0, J.QUEUED), (1, J.RUNNING)])
def test_work_that_only_waits_for_its_hooks_keeps_its_job_running(pending: int, expected: JobStatus) -> None:
    """9.8: its command exited 0 while children that it added still lived."""
    assert status_of(W.QUEUED, has_run=True, unfinished=1, pending=pending) is expected


@pytest.mark.parametrize(
    ("work", "expected"),
    [((), J.FAILED), ((W.FAILED,), J.FAILED), ((W.SUCCEEDED,), J.FAILED), ((W.RUNNING,), J.RUNNING)],
)
def test_a_failed_child_fails_a_job_that_has_nothing_left_to_do(
    work: tuple[WorkStatus, ...], expected: JobStatus
) -> None:
    assert status_of(*work, failed=1) is expected


@pytest.mark.parametrize("unfinished", [0, 1])
@pytest.mark.parametrize("failed", [0, 1])
@pytest.mark.parametrize("work", [(), (W.CANCELLED,), (W.SUCCEEDED,), (W.FAILED,), (W.ABANDONED,)])
def test_a_cancelled_job_is_cancelled_whatever_else_happened(
    work: tuple[WorkStatus, ...], unfinished: int, failed: int
) -> None:
    assert status_of(*work, cancelled=True, unfinished=unfinished, failed=failed) is J.CANCELLED


def test_a_cancelled_job_keeps_its_status_until_its_run_is_dead() -> None:
    """CONTRACT 9.11."""
    assert status_of(W.RUNNING, cancelled=True) is J.RUNNING


@pytest.mark.parametrize("has_run", [False, True])
def test_a_cancelled_job_keeps_its_status_until_what_was_cancelled_below_it_is_dead(has_run: bool) -> None:
    """CONTRACT 9.11, P8: a child that another job needs, and that was spared, is not waited for."""
    expected = J.RUNNING if has_run else J.QUEUED
    assert status_of(W.CANCELLED, cancelled=True, unfinished=2, ending=1, has_run=has_run) is expected
    assert status_of(W.CANCELLED, cancelled=True, unfinished=1, ending=0, has_run=has_run) is J.CANCELLED


def test_no_job_is_finished_while_work_or_children_are_left_and_every_other_is() -> None:
    """Over every set of statuses two work items can have, with every intent and family."""
    live = {W.RUNNING, W.PAUSING, W.PAUSED, W.RESUMING}
    left = {W.QUEUED, W.RUNNABLE, W.BLOCKED}
    for work in itertools.combinations_with_replacement(WorkStatus, 2):
        cases = itertools.product((False, True), (False, True), (0, 1), (0, 1), (0, 1))
        for cancelled, has_run, unfinished, failed, ending in cases:
            if ending > unfinished:
                continue
            given = {"cancelled": cancelled, "unfinished": unfinished, "failed": failed, "ending": ending}
            found = status_of(*work, has_run=has_run, **given)
            waits = bool(unfinished) or bool(left & {*work})
            open_still = bool(live & {*work}) or (bool(ending) if cancelled else waits)
            assert (found in FINISHED_JOB) is not open_still, (work, has_run, given)


@pytest.mark.parametrize("status", JobStatus)
def test_failed_cancelled_and_abandoned_children_fail_their_parent_alike(status: JobStatus) -> None:
    assert fails_its_parent(status) is (status in (J.FAILED, J.CANCELLED, J.ABANDONED))


@pytest.mark.parametrize(
    ("status", "has_children", "clients", "shown"),
    [
        (J.QUEUED, True, 0, "waiting for resources"),
        (J.QUEUED, True, 3, "running (3 clients assigned)"),
        (J.RUNNABLE, False, 0, "waiting for resources"),
        (J.RUNNING, False, 1, "running"),
        (J.RUNNING, True, 2, "running (2 clients assigned)"),
        (J.RUNNING, True, 0, "running"),
        (J.PAUSED, True, 1, "paused"),
        (J.SUCCEEDED, True, 0, "succeeded"),
        (J.ABANDONED, False, 0, "abandoned"),
    ],
)
def test_the_page_shows_hqueues_texts(status: JobStatus, has_children: bool, clients: int, shown: str) -> None:
    """CONTRACT 3.2."""
    assert ui_status(status, has_children=has_children, clients=clients) == shown


@pytest.mark.parametrize(
    ("status", "clients", "shown"),
    [
        (J.QUEUED, 0, "paused"),
        (J.QUEUED, 2, "paused"),
        (J.PAUSED, 0, "paused"),
        (J.PAUSING, 1, "pausing"),
        (J.RUNNING, 1, "running (1 clients assigned)"),
    ],
)
def test_a_held_job_is_shown_as_paused_though_its_children_wait(status: JobStatus, clients: int, shown: str) -> None:
    """9.9: by itself it is `queued`."""
    assert ui_status(status, has_children=True, clients=clients, held="pause") == shown
