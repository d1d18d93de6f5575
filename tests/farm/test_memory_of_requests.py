"""T19, memory: what values, texts and answers cost a real server, by the growth of its memory (PROMISES P10).

The fixture holds the bound on memory, and that every ping was answered meanwhile. Each case has a server of its own:
memory that one case left to the allocator would hide what the next one takes.
"""

from __future__ import annotations

import socket
import sys
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest
from hostile_target import Target
from live_farm import LiveFarm
from raw_http import post, xml
from side_pinger import SidePinger

pytestmark = [pytest.mark.farm, pytest.mark.usefixtures("others_are_served")]

LARGEST = 64 * 1024 * 1024
CALL = xml("getJobs", ["|"]).split(b"<value><string>|</string></value>")
TEXT = xml("getJob", "|").split(b"|")
JSON = xml("newjob", "|").split(b"|")
READERS = 50


@pytest.fixture
def target(tmp_path: Path) -> Iterator[Target]:
    with closing(LiveFarm(tmp_path)) as live:
        yield Target(live)


@pytest.fixture
def pinger(target: Target) -> Iterator[SidePinger]:
    with SidePinger(target.port, every_seconds=0.02) as pinger:
        yield pinger


def filled(around: list[bytes], unit: bytes, count: int = sys.maxsize) -> bytes:
    """A call with so many of the same, or as many as a body has room for."""
    before, after = around
    return before + unit * min(count, (LARGEST - len(before) - len(after)) // len(unit)) + after


@pytest.mark.parametrize(
    "unit",
    [
        b"<value/>",
        b"<value>ab</value>",
        b"<value><struct/></value>",
        b"<value><array><data/></array></value>",
        b"<value><struct><member><name/><value/></member></struct></value>",
    ],
    ids=["nothing", "texts", "structs", "arrays", "members"],
)
def test_t19_values_that_take_more_memory_than_their_bytes_are_bounded(target: Target, unit: bytes) -> None:
    """T19: millions of the smallest values."""
    assert target.call(filled(CALL, unit)).fault() == 413


@pytest.mark.parametrize(
    ("around", "unit"),
    [
        (TEXT, b"a" * 1000),
        (TEXT, b"a" * 1000 + "\U0001f600".encode()),
        ([TEXT[0].replace(b"string", b"base64"), TEXT[1].replace(b"string", b"base64")], b"QUJD" * 19 + b"\n"),
        ([JSON[0] + b"[", b"{}]" + JSON[1]], b"{},"),
    ],
    ids=["ascii", "wide characters", "base64", "JSON"],
)
def test_t19_one_long_text_is_bounded_in_what_it_takes(target: Target, around: list[bytes], unit: bytes) -> None:
    """T19: texts that are copied, widened or unpacked while they are read."""
    assert target.call(filled(around, unit)).fault() == 413


def test_t19_many_large_bodies_at_once_wait_on_the_disk(target: Target) -> None:
    """T19: three callers send all but the last byte of 64 MB, and wait."""
    request = post(filled(TEXT, b"a" * 1000))
    with ExitStack() as stack:
        for _ in range(3):
            stack.enter_context(target.connect()).sendall(request[:-1])
        assert target.call(xml("getVersion")).status == 200


def test_t19_the_largest_answers_that_nobody_reads_are_bounded(target: Target) -> None:
    """T19: fifty callers who take a few bytes of the largest answer: they get it slowly, or are told to try again."""
    target.live.start_client("writer")
    job = target.live.call("newjob", {"name": "writer", "command": "head -c 60000000 /dev/zero | tr '\\0' x"})[0]
    target.live.wait_for(job, "succeeded")
    target.forget_peak()
    with ExitStack() as stack:
        readers = []
        for _ in range(READERS):
            reader = stack.enter_context(socket.socket())
            reader.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            reader.settimeout(60)
            reader.connect(("127.0.0.1", target.port))
            reader.sendall(post(xml("getJobOutput", job)))
            readers.append(reader)
        beginnings = [reader.recv(4096) for reader in readers]
        assert all(beginning.startswith(b"HTTP/1.1 200 OK") for beginning in beginnings)
        told = [reader for reader, beginning in zip(readers, beginnings, strict=True) if b"<fault>" in beginning]
        assert 0 < len(told) < READERS


@pytest.mark.parametrize("distinct", [False, True], ids=["alike", "each its own"])
def test_t19_the_largest_submission_is_taken(target: Target, distinct: bool) -> None:
    """T19: ten thousand jobs with environments in 64 MB are work, not harm."""
    variables = "".join(
        f"<member><name>VARIABLE_{number}</name><value>{{}}{number:050}</value></member>" for number in range(52)
    )
    jobs = "".join(
        "<value><struct><member><name>name</name><value>frame</value></member><member><name>environment</name>"
        f"<value><struct>{variables.replace('{}', f'{frame:05}' if distinct else '00000')}</struct></value></member>"
        "</struct></value>"
        for frame in range(10_000)
    )
    body = xml("newjob", ["|"]).replace(b"<value><string>|</string></value>", jobs.encode())
    assert 55_000_000 < len(body) <= LARGEST
    target.beside_kb = 130_000  # what is stored costs beside what is read; 64 MB of it is the database's cache
    assert len(target.call(body).value()) == 10_000
