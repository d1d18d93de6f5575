"""The outbox: which lines of history become mail, and how long a mail is tried (CONTRACT 7.1)."""

from __future__ import annotations

import json
import logging
from dataclasses import replace
from pathlib import Path

import pytest
from farm_kit import Asked, SetClock, open_farm, submit

from hqserver.domain.mail import MailPolicy
from hqserver.services.events import errors, notices
from hqserver.services.farm import Farm, Policy
from hqserver.store import clients
from hqserver.store.clients import ClientRow
from hqserver.store.history import Entry

TWO = ("ann@studio.example", "bob@studio.example")
DAY = 86400.0


@pytest.fixture
def policy() -> Policy:
    return Policy(mail=MailPolicy("studio", "http://farm:5000", ("admin@studio.example",)))


def tell(farm: Farm, *entries: Entry) -> None:
    """What a transaction that writes these lines of history does about mail."""
    farm.database.write(lambda transaction: notices.queue_mail(farm, transaction.connection, entries, farm.clock.now()))


def tell_errors(farm: Farm, *told: tuple[float, str, str]) -> None:
    now = farm.clock.now()
    farm.database.write(lambda transaction: notices.queue_error_mail(farm, transaction.connection, told, now))


def mailing_job(farm: Farm, reasons: str = "failed", recipients: object = ",".join(TWO), name: str = "shot 12") -> int:
    """A job whose row says that it wants mail."""
    job_id = submit(farm, name=name)
    farm.database.write(
        lambda transaction: transaction.connection.execute(
            "UPDATE job SET mail_reasons = ?, specification = ? WHERE id = ?",
            (reasons, json.dumps({"emailTo": recipients}), job_id),
        )
    )
    return job_id


def status(job_id: int, status: str, message: str = "", client_id: int | None = None) -> Entry:
    return Entry(job_id, 1_700_000_000.0, "status", status, message, client_id)


@pytest.mark.parametrize("recipients", [",".join(TWO), list(TWO)])
def test_a_line_that_the_job_named_becomes_one_mail_to_its_recipients(farm: Farm, recipients: object) -> None:
    job_id = mailing_job(farm, recipients=recipients)
    tell(farm, status(job_id, "failed", "exit code 3"))
    (mail,) = notices.due(farm)
    assert mail.recipients == TWO
    assert mail.subject == f'[studio] job {job_id} "shot 12" failed'
    assert "exit code 3" in mail.body
    assert f"http://farm:5000/jobs/view/{job_id}" in mail.body


def test_other_lines_and_other_jobs_send_nothing(farm: Farm) -> None:
    job_id, silent, lost = mailing_job(farm), submit(farm), mailing_job(farm, recipients="")
    tell(farm, status(job_id, "running"), Entry(job_id, 0.0, "client lost", "failed"), status(silent, "failed"))
    tell(farm, status(lost, "failed"), status(999, "failed"))
    tell(farm)
    assert notices.due(farm) == []


def test_several_lines_of_a_job_in_one_transaction_are_one_mail(farm: Farm) -> None:
    first, second = (mailing_job(farm, "rescheduled,waiting", name=name) for name in ("one", "two"))
    tell(
        farm,
        Entry(first, 1.0, "rescheduled", "running", "exit code 1; 2 tries left"),
        status(second, "runnable", "all children succeeded"),
        status(first, "runnable"),
        status(first, "running"),
    )
    mails = {mail.subject: mail.body for mail in notices.due(farm)}
    assert list(mails) == [
        f'[studio] job {first} "one" waits for a client',
        f'[studio] job {second} "two" waits for a client',
    ]
    assert "2 tries left" in mails[f'[studio] job {first} "one" waits for a client']


def test_mail_names_the_client_on_which_it_happened(farm: Farm) -> None:
    row = ClientRow(0, "alpha", "gpu", "hash", "s", "b", "127.0.0.1", 0, "linux-x86_64", 2, 0, 1, "v")
    client_id = farm.database.write(lambda transaction: clients.insert(transaction.connection, row))
    tell(farm, status(mailing_job(farm), "failed", "exit code 1", client_id))
    assert "Where:  alpha:gpu\n" in notices.due(farm)[0].body


def test_the_first_status_of_a_job_is_a_reason_too(farm: Farm) -> None:
    job_id = mailing_job(farm, "queued,runnable")
    tell(farm, Entry(job_id, 0.0, "submitted", "runnable"))
    assert len(notices.due(farm)) == 1


def test_without_a_mail_server_nothing_is_queued(farm: Farm) -> None:
    job_id = mailing_job(farm)
    bare = replace(farm, policy=Policy())
    tell(bare, status(job_id, "failed"))
    tell_errors(bare, (0.0, "dispatch", "broken"))
    assert notices.due(farm) == []


@pytest.mark.parametrize(
    ("configured", "recipients", "reasons", "words"),
    [
        (True, TWO, ("failed",), ""),
        (True, TWO, (), ""),
        (True, (), ("failed",), "emailReasons without emailTo"),
        (False, TWO, ("failed",), "no mail server is configured"),
        (False, TWO, (), ""),
    ],
)
def test_a_job_whose_mail_goes_nowhere_is_told_so(
    configured: bool, recipients: tuple[str, ...], reasons: tuple[str, ...], words: str
) -> None:
    found = notices.warning(MailPolicy("studio") if configured else None, recipients, reasons)
    assert found.startswith(words)
    assert bool(found) == bool(words)


# Trying again --------------------------------------------------------------------------------------------------------


def test_a_mail_that_was_accepted_leaves_the_outbox(farm: Farm) -> None:
    tell(farm, status(mailing_job(farm), "failed"))
    notices.sent(farm, notices.due(farm)[0].id)
    assert notices.due(farm) == []


def test_a_mail_is_tried_again_after_one_minute_then_twice_as_long_up_to_an_hour(farm: Farm, clock: SetClock) -> None:
    tell(farm, status(mailing_job(farm), "failed"))
    waits = []
    for _ in range(9):
        (mail,) = notices.due(farm)
        notices.failed(farm, [mail], "no answer")
        waits.append(0)
        while not notices.due(farm):
            clock.advance(60)
            waits[-1] += 1
    assert waits == [1, 2, 4, 8, 16, 32, 60, 60, 60]


def test_a_mail_is_given_up_after_two_days_with_a_line_in_the_log(
    farm: Farm, clock: SetClock, caplog: pytest.LogCaptureFixture
) -> None:
    tell(farm, status(mailing_job(farm, name="old"), "failed"))
    clock.advance(2 * DAY - 1)
    notices.failed(farm, notices.due(farm), "no answer")
    assert caplog.records == []
    clock.advance(3600)
    tell(farm, status(mailing_job(farm, name="new"), "failed"))
    notices.failed(farm, notices.due(farm), "no answer")
    clock.advance(3600)
    assert [mail.subject.split('"')[1] for mail in notices.due(farm)] == ["new"]
    (record,) = caplog.records
    assert record.levelno == logging.ERROR
    assert "given up after two days" in record.getMessage()
    assert all(address in record.getMessage() for address in TWO)


def test_only_the_recipients_that_are_left_are_tried_again(farm: Farm, clock: SetClock) -> None:
    tell(farm, status(mailing_job(farm), "failed"))
    (mail,) = notices.due(farm)
    notices.failed(farm, [replace(mail, recipients=TWO[1:])], "mailbox busy")
    clock.advance(60)
    assert notices.due(farm)[0].recipients == TWO[1:]


def test_a_clock_that_was_set_back_does_not_hold_mail_up(farm: Farm, clock: SetClock) -> None:
    tell(farm, status(mailing_job(farm), "failed"))
    notices.failed(farm, notices.due(farm), "no answer")
    assert notices.due(farm) == []
    clock.wall -= DAY
    assert len(notices.due(farm)) == 1


def test_queued_mail_outlives_a_restart_of_the_farm(
    farm: Farm, tmp_path: Path, clock: SetClock, asked: Asked, policy: Policy
) -> None:
    tell(farm, status(mailing_job(farm), "failed"))
    before = notices.due(farm)
    again = open_farm(tmp_path, clock, asked, policy)
    try:
        assert notices.due(again) == before != []
    finally:
        again.database.close()


def test_the_outbox_is_handed_over_in_batches_longest_due_first(farm: Farm, clock: SetClock) -> None:
    job_id = mailing_job(farm)
    for _ in range(101):
        tell(farm, status(job_id, "failed"))
        clock.advance(1)
    batch = notices.due(farm)
    assert len(batch) == 100
    assert [mail.queued_at for mail in batch] == sorted(mail.queued_at for mail in batch)


# Errors of the farm --------------------------------------------------------------------------------------------------


def test_the_first_error_is_mailed_at_once_and_the_next_ones_together_five_minutes_later(
    farm: Farm, clock: SetClock
) -> None:
    tell_errors(farm, (clock.now(), "dispatch", "the pass failed"))
    (mail,) = notices.due(farm)
    assert mail.recipients == ("admin@studio.example",)
    assert mail.subject == "[studio] 1 error of the farm"
    assert "2023-11-14 22:13:20 UTC  dispatch: the pass failed" in mail.body
    notices.sent(farm, mail.id)
    for minute in range(4):
        clock.advance(60)
        tell_errors(farm, (clock.now(), "store", f"problem {minute}"), (clock.now(), "store", "another"))
        assert notices.due(farm) == []
    clock.advance(60)
    (digest,) = notices.due(farm)
    assert digest.subject == "[studio] 8 errors of the farm"
    assert all(f"store: problem {minute}" in digest.body for minute in range(4))
    tell_errors(farm, (clock.now(), "store", "too late for this one"))
    assert notices.due(farm) == [digest], "a mail that may be going out is not changed"
    clock.advance(300)
    assert [mail.subject for mail in notices.due(farm)][1:] == ["[studio] 1 error of the farm"]


def test_an_error_after_a_quiet_time_is_mailed_at_once(farm: Farm, clock: SetClock) -> None:
    tell_errors(farm, (clock.now(), "a", "b"))
    clock.advance(300)
    tell_errors(farm, (clock.now(), "c", "d"))
    assert len(notices.due(farm)) == 2


def test_errors_join_a_mail_that_the_server_did_not_take_so_that_an_outage_ends_in_one(
    farm: Farm, clock: SetClock
) -> None:
    tell_errors(farm, (clock.now(), "a", "b"))
    for _ in range(20):
        notices.failed(farm, notices.due(farm), "no answer")
        tell_errors(farm, (clock.now(), "a", "b"))
        clock.advance(3600)
    (mail,) = notices.due(farm)
    assert mail.subject == "[studio] 21 errors of the farm"


def test_what_the_server_logs_as_an_error_is_mailed_to_email_to(farm: Farm) -> None:
    log = errors.ErrorLog()
    log.handle(logging.LogRecord("hqserver.ticks", logging.ERROR, "", 0, "the tick flush failed", (), None))
    errors.flush(farm, log)
    (mail,) = notices.due(farm)
    assert mail.recipients == ("admin@studio.example",)
    assert "ticks: the tick flush failed" in mail.body


def test_a_flood_of_errors_is_told_in_part_and_counted(farm: Farm, clock: SetClock) -> None:
    tell_errors(farm, *((clock.now(), "store", f"problem {number}") for number in range(1000)))
    (mail,) = notices.due(farm)
    assert mail.subject == "[studio] 1000 errors of the farm"
    assert "... and 900 more" in mail.body
    assert len(mail.body.splitlines()) < 120


def test_errors_about_mail_are_not_mailed_which_would_never_end(farm: Farm, clock: SetClock) -> None:
    tell_errors(farm, (clock.now(), "smtp", "refused"), (clock.now(), "notices", "given up"))
    assert notices.due(farm) == []


def test_without_email_to_errors_are_not_mailed(farm: Farm, clock: SetClock) -> None:
    tell_errors(replace(farm, policy=Policy(mail=MailPolicy("studio"))), (clock.now(), "dispatch", "broken"))
    assert notices.due(farm) == []
