"""What the daemon decides about pausing (CONTRACT 3.5) and about limits of time. No process, no clock."""

from __future__ import annotations

import secrets
from typing import Any

import pytest
from agent_kit import a_record, a_start_order

from hqclient.daemon.held import STARTED_DELAY_SECONDS
from hqclient.daemon.host_os import Moment
from hqclient.daemon.instructions import Discard, Instruction, Kill, Launch, Pause, Resume, Send
from hqclient.daemon.limits import MAX_TIME
from hqclient.daemon.protocol import StartOrder
from hqclient.daemon.runs.kill_request import KillRequest
from hqclient.daemon.runs.pauses import Pauses
from hqclient.daemon.work import Work


def running(work: Work, now: float = 0.0, **fields: Any) -> StartOrder:
    """A run whose command has begun, and that the server knows of."""
    order = a_start_order(**fields)
    work.ordered(order, now)
    assert work.kept(order.run, now) == [Launch(order)]
    work.started(order.run, now)
    work.answered(f"{order.run}:started", "applied", now)
    return order


def paused(work: Work, now: float = 1.0, **fields: Any) -> StartOrder:
    """A run that is paused, and that the server knows to be."""
    order = running(work, **fields)
    assert work.pause_ordered(order.run, now) == [Pause(order.run)]
    assert work.paused(order.run, now) == []
    hear(work, now)
    return order


def hear(work: Work, now: float) -> list[tuple[str, str]]:
    """Be the server: run and kind of each report that is due, each answered `applied`."""
    reports = work.reports(now)
    for report in reports:
        work.answered(report["id"], "applied", now)
    return [(report["run"], report["kind"]) for report in reports]


def refusal(steps: list[Instruction]) -> str:
    """The reason of the one refusal."""
    (step,) = steps
    assert isinstance(step, Send)
    assert step.report["kind"] == "refused"
    return str(step.report["reason"])


def test_a_pause_is_carried_out_and_then_reported_and_so_is_a_resume() -> None:
    work = Work(1)
    order = running(work)
    assert work.pause_ordered(order.run, 1.0) == [Pause(order.run)]
    assert work.reports(1.0) == []
    work.paused(order.run, 1.1)
    assert hear(work, 1.1) == [(order.run, "paused")]
    assert work.resume_ordered(order.run, 2.0) == [Resume(order.run)]
    work.resumed(order.run, 2.1)
    assert hear(work, 2.1) == [(order.run, "resumed")]
    assert work.reports(9.0) == []


def test_orders_that_are_repeated_while_they_are_carried_out_or_reported_change_nothing() -> None:
    work = Work(1)
    order = running(work)
    work.pause_ordered(order.run, 1.0)
    assert work.pause_ordered(order.run, 1.1) == []
    work.paused(order.run, 1.2)
    (report,) = work.reports(1.2)
    assert work.pause_ordered(order.run, 1.3) == []
    assert work.reports(1.4) == [report], "it stays until it is answered"


def test_a_run_that_is_paused_already_is_paused_and_reported_again_under_another_id() -> None:
    work = Work(1)
    order = running(work)
    ids = []
    for now in (1.0, 2.0):
        assert work.pause_ordered(order.run, now) == [Pause(order.run)]
        work.paused(order.run, now)
        (report,) = work.reports(now)
        ids.append(report["id"])
        work.answered(report["id"], "applied", now)
    assert ids == [f"{order.run}:paused:1", f"{order.run}:paused:2"]


def test_the_last_order_counts_though_the_one_before_is_being_carried_out() -> None:
    work = Work(1)
    order = running(work)
    work.pause_ordered(order.run, 1.0)
    assert work.resume_ordered(order.run, 1.1) == []
    assert work.paused(order.run, 1.2) == [Resume(order.run)]
    assert work.reports(1.2) == [], "that it was paused for a moment is no news"
    work.resumed(order.run, 1.3)
    assert hear(work, 1.3) == [(order.run, "resumed")]


def test_an_order_takes_back_the_report_of_the_one_before() -> None:
    work = Work(1)
    order = running(work)
    work.pause_ordered(order.run, 1.0)
    work.paused(order.run, 1.1)
    assert work.resume_ordered(order.run, 1.2) == [Resume(order.run)]
    assert work.reports(1.2) == []


def test_the_server_hears_that_a_run_has_started_before_it_hears_that_it_is_paused() -> None:
    work, order = Work(1), a_start_order()
    work.ordered(order, 0.0)
    work.kept(order.run, 0.0)
    assert work.pause_ordered(order.run, 0.0) == [], "the launcher has it: it is paused once it has begun"
    assert work.started(order.run, 0.0) == [Pause(order.run)]
    work.paused(order.run, 0.01)
    assert hear(work, 0.01) == [(order.run, "started")], "sooner than others"
    assert hear(work, 0.01) == [(order.run, "paused")]


@pytest.mark.parametrize("waits", [True, False], ids=["queued", "being written down"])
def test_a_run_that_has_not_begun_is_refused_instead_of_paused(waits: bool) -> None:
    work = Work(1)
    running(work)
    order = a_start_order()
    work.ordered(order, 0.0)
    if waits:
        work.kept(order.run, 0.0)
        steps = work.pause_ordered(order.run, 0.1)
    else:
        assert work.pause_ordered(order.run, 0.1) == []
        steps = work.kept(order.run, 0.2)
    assert refusal(steps) == "paused before it started"
    assert work.pause_ordered(order.run, 0.3) == []
    assert work.resume_ordered(order.run, 0.3) == []


def test_a_run_whose_start_order_never_came_is_refused_and_never_starts() -> None:
    work, first, second = Work(1), a_start_order(), a_start_order()
    assert refusal(work.pause_ordered(first.run, 0.0)) == "paused before it started"
    assert refusal(work.resume_ordered(second.run, 0.0)) == "it was to go on before its order had come"
    assert work.ordered(first, 1.0) == work.ordered(second, 1.0) == []


@pytest.mark.parametrize("verdict", ["superseded", "unknown"])
def test_a_paused_run_the_server_does_not_count_is_ended(verdict: str) -> None:
    work = Work(1)
    order = running(work)
    work.pause_ordered(order.run, 1.0)
    work.paused(order.run, 1.0)
    (report,) = work.reports(1.0)
    (step,) = work.answered(report["id"], verdict, 2.0)
    assert isinstance(step, Kill)


def test_a_run_that_is_to_end_is_neither_paused_nor_resumed_any_more_and_says_nothing_of_it() -> None:
    work = Work(1)
    order = running(work)
    work.pause_ordered(order.run, 1.0)
    work.kill_ordered(order.run, "cancelled", 1.1)
    assert work.paused(order.run, 1.2) == []
    assert work.pause_ordered(order.run, 1.3) == []
    assert work.resume_ordered(order.run, 1.3) == []
    assert work.reports(1.4) == []


def test_a_kill_takes_back_the_report_of_a_pause() -> None:
    work = Work(1)
    order = running(work)
    work.pause_ordered(order.run, 1.0)
    work.paused(order.run, 1.0)
    assert work.kill_ordered(order.run, "cancelled", 1.1) == [Kill(order.run, KillRequest("cancelled"))]
    assert work.reports(1.1) == []


def test_a_run_that_ends_while_it_is_being_paused_is_reported_ended_only() -> None:
    work = Work(1)
    order = running(work)
    work.pause_ordered(order.run, 1.0)
    (step,) = work.ended(order.run, a_record(), 1.1)
    assert isinstance(step, Send)
    assert work.paused(order.run, 1.2) == []
    work.report_kept(step.report["id"])
    assert hear(work, 1.3) == [(order.run, "ended")]
    assert work.runs == {}


def test_a_paused_run_keeps_its_cpus() -> None:
    work = Work(1)
    paused(work)
    waits = a_start_order()
    work.ordered(waits, 2.0)
    assert work.kept(waits.run, 2.0) == []


def test_a_paused_run_does_not_count_as_one_that_ends_soon() -> None:
    work = Work(2)
    for _ in range(4):
        order = running(work)
        report = work.ended(order.run, a_record(), 0.01)[0]
        assert isinstance(report, Send)
        work.answered(report.report["id"], "applied", 0.01)
    assert work.spare(0.1) == 4
    one, other = running(work), running(work)
    assert work.spare(0.1) == 4, "as young as they are, they may end at any moment"
    for order in (one, other):
        work.pause_ordered(order.run, 0.1)
    assert work.spare(0.1) == 0


def test_the_time_a_run_is_paused_is_not_taken_for_work() -> None:
    work = Work(1)
    order = paused(work, 0.1)
    work.resume_ordered(order.run, 100.0)
    work.resumed(order.run, 100.0)
    work.ended(order.run, a_record(), 100.1)
    assert work.spare(100.2) == 4


def test_a_run_found_paused_is_paused_whole_and_reported_after_its_start() -> None:
    work, order = Work(1), a_start_order()
    assert work.found_folder(order, 100.0, Pauses(3.0, Moment.now()), 5.0) == [Pause(order.run)]
    assert hear(work, 5.0) == [(order.run, "started")]
    work.paused(order.run, 5.1)
    assert hear(work, 5.1) == [(order.run, "paused")]
    assert work.resume_ordered(order.run, 6.0) == [Resume(order.run)]


def test_hqueues_terminate_ends_the_paused_runs_and_no_others() -> None:
    work = Work(3)
    live, stopped, stopping = running(work), paused(work), running(work)
    work.pause_ordered(stopping.run, 1.0)
    reason = KillRequest("the client is shutting down")
    expected = [Kill(stopped.run, reason), Kill(stopping.run, reason)]
    assert work.end_paused("the client is shutting down", 2.0) == expected
    assert work.runs[live.run].kill is None
    assert work.end_paused("again", 3.0) == []


def test_a_settled_run_that_is_to_be_paused_is_answered_and_not_left_to_wait() -> None:
    work = Work(1)
    order = running(work)
    report = work.ended(order.run, a_record(), 1.0)[0]
    assert isinstance(report, Send)
    assert work.answered(report.report["id"], "applied", 1.0) == [Discard(order.run)]
    assert refusal(work.pause_ordered(order.run, 2.0)) == "nothing of it is left"
    assert hear(work, 2.0) == [], "not before it is on disk"


def test_a_verdict_on_nothing_known_is_ignored() -> None:
    work = Work(1)
    order = running(work)
    for report_id in ("", ":", order.run, f"{order.run}:paused", f"{order.run}:paused:9:9", secrets.token_hex(16)):
        assert work.answered(report_id, "applied", 1.0) == []


def test_a_start_that_nobody_answers_keeps_nobody_busy() -> None:
    work, order = Work(1), a_start_order()
    work.ordered(order, 0.0)
    work.kept(order.run, 0.0)
    work.started(order.run, 0.0)
    assert work.due_at() == STARTED_DELAY_SECONDS
    work.tick(STARTED_DELAY_SECONDS)
    assert work.due_at() == float("inf")
    assert [report["kind"] for report in work.reports(60.0)] == ["started"]


def over(order: StartOrder, seconds: str) -> list[Instruction]:
    """What ends a run that has used up its time."""
    return [Kill(order.run, KillRequest(f"maxTime of {seconds} s is over", MAX_TIME))]


def due(work: Work) -> float:
    """When the next thing is due, once the run's start is."""
    work.tick(0.06)
    return work.due_at()


def test_a_run_is_ended_when_its_time_is_over() -> None:
    work = Work(1)
    order = running(work, maxTime=30)
    assert due(work) == 30.0
    assert work.tick(29.9) == []
    assert work.tick(30.0) == over(order, "30")
    assert work.tick(30.1) == [], "once"


def test_time_without_a_limit_is_never_over() -> None:
    work = Work(1)
    running(work, maxTime=0)
    assert due(work) == float("inf")
    assert work.tick(1e9) == []


def test_time_is_not_counted_while_a_run_is_paused() -> None:
    work = Work(1)
    order = running(work, maxTime=2.5)
    work.pause_ordered(order.run, 2.0)
    assert due(work) == float("inf"), "not from the moment on when the first process may be stopped"
    work.paused(order.run, 2.1)
    assert work.tick(100.0) == []
    work.resume_ordered(order.run, 200.0)
    assert work.tick(201.0) == [], "not before the last process goes on"
    work.resumed(order.run, 202.0)
    assert work.due_at() == 202.5
    assert work.tick(202.5) == over(order, "2.5")


def test_two_pauses_add_up() -> None:
    work = Work(1)
    order = running(work, maxTime=10)
    for start in (1.0, 5.0):
        work.pause_ordered(order.run, start)
        work.paused(order.run, start)
        work.resume_ordered(order.run, start + 2.0)
        work.resumed(order.run, start + 2.0)
    assert due(work) == 14.0


def test_time_goes_on_over_a_restart_of_the_daemon() -> None:
    work, order = Work(1), a_start_order(maxTime=30)
    work.found_folder(order, 25.0, Pauses(4.0), 1000.0)
    work.tick(1000.0)
    assert work.due_at() == 1000.0 - 25.0 + 4.0 + 30.0


def test_a_run_found_paused_has_no_time_to_lose() -> None:
    work, order = Work(1), a_start_order(maxTime=30)
    now = Moment.now()
    since = now._replace(uptime_seconds=now.uptime_seconds - 50.0)
    work.found_folder(order, 60.0, Pauses(1.0, since), 1000.0)
    assert work.tick(1000.0) == []
    work.resume_ordered(order.run, 1001.0)
    work.paused(order.run, 1001.0)
    work.resumed(order.run, 1001.0)
    assert work.due_at() == pytest.approx(1000.0 - 60.0 + 1.0 + 51.0 + 30.0, abs=5.0)


def test_the_first_reason_to_end_a_run_stays() -> None:
    work = Work(1)
    order = running(work, maxTime=30)
    work.kill_ordered(order.run, "cancelled", 29.0)
    assert work.tick(31.0) == []
    assert work.runs[order.run].kill == KillRequest("cancelled")
