"""Clients that keep failing, whoever's work they run, are set aside as sick and tried again later (CONTRACT 10).

One submitter's broken scene says nothing of a machine; the failures of several in a row, without one success between
them, do, and so do machines that fall silent again and again with work in hand (PROMISES 3, poison jobs). A sick client
gets no work for a time, then one run: if that succeeds it is well, if not it waits twice as long.

What is remembered here changes at once and not after the commit: the same transaction may report several runs of a
client, and hand it work. Should it come to nothing, a client waits for a probe that it did not need.
"""

from __future__ import annotations

import logging

from hqserver.services.events.errors import note_client_error
from hqserver.services.events.events import tell_of_client
from hqserver.services.watch import Presence
from hqserver.store import clients, jobs, notes

from .sheet import Sheet

_LOG = logging.getLogger(__name__)
_SUBMITTERS = 2


def command_failed(sheet: Sheet, job_id: int, client_id: int) -> None:
    """A command of the job failed on the client."""
    farm = sheet.farm
    presence = farm.watch.get(client_id)
    if presence is None:
        return
    farm.health.heard(client_id)
    counts = farm.health.failed(client_id, jobs.submitted_by(sheet.connection, job_id))
    if presence.row.sick:
        _probe_failed(sheet, presence)
    elif len(counts) >= _SUBMITTERS and counts.total() >= farm.policy.sick_failures:
        _set_aside(sheet, presence, f"{counts.total()} commands of {len(counts)} submitters in a row failed there")


def command_succeeded(sheet: Sheet, client_id: int) -> None:
    """A command succeeded on the client: whatever was wrong is not any more."""
    sheet.farm.health.well(client_id)
    recover(sheet, client_id)


def client_lost(sheet: Sheet, presence: Presence) -> None:
    """The client fell silent, or its machine went down, with work in hand. Its silence counts once."""
    losses = sheet.farm.health.lost(presence.row.id, presence.heard_at)
    if presence.row.sick:
        _probe_failed(sheet, presence)
    elif losses >= sheet.farm.policy.max_client_losses:
        _set_aside(sheet, presence, f"it was lost with work in hand {losses} times in a row")


def _probe_failed(sheet: Sheet, presence: Presence) -> None:
    """A sick client failed again. Only what it was given as a probe counts, not what it had in hand before."""
    if sheet.farm.clock.monotonic() >= presence.probe_at:
        _wait_for_probe(sheet, presence)


def _set_aside(sheet: Sheet, presence: Presence, reason: str) -> None:
    """Give the client no work for a while, for this reason, which people are told."""
    wait_seconds = _wait_for_probe(sheet, presence)
    presence.row.sick = reason
    client_id = presence.row.id
    text = f"set aside as sick: {reason}; tried again in {wait_seconds / 60:g} minutes"
    clients.set_column(sheet.connection, client_id, "sick", reason)
    notes.add_automatic(sheet.connection, None, client_id, text, sheet.now)
    note_client_error(sheet.connection, client_id, text, sheet.now)
    tell_of_client(sheet.farm, sheet.transaction, presence.row.label, "", "sick", reason)
    _LOG.warning("%s is %s", presence.row.label, text)


def _wait_for_probe(sheet: Sheet, presence: Presence) -> float:
    wait_seconds = sheet.farm.health.next_wait(presence.row.id, sheet.farm.policy.sick_seconds)
    presence.probe_at = sheet.farm.clock.monotonic() + wait_seconds
    return wait_seconds


def recover(sheet: Sheet, client_id: int) -> None:
    """The client is well: its probe succeeded, or a person says so."""
    farm = sheet.farm
    presence = farm.watch.get(client_id)
    if presence is None or not presence.row.sick:
        return
    clients.set_column(sheet.connection, client_id, "sick", "")
    notes.add_automatic(sheet.connection, None, client_id, "not sick any more", sheet.now)
    tell_of_client(farm, sheet.transaction, presence.row.label, "sick", "well")
    presence.row.sick = ""
    farm.health.well(client_id)
    sheet.transaction.after_commit(farm.ask_for_pass)
