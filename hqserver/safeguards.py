"""What keeps the stored things safe while the server runs: room, copies, the audit, what the administrator asks for,
and what is not safe here."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path

from hqserver.config import ServerConfig
from hqserver.domain.filesystem import mount_of
from hqserver.services.care import backup, errands
from hqserver.services.care.audit import Audit, audit_all
from hqserver.services.farm import Farm
from hqserver.store.database import Database
from hqserver.store.opening import has_wal_reset_race

_ROOM_SECONDS = 5.0
_ERRANDS_SECONDS = 1.0
_COPIES_SECONDS = 60.0
_AUDIT_SECONDS = 5.0
_MOUNTS = Path("/proc/self/mountinfo")


def ticks(
    config: ServerConfig, farm: Farm, may_go_on: Callable[[], bool]
) -> list[tuple[str, float, Callable[[], object]]]:
    """What is done at intervals: (name, seconds, action). A copy ends early where `may_go_on` says no."""
    database, folder = farm.database, errands_folder(config)
    errands.forget_all(folder)

    def back_up(word: str) -> list[str]:
        target = Path(word) if word else None
        return [str(backup.back_up(database, config.copies, farm.clock.now(), target, may_go_on))]

    asked = {"backup": back_up, "audit": lambda word: audit_lines(database)}
    found: list[tuple[str, float, Callable[[], object]]] = [
        ("room", _ROOM_SECONDS, database.room.look),
        ("errands", _ERRANDS_SECONDS, lambda: errands.run_errands(folder, asked)),
        ("audit", _AUDIT_SECONDS, Audit(database).slice),
    ]
    if config.backups:
        backup.remove_unfinished(config.copies)
        keep = backup.keep_copies
        found.append(("copies", _COPIES_SECONDS, lambda: keep(database, config.copies, farm.clock.now(), may_go_on)))
    return found


def errands_folder(config: ServerConfig) -> Path:
    """Where the administrator leaves what the running server is to do."""
    return config.data / "errands"


def audit_lines(database: Database) -> list[str]:
    """Every difference that a recount of the whole farm finds, and how many there are."""
    counted, found = audit_all(database)
    return [*map(str, found), f"{counted} jobs counted, {len(found)} differences"]


def caveats(config: ServerConfig, mounts: Path = _MOUNTS) -> list[str]:
    """What this machine does not let the server promise, a sentence each (PROMISES P1 and 4). `mounts` is Linux's own
    text; where there is none, nothing is known of file systems."""
    found: list[str] = []
    try:
        mounted = mounts.read_text("utf-8", "replace")
    except OSError:
        mounted = ""
    folders = {"data folder": config.data}
    if not config.copies.is_relative_to(config.data):
        folders["folder of copies"] = config.copies
    for what, folder in folders.items():
        mount = mount_of(str(folder.resolve()), mounted)
        if mount is not None and mount.weakness:
            found.append(f"the {what} {folder} {mount.weakness}")
    if has_wal_reset_race(sqlite3.sqlite_version_info):
        found.append(
            f"SQLite {sqlite3.sqlite_version} can damage a database to which two programs write: there is one writer "
            "here, and no other program may open the file while the server runs"
        )
    return found
