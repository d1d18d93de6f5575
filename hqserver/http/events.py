"""`GET /events`: the farm's journal as a stream of server-sent events (CONTRACT 10).

A stream costs no thread: it reads what was told last from memory, and pages of the database, in a worker, only while
it catches up. It keeps a cursor and no queue, so that a reader who is slow costs nothing but its connection.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache, partial

from hqserver.domain.errors import BadParameters
from hqserver.domain.event import Event, EventFilter, Page, parse_event_filter
from hqserver.http.messages import Refusal
from hqserver.http.workers import Workers
from hqserver.services.events.events import shown
from hqserver.services.events.journal import Journal
from hqserver.web import WebRequest

EVENTS_PATH = "/events"
EVENTS_HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
EVENTS_TYPE = "text/event-stream; charset=utf-8"

_RETRY_MILLISECONDS = 2_000
_BETWEEN_SECONDS = 0.05
_PAGE = 500
_PIECE_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class EventSource:
    """Where streams find events: those in memory, and all that are kept. `read` takes a cursor, how many, and which."""

    journal: Journal
    read: Callable[[int, int, EventFilter], Page]


@dataclass(slots=True)
class EventStreams:
    """The streams of a server: at most `most` at once. All of them wait for one thing, the next commit that told
    something."""

    source: EventSource
    workers: Workers
    most: int
    alive_seconds: float
    news: asyncio.Event = field(default_factory=asyncio.Event)
    ended: bool = False
    _open: int = 0
    _woken_at: float = 0.0
    _timer: asyncio.TimerHandle | None = None
    _asked: bool = False

    def begin(self) -> None:
        """Listen to the journal, on the running event loop."""
        loop = asyncio.get_running_loop()

        def told() -> None:
            if self._open and not self._asked:  # what is told to nobody wakes nobody
                self._asked = True
                try:
                    loop.call_soon_threadsafe(self._wake_soon)
                except RuntimeError:
                    pass  # the loop was closed this moment: the server is ending

        self.source.journal.listen(told)

    def end(self) -> None:
        """Have every stream come to its end."""
        self.ended = True
        self._wake()

    def _wake_soon(self) -> None:
        """Wake the streams, but not for each of many commits by itself."""
        loop = asyncio.get_running_loop()
        if self._timer is None:
            delay = max(self._woken_at + _BETWEEN_SECONDS - loop.time(), 0.0)
            self._timer = loop.call_later(delay, self._wake)

    def _wake(self) -> None:
        self._timer, self._asked = None, False
        self._woken_at = asyncio.get_running_loop().time()
        self.news.set()
        self.news = asyncio.Event()

    @contextmanager
    def open(self, request: WebRequest) -> Iterator[AsyncGenerator[bytes]]:
        """A stream for this request. Raises `Refusal` 400 for a query that is wrong, 503 beyond `most`."""
        after, wanted = _asked_for(request)
        if self._open >= self.most or self.ended:
            sentence = f"this server serves {self.most} event streams, and all are taken; getEvents answers everybody"
            raise Refusal(503, sentence, {"Retry-After": "10"})
        self._open += 1
        try:
            yield self._pieces(after, wanted)
        finally:
            self._open -= 1

    async def _look(self, after: int, wanted: EventFilter, *, in_memory: bool) -> Page:
        found = self.source.journal.recent(after, _PAGE, wanted) if in_memory else None
        return await self.workers.run(partial(self.source.read, after, _PAGE, wanted)) if found is None else found

    async def _pieces(self, after: int, wanted: EventFilter) -> AsyncGenerator[bytes]:
        first = True
        while not self.ended:
            news = self.news  # before the look: what is told after it wakes this stream
            page = await self._look(after, wanted, in_memory=not first)
            if first:
                # The cursor is the reader's from the start, should its connection break before the first event.
                yield f"retry: {_RETRY_MILLISECONDS}\nid: {page.next if after < 0 else after}\n\n".encode()
                first = False
            if page.lost:
                yield b"event: lost\ndata: {}\n\n"
            after = page.next
            for piece in _in_pieces(map(_encoded, page.events)):
                yield piece
            if page.more:
                continue
            try:
                await asyncio.wait_for(news.wait(), self.alive_seconds)
            except TimeoutError:
                yield f": still here\nid: {after}\n\n".encode()


def _in_pieces(encoded: Iterable[bytes]) -> Iterator[bytes]:
    """Events put together into pieces that a reader takes one at a time, so that a slow one holds little memory."""
    piece = b""
    for event in encoded:
        piece += event
        if len(piece) >= _PIECE_BYTES:
            yield piece
            piece = b""
    if piece:
        yield piece


def _asked_for(request: WebRequest) -> tuple[int, EventFilter]:
    """The cursor and the filter. A reader that comes back says with `Last-Event-ID` where it was, whatever its address
    still says. Raises `Refusal`."""
    if "after" in request.repeated:
        raise Refusal(400, f"after takes one value, and is given {len(request.repeated['after'])} times")
    # A list may be written as one value or as several; a blank one names nothing.
    joined = {name: ",".join(filter(None, values)) for name, values in request.repeated.items()}
    query = {**request.query, **joined}
    asked = query.pop("after", "")
    text = request.headers.get("last-event-id", "").strip() or asked or "0"
    if not (text == "-1" or (text.isascii() and text.isdigit() and len(text) < 16)):
        raise Refusal(400, f"after must be the id of an event, 0, or -1 for what is to come, not {text[:60]!r}")
    try:
        return int(text), parse_event_filter(query)
    except BadParameters as problem:
        raise Refusal(400, str(problem)) from None


@lru_cache(maxsize=4096)
def _encoded(event: Event) -> bytes:
    """An event as it goes out; remembered, because all streams send the same ones."""
    time = datetime.fromtimestamp(event.at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    data = json.dumps({**shown(event), "time": time}, ensure_ascii=True)
    return f"id: {event.id}\ndata: {data}\n\n".encode()
