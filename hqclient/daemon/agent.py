"""The daemon as a whole: puts its parts together, runs them on one event loop, and ends them in order."""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections.abc import Callable, Mapping

from .beats import Beats
from .config import Config
from .environment import base_environment, client_facts, command_environment
from .execution import Execution
from .identity import DataFolder, IdentityFile
from .link import Transport
from .listener import Listener
from .load import LoadSampler
from .machine import CODE_FOLDER, Machine, code_version
from .outbox import Outbox
from .protocol import PROTOCOL
from .session import DuplicateClient, Session
from .work import Status, Work

_log = logging.getLogger(__name__)

_NEWS_SECONDS = 0.2
_FAREWELL_SECONDS = 5.0
_KILL_SECONDS = 30.0

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
        self._stopping = False
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
        )
        facts = self._facts()
        self._session = Session(
            self._transport,
            self._beats,
            IdentityFile(self._data.path),
            self._config.server.url,
            facts,
            self._announce,
        )
        listener = Listener(self.wakeup, self.drain)
        try:
            if self._config.listen:
                await listener.open(self._config.bind_host, self._config.port, or_any=bool(self._config.name))
            facts["port"] = listener.port
            await self._execution.start()
            return await self._live()
        finally:
            for handle in (self._timer, self._look):
                if handle is not None:
                    handle.cancel()
            await listener.close()
            await self._execution.close()
            await self._transport.close()

    def wakeup(self) -> None:
        """HQueue's `wakeup()`: beat now."""
        self._session.hurry()

    def drain(self) -> None:
        """HQueue's `terminate()`: no new runs; end when those that run have ended and are reported."""
        _log.info("Draining: no new runs, then the end")
        self._execution.do(self._work.drain(time.monotonic()))
        self._session.hurry()

    def stop(self) -> None:
        """End soon: hand back what waits, send what can be sent. Called twice, end now."""
        if self._stopping:
            self._finished.set()
            return
        self._stopping = True
        self.drain()
        seconds = _FAREWELL_SECONDS
        if self._config.kill_jobs_on_exit:
            grace_seconds = max((run.kill_grace_seconds for run in self._work.live()), default=0.0)
            seconds = grace_seconds + _KILL_SECONDS
            self._execution.do(self._work.kill_all("the client was stopped with --kill-jobs", time.monotonic()))
        asyncio.get_running_loop().call_later(seconds, self._finished.set)
        self._changed()

    def holds(self, run: str) -> bool:
        """Whether the run is not settled yet."""
        return run in self._work.runs

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
        if self._work.draining:
            waiting = any(run.status in (Status.ACCEPTING, Status.OVER) for run in self._work.runs.values())
            told = not waiting or not self._session.connected
            if not self._work.runs or (self._stopping and told and not self._config.kill_jobs_on_exit):
                self._finished.set()

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

    def _facts(self) -> dict[str, object]:
        return {
            "protocol": PROTOCOL,
            "hostname": self._machine.hostname,
            "name": self._config.name,
            "bootId": self._machine.boot_id,
            "platform": self._machine.platform,
            "cpus": self._machine.cpus,
            "cpuSpeed": self._machine.cpu_speed,
            "memory": self._machine.memory_kb,
            "version": code_version(),
            "port": 0,  # until the listener has one
        }
