"""The properties of a job specification: how each value is read and what it means.

Every property stands once, in `PROPERTIES`. Sources: CONTRACT 2.1, 9.5 (what is taken leniently), 10 (the farm's own).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from .platforms import PLATFORM_KEYS
from .progress import check_pattern

LONGEST_NAME = 1_000
LARGEST_INTEGER = 2**31 - 1

Command = str | dict[str, str]
"""A command line for every platform, or one a platform key (CONTRACT 2.3)."""


class Wrong(Exception):
    """Half a sentence about a value: "must be ..."."""


def _text(value: Any) -> str:
    if value is None:
        return ""
    if not isinstance(value, str):
        raise Wrong("must be text")
    if "\0" in value:
        raise Wrong("must not hold a NUL character")
    if not value.isascii() and not value.isprintable() and any("\ud800" <= char <= "\udfff" for char in value):
        raise Wrong("must not hold half of a surrogate pair")  # JSON can spell it; no file and no wire carries it
    return value


def _integer(low: int, high: int = LARGEST_INTEGER) -> Callable[[Any], int]:
    def parse(value: Any) -> int:
        if isinstance(value, str):
            # Houdini's menus send "5 (Medium)" (CONTRACT 9.5).
            found = re.fullmatch(r"\s*([+-]?[0-9]{1,12})\s*(\(.*\))?\s*", value)
            if not found:
                raise Wrong("must be a whole number")
            value = int(found[1])
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int):
            raise Wrong("must be a whole number")
        if not low <= value <= high:
            raise Wrong(f"must be from {low} to {high}")
        return value

    return parse


_job_id = _integer(1, 2**53)


def _ids(value: Any) -> tuple[int, ...]:
    if isinstance(value, str):
        value = value.split(",")
    if isinstance(value, int) and not isinstance(value, bool):
        value = [value]
    if not isinstance(value, list | tuple):
        raise Wrong("must be a list of job ids")
    kept = [entry for entry in value if entry is not None and not (isinstance(entry, str) and not entry.strip())]
    try:
        return tuple(dict.fromkeys(_job_id(entry) for entry in kept))
    except Wrong:
        raise Wrong("must be a list of job ids") from None


def _words(value: Any) -> tuple[str, ...]:
    if isinstance(value, str):
        value = value.split(",")
    if not isinstance(value, list | tuple) or not all(isinstance(entry, str | int) for entry in value):
        raise Wrong("must be a list of texts")
    return tuple(dict.fromkeys(word for word in (_text(str(entry)).strip() for entry in value) if word))


def _texts_by_name(value: Any) -> dict[str, str]:
    if not isinstance(value, Mapping):
        raise Wrong("must be a dictionary of texts")
    found = {}
    for name, text in value.items():
        if isinstance(text, int | float) and not isinstance(text, bool):
            text = str(text)
        if not isinstance(name, str) or not isinstance(text, str):
            raise Wrong(f"must be a dictionary of texts ({name!r} is not)")
        found[_text(name)] = _text(text)
    return found


def _environment(value: Any) -> dict[str, str]:
    found = _texts_by_name(value)
    for name in found:
        if not name or "=" in name:
            raise Wrong(f"must not hold a variable named {name!r}")
    return found


def _command(value: Any) -> Command:
    if not isinstance(value, Mapping):
        text = _text(value)
        return text if text.strip() else ""
    found = {}
    for platform, text in value.items():
        key = "macosx" if platform == "macos" else platform
        if key not in PLATFORM_KEYS:
            raise Wrong(f"has the key {platform!r} but may only have {', '.join(PLATFORM_KEYS)}")
        if _text(text).strip():
            found[key] = _text(text)
    return found or ""


def _name(value: Any) -> str:
    text = _text(value)
    if not text.strip():
        raise Wrong("must not be blank")
    if len(text) > LONGEST_NAME:
        raise Wrong(f"must have at most {LONGEST_NAME} characters")
    return text


def _pattern(value: Any) -> str:
    text = _text(value)
    if text:
        try:
            check_pattern(text)
        except ValueError as problem:
            raise Wrong(str(problem)) from None
    return text


def _label(value: Any) -> str:
    text = str(value) if isinstance(value, int) and not isinstance(value, bool) else _text(value)
    if len(text) > 200:
        raise Wrong("must have at most 200 characters")
    return text


def _only(*neutral: Any) -> Callable[[Any], None]:
    """For a property that this server does not serve yet: the values that ask for nothing."""

    def parse(value: Any) -> None:
        if isinstance(value, str) and value.strip() in neutral:
            return
        if value is None or value in neutral or (isinstance(value, list | tuple | Mapping) and not value):
            return
        if isinstance(value, list | tuple) and all(isinstance(entry, str) and not entry.strip() for entry in value):
            return
        raise Wrong("is not served by this server yet")

    return parse


def _no_limit(value: Any) -> None:
    if value is not None and value != "" and _integer(-LARGEST_INTEGER)(value) >= 0:
        raise Wrong("is not served by this server yet")


@dataclass(frozen=True, slots=True)
class Property:
    """One property: how its value is read, the `JobSpec` field it fills ("" = none) and a sentence about it."""

    parse: Callable[[Any], Any]
    field: str
    sentence: str


_LATER = "Not served yet: a value that asks for something is refused."

PROPERTIES: dict[str, Property] = {
    "name": Property(_name, "name", "Name of the job. The only mandatory property."),
    "description": Property(_text, "description", "Shown with the name."),
    "command": Property(
        _command,
        "command",
        "Shell commands to run on the assigned client: a text, or a dictionary with the keys linux, windows, macosx. "
        "A job without a command succeeds once its children have.",
    ),
    "shell": Property(_text, "shell", "Shell that runs the command; the client's default shell when not given."),
    "environment": Property(_environment, "environment", "Variables set for the command."),
    "children": Property(lambda value: value, "children", "Specifications of the jobs that must end before this one."),
    "childrenIds": Property(_ids, "children_ids", "Ids of existing jobs to adopt as children."),
    "parentIds": Property(_ids, "parent_ids", "Ids of existing jobs that this job becomes a child of."),
    "stubId": Property(_label, "stub_id", "Any text that names this specification within one newjob call."),
    "childStubIds": Property(
        _words, "child_stub_ids", "Names (stubId) of specifications of the same call that are children of this one."
    ),
    "priority": Property(
        _integer(0),
        "priority",
        "0 is the lowest; inherited from the nearest ancestor that has one, else 0.",
    ),
    "cpus": Property(_integer(0, 100_000), "cpus", "CPUs the job needs on its client, 1 by default; 0 = all of them."),
    "triesLeft": Property(_integer(0, 1_000_000), "tries", "How often a failed command is run again by itself."),
    "submittedBy": Property(_text, "submitted_by", "User name; inherited from the nearest ancestor that has one."),
    "progressPattern": Property(
        _pattern,
        "progress_pattern",
        "A regular expression for progress in the output: one group, a percentage, or two, n of m.",
    ),
    "properties": Property(_texts_by_name, "properties", "Any dictionary of texts, kept with the job."),
    "uuid": Property(_label, "uuid", "A permanent unique name; made up when not given."),
    "submitKey": Property(
        _label, "submit_key", "Submitting the same key again returns the first ids and creates nothing (kept 7 days)."
    ),
    "minHosts": Property(_only(0, 1, "", "0", "1"), "", f"Clients that must be assigned before it starts. {_LATER}"),
    "maxHosts": Property(_only(0, 1, "", "0", "1"), "", f"Most clients it may get. {_LATER}"),
    "maxTime": Property(_no_limit, "", f"Seconds after which it is cancelled; below 0 = unlimited. {_LATER}"),
    "emailTo": Property(_text, "", "Recipients of mail; without emailReasons no mail is sent."),
} | {
    name: Property(_only("", 0, False), "", f"{sentence} {_LATER}")
    for name, sentence in {
        "conditions": "Conditions that a client must pass.",
        "host": "Hosts that may run it.",
        "hostgroup": "Client groups that may run it.",
        "tags": "Sharing rules.",
        "resources": "Counted resources it needs.",
        "onSuccess": "Commands run when the job succeeds.",
        "onError": "Commands run when the job fails.",
        "onCancel": "Commands run when it is cancelled while running.",
        "onChildError": "Commands run when a child failed.",
        "cleanup": "Commands run last, whatever the outcome.",
        "emailReasons": "Events that send mail.",
        "agenda": "Frames or pieces the job is made of.",
        "chunk": "Frames in one piece of the agenda.",
        "partitions": "Number of pieces of the agenda.",
        "order": "Order of the agenda.",
        "maxConcurrent": "How many pieces may run at once.",
        "lease": "Seconds of a strict lease.",
        "minTime": "Ending sooner is an error.",
        "maxSilence": "No output for so long is an error.",
        "maxMemory": "Using more memory is an error.",
        "failurePatterns": "What output means for a retry.",
        "splitOutput": "Keep stderr apart.",
    }.items()
}
"""Every property a specification may have (CONTRACT 2.1, 9.5, 10)."""
