"""The farm's events: written with what they tell, read by a cursor, forgotten after 30 days (CONTRACT 10)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from hqserver.domain.errors import BadParameters
from hqserver.domain.event import Event, EventFilter, EventKind, Page, parse_event_filter
from hqserver.services.attributes import moment
from hqserver.services.farm import Farm
from hqserver.store import events
from hqserver.store.database import Transaction

from .triggering import fire

KEPT_SECONDS = 30 * 86400.0
"""How long an event is kept."""

MOST_ANSWERED = 10_000
ALIKE = 256
"""Pieces of one job that change alike in one transaction, beyond which one event tells of all of them."""

LONGEST_REASON = 1_000
"""Characters. A job's history keeps all of it."""

_FORGOTTEN_BATCH, _FORGOTTEN_BATCHES = 2_000, 1_000


def tell(farm: Farm, transaction: Transaction, told: Sequence[Event], at: float) -> None:
    """Write events with the caller's transaction; whoever listens hears of them once that is on disk."""
    if told:
        kept = [each if len(each.reason) <= LONGEST_REASON else _shortened(each) for each in summed_up(told)]
        numbered = events.append(transaction.connection, kept, at)
        fire(farm, transaction.connection, numbered)
        transaction.after_commit(partial(farm.journal.publish, numbered))


def tell_of_client(farm: Farm, transaction: Transaction, label: str, was: str, now: str, reason: str = "") -> None:
    """Write an event of a client."""
    tell(farm, transaction, [Event(EventKind.CLIENT, None, None, "", label, was, now, reason)], farm.clock.now())


def tell_of_inventory(
    farm: Farm, transaction: Transaction, kind: EventKind, now: str, reason: str, client: str = ""
) -> None:
    """Write an event of a group, a resource or a lock, which `reason` names."""
    tell(farm, transaction, [Event(kind, None, None, "", client, "", now, reason)], farm.clock.now())


def summed_up(told: Sequence[Event]) -> list[Event]:
    """The events, those of many pieces of one job that changed alike as one: `reason` says how many they were."""
    if len(told) <= ALIKE:
        return list(told)
    alike = Counter(_likeness(event) for event in told if event.kind is EventKind.WORK)
    many = {likeness for likeness, count in alike.items() if count > ALIKE}
    kept: list[Event] = []
    for event in told:
        if not many or event.kind is not EventKind.WORK or (likeness := _likeness(event)) not in many:
            kept.append(event)
        elif count := alike.pop(likeness, 0):
            kept.append(event._replace(work="", reason=pieces(count, event.reason)))
    return kept


def _shortened(event: Event) -> Event:
    return event._replace(reason=event.reason[: LONGEST_REASON - 1] + "…")


def _likeness(event: Event) -> Event:
    return event._replace(work="")


def pieces(count: int, reason: str) -> str:
    """The reason of an event that tells of several pieces."""
    return f"{count} {'piece' if count == 1 else 'pieces'}: {reason}"


# Reading -------------------------------------------------------------------------------------------------------------


def read_page(farm: Farm, after: int, limit: int, wanted: EventFilter) -> Page:
    """Events behind a cursor, from the database."""
    with farm.database.read() as connection:
        return events.page(connection, after, limit, wanted)


def get_events(farm: Farm, after: int | None, limit: int, filter: Mapping[str, Any] | None) -> dict[str, Any]:
    """A page of the journal behind a cursor. Raises `BadParameters`."""
    wanted = parse_event_filter(filter)
    if not 1 <= limit <= MOST_ANSWERED:
        raise BadParameters(f"limit must be from 1 to {MOST_ANSWERED}, not {limit}")
    if after is not None and after < -1:
        raise BadParameters(f"after must be a cursor, 0, or -1 for what is to come, not {after}")
    found = read_page(farm, after or 0, limit, wanted)
    return {
        "events": [{**shown(event), "time": moment(event.at)} for event in found.events],
        "next": found.next,
        "more": found.more,
        "lost": found.lost,
    }


def shown(event: Event) -> dict[str, Any]:
    """What callers are told of an event, but for its time."""
    return {
        "id": event.id,
        "kind": str(event.kind),
        "job": event.job_id,
        "work": event.work,
        "client": event.client,
        "was": event.was,
        "now": event.now,
        "reason": event.reason,
    }


def forget_old(farm: Farm) -> None:
    """Forget events older than 30 days, a few at a time, so that nobody waits long behind it."""
    before = farm.clock.certain() - KEPT_SECONDS
    for _ in range(_FORGOTTEN_BATCHES):
        forgotten = farm.database.write(
            lambda transaction: events.forget(transaction.connection, before, _FORGOTTEN_BATCH)
        )
        if forgotten < _FORGOTTEN_BATCH:
            return
