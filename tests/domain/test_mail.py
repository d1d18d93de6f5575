"""Reasons for mail, addresses, the mail server's name, and what mail says (CONTRACT 2.1, 7.1)."""

from __future__ import annotations

from typing import Any

import pytest

from hqserver.domain.mail import (
    MOST_RECIPIENTS,
    REASONS,
    Happening,
    MailPolicy,
    as_reasons,
    as_recipients,
    error_mail,
    job_mail,
    parse_mail_server,
    reasons_of,
)
from hqserver.domain.status import JOB_NAME_LISTS, JobStatus
from hqserver.domain.values import Wrong

POLICY = MailPolicy("studio", "http://farm:5000")


def test_the_reasons_are_those_of_the_contract() -> None:
    """CONTRACT 7.1, the list of valid reasons."""
    assert ", ".join(REASONS) == (
        "abandoned, cancelled, ejected, ejecting, failed, paused, pausing, priority changed, queued, rescheduled, "
        "resumed, resuming, runnable, running, succeeded, waiting"
    )


@pytest.mark.parametrize("name_list", JOB_NAME_LISTS)
def test_each_of_hqueues_name_lists_is_a_list_of_reasons(name_list: str) -> None:
    """Submitters join them into emailReasons (CONTRACT 1.2)."""
    names = JOB_NAME_LISTS[name_list]
    assert as_reasons(list(names)) == as_reasons(",".join(names)) == tuple(str(name) for name in names)


@pytest.mark.parametrize(
    ("given", "reasons"),
    [
        ("", ()),
        (None, ()),
        (0, ()),
        (False, ()),
        ([], ()),
        (" , ", ()),
        ("failed,  Succeeded ,FAILED", ("failed", "succeeded")),
        (["failed,abandoned", "waiting"], ("failed", "abandoned", "waiting")),
        ("Priority  Changed", ("priority changed",)),
        ("priority_changed,priorityChanged", ("priority changed",)),
    ],
)
def test_reasons_are_read_whatever_their_case_and_spaces(given: Any, reasons: tuple[str, ...]) -> None:
    assert as_reasons(given) == reasons


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ("failed, canceled", r"must name reasons for mail \('canceled' is none; did you mean 'cancelled'\?\)"),
        ("xyzzy", r"\('xyzzy' is none\)"),
        ({"failed": 1}, "must be a list of texts"),
        (7, "must be a list of texts"),
    ],
)
def test_what_is_no_reason_is_refused_by_name(given: Any, sentence: str) -> None:
    with pytest.raises(Wrong, match=sentence):
        as_reasons(given)


@pytest.mark.parametrize(
    ("given", "addresses"),
    [
        ("", ()),
        (None, ()),
        ("a@b", ("a@b",)),
        (" ann@studio.example , bob@localhost,, ann@studio.example", ("ann@studio.example", "bob@localhost")),
        (["o'neil+farm@x-y.example", "a.b_c@1.example"], ("o'neil+farm@x-y.example", "a.b_c@1.example")),
    ],
)
def test_recipients_are_a_comma_list_or_a_list(given: Any, addresses: tuple[str, ...]) -> None:
    assert as_recipients(given) == addresses


@pytest.mark.parametrize(
    "address",
    [
        "ann",
        "@studio.example",
        "ann@",
        "a b@studio.example",
        "ann@studio.example\r\nBcc: all@studio.example",
        "ann@studio.example\nann@studio.example",
        "ann\x1b@studio.example",
        "Ann <ann@studio.example>",
        "<ann@studio.example>",
        "ann@studio@example",
        "ann..b@studio.example",
        ".ann@studio.example",
        "ann@-studio.example",
        "ann@studio..example",
        "änn@studio.example",
        "ann@stüdio.example",
        f"{'a' * 65}@studio.example",
        f"ann@{'a' * 64}.example",
        f"ann@{'.'.join(['a' * 60] * 5)}",
    ],
)
def test_what_is_no_address_is_refused_by_name(address: str) -> None:
    for given in ([address], ["good@studio.example", address]):
        with pytest.raises(Wrong, match="must be mail addresses") as caught:
            as_recipients(given)
        assert repr(address[:80]) in str(caught.value)


def test_more_recipients_than_anybody_needs_are_refused() -> None:
    many = [f"a{number}@studio.example" for number in range(MOST_RECIPIENTS)]
    assert len(as_recipients(many)) == MOST_RECIPIENTS
    with pytest.raises(Wrong, match=f"at most {MOST_RECIPIENTS}"):
        as_recipients([*many, "one@studio.example"])


@pytest.mark.parametrize("status", JobStatus)
@pytest.mark.parametrize("event", ["status", "submitted"])
def test_a_status_stands_for_itself_and_runnable_for_waiting_too(event: str, status: JobStatus) -> None:
    """9.7: waiting means the jobs that are runnable."""
    expected = {"runnable", "waiting"} if status == "runnable" else {str(status)}
    assert reasons_of(event, status) == expected


def test_every_reason_is_what_some_line_of_history_stands_for() -> None:
    of_statuses = {reason for status in JobStatus for reason in reasons_of("status", status)}
    events = set(REASONS) - of_statuses
    assert events == {"ejected", "ejecting", "priority changed", "rescheduled", "resumed"}
    for event in events:
        assert reasons_of(event, "running") == {event}


@pytest.mark.parametrize("event", ["unknown property", "taken over", "client lost", ""])
def test_other_lines_stand_for_no_reason_whatever_the_status(event: str) -> None:
    assert reasons_of(event, "failed") == frozenset()


@pytest.mark.parametrize(
    ("text", "security", "found"),
    [
        ("mail", "none", ("mail", 25)),
        ("mail.studio.example", "starttls", ("mail.studio.example", 587)),
        ("mail_1", "tls", ("mail_1", 465)),
        ("127.0.0.1:2525", "tls", ("127.0.0.1", 2525)),
        ("[::1]:26", "none", ("::1", 26)),
        ("[fe80::1]", "none", ("fe80::1", 25)),
    ],
)
def test_the_mail_server_has_the_usual_port_of_its_security(text: str, security: str, found: tuple[str, int]) -> None:
    assert parse_mail_server(text, security) == found


@pytest.mark.parametrize("text", ["mail:0", "mail:65536", "mail:", "::1", "smtp://mail", "a b", "mäil", "x" * 64, ""])
def test_what_is_no_mail_server_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="must be a host or host:port"):
        parse_mail_server(text, "none")


def test_mail_about_a_job_says_what_when_why_where_and_how_to_see_it() -> None:
    happening = Happening("status", "failed", 1_700_000_000.5, "exit code 1", "alpha")
    subject, body = job_mail(POLICY, 417, "shot 12", ["failed", "abandoned"], [happening])
    assert subject == '[studio] job 417 "shot 12" failed'
    assert body == (
        'Job 417 "shot 12" failed.\n\n'
        "When:   2023-11-14 22:13:20 UTC\n"
        "Why:    exit code 1\n"
        "Where:  alpha\n\n"
        "http://farm:5000/jobs/view/417\n\n"
        "The job asks for this mail on: failed, abandoned.\n"
    )


def test_one_mail_tells_of_all_that_happened_and_its_subject_of_the_last() -> None:
    happenings = [
        Happening("rescheduled", "running", 1.0, "exit code 1; 2 tries left", "alpha"),
        Happening("status", "runnable", 1.0),
    ]
    subject, body = job_mail(MailPolicy("studio"), 1, "x", ["waiting"], happenings)
    assert subject == '[studio] job 1 "x" waits for a client'
    assert "What:   was rescheduled" in body
    assert "What:   waits for a client" in body
    assert "http" not in body


@pytest.mark.parametrize("name", ["a\r\nBcc: x@y", "a\x1b[2Jb", "a\u202eb", "a\u2028b", "a\x00b", "x" * 1000])
def test_a_name_never_breaks_the_line_it_stands_on(name: str) -> None:
    happening = Happening("status", "failed", 0.0, f"{name}\nWhere:  the boss's machine")
    subject, body = job_mail(MailPolicy("studio"), 1, name, ["failed"], [happening])
    assert subject.isprintable()
    assert len(subject) < 150
    assert all(line.isprintable() for line in body.split("\n"))
    assert not [line for line in body.split("\n") if line.startswith(("Where:", "Bcc:"))]


def test_names_of_any_language_stay_as_they_are() -> None:
    subject, _ = job_mail(POLICY, 2, "Schuß 映画 🎬", ["failed"], [Happening("status", "failed", 0.0)])
    assert "Schuß 映画 🎬" in subject


def test_mail_about_errors_counts_what_it_leaves_out() -> None:
    assert error_mail(POLICY, ["one"], 1)[0] == "[studio] 1 error of the farm"
    subject, body = error_mail(POLICY, ["one", "two"], 7)
    assert subject == "[studio] 7 errors of the farm"
    assert "one\ntwo\n... and 5 more" in body
    assert "http://farm:5000/" in body
