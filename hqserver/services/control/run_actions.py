"""`changeRuns`: one action on single live runs, with a result for each (CONTRACT 10, Runs and history)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from hqserver.domain.control import ON_RUNS, Action, as_action
from hqserver.domain.errors import TooLarge
from hqserver.domain.status import LIVE_RUN, RunStatus
from hqserver.services.farm import Farm
from hqserver.services.work.progression import end_run, pause_run, resume_run
from hqserver.services.work.sheet import Sheet
from hqserver.store import runs
from hqserver.store.database import Transaction
from hqserver.store.runs import RunRow

from .job_actions import why_not_migrated

MOST_RUNS = 10_000
"""Runs that one call may name: it does all that it does in one transaction."""

_STOPS = (RunStatus.OFFERED, RunStatus.RUNNING, RunStatus.RESUMING)
_STANDS = (RunStatus.PAUSING, RunStatus.PAUSED)


@dataclass(slots=True)
class _Change:
    """What becomes of one run. `why`: why nothing does, "" where it is changed."""

    run_id: str
    was: str = ""
    now: str = ""
    why: str = ""

    @property
    def told(self) -> dict[str, Any]:
        """The result that the caller gets."""
        return {"id": self.run_id, "changed": not self.why, "was": self.was, "now": self.now, "why": self.why}


def change_runs(farm: Farm, run_ids: Sequence[str], action: str, caller: str) -> list[dict[str, Any]]:
    """Do an action to these runs; a result for each, in their order. `caller`: who asks, for the history.

    Raises `BadParameters` for an action that means nothing for a single run, `TooLarge` for more than `MOST_RUNS`.
    """
    asked = as_action(action, ON_RUNS)
    if len(run_ids) > MOST_RUNS:
        raise TooLarge(f"{len(run_ids)} runs in one call; at most {MOST_RUNS} are taken")

    def write(transaction: Transaction) -> list[dict[str, Any]]:
        with Sheet(farm, transaction) as sheet:
            reason = f"{asked} by {caller}"
            return [_change(sheet, run_id, asked, reason).told for run_id in dict.fromkeys(run_ids)]

    changes = farm.database.write(write)
    farm.ask_for_pass()
    return changes


def _change(sheet: Sheet, run_id: str, action: Action, reason: str) -> _Change:
    run = runs.load(sheet.connection, run_id)
    if run is None:
        return _Change(run_id, why="there is no such run")
    change = _Change(run_id, str(run.status), str(run.status), _why_not(sheet, run, action))
    if change.why:
        return change
    match action:
        case Action.MIGRATE:
            end_run(sheet, run, "eject", reason)
        case Action.CANCEL:
            end_run(sheet, run, "cancel", reason)
        case Action.SUSPEND:
            pause_run(sheet, run, reason)
        case _:
            resume_run(sheet, run, reason)
    sheet.unsettle(run.job_id, reason, run.client_id)
    change.now = str(run.status)
    return change


def _why_not(sheet: Sheet, run: RunRow, action: Action) -> str:
    """Why the action changes nothing about the run, "" where it does."""
    if run.status not in LIVE_RUN:
        return f"it has ended: {run.status}"
    if run.slot > 0:
        first = runs.live_of_work(sheet.connection, run.work_id)
        return f"it holds a further client of run {first.id if first else 'none'}, and ends with that"
    label = sheet.farm.watch.label(run.client_id)
    match action:
        case Action.MIGRATE:
            return why_not_migrated(run, label)
        case Action.CANCEL:
            return f"it is being ended on {label} already" if (run.status, run.intent) == _CANCELLED else ""
        case Action.SUSPEND:
            return "" if run.status in _STOPS else f"it is {run.status}"
    if run.status not in _STANDS:
        return f"it is {run.status}, not paused"
    held = sheet.job(run.job_id).held == "pause"
    return f"job {run.job_id} is paused; resume that" if held else ""


_CANCELLED = (RunStatus.ENDING, "cancel")
