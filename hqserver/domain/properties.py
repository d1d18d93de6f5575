"""The properties of a job specification: how each value is read and what it means.

Every property stands once, in `PROPERTIES`. Sources: CONTRACT 2.1, 9.5 (what is taken leniently), 10 (the farm's own).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from .agenda import as_agenda, as_order
from .conditions import as_conditions, as_groups, as_hosts
from .failure import as_failure_patterns
from .hooks import Hook
from .mail import as_reasons, as_recipients
from .platforms import PLATFORM_KEYS
from .progress import check_pattern
from .values import LARGEST_INTEGER, Wrong, as_ids, as_integer, as_text, as_texts_by_name, as_words

LONGEST_NAME = 1_000
_FLAGS = {"": False, "false": False, "true": True}
MOST_HOSTS = 10_000
LONGEST_LEASE_SECONDS = 7 * 86_400

Command = str | dict[str, str]
"""A command line for every platform, or one a platform key (CONTRACT 2.3)."""


def _environment(value: Any) -> dict[str, str]:
    found = as_texts_by_name(value)
    for name in found:
        if not name or "=" in name:
            raise Wrong(f"must not hold a variable named {name!r}")
    return found


def _command(value: Any) -> Command:
    if not isinstance(value, Mapping):
        command = as_text(value)
        return command if command.strip() else ""
    found = {}
    for platform, command in value.items():
        key = "macosx" if platform == "macos" else platform
        if key not in PLATFORM_KEYS:
            raise Wrong(f"has the key {platform!r} but may only have {', '.join(PLATFORM_KEYS)}")
        if as_text(command).strip():
            found[key] = as_text(command)
    return found or ""


def _name(value: Any) -> str:
    name = as_text(value)
    if not name.strip():
        raise Wrong("must not be blank")
    if len(name) > LONGEST_NAME:
        raise Wrong(f"must have at most {LONGEST_NAME} characters")
    return name


def _pattern(value: Any) -> str:
    pattern = as_text(value)
    if pattern:
        try:
            check_pattern(pattern)
        except ValueError as problem:
            raise Wrong(str(problem)) from None
    return pattern


def _label(value: Any) -> str:
    label = str(value) if isinstance(value, int) and not isinstance(value, bool) else as_text(value)
    if len(label) > 200:
        raise Wrong("must have at most 200 characters")
    return label


def _hosts_wanted(value: Any) -> int | None:
    """How many clients: blank is not given, and 0 asks for the usual one (CONTRACT 1.6)."""
    if isinstance(value, str) and not value.strip():
        return None
    return max(as_integer(0, MOST_HOSTS)(value), 1)


def _limit(high: int) -> Callable[[Any], int]:
    """A reader of limits up to `high`; 0 and blank ask for none."""

    def read(value: Any) -> int:
        if isinstance(value, str) and not value.strip():
            return 0
        found = as_integer(-(2**60), 2**60)(value)
        if found < 0:
            raise Wrong("must be 0 or more")
        return as_integer(0, high)(found)

    return read


def _longest_time(value: Any) -> int:
    """Seconds; HQueue's `maxTime` means unlimited below 0 as well (CONTRACT 2.1)."""
    if isinstance(value, str) and not value.strip():
        return 0
    return max(as_integer(-LARGEST_INTEGER)(value), 0)


_seconds_limit = _limit(LARGEST_INTEGER)
_kilobytes_limit = _limit(2**53)
_lease = _limit(LONGEST_LEASE_SECONDS)  # one that outlasts any repair of a network would be none


def _resources(value: Any) -> dict[str, int]:
    if value == "":
        return {}
    if not isinstance(value, Mapping):
        raise Wrong("must be a dictionary from resource names to amounts")
    found = {}
    for name, amount in value.items():
        if not isinstance(name, str) or not as_text(name).strip():
            raise Wrong(f"must be a dictionary from resource names to amounts ({name!r} is no name)")
        try:
            units = as_integer(0)(amount)
        except Wrong as problem:
            raise Wrong(f"has an amount of {name!r} that {problem}") from None
        if units:
            found[name.strip()] = units
    return found


def _flag(value: Any) -> bool:
    """True or False, which a caller that has neither spells as text, or as 1 and 0 (CONTRACT 9.2)."""
    if isinstance(value, bool):
        return value
    word = value.strip().lower() if isinstance(value, str) else ""
    if isinstance(value, str) and word in _FLAGS:
        return _FLAGS[word]
    try:
        return bool(as_integer(0, 1)(value))
    except Wrong:
        raise Wrong("must be true or false") from None


@dataclass(frozen=True, slots=True)
class Property:
    """One property: how its value is read, the `JobSpec` field it fills ("" = none) and a sentence about it."""

    parse: Callable[[Any], Any]
    field: str
    sentence: str


PROPERTIES: dict[str, Property] = {
    "name": Property(_name, "name", "Name of the job. The only mandatory property."),
    "description": Property(as_text, "description", "Shown with the name."),
    "command": Property(
        _command,
        "command",
        "Shell commands to run on the assigned client: a text, or a dictionary with the keys linux, windows, macosx. "
        "A job without a command succeeds once its children have.",
    ),
    "shell": Property(as_text, "shell", "Shell that runs the command; the client's default shell when not given."),
    "environment": Property(_environment, "environment", "Variables set for the command."),
    "children": Property(lambda value: value, "children", "Specifications of the jobs that must end before this one."),
    "childrenIds": Property(as_ids, "children_ids", "Ids of existing jobs to adopt as children."),
    "parentIds": Property(as_ids, "parent_ids", "Ids of existing jobs that this job becomes a child of."),
    "stubId": Property(_label, "stub_id", "Any text that names this specification within one newjob call."),
    "childStubIds": Property(
        as_words, "child_stub_ids", "Names (stubId) of specifications of the same call that are children of this one."
    ),
    "priority": Property(
        as_integer(0),
        "priority",
        "0 is the lowest; inherited from the nearest ancestor that has one, else 0.",
    ),
    "conditions": Property(
        as_conditions,
        "conditions",
        "Conditions a client must pass, all of them: dictionaries of type, name, op and value. Without any, those of "
        "the root job.",
    ),
    "host": Property(as_hosts, "hosts", "Hosts that may run it, a comma list: shorthand for a condition."),
    "hostgroup": Property(as_groups, "groups", "Client groups that may run it, a comma list: shorthand as well."),
    "cpus": Property(
        as_integer(0, 100_000), "cpus", "CPUs the job needs on its client, 1 by default; 0 = all of them."
    ),
    "minHosts": Property(_hosts_wanted, "min_hosts", "Clients that must be assigned before it starts, 1 by default."),
    "maxHosts": Property(_hosts_wanted, "max_hosts", "Most clients it may get; minHosts by default."),
    "tags": Property(
        as_words,
        "tags",
        "Sharing: `single` shares its machine with nothing, equal `single:x` never share one; `excludeProgress` leaves "
        "it out of overallProgress.",
    ),
    "resources": Property(_resources, "resources", "Counted resources it needs: a dictionary from names to amounts."),
    "triesLeft": Property(as_integer(0, 1_000_000), "tries", "How often a failed command is run again by itself."),
    "minTime": Property(_seconds_limit, "min_time", "Seconds: a command that succeeds sooner has failed; 0 = any."),
    "maxSilence": Property(
        _seconds_limit, "max_silence", "Seconds after which a command that prints nothing has failed; 0 = unlimited."
    ),
    "maxMemory": Property(
        _kilobytes_limit,
        "max_memory",
        "Resident memory of all its processes in kB; more is a failure; 0 = unlimited.",
    ),
    "failurePatterns": Property(
        as_failure_patterns,
        "failure_patterns",
        "What a line of output means: a dictionary from regular expressions to `fatal` (no further try), `retry`, or "
        "`licence` (put back for a while, no try burnt).",
    ),
    "lease": Property(
        _lease,
        "lease",
        "Seconds of a strict lease: a client that cannot reach the server for so long ends the run, and only then is "
        "the work given out again; at most 604800, a week; 0 = none.",
    ),
    "maxTime": Property(
        _longest_time, "max_time", "Seconds after which its command is cancelled; 0 or below = unlimited."
    ),
    "onSuccess": Property(_command, Hook.ON_SUCCESS, "Commands run when the job succeeds."),
    "onError": Property(_command, Hook.ON_ERROR, "Commands run when the job fails."),
    "onCancel": Property(_command, Hook.ON_CANCEL, "Commands run when it is cancelled while running on a client."),
    "onChildError": Property(_command, Hook.ON_CHILD_ERROR, "Commands run when a child failed, instead of its own."),
    "cleanup": Property(_command, Hook.CLEANUP, "Commands run last, whatever the outcome."),
    "submittedBy": Property(as_text, "submitted_by", "User name; inherited from the nearest ancestor that has one."),
    "emailTo": Property(as_recipients, "email_to", "Recipients of mail, a comma list; not inherited."),
    "emailReasons": Property(as_reasons, "email_reasons", "Statuses and events that send mail, a comma list."),
    "progressPattern": Property(
        _pattern,
        "progress_pattern",
        "A regular expression for progress in the output: one group, a percentage, or two, n of m.",
    ),
    "properties": Property(as_texts_by_name, "properties", "Any dictionary of texts, kept with the job."),
    "uuid": Property(_label, "uuid", "A permanent unique name; made up when not given."),
    "submitKey": Property(
        _label, "submit_key", "Submitting the same key again returns the first ids and creates nothing (kept 7 days)."
    ),
    "agenda": Property(
        as_agenda,
        "agenda",
        "The frames or pieces the command is run for, each with its own status, tries and output: a range such as "
        "1-100x2, or a list of {name, first, last, package}.",
    ),
    "chunk": Property(as_integer(0), "chunk", "Frames in one piece of the agenda, 1 by default."),
    "partitions": Property(as_integer(0), "partitions", "Number of pieces the agenda is cut into, instead of chunk."),
    "order": Property(
        as_order, "order", "Order of the pieces: ascend, descend, binary; as they are written when not given."
    ),
    "maxConcurrent": Property(
        as_integer(0), "max_concurrent", "How many pieces of the agenda may run at once; 0 = unlimited."
    ),
    "splitOutput": Property(
        _flag,
        "split_output",
        "Keep what the command writes to stderr in a log of its own, not in that of stdout; False by default.",
    ),
}
"""Every property a specification may have (CONTRACT 2.1, 9.5, 10)."""
