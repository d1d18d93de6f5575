"""All open connections, by what they are doing: who must give way when there are too many, and who is out of time."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum, auto
from typing import Protocol

from hqserver.http.messages import Refusal


@dataclass(frozen=True, slots=True)
class HttpLimits:
    """What connections may cost. Times are absolute per request: a byte now and then does not extend them.

    A body gets `body_seconds` plus its length at `slowest_rate` (bytes per second), and so does an answer with
    `write_seconds`. Over all connections, `buffered` bytes of bodies and as many of answers are held in memory at once,
    on the disk `spooled` bytes of large bodies and `spooled_answers` of large answers.
    `streams` of events are served at once, and no more than a quarter of `connections`; to one on which nothing happens
    a sign of life is sent every `alive_seconds`.
    """

    connections: int = 10_000
    head_seconds: float = 10
    body_seconds: float = 10
    write_seconds: float = 10
    slowest_rate: float = 32 * 1024
    idle_seconds: float = 30
    linger_seconds: float = 2
    buffered: int = 32 * 1024 * 1024
    spooled: int = 256 * 1024 * 1024
    spooled_answers: int = 512 * 1024 * 1024
    streams: int = 256
    alive_seconds: float = 15


def crowded(what: str) -> Refusal:
    """What is said where others hold all the room that there is."""
    return Refusal(503, f"too many large {what} at once; try again in a few seconds", {"Retry-After": "5"})


class Phase(Enum):
    """What a connection is doing. The order is that in which connections give way to new ones."""

    IDLE = auto()  # between requests
    LINGERING = auto()  # answered; reads what the peer still sends, so that it sees the answer
    HEAD = auto()
    BODY = auto()
    ANSWERING = auto()


class Member(Protocol):
    """A connection as the crowd sees it. `deadline` is a time of the loop's clock."""

    phase: Phase
    deadline: float

    def abort(self) -> None:
        """Close at once, whatever is unsent."""


class Crowd:
    """The open connections. Changing phase costs the same however many there are."""

    def __init__(self, limits: HttpLimits) -> None:
        self.limits = limits
        self.buffered = self.answers = 0
        self._readers: dict[int, int] = {}  # of each answer in memory, by its identity: a page may be many a reader's
        self.empty = asyncio.Event()
        self.empty.set()
        self._by_phase: dict[Phase, dict[Member, None]] = {phase: {} for phase in Phase}

    def __len__(self) -> int:
        return sum(map(len, self._by_phase.values()))

    def __iter__(self) -> Iterator[Member]:
        return iter([member for members in self._by_phase.values() for member in members])

    def admit(self, member: Member) -> bool:
        """Add a connection; the longest idle one makes room for it. False where all of them are at work."""
        if len(self) >= self.limits.connections and not self._make_room():
            return False
        self._by_phase[member.phase][member] = None
        self.empty.clear()
        return True

    def move(self, member: Member, phase: Phase, deadline: float) -> None:
        """Note that the connection now does something else, and until when."""
        if member in self._by_phase[member.phase]:  # not when it has had to give way
            del self._by_phase[member.phase][member]
            self._by_phase[phase][member] = None
        member.phase, member.deadline = phase, deadline

    def remove(self, member: Member) -> None:
        """Forget a connection that is closed."""
        self._by_phase[member.phase].pop(member, None)
        if not len(self):
            self.empty.set()

    def hold(self, count: int) -> None:
        """Count bytes of a body that is being received. Raises `Refusal` 503 where there are too many in all."""
        if self.buffered + count > self.limits.buffered:
            raise crowded("requests")
        self.buffered += count

    def hold_answer(self, body: bytes, must_fit: bool) -> None:
        """Count an answer that is to be sent, until `drop_answer`. Raises `Refusal` 503 where there is too much of them
        in all, but for one that `must_fit`."""
        readers = self._readers.get(id(body), 0)
        if not readers:
            if self.answers + len(body) > self.limits.buffered and not must_fit:
                raise crowded("answers")
            self.answers += len(body)
        self._readers[id(body)] = readers + 1

    def drop_answer(self, body: bytes) -> None:
        """The answer is sent, or will not be."""
        self._readers[id(body)] -= 1
        if not self._readers[id(body)]:
            del self._readers[id(body)]
            self.answers -= len(body)

    def abort_overdue(self, now: float) -> None:
        """Close every connection whose deadline has passed."""
        for member in [member for member in self if member.deadline < now]:
            member.abort()

    def _make_room(self) -> bool:
        for phase in (Phase.LINGERING, Phase.IDLE, Phase.HEAD, Phase.BODY):
            for member in self._by_phase[phase]:
                self.remove(member)
                member.abort()
                return True
        return False
