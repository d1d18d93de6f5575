"""What the farm's own administrator asks of the running server: a copy of the database, a recount.

The asker leaves a file in the folder `errands` of the data folder, which only the server's user can enter, and the
server leaves its answer beside it. So nobody needs a login, and no stranger can ask.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from secrets import token_hex

from hqserver.domain.errors import FarmError
from hqserver.store.files import write_whole

from .backup import CopyFailed

_LOOK_SECONDS = 0.1

Errand = Callable[[str], list[str]]
"""Does what is asked with one word, such as a file's name; the lines of its answer."""


class ErrandFailed(Exception):
    """The server answered no; one sentence says why."""


def forget_all(folder: Path) -> None:
    """At start: whoever asked the server that is gone, asks again. Makes the folder. Raises `OSError`."""
    folder.mkdir(mode=0o700, exist_ok=True)
    for each in folder.iterdir():
        each.unlink(missing_ok=True)


def run_errands(folder: Path, errands: Mapping[str, Errand]) -> None:
    """Do what has been asked for since the last time, and answer. Raises `OSError`."""
    for asked in sorted(folder.glob("*.asked")):
        asker = json.loads(asked.read_text("utf-8"))
        asked.unlink()
        answer = {"lines": [], "failed": ""}
        try:
            answer["lines"] = errands[asker["errand"]](asker["word"])
        except (CopyFailed, FarmError) as problem:
            answer["failed"] = str(problem)
        write_whole(asked.with_suffix(".answer"), json.dumps(answer).encode())


def ask(folder: Path, errand: str, word: str, is_running: Callable[[], bool]) -> list[str] | None:
    """Have the running server do it; the lines of its answer, None where the server ended before it answered.

    Raises `ErrandFailed` with the server's sentence, and `OSError` where the folder cannot be entered.
    """
    asked = folder / f"{token_hex(8)}.asked"
    answer = asked.with_suffix(".answer")
    write_whole(asked, json.dumps({"errand": errand, "word": word}).encode())
    running = True
    while running:
        time.sleep(_LOOK_SECONDS)
        running = is_running()
        if answer.exists():
            said = json.loads(answer.read_text("utf-8"))
            answer.unlink()
            if said["failed"]:
                raise ErrandFailed(said["failed"])
            return [str(line) for line in said["lines"]]
    asked.unlink(missing_ok=True)
    return None
