"""Deliveries: what callbacks have yet to send or to submit, tried until it is done or given up (CONTRACT 10)."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Sequence

from hqserver.domain.callback import ActionKind
from hqserver.domain.delivery import Delivery, job_of_command
from hqserver.domain.errors import Busy, DiskFull, FarmError
from hqserver.services.intake.submission import submit
from hqserver.store import callbacks, deliveries
from hqserver.store.database import Transaction
from hqserver.store.deliveries import GivenUp

from .farm import Farm

_LOG = logging.getLogger(__name__)
_BATCH = 100
_FIRST_WAIT_SECONDS = 10.0
_LONGEST_WAIT_SECONDS = 3600.0
_LONGEST_REASON = 300

MOST_ATTEMPTS = 15
"""Tries of one delivery: with the waits between them, the last comes more than six hours after the first."""


class _TakenBack(Exception):
    """The callback was deleted while this was under way."""


def due_webhooks(farm: Farm) -> list[Delivery]:
    """The webhooks to send now, longest due first, a batch at most."""
    return _due(farm, ActionKind.WEBHOOK)


def _due(farm: Farm, kind: ActionKind) -> list[Delivery]:
    now = farm.clock.now()
    with farm.database.read() as connection:
        return deliveries.due(connection, kind, now, now + _LONGEST_WAIT_SECONDS, _BATCH)


def delivered(farm: Farm, delivery: Delivery) -> None:
    """The receiver has taken it: it is done."""
    farm.database.write(lambda transaction: deliveries.settle(transaction.connection, delivery.id))


def refused(farm: Farm, delivery: Delivery, reason: str) -> None:
    """It was answered, and not taken: try it again after 10, 20, 40 s ... an hour, 15 times in all."""
    _failed(farm, delivery, [(delivery.id, delivery.attempts)], reason)


def unreachable(farm: Farm, delivery: Delivery, reason: str) -> None:
    """Nobody is there: this counts for all that were to go to that host and port, so that nothing else waits for it."""
    with farm.database.read() as connection:
        alike = deliveries.with_target(connection, delivery.action.target, farm.clock.now())
    _failed(farm, delivery, list({(delivery.id, delivery.attempts), *alike}), reason)


def unanswered(farm: Farm, delivery: Delivery, reason: str) -> None:
    """Somebody is there and does not answer: this counts for all of its callback. Others behind the same host may be
    answered."""
    with farm.database.read() as connection:
        alike = deliveries.of_callback(connection, delivery.callback_id, farm.clock.now())
    _failed(farm, delivery, list({(delivery.id, delivery.attempts), *alike}), reason)


def _failed(farm: Farm, delivery: Delivery, tried: Sequence[tuple[int, int]], reason: str) -> None:
    now, reason = farm.clock.now(), " ".join(reason.split())[:_LONGEST_REASON]
    over = [number for number, attempts in tried if attempts + 1 >= MOST_ATTEMPTS]
    again = [(number, now + _wait(attempts)) for number, attempts in tried if attempts + 1 < MOST_ATTEMPTS]

    def write(transaction: Transaction) -> list[GivenUp]:
        callbacks.note_error(transaction.connection, delivery.callback_id, reason)
        deliveries.postpone(transaction.connection, again)
        return deliveries.give_up(transaction.connection, over, reason)

    for each in farm.database.write(write):
        what = f"the {delivery.action.kind}" if each.count == 1 else f"{each.count} of the {delivery.action.kind}"
        whom = f" to {delivery.action.target}" if delivery.action.target else ""
        _LOG.error(
            "callback %d: %s%s is given up after %d tries: %s", each.callback_id, what, whom, MOST_ATTEMPTS, reason
        )


def _wait(attempts: int) -> float:
    return min(_FIRST_WAIT_SECONDS * 2.0**attempts, _LONGEST_WAIT_SECONDS)


def submit_commands(farm: Farm) -> None:
    """Submit the jobs that commands are run as, each exactly once: in one transaction it is there, and not due."""
    for delivery in _due(farm, ActionKind.COMMAND):
        try:
            _submit(farm, delivery)
        except _TakenBack:
            pass
        except (Busy, DiskFull):
            return  # nothing is wrong with the command: the next tick tries again
        except FarmError as problem:
            refused(farm, delivery, str(problem))


def _submit(farm: Farm, delivery: Delivery) -> None:
    def along(connection: sqlite3.Connection, ids: list[int]) -> None:
        if not deliveries.settle(connection, delivery.id):
            raise _TakenBack
        for job_id in ids:
            callbacks.mark_made(connection, job_id, delivery.callback_id)

    submit(farm, job_of_command(delivery.action.values, delivery.document), along=along)
