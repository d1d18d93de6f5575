"""The server put together: database, services, surfaces, page, ticks. Nobody imports this but the command line."""

from __future__ import annotations

import asyncio
import fcntl
import ipaddress
import logging
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AsyncExitStack, closing, contextmanager
from functools import partial
from pathlib import Path
from typing import TextIO

from hqserver import safeguards
from hqserver.clock import SystemClock, boot_id
from hqserver.config import ServerConfig
from hqserver.domain.errors import FarmError
from hqserver.http.crowd import HttpLimits
from hqserver.http.downloads import with_package
from hqserver.http.events import EventSource
from hqserver.http.server import HttpServer
from hqserver.rpc.dispatch import Dispatcher
from hqserver.rpc.method import Registry
from hqserver.rpc.surface.callbacks import Callbacks
from hqserver.rpc.surface.clients import Clients
from hqserver.rpc.surface.daemons import Daemons
from hqserver.rpc.surface.events import Events
from hqserver.rpc.surface.folders import Folders
from hqserver.rpc.surface.groups import Groups
from hqserver.rpc.surface.jobs import Jobs
from hqserver.rpc.surface.keeping import Keeping
from hqserver.rpc.surface.legacy import Legacy
from hqserver.rpc.surface.locks import Locks
from hqserver.rpc.surface.names import Names
from hqserver.rpc.surface.notes import Notes
from hqserver.rpc.surface.queue import Queue
from hqserver.rpc.surface.resources import Resources
from hqserver.rpc.surface.results import Results
from hqserver.rpc.surface.runners import Runners
from hqserver.rpc.surface.runs import Runs
from hqserver.rpc.surface.server import Server
from hqserver.rpc.surface.work import Work
from hqserver.services import locks
from hqserver.services.care import backup, upkeep
from hqserver.services.clients import client_control, runners
from hqserver.services.clients.groups import names_by_client
from hqserver.services.clients.package import client_package
from hqserver.services.dispatch import rates
from hqserver.services.dispatch.assignment import dispatch_pass
from hqserver.services.events import errors, events
from hqserver.services.farm import Clock, Farm
from hqserver.services.retries import Retries
from hqserver.services.watch import Watch
from hqserver.services.work import blocked_work, leases
from hqserver.smtp import Mailer
from hqserver.spool import Spool
from hqserver.store import clients
from hqserver.store.calls import CallBook
from hqserver.store.database import Database, StoreDamaged, StoreUnusable
from hqserver.store.output import OutputFiles
from hqserver.store.room import Room
from hqserver.ticks import Ticks
from hqserver.waker import Waker
from hqserver.webhooks import Deliverer
from webui.pages import Site

_LOG = logging.getLogger(__name__)
_FLUSH_SECONDS = 1.0
_FORGET_SECONDS = 3600.0
_LOCKS_SECONDS = 60.0
_MAIL_SECONDS = 5.0
_CALLBACKS_SECONDS = 1.0
_ERRORS_SECONDS = 5.0
_STRANDED_SECONDS = 5.0
_LOCK_SECONDS = 2.0


class CannotStart(Exception):
    """Why the server does not start, in one sentence."""


def surfaces(farm: Farm) -> Registry:
    """Every method of the farm."""
    return Registry.from_surfaces(
        [
            *(
                Server(farm),
                Jobs(farm),
                Work(farm),
                Runs(farm),
                Results(farm),
                Events(farm),
                Callbacks(farm),
                Queue(farm),
                Clients(farm),
                Groups(farm),
                Resources(farm),
                Locks(farm),
                Runners(farm),
                Keeping(farm),
            ),
            *(Notes(farm), Folders(farm), Names(), Legacy(farm), Daemons(farm)),
        ]
    )


def open_database(config: ServerConfig) -> Database:
    """The database of the data folder. Raises `CannotStart`; where only a copy helps, the sentence names the newest
    that is good."""
    room = Room(config.data / "ballast")
    try:
        room.prepare()
        return Database(config.data / "farm.db", room=room)
    except StoreDamaged as problem:
        good = backup.newest_good(config.copies)
        hint = f"the newest good copy: hqserver restore {good}" if good else f"there is no good copy in {config.copies}"
        raise CannotStart(f"{problem}; {hint}") from None
    except StoreUnusable as problem:
        raise CannotStart(str(problem)) from None
    except OSError as problem:
        raise CannotStart(f"the data folder {config.data} cannot be used: {problem.strerror}") from None


def open_farm(
    config: ServerConfig, clock: Clock, ask_for_pass: Callable[[], None], wake: Callable[[int], None]
) -> Farm:
    """The farm over the data folder. Raises `CannotStart`."""
    database = open_database(config)
    with database.read() as connection:
        known, groups = clients.every(connection), names_by_client(connection)
    watch = Watch(known, clock.monotonic(), config.policy.suspect_seconds)
    watch.set_groups(groups)
    # The ballast helps only what is on the same disk.
    shared = config.logs.exists() and config.logs.stat().st_dev == config.data.stat().st_dev
    output = OutputFiles(config.logs, database.room if shared else None)
    return Farm(
        database, output, watch, clock, config.policy, ask_for_pass, wake, config.settings, copies=config.copies
    )


def prepare_data(folder: Path, logs: Path) -> TextIO:
    """Make the data folder and lock it, so that two servers never share one. Raises `CannotStart`."""
    try:
        for each in (folder, logs):
            each.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = (folder / "lock").open("a+")
    except OSError as problem:
        raise CannotStart(f"the data folder {folder} cannot be written: {problem.strerror}") from None
    began = time.monotonic()
    while not _locked(lock):
        # Whoever asks whether a server runs holds the lock for a moment.
        if time.monotonic() - began > _LOCK_SECONDS:
            lock.close()
            raise CannotStart(f"the data folder {folder} is in use by another hqserver")
        time.sleep(0.05)
    return lock


def _locked(lock: TextIO) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def is_running(folder: Path) -> bool:
    """Whether a server runs on this data folder."""
    try:
        with (folder / "lock").open("a+") as lock:
            return not _locked(lock)
    except OSError:
        return False


def refuse_open_address(host: str, open_networks: Sequence[str]) -> None:
    """Nobody is let in by accident: an address for others needs the networks named that may call (CONTRACT 9.23).

    Raises `CannotStart`.
    """
    try:
        loopback = ipaddress.ip_address(host).is_loopback
    except ValueError:
        loopback = host == "localhost"
    if not loopback and not open_networks:
        raise CannotStart(
            f"--host {host} would let others in, and nothing says who: name the networks that may run commands on the "
            "farm in hqserver.openNetworks, such as 10.1.0.0/16"
        )


def serve(config: ServerConfig, start_log: Callable[[], None], announce: Callable[[str], None]) -> None:
    """Run the server until SIGTERM or Ctrl-C. `announce` gets the address once it answers. Raises `CannotStart`.

    `start_log` opens the log once the data folder is this server's alone.
    """
    refuse_open_address(config.host, config.open_networks)
    with closing(prepare_data(config.data, config.logs)):
        start_log()
        asyncio.run(_serve(config, announce))


async def _serve(config: ServerConfig, announce: Callable[[str], None]) -> None:
    clock = SystemClock()
    ticks = Ticks(clock)
    waker = Waker(lambda client_id: _address(farm, client_id))
    async with AsyncExitStack() as ending:  # what is entered last ends first, whatever fails
        farm = open_farm(config, clock, ticks.ask_for_pass, waker.wake)
        ending.callback(farm.database.close)
        ending.callback(_at_the_end, "what clients told last", lambda: upkeep.flush(farm))
        write_errors = ending.enter_context(_gathered_errors(farm))
        retries = _open_retries(config, farm)
        locks.begin_anew(farm)
        ending.callback(_at_the_end, "calls that were answered", retries.close)
        mailer = Mailer(farm, config.mail_server) if config.mail_server else None
        # Whoever reaches a server that serves this machine alone reaches all the machine's ports already.
        deliverer = Deliverer(farm, loopback=not config.open_networks)
        registry = surfaces(farm)
        answers = Spool(config.data, most_bytes=HttpLimits().spooled_answers)
        http = HttpServer(
            Dispatcher(registry, spool=answers).handle,
            with_package(client_package(), Site(farm, registry, ticks.ages).respond),
            host=config.host,
            port=config.port,
            threads=config.threads,
            allowed_hosts=config.host_names,
            networks=config.open_networks,
            attempt=retries.attempt,
            events=EventSource(farm.journal, partial(events.read_page, farm)),
            folder=config.data,
        )
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop.set)
        if mailer is not None:
            ending.push_async_callback(asyncio.to_thread, mailer.stop)
        ending.push_async_callback(asyncio.to_thread, deliverer.stop)
        stopping = threading.Event()
        ending.push_async_callback(asyncio.to_thread, ticks.stop)
        ending.push_async_callback(waker.stop)
        ending.callback(stopping.set)
        try:
            host, port = await http.start()
        except OSError as problem:
            reason = os.strerror(problem.errno) if problem.errno else str(problem)
            raise CannotStart(f"port {config.port} of {config.host} cannot be used: {reason}") from None
        ending.push_async_callback(http.stop)
        waker.start()
        if mailer is not None:
            mailer.start()
        deliverer.start()
        ticks.start(
            lambda: dispatch_pass(farm),
            [
                ("flush", _FLUSH_SECONDS, lambda: upkeep.flush(farm)),
                ("silence", config.policy.beat_seconds / 2, lambda: upkeep.notice_silence(farm)),
                ("removals", config.policy.beat_seconds / 2, lambda: client_control.hide_silent(farm)),
                ("leases", _FLUSH_SECONDS, lambda: leases.end_leases(farm)),
                ("waits", _FLUSH_SECONDS, lambda: upkeep.bound_waits(farm)),
                ("rates", _FLUSH_SECONDS, lambda: rates.let_go(farm)),
                ("stranded", _STRANDED_SECONDS, lambda: blocked_work.fail_stranded(farm)),
                ("errors", _ERRORS_SECONDS, write_errors),
                ("locks", _LOCKS_SECONDS, lambda: locks.forget_ended(farm)),
                ("submissions", _FORGET_SECONDS, lambda: upkeep.forget_submissions(farm)),
                ("expiry", _FORGET_SECONDS, lambda: upkeep.expire_jobs(farm)),
                ("events", _FORGET_SECONDS, lambda: events.forget_old(farm)),
                ("runners", _FORGET_SECONDS, lambda: runners.retire_idle(farm)),
                *([("mail", _MAIL_SECONDS, mailer.ask)] if mailer is not None else []),
                ("callbacks", _CALLBACKS_SECONDS, deliverer.ask),
                ("calls", _FLUSH_SECONDS, retries.flush),
                *safeguards.ticks(config, farm, lambda: not stopping.is_set()),
            ],
        )
        for caveat in safeguards.caveats(config):
            _LOG.warning("%s", caveat)
        shown = f"[{host}]" if ":" in host else host
        announce(f"http://{shown}:{port}")
        await stop.wait()
        _LOG.info("ending")


@contextmanager
def _gathered_errors(farm: Farm) -> Iterator[Callable[[], None]]:
    """Gather what is logged as an error; what is called now and then, and at the end, to write it down."""
    log = errors.ErrorLog()
    logging.getLogger().addHandler(log)
    try:
        yield lambda: errors.flush(farm, log)
    finally:
        logging.getLogger().removeHandler(log)
        _at_the_end("the last errors", lambda: errors.flush(farm, log))


def _at_the_end(what: str, write: Callable[[], None]) -> None:
    """Write what can be done without; where there is no room for it, the server ends in order all the same."""
    try:
        write()
    except FarmError as problem:
        _LOG.warning("%s could not be written: %s", what, problem)


def _open_retries(config: ServerConfig, farm: Farm) -> Retries:
    try:
        return Retries(farm.database, CallBook(config.data / "calls.answered"), farm.clock, boot_id())
    except OSError as problem:
        raise CannotStart(f"the data folder {config.data} cannot be written: {problem.strerror}") from None


def _address(farm: Farm, client_id: int) -> tuple[str, int] | None:
    presence = farm.watch.get(client_id)
    if presence is None or not presence.row.port:
        return None
    return presence.row.ip, presence.row.port
