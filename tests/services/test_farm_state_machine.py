"""T20: whatever happens in whatever order, the farm's invariants hold (PROMISES 7: I1, I2, I3).

Submissions, orders, reports of any run, silence and restarts, in 300 histories: many short ones and a few long ones.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import pytest
from farm_invariants import FarmInvariants
from farm_kit import Asked, SetClock, TestClient, open_farm
from hypothesis import HealthCheck, settings
from hypothesis.stateful import Bundle, initialize, multiple, rule

from hqserver.domain.errors import Conflict, NotFound
from hqserver.domain.hooks import Hook
from hqserver.domain.runner import Outcome
from hqserver.services.care import upkeep
from hqserver.services.clients.claims import claim_job, finish_job, renew_claim
from hqserver.services.control import commands, deletion
from hqserver.services.farm import Farm, Policy
from hqserver.services.intake import submission
from hqserver.services.work import leases
from hqserver.services.work.health_record import LONGEST_WAIT_SECONDS
from hqserver.services.work.reports import Report

POLICY = Policy(max_client_losses=2, max_failures_per_client=1_000_000)
"""No client is blocked: with all of them blocked for a root job, its jobs would fail, which leaves nothing to do."""

LEASES = (60, 600)
"""Seconds: a lease that ends before its client counts as lost, and one that ends long after."""

hooks = st.one_of(
    st.just({}), st.sets(st.sampled_from(list(Hook))).map(lambda found: {str(each): "h" for each in found})
)
shapes = st.recursive(
    st.builds(
        lambda command, tries, lease, hooks: {"command": command, "triesLeft": tries, "lease": lease, **hooks},
        st.sampled_from(["c", "c", "c", ""]),
        st.integers(0, 1),
        st.sampled_from([0, 0, *LEASES]),
        hooks,
    ),
    lambda inner: st.builds(
        lambda command, children, hooks: {"command": command, "children": children, **hooks},
        st.sampled_from(["", "p"]),
        st.lists(inner, min_size=1, max_size=3),
        hooks,
    ),
    max_leaves=5,
)

picks = st.integers(0, 15)

NEWS = (
    *("started", "paused", "resumed", "refused", "ended", "ended", "failed", "killed", "overran"),
    *("silent", "lease ended", "postponed", "fatal"),
)
_RUNNING = "SELECT DISTINCT job_id FROM run WHERE ended_at IS NULL ORDER BY job_id"
_FINISHED = "SELECT id FROM job WHERE ended_at IS NOT NULL ORDER BY id"
ACTIONS: dict[str, tuple[Callable[[Farm, list[int]], None], str]] = {
    "cancel": (lambda farm, jobs: commands.cancel(farm, jobs, "no longer wanted"), _RUNNING),
    "pause": (lambda farm, jobs: commands.pause(farm, jobs, "not now"), _RUNNING),
    "resume": (
        lambda farm, jobs: commands.resume(farm, jobs, "now"),
        "SELECT id FROM job WHERE held <> '' ORDER BY id",
    ),
    "eject": (lambda farm, jobs: commands.eject(farm, jobs, "elsewhere"), _RUNNING),
    "reschedule": (lambda farm, jobs: commands.reschedule(farm, jobs, "once more"), _FINISHED),
    "delete": (deletion.delete, _FINISHED),
    "priority": (
        lambda farm, jobs: commands.set_priority(farm, jobs, 5),
        "SELECT id FROM job WHERE ended_at IS NULL ORDER BY id",
    ),
}
"""What can be asked, and of which jobs it is not simply ignored."""


def named(shape: dict[str, object]) -> dict[str, object]:
    children = shape.get("children", [])
    assert isinstance(children, list)
    return {"name": "job", **shape, "children": [named(child) for child in children]}


class FarmMachine(FarmInvariants):
    """Two clients, any trees, any news in any order."""

    jobs = Bundle("jobs")
    runs = Bundle("runs")
    claims = Bundle("claims")

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="hq-machine-"))
        self.clock, self.asked = SetClock(), Asked()
        self.farm = open_farm(self.folder, self.clock, self.asked, POLICY)
        self.note_moves()
        self.boots = 0

    @initialize(target=jobs, trees=st.lists(shapes, min_size=2, max_size=4))
    def clients_register_and_there_is_work(self, trees: list[dict[str, object]]) -> object:
        for hostname in ("alpha", "beta"):
            client = TestClient(self.farm, hostname=hostname, session=f"{hostname}-1")
            client.register()
            client.beat()
            self.clients.append(client)
        return multiple(*self.accepted(submission.submit(self.farm, [named(tree) for tree in trees])))

    def teardown(self) -> None:
        if self.clients:
            self.everything_ends()
        self.farm.database.close()
        shutil.rmtree(self.folder)

    # What people do ----------------------------------------------------------------------------------------------

    @rule(target=jobs, shape=shapes)
    def submit_a_tree(self, shape: dict[str, object]) -> object:
        return multiple(*self.accepted(submission.submit(self.farm, named(shape))))

    @rule(
        target=jobs,
        parents=st.lists(jobs, max_size=2, unique=True),
        children=st.lists(jobs, max_size=2, unique=True),
        command=st.sampled_from(["", "c"]),
        hooks=hooks,
    )
    def link_into_the_dag(self, parents: list[int], children: list[int], command: str, hooks: dict[str, str]) -> object:
        specification = {"name": "link", "command": command, "parentIds": parents, **hooks}
        try:
            return multiple(*self.accepted(submission.submit(self.farm, specification, None, children)))
        except (Conflict, NotFound):
            return multiple()  # a finished parent, a circle, or a job that was deleted

    @rule(target=jobs, pick=picks, shape=shapes)
    def a_running_job_adds_children(self, pick: int, shape: dict[str, object]) -> object:
        job = self._one_of("SELECT DISTINCT job_id FROM run WHERE status = 'running' ORDER BY job_id", pick)
        try:
            return (
                multiple() if job is None else multiple(*self.accepted(submission.submit(self.farm, named(shape), job)))
            )
        except Conflict:
            return multiple()  # it is being cancelled

    @rule(action=st.sampled_from(list(ACTIONS)), asked=st.lists(jobs, min_size=1, max_size=2))
    def somebody_asks_it_of_any_jobs(self, action: str, asked: list[int]) -> None:
        self._ask(action, asked)

    @rule(action=st.sampled_from(list(ACTIONS)), pick=picks)
    def somebody_asks_it_of_a_job_that_it_is_for(self, action: str, pick: int) -> None:
        job = self._one_of(ACTIONS[action][1], pick)
        if job is not None:
            self._ask(action, [job])

    def _ask(self, action: str, jobs: list[int]) -> None:
        if action == "delete":
            self.may_go(jobs)
        ACTIONS[action][0](self.farm, jobs)

    def _one_of(self, query: str, pick: int) -> Any:
        """One answer to the query, by chance; None where there is none."""
        with self.farm.database.read() as connection:
            found = connection.execute(query).fetchall()
        return found[pick % len(found)][0] if found else None

    # What clients do -----------------------------------------------------------------------------------------------

    @rule(target=runs, number=st.integers(0, 1), spare=st.integers(0, 2), starts=st.booleans())
    def fetch(self, number: int, spare: int, starts: bool) -> object:
        client = self.clients[number]
        client.spare = spare
        client.beat(queued=tuple(client.held))
        orders = client.fetch()
        with self.farm.database.read() as connection:
            for order in orders:
                (held,) = connection.execute("SELECT held FROM job WHERE id = ?", (order["job"],)).fetchone()
                assert not held or order["hook"], "what is held back is not handed out"
        client.held.update(order["run"] for order in orders)
        if starts:
            reports = [client.started(order["run"]) for order in orders]
            client.beat(*reports, queued=tuple(client.held), progress={order["run"]: 0.5 for order in orders})
        return multiple(*((number, order["run"]) for order in orders))

    @rule(target=runs, number=st.integers(0, 1), codes=st.lists(st.sampled_from([0, 0, 0, 1]), min_size=4, max_size=4))
    def work_for_a_while(self, number: int, codes: list[int]) -> object:
        client, found = self.clients[number], []
        client.beat(queued=tuple(client.held))
        for code in codes:
            for order in client.fetch():
                run = str(order["run"])
                found.append((number, run))
                self._tell(number, run, "ended" if code == 0 else "failed")
        return multiple(*found)

    @rule(target=runs, run=runs, news=st.sampled_from(NEWS), accepting=st.booleans())
    def news_of_any_run(self, run: tuple[int, str], news: str, accepting: bool) -> object:
        return self._tell(*run, news, accepting=accepting)

    @rule(target=runs, pick=picks, news=st.sampled_from(NEWS))
    def news_of_a_live_run(self, pick: int, news: str) -> object:
        # By rowid: the ids are random, and an example must be the same each time.
        live = "SELECT id FROM run WHERE ended_at IS NULL AND status NOT IN ('offered', 'lost') ORDER BY rowid"
        run = self._one_of(live, pick)
        if run is None:
            return multiple()
        client_id = self._one_of(f"SELECT client_id FROM run WHERE id = '{run}'", 0)
        return self._tell(0 if self.clients[0].id == client_id else 1, run, news)

    def _tell(self, number: int, run: str, news: str, *, accepting: bool = True) -> object:
        client = self.clients[number]
        report = {
            "started": lambda: client.started(run),
            "paused": lambda: client.paused(run),
            "resumed": lambda: client.resumed(run),
            "refused": lambda: client.refused(run),
            "ended": lambda: client.ended(run),
            "failed": lambda: client.ended(run, 1),
            "killed": lambda: client.ended(run, 0, killed=True),
            "overran": lambda: client.reached(run, "maxTime"),
            "silent": lambda: client.reached(run, "maxSilence"),
            "lease ended": lambda: client.reached(run, "lease"),
            "postponed": lambda: client.ended(run, failure="licence"),
            "fatal": lambda: client.ended(run, failure="fatal"),
        }[news]()
        if news == "ended":
            self.exited_zero.add(run)
        if report.kind in ("ended", "refused"):
            client.held.discard(run)
        answer = client.beat(report, accepting=accepting, queued=tuple(client.held), progress={run: 0.5})
        if answer.results[report.id] != "applied":
            client.held.discard(run)
        started = [str(order["run"]) for order in answer.orders if order["kind"] == "start"]
        client.held.update(started)
        return multiple(*((number, each) for each in started))

    @rule(number=st.integers(0, 1))
    def orders_are_carried_out(self, number: int) -> None:
        client = self.clients[number]
        reports: list[Report] = []
        for order in client.beat(queued=tuple(client.held)).orders:
            run = str(order["run"])
            if order["kind"] == "start":
                client.held.add(run)
            elif run not in client.held:
                reports.append(client.refused(run))
            elif order["kind"] == "kill":
                client.held.discard(run)
                reports.append(client.ended(run, 143, killed=True))
            else:
                reports.append(client.paused(run) if order["kind"] == "pause" else client.resumed(run))
        client.beat(*reports, queued=tuple(client.held))

    @rule(number=st.integers(0, 1), keeps=st.sampled_from(["runs", "secret", "nothing"]))
    def a_daemon_is_started_anew(self, number: int, keeps: str) -> None:
        client = self.clients[number]
        self.boots += 1
        client.session = f"{client.hostname}-{self.boots + 1}"
        if keeps != "runs":
            client.held.clear()
        if keeps == "nothing":
            client.boot_id = f"boot-{self.boots + 1}"
        client.held.difference_update(client.register().stop)

    # What runners from outside do ------------------------------------------------------------------------------------

    @rule(target=claims, runner=st.sampled_from(["laptop", "desk"]), seconds=st.sampled_from(LEASES))
    def a_runner_claims_work(self, runner: str, seconds: int) -> object:
        claim = claim_job(self.farm, {}, runner, seconds)
        return multiple() if claim is None else (claim["job"], claim["run"])

    @rule(claim=claims)
    def a_runner_renews_a_claim(self, claim: tuple[int, str]) -> None:
        with suppress(NotFound):  # its job was deleted
            renew_claim(self.farm, claim[1], None, 0.5)

    @rule(claim=claims, outcome=st.sampled_from(Outcome))
    def a_runner_says_how_a_claim_ended(self, claim: tuple[int, str], outcome: Outcome) -> None:
        if outcome is Outcome.SUCCEEDED:
            self.exited_zero.add(claim[1])
        with suppress(NotFound, Conflict):  # its job was deleted, or the claim is over
            finish_job(self.farm, claim[0], {"status": str(outcome), "run": claim[1]})

    # What time does ------------------------------------------------------------------------------------------------

    def _pass(self, seconds: float) -> None:
        """Time goes by, and clients end what they were not answered for in time, which takes them the kill grace."""
        self.clock.advance(seconds)
        for client in self.clients:
            for run in sorted(client.held):
                lease = client.start_orders[run]["lease"]
                if lease and self.clock.monotonic() > client.answered_at + lease + POLICY.kill_grace_seconds:
                    client.held.discard(run)

    @rule(number=st.integers(0, 1))
    def a_client_falls_silent(self, number: int) -> None:
        other = self.clients[1 - number]
        other.beat(queued=tuple(other.held))
        self._pass(POLICY.lost_seconds + 1)
        other.beat(queued=tuple(other.held))
        upkeep.notice_silence(self.farm)
        leases.end_leases(self.farm)

    @rule(seconds=st.sampled_from([0.0, POLICY.kill_timeout_seconds, POLICY.hook_timeout_seconds]))
    def the_ticks(self, seconds: float) -> None:
        upkeep.flush(self.farm)
        upkeep.bound_waits(self.farm)
        if seconds:
            self._pass(seconds + 1)
            upkeep.bound_waits(self.farm)
        leases.end_leases(self.farm)

    @rule()
    def the_server_restarts(self) -> None:
        self.farm.database.close()
        self._pass(1.0)
        self.farm = open_farm(self.folder, self.clock, self.asked, POLICY)
        for client in self.clients:
            client.farm = self.farm

    def everything_ends(self) -> None:
        """The quiet end (I1): with nothing held and clients that keep working, every job ends, and can be deleted."""
        with self.farm.database.read() as connection:
            every = [row[0] for row in connection.execute("SELECT id FROM job").fetchall()]
        commands.resume(self.farm, every, "now")
        for client in self.clients:
            client.session += "-last"
            client.boot_id += "-last"
            client.held.clear()
            client.spare = 0
            client.register()
        upkeep.bound_waits(self.farm)
        leases.end_leases(self.farm)
        self.clock.advance(LONGEST_WAIT_SECONDS + 1)
        upkeep.bound_waits(self.farm)
        leases.end_leases(self.farm)
        for client in self.clients:
            client.beat()
        while any(self._run_all_of(client) for client in self.clients):
            pass
        self.counters_equal_a_recount()
        self.finished_jobs_hold_no_run()
        with self.farm.database.read() as connection:
            waiting = connection.execute("SELECT id, status FROM job WHERE ended_at IS NULL").fetchall()
        assert [tuple(row) for row in waiting] == []
        self.what_was_accepted_is_known()
        self.every_move_is_one_that_the_lifecycle_has()
        deletion.delete(self.farm, every)
        with self.farm.database.read() as connection:
            for table in ("job", "work", "run", "family", "presence", "history", "client_failure"):
                assert connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0] == 0, table

    def _run_all_of(self, client: TestClient) -> int:
        count = 0
        orders = client.fetch()
        while orders:
            count += len(orders)
            self.exited_zero.update(order["run"] for order in orders)
            orders = [
                order
                for order in client.beat(
                    *(client.ended(str(order["run"])) for order in orders),
                ).orders
                if order["kind"] == "start"
            ] or client.fetch()
        return count


def histories(count: int, steps: int) -> settings:
    """The same histories for everybody: explore with more of them by hand."""
    return settings(
        max_examples=count,
        stateful_step_count=steps,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
    )


class LongHistories(FarmMachine):
    """What only many steps lead to."""


class ShortHistories(FarmMachine):
    """What a few steps lead to, from many beginnings."""


LongHistories.TestCase.settings = histories(40, 30)
ShortHistories.TestCase.settings = histories(260, 10)

patiently = pytest.mark.timeout(300)  # where a whole run of the tests goes on beside them

TestTheFarmKeepsItsInvariantsForLong = pytest.mark.slow(patiently(LongHistories.TestCase))
TestTheFarmKeepsItsInvariantsFromManyBeginnings = pytest.mark.slow(patiently(ShortHistories.TestCase))
