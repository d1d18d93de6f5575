"""`hq notes` and `hq note`: remarks on jobs, on clients and on the farm as a whole."""

from __future__ import annotations

import argparse
from typing import Any

from hqclient.errors import Conflict, NotFound
from hqclient.farm import Farm

from .client_control import named
from .exits import BadUsage, Exit
from .layout import safe_lines
from .parsing import job_id
from .screen import Screen
from .tables import Cell, Column, table_lines
from .words import count, local_time

Note = dict[str, Any]
"""The attributes of a note."""

_COLUMNS = (
    Column("NOTE", right=True),
    Column("THREAD", right=True, rank=1),
    Column("ABOUT"),
    Column("WRITTEN"),
    Column("", flexible=True),
)


def show_notes(farm: Farm, args: argparse.Namespace, screen: Screen) -> Exit:
    """`hq notes`: the newest note of each thread, newest first; or one whole thread as it was written."""
    whole = args.job is not None or args.client is not None or args.thread is not None
    notes = _thread_notes(farm, args) if whole else _latest_notes(farm)
    if screen.as_json:
        screen.json(notes)
    elif not notes:
        screen.note("no notes")
    elif whole:
        _print_thread(screen, notes)
    else:
        _print_latest(screen, notes)
    return Exit.OK


def _latest_notes(farm: Farm) -> list[Note]:
    return sorted(farm.call("getLatestNotes"), key=lambda note: (note["date"], note["id"]), reverse=True)


def _thread_notes(farm: Farm, args: argparse.Namespace) -> list[Note]:
    if args.thread is not None:
        thread_id = args.thread
        if not farm.call("threadExists", thread_id):
            raise NotFound(404, f"no thread {thread_id}")
    elif args.client is not None:
        thread_id = named(farm, [args.client], ("id", "label", "threadId"))[0]["threadId"]
    else:
        thread_id = farm.job(args.job)["threadId"]
    threads = [] if thread_id is None else farm.call("getNoteThreads", [thread_id])
    return [note for thread in threads for note in thread["notes"]]


def _print_latest(screen: Screen, notes: list[Note]) -> None:
    rows = [
        [
            Cell(note["id"]),
            Cell(note["threadId"]),
            Cell(_about(note)),
            Cell(local_time(note["date"]), "faint"),
            Cell(" ".join(note["text"].split())),
        ]
        for note in notes
    ]
    for line in table_lines(screen, _COLUMNS, rows):
        screen.line(line)


def _print_thread(screen: Screen, notes: list[Note]) -> None:
    """Id, time and text of each note, the lines of the text below each other."""
    width = max(len(str(note["id"])) for note in notes)
    for note in notes:
        written = local_time(note["date"])
        first, *rest = safe_lines(note["text"])
        screen.line(f"{note['id']:>{width}}  {screen.paint(written, 'faint')}  {first}")
        for line in rest:
            screen.line(" " * (width + len(written) + 4) + line)


def _about(note: Note) -> str:
    if note.get("jobId") is not None:
        return f"job {note['jobId']}"
    return str(note.get("clientLabel") or "farm")


def note(farm: Farm, args: argparse.Namespace, screen: Screen) -> Exit:
    """`hq note`."""
    if args.all and not args.delete:
        raise BadUsage("--all goes with --delete")
    if args.delete:
        return _delete_all(farm, args, screen) if args.all else _delete(farm, args, screen)
    words = list(args.words)
    where: tuple[int | None, int | None, int | None] = (args.thread, None, None)
    about_job = not (args.client or args.general or args.thread)
    if about_job:
        where = (None, _id(words.pop(0)) if words else None, None)
    text = " ".join(words)
    if not text.strip():
        raise BadUsage("a note needs " + ("a job and a text" if about_job else "a text"))
    if args.client:
        where = (None, None, named(farm, [args.client])[0]["id"])
    elif args.thread and not farm.call("threadExists", args.thread):
        raise NotFound(404, f"no thread {args.thread}")  # addNote would begin a new one
    answer = farm.call("addNote", text, *where)
    if screen.as_json:
        screen.json(answer)
    return Exit.OK


def _id(word: str) -> int:
    try:
        return job_id(word)
    except argparse.ArgumentTypeError as problem:
        raise BadUsage(f"{problem}; a note without a job is written with --general, --client or --thread") from None


def _delete(farm: Farm, args: argparse.Namespace, screen: Screen) -> Exit:
    """Delete notes, newest first: the first note of a thread goes only when it is the last one left (CONTRACT 1.2)."""
    if not args.words:
        raise BadUsage("name the notes to delete (hq notes shows their ids), or say --all")
    wanted = sorted({_id(word) for word in args.words}, reverse=True)
    left = farm.call("removeNotes", wanted)
    gone = [note_id for note_id in wanted if note_id not in left]
    if screen.as_json:
        screen.json({"deleted": gone, "left": left})
    else:
        for note_id in gone:
            screen.line(f"{note_id}  deleted")
    if left:
        which = ", ".join(map(str, left))
        raise Conflict(409, f"not deleted: note {which}; there is none, or it begins a thread that has others")
    return Exit.OK


def _delete_all(farm: Farm, args: argparse.Namespace, screen: Screen) -> Exit:
    if args.words:
        raise BadUsage("name notes, or say --all; not both")
    thread_ids = farm.call("getNoteThreadIds")
    left = farm.call("removeThreads", thread_ids) if thread_ids else []
    gone = [thread_id for thread_id in thread_ids if thread_id not in left]
    if screen.as_json:
        screen.json({"deletedThreads": gone})
    else:
        screen.line(f"deleted {count(len(gone), 'thread')} with all their notes")
    return Exit.OK
