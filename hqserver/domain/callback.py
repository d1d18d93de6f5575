"""Callbacks: what is done when something becomes of a job, of its work or of jobs below it (CONTRACT 10).

A trigger is a text, `scope:word`; an action is a dictionary whose `type` says what is done. Nothing here sends.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any
from urllib.parse import urlsplit

from .errors import BadParameters, BadSpecification, near_match
from .event import Event, EventKind
from .jobspec import parse_jobspec
from .mail import REASONS, as_recipients
from .status import FINISHED_JOB, WAITING, JobStatus, WorkStatus
from .values import Wrong, as_text


class Scope(StrEnum):
    """Of what a trigger speaks, seen from the callback's job."""

    JOB = "job"
    WORK = "work"
    CHILD = "child"
    ANY = "any"


FINISHED = "finished"
"""A word that stands for the four statuses of what has ended."""

_OF_WORK = (*WorkStatus, WAITING, FINISHED)
_OF_JOBS = (*REASONS, FINISHED)
_WORDS: dict[Scope, tuple[str, ...]] = {
    Scope.JOB: _OF_JOBS,
    Scope.WORK: _OF_WORK,
    Scope.CHILD: _OF_JOBS,
    Scope.ANY: tuple(dict.fromkeys((*_OF_JOBS, *_OF_WORK))),
}
_HAPPENINGS = frozenset(REASONS) - frozenset(JobStatus) - {WAITING}
"""Words that are no status: lines of a job's history."""
_STATUSES = frozenset(WorkStatus)
"""Those of jobs among them."""

MOST_TRIGGERS = 50
LONGEST_URL = 2_000
LONGEST_ACTION = 20_000
LONGEST_SECRET = 1_000
LONGEST_SUBJECT = 200


class ActionKind(StrEnum):
    """What a callback does."""

    MAIL = "mail"
    WEBHOOK = "webhook"
    COMMAND = "command"


_OF_COMMANDS = (
    *("command", "name", "description", "shell", "environment", "priority", "conditions", "host", "hostgroup"),
    *("cpus", "tags", "resources", "triesLeft", "minTime", "maxTime", "maxSilence", "maxMemory", "properties"),
    "splitOutput",
)
_KEYS: dict[ActionKind, tuple[str, ...]] = {
    ActionKind.MAIL: ("to", "subject"),
    ActionKind.WEBHOOK: ("url", "secret"),
    ActionKind.COMMAND: _OF_COMMANDS,
}


@dataclass(frozen=True, slots=True)
class Action:
    """A checked action. `values` are the keys of its kind, those that were given."""

    kind: ActionKind
    values: dict[str, Any]

    @property
    def shown(self) -> dict[str, Any]:
        """As callers are told it: that there is a secret, and not which."""
        values = {key: value for key, value in self.values.items() if key != "secret"}
        signed = {"signed": "secret" in self.values} if self.kind is ActionKind.WEBHOOK else {}
        return {"type": str(self.kind), **values, **signed}

    @property
    def target(self) -> str:
        """Whom a webhook is sent to, `https://host:port`; "" for what is not sent."""
        if self.kind is not ActionKind.WEBHOOK:
            return ""
        parts = urlsplit(self.values["url"])
        return f"{parts.scheme}://{parts.netloc}"


# Triggers ------------------------------------------------------------------------------------------------------------


def parse_triggers(given: Any, *, farm_wide: bool) -> tuple[str, ...]:
    """The triggers that a list or a comma list of texts names, each once, as they are stored.

    A word alone speaks of the job itself. `finished` becomes the four statuses, `waiting` becomes `runnable`.
    Raises `BadParameters` with the near match.
    """
    words = given.split(",") if isinstance(given, str) else given
    if not isinstance(words, list | tuple) or not all(isinstance(word, str) for word in words):
        raise BadParameters('triggers must be a list of texts such as "job:failed"')
    found: dict[str, None] = {}
    for text in words:
        if text.strip():
            found.update(dict.fromkeys(_parse_trigger(text.strip(), farm_wide)))
    if not found:
        raise BadParameters('triggers names nothing: give a list of texts such as "job:failed"')
    if len(found) > MOST_TRIGGERS:
        raise BadParameters(f"triggers names {len(found)} statuses, more than {MOST_TRIGGERS}")
    return tuple(found)


def _parse_trigger(text: str, farm_wide: bool) -> list[str]:
    before, colon, after = text.rpartition(":")
    name, word = (before.strip().lower() if colon else Scope.JOB.value), after.strip().lower()
    try:
        scope = Scope(name)
    except ValueError:
        raise BadParameters(
            f"triggers: {text!r:.80} speaks of {name!r:.40}, which is none of {', '.join(Scope)}"
            f"{near_match(name, list(Scope))}"
        ) from None
    if scope is Scope.CHILD and farm_wide:
        raise BadParameters(f"triggers: {text!r:.80} needs a job: of every job, job:{word} speaks of children too")
    if word not in _WORDS[scope]:
        what = "piece of work" if scope is Scope.WORK else "job"
        raise BadParameters(f"triggers: no {what} becomes {word!r:.40} ({text!r:.80}){near_match(word, _WORDS[scope])}")
    if word == FINISHED:
        return [f"{scope}:{status}" for status in FINISHED_JOB]
    return [f"{scope}:{JobStatus.RUNNABLE if word == WAITING else word}"]


def speaks_of_family(triggers: tuple[str, ...]) -> bool:
    """Whether events of other jobs can fire them: those below the callback's job."""
    return any(trigger.startswith((f"{Scope.CHILD}:", f"{Scope.ANY}:")) for trigger in triggers)


def word_of(event: Event) -> str:
    """What a trigger calls what the event tells; "" where no trigger can name it."""
    if event.kind is EventKind.HISTORY:
        return event.now if event.now in _HAPPENINGS else ""
    return event.now if event.kind in (EventKind.JOB, EventKind.WORK) and event.now in _STATUSES else ""


# Actions -------------------------------------------------------------------------------------------------------------


def parse_action(given: Any) -> Action:
    """The checked action. Raises `BadParameters`, and `BadSpecification` for a command, naming the key."""
    if not isinstance(given, Mapping):
        raise BadParameters('action must be a dictionary such as {"type": "mail", "to": "ann@studio.example"}')
    name = str(given.get("type") or "")
    try:
        kind = ActionKind(name)
    except ValueError:
        hint = near_match(name, list(ActionKind))
        raise BadParameters(f"action.type must be one of {', '.join(ActionKind)}, not {name!r:.40}{hint}") from None
    values = {str(key): value for key, value in given.items() if key != "type" and value is not None and value != ""}
    for key in values:
        if key not in _KEYS[kind]:
            raise BadParameters(f"action: a {kind} has no key {key!r:.60}{near_match(key, _KEYS[kind])}")
    if _KEYS[kind][0] not in values:
        raise BadParameters(f"action: a {kind} needs {_KEYS[kind][0]!r}")
    checked = Action(kind, _CHECKS[kind](values))
    if len(json.dumps(checked.values, default=str)) > LONGEST_ACTION:
        raise BadParameters(f"action is longer than {LONGEST_ACTION} characters: keep long scripts in a file")
    return checked


def _mail(values: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {"to": list(_read("to", as_recipients, values["to"]))}
    if "subject" in values:
        found["subject"] = _text("subject", values["subject"], LONGEST_SUBJECT)
    return found


def _webhook(values: dict[str, Any]) -> dict[str, Any]:
    url = _text("url", values["url"], LONGEST_URL)
    problem = _wrong_with(url)
    if problem:
        raise BadParameters(f"action.url {problem}")
    found = {"url": url}
    if "secret" in values:
        found["secret"] = _text("secret", values["secret"], LONGEST_SECRET)
    return found


def _wrong_with(url: str) -> str:
    """What is wrong with the address of a webhook, "" for nothing. The address itself is not repeated: it may be a
    secret of its own."""
    if not url.isascii() or not url.isprintable() or " " in url:
        return "must be printable ASCII without spaces"
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        return "must be http://host/... or https://host/..."
    if parts.scheme not in ("http", "https") or not host or port == 0:
        return "must be http://host/... or https://host/..."
    if "@" in parts.netloc:
        return "must not carry a user and a password: give a secret, and check the signature"
    return ""


def _command(values: dict[str, Any]) -> dict[str, Any]:
    try:
        (spec,) = parse_jobspec({"name": "a callback", **values}, refuse_unknown=True)
    except BadSpecification as problem:
        raise BadSpecification(f"action.{problem}") from None
    if not spec.command:
        raise BadSpecification("action.command must not be blank")
    return values


def _read(key: str, read: Callable[[Any], Any], value: Any) -> Any:
    try:
        return read(value)
    except Wrong as problem:
        raise BadParameters(f"action.{key} {problem}") from None


def _text(key: str, value: Any, longest: int) -> str:
    text = str(_read(key, as_text, value)).strip()
    if not 0 < len(text) <= longest:
        raise BadParameters(f"action.{key} must have from 1 to {longest} characters")
    return text


_CHECKS: dict[ActionKind, Callable[[dict[str, Any]], dict[str, Any]]] = {
    ActionKind.MAIL: _mail,
    ActionKind.WEBHOOK: _webhook,
    ActionKind.COMMAND: _command,
}
