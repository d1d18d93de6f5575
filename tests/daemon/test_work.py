from __future__ import annotations

import itertools
import secrets

import pytest
from agent_kit import a_record, a_start_order

from hqclient.daemon.cpu_queue import QUEUE_PATIENCE_SECONDS
from hqclient.daemon.held import KILL_MARGIN_SECONDS, STARTED_DELAY_SECONDS
from hqclient.daemon.instructions import Discard, ForceKill, Instruction, Keep, Kill, Launch, Orphan, Renew, Send
from hqclient.daemon.protocol import StartOrder
from hqclient.daemon.runs.kill_request import KillRequest
from hqclient.daemon.runs.pauses import Pauses
from hqclient.daemon.work import Status, Work
from hqserver.domain.declining import Declining


def kept(work: Work, order: StartOrder, now: float = 0.0) -> list[Instruction]:
    """Order a run and say that it is written down; what follows."""
    assert work.ordered(order, now) == [Keep(order)]
    return work.kept(order.run, now)


def running(work: Work, now: float = 0.0, **fields: object) -> StartOrder:
    order = a_start_order(**fields)
    assert kept(work, order, now) == [Launch(order)]
    work.started(order.run, now)
    return order


def over(work: Work, order: StartOrder, now: float = 1.0, **fields: object) -> str:
    """End a run whose report is then kept; the report's id."""
    report = sent(work.ended(order.run, a_record(**fields), now))
    work.report_kept(report["id"])
    return str(report["id"])


def sent(steps: list[Instruction]) -> dict[str, object]:
    (report,) = [step.report for step in steps if isinstance(step, Send)]
    return report


def test_an_order_is_written_down_before_it_is_launched() -> None:
    work, order = Work(2), a_start_order()
    assert work.ordered(order, 0.0) == [Keep(order)]
    assert work.kept(order.run, 0.1) == [Launch(order)]


def test_an_answered_beat_renews_the_leases_of_what_runs_and_is_not_to_end() -> None:
    """9.10: they count from the moment at which the beat was sent."""
    work = Work(4)
    leased, ending = running(work, lease=30.0), running(work, lease=30.0)
    running(work)
    work.kill_ordered(ending.run, "cancelled", 1.0)
    assert work.heard(1000.0) == [Renew(leased.run, 1030.0)]
    assert work.heard_at == 1000.0
    over(work, leased)
    assert work.heard(1005.0) == []


def test_an_order_that_cannot_be_written_down_is_refused_and_no_more_are_taken_for_a_while() -> None:
    work, order = Work(2), a_start_order()
    work.ordered(order, 0.0)
    report = sent(work.not_kept(order.run, "the disk is full", 0.0))
    assert (report["kind"], report["reason"]) == ("refused", "the disk is full")
    assert work.declining(1.0) is Declining.TROUBLE
    assert work.declining(60.0) is None


@pytest.mark.parametrize("status", Status)
def test_an_order_that_is_repeated_changes_nothing(status: Status) -> None:
    work = Work(1)
    blocker = running(work) if status is Status.QUEUED else None
    order = a_start_order()
    work.ordered(order, 0.0)
    if status > Status.ACCEPTING:
        work.kept(order.run, 0.0)
    if status > Status.STARTING:
        work.started(order.run, 0.0)
    if status is Status.OVER:
        over(work, order)
    assert work.runs[order.run].status is status, blocker
    assert work.ordered(order, 2.0) == []


def test_a_settled_run_is_never_started_again() -> None:
    work = Work(2)
    order = running(work)
    assert work.answered(over(work, order), "applied", 2.0) == [Discard(order.run)]
    assert work.ordered(order, 3.0) == []
    assert work.runs == {}


def test_a_run_settled_under_an_earlier_daemon_is_never_started_again() -> None:
    order = a_start_order()
    assert Work(2, seen=[order.run]).ordered(order, 0.0) == []


def test_runs_wait_until_cpus_are_free() -> None:
    work = Work(2)
    first = running(work, cpus=2)
    second, third = a_start_order(), a_start_order()
    assert kept(work, second) == []
    assert kept(work, third) == []
    steps = work.ended(first.run, a_record(), 0.5)
    assert [step for step in steps if isinstance(step, Launch)] == [Launch(second), Launch(third)]


def test_a_run_that_takes_the_whole_machine_waits_for_all_of_it() -> None:
    work = Work(4)
    first = running(work)
    whole = a_start_order(cpus=0)
    assert kept(work, whole) == []
    assert Launch(whole) in work.ended(first.run, a_record(), 0.5)
    assert kept(work, a_start_order()) == []


def test_a_small_run_may_pass_one_that_does_not_fit() -> None:
    work = Work(2)
    running(work)
    assert kept(work, a_start_order(cpus=2)) == []
    small = a_start_order()
    assert kept(work, small) == [Launch(small)]


def test_a_run_that_needs_more_than_the_client_has_is_refused() -> None:
    work = Work(2)
    report = sent(work.ordered(a_start_order(cpus=3), 0.0))
    assert report["reason"] == "it needs 3 CPUs, the client offers 2"


def test_a_run_that_waits_too_long_is_handed_back() -> None:
    work = Work(1)
    running(work)
    order = a_start_order()
    kept(work, order)
    assert work.due_at() <= QUEUE_PATIENCE_SECONDS
    assert work.tick(QUEUE_PATIENCE_SECONDS - 0.01) == []
    report = sent(work.tick(QUEUE_PATIENCE_SECONDS))
    assert (report["run"], report["kind"]) == (order.run, "refused")
    assert work.spare(QUEUE_PATIENCE_SECONDS) == 0


def test_a_queue_that_moves_keeps_its_runs() -> None:
    work = Work(1)
    orders = [a_start_order() for _ in range(3)]
    for order in orders:
        work.ordered(order, 0.0)
        work.kept(order.run, 0.0)
    work.started(orders[0].run, 0.0)
    work.ended(orders[0].run, a_record(), 0.9)
    assert work.tick(1.0) == []
    assert sent(work.tick(1.5))["run"] == orders[2].run


def test_a_started_run_is_reported_once_it_has_lasted_a_moment() -> None:
    work = Work(1)
    order = running(work)
    assert work.reports(STARTED_DELAY_SECONDS / 2) == []
    assert work.due_at() == STARTED_DELAY_SECONDS
    (report,) = work.reports(STARTED_DELAY_SECONDS)
    assert (report["kind"], report["startedAgo"]) == ("started", STARTED_DELAY_SECONDS)
    assert work.answered(report["id"], "applied", 1.0) == []
    assert work.reports(2.0) == []
    assert work.runs[order.run].status is Status.RUNNING


def test_a_short_run_is_reported_ended_only() -> None:
    work = Work(1)
    over(work, running(work), STARTED_DELAY_SECONDS / 2)
    assert [report["kind"] for report in work.reports(1.0)] == ["ended"]


def test_a_report_is_sent_only_once_it_is_written_down() -> None:
    work = Work(1)
    order = running(work)
    report = sent(work.ended(order.run, a_record(), 1.0))
    assert work.reports(1.0) == []
    work.report_kept(str(report["id"]))
    assert work.reports(1.0) == [report]
    assert work.reports(9.0) == [report], "it stays until it is answered"


def test_a_kill_order_ends_a_running_command() -> None:
    work = Work(1)
    order = running(work, killGrace=10.0)
    assert work.kill_ordered(order.run, "cancelled", 1.0) == [Kill(order.run, KillRequest("cancelled"))]
    assert work.kill_ordered(order.run, "cancelled", 2.0) == [], "a repeated order changes nothing"
    assert work.due_at() <= 11.0 + KILL_MARGIN_SECONDS


def test_a_command_that_does_not_end_when_asked_is_ended_by_force_and_again() -> None:
    work = Work(1)
    order = running(work, killGrace=10.0)
    work.kill_ordered(order.run, "cancelled", 0.0)
    assert work.tick(10.0) == []
    assert work.tick(10.0 + KILL_MARGIN_SECONDS) == [ForceKill(order.run)]
    assert work.tick(10.1 + KILL_MARGIN_SECONDS) == []
    assert work.tick(10.0 + 2 * KILL_MARGIN_SECONDS) == [ForceKill(order.run)]
    over(work, order, 30.0, killed=True)
    assert work.tick(100.0) == []


@pytest.mark.parametrize("waits", [True, False], ids=["queued", "being written down"])
def test_a_run_killed_before_it_starts_is_refused(waits: bool) -> None:
    work = Work(1)
    running(work)
    order = a_start_order()
    work.ordered(order, 0.0)
    if waits:
        work.kept(order.run, 0.0)
        report = sent(work.kill_ordered(order.run, "cancelled", 0.1))
    else:
        assert work.kill_ordered(order.run, "cancelled", 0.1) == []
        report = sent(work.kept(order.run, 0.2))
    assert (report["kind"], report["reason"]) == ("refused", "cancelled")


def test_a_kill_order_for_a_run_that_never_came_is_refused_and_the_run_never_starts() -> None:
    work, order = Work(1), a_start_order()
    assert sent(work.kill_ordered(order.run, "cancelled", 0.0))["kind"] == "refused"
    assert work.ordered(order, 1.0) == []


@pytest.mark.parametrize("verdict", ["superseded", "unknown"])
def test_a_live_run_the_server_does_not_count_is_ended_and_kept_as_an_orphan(verdict: str) -> None:
    work = Work(1)
    order = running(work)
    (step,) = work.answered(f"{order.run}:started", verdict, 1.0)
    assert isinstance(step, Kill)
    assert work.ended(order.run, a_record(killed=True), 2.0) == [Orphan(order.run)]
    assert work.runs == {}


@pytest.mark.parametrize("verdict", ["superseded", "unknown"])
def test_a_result_the_server_does_not_count_is_kept_as_an_orphan(verdict: str) -> None:
    work = Work(1)
    order = running(work)
    assert work.answered(over(work, order), verdict, 2.0) == [Orphan(order.run)]


def test_a_run_ended_by_an_order_leaves_no_orphan() -> None:
    work = Work(1)
    order = running(work)
    work.kill_ordered(order.run, "cancelled", 0.5)
    assert work.answered(over(work, order, killed=True), "superseded", 2.0) == [Discard(order.run)]


def test_an_unwanted_run_that_waits_is_dropped_without_a_report() -> None:
    work = Work(1)
    running(work)
    order = a_start_order()
    kept(work, order)
    assert work.unwanted(order.run, 0.1) == [Discard(order.run)]
    assert order.run not in work.runs
    assert work.unwanted(secrets.token_hex(16), 0.1) == []


def test_an_unwanted_run_that_is_being_written_down_is_dropped() -> None:
    work, order = Work(1), a_start_order()
    work.ordered(order, 0.0)
    assert work.unwanted(order.run, 0.1) == []
    assert work.kept(order.run, 0.2) == [Discard(order.run)]
    assert work.runs == {}


def test_a_run_that_cannot_be_launched_frees_its_cpus_and_is_refused() -> None:
    work = Work(1)
    first, second = a_start_order(), a_start_order()
    kept(work, first)
    kept(work, second)
    steps = work.not_launched(first.run, "no room", 0.1)
    assert sent(steps)["reason"] == "no room"
    assert Launch(second) in steps


def test_draining_hands_back_what_waits_and_takes_nothing_new() -> None:
    work = Work(1)
    live = running(work)
    waits, late = a_start_order(), a_start_order()
    kept(work, waits)
    assert sent(work.drain(0.1))["run"] == waits.run
    assert work.declining(0.1) is Declining.DRAINING
    assert sent(work.ordered(late, 0.2))["run"] == late.run
    assert [run.run for run in work.live()] == [live.run]


def test_an_order_that_is_being_written_down_when_the_drain_comes_is_refused() -> None:
    work, order = Work(1), a_start_order()
    work.ordered(order, 0.0)
    work.drain(0.1)
    assert sent(work.kept(order.run, 0.2))["kind"] == "refused"


def test_killing_all_ends_what_runs_and_refuses_what_waits() -> None:
    work = Work(1)
    live, waits = running(work), a_start_order()
    kept(work, waits)
    kill, refusal = work.kill_all("the client stops", 0.1)
    assert kill == Kill(live.run, KillRequest("the client stops"))
    assert sent([refusal])["run"] == waits.run


def test_an_adopted_run_takes_its_cpus() -> None:
    work, adopted = Work(1), a_start_order()
    assert work.found_folder(adopted, 100.0, Pauses(), 5.0) == []
    assert kept(work, a_start_order(), 5.0) == []
    (report,) = work.reports(5.0)
    assert (report["kind"], report["startedAgo"]) == ("started", 100.0)


def test_a_report_found_in_the_outbox_is_sent_as_it_is() -> None:
    first = Work(1)
    order = running(first)
    over(first, order)
    (report,) = first.reports(2.0)
    second = Work(1)
    second.found_report(report)
    assert second.reports(0.0) == [report]
    assert second.answered(str(report["id"]), "applied", 1.0) == [Discard(order.run)]


def test_runs_the_server_has_not_heard_of_are_listed_so_that_it_does_not_repeat_their_orders() -> None:
    work = Work(1)
    live, waits, arriving = running(work), a_start_order(), a_start_order()
    kept(work, waits)
    work.ordered(arriving, 0.0)
    assert work.unreported([]) == [live.run, waits.run, arriving.run]
    assert work.unreported([live.run]) == [waits.run, arriving.run]


EVENTS = {
    "ordered": lambda work, order: work.ordered(order, 5.0),
    "misordered": lambda work, order: work.misordered(order.run, "bad", 5.0),
    "kill_ordered": lambda work, order: work.kill_ordered(order.run, "cancelled", 5.0),
    "unwanted": lambda work, order: work.unwanted(order.run, 5.0),
    "started answered": lambda work, order: work.answered(f"{order.run}:started", "superseded", 5.0),
    "ended answered": lambda work, order: work.answered(f"{order.run}:ended", "applied", 5.0),
    "refused answered": lambda work, order: work.answered(f"{order.run}:refused", "unknown", 5.0),
    "kept": lambda work, order: work.kept(order.run, 5.0),
    "not_kept": lambda work, order: work.not_kept(order.run, "full", 5.0),
    "not_launched": lambda work, order: work.not_launched(order.run, "full", 5.0),
    "started": lambda work, order: work.started(order.run, 5.0),
    "ended": lambda work, order: work.ended(order.run, a_record(), 5.0),
    "pause_ordered": lambda work, order: work.pause_ordered(order.run, 5.0),
    "resume_ordered": lambda work, order: work.resume_ordered(order.run, 5.0),
    "paused": lambda work, order: work.paused(order.run, 5.0),
    "resumed": lambda work, order: work.resumed(order.run, 5.0),
    "drain": lambda work, order: work.drain(5.0),
    "kill_all": lambda work, order: work.kill_all("stop", 5.0),
    "tick": lambda work, order: work.tick(5.0),
}


def test_a_kill_is_confirmed_though_the_run_does_not_count_any_more() -> None:
    work = Work(2)
    order = running(work)
    work.unwanted(order.run, 0.5)
    work.kill_ordered(order.run, "given to another client", 0.5)
    report = sent(work.ended(order.run, a_record(killed=True), 1.0))
    assert (report["kind"], report["killed"]) == ("ended", True)


def test_a_kill_order_for_a_run_that_is_long_settled_is_answered_and_not_left_to_wait() -> None:
    work = Work(2)
    order = running(work)
    work.answered(over(work, order), "applied", 2.0)
    assert order.run not in work.runs
    report = sent(work.kill_ordered(order.run, "not wanted any more", 3.0))
    assert report["kind"] == "refused"
    work.answered(str(report["id"]), "applied", 4.0)
    assert order.run not in work.runs
    assert work.ordered(order, 5.0) == [], "it is never started again"


@pytest.mark.parametrize("first", EVENTS)
def test_no_sequence_of_events_launches_a_run_twice_or_moves_it_back(first: str) -> None:
    order = a_start_order()
    for rest in itertools.product(EVENTS, repeat=3):
        work = Work(1)
        work.ordered(order, 0.0)
        launches, status, gone = 0, Status.ACCEPTING, False
        for event in ("kept" if first == "started" else first, first, *rest):
            for step in EVENTS[event](work, order):
                launches += isinstance(step, Launch)
            run = work.runs.get(order.run)
            # What is gone comes back only to confirm a kill: it is over then, and is never started again.
            assert not (gone and run and run.status is not Status.OVER), (event, rest)
            gone = gone or run is None
            if run:
                assert run.status >= status, (event, rest)
                status = run.status
        assert launches <= 1, (first, rest)
