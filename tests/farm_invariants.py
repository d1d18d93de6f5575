"""What must hold of a farm after each step, whatever the steps were (PROMISES 7: I1, I2, I3)."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from farm_kit import TestClient, check_counters
from hypothesis.stateful import RuleBasedStateMachine, invariant

from hqserver.domain.lifecycle import EJECTING, RUN, WORK
from hqserver.domain.status import LIVE_RUN, RunStatus
from hqserver.services.farm import Farm
from hqserver.store.transaction import Transaction

ON_A_CLIENT = {"running", "pausing", "paused", "resuming"}
WORK_OF_RUN = {
    **{status: {"running"} for status in ("offered", "running")},
    "lost": {"running", "abandoned"},
    **{status: {status} for status in ("pausing", "paused", "resuming")},
    "ending": ON_A_CLIENT,
}
"""How the work stands that a live run holds."""

RUN_MOVES = {(str(was), str(move.status)) for (was, _), move in RUN.items()} | {
    (str(RunStatus.ENDING), str(move.status)) for move in EJECTING.values()
}
WORK_MOVES = {(str(was), str(now)) for (was, _), now in WORK.items()}
"""The legal ways from one status to another (LIFECYCLE.md)."""

_NOTE_MOVES = """
CREATE TABLE moved (id INTEGER PRIMARY KEY, what TEXT, was TEXT, now TEXT);
CREATE TRIGGER run_began AFTER INSERT ON run
    BEGIN INSERT INTO moved (what, was, now) VALUES ('run', '', NEW.status); END;
CREATE TRIGGER run_moved AFTER UPDATE ON run WHEN OLD.status <> NEW.status
    BEGIN INSERT INTO moved (what, was, now) VALUES ('run', OLD.status, NEW.status); END;
CREATE TRIGGER work_moved AFTER UPDATE ON work WHEN OLD.status <> NEW.status
    BEGIN INSERT INTO moved (what, was, now) VALUES ('work', OLD.status, NEW.status); END;
"""


class FarmInvariants(RuleBasedStateMachine):
    """A farm, its clients, and what the machine remembers of them without asking it.

    `exited_zero` are the runs whose clients said so. Every change of a status is noted by the database itself, so that
    no statement goes past the lifecycle's tables unseen.
    """

    farm: Farm

    def __init__(self) -> None:
        super().__init__()
        self.clients: list[TestClient] = []
        self.exited_zero: set[str] = set()
        self._acknowledged: set[int] = set()
        self._may_go: set[int] = set()
        self._moves_seen = 0

    def note_moves(self) -> None:
        """Have the database of this new farm note each change of a status."""

        def install(transaction: Transaction) -> None:
            statement = ""
            for line in _NOTE_MOVES.splitlines():
                statement += f"{line}\n"
                if sqlite3.complete_statement(statement):
                    transaction.connection.execute(statement)
                    statement = ""

        self.farm.database.write(install)

    def accepted(self, jobs: Sequence[int]) -> Sequence[int]:
        """Remember these ids, which a submission was answered with."""
        assert not self._acknowledged & set(jobs), "I10: ids never repeat"
        self._acknowledged.update(jobs)
        return jobs

    def may_go(self, jobs: Sequence[int]) -> None:
        """Remember that somebody wants these jobs deleted, and all that is below them."""
        with self.farm.database.read() as connection:
            family = connection.execute("SELECT parent_id, child_id FROM family").fetchall()
        below = set(jobs)
        while more := {child for parent, child in family if parent in below} - below:
            below |= more
        self._may_go |= below

    @invariant()
    def what_was_accepted_is_known(self) -> None:
        """I1: until somebody deletes it. And there are no other jobs."""
        with self.farm.database.read() as connection:
            known = {row[0] for row in connection.execute("SELECT id FROM job")}
        assert self._acknowledged - self._may_go <= known <= self._acknowledged

    @invariant()
    def every_move_is_one_that_the_lifecycle_has(self) -> None:
        """A run begins offered; once it has ended it never moves again, whoever reports what of it."""
        with self.farm.database.read() as connection:
            moves = connection.execute(
                "SELECT id, what, was, now FROM moved WHERE id > ? ORDER BY id", (self._moves_seen,)
            ).fetchall()
        for number, what, was, now in moves:
            self._moves_seen = number
            if was == "":
                assert now == RunStatus.OFFERED
            else:
                assert (was, now) in (RUN_MOVES if what == "run" else WORK_MOVES), f"a {was} {what} became {now}"
                assert what == "work" or was in LIVE_RUN

    @invariant()
    def counters_equal_a_recount(self) -> None:
        check_counters(self.farm)

    @invariant()
    def no_work_has_two_owners_and_finished_work_none(self) -> None:
        with self.farm.database.read() as connection:
            assert not connection.execute(
                "SELECT work_id FROM run WHERE ended_at IS NULL GROUP BY work_id HAVING count(*) > 1"
            ).fetchall()
            pairs = connection.execute(
                "SELECT run.status, work.status FROM run JOIN work ON work.id = work_id WHERE run.ended_at IS NULL"
            ).fetchall()
            assert [tuple(pair) for pair in pairs if pair[1] not in WORK_OF_RUN[pair[0]]] == []
            assert not connection.execute(
                """SELECT id FROM work WHERE status IN ('running', 'pausing', 'paused', 'resuming') AND NOT EXISTS
                (SELECT 1 FROM run WHERE work_id = work.id AND ended_at IS NULL)"""
            ).fetchall()

    @invariant()
    def no_two_runs_of_leased_work_are_alive(self) -> None:
        """PROMISES 2.2."""
        held = [client.start_orders[run] for client in self.clients for run in client.held]
        alive = [order["job"] for order in held if order["lease"]]
        assert len(alive) == len(set(alive))

    @invariant()
    def finished_jobs_hold_no_run(self) -> None:
        """But for one that was abandoned with it: its client may still come back (CONTRACT 9.10)."""
        with self.farm.database.read() as connection:
            assert not connection.execute(
                """SELECT job.id FROM job JOIN run ON run.job_id = job.id
                WHERE job.ended_at IS NOT NULL AND run.ended_at IS NULL
                AND NOT (job.status = 'abandoned' AND run.status = 'lost')"""
            ).fetchall()

    @invariant()
    def only_an_owners_exit_with_zero_makes_a_run_and_a_job_succeed(self) -> None:
        """PROMISES P3."""
        with self.farm.database.read() as connection:
            succeeded = {row[0] for row in connection.execute("SELECT id FROM run WHERE status = 'succeeded'")}
            assert succeeded <= self.exited_zero
            last_of_command = connection.execute(
                """SELECT (SELECT run.id FROM run WHERE run.job_id = job.id AND kind = '' ORDER BY rowid DESC LIMIT 1)
                FROM job WHERE outcome = 'exit'"""
            )
            assert {row[0] for row in last_of_command} <= succeeded

    @invariant()
    def a_job_without_a_command_meets_a_client_for_its_hooks_only(self) -> None:
        """CONTRACT 9.8, 9.13."""
        with self.farm.database.read() as connection:
            assert not connection.execute(
                "SELECT run.id FROM run JOIN job ON job.id = job_id WHERE kind = '' AND command = '\"\"'"
            ).fetchall()

    @invariant()
    def a_command_whose_children_failed_does_not_wait_to_be_run(self) -> None:
        """CONTRACT 9.8: it is skipped."""
        with self.farm.database.read() as connection:
            assert not connection.execute(
                """SELECT job.id FROM work JOIN job ON job.id = job_id
                WHERE work.status = 'runnable' AND work.pending = '' AND children_failed + deleted_failed > 0"""
            ).fetchall()

    @invariant()
    def what_has_ended_waits_for_no_hook(self) -> None:
        with self.farm.database.read() as connection:
            assert not connection.execute(
                """SELECT id FROM work WHERE (pending <> '' OR hooks <> '')
                AND status IN ('succeeded', 'failed', 'cancelled', 'abandoned')"""
            ).fetchall()
            assert not connection.execute("SELECT id FROM job WHERE ended_at IS NOT NULL AND held <> ''").fetchall()

    @invariant()
    def what_waits_for_children_is_not_handed_out(self) -> None:
        with self.farm.database.read() as connection:
            assert not connection.execute("SELECT id FROM job WHERE status = 'queued' AND claimable > 0").fetchall()
            assert not connection.execute(
                """SELECT id FROM job WHERE status = 'runnable' AND claimable = 0
                AND NOT EXISTS (SELECT 1 FROM work WHERE job_id = job.id AND delayed = 1)"""
            ).fetchall()
            assert not connection.execute(
                "SELECT id FROM work WHERE delayed = 1 AND (status <> 'runnable' OR claimable = 1)"
            ).fetchall()
            assert not connection.execute("SELECT id FROM job WHERE status = 'runnable' AND held <> ''").fetchall()
