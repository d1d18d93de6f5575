"""T19, XML-RPC and HTTP: what PROMISES 6.1 lists, row by row, against a real server that somebody else pings.

No answer is an HTTP 500 or tells a Python class name; what holds after each case, the fixture says (P10).
"""

from __future__ import annotations

import gzip
import re
import socket
import threading
import zlib
from contextlib import ExitStack

import pytest
from hostile_requests import BODIES, HEADS
from hostile_target import Target
from raw_http import get, gzip_bomb, post, xml

pytestmark = [pytest.mark.farm, pytest.mark.usefixtures("others_are_served")]


@pytest.mark.parametrize("name", BODIES)
def test_a_hostile_body_is_refused(target: Target, name: str) -> None:
    assert target.call(BODIES[name]).fault() in (-32600, -32700)


@pytest.mark.parametrize(
    "doctype",
    [
        "<!DOCTYPE x SYSTEM 'http://127.0.0.1:{port}/x.dtd'>",
        "<!DOCTYPE x [<!ENTITY f SYSTEM 'http://127.0.0.1:{port}/x'>]>",
        "<!DOCTYPE x [<!ENTITY % p SYSTEM 'http://127.0.0.1:{port}/x'> %p;]>",
    ],
    ids=["external DTD", "external entity", "parameter entity"],
)
def test_nothing_that_a_body_names_is_fetched(target: Target, doctype: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as bait:
        body = doctype.format(port=bait.getsockname()[1]).encode()
        assert target.call(body + xml("echo", "&f;")).fault() == -32600
        bait.setblocking(False)
        with pytest.raises(BlockingIOError):
            bait.accept()


@pytest.mark.parametrize(
    ("value", "code"),
    [
        ("<int>" + "9" * 400 + "</int>", -32602),
        ("<int>" + "9" * 5000 + "</int>", -32602),
        ("<int>\uff11</int>", -32602),
        ("<biginteger>5</biginteger>", -32600),
        ("<double>1e999</double>", -32602),
        ("<double>nan</double>", -32602),
        ("<base64>a#b=</base64>", -32602),
        ("<dateTime.iso8601>20269999T99:99:99</dateTime.iso8601>", -32602),
        ("<struct>" * 20_000, -32600),
        ("\x00", -32700),
        ("\ufffe", -32700),
        ("&#0;", -32700),
    ],
    ids=lambda value: str(value)[:30].encode("unicode_escape").decode(),
)
def test_a_value_that_is_none_is_refused(target: Target, value: str, code: int) -> None:
    body = xml("getJob", "here").decode().replace("<string>here</string>", value)
    assert target.call(body.encode()).fault() == code


def test_more_elements_than_any_submission_has_are_refused(target: Target) -> None:
    body = xml("getJobs", []).replace(b"<data>", b"<data>" + b"<value/>" * 5_000_001)
    assert target.call(body).fault() == 413


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (gzip.compress(xml("getVersion"))[:-9], 400),
        (gzip.compress(xml("getVersion")) * 2, 400),
        (zlib.compress(xml("getVersion")), 400),
        (gzip_bomb(1000), 413),
    ],
    ids=["truncated", "two members", "zlib", "bomb"],
)
def test_a_broken_or_swollen_gzip_body_is_refused(target: Target, body: bytes, status: int) -> None:
    assert target.call(body, "Content-Encoding: gzip").status == status


@pytest.mark.parametrize(("headers", "status"), HEADS)
def test_a_bad_head_is_refused(target: Target, headers: list[str], status: int) -> None:
    """Lengths, codings, and pages of other sites: CSRF and DNS rebinding (6.4)."""
    lines = [header if ":" in header else f"{header}: " for header in headers]
    assert target.send(post(xml("newjob", {"name": "x"}), *lines)).status == status


@pytest.mark.parametrize("kind", ["wrong path", "wrong type", "page with a body", "chunked page"])
def test_an_unread_body_is_never_run_as_the_next_request(target: Target, kind: str) -> None:
    inner = post(xml("newjob", {"name": "smuggled"}))
    request = {
        "wrong path": post(inner, path="/nope"),
        "wrong type": post(inner, "Content-Type: text/plain"),
        "page with a body": get("/", f"Content-Length: {len(inner)}") + inner,
        "chunked page": get("/", "Transfer-Encoding: chunked") + b"%x\r\n%b\r\n0\r\n\r\n" % (len(inner), inner),
    }[kind]
    known = target.live.call("getUnfinishedRootJobIds"), target.live.call("getFinishedRootJobIds")
    assert 400 <= target.send(request).status < 500
    assert (target.live.call("getUnfinishedRootJobIds"), target.live.call("getFinishedRootJobIds")) == known


@pytest.mark.parametrize(
    "name", ["__init__", "newjob.__func__", "system.__new__", "_dispatch", "os.system", "funcs.clear", "Jobs.newjob"]
)
def test_only_the_names_of_methods_can_be_called(target: Target, name: str) -> None:
    assert target.refuses(name) == -32601


def test_ping_takes_no_parameters_and_a_wrong_call_tells_the_usage(target: Target) -> None:
    assert target.refuses("ping", "x" * 100_000) == -32602
    assert target.refuses("getJob") == -32602
    assert target.refuses("getJob", {"a": []}) == -32602


def test_help_tells_nothing_of_the_machine(target: Target) -> None:
    names = target.call(xml("system.listMethods")).value()
    assert "newjob" in names
    calls = [{"methodName": "system.methodHelp", "params": [name]} for name in names]
    assert not re.search(rb"/(home|usr|tmp|work|root)/", target.call(xml("system.multicall", calls)).body)


def test_a_multicall_is_bounded_in_calls_answers_and_nesting(target: Target) -> None:
    lists = [{"methodName": "system.listMethods", "params": []}]
    assert target.refuses("system.multicall", lists * 1001) == 413
    answers = target.call(xml("system.multicall", lists * 1000))
    assert len(answers.body) < 5_000_000
    assert answers.value()[-1]["faultCode"] == 413
    nested = [{"methodName": "system.multicall", "params": [lists]}]
    assert target.call(xml("system.multicall", nested)).value()[0]["faultCode"] == -32600


def test_lists_of_ids_are_bounded(target: Target) -> None:
    assert target.refuses("getJobs", list(range(100_001))) == 413
    assert target.refuses("getJobs", list(range(1, 100_001))) == 413
    assert target.call(xml("getJobs", list(range(1_000_000, 1_100_000)), ["name"])).value() == []


@pytest.mark.parametrize(
    "begun",
    [b"", b"\x16\x03\x01\x02\x00\x01", b"POST /RPC2 HTTP/1.1\r\nHost: ", post(b"x" * 1000)[:-500]],
    ids=["nothing", "TLS", "half a head", "half a body"],
)
def test_silent_callers_deafen_nobody(target: Target, begun: bytes) -> None:
    with ExitStack() as stack:
        for _ in range(200):
            stack.enter_context(target.connect()).sendall(begun)
        assert target.call(xml("getVersion")).status == 200


def test_callers_that_do_not_read_their_answers_stop_nobody(target: Target) -> None:
    lists = [{"methodName": "system.listMethods", "params": []}] * 250
    request = post(xml("system.multicall", lists))
    with ExitStack() as stack:
        for _ in range(20):
            stack.enter_context(target.connect()).sendall(request)
        assert target.call(xml("getVersion")).status == 200


def test_a_crawler_of_pages_stops_nobody(target: Target) -> None:
    statuses: list[int] = []

    def crawl() -> None:
        for _ in range(20):
            statuses.append(target.send(get("/", "Connection: close")).status)

    crawlers = [threading.Thread(target=crawl) for _ in range(8)]
    for crawler in crawlers:
        crawler.start()
    for crawler in crawlers:
        crawler.join()
    assert statuses == [200] * 160
