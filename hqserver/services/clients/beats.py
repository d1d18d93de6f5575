"""A client's heartbeat: what it brings is taken in, what it is to do goes back (PROTOCOL.md, clientBeat)."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from hqserver.domain.crash import crash_point
from hqserver.domain.lifecycle import RunEvent
from hqserver.domain.run import Stream
from hqserver.domain.status import RunStatus
from hqserver.services.dispatch.assignment import hand_out_to
from hqserver.services.events.events import tell_of_client
from hqserver.services.farm import Farm
from hqserver.services.watch import Presence
from hqserver.services.work.log_check import DamagedLog, check_logs, tell_of_damaged_logs
from hqserver.services.work.losses import come_back
from hqserver.services.work.progression import happen
from hqserver.services.work.reports import ENDED, NOT_YET, REFUSED, Report, apply
from hqserver.services.work.sheet import Sheet
from hqserver.store import runs
from hqserver.store.database import Transaction
from hqserver.store.orders import orders_for

from . import client_control
from .known_ids import heed_known_ids
from .orders import order_for
from .package import client_package
from .registration import authenticate

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Piece:
    """A piece of the log of a run's stream."""

    run: str
    offset: int
    data: bytes
    stream: Stream = Stream.STDOUT


@dataclass(frozen=True, slots=True)
class Beat:
    """A heartbeat as it came in, checked. Memory and disk in kB, idle time and offset from UTC in minutes.

    `leaving`: the daemon has ended everything and is about to end itself, for good. `highest_job`: the highest id of a
    job that it knows. `declining`: why it is not `accepting`, as a word of `Declining` if it is known here.
    """

    session: str
    sequence: int
    load: float
    memory_free: int
    disk_free: int
    idle_minutes: int
    utc_offset: int
    spare: int
    accepting: bool
    queued: frozenset[str]
    progress: dict[str, float]
    output: tuple[Piece, ...]
    reports: tuple[Report, ...]
    leaving: bool = False
    highest_job: int = 0
    declining: str = ""


@dataclass(frozen=True, slots=True)
class Answer:
    """What the client is told. `output`, `stderr`: by run, how much of the log of that stream is stored."""

    interval_seconds: float
    orders: list[dict[str, object]]
    results: dict[str, str]
    output: dict[str, int]
    stderr: dict[str, int]


def beat(farm: Farm, secret: str, beat: Beat) -> Answer:
    """Take in a beat. Raises `NotAuthenticated` and `Conflict` as `authenticate` does.

    A beat with nothing new touches memory only. Output is stored before reports are applied, so that the logs of
    a job that has ended are complete: a report that comes before they are stored whole is left unanswered.
    """
    presence = authenticate(farm, secret, beat.session)
    heed_known_ids(farm, beat.highest_job, presence.row.label)
    late = beat.sequence <= presence.sequence
    # After a restart of the server nobody remembers that the client was lost; the database does.
    back = presence.lost or presence.sequence == 0
    withdraw = not late and not beat.accepting and presence.orders_waiting
    if not late:
        _note_vitals(farm, presence, beat)
    stored: dict[Stream, dict[str, int]] = {stream: {} for stream in Stream}
    for piece in beat.output:
        stored[piece.stream][piece.run] = _store(farm, presence.row.id, piece)
    results: dict[str, str] = {}
    if beat.reports:
        crash_point("reports_before_applied")
    if beat.reports or back or withdraw:
        damaged = check_logs(farm, presence, beat.reports)
        results = farm.database.write(
            lambda transaction: _apply(farm, transaction, presence, beat, back, withdraw, damaged)
        )
        unanswered = {report.run for report in beat.reports if report.id not in results}
        for run in unanswered:
            _tell_stored(farm, run, stored)
        presence.lost = False
        if beat.reports:
            crash_point("reports_applied")
        if withdraw or any(report.kind in (ENDED, REFUSED) for report in beat.reports):
            farm.ask_for_pass()
    if beat.leaving and not late:
        client_control.leave(farm, presence.row.id)
        return Answer(farm.policy.beat_seconds, [], results, stored[Stream.STDOUT], stored[Stream.STDERR])
    # A lease counts from the moment of the answer, which is later than any the client counts from (PROMISES 2.2).
    presence.answered_at = farm.clock.monotonic()
    orders = [] if late else [*_orders(farm, presence, beat), *_orders_for_daemon(presence)]
    return Answer(farm.policy.beat_seconds, orders, results, stored[Stream.STDOUT], stored[Stream.STDERR])


def _note_vitals(farm: Farm, presence: Presence, beat: Beat) -> None:
    presence.sequence = beat.sequence
    presence.heard_at = farm.clock.monotonic()
    newly = not presence.heard or (beat.accepting and not presence.accepting) or beat.spare > presence.spare
    presence.heard = True
    presence.spare = beat.spare
    presence.accepting, presence.declining = beat.accepting, beat.declining
    row = presence.row
    row.heartbeat_at = farm.clock.now()
    row.load = min(max(beat.load, 0.0), float(row.cpus))
    row.memory_free, row.disk_free, row.idle_minutes = beat.memory_free, beat.disk_free, beat.idle_minutes
    row.utc_offset = beat.utc_offset
    presence.unsaved = True
    if beat.progress:
        farm.watch.note_progress(beat.progress)
    if newly:
        farm.ask_for_pass()


def _store(farm: Farm, client_id: int, piece: Piece) -> int:
    with farm.database.read() as connection:
        run = runs.load(connection, piece.run)
    if run is None or run.client_id != client_id:
        # A run nobody here knows: let the client believe that its log arrived; its report is answered "unknown".
        return piece.offset + len(piece.data)
    try:
        return farm.output.append(run.job_id, run.id, piece.offset, piece.data, piece.stream)
    except OSError as problem:
        # A full disk must not keep the other runs' news from arriving; the client sends the piece again.
        _LOG.error("the log of run %s of job %d cannot be written: %s", run.id, run.job_id, problem)
        return farm.output.size(run.job_id, run.id, piece.stream)


def _tell_stored(farm: Farm, run_id: str, stored: dict[Stream, dict[str, int]]) -> None:
    """Add how much of each log of the run is stored."""
    with farm.database.read() as connection:
        run = runs.load(connection, run_id)
    for stream in Stream if run is not None and run.split_output else (Stream.STDOUT,):
        stored[stream][run_id] = farm.output.size(run.job_id, run.id, stream) if run is not None else 0


def _apply(
    farm: Farm,
    transaction: Transaction,
    presence: Presence,
    beat: Beat,
    back: bool,
    withdraw: bool,
    damaged: list[DamagedLog],
) -> dict[str, str]:
    client_id, label = presence.row.id, presence.row.label
    with Sheet(farm, transaction, client_id) as sheet:
        if presence.lost:
            tell_of_client(farm, transaction, label, "lost", "back")
        if back:
            presence.orders_waiting = True  # runs whose work was given to others meanwhile are to be ended
            for run in runs.live_of_client(sheet.connection, client_id):
                if run.status is RunStatus.LOST:
                    come_back(sheet, run, label)
        answers = {report.id: apply(sheet, client_id, label, report) for report in beat.reports}
        tell_of_damaged_logs(sheet, client_id, damaged, answers)
        if withdraw:
            # It neither reports nor queues what was offered, so it never got the order and will not be sent it.
            for run in runs.live_of_client(sheet.connection, client_id):
                # A hook belongs to the command that has ended there: a client that drains runs it all the same.
                if run.status is RunStatus.OFFERED and run.id not in beat.queued and not run.kind:
                    happen(sheet, run, RunEvent.REFUSED, reason=f"{label} takes no new work")
        if any(report.kind in (ENDED, REFUSED) for report in beat.reports):
            # The client reports and fetches in the same call: what its freed CPUs can take goes back with the answer.
            sheet.settle()
            sheet.write_rows()
            hand_out_to(farm, sheet, client_id)
    return {report: answer for report, answer in answers.items() if answer != NOT_YET}


def _orders(farm: Farm, presence: Presence, beat: Beat) -> list[dict[str, object]]:
    if not presence.orders_waiting:
        return []
    presence.orders_waiting = False
    with farm.database.read() as connection:
        orders = orders_for(connection, presence.row.id, beat.queued)
        built = [order_for(farm, connection, presence, order) for order in orders]
    if orders or beat.queued:
        presence.orders_waiting = True  # until reports show that they arrived
    return built if beat.accepting else [order for order in built if order["kind"] != "start" or order["hook"]]


def _orders_for_daemon(presence: Presence) -> list[dict[str, object]]:
    """What the daemon itself is asked to do: once a beat, until what it registers as shows that it has."""
    match presence.row.wanted:
        case "upgrade":
            package = client_package()
            return [{"kind": "upgrade", "version": package.version, "path": package.path}]
        case "restart":
            return [{"kind": "restart"}]
        case "end":
            return [{"kind": "end", "reason": "the client was removed from the farm"}]
    return []
