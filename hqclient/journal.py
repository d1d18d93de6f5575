"""The farm's journal: its events page by page, and then as they come."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from typing import Any

from .connection import Caller
from .errors import FarmUnreachable, NoStream
from .event_stream import EventStream
from .news import Patience, Pauses

Event = dict[str, Any]

_PAGE = 1_000
_WAIT_SECONDS = 3600.0
_FURTHER_BACK = 10


def kept_events(farm: Caller, after: int, wanted: Mapping[str, Any]) -> Iterator[tuple[int, list[Event]]]:
    """The events behind a cursor that are kept now, a page at a time, each with the cursor behind it.

    Where some of them are not kept any more, an event of kind "lost" stands in their place.
    """
    more = True
    while more:
        page = farm.call("getEvents", after, _PAGE, dict(wanted))
        after, more = page["next"], page["more"]
        yield after, [*([{"kind": "lost"}] if page["lost"] else []), *page["events"]]


def newest_events(farm: Caller, count: int, wanted: Mapping[str, Any]) -> tuple[int, list[Event]]:
    """The newest events that are kept, at most `count`, and the cursor behind them."""
    cursor = int(farm.call("getEvents", -1, 1, {})["next"])
    if not count:
        return cursor, []
    # Without a filter the newest have the highest ids; with one, only looking tells which they are. A server that was
    # killed leaves thousands of ids out, behind which the others are.
    newest, back = cursor, count if not wanted else cursor
    while True:
        start = max(newest - back, 0)
        whole, found = start == 0, deque[Event](maxlen=count)
        for behind, events in kept_events(farm, start, wanted):
            cursor = behind
            whole = whole or any(event["kind"] == "lost" for event in events)
            found.extend(event for event in events if event["kind"] != "lost")
        if whole or len(found) == count:
            return cursor, list(found)
        back *= _FURTHER_BACK


def follow_events(farm: Caller, after: int, wanted: Mapping[str, Any], pauses: Pauses | None = None) -> Iterator[Event]:
    """The events behind a cursor, and then those that come, without end.

    A server that is away is waited for, and none of what happened meanwhile is left out; events that are not kept any
    more are told by one of kind "lost". Without a stream of the server's, it is asked again and again. Raises
    `FarmUnreachable` where the server has been away for too long.
    """
    pauses = pauses or Pauses()
    patience = Patience(pauses.clock)
    while True:
        stream = _opened(farm, after, wanted)
        if stream is None:
            page = patience.ask(farm, "getEvents", after, _PAGE, dict(wanted))
            if page is not None:
                after = page["next"]
                if page["events"]:
                    pauses.news()
                yield from [*([{"kind": "lost"}] if page["lost"] else []), *page["events"]]
            if page is None or not page["more"]:
                pauses.take()
            continue
        try:
            while True:
                yield from stream.take(_WAIT_SECONDS)
                after = stream.cursor
        except FarmUnreachable:
            after = max(after, stream.cursor)
        finally:
            stream.close()
        pauses.take()


def _opened(farm: Caller, after: int, wanted: Mapping[str, Any]) -> EventStream | None:
    """A stream; None where the server gives none now, which asking it the other way tells more of."""
    try:
        return farm.event_stream(after, wanted)
    except (FarmUnreachable, NoStream):
        return None
