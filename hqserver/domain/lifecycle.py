"""How a run and its work item move: literal tables and nothing else.

A run's move says what its work item hears of it; the work item's move says where it goes. `advance_run` and
`advance_work` are total over the tables and touch nothing; `services.work.progression` is their only caller.
LIFECYCLE.md is drawn from the tables (`diagram`). Sources: CONTRACT 3.3, 3.5, 9.9 to 9.13, PROMISES 2.
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
    POSTPONED = "postponed"  # its output says that something rare, such as a licence, was lacking
    OVERRAN = "overran"  # its client ended it because it ran longer than it may (CONTRACT 2.1, maxTime)
    KILLED = "killed"  # its client says that the whole tree is dead, by a kill
    LEASE_ENDED = "lease ended"  # ... by itself, for it could not reach the server in time (CONTRACT 9.10)
    REFUSED = "refused"  # its client says that it never started and never will
    PAUSE = "pause"  # somebody paused the job
    PAUSED = "paused"  # its client says that every process of it stands still
    RESUME = "resume"  # somebody lets it go on
    RESUMED = "resumed"  # its client says that it goes on
    END = "end"  # somebody cancelled the work
    EJECT = "eject"  # somebody takes the work off this client (9.12)
    GIVEN_UP = "given up"  # what was asked of its client was not confirmed in time (9.11)
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
    PAUSE = "pause"
    PAUSED = "paused"
    RESUME = "resume"
    RESUMED = "resumed"
    RUN_SUCCEEDED = "run succeeded"
    RUN_FAILED = "run failed"
    TRY_FAILED = "try failed"  # the run failed and a try is left
    RUN_RETURNED = "run returned"  # the run ended without a result and without fault of the command
    POSTPONED = "postponed"  # ... and what it lacked may be there in a while
    RUN_CANCELLED = "run cancelled"
    COMMAND_ENDED = "command ended"  # with 0, while children it added live: its hooks wait for them
    HOOKS_DUE = "hooks due"  # nothing but hooks is left to run
    CANCEL = "cancel"  # somebody cancels it while no run holds it
    OWNER_BACK = "owner back"  # the client of an abandoned run is heard again, and nothing had followed from it
    ABANDON = "abandon"  # it lost too many clients, or may not be given out again
    NOBODY_LEFT = "nobody left"  # every client that could run it is blocked for its root job (3.6)
    BLOCK = "block"  # somebody holds it back
    UNBLOCK = "unblock"
    COMPLETE = "complete"  # somebody marks it as done (CONTRACT 10, Control)
    RESET = "reset"  # somebody wants it done again (CONTRACT 3.5, reschedule)


@dataclass(frozen=True, slots=True)
class RunMove:
    """Where a run goes and what its work item is told."""

    status: R
    work: WorkEvent | None = None


class InvalidTransition(Exception):
    """An event that cannot happen to something in this status."""

    def __init__(self, kind: str, status: str, event: str):
        super().__init__(f"a {status} {kind} cannot take the event {str(event)!r}")


_RETURNED = RunMove(R.EJECTED, WorkEvent.RUN_RETURNED)
_CANCELLED = RunMove(R.CANCELLED, WorkEvent.RUN_CANCELLED)

_ENDS: dict[RunEvent, RunMove] = {
    # A short command may end before its start was reported: one report tells both.
    RunEvent.EXITED_ZERO: RunMove(R.SUCCEEDED, WorkEvent.RUN_SUCCEEDED),
    RunEvent.EXITED_NONZERO: RunMove(R.FAILED, WorkEvent.RUN_FAILED),
    RunEvent.POSTPONED: RunMove(R.EJECTED, WorkEvent.POSTPONED),
    RunEvent.OVERRAN: _CANCELLED,
    # Nobody here asked for the kill: the daemon was told to end its runs when it ends. Not the command's fault.
    RunEvent.KILLED: _RETURNED,
    RunEvent.LEASE_ENDED: _RETURNED,
    # A client that cannot start what it believed it had started takes it back.
    RunEvent.REFUSED: _RETURNED,
    RunEvent.END: RunMove(R.ENDING),
    RunEvent.EJECT: RunMove(R.ENDING),
    RunEvent.DIED: RunMove(R.SUPERSEDED, WorkEvent.RUN_RETURNED),
}
"""How a run ends that nobody is killing, wherever it stands."""

RUN: dict[tuple[R, RunEvent], RunMove] = {
    (status, event): move
    for status in (R.OFFERED, R.RUNNING, R.PAUSING, R.PAUSED, R.RESUMING, R.LOST)
    for event, move in _ENDS.items()
} | {
    (R.OFFERED, RunEvent.STARTED): RunMove(R.RUNNING),
    (R.OFFERED, RunEvent.PAUSE): RunMove(R.PAUSING, WorkEvent.PAUSE),
    (R.OFFERED, RunEvent.CLIENT_LOST): RunMove(R.LOST),
    (R.RUNNING, RunEvent.STARTED): RunMove(R.RUNNING),
    (R.RUNNING, RunEvent.PAUSE): RunMove(R.PAUSING, WorkEvent.PAUSE),
    # A daemon that started anew may find it stopped though nobody wants that any more: it is told to let it go on.
    (R.RUNNING, RunEvent.PAUSED): RunMove(R.RESUMING, WorkEvent.RESUME),
    (R.RUNNING, RunEvent.RESUMED): RunMove(R.RUNNING),
    (R.RUNNING, RunEvent.CLIENT_LOST): RunMove(R.LOST),
    # The client answers each order with how things stand, so an answer to an older order may still come.
    (R.PAUSING, RunEvent.STARTED): RunMove(R.PAUSING),
    (R.PAUSING, RunEvent.PAUSED): RunMove(R.PAUSED, WorkEvent.PAUSED),
    (R.PAUSING, RunEvent.RESUME): RunMove(R.RESUMING, WorkEvent.RESUME),
    (R.PAUSING, RunEvent.RESUMED): RunMove(R.PAUSING),
    (R.PAUSING, RunEvent.GIVEN_UP): RunMove(R.RUNNING, WorkEvent.RESUMED),
    (R.PAUSING, RunEvent.CLIENT_LOST): RunMove(R.LOST, WorkEvent.RESUMED),
    (R.PAUSED, RunEvent.STARTED): RunMove(R.PAUSED),
    (R.PAUSED, RunEvent.PAUSED): RunMove(R.PAUSED),
    (R.PAUSED, RunEvent.RESUMED): RunMove(R.PAUSING, WorkEvent.PAUSE),
    # HQueue's rule for a client that is told to terminate: what is paused there is cancelled (CONTRACT 1.4).
    (R.PAUSED, RunEvent.KILLED): _CANCELLED,
    (R.PAUSED, RunEvent.RESUME): RunMove(R.RESUMING, WorkEvent.RESUME),
    (R.PAUSED, RunEvent.CLIENT_LOST): RunMove(R.LOST, WorkEvent.RESUMED),
    (R.RESUMING, RunEvent.STARTED): RunMove(R.RESUMING),
    (R.RESUMING, RunEvent.PAUSED): RunMove(R.RESUMING),
    (R.RESUMING, RunEvent.RESUMED): RunMove(R.RUNNING, WorkEvent.RESUMED),
    (R.RESUMING, RunEvent.PAUSE): RunMove(R.PAUSING, WorkEvent.PAUSE),
    (R.RESUMING, RunEvent.GIVEN_UP): RunMove(R.PAUSED, WorkEvent.PAUSED),
    (R.RESUMING, RunEvent.CLIENT_LOST): RunMove(R.LOST, WorkEvent.RESUMED),
    # Once cancelled, however the command manages to end, the work is cancelled: the caller was promised so.
    (R.ENDING, RunEvent.STARTED): RunMove(R.ENDING),
    (R.ENDING, RunEvent.PAUSED): RunMove(R.ENDING),
    (R.ENDING, RunEvent.RESUMED): RunMove(R.ENDING),
    (R.ENDING, RunEvent.EXITED_ZERO): _CANCELLED,
    (R.ENDING, RunEvent.EXITED_NONZERO): _CANCELLED,
    (R.ENDING, RunEvent.POSTPONED): _CANCELLED,
    (R.ENDING, RunEvent.OVERRAN): _CANCELLED,
    (R.ENDING, RunEvent.KILLED): _CANCELLED,
    (R.ENDING, RunEvent.LEASE_ENDED): _CANCELLED,
    (R.ENDING, RunEvent.REFUSED): _CANCELLED,
    (R.ENDING, RunEvent.END): RunMove(R.ENDING),
    (R.ENDING, RunEvent.GIVEN_UP): _CANCELLED,
    # A kill in flight has its own deadline (GIVEN_UP); the client's silence does not end it earlier.
    (R.ENDING, RunEvent.CLIENT_LOST): RunMove(R.ENDING),
    (R.ENDING, RunEvent.DIED): _CANCELLED,
    # A lost run stays the owner until another client takes the work: its result still counts.
    (R.LOST, RunEvent.STARTED): RunMove(R.RUNNING),
    (R.LOST, RunEvent.CLIENT_LOST): RunMove(R.LOST),
    (R.LOST, RunEvent.CLIENT_BACK): RunMove(R.RUNNING),
    (R.LOST, RunEvent.OFFERED_AGAIN): RunMove(R.OFFERED),
    (R.LOST, RunEvent.TAKEN_OVER): RunMove(R.SUPERSEDED),
}

EJECTING: dict[RunEvent, RunMove] = {
    RunEvent.STARTED: RunMove(R.ENDING),
    RunEvent.PAUSED: RunMove(R.ENDING),
    RunEvent.RESUMED: RunMove(R.ENDING),
    # The command was quicker than the kill: what it did counts.
    RunEvent.EXITED_ZERO: RunMove(R.SUCCEEDED, WorkEvent.RUN_SUCCEEDED),
    RunEvent.EXITED_NONZERO: RunMove(R.FAILED, WorkEvent.RUN_FAILED),
    RunEvent.POSTPONED: _RETURNED,
    RunEvent.OVERRAN: _CANCELLED,
    RunEvent.KILLED: _RETURNED,
    RunEvent.LEASE_ENDED: _RETURNED,
    RunEvent.REFUSED: _RETURNED,
    RunEvent.END: RunMove(R.ENDING),
    RunEvent.EJECT: RunMove(R.ENDING),
    # It may be alive where nobody hears it; its client gets no new work until it says that nothing is left.
    RunEvent.GIVEN_UP: RunMove(R.SUPERSEDED, WorkEvent.RUN_RETURNED),
    RunEvent.CLIENT_LOST: RunMove(R.ENDING),
    RunEvent.DIED: RunMove(R.SUPERSEDED, WorkEvent.RUN_RETURNED),
}
"""How an `ending` run moves that is only to leave its client, its work going back to the queue (CONTRACT 9.12)."""

WORK: dict[tuple[W, WorkEvent], W] = (
    {
        (W.QUEUED, WorkEvent.CHILDREN_SUCCEEDED): W.RUNNABLE,
        (W.QUEUED, WorkEvent.CHILDREN_FAILED): W.FAILED,
        (W.QUEUED, WorkEvent.CHILD_ADDED): W.QUEUED,
        (W.QUEUED, WorkEvent.HOOKS_DUE): W.RUNNABLE,
        # A job that has hooks for other outcomes only, or whose command ended before its children.
        (W.QUEUED, WorkEvent.RUN_SUCCEEDED): W.SUCCEEDED,
        (W.QUEUED, WorkEvent.CANCEL): W.CANCELLED,
        (W.RUNNABLE, WorkEvent.CHILD_ADDED): W.QUEUED,
        (W.RUNNABLE, WorkEvent.CLAIMED): W.RUNNING,
        (W.RUNNABLE, WorkEvent.CANCEL): W.CANCELLED,
        (W.RUNNABLE, WorkEvent.ABANDON): W.ABANDONED,
        (W.RUNNABLE, WorkEvent.NOBODY_LEFT): W.FAILED,
        # No client could run its hooks in time: it ends as it would have ended after them.
        (W.RUNNABLE, WorkEvent.RUN_SUCCEEDED): W.SUCCEEDED,
        (W.RUNNABLE, WorkEvent.CHILDREN_FAILED): W.FAILED,
        # The work of a lost run may be claimed by another client; the lost run is superseded in the same breath.
        (W.RUNNING, WorkEvent.CLAIMED): W.RUNNING,
        (W.RUNNING, WorkEvent.PAUSE): W.PAUSING,
        (W.RUNNING, WorkEvent.RESUME): W.RESUMING,
        (W.RUNNING, WorkEvent.RESUMED): W.RUNNING,
        (W.RUNNING, WorkEvent.ABANDON): W.ABANDONED,
        (W.ABANDONED, WorkEvent.OWNER_BACK): W.RUNNING,
        (W.ABANDONED, WorkEvent.RUN_RETURNED): W.ABANDONED,  # its lost run is proven dead
        (W.PAUSING, WorkEvent.PAUSED): W.PAUSED,
        (W.PAUSING, WorkEvent.RESUME): W.RESUMING,
        (W.PAUSING, WorkEvent.RESUMED): W.RUNNING,
        (W.PAUSED, WorkEvent.PAUSE): W.PAUSING,
        (W.PAUSED, WorkEvent.RESUME): W.RESUMING,
        (W.PAUSED, WorkEvent.RESUMED): W.RUNNING,
        (W.RESUMING, WorkEvent.RESUMED): W.RUNNING,
        (W.RESUMING, WorkEvent.PAUSE): W.PAUSING,
        (W.RESUMING, WorkEvent.PAUSED): W.PAUSED,
    }
    | {
        (status, event): now
        for status in (W.RUNNING, W.PAUSING, W.PAUSED, W.RESUMING)
        for event, now in {
            WorkEvent.RUN_SUCCEEDED: W.SUCCEEDED,
            WorkEvent.RUN_FAILED: W.FAILED,
            WorkEvent.TRY_FAILED: W.RUNNABLE,
            WorkEvent.RUN_RETURNED: W.RUNNABLE,
            WorkEvent.POSTPONED: W.RUNNABLE,
            WorkEvent.RUN_CANCELLED: W.CANCELLED,
            WorkEvent.COMMAND_ENDED: W.QUEUED,
            WorkEvent.CHILDREN_FAILED: W.FAILED,  # its hooks have run
        }.items()
    }
    | {
        (W.QUEUED, WorkEvent.BLOCK): W.BLOCKED,
        (W.RUNNABLE, WorkEvent.BLOCK): W.BLOCKED,
        (W.BLOCKED, WorkEvent.UNBLOCK): W.QUEUED,  # its children decide at once whether it is runnable
        (W.BLOCKED, WorkEvent.CANCEL): W.CANCELLED,
        (W.BLOCKED, WorkEvent.CHILDREN_FAILED): W.FAILED,
    }
    | {
        (status, WorkEvent.COMPLETE): W.SUCCEEDED
        for status in (W.QUEUED, W.BLOCKED, W.RUNNABLE, W.RUNNING, W.PAUSING, W.PAUSED, W.RESUMING)
    }
    # Its children, or there being none, decide at once what becomes of it.
    | {(status, WorkEvent.RESET): W.QUEUED for status in (W.SUCCEEDED, W.FAILED, W.CANCELLED, W.ABANDONED)}
)


def advance_run(status: R, event: RunEvent, *, ejecting: bool = False) -> RunMove:
    """Where `event` takes a run, or `InvalidTransition`. `ejecting`: it is ending only to leave its client."""
    try:
        return EJECTING[event] if ejecting and status is R.ENDING else RUN[status, event]
    except KeyError:
        raise InvalidTransition("run", status, event) from None


def advance_work(status: W, event: WorkEvent) -> W:
    """Where `event` takes a work item, or `InvalidTransition`."""
    try:
        return WORK[status, event]
    except KeyError:
        raise InvalidTransition("work item", status, event) from None


def diagram() -> str:
    """LIFECYCLE.md: the tables as Mermaid diagrams and as lists a reader without Mermaid can follow."""
    runs = [(s, e, m.status, m.work) for (s, e), m in RUN.items()]
    ejecting = [(R.ENDING, e, m.status, m.work) for e, m in EJECTING.items()]
    works = [(s, e, to, None) for (s, e), to in WORK.items()]
    parts = [
        "# Lifecycle\n",
        "Generated from `hqserver/domain/lifecycle.py` by `scripts/generate`; do not edit.\n",
        "A run is one attempt at a work item on one client; in brackets stands what its work item is told.\n",
    ]
    for title, rows in (("Runs", runs), ("Runs that are being ejected", ejecting), ("Work items", works)):
        parts.append(f"## {title}\n\n```mermaid\nstateDiagram-v2")
        parts += [f"    {was} --> {now}: {event}" for was, event, now, _ in rows if was != now]
        parts.append("```\n\n| status | event | becomes | the work item is told |\n|---|---|---|---|")
        parts += [f"| {was} | {event} | {now} | {told or ''} |" for was, event, now, told in rows]
        parts.append("")
    return "\n".join(parts)
