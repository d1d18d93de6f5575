"""What an administrator does from the command line, with the server running or not: copy, put back, recount."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from hqserver.app import CannotStart, is_running, open_database, prepare_data
from hqserver.config import ServerConfig
from hqserver.domain.errors import FarmError
from hqserver.safeguards import audit_lines, errands_folder
from hqserver.services.care import backup, errands
from hqserver.store.database import Database


class CannotDo(Exception):
    """Why it was not done, in one sentence."""


def back_up(config: ServerConfig, file: str) -> list[str]:
    """Copy the database to `file`, by default into the folder of copies; a line that says where it is.

    The running server does it; without one it is done here. Raises `CannotDo`.
    """
    target = Path(file).absolute() if file else None
    lines = _by_server_or_here(
        config,
        "backup",
        str(target or ""),
        lambda database: [str(backup.back_up(database, config.copies, time.time(), target, lambda: True))],
    )
    return [f"copied to {line}" for line in lines]


def audit(config: ServerConfig) -> list[str]:
    """Count the whole farm anew: a line for each difference, and one that says how many. Raises `CannotDo`."""
    return _by_server_or_here(config, "audit", "", audit_lines)


def restore(config: ServerConfig, file: str) -> list[str]:
    """Put a copy in the place of the database, while no server runs; lines that say what was done.

    The former database is kept beside it. Ids go on above all that were given. Raises `CannotDo`.
    """
    if not file:
        good = backup.newest_good(config.copies)
        hint = f"the newest good one is {good}" if good else f"there is no good one in {config.copies}"
        raise CannotDo(f"which copy? {hint}")
    try:
        with closing(prepare_data(config.data, config.logs)):
            former = backup.restore(Path(file), config.data / "farm.db", time.time())
    except (CannotStart, backup.CopyFailed) as problem:
        raise CannotDo(str(problem)) from None
    return [f"{file} is the farm's database now", *([f"the former one is {former}"] if former else [])]


def _by_server_or_here(
    config: ServerConfig, errand: str, word: str, here: Callable[[Database], list[str]]
) -> list[str]:
    if not (config.data / "farm.db").exists():
        raise CannotDo(f"there is no farm in {config.data}")
    try:
        if is_running(config.data):
            lines = errands.ask(errands_folder(config), errand, word, lambda: is_running(config.data))
            if lines is not None:
                return lines
        with closing(prepare_data(config.data, config.logs)), closing(open_database(config)) as database:
            return here(database)
    except (CannotStart, backup.CopyFailed, errands.ErrandFailed, FarmError) as problem:
        raise CannotDo(str(problem)) from None
    except OSError as problem:
        raise CannotDo(f"the data folder {config.data} cannot be used: {problem.strerror}") from None
