"""Whatever happens in whatever order, the farm's invariants hold (PROMISES 7: I1, I2, I3, T20)."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import hypothesis.strategies as st
from farm_kit import Asked, SetClock, TestClient, check_counters, open_farm
from hypothesis import HealthCheck, settings
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, multiple, rule

from hqserver.domain.errors import Conflict
from hqserver.services import commands, submission, upkeep
from hqserver.services.farm import Farm, Policy

POLICY = Policy(max_client_losses=2)

shapes = st.recursive(
    st.builds(lambda tries: {"command": "c", "triesLeft": tries}, st.integers(0, 1)),
    lambda inner: st.builds(
        lambda command, children: {"command": command, "children": children},
        st.sampled_from(["", "p"]),
        st.lists(inner, min_size=1, max_size=3),
    ),
    max_leaves=5,
)


def named(shape: dict[str, object]) -> dict[str, object]:
    children = shape.get("children", [])
    assert isinstance(children, list)
    return {"name": "job", **shape, "children": [named(child) for child in children]}


class FarmMachine(RuleBasedStateMachine):
    """Two clients, any trees, any news in any order, against what must always hold."""

    jobs = Bundle("jobs")
    runs = Bundle("runs")

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="hq-machine-"))
        self.clock, self.asked = SetClock(), Asked()
        self.farm: Farm = open_farm(self.folder, self.clock, self.asked, POLICY)
        self.exited_zero: set[str] = set()
        self.clients: list[TestClient] = []
        self.boots = 0

    @initialize()
    def clients_register(self) -> None:
        for hostname in ("alpha", "beta"):
            client = TestClient(self.farm, hostname=hostname, session=f"{hostname}-1")
            client.register()
            client.beat()
            self.clients.append(client)

    def teardown(self) -> None:
        if self.clients:
            self.everything_ends()
        self.farm.database.close()
        shutil.rmtree(self.folder)

    # What people do ----------------------------------------------------------------------------------------------

    @rule(target=jobs, shape=shapes)
    def submit_a_tree(self, shape: dict[str, object]) -> object:
        return multiple(*submission.submit(self.farm, named(shape)))

    @rule(
        target=jobs, parent=jobs, children=st.lists(jobs, max_size=2, unique=True), command=st.sampled_from(["", "c"])
    )
    def link_into_the_dag(self, parent: int, children: list[int], command: str) -> object:
        try:
            return multiple(*submission.submit(self.farm, {"name": "link", "command": command}, parent, children))
        except Conflict:
            return multiple()  # a finished parent, or a circle

    @rule(job=jobs)
    def cancel(self, job: int) -> None:
        commands.cancel(self.farm, [job], "no longer wanted")

    # What clients do -----------------------------------------------------------------------------------------------

    @rule(target=runs, number=st.integers(0, 1), spare=st.integers(0, 2))
    def fetch(self, number: int, spare: int) -> object:
        client = self.clients[number]
        client.spare = spare
        orders = client.fetch()
        client.held.update(order["run"] for order in orders)
        return multiple(*((number, order["run"]) for order in orders))

    @rule(run=runs)
    def started(self, run: tuple[int, str]) -> None:
        client = self.clients[run[0]]
        client.beat(client.started(run[1]), progress={run[1]: 0.5}, queued=tuple(client.held - {run[1]}))

    @rule(run=runs, code=st.sampled_from([0, 0, 1]), killed=st.booleans(), accepting=st.booleans())
    def ended(self, run: tuple[int, str], code: int, killed: bool, accepting: bool) -> None:
        client = self.clients[run[0]]
        if code == 0 and not killed:
            self.exited_zero.add(run[1])
        client.held.discard(run[1])
        answer = client.beat(client.ended(run[1], code, killed=killed), accepting=accepting, queued=tuple(client.held))
        client.held.update(str(order["run"]) for order in answer.orders if order["kind"] == "start")

    @rule(run=runs)
    def refused(self, run: tuple[int, str]) -> None:
        client = self.clients[run[0]]
        client.held.discard(run[1])
        client.beat(client.refused(run[1]), accepting=False, queued=tuple(client.held))

    @rule(number=st.integers(0, 1))
    def a_client_falls_silent(self, number: int) -> None:
        self.clients[1 - number].beat(queued=tuple(self.clients[1 - number].held))
        self.clock.advance(POLICY.lost_seconds + 1)
        self.clients[1 - number].beat(queued=tuple(self.clients[1 - number].held))
        upkeep.notice_silence(self.farm)

    @rule(number=st.integers(0, 1))
    def a_client_beats(self, number: int) -> None:
        self.clients[number].beat(queued=tuple(self.clients[number].held))

    @rule(number=st.integers(0, 1), keeps=st.booleans())
    def a_daemon_is_started_anew(self, number: int, keeps: bool) -> None:
        client = self.clients[number]
        self.boots += 1
        client.session = f"{client.hostname}-{self.boots + 1}"
        if not keeps:
            client.boot_id = f"boot-{self.boots + 1}"
            client.held.clear()
        client.register()

    # What time does ------------------------------------------------------------------------------------------------

    @rule()
    def the_flush_tick(self) -> None:
        upkeep.flush(self.farm)

    @rule()
    def kills_run_out_of_time(self) -> None:
        upkeep.bound_kills(self.farm)
        self.clock.advance(POLICY.kill_timeout_seconds + 1)
        upkeep.bound_kills(self.farm)

    @rule()
    def the_server_restarts(self) -> None:
        self.farm.database.close()
        self.clock.advance(1.0)
        self.farm = open_farm(self.folder, self.clock, self.asked, POLICY)
        for client in self.clients:
            client.farm = self.farm

    # What must hold --------------------------------------------------------------------------------------------------

    @invariant()
    def counters_equal_a_recount(self) -> None:
        check_counters(self.farm)

    @invariant()
    def no_work_has_two_owners_and_finished_work_none(self) -> None:
        with self.farm.database.read() as connection:
            assert not connection.execute(
                "SELECT work_id FROM run WHERE ended_at IS NULL GROUP BY work_id HAVING count(*) > 1"
            ).fetchall()
            assert not connection.execute(
                """SELECT run.id FROM run JOIN work ON work.id = work_id
                WHERE run.ended_at IS NULL AND work.status <> 'running'"""
            ).fetchall()
            assert not connection.execute(
                """SELECT id FROM work WHERE status = 'running' AND NOT EXISTS
                (SELECT 1 FROM run WHERE work_id = work.id AND ended_at IS NULL)"""
            ).fetchall()

    @invariant()
    def finished_jobs_hold_no_run(self) -> None:
        with self.farm.database.read() as connection:
            assert not connection.execute(
                """SELECT job.id FROM job JOIN run ON run.job_id = job.id
                WHERE job.ended_at IS NOT NULL AND run.ended_at IS NULL"""
            ).fetchall()

    @invariant()
    def a_job_that_succeeded_by_exit_has_a_run_that_exited_zero(self) -> None:
        with self.farm.database.read() as connection:
            for (job_id,) in connection.execute("SELECT id FROM job WHERE outcome = 'exit'").fetchall():
                owners = connection.execute(
                    "SELECT id FROM run WHERE job_id = ? AND status = 'succeeded'", (job_id,)
                ).fetchall()
                assert len(owners) == 1
                assert owners[0][0] in self.exited_zero

    @invariant()
    def what_waits_for_children_is_not_handed_out(self) -> None:
        with self.farm.database.read() as connection:
            assert not connection.execute("SELECT id FROM job WHERE status = 'queued' AND claimable > 0").fetchall()
            assert not connection.execute("SELECT id FROM job WHERE status = 'runnable' AND claimable = 0").fetchall()

    def everything_ends(self) -> None:
        """The quiet end (I1): with clients that keep working, every job ends."""
        for client in self.clients:
            client.session += "-last"
            client.boot_id += "-last"
            client.held.clear()
            client.spare = 0
            client.register()
        upkeep.bound_kills(self.farm)
        for client in self.clients:
            client.beat()
        while any(self._run_all_of(client) for client in self.clients):
            pass
        self.counters_equal_a_recount()
        self.finished_jobs_hold_no_run()
        with self.farm.database.read() as connection:
            waiting = connection.execute("SELECT id, status FROM job WHERE ended_at IS NULL").fetchall()
        assert [tuple(row) for row in waiting] == []

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


FarmMachine.TestCase.settings = settings(
    max_examples=60,
    stateful_step_count=25,
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
)

TestTheFarmKeepsItsInvariants = FarmMachine.TestCase
