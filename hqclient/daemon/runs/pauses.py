"""How long a run has been paused: a small file in its folder that outlives the daemon.

It is written before the first process is stopped and after the last one goes on, so a daemon that finds it open
knows that parts of the run may be stopped.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from ..host_os import Moment
from .runfolder import RunFolder


@dataclass(frozen=True)
class Pauses:
    """`ended_seconds` is how long the pauses took that are over; `since` is when the present one began, None when
    there is none."""

    ended_seconds: float = 0.0
    since: Moment | None = None


def read_pauses(folder: RunFolder) -> Pauses:
    """What is known of the run's pauses; none when nothing is, or nothing that can be read."""
    try:
        run_id, seconds, since = json.loads(Path(folder.pauses_path).read_bytes())
        if run_id == folder.run_id:  # a folder is used again
            return Pauses(float(seconds), None if since is None else Moment(*since))
    except (OSError, ValueError, TypeError):
        pass  # it never was paused, as far as anybody can tell
    return Pauses()


def note_pause(folder: RunFolder) -> None:
    """The run is about to be paused; one that is already stays so since then. Raises `OSError`."""
    pauses = read_pauses(folder)
    if pauses.since is None:
        _write(folder, Pauses(pauses.ended_seconds, Moment.now()))


def note_resume(folder: RunFolder) -> None:
    """All of the run goes on again. Raises `OSError`."""
    pauses = read_pauses(folder)
    if pauses.since is not None:
        _write(folder, Pauses(pauses.ended_seconds + pauses.since.age_seconds()))


def _write(folder: RunFolder, pauses: Pauses) -> None:
    since = None if pauses.since is None else list(pauses.since)
    fresh = Path(folder.pauses_path + ".new")
    fresh.write_bytes(json.dumps([folder.run_id, pauses.ended_seconds, since]).encode("ascii"))
    fresh.replace(folder.pauses_path)
