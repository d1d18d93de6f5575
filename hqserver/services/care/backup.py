"""Copies of the database every hour and every day, old ones removed, and the newest that is good (PROMISES 4, P13)."""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from hqserver.domain.errors import Busy
from hqserver.store.copies import CopyFailed, is_sound, make_copy, put_back
from hqserver.store.database import Database

__all__ = [
    "CopyFailed",
    "back_up",
    "back_up_before_reset",
    "keep_copies",
    "newest_good",
    "remove_unfinished",
    "restore",
]

_LOG = logging.getLogger(__name__)
_STAMP = "%Y%m%dT%H%M%SZ"
_HOURLY, _DAILY, _ASKED, _RESET = "hourly", "daily", "asked", "before-reset"
_KEPT = {_HOURLY: 24, _DAILY: 7}
_SECONDS = {_HOURLY: 3600.0, _DAILY: 86400.0}


def back_up(database: Database, folder: Path, now: float, target: Path | None, may_go_on: Callable[[], bool]) -> Path:
    """Copy the database to `target`, or under the time `now` (UTC epoch seconds) into `folder`; where it is.

    Raises `CopyFailed`, and `Busy` when the server ends meanwhile.
    """
    if target is None:
        _make_folder(folder)
        target = folder / _name(_ASKED, now)
    make_copy(database, target, may_go_on)
    _LOG.info("the database was copied to %s", target)
    return target


def back_up_before_reset(database: Database, folder: Path, now: float, last_job: int) -> Path:
    """Copy the database before its jobs up to `last_job` are removed; where the copy is.

    One that was made for the same is enough: what was removed since then is only there. Raises `CopyFailed`, `Busy`.
    """
    _make_folder(folder)
    kind = f"{_RESET}-{last_job}"
    made = _copies(folder, kind)
    if made:
        return made[-1]
    target = folder / _name(kind, now)
    make_copy(database, target)
    _LOG.info("the database was copied to %s", target)
    return target


def keep_copies(database: Database, folder: Path, now: float, may_go_on: Callable[[], bool]) -> None:
    """Make the hourly copy if the newest is an hour old, let it be the daily one too where that is due, and keep the
    newest 24 and 7. What fails is logged as an error, and tried again the next time.
    """
    if not _is_due(folder, _HOURLY, now):
        return
    try:
        _keep(database, folder, now, may_go_on)
    except CopyFailed as problem:
        _LOG.error("the hourly copy of the database failed: %s", problem)
    except Busy as problem:
        _LOG.info("%s", problem)


def _keep(database: Database, folder: Path, now: float, may_go_on: Callable[[], bool]) -> None:
    _make_folder(folder)
    hourly = folder / _name(_HOURLY, now)
    make_copy(database, hourly, may_go_on)
    if _is_due(folder, _DAILY, now):
        daily = folder / _name(_DAILY, now)
        try:
            os.link(hourly, daily)
        except OSError:  # a file system without links
            shutil.copyfile(hourly, daily)
    for kind, most in _KEPT.items():
        # Those nearest to now: of two that a wrong clock named for a time to come, neither outlives all others.
        for old in sorted(_copies(folder, kind), key=lambda copy: abs(now - _time_of(copy)))[most:]:
            old.unlink(missing_ok=True)


def remove_unfinished(folder: Path) -> None:
    """Remove what a copy that was cut short has left."""
    for partial in folder.glob("*.partial*"):
        partial.unlink(missing_ok=True)


def newest_good(folder: Path) -> Path | None:
    """The newest copy in the folder that can be put back."""
    found = [copy for kind in (_HOURLY, _DAILY, _ASKED, _RESET) for copy in _copies(folder, kind)]
    return next((copy for copy in sorted(found, key=_time_of, reverse=True) if is_sound(copy)), None)


def restore(copy: Path, database: Path, now: float) -> Path | None:
    """Put a copy in the place of the database, whose server must not run; where the former database is now.

    Raises `CopyFailed`. `now` is in UTC epoch seconds.
    """
    aside = database.with_name(_name("before-restore", now))
    put_back(copy, database, aside)
    return aside if aside.exists() else None


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as problem:
        raise CopyFailed(f"the folder {folder} of copies cannot be made: {problem.strerror}") from None


def _name(kind: str, now: float) -> str:
    return f"{kind}-{datetime.fromtimestamp(now, UTC).strftime(_STAMP)}.db"


def _time_of(copy: Path) -> float:
    """When a copy was made, by its name; 0.0 for a file that somebody called otherwise."""
    try:
        return datetime.strptime(copy.stem.rpartition("-")[2], _STAMP).replace(tzinfo=UTC).timestamp()
    except ValueError:
        return 0.0


def _copies(folder: Path, kind: str) -> list[Path]:
    """Copies of a kind, newest first."""
    return sorted((copy for copy in folder.glob(f"{kind}-*.db") if _time_of(copy)), key=_time_of, reverse=True)


def _is_due(folder: Path, kind: str, now: float) -> bool:
    """Whether the newest is too old. One of a time to come does not count: then the clock was set back since."""
    ages = [now - _time_of(copy) for copy in _copies(folder, kind)]
    return not any(0 <= age < _SECONDS[kind] for age in ages)
