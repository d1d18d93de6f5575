"""Handing mail to a real mail server on loopback (CONTRACT 7.1): what arrives, what is tried again, what is dropped."""

from __future__ import annotations

import logging
import socket
import threading
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path

import pytest
from farm_kit import Asked, SetClock, open_farm
from live_farm import wait_until
from post_office import CERTIFICATES, PASSWORD, USER, PostOffice

from hqserver import smtp
from hqserver.domain.mail import MailServer
from hqserver.services.events import notices
from hqserver.services.farm import Farm, Policy
from hqserver.smtp import Mailer, send_due
from hqserver.store import mails

SENDER = "farm@studio.example"


@pytest.fixture
def office(monkeypatch: pytest.MonkeyPatch) -> PostOffice:
    # Looking up this machine's own name for the greeting may take seconds where there is no network.
    monkeypatch.setattr(socket, "getfqdn", lambda name="": "farm.studio.example")
    return PostOffice()


@pytest.fixture
def trusted(monkeypatch: pytest.MonkeyPatch) -> None:
    """The authority of the tests is one that this machine trusts."""
    monkeypatch.setenv("SSL_CERT_FILE", str(CERTIFICATES / "authority.pem"))


def server(office: PostOffice, security: str = "none", user: str = "", password: str = "") -> MailServer:
    host = "127.0.0.1" if security == "none" else "localhost"
    return MailServer(host, office.port, SENDER, security, user, password)


def queue(farm: Farm, *recipients: str, subject: str = "[farm] a job failed", body: str = "It failed.\n") -> int:
    now = farm.clock.now()
    return farm.database.write(
        lambda transaction: mails.add(transaction.connection, recipients, subject, body, now, now)
    )


def waiting(farm: Farm) -> int:
    """How many mails are in the outbox, due or not."""
    with farm.database.read() as connection:
        return len(mails.due(connection, farm.clock.now() + 1e6, farm.clock.now() + 2e6, 1000))


def test_mail_arrives_whole_with_the_headers_of_a_program(farm: Farm, office: PostOffice, clock: SetClock) -> None:
    body = "It failed: Schuß 映画.\n.\n..\nFrom here on\n" + "x" * 2000 + "\n"
    mail_id = queue(farm, "ann@studio.example", "bob@studio.example", subject='[farm] job 1 "Schuß 映画"', body=body)
    with office.open():
        send_due(farm, server(office))
    assert waiting(farm) == 0
    assert office.recipients == ["ann@studio.example", "bob@studio.example"]
    assert office.envelopes[0].mail_from == SENDER
    raw = office.envelopes[0].content
    assert raw.isascii()
    assert max(len(line) for line in raw.split(b"\r\n")) <= 998
    mail = office.mail()
    assert (mail["From"], mail["To"]) == (SENDER, "ann@studio.example, bob@studio.example")
    assert mail["Subject"] == '[farm] job 1 "Schuß 映画"'
    assert mail["Auto-Submitted"] == "auto-generated"
    assert mail["Message-ID"] == f"<hqserver.{mail_id}.1700000000000@studio.example>"
    assert parsedate_to_datetime(mail["Date"]) == datetime.fromtimestamp(clock.now(), UTC)
    assert mail.get_content_charset() == "utf-8"
    assert mail.get_content().replace("\r\n", "\n") == body


def test_one_connection_carries_all_that_is_due(farm: Farm, office: PostOffice) -> None:
    for number in range(5):
        queue(farm, f"a{number}@studio.example")
    with office.open():
        send_due(farm, server(office))
        send_due(farm, server(office))
    assert len(office.envelopes) == 5
    assert office.connections == 1


@pytest.mark.parametrize("security", ["starttls", "tls"])
def test_mail_goes_by_tls_and_with_a_login(farm: Farm, office: PostOffice, security: str, trusted: None) -> None:
    queue(farm, "ann@studio.example")
    with office.open(security=security, login=True):
        send_due(farm, server(office, security, USER, PASSWORD))
    assert office.recipients == ["ann@studio.example"]
    assert (office.secured, office.logins) == ([True], [True])
    assert waiting(farm) == 0


@pytest.mark.parametrize("security", ["starttls", "tls"])
def test_a_server_whose_certificate_is_not_trusted_gets_neither_mail_nor_password(
    farm: Farm, office: PostOffice, security: str, caplog: pytest.LogCaptureFixture
) -> None:
    queue(farm, "ann@studio.example")
    with office.open(security=security, login=True):
        send_due(farm, server(office, security, USER, PASSWORD))
    assert office.envelopes == []
    assert waiting(farm) == 1
    assert "CERTIFICATE_VERIFY_FAILED" in caplog.text
    assert PASSWORD not in caplog.text


def test_a_certificate_for_another_host_is_not_taken(
    farm: Farm, office: PostOffice, trusted: None, caplog: pytest.LogCaptureFixture
) -> None:
    queue(farm, "ann@studio.example")
    with office.open(security="tls"):
        send_due(farm, MailServer("127.0.0.1", office.port, SENDER, "tls"))
    assert office.envelopes == []
    assert "CERTIFICATE_VERIFY_FAILED" in caplog.text


def test_a_server_without_starttls_gets_no_mail_where_it_is_asked_for(
    farm: Farm, office: PostOffice, caplog: pytest.LogCaptureFixture
) -> None:
    queue(farm, "ann@studio.example")
    with office.open():
        send_due(farm, server(office, "starttls"))
    assert office.envelopes == []
    assert "STARTTLS" in caplog.text
    assert waiting(farm) == 1


def test_a_wrong_password_keeps_all_mail_for_later(
    farm: Farm, office: PostOffice, trusted: None, clock: SetClock, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(3):
        queue(farm, "ann@studio.example")
    with office.open(security="starttls", login=True):
        send_due(farm, server(office, "starttls", USER, "wrong"))
        assert (waiting(farm), notices.due(farm)) == (3, [])
        assert "535" in caplog.text
        clock.advance(60)
        send_due(farm, server(office, "starttls", USER, PASSWORD))
    assert len(office.envelopes) == 3


def test_mail_waits_for_a_server_that_is_down_and_goes_out_when_it_is_up(
    farm: Farm, office: PostOffice, clock: SetClock, caplog: pytest.LogCaptureFixture
) -> None:
    with office.open():
        pass  # it has a port now, and does not answer there
    for number in range(3):
        queue(farm, f"a{number}@studio.example")
    send_due(farm, server(office))
    assert notices.due(farm) == []
    assert [record.levelno for record in caplog.records] == [logging.WARNING]
    assert "3 mails wait" in caplog.text
    with office.open():
        clock.advance(59)
        send_due(farm, server(office))
        assert office.envelopes == []
        clock.advance(1)
        send_due(farm, server(office))
    assert len(office.envelopes) == 3
    assert waiting(farm) == 0


def test_mail_that_was_queued_before_a_restart_is_sent_after_it(
    farm: Farm, office: PostOffice, tmp_path: Path, clock: SetClock, asked: Asked, policy: Policy
) -> None:
    queue(farm, "ann@studio.example")
    farm.database.close()
    again = open_farm(tmp_path, clock, asked, policy)
    with closing(again.database), office.open():
        send_due(again, server(office))
        assert office.recipients == ["ann@studio.example"]
        assert waiting(again) == 0


# Refusals ------------------------------------------------------------------------------------------------------------


def test_a_recipient_that_is_refused_for_good_is_dropped_and_holds_nobody_up(
    farm: Farm, office: PostOffice, caplog: pytest.LogCaptureFixture
) -> None:
    queue(farm, "gone@studio.example", "ann@studio.example")
    queue(farm, "gone@studio.example")
    queue(farm, "bob@studio.example")
    with office.open():
        send_due(farm, server(office))
    assert office.recipients == ["ann@studio.example", "bob@studio.example"]
    assert waiting(farm) == 0
    assert [record.levelno for record in caplog.records] == [logging.ERROR] * 2
    assert "mail to gone@studio.example is refused" in caplog.text
    assert "550 5.1.1 nobody of that name" in caplog.text


def test_a_recipient_that_is_refused_for_now_alone_is_tried_again(
    farm: Farm, office: PostOffice, clock: SetClock
) -> None:
    queue(farm, "ann@studio.example", "busy@studio.example", "gone@studio.example")
    with office.open():
        send_due(farm, server(office))
        clock.advance(60)
        (again,) = notices.due(farm)
        assert again.recipients == ("busy@studio.example",)
        send_due(farm, server(office))
    assert office.recipients == ["ann@studio.example"], "nobody gets it twice"
    assert waiting(farm) == 1


def test_a_text_that_is_refused_for_good_is_dropped(
    farm: Farm, office: PostOffice, caplog: pytest.LogCaptureFixture
) -> None:
    queue(farm, "ann@studio.example", body="spam\n")
    queue(farm, "bob@studio.example")
    with office.open():
        send_due(farm, server(office))
    assert office.recipients == ["bob@studio.example"]
    assert waiting(farm) == 0
    assert "554 5.7.1 we do not like that" in caplog.text


def test_a_sender_that_is_refused_keeps_all_mail_for_later(
    farm: Farm, office: PostOffice, clock: SetClock, caplog: pytest.LogCaptureFixture
) -> None:
    """It is the configuration that is wrong, and no mail is lost by that."""
    office.unwelcome.add(SENDER)
    for number in range(3):
        queue(farm, f"a{number}@studio.example")
    with office.open():
        send_due(farm, server(office))
        assert (waiting(farm), notices.due(farm)) == (3, [])
        assert "550 5.7.1 no mail from here" in caplog.text
        office.unwelcome.clear()
        clock.advance(60)
        send_due(farm, server(office))
    assert len(office.envelopes) == 3


def test_a_mail_that_makes_the_server_hang_up_holds_up_no_other(
    farm: Farm, office: PostOffice, clock: SetClock
) -> None:
    queue(farm, "hangup@studio.example")
    queue(farm, "ann@studio.example")
    with office.open():
        send_due(farm, server(office))
        assert [mail.recipients for mail in notices.due(farm)] == [("ann@studio.example",)]
        send_due(farm, server(office))
    assert office.recipients == ["ann@studio.example"]
    assert waiting(farm) == 1


def test_a_server_that_closes_in_the_middle_loses_no_recipient(farm: Farm, office: PostOffice, clock: SetClock) -> None:
    """421 for the second of three: the first was accepted but never served, the third never asked for."""
    queue(farm, "gone@studio.example", "ann@studio.example", "closing@studio.example", "bob@studio.example")
    queue(farm, "next@studio.example")
    with office.open():
        send_due(farm, server(office))
        assert office.envelopes == []
        assert [mail.recipients for mail in notices.due(farm)] == [("next@studio.example",)]
        clock.advance(60)
        left = {recipient for mail in notices.due(farm) for recipient in mail.recipients}
    assert left == {"ann@studio.example", "closing@studio.example", "bob@studio.example", "next@studio.example"}


def test_a_crash_after_the_server_accepted_sends_twice_under_one_message_id_and_never_loses(
    farm: Farm, office: PostOffice, monkeypatch: pytest.MonkeyPatch
) -> None:
    queue(farm, "ann@studio.example")

    def crash(farm: Farm, mail_id: int) -> None:
        raise RuntimeError("power cut")

    with office.open():
        with monkeypatch.context() as broken:
            broken.setattr(notices, "sent", crash)
            with pytest.raises(RuntimeError):
                send_due(farm, server(office))
        send_due(farm, server(office))
    assert office.recipients == ["ann@studio.example"] * 2
    assert office.mail(0)["Message-ID"] == office.mail(1)["Message-ID"]
    assert office.mail(0)["Date"] == office.mail(1)["Date"]


# The thread ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def silent() -> Iterator[socket.socket]:
    """A server that takes connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.settimeout(10)
        yield listening


def test_a_silent_server_is_left_after_a_time_and_its_mail_kept(
    farm: Farm, silent: socket.socket, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(smtp, "_ANSWER_SECONDS", 0.1)
    queue(farm, "ann@studio.example")
    send_due(farm, MailServer(*silent.getsockname(), SENDER))
    assert (waiting(farm), notices.due(farm)) == (1, [])
    assert "timed out" in caplog.text


def names_of_threads() -> list[str]:
    return [thread.name for thread in threading.enumerate()]


def test_the_mailer_sends_when_asked_and_goes_on_after_trouble(
    farm: Farm, office: PostOffice, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    troubles = iter([RuntimeError("out of paper")])

    def troubled(*arguments: object) -> None:
        for trouble in troubles:
            raise trouble
        send_due(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(smtp, "send_due", troubled)
    queue(farm, "ann@studio.example")
    with office.open():
        mailer = Mailer(farm, server(office))
        mailer.start()
        mailer.ask()
        wait_until(lambda: "out of paper" in caplog.text, what="the trouble")
        mailer.ask()
        wait_until(lambda: waiting(farm) == 0, what="the mail to be sent")
        mailer.stop()
    assert "mailer" not in names_of_threads()


def test_a_mailer_that_hangs_neither_blocks_its_asker_nor_the_end(
    farm: Farm, silent: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(smtp, "_STOP_SECONDS", 0.1)
    queue(farm, "ann@studio.example")
    mailer = Mailer(farm, MailServer(*silent.getsockname(), SENDER))
    mailer.start()
    mailer.ask()
    connection, _ = silent.accept()
    with connection:
        mailer.ask()
        mailer.stop()
        assert "mailer" in names_of_threads(), "it waited for the server"
        assert waiting(farm) == 1
    wait_until(lambda: "mailer" not in names_of_threads(), what="the thread to end with its connection")


def test_a_mailer_that_was_never_started_can_be_stopped(farm: Farm, silent: socket.socket) -> None:
    Mailer(farm, MailServer(*silent.getsockname(), SENDER)).stop()


def test_the_servers_password_is_never_shown(office: PostOffice) -> None:
    assert PASSWORD not in repr(server(office, "tls", USER, PASSWORD))
