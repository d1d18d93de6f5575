"""How a run and its work item move: two literal tables and nothing else.

A run's move says what its work item hears of it; the work item's move says where it goes. `advance_run` and
`advance_work` are total over the tables and touch nothing; `services.progression` is their only caller.
LIFECYCLE.md is drawn from the tables (`diagram`). Sources: CONTRACT 3.3, 9.9 to 9.12, PROMISES 2.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from .status import RunStatus as R
from .status import WorkStatus as W


class RunEvent(StrEnum):
    """What can happen to a run."""

    STARTED = "started"  # its client says that the command runs
    EXITED_ZERO = "exited zero"  # its client says that the command ended with 0 and no signal
    EXITED_NONZERO = "exited non-zero"  # ... with anything else, or could not be started
    KILLED = "killed"  # its client says that the whole tree is dead, by a kill
    REFUSED = "refused"  # its client says that it never started and never will
    END = "end"  # somebody cancelled the work
    GIVEN_UP = "given up"  # a kill was not confirmed in time (CONTRACT 9.11)
    CLIENT_LOST = "client lost"  # its client is silent past its time (9.10)
    CLIENT_BACK = "client back"  # ... and is heard again, still holding it
    OFFERED_AGAIN = "offered again"  # ... and is heard again, but may never have got the order
    DIED = "died"  # proof that it is dead without a result: the machine booted anew
    TAKEN_OVER = "taken over"  # another client is given the work of a lost run


class WorkEvent(StrEnum):
    """What can happen to a work item."""

    CHILDREN_SUCCEEDED = "children succeeded"
    CHILDREN_FAILED = "children failed"
    CHILD_ADDED = "child added"  # its job got a child that has not ended
    CLAIMED = "claimed"  # a client is given it
    RUN_SUCCEEDED = "run succeeded"
    RUN_FAILED = "run failed"
    TRY_FAILED = "try failed"  # the run failed and a try is left
    RUN_RETURNED = "run returned"  # the run ended without a result and without fault of the command
    RUN_CANCELLED = "run cancelled"
    CANCEL = "cancel"  # somebody cancels it while no run holds it
    ABANDON = "abandon"  # it lost too many clients, or may not be given out again


@dataclass(frozen=True, slots=True)
class RunMove:
    """Where a run goes and what its work item is told."""

    status: R
    work: WorkEvent | None = None


class InvalidTransition(Exception):
    """An event that cannot happen to something in this status."""

    def __init__(self, kind: str, status: str, event: str):
        super().__init__(f"a {status} {kind} cannot take the event {str(event)!r}")


RUN: dict[tuple[R, RunEvent], RunMove] = {
    (R.OFFERED, RunEvent.STARTED): RunMove(R.RUNNING),
    # A short command may end before its start was reported: one report tells both.
    (R.OFFERED, RunEvent.EXITED_ZERO): RunMove(R.SUCCEEDED, WorkEvent.RUN_SUCCEEDED),
    (R.OFFERED, RunEvent.EXITED_NONZERO): RunMove(R.FAILED, WorkEvent.RUN_FAILED),
    (R.OFFERED, RunEvent.KILLED): RunMove(R.EJECTED, WorkEvent.RUN_RETURNED),
    (R.OFFERED, RunEvent.REFUSED): RunMove(R.EJECTED, WorkEvent.RUN_RETURNED),
    (R.OFFERED, RunEvent.END): RunMove(R.ENDING),
    (R.OFFERED, RunEvent.CLIENT_LOST): RunMove(R.LOST),
    (R.OFFERED, RunEvent.DIED): RunMove(R.SUPERSEDED, WorkEvent.RUN_RETURNED),
    (R.RUNNING, RunEvent.STARTED): RunMove(R.RUNNING),
    (R.RUNNING, RunEvent.EXITED_ZERO): RunMove(R.SUCCEEDED, WorkEvent.RUN_SUCCEEDED),
    (R.RUNNING, RunEvent.EXITED_NONZERO): RunMove(R.FAILED, WorkEvent.RUN_FAILED),
    # Nobody here asked for the kill: the daemon was told to end its runs when it ends. Not the command's fault.
    (R.RUNNING, RunEvent.KILLED): RunMove(R.EJECTED, WorkEvent.RUN_RETURNED),
    # A client that cannot start what it believed it had started takes it back.
    (R.RUNNING, RunEvent.REFUSED): RunMove(R.EJECTED, WorkEvent.RUN_RETURNED),
    (R.RUNNING, RunEvent.END): RunMove(R.ENDING),
    (R.RUNNING, RunEvent.CLIENT_LOST): RunMove(R.LOST),
    (R.RUNNING, RunEvent.DIED): RunMove(R.SUPERSEDED, WorkEvent.RUN_RETURNED),
    # Once cancelled, however the command manages to end, the work is cancelled: the caller was promised so.
    (R.ENDING, RunEvent.STARTED): RunMove(R.ENDING),
    (R.ENDING, RunEvent.EXITED_ZERO): RunMove(R.CANCELLED, WorkEvent.RUN_CANCELLED),
    (R.ENDING, RunEvent.EXITED_NONZERO): RunMove(R.CANCELLED, WorkEvent.RUN_CANCELLED),
    (R.ENDING, RunEvent.KILLED): RunMove(R.CANCELLED, WorkEvent.RUN_CANCELLED),
    (R.ENDING, RunEvent.REFUSED): RunMove(R.CANCELLED, WorkEvent.RUN_CANCELLED),
    (R.ENDING, RunEvent.END): RunMove(R.ENDING),
    (R.ENDING, RunEvent.GIVEN_UP): RunMove(R.CANCELLED, WorkEvent.RUN_CANCELLED),
    # A kill in flight has its own deadline (GIVEN_UP); the client's silence does not end it earlier.
    (R.ENDING, RunEvent.CLIENT_LOST): RunMove(R.ENDING),
    (R.ENDING, RunEvent.DIED): RunMove(R.CANCELLED, WorkEvent.RUN_CANCELLED),
    # A lost run stays the owner until another client takes the work: its result still counts.
    (R.LOST, RunEvent.STARTED): RunMove(R.RUNNING),
    (R.LOST, RunEvent.EXITED_ZERO): RunMove(R.SUCCEEDED, WorkEvent.RUN_SUCCEEDED),
    (R.LOST, RunEvent.EXITED_NONZERO): RunMove(R.FAILED, WorkEvent.RUN_FAILED),
    (R.LOST, RunEvent.KILLED): RunMove(R.EJECTED, WorkEvent.RUN_RETURNED),
    (R.LOST, RunEvent.REFUSED): RunMove(R.EJECTED, WorkEvent.RUN_RETURNED),
    (R.LOST, RunEvent.END): RunMove(R.ENDING),
    (R.LOST, RunEvent.CLIENT_LOST): RunMove(R.LOST),
    (R.LOST, RunEvent.CLIENT_BACK): RunMove(R.RUNNING),
    (R.LOST, RunEvent.OFFERED_AGAIN): RunMove(R.OFFERED),
    (R.LOST, RunEvent.DIED): RunMove(R.SUPERSEDED, WorkEvent.RUN_RETURNED),
    (R.LOST, RunEvent.TAKEN_OVER): RunMove(R.SUPERSEDED),
}

WORK: dict[tuple[W, WorkEvent], W] = {
    (W.QUEUED, WorkEvent.CHILDREN_SUCCEEDED): W.RUNNABLE,
    (W.QUEUED, WorkEvent.CHILDREN_FAILED): W.FAILED,
    (W.QUEUED, WorkEvent.CHILD_ADDED): W.QUEUED,
    (W.QUEUED, WorkEvent.CANCEL): W.CANCELLED,
    (W.RUNNABLE, WorkEvent.CHILD_ADDED): W.QUEUED,
    (W.RUNNABLE, WorkEvent.CLAIMED): W.RUNNING,
    (W.RUNNABLE, WorkEvent.CANCEL): W.CANCELLED,
    (W.RUNNABLE, WorkEvent.ABANDON): W.ABANDONED,
    # The work of a lost run may be claimed by another client; the lost run is superseded in the same breath.
    (W.RUNNING, WorkEvent.CLAIMED): W.RUNNING,
    (W.RUNNING, WorkEvent.RUN_SUCCEEDED): W.SUCCEEDED,
    (W.RUNNING, WorkEvent.RUN_FAILED): W.FAILED,
    (W.RUNNING, WorkEvent.TRY_FAILED): W.RUNNABLE,
    (W.RUNNING, WorkEvent.RUN_RETURNED): W.RUNNABLE,
    (W.RUNNING, WorkEvent.RUN_CANCELLED): W.CANCELLED,
    (W.RUNNING, WorkEvent.ABANDON): W.ABANDONED,
}


def advance_run(status: R, event: RunEvent) -> RunMove:
    """Where `event` takes a run, or `InvalidTransition`."""
    try:
        return RUN[status, event]
    except KeyError:
        raise InvalidTransition("run", status, event) from None


def advance_work(status: W, event: WorkEvent) -> W:
    """Where `event` takes a work item, or `InvalidTransition`."""
    try:
        return WORK[status, event]
    except KeyError:
        raise InvalidTransition("work item", status, event) from None


def diagram() -> str:
    """LIFECYCLE.md: both tables as Mermaid diagrams and as lists a reader without Mermaid can follow."""
    runs = [(s, e, m.status, m.work) for (s, e), m in RUN.items()]
    works = [(s, e, to, None) for (s, e), to in WORK.items()]
    parts = [
        "# Lifecycle\n",
        "Generated from `hqserver/domain/lifecycle.py` by `scripts/generate`; do not edit.\n",
        "A run is one attempt at a work item on one client; in brackets stands what its work item is told.\n",
    ]
    for title, rows in (("Runs", runs), ("Work items", works)):
        parts.append(f"## {title}\n\n```mermaid\nstateDiagram-v2")
        parts += [f"    {was} --> {now}: {event}" for was, event, now, _ in rows if was != now]
        parts.append("```\n\n| status | event | becomes | the work item is told |\n|---|---|---|---|")
        parts += [f"| {was} | {event} | {now} | {told or ''} |" for was, event, now, told in rows]
        parts.append("")
    return "\n".join(parts)
