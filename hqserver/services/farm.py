"""What every service works with: the farm's parts and its policy, in one record."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from hqserver.domain.mail import MailPolicy
from hqserver.domain.progress import DEFAULT_PATTERNS
from hqserver.services.dispatch.holds import Holds
from hqserver.services.events.journal import Journal
from hqserver.services.work.health_record import Health
from hqserver.store.database import Database
from hqserver.store.output import OutputFiles

from .longtask import LongTask
from .watch import Watch


class Clock(Protocol):
    """Time, so that tests can set it."""

    def now(self) -> float:
        """UTC epoch seconds, for what people read."""

    def monotonic(self) -> float:
        """Seconds that never jump, for every decision."""

    def certain(self) -> float:
        """UTC epoch seconds that have come for certain, for what is removed by its age.

        The wall clock, but no further on than the seconds that passed since the start: what a clock that was set
        ahead calls old may have ended a minute ago.
        """


@dataclass(frozen=True, slots=True)
class Policy:
    """The rules an administrator can set (config/hqserver.ini). Durations in seconds."""

    beat_seconds: float = 5.0
    active_timeout_seconds: float = 120.0
    kill_timeout_seconds: float = 120.0
    kill_grace_seconds: float = 10.0
    reschedule_abandoned: bool = True
    max_client_losses: int = 3
    max_failures_per_client: int = 3
    sick_failures: int = 5
    """Failures in a row, of work of different submitters, after which a client is set aside (CONTRACT 10)."""
    sick_seconds: float = 600.0
    licence_pause_seconds: float = 60.0
    hold_timeout_seconds: float = 600.0
    hook_timeout_seconds: float = 600.0
    expire_jobs_days: float = 14.0
    refuse_unknown_properties: bool = False
    log_limit_bytes: int = 64 * 1024 * 1024
    progress_patterns: tuple[str, ...] = DEFAULT_PATTERNS
    network_root: Mapping[str, str] = field(default_factory=dict)
    """Where the shared folder is on clients of each platform key: what `HQROOT` says."""
    network_drive: str = ""
    """The drive to which Windows machines map the shared folder, where clients see it under a UNC path."""
    network_host: str = ""
    """The machine that shares that folder."""
    mail: MailPolicy | None = None
    """What mail says of the farm; None where no mail server is configured and no mail is sent."""

    @property
    def suspect_seconds(self) -> float:
        """Silence after which a client gets no new work (CONTRACT 9.10)."""
        return max(30.0, 3 * self.beat_seconds)

    @property
    def lost_seconds(self) -> float:
        """Silence after which a client's runs are lost (CONTRACT 9.10)."""
        return max(self.active_timeout_seconds, 5 * self.beat_seconds)


@dataclass(slots=True)
class Leaving:
    """Jobs up to this id are being removed by `resetFarm`: nobody gets mail or a callback for what becomes of them."""

    last_job: int = 0


@dataclass(frozen=True, slots=True)
class Farm:
    """The farm: its database, logs, what is known of its clients, its clock, its rules.

    `ask_for_pass` makes the dispatcher look for work to hand out, `wake` tells a client that there are orders for it.
    `settings` is the configuration file's own text of each key it holds, under each spelling, without secrets. `copies`
    is the folder of the database's copies, by default `backups` beside it.
    """

    database: Database
    output: OutputFiles
    watch: Watch
    clock: Clock
    policy: Policy
    ask_for_pass: Callable[[], None]
    wake: Callable[[int], None]
    settings: Mapping[str, str] = field(default_factory=dict)
    holds: Holds = field(default_factory=Holds)
    health: Health = field(default_factory=Health)
    journal: Journal = field(default_factory=Journal)
    copies: Path | None = None
    compaction: LongTask = field(default_factory=lambda: LongTask("compaction"))
    reset: LongTask = field(default_factory=lambda: LongTask("reset"))
    leaving: Leaving = field(default_factory=Leaving)
