"""Firing callbacks: what new events make due, written in the transaction that writes the events (CONTRACT 10).

Nothing is sent here. Mail goes into the outbox, webhooks and commands become deliveries, and both leave after the
commit: a crash in between delivers twice at most, and never loses one.
"""

from __future__ import annotations

import logging
import sqlite3
from collections import defaultdict
from collections.abc import Iterator, Sequence
from functools import cached_property

from hqserver.domain.callback import ActionKind, Scope, word_of
from hqserver.domain.delivery import JobFacts, document
from hqserver.domain.event import Event, EventKind
from hqserver.domain.mail import Happening, job_mail
from hqserver.services.farm import Farm
from hqserver.store import callbacks, deliveries, lineage, mails
from hqserver.store.callbacks import CallbackRow
from hqserver.store.kin import ancestors_of_each

_LOG = logging.getLogger(__name__)

MOST_WAITING = 100_000
"""Deliveries of one callback that may wait: whoever receives them has been away for long."""


def fire(farm: Farm, connection: sqlite3.Connection, told: Sequence[Event]) -> None:
    """Make due what callbacks want to be done about these events, which have their ids."""
    if not callbacks.are_any(connection):
        return
    leaving = farm.leaving.last_job
    news = [event for event in told if event.job_id is not None and event.job_id > leaving and word_of(event)]
    if not news:
        return
    fired: dict[int, tuple[CallbackRow, list[Event]]] = {}
    for callback, event in _Fired(connection, news):
        fired.setdefault(callback.id, (callback, []))[1].append(event)
    if not fired:
        return
    facts = callbacks.facts_of(connection, {event.job_id or 0 for _, events in fired.values() for event in events})
    for callback, events in fired.values():
        if callback.action.kind is ActionKind.MAIL:
            _mail(farm, connection, callback, events, facts)
        else:
            _deliver(connection, callback, events, facts)


class _Fired:
    """Each callback that these events fire, with the event."""

    def __init__(self, connection: sqlite3.Connection, news: Sequence[Event]):
        self._connection = connection
        self._news = news
        self._parents: dict[int, list[int]] = {}
        self._plain: dict[int, bool] = {}

    def __iter__(self) -> Iterator[tuple[CallbackRow, Event]]:
        ids = {event.job_id or 0 for event in self._news}
        above = ancestors_of_each(self._connection, ids) if callbacks.watch_families(self._connection) else {}
        found: dict[int | None, list[CallbackRow]] = defaultdict(list)
        for callback in callbacks.concerning(self._connection, ids.union(*above.values())):
            found[callback.job_id].append(callback)
        if not found:
            return
        for event in self._news:
            job_id = event.job_id or 0
            for callback in (*found.get(None, ()), *found.get(job_id, ())):
                if self._fires(callback, event, own=True) and not self._goes_round(callback, event):
                    yield callback, event
            for relative in above.get(job_id, ()):
                for callback in found.get(relative, ()):
                    if self._fires(callback, event, own=False):
                        yield callback, event

    def _fires(self, callback: CallbackRow, event: Event, *, own: bool) -> bool:
        """`own`: the event is of the callback's job, and of any where it is for every job; else of one below it."""
        has, word, job_id = callback.triggers, word_of(event), event.job_id or 0
        if f"{Scope.ANY}:{word}" in has:
            return True
        if event.kind is EventKind.WORK:
            return own and f"{Scope.WORK}:{word}" in has
        if not own:
            return f"{Scope.CHILD}:{word}" in has and callback.job_id in self._parents_of(job_id)
        if f"{Scope.JOB}:{word}" in has:
            return True
        return event.kind is EventKind.JOB and f"{Scope.WORK}:{word}" in has and self._is_plain(job_id)

    def _goes_round(self, callback: CallbackRow, event: Event) -> bool:
        """Whether a command for every job is asked for by what a callback made: it would go on without end."""
        farm_wide = callback.job_id is None and callback.action.kind is ActionKind.COMMAND
        return farm_wide and event.root_id in self._made

    @cached_property
    def _made(self) -> set[int]:
        return callbacks.made(self._connection, {event.root_id or 0 for event in self._news})

    def _parents_of(self, job_id: int) -> list[int]:
        if job_id not in self._parents:
            self._parents[job_id] = lineage.parents_of(self._connection, job_id)
        return self._parents[job_id]

    def _is_plain(self, job_id: int) -> bool:
        if job_id not in self._plain:
            self._plain[job_id] = callbacks.without_agenda(self._connection, job_id)
        return self._plain[job_id]


def _deliver(
    connection: sqlite3.Connection, callback: CallbackRow, events: Sequence[Event], facts: dict[int, JobFacts]
) -> None:
    room = max(MOST_WAITING - callback.waiting, 0)
    told = [document(callback.id, event, facts[event.job_id or 0]) for event in events[:room]]
    deliveries.add(connection, callback.id, callback.action, told, events[0].at)
    left_out = len(events) - len(told)
    callbacks.note_fired(connection, callback.id, fired=len(events), waiting=len(told), failed=left_out)
    if left_out:
        problem = f"{MOST_WAITING} deliveries wait: further ones are left out"
        callbacks.note_error(connection, callback.id, problem)
        _LOG.error("callback %d: %s", callback.id, problem)


def _mail(
    farm: Farm,
    connection: sqlite3.Connection,
    callback: CallbackRow,
    events: Sequence[Event],
    facts: dict[int, JobFacts],
) -> None:
    """One mail about each job, which tells of all its events."""
    callbacks.note_fired(connection, callback.id, fired=len(events), waiting=0, failed=0)
    policy = farm.policy.mail
    if policy is None:
        callbacks.note_error(connection, callback.id, "no mail server is configured (smtp_server)")
        return
    by_job: dict[int, list[Event]] = defaultdict(list)
    for event in events:
        by_job[event.job_id or 0].append(event)
    for job_id, of_job in by_job.items():
        subject, body = job_mail(
            policy,
            job_id,
            facts[job_id].name,
            callback.triggers,
            [_happening(event) for event in of_job],
            subject=str(callback.action.values.get("subject", "")),
            asked_by=f"Callback {callback.id}",
        )
        now = of_job[-1].at
        mails.add(connection, callback.action.values["to"], subject, body, now, now)


def _happening(event: Event) -> Happening:
    piece = ""
    if event.kind is EventKind.WORK:
        piece = f"piece {event.work}" if event.work else "several pieces"
    what = event.now if event.kind is EventKind.HISTORY else "status"
    return Happening(what, event.now, event.at, event.reason, event.client, piece)
