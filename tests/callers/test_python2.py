"""Python 2.7's xmlrpclib, replayed from the bytes that it sent (CONTRACT 1.1, 9.2); see recorded/README.md."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any
from xmlrpc.client import ExpatParser, Fault, Unmarshaller

import pytest
from live_farm import LiveFarm, wait_until

pytestmark = pytest.mark.farm

RECORDED = Path(__file__).parent / "recorded"
NAME = "Löwe ☃ <&>"
TYPES = {"nil", "boolean", "int", "double", "string", "array", "struct", "base64", "dateTime.iso8601"}
BARE = {"methodResponse", "param", "member", "data"}  # tags that mean nothing to it


class Python2Unmarshaller(Unmarshaller):
    """Python 3's unmarshaller with the tags of Python 2.7's, which skips any other in silence: here that fails."""

    dispatch: dict[str, Any] = {  # noqa: RUF012  # as the superclass has it
        tag: Unmarshaller.dispatch[tag] for tag in TYPES | {"value", "params", "fault", "name", "methodName"}
    }

    def end(self, tag: str) -> None:
        assert tag in self.dispatch or tag in BARE, f"Python 2.7 does not know <{tag}>"
        super().end(tag)


def read_as_python2(body: bytes) -> Any:
    """The result as Python 2.7 reads it. Raises `Fault`."""
    text = body.decode("utf-8")
    assert not re.search(rf"<value>(?!<({'|'.join(TYPES)})[>/])", text), "9.2: every value is typed"
    unmarshaller = Python2Unmarshaller(use_datetime=True)
    parser = ExpatParser(unmarshaller)
    parser.feed(text)
    parser.close()
    (value,) = unmarshaller.close()
    return value


class Replay:
    """The recorded requests, sent over one connection, as 2.7 keeps its own."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._answers = connection.makefile("rb")

    def close(self) -> None:
        self._answers.close()
        self._connection.close()

    def send(self, name: str) -> Any:
        """What Python 2.7 reads as the answer to the request of this name. Raises `Fault`."""
        self._connection.sendall((RECORDED / f"{name}.http").read_bytes())
        assert self._answers.readline() == b"HTTP/1.1 200 OK\r\n"
        headers = {}
        while (line := self._answers.readline()) != b"\r\n":
            key, _, value = line.decode("ascii").partition(":")
            headers[key.lower()] = value.strip()
        assert headers["content-type"].startswith("text/xml")
        assert "content-encoding" not in headers, "nothing is compressed over loopback"
        assert "connection" not in headers, "the connection is kept"
        return read_as_python2(self._answers.read(int(headers["content-length"])))


@pytest.fixture
def replay(farm_of_one: LiveFarm) -> Iterator[Replay]:
    """A replay to a fresh farm, whose first job is job 1 as it was in the recording."""
    found = Replay(socket.create_connection(("127.0.0.1", farm_of_one.port), 30))
    yield found
    found.close()


def test_python_2_holds_a_whole_conversation(replay: Replay, farm_of_one: LiveFarm) -> None:
    """9.2: on every path, with nil and without, over one connection."""
    assert replay.send("01-ping") is True
    assert replay.send("02-newjob") == [1, 2, 3]
    wait_until(
        lambda: replay.send("03-getJob-status")["status"] == "succeeded",
        what="job 1 to succeed",
        show=lambda: farm_of_one.story(1),
    )
    assert replay.send("04-getJobOutput") == "a\ufffdb\r\nü\n"
    everything = replay.send("05-getJob-everything-nil")
    assert everything == farm_of_one.job(1)
    assert (everything["name"], everything["threadId"], type(everything["queueTime"])) == (NAME, None, datetime)
    children = replay.send("06-getJobs-nonil")
    assert [child["id"] for child in children] == [3, 2]
    assert "parents" in children[0]
    assert "threadId" not in children[0]
    assert replay.send("07-addNote-nonil") is True
    assert replay.send("08-addNote-nil") is True
    (thread,) = farm_of_one.call("getNoteThreads", None, ["jobId", "notes"], ["text"])
    assert [note["text"] for note in thread["notes"]] == [NAME, NAME]
    with pytest.raises(Fault) as caught:
        replay.send("09-getJob-unknown")
    assert (caught.value.faultCode, caught.value.faultString) == (404, "there is no job 999")
    assert replay.send("10-newjob-gzip") == [4, 5, 6]
    assert replay.send("11-multicall") == [[True], [{"id": 1, "name": NAME}]]
    (client,) = replay.send("12-getClients-nil")
    assert client["hostname"] == farm_of_one.call("getClient", client["id"], ["hostname"])["hostname"]
    assert type(client["lastHeartbeat"]) is datetime
    assert replay.send("13-getJobIdsBySatus")[:3] == [1, 2, 3]


def test_every_recorded_request_is_played() -> None:
    played = set(re.findall(r'send\("([^"]+)"\)', Path(__file__).read_text("utf-8")))
    assert played == {path.stem for path in RECORDED.glob("*.http")}


def test_what_python_2_would_skip_is_noticed() -> None:
    with pytest.raises(AssertionError, match="does not know <i8>"):
        Python2Unmarshaller().end("i8")
