"""The daemon as a whole: puts its parts together, runs them on one event loop, and ends them in order."""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from .beats import Beats
from .codestore import CodeStore
from .config import Config
from .environment import base_environment, client_facts, command_environment
from .execution import Execution
from .facts import identity_facts
from .handover import EXIT_AGAIN
from .identity import DataFolder, IdentityFile
from .link import Transport
from .listener import Listener
from .load import LoadSampler
from .machine import CODE_FOLDER, Machine, code_version
from .outbox import Outbox
from .protocol import EndOrder, RestartOrder, UpgradeOrder
from .session import DuplicateClient, Session
from .upgrade import Upgrades
from .work import Status, Work

_log = logging.getLogger(__name__)

_NEWS_SECONDS = 0.2
_FAREWELL_SECONDS = 5.0
_KILL_SECONDS = 30.0
_GOODBYE_SECONDS = 10.0

EXIT_ENDED, EXIT_CANNOT_START, EXIT_DUPLICATE = 0, 1, 3


class Agent:
    """One daemon. Its data folder is locked already; `run` returns its exit status."""

    def __init__(
        self,
        config: Config,
        machine: Machine,
        data: DataFolder,
        transport: Transport,
        announce: Callable[[str], None] = _log.info,
    ) -> None:
        """`announce` is told in one sentence what a person at the terminal wants to know."""
        self._config = config
        self._machine = machine
        self._data = data
        self._transport = transport
        self._announce = announce
        self._finished = asyncio.Event()
        self._stopping = self._killing = self._leaving = self._said_goodbye = self._again = False
        self._timer: asyncio.TimerHandle | None = None
        self._look: asyncio.Handle | None = None

    async def run(self) -> int:
        """Be a client of the farm until told to end. Raises `OSError` and `ListenerError` when it cannot
        begin."""
        outbox = Outbox(self._data.outbox)
        self._work = Work(self._machine.cpus, outbox.ledger.settled)
        self._execution = Execution(self._work, self._data, outbox, self._environment(), self._changed)
        self._beats = Beats(
            self._work,
            LoadSampler(self._data.path, time.monotonic),
            self._execution.folder,
            self._execution.do,
            self._config.minimum_disk,
            self._told,
        )
        version = code_version()
        self._upgrades = Upgrades(
            CodeStore(self._data.code),
            version,
            self._fetch,
            start_anew=self.start_anew,
            tell=self._tell_upgrade_error,
        )
        facts = self._facts = identity_facts(self._config, self._machine, self._data, version)
        facts["upgradeError"] = self._upgrades.error
        self._session = Session(
            self._transport,
            self._beats,
            IdentityFile(self._data.path),
            self._config.server.url,
            facts,
            self._announce,
            package_offered=self._package_offered,
            beat_answered=self._beat_answered,
        )
        listener = Listener(self.wakeup, self.drain, lambda: self._session.secret)
        try:
            if self._config.listen:
                await listener.open(self._config.bind_host, self._config.port, or_any=bool(self._config.name))
            facts["port"] = listener.port
            await self._execution.start()
            facts["died"] = [run.run for run in self._work.runs.values() if run.died_with_machine]
            return await self._live()
        finally:
            for handle in (self._timer, self._look):
                if handle is not None:
                    handle.cancel()
            self._upgrades.close()
            await listener.close()
            await self._execution.close()
            await self._transport.close()

    def wakeup(self) -> None:
        """HQueue's `wakeup()`: beat now."""
        self._session.hurry()

    def drain(self) -> None:
        """HQueue's `terminate()`: no new runs; paused ones are ended, the others finish; when all are reported,
        say that this client leaves the farm, and end."""
        _log.info("Draining: no new runs, then the end")
        self._leaving = True
        self._take_no_more()

    def stop(self) -> None:
        """End soon: hand back what waits, send what can be sent. Called twice, end now."""
        self._again = False
        if self._stopping:
            self._finished.set()
            return
        self._stopping, self._leaving = True, False
        self._take_no_more()
        if self._config.kill_jobs_on_exit:
            self._kill_all("the client was stopped with --kill-jobs")
        else:
            self._finish_within(_FAREWELL_SECONDS)

    def start_anew(self) -> None:
        """End soon like `stop`, but never a run, and with `EXIT_AGAIN`."""
        if not self._work.draining:
            self._stopping = self._again = True
            self._take_no_more()
            self._finish_within(_FAREWELL_SECONDS)

    def end(self, reason: str) -> None:
        """End every run; when all are reported, say that this client leaves the farm, and end."""
        if self._killing:
            return
        self._announce(f"this client ends: {reason}")
        self._leaving, self._again = True, False
        self._take_no_more()
        self._kill_all(reason)

    def holds(self, run: str) -> bool:
        """Whether the run is not settled yet."""
        return run in self._work.runs

    # What the server says beyond runs

    def _told(self, order: UpgradeOrder | RestartOrder | EndOrder) -> None:
        """Orders are repeated until they are followed."""
        match order:
            case UpgradeOrder():
                if not self._work.draining:
                    self._upgrades.ordered(order)
            case RestartOrder():
                self.start_anew()
            case EndOrder(reason):
                self.end(reason)

    def _package_offered(self, package: UpgradeOrder) -> None:
        if self._config.auto_upgrade and not self._work.draining:
            self._upgrades.offered(package)

    def _tell_upgrade_error(self, error: str) -> None:
        self._facts["upgradeError"] = error
        self._session.register_again()

    def _beat_answered(self) -> None:
        """The server and this code understand each other. Code that a command may still use stays where it is."""
        self._execution.taken()
        orders = (run.order for run in self._work.live())
        theirs = (order.environment.get("HQCLIENT", "") for order in orders if order is not None)
        self._upgrades.confirm([CODE_FOLDER, *map(Path, filter(None, theirs))])

    async def _fetch(self, path: str, limit: int) -> bytes:
        return await self._transport.fetch(path, limit, self._session.secret)

    # The end

    def _take_no_more(self) -> None:
        self._execution.do(self._work.drain(time.monotonic()))
        self._session.hurry()
        self._changed()

    def _kill_all(self, reason: str) -> None:
        """End every run, and be done with it when that takes too long."""
        self._killing = True
        grace_seconds = max((run.kill_grace_seconds for run in self._work.live()), default=0.0)
        self._finish_within(grace_seconds + _KILL_SECONDS)
        self._execution.do(self._work.kill_all(reason, time.monotonic()))

    def _finish_within(self, seconds: float) -> None:
        asyncio.get_running_loop().call_later(seconds, self._finished.set)

    async def _live(self) -> int:
        parts = [asyncio.ensure_future(part) for part in (self._session.run(), self._watch_output(), self._end())]
        try:
            done, _ = await asyncio.wait(parts, return_when=asyncio.FIRST_COMPLETED)
            for part in done:
                part.result()
        except DuplicateClient as problem:
            self._announce(f"this client ends: {problem}")
            return EXIT_DUPLICATE
        finally:
            for part in parts:
                part.cancel()
            await asyncio.gather(*parts, return_exceptions=True)
        left = len(self._work.live())
        if self._again:
            _log.info("Starting anew; %d running job(s) go on", left)
            return EXIT_AGAIN
        if left:
            self._announce(f"{left} running job(s) go on; the next hqclient with this data folder takes them up")
        return EXIT_ENDED

    async def _end(self) -> None:
        await self._finished.wait()

    async def _watch_output(self) -> None:
        """Look often whether a run has something new to send: the first lines of a command are waited for."""
        while True:
            await asyncio.sleep(_NEWS_SECONDS)
            if self._beats.has_news():
                self._session.want_beat()

    def _changed(self) -> None:
        """Something happened to a run: look what follows from it, once for all that happens now."""
        if self._look is None:
            self._look = asyncio.get_running_loop().call_soon(self._look_around)

    def _look_around(self) -> None:
        """See what is due now, what later, and whether that was the end."""
        self._look = None
        now = time.monotonic()
        if self._work.reports(now):
            self._session.want_beat()
        self._set_timer(now)
        if not self._work.draining:
            return
        if self._leaving and (steps := self._work.end_paused("the client leaves the farm", now)):
            self._execution.do(steps)
        waiting = any(run.status in (Status.ACCEPTING, Status.OVER) for run in self._work.runs.values())
        told = not waiting or not self._session.connected
        if self._leaving and not self._work.runs:
            self._say_goodbye()
        elif not self._work.runs or (self._stopping and told and not self._killing):
            self._finished.set()

    def _say_goodbye(self) -> None:
        """`Session.run` returns when the server has it; without an answer the daemon ends all the same."""
        if not self._said_goodbye:
            self._said_goodbye = True
            self._session.leave()
            self._finish_within(_GOODBYE_SECONDS)

    def _set_timer(self, now: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        due_at = self._work.due_at()
        if due_at != float("inf"):
            self._timer = asyncio.get_running_loop().call_later(max(0.0, due_at - now), self._due)

    def _due(self) -> None:
        self._timer = None
        self._execution.do(self._work.tick(time.monotonic()))

    def _environment(self) -> Callable[[Mapping[str, str]], dict[str, str]]:
        facts = client_facts(
            code_folder=str(CODE_FOLDER),
            platform=self._machine.platform,
            server_url=self._config.server.url,
            hostname=self._machine.hostname,
        )
        base = base_environment(
            own=os.environ,
            keep=self._config.keep_environment,
            job_environment=self._config.job_environment,
            client_facts=facts,
        )
        return lambda order: command_environment(base, order, self._config.shared_mount)
