"""Who is a client of the farm: identity is a secret the server issued, a host name is only a label (PROMISES 2.4)."""

from __future__ import annotations

import hashlib
import logging
import re
import secrets
import sqlite3
from dataclasses import dataclass

from hqserver.domain.errors import Busy, Conflict, NotAuthenticated
from hqserver.services.events.errors import note_client_error
from hqserver.services.events.events import tell_of_client
from hqserver.services.farm import Farm
from hqserver.services.watch import Presence
from hqserver.services.work.leases import longest_left
from hqserver.services.work.sheet import Sheet
from hqserver.store import clients, runs
from hqserver.store.clients import ClientRow
from hqserver.store.database import Transaction

from .known_ids import heed_known_ids
from .package import ClientPackage, client_package
from .reconciling import reconcile

_LOG = logging.getLogger(__name__)
_RESTART_SECONDS = 2.0
"""A beat of the former session that arrives so long after a restart was not on its way: two daemons are alive."""

_DOUBT_BEATS = 3
_WITH_FOLDER = re.compile("[0-9a-f]{16}-[0-9a-f]{32}")


@dataclass(frozen=True, slots=True)
class Identity:
    """What a daemon says of itself (PROTOCOL.md, registerClient). Memory in kB, `cpu_speed` in MHz.

    `runs` are those that it holds, `died` those that were alive when its machine went down.
    """

    hostname: str
    name: str
    session: str
    boot_id: str
    platform: str
    cpus: int
    cpu_speed: int
    memory: int
    version: str
    port: int
    runs: frozenset[str]
    died: frozenset[str] = frozenset()
    location: str = ""
    utc_offset: int = 0
    disk_total: int = 0
    upgrade_error: str = ""
    highest_job: int = 0


@dataclass(frozen=True, slots=True)
class Registration:
    """The answer: the client's id, its new secret ("" = it keeps the one it has), runs it must end, the client code
    that belongs to this server."""

    client_id: int
    secret: str
    stop: list[str]
    package: ClientPackage


def hash_secret(secret: str) -> str:
    """How a secret is stored. It holds 256 random bits, so a plain hash keeps it."""
    return hashlib.sha256(secret.encode()).hexdigest()


def register(farm: Farm, identity: Identity, secret: str, ip: str) -> Registration:
    """Take in a daemon: a known one by its secret, a new one, or one that takes over a silent one's name.

    Raises `NotAuthenticated` for an unknown secret, `Conflict` for a name that is taken or a session that another
    one with the same secret proved to be a copy, and `Busy` while it is not known whether it is one.
    """
    monotonic = farm.clock.monotonic()
    heed_known_ids(farm, identity.highest_job, identity.hostname)
    known = farm.watch.by_secret(hash_secret(secret)) if secret else None
    if secret and known is None:
        raise NotAuthenticated("this server does not know the client's secret")
    if known is not None:
        _refuse_copy(farm, known, identity.session, monotonic)
    holder = _daemon_called(farm, identity)
    if holder is not None and holder is not known and not _yields(farm, holder, identity, monotonic):
        sentence = f"name taken: a client called {holder.row.label} is alive; give this one a name of its own"
        raise _refused(farm, holder, sentence)
    if known is None and holder is not None and not _booted_anew(holder, identity):
        # What runs there under a strict lease knows nothing of a newcomer, and ends by itself.
        seconds = longest_left(farm, holder)
        if seconds > 0:
            sentence = f"name taken: {holder.row.label} may run work under a strict lease for another {seconds:.0f} s"
            raise _refused(farm, holder, sentence)
    new_secret = "" if known else secrets.token_hex(32)
    former = known or holder

    def write(transaction: Transaction) -> tuple[ClientRow, list[str]]:
        now = farm.clock.now()
        if known is not None and holder is not None and holder is not known:
            _free_name(transaction, holder.row)
        # What people set may change in the same moment: the database knows, memory may not yet.
        was = clients.load(transaction.connection, former.row.id) if former else None
        row = ClientRow(
            id=was.id if was else 0,
            secret_hash=hash_secret(new_secret) if new_secret else was.secret_hash if was else "",
            session=identity.session,
            boot_id=identity.boot_id,
            ip=ip,
            description=was.description if was else "",
            disabled=was.disabled if was else 0,
            availability=was.availability if was else "",
            wanted=_still_wanted(was, identity) if was else "",
            sick=was.sick if was else "",
            registered_at=now,
            heartbeat_at=now,
            **{key: getattr(identity, key) for key in _FROM_IDENTITY},
        )
        if was is None:
            row.id, stop = clients.insert(transaction.connection, row), sorted(identity.runs)
        else:
            clients.save(transaction.connection, row)
            with Sheet(farm, transaction) as sheet:
                stop = reconcile(farm, sheet, was, row, identity.runs, identity.died, fresh=known is None)
        tell_of_client(farm, transaction, row.label, "", "registered")
        if row.upgrade_error:
            note_client_error(transaction.connection, row.id, f"upgrade: {row.upgrade_error}", now)
        _tell_of_orphans(transaction.connection, row.id, stop, now)
        transaction.after_commit(lambda: _take_in(farm, row, known, monotonic))
        return row, stop

    try:
        row, stop = farm.database.write(write)
    except sqlite3.IntegrityError:
        # Another daemon came first by a moment.
        raise Conflict(f"name taken: another client called {identity.hostname!r} registers now") from None
    if row.upgrade_error:
        _LOG.warning("%s could not be upgraded: %s", row.label, row.upgrade_error)
    return Registration(row.id, new_secret, stop, client_package())


def _daemon_called(farm: Farm, identity: Identity) -> Presence | None:
    """The daemon that has the label. A runner from outside gives way: a machine cannot choose what it is called."""
    holder = farm.watch.by_name(identity.hostname, identity.name)
    if holder is None or not holder.row.outside:
        return holder
    farm.database.write(lambda transaction: _free_name(transaction, holder.row))
    return None


def _tell_of_orphans(connection: sqlite3.Connection, client_id: int, stop: list[str], now: float) -> None:
    """A run that was never given out here is from before a copy was put back. Nothing is guessed of it, but people
    should see it (PROMISES 2.5)."""
    for run in stop:
        if runs.load(connection, run) is None:
            told = f"nobody here knows run {run}: the client is to end it, and keeps its log in orphans/{run}"
            note_client_error(connection, client_id, told, now)


def _take_in(farm: Farm, row: ClientRow, known: Presence | None, monotonic: float) -> None:
    """The client is registered: the server watches it from here on."""
    presence = Presence(row, heard_at=monotonic, registered_at=monotonic, heard=True)
    former = farm.watch.get(row.id)
    if former is not None:
        presence.probe_at, row.sick = former.probe_at, former.row.sick
    if known is not None:
        presence.previous_session = known.row.session if known.row.session != row.session else ""
        presence.refused_sessions = known.refused_sessions
    farm.watch.put(presence)
    farm.ask_for_pass()


def _refuse_copy(farm: Farm, known: Presence, session: str, monotonic: float) -> None:
    """A daemon with the client's secret registers. Raises `Conflict` where another one that has it is alive, and `Busy`
    while that is to be seen.

    The lock of a data folder lets one daemon in, so one that comes from the same folder follows its former. From
    another folder, or after a boot, it may be a copy of a disk, with copies of the runs: before it may say anything
    of them, the client must have been silent for some beats (PROMISES 2.4).
    """
    here, there = _folder_of(session), _folder_of(known.row.session)
    is_copy = session in known.refused_sessions
    if here and there and here != there and known.silence(monotonic) <= _DOUBT_BEATS * farm.policy.beat_seconds:
        is_copy = is_copy or known.heard_at > known.copies.setdefault(here, monotonic) + _RESTART_SECONDS
        if not is_copy:
            raise Busy(f"another daemon with the secret of {known.row.label} was heard a moment ago; ask again")
    if is_copy:
        raise _refused(farm, known, f"duplicate client: another daemon with the secret of {known.row.label} is alive")


def _folder_of(session: str) -> str:
    """What a session's id says of its daemon's data folder (PROTOCOL.md, `session`), "" where it does not."""
    return session.partition("-")[0] if _WITH_FOLDER.fullmatch(session) else ""


def _refused(farm: Farm, presence: Presence, sentence: str) -> Conflict:
    """Another daemon wants to be this client: an error that people should see."""
    farm.database.write(
        lambda transaction: note_client_error(transaction.connection, presence.row.id, sentence, farm.clock.now())
    )
    return Conflict(sentence)


_FROM_IDENTITY = (
    *("hostname", "name", "platform", "cpus", "cpu_speed", "memory", "version", "port", "location", "utc_offset"),
    *("disk_total", "upgrade_error"),
)


def _still_wanted(was: ClientRow, identity: Identity) -> str:
    """What is still to be asked of a daemon that begins anew: a restart it has done, and an upgrade, well or badly.

    One that was removed and is started again is a client again.
    """
    if was.wanted == "upgrade" and identity.version != client_package().version and not identity.upgrade_error:
        return "upgrade"
    return ""


def _yields(farm: Farm, holder: Presence, identity: Identity, monotonic: float) -> bool:
    """Whether the name goes to a newcomer without the secret: its holder is silent, or its machine booted anew."""
    doubt_seconds = _DOUBT_BEATS * farm.policy.beat_seconds
    patience_seconds = doubt_seconds if _booted_anew(holder, identity) else farm.policy.lost_seconds
    return holder.silence(monotonic) > patience_seconds


def _booted_anew(holder: Presence, identity: Identity) -> bool:
    """Whether the newcomer's machine was started after the holder's: every run of the holder is dead."""
    return bool(identity.boot_id) and identity.boot_id != holder.row.boot_id


def _free_name(transaction: Transaction, row: ClientRow) -> None:
    """A silent client loses its label to one that proved who it is; it keeps its id and its history."""
    name = f"{row.name}~{row.id}"
    clients.set_column(transaction.connection, row.id, "name", name)
    transaction.after_commit(lambda: setattr(row, "name", name))


def authenticate(farm: Farm, secret: str, session: str) -> Presence:
    """The client that beats with this secret. Raises `NotAuthenticated`, `Conflict` for the younger of two sessions and
    for one whose client has none, since a copy of the database was put back."""
    presence = farm.watch.by_secret(hash_secret(secret)) if secret else None
    if presence is None:
        raise NotAuthenticated("this server does not know the client's secret")
    if session == presence.row.session:
        return presence
    if not presence.row.session:
        raise Conflict(f"a copy of the database was put back; {presence.row.label} is to say what it holds")
    age = farm.clock.monotonic() - presence.registered_at
    if session and session == presence.previous_session and age > _RESTART_SECONDS:
        # The older of two daemons with one secret is alive: it keeps the client, the copy is refused for good.
        presence.refused_sessions.add(presence.row.session)
        presence.row.session, presence.previous_session, presence.sequence = session, "", 0
        return presence
    raise _refused(farm, presence, f"duplicate client: another daemon with the secret of {presence.row.label} is alive")
