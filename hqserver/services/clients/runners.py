"""Runners from outside as clients of the farm (CONTRACT 10, Locks and outside runners).

A runner is a client that asks for its work itself (`claims`): it stands in lists, in conditions and in groups like the
others. It comes with its first question, is given nothing unasked, and leaves when it has not asked for a day.
"""

from __future__ import annotations

import secrets

from hqserver.domain.errors import Busy, Conflict
from hqserver.domain.runner import Runner
from hqserver.services.events.events import tell_of_client
from hqserver.services.farm import Farm
from hqserver.services.watch import Presence
from hqserver.store import clients, runs
from hqserver.store.clients import ClientRow
from hqserver.store.database import Transaction

from . import client_control
from .directory import registered
from .registration import hash_secret

MOST_RUNNERS = 10_000
"""Runners from outside that the farm knows at a time."""
_IDLE_SECONDS = 86_400.0


def presence_of(farm: Farm, runner: Runner) -> Presence:
    """The runner as a client, made where it is new; what it says of itself is taken over."""
    known = farm.watch.by_name(runner.name, "")
    if known is not None and known.row.outside and _described(known.row) == runner:
        return known
    if known is None and len(_runners(farm)) >= MOST_RUNNERS:
        raise Busy(f"the farm has {MOST_RUNNERS} runners; those that do nothing for a day leave it")

    def write(transaction: Transaction) -> int:
        now = farm.clock.now()
        row = clients.labelled(transaction.connection, runner.name, "")
        if row is None:
            row = _new_client(runner, now)
            row.id = clients.insert(transaction.connection, row)
            tell_of_client(farm, transaction, row.label, "", "registered")
        elif not row.outside:
            raise Conflict(f"{runner.name} is a client with a daemon; call the runner otherwise")
        else:
            row.platform, row.cpus, row.memory = runner.platform, runner.cpus, runner.memory
            clients.save(transaction.connection, row)
        transaction.after_commit(lambda: _take_in(farm, row))
        return row.id

    presence = farm.watch.get(farm.database.write(write, repeatable=True))
    assert presence is not None
    return presence


def _take_in(farm: Farm, row: ClientRow) -> None:
    """The server watches the runner from here on. Commits are announced one after the other: of two first questions at
    the same time the later finds what the earlier one made."""
    presence = farm.watch.get(row.id)
    if presence is None:
        monotonic = farm.clock.monotonic()
        farm.watch.put(Presence(row, heard_at=monotonic, registered_at=monotonic, heard=True))
        return
    known = presence.row  # people may have changed the rest of it since `row` was read
    known.platform, known.cpus, known.memory = row.platform, row.cpus, row.memory
    presence.known_facts = None


def _described(row: ClientRow) -> Runner:
    return Runner(row.hostname, row.platform, row.cpus, row.memory)


def _new_client(runner: Runner, now: float) -> ClientRow:
    return ClientRow(
        id=0,
        hostname=runner.name,
        name="",
        secret_hash=hash_secret(secrets.token_hex(32)),  # no daemon can have it
        session="",
        boot_id="",
        ip="",
        port=0,
        platform=runner.platform,
        cpus=runner.cpus,
        cpu_speed=0,
        memory=runner.memory,
        version="",
        registered_at=now,
        heartbeat_at=now,
        outside=1,
    )


def hear(farm: Farm, client_id: int) -> None:
    """The runner called just now."""
    presence = farm.watch.get(client_id)
    if presence is None:
        return
    presence.heard_at, presence.heard = farm.clock.monotonic(), True
    presence.row.heartbeat_at = farm.clock.now()
    presence.unsaved = True


def retire_idle(farm: Farm) -> None:
    """Runners that hold nothing and were not heard for a day are clients no more; asking for work they are again."""
    monotonic = farm.clock.monotonic()
    idle = [each for each in _runners(farm) if each.silence(monotonic) > _IDLE_SECONDS]
    if not idle:
        return
    with farm.database.read() as connection:
        at_work = {run.client_id for run in runs.leased(connection)}
    client_control.remove(farm, [each.row.id for each in idle if each.row.id not in at_work])


def _runners(farm: Farm) -> list[Presence]:
    return [presence for presence in registered(farm) if presence.row.outside]
