"""Sending webhooks to a real HTTP server on loopback: what arrives, what is tried again, where none may go."""

from __future__ import annotations

import hashlib
import hmac
import json
import logging
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
from farm_kit import Asked, SetClock, open_farm, submit
from live_farm import wait_until
from post_office import CERTIFICATES, server_context
from receiver import Receiver

from hqserver import webhooks
from hqserver.services import callbacks, deliveries
from hqserver.services.control import commands
from hqserver.services.farm import Farm, Policy
from hqserver.webhooks import Deliverer, may_be_called

pytestmark = pytest.mark.slow

SECRET = "hush, a seçret"


@pytest.fixture
def receiver() -> Receiver:
    return Receiver()


def happen(farm: Farm, url: str, count: int = 1, **more: str) -> int:
    """Have a callback of a new job fire so often; its id, and the job's: each job here has one."""
    job = submit(farm, name="shot", command="x")
    number = callbacks.add(farm, job, "priority changed", {"type": "webhook", "url": url, **more}, "ann")
    for priority in range(1, count + 1):
        commands.set_priority(farm, [job], priority)
    return number


def of(farm: Farm, number: int) -> dict[str, Any]:
    return next(each for each in callbacks.listed(farm, number) if each["id"] == number)


def deliver(farm: Farm) -> None:
    webhooks.deliver_due(farm, loopback=True)


@contextmanager
def answering(answer: bytes, *, hang: bool = False) -> Iterator[int]:
    """A server that answers one connection with these bytes, whatever it is asked; its port. `hang`: one byte every
    30 ms, for as long as somebody listens."""

    def serve() -> None:
        with closing(listener.accept()[0]) as connection:
            connection.recv(65536)
            try:
                while hang:
                    connection.sendall(answer)
                    time.sleep(0.03)
                connection.sendall(answer)
            except OSError:
                pass

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            thread.join()


def test_a_webhook_arrives_whole_and_once(farm: Farm, receiver: Receiver) -> None:
    with receiver.open():
        number = happen(farm, receiver.url)
        deliver(farm)
        deliver(farm)
    (post,) = receiver.posts
    assert post.path == "/farm?token=x"
    assert post.headers["Content-Type"] == "application/json"
    assert post.headers["Host"] == f"127.0.0.1:{receiver.port}"
    assert post.headers["X-HQ-Callback"] == str(number)
    assert post.headers["X-HQ-Event"] == str(post.json["id"])
    assert post.headers["X-HQ-Signature"] is None
    assert (post.json["job"], post.json["now"], post.json["reason"]) == (1, "priority changed", "from 0 to 1")
    assert post.json["attributes"]["name"] == "shot"
    found = of(farm, number)
    assert (found["fired"], found["waiting"], found["failed"], found["lastError"]) == (1, 0, 0, "")


def test_a_receiver_with_the_secret_can_check_who_sent_it(farm: Farm, receiver: Receiver) -> None:
    with receiver.open():
        happen(farm, receiver.url, secret=SECRET)
        deliver(farm)
    (post,) = receiver.posts
    expected = hmac.new(SECRET.encode(), post.body, hashlib.sha256).hexdigest()
    assert post.headers["X-HQ-Signature"] == f"sha256={expected}"


def test_what_fails_comes_again_later_with_the_same_id(farm: Farm, receiver: Receiver, clock: SetClock) -> None:
    receiver.answers.extend([500, 503])
    with receiver.open():
        number = happen(farm, receiver.url)
        deliver(farm)
        clock.advance(9.9)
        deliver(farm)
        assert len(receiver.posts) == 1
        assert of(farm, number)["lastError"] == "it answered 500"
        clock.advance(0.2)
        deliver(farm)
        clock.advance(19)
        deliver(farm)
        assert len(receiver.posts) == 2, "after 10 s, then after 20 s"
        clock.advance(2)
        deliver(farm)
    assert len(receiver.posts) == 3
    assert len({post.json["id"] for post in receiver.posts}) == 1
    assert of(farm, number)["waiting"] == 0


def test_a_webhook_that_nobody_takes_is_given_up_with_an_error(
    farm: Farm, receiver: Receiver, clock: SetClock, caplog: pytest.LogCaptureFixture
) -> None:
    receiver.answers.extend([404] * 100)
    with receiver.open():
        number = happen(farm, receiver.url)
        for _ in range(deliveries.MOST_ATTEMPTS + 3):
            deliver(farm)
            clock.advance(3601)
    assert len(receiver.posts) == deliveries.MOST_ATTEMPTS
    found = of(farm, number)
    assert (found["waiting"], found["failed"], found["lastError"]) == (0, 1, "it answered 404")
    (error,) = [record.getMessage() for record in caplog.records if record.levelno == logging.ERROR]
    target = f"http://127.0.0.1:{receiver.port}"
    assert error == f"callback {number}: the webhook to {target} is given up after 15 tries: it answered 404"
    assert "token" not in caplog.text


def test_one_that_is_refused_holds_up_no_other(farm: Farm, receiver: Receiver, clock: SetClock) -> None:
    receiver.answers.append(500)
    with receiver.open():
        number = happen(farm, receiver.url, 3)
        deliver(farm)
        assert [post.json["reason"][-1] for post in receiver.posts] == ["1", "2", "3"]
        assert of(farm, number)["waiting"] == 1


def test_a_receiver_that_is_away_is_asked_once_for_all_that_waits_for_it(
    farm: Farm, receiver: Receiver, clock: SetClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []
    connect = webhooks._connected
    monkeypatch.setattr(webhooks, "_connected", lambda *words: asked.append(words) or connect(*words))
    with receiver.open():
        pass
    away = [happen(farm, receiver.url, 3) for _ in range(2)]
    other = Receiver()
    with other.open():
        happen(farm, other.url)
        deliver(farm)
    assert len(other.posts) == 1
    assert [words[1] for words in asked] == [receiver.port, other.port]
    assert of(farm, away[0])["lastError"] == "Connection refused"
    clock.advance(10)
    with receiver.open():
        deliver(farm)
    assert len(receiver.posts) == 6
    assert len({post.json["id"] for post in receiver.posts}) == 6


def test_an_address_that_hangs_keeps_no_other_of_its_host_waiting(
    farm: Farm, receiver: Receiver, clock: SetClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(webhooks, "_WHOLE_SECONDS", 0.5)
    over = threading.Event()
    receiver.before_answer = lambda post: over.wait(30) if post.path == "/hang" else None
    with receiver.open():
        hangs = happen(farm, f"http://127.0.0.1:{receiver.port}/hang", 2)
        answers = happen(farm, receiver.url, 2)
        deliver(farm)
        over.set()
    assert [post.path for post in receiver.posts] == ["/hang", "/farm?token=x", "/farm?token=x"]
    assert (of(farm, hangs)["waiting"], of(farm, answers)["waiting"]) == (2, 0)
    assert of(farm, hangs)["lastError"] == "no answer within 0 s"
    clock.advance(10)
    with receiver.open():
        deliver(farm)
    assert (of(farm, hangs)["waiting"], of(farm, hangs)["lastError"]) == (0, "")


def test_redirects_are_not_followed(farm: Farm, receiver: Receiver) -> None:
    receiver.answers.append(307)
    with receiver.open():
        number = happen(farm, receiver.url)
        deliver(farm)
    assert [post.path for post in receiver.posts] == ["/farm?token=x"]
    assert of(farm, number)["lastError"] == "it answered 307: redirects are not followed"


@pytest.mark.parametrize(
    ("answer", "hang", "error"),
    [
        (b"", False, "what it answered is not HTTP"),
        (b"220 mail.example ESMTP\r\n", False, "what it answered is not HTTP"),
        (b"HTTP/1.1 200 OK\r\nX: ", True, "no answer within 1 s"),  # a head without end
        (b"H", True, "no answer within 1 s"),
        (b"HTTP/1.1 100 Continue\r\n\r\n", True, "no answer within 1 s"),
    ],
)
def test_a_receiver_that_is_none_is_left_in_time(
    farm: Farm, monkeypatch: pytest.MonkeyPatch, answer: bytes, hang: bool, error: str
) -> None:
    monkeypatch.setattr(webhooks, "_WHOLE_SECONDS", 1.0)
    with answering(answer, hang=hang) as port:
        number = happen(farm, f"http://127.0.0.1:{port}/")
        deliver(farm)
    found = of(farm, number)
    assert (found["lastError"], found["waiting"]) == (error, 1)


@contextmanager
def over_tls(receiver: Receiver) -> Iterator[str]:
    """The receiver behind TLS with the certificate of the tests, for localhost; its URL."""

    def relay() -> None:
        with closing(listener.accept()[0]) as plain:
            try:
                with server_context().wrap_socket(plain, server_side=True) as secured:
                    received.append(secured.recv(65536))
                    secured.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
            except ssl.SSLError:
                pass

    received: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=relay)
        thread.start()
        try:
            yield f"https://localhost:{listener.getsockname()[1]}/secure"
        finally:
            thread.join()
    if received:
        head, _, body = received[0].partition(b"\r\n\r\n")
        assert head.startswith(b"POST /secure HTTP/1.1")
        assert json.loads(body)["now"] == "priority changed"


@pytest.mark.parametrize("trusted", [True, False])
def test_a_certificate_is_checked(farm: Farm, monkeypatch: pytest.MonkeyPatch, trusted: bool) -> None:
    if trusted:
        monkeypatch.setenv("SSL_CERT_FILE", str(CERTIFICATES / "authority.pem"))
    with over_tls(Receiver()) as url:
        number = happen(farm, url)
        deliver(farm)
    found = of(farm, number)
    assert (found["waiting"] == 0) is trusted
    assert found["lastError"].startswith("its certificate is not trusted") is not trusted


# Where webhooks may go -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("address", "allowed"),
    [
        ("93.184.216.34", True),
        ("10.0.0.7", True),
        ("2606:2800:220:1::1", True),
        ("fd00::7", True),
        ("169.254.169.254", False),
        ("fe80::1%eth0", False),
        ("::ffff:169.254.169.254", False),
        ("0.0.0.0", False),
        ("::", False),
        ("224.0.0.1", False),
        ("255.255.255.255", False),
    ],
)
def test_addresses_of_one_link_alone_are_never_called(address: str, allowed: bool) -> None:
    assert [may_be_called(address, loopback=loopback) for loopback in (True, False)] == [allowed, allowed]


@pytest.mark.parametrize("address", ["127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1"])
def test_the_machine_itself_is_called_only_where_it_serves_itself_alone(address: str) -> None:
    assert may_be_called(address, loopback=True)
    assert not may_be_called(address, loopback=False)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "127.1", "2130706433"])
def test_a_forbidden_address_is_not_connected_to_however_it_is_written(
    farm: Farm, receiver: Receiver, host: str
) -> None:
    with receiver.open():
        number = happen(farm, f"http://{host}:{receiver.port}/")
        webhooks.deliver_due(farm, loopback=False)
    assert receiver.posts == []
    assert "are not sent to" in of(farm, number)["lastError"]


def test_a_host_that_is_none_is_an_error_like_any_other(farm: Farm, monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*words: object, **more: object) -> None:
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    number = happen(farm, "http://nowhere.example/")
    deliver(farm)
    assert of(farm, number)["lastError"] == "there is no host nowhere.example"


# The thread ----------------------------------------------------------------------------------------------------------


def test_a_receiver_that_hangs_delays_neither_the_farm_nor_its_end(
    tmp_path: Path, clock: SetClock, asked: Asked, receiver: Receiver
) -> None:
    farm = open_farm(tmp_path, clock, asked, Policy())
    held = threading.Event()
    receiver.before_answer = lambda post: held.wait(20)
    deliverer = Deliverer(farm, loopback=True)
    with closing(farm.database), receiver.open():
        happen(farm, receiver.url, 2)
        deliverer.start()
        deliverer.ask()
        wait_until(lambda: receiver.posts, what="the first of them")
        submit(farm, command="x")
        held.set()
        wait_until(lambda: len(receiver.posts) == 2, what="the second")
        wait_until(lambda: not deliveries.due_webhooks(farm), what="both to be settled")
        deliverer.stop()
    assert not [each for each in threading.enumerate() if each.name == "deliverer"]


def test_the_thread_outlives_an_error_and_says_so(
    farm: Farm, receiver: Receiver, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    happen(farm, "http://127.0.0.1:9/")
    tried = threading.Event()

    def broken(*words: object, **more: object) -> int:
        tried.set()
        raise RuntimeError("a bug")

    monkeypatch.setattr(webhooks, "send", broken)
    deliverer = Deliverer(farm, loopback=True)
    deliverer.start()
    for _ in range(2):
        tried.clear()
        deliverer.ask()
        assert tried.wait(20)
    deliverer.stop()
    assert "delivering callbacks failed" in caplog.text
