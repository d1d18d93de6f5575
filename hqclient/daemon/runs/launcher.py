"""Starts runners for the daemon and tells it when runs start and end (the daemon's side)."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from .. import host_os
from .runfolder import RunFolder, Standing

_LOG = logging.getLogger(__name__)
_WATCH_SECONDS = 0.25
_FIRST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS = 0.1, 10.0

Listener = Callable[[str], None]
"""Called on the event loop with a run's id."""


async def watch(folder: RunFolder) -> None:
    """Return once the run's runner is not alive (any more). For runs that were found rather than launched."""
    while folder.is_alive():
        await asyncio.sleep(_WATCH_SECONDS)


class RunLauncher(Protocol):
    """What the daemon needs. Either listener may be called twice for a run: the folder is the truth.

    After `ended`, `folder.standing()` says how: `ENDED` with an exit record, `LOST` without one (then
    `killing.clean_up` ends what is left), or `WAITING` when no runner could be started.
    """

    async def start(self) -> None:
        """Get ready. Raises `OSError` when the operating system does not let us."""

    def launch(self, folder: RunFolder) -> None:
        """Have a runner carry out the run; never blocks."""

    def follow(self, folder: RunFolder) -> None:
        """Tell the listeners of a run that somebody else started, as after a restart of the daemon."""

    async def close(self) -> None:
        """Stop listening. Runs go on."""


def new_launcher(started: Listener, ended: Listener) -> RunLauncher:
    """The fastest launcher this operating system allows."""
    return FreshProcessLauncher(started, ended) if host_os.WINDOWS else Launcher(started, ended)


class _Followers:
    """Watches runs by their folders' locks, a task each."""

    def __init__(self, started: Listener, ended: Listener) -> None:
        self._started = started
        self._ended = ended
        self._tasks: dict[str, asyncio.Task[None]] = {}

    def follow(self, folder: RunFolder, runner: subprocess.Popen[bytes] | None = None) -> None:
        """Watch until the run ends. `runner` is the process that may still have to claim it."""
        if folder.run_id not in self._tasks:
            task = asyncio.get_running_loop().create_task(self._watch(folder, runner))
            self._tasks[folder.run_id] = task
            task.add_done_callback(lambda _: self._tasks.pop(folder.run_id, None))

    async def _watch(self, folder: RunFolder, runner: subprocess.Popen[bytes] | None) -> None:
        try:
            await self._until_ended(folder, runner)
        finally:
            if runner is not None and runner.poll() is None:
                runner.returncode = 0  # it goes on without us, and Popen must not mind
        self._ended(folder.run_id)

    async def _until_ended(self, folder: RunFolder, runner: subprocess.Popen[bytes] | None) -> None:
        while runner is not None and runner.poll() is None and folder.standing() is Standing.WAITING:
            await asyncio.sleep(_WATCH_SECONDS / 10)
        if folder.standing() is not Standing.WAITING:
            self._started(folder.run_id)
        await watch(folder)
        while runner is not None and runner.poll() is None:
            await asyncio.sleep(_WATCH_SECONDS / 10)

    async def close(self) -> None:
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


class FreshProcessLauncher:
    """A new Python process for each run: for systems that cannot fork. 20 to 30 ms a run."""

    def __init__(self, started: Listener, ended: Listener) -> None:
        self._ended = ended
        self._followers = _Followers(started, ended)

    async def start(self) -> None:
        """Nothing to get ready, but something to say."""
        _LOG.warning("runs have no control groups here: %s", host_os.survivors_without_groups())

    def launch(self, folder: RunFolder) -> None:
        """Start the run's runner."""
        try:
            runner = _python_module("hqclient.daemon.runs.runner", str(folder.path))
        except OSError as problem:
            _LOG.error("cannot start a runner: %s", problem)
            asyncio.get_running_loop().call_soon(self._ended, folder.run_id)
            return
        self._followers.follow(folder, runner)

    def follow(self, folder: RunFolder) -> None:
        """Tell the listeners of a run that somebody else started."""
        self._followers.follow(folder)

    async def close(self) -> None:
        """Stop listening. Runs go on."""
        await self._followers.close()


class Launcher:
    """Talks to one `launcher_process`, and starts another when it dies."""

    def __init__(self, started: Listener, ended: Listener) -> None:
        self._started = started
        self._ended = ended
        self._followers = _Followers(started, ended)
        self._in_flight: dict[str, RunFolder] = {}
        self._connection: _Connection | None = None
        self._keeper: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Start the launcher's process. Raises `OSError` when that is not possible."""
        connection = await self._connect()
        self._keeper = asyncio.get_running_loop().create_task(self._keep(connection))

    @property
    def pid(self) -> int | None:
        """The launcher's process, None between two of them."""
        return self._connection.process.pid if self._connection else None

    def launch(self, folder: RunFolder) -> None:
        """Have a runner carry out the run. Without a launcher it waits for the next one."""
        self._in_flight[folder.run_id] = folder
        if self._connection is not None:
            self._connection.send(folder)

    def follow(self, folder: RunFolder) -> None:
        """Tell the listeners of a run that somebody else started."""
        self._followers.follow(folder)

    async def close(self) -> None:
        """End the launcher's process and stop listening. Runs go on."""
        if self._keeper is not None:
            self._keeper.cancel()
            await asyncio.gather(self._keeper, return_exceptions=True)
        if self._connection is not None:
            connection, self._connection = self._connection, None
            await connection.close()
        await self._followers.close()

    async def _connect(self) -> _Connection:
        connection = await _Connection.open(self._hear)
        self._connection = connection
        for folder in self._in_flight.values():
            connection.send(folder)
        return connection

    async def _keep(self, connection: _Connection) -> None:
        pause_seconds = _FIRST_PAUSE_SECONDS
        while True:
            await connection.lost.wait()
            self._connection = None
            await connection.close()
            _LOG.warning("the launcher ended (status %s); starting another", connection.process.returncode)
            self._follow_what_runs()
            while self._connection is None:
                await asyncio.sleep(pause_seconds)
                pause_seconds = min(2 * pause_seconds, _LONGEST_PAUSE_SECONDS)
                try:
                    connection = await self._connect()
                except OSError as problem:
                    _LOG.error("cannot start the launcher: %s", problem)

    def _follow_what_runs(self) -> None:
        """Runs that have begun do without a launcher; the others are launched again by the next one.

        Launching twice is safe: only one runner can claim a folder.
        """
        for run_id, folder in list(self._in_flight.items()):
            if folder.standing() is not Standing.WAITING:
                del self._in_flight[run_id]
                self._followers.follow(folder)

    def _hear(self, word: str, text: str) -> None:
        """`text` is a run's id, but for `groups` and `no_groups`."""
        if word in ("groups", "no_groups"):
            _LOG.log(logging.INFO if word == "groups" else logging.WARNING, "%s", text)
            return
        if word == "started":
            self._started(text)
            return
        folder = self._in_flight.pop(text, None)
        if word == "ended":
            self._ended(text)
        elif folder is not None:  # "taken": another runner has it
            self._followers.follow(folder)


class _Connection(asyncio.Protocol):
    """One launcher process and the socket to it."""

    def __init__(self, process: subprocess.Popen[bytes], hear: Callable[[str, str], None]) -> None:
        self.process = process
        self.lost = asyncio.Event()
        self._hear = hear
        self._received = b""
        self._transport: asyncio.Transport | None = None

    @classmethod
    async def open(cls, hear: Callable[[str, str], None]) -> _Connection:
        ours, theirs = socket.socketpair()
        with theirs:
            try:
                process = _python_module(
                    "hqclient.daemon.runs.launcher_process", str(theirs.fileno()), keep_open=theirs.fileno()
                )
            except OSError:
                ours.close()
                raise
        loop = asyncio.get_running_loop()
        try:
            _, connection = await loop.create_connection(lambda: cls(process, hear), sock=ours)
        except BaseException:
            ours.close()
            raise
        return connection

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        *lines, self._received = (self._received + data).split(b"\n")
        for line in lines:
            for word, run_id in json.loads(line).items():
                self._hear(word, run_id)

    def connection_lost(self, problem: Exception | None) -> None:
        self.lost.set()

    def send(self, folder: RunFolder) -> None:
        assert self._transport is not None
        self._transport.write(json.dumps({"launch": str(folder.path)}).encode() + b"\n")

    async def close(self) -> None:
        """Hang up, which ends the process, and reap it."""
        assert self._transport is not None
        self._transport.close()
        await self.lost.wait()
        while self.process.poll() is None:
            await asyncio.sleep(0.005)


def _python_module(module: str, argument: str, keep_open: int | None = None) -> subprocess.Popen[bytes]:
    """Start one of our modules in a process of its own, out of the terminal's reach."""
    # -P and our own path: the daemon's current folder must not decide which modules are imported.
    ours = str(Path(__file__).resolve().parents[3])
    path = os.pathsep.join([ours, *filter(None, [os.environ.get("PYTHONPATH")])])
    return subprocess.Popen(
        [sys.executable, "-P", "-m", module, argument],
        env={**os.environ, "PYTHONPATH": path},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        start_new_session=True,
        # On Windows, a console of its own instead of the daemon's: Ctrl-C there must not reach the runs.
        creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
        pass_fds=() if keep_open is None else (keep_open,),
    )
