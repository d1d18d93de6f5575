"""Triggers and actions of callbacks: what is read, what is refused, what is told (CONTRACT 10)."""

from __future__ import annotations

import hashlib
import hmac
from typing import Any

import pytest

from hqserver.domain.callback import Action, parse_action, parse_triggers, speaks_of_family, word_of
from hqserver.domain.delivery import JobFacts, document, job_of_command, signature
from hqserver.domain.errors import BadParameters, BadSpecification
from hqserver.domain.event import Event, EventKind

FACTS = JobFacts("shot 12", "failed", "u1", 7, 3, "ann", {"show": "dragon"})
EVENT = Event(EventKind.WORK, 8, 7, "5-9", "alpha", "running", "failed", "exit 1", id=41, at=1_700_000_000.0)
URL = "https://pipeline.example:8443/farm?token=x"


@pytest.mark.parametrize(
    ("given", "triggers"),
    [
        ("failed", ("job:failed",)),
        (["job:failed", "failed", " Work:Blocked "], ("job:failed", "work:blocked")),
        ("child:finished", ("child:succeeded", "child:failed", "child:cancelled", "child:abandoned")),
        ("any:waiting,any:priority changed", ("any:runnable", "any:priority changed")),
        ("job:ejected, ,", ("job:ejected",)),
    ],
)
def test_a_trigger_is_a_scope_and_a_status(given: Any, triggers: tuple[str, ...]) -> None:
    assert parse_triggers(given, farm_wide=False) == triggers


@pytest.mark.parametrize(
    ("given", "farm_wide", "words"),
    [
        ("job:fialed", False, "no job becomes 'fialed' ('job:fialed'); did you mean 'failed'?"),
        ("work:rescheduled", False, "no piece of work becomes 'rescheduled'"),
        ("children:failed", False, "did you mean 'child'?"),
        ("child:failed", True, "needs a job"),
        ("job:blocked", False, "no job becomes 'blocked'"),
        (" , ", False, "names nothing"),
        ([], False, "names nothing"),
        ([5], False, "must be a list of texts"),
        ({"on": "job"}, False, "must be a list of texts"),
    ],
)
def test_a_trigger_that_means_nothing_is_refused(given: Any, farm_wide: bool, words: str) -> None:
    with pytest.raises(BadParameters, match="triggers") as caught:
        parse_triggers(given, farm_wide=farm_wide)
    assert words in str(caught.value)


def test_only_children_and_any_speak_of_other_jobs() -> None:
    assert not speaks_of_family(("job:failed", "work:failed"))
    assert speaks_of_family(("job:failed", "child:failed"))
    assert speaks_of_family(("any:failed",))


@pytest.mark.parametrize(
    ("kind", "now", "word"),
    [
        (EventKind.JOB, "failed", "failed"),
        (EventKind.JOB, "deleted", ""),
        (EventKind.WORK, "blocked", "blocked"),
        (EventKind.HISTORY, "rescheduled", "rescheduled"),
        (EventKind.HISTORY, "paused", ""),
        (EventKind.HISTORY, "submitted", ""),
        (EventKind.RUN, "failed", ""),
    ],
)
def test_an_event_has_the_word_by_which_triggers_name_it(kind: EventKind, now: str, word: str) -> None:
    assert word_of(EVENT._replace(kind=kind, now=now)) == word


# Actions -------------------------------------------------------------------------------------------------------------


def test_actions_are_read() -> None:
    mail = parse_action({"type": "mail", "to": "ann@studio.example,bob@studio.example", "subject": ""})
    assert mail.shown == {"type": "mail", "to": ["ann@studio.example", "bob@studio.example"]}
    command = parse_action({"type": "command", "command": "tell", "cpus": 2})
    assert command.shown == {"type": "command", "command": "tell", "cpus": 2}
    assert (mail.target, command.target) == ("", "")


def test_a_secret_is_never_shown() -> None:
    action = parse_action({"type": "webhook", "url": URL, "secret": "hush"})
    assert action.shown == {"type": "webhook", "url": URL, "signed": True}
    assert parse_action({"type": "webhook", "url": URL}).shown["signed"] is False
    assert action.target == "https://pipeline.example:8443"


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ("mail", "must be a dictionary"),
        ({"type": "male"}, "not 'male'; did you mean 'mail'?"),
        ({}, "must be one of mail, webhook, command, not ''"),
        ({"type": "mail"}, "a mail needs 'to'"),
        ({"type": "mail", "to": "ann"}, "action.to must be mail addresses"),
        ({"type": "mail", "to": "a@b.c", "subjekt": "x"}, "has no key 'subjekt'; did you mean 'subject'?"),
        ({"type": "mail", "to": "a@b.c", "subject": "x" * 201}, "action.subject must have from 1 to 200"),
        ({"type": "webhook", "url": "ftp://host/x"}, "action.url must be http"),
        ({"type": "webhook", "url": "file:///etc/passwd"}, "action.url must be http"),
        ({"type": "webhook", "url": "http:///x"}, "action.url must be http"),
        ({"type": "webhook", "url": "http://host:99999/"}, "action.url must be http"),
        ({"type": "webhook", "url": "http://[::1/"}, "action.url must be http"),
        ({"type": "webhook", "url": "http://u:p@host/"}, "must not carry a user and a password"),
        ({"type": "webhook", "url": "http://host/ HTTP/1.1\r\nX: y"}, "printable ASCII without spaces"),
        ({"type": "webhook", "url": "http://host/\r\nX:y"}, "printable ASCII without spaces"),
        ({"type": "command"}, "a command needs 'command'"),
        ({"type": "command", "command": "x", "submitKey": "k"}, "has no key 'submitKey'"),
        ({"type": "command", "command": "x", "children": [{"name": "c"}]}, "has no key 'children'"),
        ({"type": "command", "command": "x" * 20_000}, "longer than 20000"),
    ],
)
def test_an_action_that_means_nothing_is_refused(given: Any, words: str) -> None:
    with pytest.raises(BadParameters) as caught:
        parse_action(given)
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"command": "x", "cpus": "many"}, "action.cpus must be a whole number"),
        ({"command": "   "}, "action.command must not be blank"),
    ],
)
def test_a_command_is_checked_like_any_job(values: dict[str, Any], words: str) -> None:
    with pytest.raises(BadSpecification) as caught:
        parse_action({"type": "command", **values})
    assert words in str(caught.value)


# What is told --------------------------------------------------------------------------------------------------------


def test_a_webhook_tells_the_event_and_its_job() -> None:
    assert document(3, EVENT, FACTS) == {
        "callback": 3,
        "id": 41,
        "time": "2023-11-14T22:13:20Z",
        "kind": "work",
        "job": 8,
        "work": "5-9",
        "client": "alpha",
        "was": "running",
        "now": "failed",
        "reason": "exit 1",
        "attributes": {
            "name": "shot 12",
            "status": "failed",
            "uuid": "u1",
            "root": 7,
            "priority": 3,
            "submittedBy": "ann",
            "properties": {"show": "dragon"},
        },
    }


def test_a_signature_is_the_hmac_of_the_bytes_that_are_sent() -> None:
    assert signature("hush", b"{}") == "sha256=" + hmac.new(b"hush", b"{}", hashlib.sha256).hexdigest()


def test_a_command_becomes_a_job_of_who_submitted_the_other() -> None:
    told = document(3, EVENT._replace(reason="a\0b"), FACTS)
    action = Action(parse_action({"type": "command", "command": "x"}).kind, {"command": "tell", "cpus": 2})
    job = job_of_command({**action.values, "environment": {"SHOW": "dragon", "HQ_EVENT": "lie"}}, told)
    assert (job["name"], job["submittedBy"]) == ("callback 3: job 8 5-9 failed", "ann")
    assert (job["command"], job["cpus"]) == ("tell", 2)
    assert job["environment"] == {
        "SHOW": "dragon",
        "HQ_EVENT": "41",
        "HQ_EVENT_TIME": "2023-11-14T22:13:20Z",
        "HQ_EVENT_KIND": "work",
        "HQ_EVENT_JOB": "8",
        "HQ_EVENT_JOB_NAME": "shot 12",
        "HQ_EVENT_WORK": "5-9",
        "HQ_EVENT_CLIENT": "alpha",
        "HQ_EVENT_WAS": "running",
        "HQ_EVENT_NOW": "failed",
        "HQ_EVENT_REASON": "ab",
        "HQ_EVENT_CALLBACK": "3",
    }
