"""What people change about clients: switched off, described, available, upgraded, restarted, removed (CONTRACT 9.27).

Beats change a client's row in memory all the time, so nothing here writes a whole row: one column goes into the
database, and into memory once that is on disk.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from functools import partial
from typing import Any, Literal

from hqserver.domain import availability
from hqserver.domain.errors import BadParameters
from hqserver.domain.values import Wrong, as_text
from hqserver.services.events.events import tell_of_client
from hqserver.services.farm import Farm
from hqserver.services.watch import Presence
from hqserver.services.work import health
from hqserver.services.work.sheet import Sheet
from hqserver.store import clients, groups, runs
from hqserver.store.clients import Settable
from hqserver.store.database import Transaction

from . import reconciling
from .directory import Directory, registered, registered_client
from .groups import announce
from .package import client_package

_LOG = logging.getLogger(__name__)

LONGEST_DESCRIPTION = 10_000
"""Characters."""


def set_disabled(farm: Farm, clientname: str, disabled: bool) -> bool:
    """Switch a client off or on for new work: what it runs goes on. False where there is no such client.

    One that was set aside as sick is well again when it is switched on.

    `clientname` is `hostname:name` or `hostname`, which where no unnamed client runs there means all of that machine.
    """
    found = Directory(farm).on_host(clientname)

    def write(transaction: Transaction) -> None:
        for presence in found:
            _set(farm, transaction, presence.row.id, "disabled", int(disabled))
            if bool(presence.row.disabled) != disabled:
                words = ("enabled", "disabled") if disabled else ("disabled", "enabled")
                tell_of_client(farm, transaction, presence.row.label, *words)
            if not disabled:
                with Sheet(farm, transaction) as sheet:
                    health.recover(sheet, presence.row.id)
        transaction.after_commit(farm.ask_for_pass)

    if found:
        farm.database.write(write)
    return bool(found)


def set_description(farm: Farm, client_id: int, text: str) -> None:
    """Describe a client. Raises `NotFound`, and `BadParameters` for a text that cannot be kept."""
    try:
        kept = as_text(text)
    except Wrong as problem:
        raise BadParameters(f"text {problem}") from None
    if len(kept) > LONGEST_DESCRIPTION:
        raise BadParameters(f"text has {len(kept)} characters, more than {LONGEST_DESCRIPTION}")
    registered_client(farm, client_id)
    farm.database.write(lambda transaction: _set(farm, transaction, client_id, "description", kept))


def set_availability(farm: Farm, client_id: int, rules: Any) -> None:
    """Say when a client takes work; what it runs goes on (CONTRACT 9.14). No rule at all means never.

    Raises `NotFound`, and `BadParameters` naming the entry and the key that is wrong.
    """
    try:
        kept = availability.as_rules(rules)
    except Wrong as problem:
        raise BadParameters(f"rules: {problem}") from None
    registered_client(farm, client_id)

    def write(transaction: Transaction) -> None:
        _set(farm, transaction, client_id, "availability", availability.to_text(kept))
        transaction.after_commit(farm.ask_for_pass)

    farm.database.write(write)


# Upgrading, restarting, removing -------------------------------------------------------------------------------------


def upgrade(farm: Farm, client_ids: Sequence[int]) -> None:
    """Have clients fetch the server's client code and go on with it, their runs untouched (CONTRACT 9.28).

    Ignored: unknown clients, those that have that code, those that are being removed, and runners from outside
    (CONTRACT 9.3).
    """
    version = client_package().version
    _ask(farm, [each for each in _daemons(farm, client_ids) if each.row.version != version], "upgrade")


def restart(farm: Farm, client_ids: Sequence[int]) -> None:
    """Have the daemons of clients begin anew, their runs untouched.

    Ignored: unknown clients, those that are being removed, and runners from outside (CONTRACT 9.3).
    """
    _ask(farm, _daemons(farm, client_ids), "restart")


def remove(farm: Farm, client_ids: Sequence[int]) -> None:
    """Take clients off the farm: each is told to end its runs and stop, and hidden once it is silent past its time.

    The history of each job that one of them runs says so (CONTRACT 3.6). Unknown clients are ignored (9.3).
    """
    leaving = _known(farm, client_ids)

    def tell_jobs(transaction: Transaction) -> None:
        with Sheet(farm, transaction) as sheet:
            for presence in leaving:
                for job_id in {run.job_id for run in runs.live_of_client(sheet.connection, presence.row.id)}:
                    why = f"{presence.row.label} was removed from the farm; what it runs ends, another may take it over"
                    sheet.note(job_id, "client removed", why, presence.row.id)

    farm.database.write(tell_jobs)
    _ask(farm, leaving, "end")
    hide_silent(farm)


def _known(farm: Farm, client_ids: Sequence[int]) -> list[Presence]:
    """Those of these clients that exist and are not being removed already."""
    found = [presence for each in dict.fromkeys(client_ids) if (presence := farm.watch.get(each)) is not None]
    return [presence for presence in found if not presence.row.removed and presence.row.wanted != "end"]


def _daemons(farm: Farm, client_ids: Sequence[int]) -> list[Presence]:
    return [presence for presence in _known(farm, client_ids) if not presence.row.outside]


def _ask(farm: Farm, presences: Sequence[Presence], what: Literal["upgrade", "restart", "end"]) -> None:
    """Each is told with the answer to its next beat, and asked for a beat at once."""
    client_ids = [presence.row.id for presence in presences]

    def write(transaction: Transaction) -> None:
        for client_id in client_ids:
            _set(farm, transaction, client_id, "wanted", what)
            if what == "upgrade":
                _set(farm, transaction, client_id, "upgrade_error", "")
            transaction.after_commit(partial(farm.wake, client_id))

    if client_ids:
        farm.database.write(write)


def hide_silent(farm: Farm) -> None:
    """Hide the clients that are being removed and have been silent past their time: they ended, or never will."""
    for presence in registered(farm):
        if presence.row.wanted == "end" and _silent(farm, presence):
            hide(farm, presence.row.id)


def hide(farm: Farm, client_id: int) -> None:
    """Take a client out of every list and group. Its runs are lost; the jobs that it ran go on naming it.

    Its label is free for another. Its daemon, should it be heard after all, is told to end; started again it registers
    as the client that it was.
    """
    reconciling.forget(farm, client_id)

    def write(transaction: Transaction) -> None:
        presence = farm.watch.get(client_id)
        if presence is None or presence.row.removed or presence.row.wanted != "end":
            return  # it has registered anew while this waited for its turn
        _set(farm, transaction, client_id, "removed", 1)
        _set(farm, transaction, client_id, "name", f"{presence.row.name}~{client_id}")
        groups.forget_client(transaction.connection, client_id)
        announce(farm, transaction)
        tell_of_client(farm, transaction, presence.row.label, "", "removed")
        _LOG.info("%s was removed", presence.row.label)

    farm.database.write(write)


def leave(farm: Farm, client_id: int) -> None:
    """A daemon that was told to terminate has ended everything, and says so: it is no client any more (1.4)."""

    def write(transaction: Transaction) -> None:
        _set(farm, transaction, client_id, "wanted", "end")

    farm.database.write(write)
    hide(farm, client_id)


def _silent(farm: Farm, presence: Presence) -> bool:
    return (
        bool(presence.row.outside)
        or presence.lost
        or presence.silence(farm.clock.monotonic()) > farm.policy.lost_seconds
    )


def _set(farm: Farm, transaction: Transaction, client_id: int, column: Settable, value: str | int) -> None:
    """Write one column of a client, in the database and then in memory."""
    clients.set_column(transaction.connection, client_id, column, value)

    def remember() -> None:
        presence = farm.watch.get(client_id)
        if presence is not None:
            setattr(presence.row, column, value)

    transaction.after_commit(remember)
