"""`GET /events`: the farm's journal as server-sent events, over a real socket (CONTRACT 10, PROMISES P10)."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from farm_kit import submit
from http_kit import Server, serving
from live_farm import wait_until
from raw_http import get
from side_pinger import SidePinger

from hqserver.domain.event import Event, EventKind
from hqserver.http import HttpLimits
from hqserver.http.events import EventSource
from hqserver.services.events import events
from hqserver.services.farm import Farm
from hqserver.services.intake import submission


def source(farm: Farm) -> EventSource:
    return EventSource(farm.journal, partial(events.read_page, farm))


@contextmanager
def serving_events(farm: Farm, **limits: Any) -> Iterator[Server]:
    with serving(events=source(farm), limits=HttpLimits(linger_seconds=0.5, **limits)) as server:
        yield server


@pytest.fixture
def server(farm: Farm) -> Iterator[Server]:
    with serving_events(farm) as running:
        yield running


class Reader:
    """One who reads a stream, over HTTP/1.0, so that nothing but the events is in the answer's body."""

    def __init__(self, server: Server, query: str = "", *headers: str):
        self.connection = server.connect()
        request = get(f"/events{query}", *headers).replace(b"HTTP/1.1", b"HTTP/1.0", 1)
        self.connection.sendall(request)
        self.stream = self.connection.makefile("rb")
        self.status = int(self.stream.readline().split()[1])
        self.headers = dict(self._header_lines())

    def _header_lines(self) -> Iterator[tuple[str, str]]:
        while line := self.stream.readline().strip():
            name, _, value = line.decode().partition(":")
            yield name.lower(), value.strip()

    def block(self) -> dict[str, str]:
        """The fields up to the next blank line; {} at the end of the stream."""
        fields: dict[str, str] = {}
        while line := self.stream.readline():
            if line == b"\n":
                return fields
            name, _, value = line.decode().rstrip("\n").partition(":")
            fields[name or "comment"] = value.strip()
        return fields

    def event(self) -> dict[str, Any]:
        """The next event."""
        while "data" not in (fields := self.block()):
            assert fields, "the stream ended"
        return {**json.loads(fields["data"]), "line": fields["id"]}

    def jobs(self, count: int) -> list[int]:
        return [self.event()["job"] for _ in range(count)]

    def close(self) -> None:
        self.stream.close()
        self.connection.close()

    def reset(self) -> None:
        """Go away without a word."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
        self.close()


@contextmanager
def reading(server: Server, query: str = "", *headers: str) -> Iterator[Reader]:
    with closing(Reader(server, query, *headers)) as reader:
        yield reader


def test_what_was_told_comes_first_and_then_what_is_told(farm: Farm, server: Server) -> None:
    old = submit(farm, command="x")
    with reading(server) as reader:
        assert reader.status == 200
        assert reader.headers["content-type"] == "text/event-stream; charset=utf-8"
        assert reader.headers["cache-control"] == "no-store"
        assert reader.block() == {"retry": "2000", "id": "0"}
        first = reader.event()
        assert (first["job"], first["kind"], first["was"], first["now"]) == (old, "job", "", "runnable")
        assert (first["line"], first["time"]) == (str(first["id"]), "2023-11-14T22:13:20Z")
        new = submit(farm, command="x")
        assert reader.event()["job"] == new


def test_a_reader_goes_on_where_it_was(farm: Farm, server: Server) -> None:
    for _ in range(3):
        submit(farm, command="x")
    with reading(server) as reader:
        seen = reader.event()["line"]
    with reading(server, f"?after={seen}") as reader:
        assert reader.jobs(2) == [2, 3]
    with reading(server, "?after=0", f"Last-Event-ID: {seen}") as reader:
        assert reader.jobs(2) == [2, 3], "what a browser sends by itself counts more than its old address"


def test_minus_one_tells_the_cursor_at_once_and_only_what_comes(farm: Farm, server: Server) -> None:
    submit(farm, command="x")
    with reading(server, "?after=-1") as reader:
        assert reader.block()["id"] == "1"
        job = submit(farm, command="x")
        assert reader.event()["job"] == job


def test_a_filter_leaves_out_the_rest(farm: Farm, server: Server) -> None:
    first, second, third = (submit(farm, command="x") for _ in range(3))
    with reading(server, f"?job={first},{third}&kind=job") as reader:
        assert reader.jobs(2) == [first, third]
        farm.database.write(lambda transaction: events.tell_of_client(farm, transaction, "alpha", "", "lost"))
        again = submit(farm, command="x", childrenIds=[second])
        with reading(server, f"?root={again}") as other:
            assert other.event()["job"] == again
        wait_until(lambda: events.get_events(farm, 0, 10, None)["next"] == 5, what="five events")


def test_a_list_may_be_written_as_one_value_or_as_several(farm: Farm, server: Server) -> None:
    first, second, third = (submit(farm, command="x") for _ in range(3))
    farm.database.write(lambda transaction: events.tell_of_client(farm, transaction, "alpha", "", "lost"))
    with reading(server, "?kind=job&kind=client") as reader:
        assert [reader.event()["kind"] for _ in range(4)] == ["job", "job", "job", "client"]
    with reading(server, f"?job={first}&kind=job&job={third}&kind=") as reader:
        assert reader.jobs(2) == [first, third]
    with reading(server, f"?root={second},{third}&root={first}&root=") as reader:
        assert reader.jobs(3) == [first, second, third]


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("?after=x", "after must be"),
        ("?after=-2", "after must be"),
        ("?job=x", "not the id"),
        ("?job=1&job=x", "not the id"),
        ("?jib=1", "'job'"),
        ("?jib=1&jib=2", "'job'"),
        ("?after=1&after=2", "after takes one value, and is given 2 times"),
        ("?after=1&kind=job&after=1&after=", "after takes one value, and is given 3 times"),
    ],
)
def test_a_query_that_is_wrong_is_refused_in_a_sentence(server: Server, query: str, words: str) -> None:
    answer = server.send(get(f"/events{query}", "Connection: close"))
    assert (answer.status, words in answer.body.decode()) == (400, True)


def test_what_is_not_kept_any_more_is_told(farm: Farm, server: Server) -> None:
    submit(farm, command="x")
    with reading(server, "?after=999") as reader:
        reader.block()
        assert reader.block() == {"event": "lost", "data": "{}"}
        assert reader.event()["job"] == 1


def test_a_quiet_stream_says_that_it_is_there_and_moves_the_cursor_on(farm: Farm) -> None:
    with serving_events(farm, alive_seconds=0.05) as server, reading(server, "?job=77") as reader:
        reader.block()
        submit(farm, command="x")
        wait_until(lambda: reader.block() == {"comment": "still here", "id": "1"}, what="the cursor behind job 1")


def test_a_thousand_events_at_once_arrive_whole_and_in_order(farm: Farm, server: Server) -> None:
    with reading(server, "?after=-1") as reader:
        reader.block()
        ids = submission.submit(farm, [{"name": str(number), "command": "x"} for number in range(1_000)])
        assert reader.jobs(1_000) == ids


def test_a_text_with_line_ends_stays_one_event(farm: Farm, server: Server) -> None:
    reason = "one\ndata: {}\n\nid: 7\r\n\u2028 \x1b[31m"
    told = [Event(EventKind.CLIENT, None, None, "", "alpha", "", "lost", reason)]
    farm.database.write(lambda transaction: events.tell(farm, transaction, told, 1.0))
    with reading(server) as reader:
        assert reader.event()["reason"] == reason


def test_head_has_no_events_and_a_stream_ends_its_connection(farm: Farm, server: Server) -> None:
    submit(farm, command="x")
    with server.connect() as connection:
        connection.sendall(get("/events", method="HEAD"))
        answer = b"".join(iter(lambda: connection.recv(4096), b""))
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200") and b"content-type: text/event-stream" in head.lower()
    assert body == b""


def test_streams_are_counted_and_a_place_is_free_at_once(farm: Farm) -> None:
    with serving_events(farm, streams=2) as server:
        first, second = Reader(server), Reader(server)
        assert (first.status, second.status) == (200, 200)
        refused = server.send(get("/events", "Connection: close"))
        assert (refused.status, refused.headers["retry-after"]) == (503, "10")
        assert "getEvents" in refused.body.decode()
        with server.proxy() as proxy:
            assert proxy.echo("others are served") == "others are served"
        first.reset()

        def place() -> Reader | None:
            reader = Reader(server)
            if reader.status == 200:
                return reader
            reader.close()
            return None

        third = wait_until(place, what="the place of the one who left")
        third.close()
        second.close()


def test_streams_never_take_all_connections(farm: Farm) -> None:
    with serving_events(farm, connections=16, streams=1000) as server:
        readers = [Reader(server) for _ in range(5)]
        assert [reader.status for reader in readers] == [200, 200, 200, 200, 503]
        for reader in readers:
            reader.close()


def tell_much(farm: Farm) -> None:
    """10,000 events of a kilobyte each: more than the buffers of a connection hold."""
    long = [Event(EventKind.CLIENT, None, None, "", "alpha", "", "lost", "y" * 900)] * 1_000
    for _ in range(10):
        farm.database.write(lambda transaction: events.tell(farm, transaction, long, 1.0))


@contextmanager
def idle_reader(server: Server) -> Iterator[None]:
    """One who asks for the stream and reads nothing of it."""
    with socket.socket() as idle:
        idle.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)  # before it connects, or it grows by itself
        idle.connect(("127.0.0.1", server.port))
        idle.sendall(get("/events"))
        yield


def test_who_does_not_read_delays_nobody(farm: Farm) -> None:
    """P10: whoever waited for it would wait for an hour."""
    with (
        serving_events(farm, write_seconds=3600) as server,
        reading(server, "?after=-1") as reader,
        idle_reader(server),
        SidePinger(server.port, every_seconds=0.01) as pinger,
    ):
        tell_much(farm)
        assert [reader.event()["id"] for _ in range(10_000)] == list(range(1, 10_001))
        pinger.slowest_since(len(pinger.delays))
        assert server.server.connections == 3


@pytest.mark.slow
def test_who_does_not_read_is_dropped(farm: Farm) -> None:
    """P10: a slow reader costs its connection and nothing else."""
    with serving_events(farm, write_seconds=0.2, slowest_rate=1e6) as server, idle_reader(server):
        wait_until(lambda: server.server.connections == 1, what="the reader's connection")
        tell_much(farm)
        wait_until(lambda: server.server.connections == 0, what="its connection to be closed")


def test_streams_end_in_order_when_the_server_stops(farm: Farm) -> None:
    with serving_events(farm) as server, reading(server) as reader:
        reader.block()
        server.ask_to_stop(grace_seconds=3600)
        assert reader.block() == {}, "the end, not a cut"
        server.join()


def test_streams_ask_the_database_once_and_not_for_each_event(
    farm: Farm, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []
    real = events.events.page

    def page(*args: Any) -> Any:
        asked.append(threading.current_thread().name)
        return real(*args)

    monkeypatch.setattr(events.events, "page", page)
    submit(farm, command="x")
    readers = [Reader(server, "?after=-1") for _ in range(20)]
    for reader in readers:
        reader.block()
    begun = len(asked)
    ids = [submit(farm, command="x") for _ in range(30)]
    for reader in readers:
        assert reader.jobs(30) == ids
        reader.close()
    assert begun == 20
    assert len(asked) == begun


def test_a_server_without_a_farm_has_no_events(tmp_path: Path) -> None:
    with serving() as server:
        assert b"/events" in server.send(get("/events", "Connection: close")).body
