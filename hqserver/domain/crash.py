"""Places at which a test can end a process as kill -9 would, in the midst of things (PROMISES 7, T2).

`HQ_CRASH_AT=name` ends the process when it comes by that point for the first time, `HQ_CRASH_AT=name:n` for the n-th
time, each process counting for itself. Commands never see the variable (PROMISES 6.3). Without it a point costs one
look into an empty dictionary.
"""

from __future__ import annotations

import os
from collections.abc import Mapping

from .errors import near_match

VARIABLE = "HQ_CRASH_AT"
"""The variable of the environment that names the point."""

EXIT_CRASHED = 137
"""What a shell says of a process that was ended by SIGKILL."""

CLIENT_POINTS = (
    # The daemon's talk with its server.
    "client_registered",
    "call_sent",
    "answer_read",
    "answer_applied",
    # A run in the daemon, from order to settlement.
    "order_before_kept",
    "order_kept",
    "folder_made",
    "launcher_told",
    "end_noticed",
    "report_before_kept",
    "report_kept",
    "report_acknowledged",
    "run_settled",
    "folder_removed",
    # What is done to a run.
    "kill_before_requested",
    "kill_requested",
    "pause_marked",
    "pause_stopped",
    "resume_woken",
    "resume_marked",
    "lease_renewed",
    # The launcher and the runner.
    "launch_heard",
    "run_claimed",
    "command_started",
    "command_known",
    "command_ended",
    "exit_record_written",
    "exit_record_synced",
    # Other code from the server.
    "package_unpacked",
    "upgrade_recorded",
    "upgrade_handed_over",
    "upgrade_before_confirmed",
    "upgrade_confirmed",
)
"""The points of `hqclient`: its daemon, launcher and runners."""

SERVER_POINTS = (
    # A transaction, whoever waits for it, and the block of ids that it may need.
    "before_commit",
    "after_commit",
    "ids_before_reserved",
    "ids_reserved",
    # The answer to a call that must not be done twice.
    "reply_before_written",
    "reply_before_noted",
    "reply_noted",
    # A heartbeat: its output, then its reports, then its orders.
    "log_before_appended",
    "log_appended",
    "reports_before_applied",
    "reports_applied",
    # Copies of the database, and a jump back to one.
    "copy_half_made",
    "copy_checked",
    "copy_renamed",
    "restore_prepared",
    "restore_database_aside",
    "restore_log_aside",
    "restore_done",
    # Jobs that are removed for their age.
    "expiry_batch_done",
    # What is deleted given back to the disk, and all jobs removed.
    "compacted_in_part",
    "reset_copied",
    "reset_part_removed",
)
"""The points of `hqserver`."""

POINTS = CLIENT_POINTS + SERVER_POINTS
"""Every point there is, so that a test can visit them all."""


def crash_point(name: str) -> None:
    """End this process here and now, nothing flushed, if the environment asks for that. `name` is one of `POINTS`."""
    if name in _passes_left:
        _passes_left[name] -= 1
        if _passes_left[name] == 0:
            os._exit(EXIT_CRASHED)


def _read(environ: Mapping[str, str]) -> tuple[dict[str, int], str]:
    """How many times which point is to be passed until the process ends, and what is wrong with what was asked, ""
    where nothing is. A crash that never comes would prove nothing: whoever starts says so and ends (`mistyped`)."""
    asked = environ.get(VARIABLE, "")
    if not asked:
        return {}, ""
    name, _, times = asked.partition(":")
    if name not in POINTS:
        return {}, f"{VARIABLE}={asked!r}: there is no such point{near_match(name, POINTS)}"
    if not (times or "1").isdecimal() or int(times or "1") < 1:
        return {}, f"{VARIABLE}={asked!r}: the point is followed by a colon and a count from 1 on, or by nothing"
    return {name: int(times or "1")}, ""


_passes_left, _mistyped = _read(os.environ)


def mistyped() -> str:
    """What is wrong with what the environment asks for, in a sentence; "" where nothing is. For programs to say at
    their start."""
    return _mistyped
