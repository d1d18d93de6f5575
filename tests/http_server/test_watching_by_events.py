"""Waiting, following and the journal over a real server with a port: by its events, not by asking again and again."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator
from contextlib import closing
from functools import partial
from typing import Any

import pytest
from farm_kit import TestClient, submit
from http_kit import serving
from live_farm import wait_until

from hqclient import news
from hqclient.connection import Connection
from hqclient.errors import NoStream
from hqclient.farm import Farm
from hqclient.news import Pauses
from hqclient.tail import OutputFollower
from hqserver.app import surfaces
from hqserver.http import HttpLimits
from hqserver.http.events import EventSource
from hqserver.rpc.dispatch import Dispatcher
from hqserver.services.clients.beats import Piece
from hqserver.services.events import events
from hqserver.services.farm import Farm as Services
from hqserver.services.queries.output import job_output_text
from hqserver.store.idfloor import JUMP, leave_out


class Counting(Connection):
    """A connection that remembers what was called over it."""

    calls: list[str]

    def call(self, name: str, *args: object) -> Any:
        self.__dict__.setdefault("calls", []).append(name)
        return super().call(name, *args)


class Place:
    """Where the farm is served; the server can go away and come back on its port."""

    def __init__(self, services: Services):
        self.services = services
        self.port = 0
        self._ending: Any = None

    def start(self, *, with_events: bool = True, **limits: Any) -> None:
        source = EventSource(self.services.journal, partial(events.read_page, self.services))
        self._ending = serving(
            call=Dispatcher(surfaces(self.services)).handle,
            port=self.port,
            events=source if with_events else None,
            limits=HttpLimits(linger_seconds=0.5, **limits),
        )
        self.port = self._ending.__enter__().port

    def stop(self) -> None:
        ending, self._ending = self._ending, None
        if ending is not None:
            ending.__exit__(None, None, None)

    def farm(self) -> Farm:
        return Farm(connection=Counting(f"http://127.0.0.1:{self.port}"))


@pytest.fixture
def place(farm: Services) -> Iterator[Place]:
    found = Place(farm)
    found.start()
    yield found
    found.stop()


@pytest.fixture
def hq(place: Place) -> Iterator[Farm]:
    with closing(place.farm()) as found:
        yield found


def calls(farm: Farm) -> list[str]:
    return list(farm.connection.__dict__.get("calls", []))


class Aside:
    """Something that another thread does; its result, or its error."""

    def __init__(self, work: Any):
        self._found: list[Any] = []
        self._problem: list[BaseException] = []
        self._thread = threading.Thread(target=self._run, args=(work,))
        self._thread.start()

    def _run(self, work: Any) -> None:
        try:
            self._found.append(work())
        except BaseException as problem:
            self._problem.append(problem)

    @property
    def running(self) -> bool:
        return self._thread.is_alive()

    def result(self) -> Any:
        self._thread.join(30)
        assert not self._thread.is_alive(), "it did not end"
        if self._problem:
            raise self._problem[0]
        return self._found[0]


def test_waiting_asks_when_something_happened_and_not_before(
    farm: Services, client: TestClient, hq: Farm, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(news.Pauses, "take", lambda *_: pytest.fail("it went by the clock"))
    job = submit(farm, command="render")
    waiting = Aside(lambda: hq.job(job).wait(30))
    wait_until(lambda: len(calls(hq)) >= 2, what="the questions before and after the stream was opened")
    (order,) = client.fetch()
    client.beat(client.started(order["run"]))
    for _ in range(20):
        submit(farm, command="others are of no interest")
    client.beat(client.ended(order["run"]))
    assert waiting.result() == "succeeded"
    assert set(calls(hq)) == {"getJobs"}
    assert len(calls(hq)) <= 5


def test_waiting_outlives_a_server_that_is_started_anew(
    farm: Services, client: TestClient, place: Place, hq: Farm
) -> None:
    job = submit(farm, command="render")
    waiting = Aside(lambda: hq.job(job).wait(60))
    wait_until(lambda: len(calls(hq)) >= 2, what="the stream to be open")
    place.stop()
    client.run_all()
    assert waiting.running
    place.start()
    assert waiting.result() == "succeeded"


def test_waiting_asks_again_and_again_where_there_is_no_stream(
    farm: Services, client: TestClient, place: Place
) -> None:
    place.stop()
    place.start(with_events=False)
    job = submit(farm, command="render")
    with closing(place.farm()) as hq:
        waiting = Aside(lambda: hq.job(job).wait(30, poll_seconds=0.05))
        wait_until(lambda: len(calls(hq)) >= 4, what="a few questions")
        client.run_all()
        assert waiting.result() == "succeeded"


def test_waiting_does_without_a_stream_where_all_are_taken(farm: Services, client: TestClient, place: Place) -> None:
    place.stop()
    place.start(streams=0)
    job = submit(farm, command="render")
    with closing(place.farm()) as hq:
        with pytest.raises(NoStream) as caught:
            hq.event_stream(-1, {})
        assert caught.value.status == 503
        waiting = Aside(lambda: hq.job(job).wait(30, poll_seconds=0.05))
        wait_until(lambda: len(calls(hq)) >= 4, what="a few questions")
        client.run_all()
        assert waiting.result() == "succeeded"


# Output --------------------------------------------------------------------------------------------------------------


def follower(hq: Farm, job: int) -> OutputFollower:
    return OutputFollower(hq, job, Pauses(0.02))


def test_following_gives_what_the_job_wrote_with_its_tries_and_hooks(
    farm: Services, client: TestClient, hq: Farm
) -> None:
    job = submit(farm, command="render", triesLeft=1, cleanup="tidy")
    pieces: list[str] = []
    following = Aside(lambda: pieces.extend(follower(hq, job)))
    (order,) = client.fetch()
    run = order["run"]
    client.beat(client.started(run), output=(Piece(run, 0, b"first \xc3"),))
    wait_until(lambda: pieces == ["first "], what="a piece that ends within a character", show=lambda: pieces)
    answer = client.beat(client.ended(run, 1, log_size=14), output=(Piece(run, 7, b"\xa9\x1b[1m\xff\n"),))
    again = next(each for each in [*answer.orders, *client.fetch()] if each["kind"] == "start")["run"]
    client.beat(client.started(again), output=(Piece(again, 0, b"second"),))
    answer = client.beat(client.ended(again, log_size=6))
    hook = next(each for each in [*answer.orders, *client.fetch()] if each["kind"] == "start")["run"]
    client.beat(client.ended(hook, log_size=0))
    following.result()
    text = "".join(pieces)
    assert text == "first \xe9\ufffd[1m\ufffd\n[hq] try 2 on alpha\nsecond\n[hq] cleanup on alpha\n"
    assert text == job_output_text(farm, job).replace("\x1b", "\ufffd"), "and the same as getJobOutput"
    assert "getJobOutput" not in calls(hq)


def test_following_reads_each_byte_once(farm: Services, client: TestClient, hq: Farm) -> None:
    job = submit(farm, command="render")
    (order,) = client.fetch()
    run = order["run"]
    data = b"".join(b"line %d\n" % number for number in range(100_000))
    client.beat(client.started(run), output=(Piece(run, 0, data),))
    client.beat(client.ended(run, log_size=len(data)))
    assert "".join(follower(hq, job)).encode() == data
    assert calls(hq).count("getRunOutput") == -(-len(data) // (256 * 1024))


def test_following_outlives_a_server_that_is_started_anew(
    farm: Services, client: TestClient, place: Place, hq: Farm
) -> None:
    job = submit(farm, command="render")
    pieces: list[str] = []
    following = Aside(lambda: pieces.extend(follower(hq, job)))
    (order,) = client.fetch()
    run = order["run"]
    client.beat(client.started(run), output=(Piece(run, 0, b"before\n"),))
    wait_until(lambda: pieces == ["before\n"], what="the first line")
    place.stop()
    client.beat(client.ended(run, log_size=13), output=(Piece(run, 7, b"after\n"),))
    place.start()
    following.result()
    assert "".join(pieces) == "before\nafter\n"


def test_following_says_where_output_is_missing(farm: Services, client: TestClient, hq: Farm) -> None:
    job = submit(farm, command="render")
    (order,) = client.fetch()
    client.beat(client.started(order["run"]), output=(Piece(order["run"], 0, b"text"),))
    client.beat(client.ended(order["run"], log_size=4))
    farm.output.path(job, order["run"]).write_bytes(b"te")
    assert "".join(follower(hq, job)) == "te\n[hq] some of this output is not on the server\n"


def test_a_run_that_never_began_is_no_try(farm: Services, client: TestClient, hq: Farm) -> None:
    job = submit(farm, command="render")
    (order,) = client.fetch()
    client.beat(client.refused(order["run"]))
    (order,) = client.fetch()
    client.beat(client.ended(order["run"], log_size=0))
    assert "".join(follower(hq, job)) == job_output_text(farm, job) == ""


# The journal ---------------------------------------------------------------------------------------------------------


def test_the_journal_is_read_page_by_page_and_followed_through_a_restart(
    farm: Services, place: Place, hq: Farm, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hqclient.journal._PAGE", 2)
    old = [submit(farm, command="x") for _ in range(5)]
    assert [event["job"] for event in hq.events()] == old
    assert [event["job"] for event in hq.events(3)] == old[3:]
    cursor, newest = hq.newest_events(2)
    assert [event["job"] for event in newest] == old[-2:]
    cursor, newest = hq.newest_events(1, {"kind": ["job"]})
    assert ([event["job"] for event in newest], cursor) == (old[-1:], 5)
    followed = hq.follow_events(3)
    assert [event["job"] for event in itertools.islice(followed, 2)] == old[3:]
    place.stop()
    meanwhile = submit(farm, command="x")
    place.start()
    after = submit(farm, command="x")
    found = list(itertools.islice(followed, 2))
    assert [event["job"] for event in found] == [meanwhile, after]
    by_call = list(hq.events(5))
    assert found == by_call, "and an event is the same by either way"
    followed.close()  # type: ignore[attr-defined]  # it is a generator


def test_the_newest_events_are_found_on_both_sides_of_ids_that_were_left_out(farm: Services, hq: Farm) -> None:
    """As a server that is killed leaves them out."""
    old = [submit(farm, command="x") for _ in range(3)]
    assert farm.database.write(lambda transaction: leave_out(transaction.connection, 1_000))
    cursor, newest = hq.newest_events(2)
    assert ([event["job"] for event in newest], cursor > JUMP) == (old[1:], True)
    new = submit(farm, command="x")
    _, newest = hq.newest_events(2)
    assert [event["job"] for event in newest] == [old[-1], new]
    cursor, newest = hq.newest_events(100)
    assert [event["job"] for event in newest] == [*old, new]
    assert cursor == newest[-1]["id"]


def test_the_journal_is_followed_without_a_stream_too(farm: Services, place: Place) -> None:
    place.stop()
    place.start(with_events=False)
    old = [submit(farm, command="x") for _ in range(2)]
    with closing(place.farm()) as hq:
        followed = hq.follow_events(1)
        assert next(followed)["job"] == old[1]
        new = submit(farm, command="x")
        assert next(followed)["job"] == new
        followed.close()  # type: ignore[attr-defined]  # it is a generator


def test_what_is_not_kept_any_more_is_told_on_both_ways(farm: Services, hq: Farm) -> None:
    job = submit(farm, command="x")
    assert [event["kind"] for event in hq.events(999)] == ["lost", "job"]
    followed = hq.follow_events(999)
    assert [next(followed)["kind"], next(followed)["job"]] == ["lost", job]
    followed.close()  # type: ignore[attr-defined]  # it is a generator
