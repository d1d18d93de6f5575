"""Python 3's own ServerProxy with each of its options, over a real socket (CONTRACT 1.1, 9.2)."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any
from xmlrpc.client import DateTime, Fault, MultiCall, ServerProxy

import pytest
from live_farm import LiveFarm

pytestmark = pytest.mark.farm


@contextmanager
def proxy(farm: LiveFarm, path: str = "", **options: Any) -> Iterator[Any]:
    with ServerProxy(farm.url + path, **options) as found:
        yield found


@pytest.mark.parametrize("path", ["", "/", "/RPC2", "/RPC2/nonil"])
def test_a_url_may_name_each_path_or_none(farm_of_callers: LiveFarm, path: str) -> None:
    with proxy(farm_of_callers, path) as hq:
        assert hq.ping() is True


def test_times_are_of_the_type_that_was_asked_for(farm_of_callers: LiveFarm) -> None:
    """9.2: dates are exactly YYYYMMDDTHH:MM:SS, which all three options read."""
    (job,) = farm_of_callers.call("newjob", {"name": "dated"})
    times: list[Any] = []
    choices: list[dict[str, Any]] = [{}, {"use_datetime": True}, {"use_builtin_types": True}]
    for options in choices:
        with proxy(farm_of_callers, **options) as hq:
            times.append(hq.getJob(job, ["queueTime"])["queueTime"])
    plain, *built_in = times
    assert [type(time) for time in times] == [DateTime, datetime, datetime]
    assert built_in == [datetime.strptime(plain.value, "%Y%m%dT%H:%M:%S")] * 2  # noqa: DTZ007  # naive on the wire


def test_none_is_sent_and_read_with_allow_none_and_an_empty_string_does_as_well(farm_of_callers: LiveFarm) -> None:
    """9.2"""
    with proxy(farm_of_callers, allow_none=True) as hq:
        (job,) = hq.newjob({"name": "nothing", "description": None}, None)
        assert hq.addNote("by None", None, job, None) is True
        assert hq.getJob(job, None)["startTime"] is None
        (client,) = hq.getClients(None, ["id", "hostname"])
    with proxy(farm_of_callers) as hq, pytest.raises(TypeError, match="None"):
        hq.getClients(None)
    with proxy(farm_of_callers) as hq:
        assert hq.addNote("by text", "", job, "") is True
        assert hq.getClients("", ["id", "hostname"]) == [client]
        assert hq.getJob(job, ["latestNote"])["latestNote"] == "by text"


def test_a_verbose_proxy_shows_the_exchange(farm_of_callers: LiveFarm, capsys: pytest.CaptureFixture[str]) -> None:
    with proxy(farm_of_callers, verbose=True) as hq:
        assert hq.ping() is True
    shown = capsys.readouterr().out
    assert "POST /RPC2 HTTP/1.1" in shown
    assert "HTTP/1.1 200 OK" in shown
    assert "<boolean>1</boolean>" in shown


def test_headers_of_the_callers_own_are_taken(farm_of_callers: LiveFarm) -> None:
    with proxy(farm_of_callers, headers=[("X-Show", "spring"), ("Authorization", "Basic dXNlcjpwYXNz")]) as hq:
        assert hq.ping() is True


def test_many_calls_in_one_request_are_answered_each_for_itself(farm_of_callers: LiveFarm) -> None:
    with proxy(farm_of_callers) as hq:
        calls = MultiCall(hq)
        calls.ping()
        calls.getJob(999_999_999)
        calls.getVersion()
        answers: Any = calls()
        assert (answers[0], answers[2]) == (True, farm_of_callers.call("getVersion"))
        with pytest.raises(Fault, match="there is no job 999999999"):
            answers[1]


def test_the_proxy_goes_on_by_itself_after_the_server_was_restarted(live: LiveFarm) -> None:
    """It finds the connection it kept closed, and repeats the call on a new one."""
    with proxy(live) as hq:
        (job,) = hq.newjob({"name": "before"})
        assert live.server is not None
        live.server.end()
        live.start_server()
        assert hq.getJob(job, ["name"])["name"] == "before"


@contextmanager
def relay_that_loses_the_first_answer(farm: LiveFarm) -> Iterator[str]:
    """The URL of a relay to the farm: the first call is delivered, and its answer never comes back."""

    def carry() -> None:
        for loses in (True, False):
            with listening.accept()[0] as caller, socket.create_connection(("127.0.0.1", farm.port)) as server:
                server.sendall(request_of(caller))
                answer = request_of(server)  # framed alike
                if not loses:
                    caller.sendall(answer)

    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=carry)
        thread.start()
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        finally:
            thread.join(20)


def request_of(peer: socket.socket) -> bytes:
    """One message of HTTP with a Content-Length, head and body."""
    message = b""
    while b"\r\n\r\n" not in message:
        message += peer.recv(65536)
    head, _, body = message.partition(b"\r\n\r\n")
    length = next(int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
    while len(body) < length:
        piece = peer.recv(65536)
        assert piece
        message, body = message + piece, body + piece
    return message


def test_a_submission_that_the_proxy_repeats_makes_one_job(farm_of_callers: LiveFarm) -> None:
    """The library posts again by itself when a connection ends without an answer; a submitKey makes that harmless."""
    with relay_that_loses_the_first_answer(farm_of_callers) as url, ServerProxy(url) as hq:
        ids = hq.newjob({"name": "once only", "submitKey": "once only"})
    names = farm_of_callers.call("getJobs", farm_of_callers.call("getFinishedRootJobIds"), ["name"])
    assert [job["id"] for job in names if job["name"] == "once only"] == ids
