"""What `work` tells `execution` to do, and what `execution` then tells `work`."""

from __future__ import annotations

from dataclasses import dataclass

from .protocol import StartOrder
from .reports import Report
from .runs.kill_request import KillRequest


@dataclass(frozen=True)
class Keep:
    """Write down that the order has arrived; then `Work.kept`, or `Work.not_kept`."""

    order: StartOrder


@dataclass(frozen=True)
class Launch:
    """Make the run's folder and start it; then `Work.started`, `Work.not_launched` or `Work.ended`."""

    order: StartOrder


@dataclass(frozen=True)
class Kill:
    """Have the runner end the run's whole tree."""

    run: str
    request: KillRequest


@dataclass(frozen=True)
class ForceKill:
    """End the run's tree without its runner, which did not manage it."""

    run: str


@dataclass(frozen=True)
class Pause:
    """Stop the run's whole tree in place; then `Work.paused`, or `Work.ended`."""

    run: str


@dataclass(frozen=True)
class Resume:
    """Let the run's whole tree go on; then `Work.resumed`, or `Work.ended`."""

    run: str


@dataclass(frozen=True)
class Renew:
    """The run's lease ends then (`host_os.uptime_seconds`), and not sooner."""

    run: str
    ends_at: float


@dataclass(frozen=True)
class Send:
    """Keep the report in the outbox; then `Work.report_kept`."""

    report: Report


@dataclass(frozen=True)
class Discard:
    """The run is settled: forget it, remove its folder."""

    run: str


@dataclass(frozen=True)
class Orphan:
    """The server does not want the run: forget it, but put its log and exit record where a person finds
    them."""

    run: str


Instruction = Keep | Launch | Kill | ForceKill | Pause | Resume | Renew | Send | Discard | Orphan
