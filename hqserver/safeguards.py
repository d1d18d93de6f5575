"""What keeps the stored things safe while the server runs: room, copies, the audit, what the administrator asks for."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from hqserver.config import ServerConfig
from hqserver.services import backup, errands
from hqserver.services.audit import Audit, audit_all
from hqserver.services.farm import Farm
from hqserver.store.database import Database

_ROOM_SECONDS = 5.0
_ERRANDS_SECONDS = 1.0
_COPIES_SECONDS = 60.0
_AUDIT_SECONDS = 5.0


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
