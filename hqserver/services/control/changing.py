"""`changeJobs` and `modifyJobs`: one action on many jobs, with a result for each (CONTRACT 10, Control)."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hqserver.domain.control import Action, Options, as_action, check_size, parse_options
from hqserver.domain.errors import BadParameters, Conflict, TooLarge
from hqserver.domain.job_filter import parse_job_filter
from hqserver.services.farm import Farm
from hqserver.services.work import families
from hqserver.services.work.sheet import Sheet
from hqserver.store import failures, jobs, lineage, search
from hqserver.store.database import Transaction
from hqserver.store.jobs import JobRow

from . import job_actions, modification
from .deletion import delete_in

MOST_JOBS = 11_000
"""Jobs that one call may reach: it does all that it does in one transaction. A parent of the ten thousand children that
one call submits (9.5) is within it."""

_Act = Callable[[Sheet, JobRow, str], None]

_ACTS: dict[Action, _Act] = {
    Action.PAUSE: job_actions.pause,
    Action.RESUME: job_actions.resume,
    Action.BLOCK: job_actions.block,
    Action.UNBLOCK: job_actions.unblock,
    Action.SUSPEND: job_actions.suspend,
    Action.PREEMPT: job_actions.preempt,
    Action.MIGRATE: job_actions.migrate,
    Action.CANCEL: job_actions.cancel,
    Action.RETRY: job_actions.retry,
    Action.RERUN: job_actions.rerun,
    Action.REQUEUE: job_actions.requeue,
    Action.COMPLETE: job_actions.complete,
    Action.TOP: lambda sheet, row, reason: job_actions.place_first(sheet, row),
    Action.BOTTOM: lambda sheet, row, reason: job_actions.place_last(sheet, row),
}
"""What is done to each job. Priority and modify need more than a reason, and delete takes all jobs at once."""

_REACH = {
    Action.PAUSE: families.to_pause,
    Action.RESUME: families.to_resume,
    Action.UNBLOCK: families.to_resume,
    Action.RETRY: families.to_reschedule,
    Action.RERUN: families.to_reschedule,
    Action.REQUEUE: families.to_reschedule,
    Action.DELETE: families.finished_below,
}
"""Which jobs an action reaches from those asked for; `families.unfinished_below` for the others."""

_AGAIN = (Action.RETRY, Action.RERUN, Action.REQUEUE)


@dataclass(slots=True)
class Change:
    """What an action does to one job. `why`: why it does nothing, "" where it changes the job."""

    job_id: int
    was: str
    now: str
    why: str = ""


def change_jobs(
    farm: Farm,
    which: Sequence[int] | Mapping[str, Any],
    action: str,
    options: Mapping[str, Any] | None,
    caller: str,
) -> list[dict[str, Any]]:
    """Do an action to jobs, named by their ids or by a filter, and to those below them.

    Answers a result for each job asked for, and for each below that changed. `caller`: who asks, for the history.
    Raises `BadParameters`, `TooLarge` for more jobs than `MOST_JOBS` or too large a change of many, and `Conflict`
    where more than `options.limit` would change: then nothing has.
    """
    asked_action = as_action(action)
    wanted = parse_options(asked_action, options)
    change = _Change(farm, asked_action, wanted, caller)
    with farm.database.read() as connection:
        change.choose(connection, which)
        if wanted.dry_run:
            return change.foresee(connection)
    found = farm.database.write(change.carry_out)
    farm.ask_for_pass()
    return found


def modify_jobs(farm: Farm, job_ids: Sequence[int], changes: Mapping[str, Any], caller: str) -> list[dict[str, Any]]:
    """Change properties of jobs that have not ended, of these alone; a result for each.

    Raises `BadParameters`, and `TooLarge` for too large a change of many.
    """
    return change_jobs(farm, job_ids, Action.MODIFY, {"changes": changes}, caller)


class _Change:
    """One call: the jobs it reaches, and what becomes of them."""

    def __init__(self, farm: Farm, action: Action, options: Options, caller: str):
        self.farm, self.action, self.options = farm, action, options
        # A property that is changed is meant for the jobs named; their children have their own.
        self.below = options.descendants and action is not Action.MODIFY
        self.reason = f"{options.reason} ({action} by {caller})" if options.reason else f"{action} by {caller}"
        self.spec = modification.check_changes(options.changes) if options.changes is not None else None
        self.changes = modification.given_changes(options.changes or {})
        self.asked: list[int] = []
        self.reached: list[int] = []
        self.above: set[int] = set()

    # Which jobs --------------------------------------------------------------------------------------------------

    def choose(self, connection: sqlite3.Connection, which: Sequence[int] | Mapping[str, Any]) -> None:
        """Find the jobs that are asked for and those that the action reaches from them."""
        if isinstance(which, Mapping):
            wanted = parse_job_filter(which)
            if not wanted.given():
                raise BadParameters('an empty filter means every job; say {"minId": 1} where that is meant')
            self.asked = search.every(connection, wanted, MOST_JOBS)
        else:
            self.asked = list(dict.fromkeys(which))
        self._check_number(self.asked)
        if self.below or self.action in _AGAIN:
            # What is done again is waited for above, whether the jobs below are meant or not.
            self.reached = _REACH.get(self.action, families.unfinished_below)(connection, self.asked)
            self.above = lineage.ancestors_of(connection, self.asked) - set(self.asked)
            if not self.below:
                kept = self.above.union(self.asked)
                self.reached = [each for each in self.reached if each in kept]
        else:
            self.reached = self.asked
        self._check_number(self.reached)
        if self.changes:
            check_size(self.changes, len(self.reached))

    def _check_number(self, found: Sequence[int]) -> None:
        if len(found) > MOST_JOBS:
            raise TooLarge(f"this reaches more than {MOST_JOBS} jobs; narrow the filter, or name fewer at a time")

    # What becomes of them ----------------------------------------------------------------------------------------

    def foresee(self, connection: sqlite3.Connection) -> list[dict[str, Any]]:
        """What would be done, nothing of it done."""
        rows = {row.id: row for row in jobs.load_all(connection, dict.fromkeys([*self.asked, *self.reached]))}
        changes = [self._change_of(connection, job_id, rows.get(job_id)) for job_id in self._in_order()]
        self._check_limit(changes)
        return self._results(changes)

    def carry_out(self, transaction: Transaction) -> list[dict[str, Any]]:
        """Do it. Raises `Conflict`."""
        with Sheet(self.farm, transaction) as sheet:
            sheet.read(dict.fromkeys([*self.asked, *self.reached]))
            changes = {
                job_id: self._change_of(sheet.connection, job_id, sheet.find(job_id)) for job_id in self._in_order()
            }
            self._check_limit(list(changes.values()))
            doing = [job_id for job_id in self._order_of_doing() if not changes[job_id].why]
            sheet.read_runs(doing)
            if self.action is Action.DELETE:
                gone = delete_in(sheet, doing)
                for job_id in doing:
                    changes[job_id].now = "deleted" if job_id in gone else changes[job_id].was
                    changes[job_id].why = "" if job_id in gone else "a client may still run something of it"
                return self._results(list(changes.values()))
            for job_id in doing:
                self._act(sheet, sheet.job(job_id))
            if self.action in _AGAIN:
                failures.forget(sheet.connection, {sheet.job(job_id).root_id for job_id in doing})
            sheet.settle()
            for job_id in doing:
                changes[job_id].now = str(sheet.job(job_id).status)
        return self._results(list(changes.values()))

    def _in_order(self) -> list[int]:
        return list(dict.fromkeys([*self.asked, *self.reached]))

    def _order_of_doing(self) -> list[int]:
        """What is put first keeps its order among itself: the last of it goes there first."""
        return self.reached[::-1] if self.action is Action.TOP else self.reached

    def _change_of(self, connection: sqlite3.Connection, job_id: int, row: JobRow | None) -> Change:
        if row is None:
            return Change(job_id, "", "", "there is no such job")
        return Change(job_id, str(row.status), str(row.status), self._why_not(connection, row))

    def _why_not(self, connection: sqlite3.Connection, row: JobRow) -> str:
        if because := job_actions.why_not_now(self.action, row, with_children=self.below):
            return because
        if self.action is Action.MIGRATE:
            return job_actions.why_none_migrated(self.farm, connection, row.id)
        if self.action is Action.PRIORITY and row.priority == self.options.priority:
            return f"its priority is {row.priority}"
        if self.spec is not None:
            command = jobs.command_of(connection, row.id)
            return modification.why_not_modified(row, command, self.changes, self.spec)
        return ""

    def _act(self, sheet: Sheet, row: JobRow) -> None:
        if self.options.priority is not None:
            job_actions.set_priority(sheet, row, self.options.priority, self.reason)
        elif self.spec is not None:
            modification.modify(sheet, row, self.changes, self.spec, self.reason)
        elif self.action is Action.REQUEUE and row.id in self.above:
            job_actions.rerun(sheet, row, self.reason)  # it waits for what is blocked
        else:
            _ACTS[self.action](sheet, row, self.reason)

    def _check_limit(self, changes: Sequence[Change]) -> None:
        number = sum(not change.why for change in changes)
        if self.options.limit is not None and number > self.options.limit:
            raise Conflict(f"{self.action} would change {number} jobs, more than the limit of {self.options.limit}")

    def _results(self, changes: Sequence[Change]) -> list[dict[str, Any]]:
        asked = set(self.asked)
        return [
            {"id": each.job_id, "changed": not each.why, "was": each.was, "now": each.now, "why": each.why}
            for each in changes
            if not each.why or each.job_id in asked
        ]
