"""The server's one port: an event loop that reads requests and a few threads that answer them (DESIGN, Interfaces)."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path

from hqserver.http.connection import Connection
from hqserver.http.crowd import Crowd, HttpLimits
from hqserver.http.events import EventSource, EventStreams
from hqserver.http.rules import AllowedHosts, OpenNetworks, is_loopback
from hqserver.http.site import Site
from hqserver.http.sockets import most_connections
from hqserver.http.workers import Call, Web, Workers
from hqserver.rpc.method import Caller
from hqserver.rpc.parse import DEFAULT_LIMITS
from hqserver.services.retries import Attempt, Body
from hqserver.spool import Spool

BACKLOG = 1024
"""Connections that the kernel keeps while the loop is busy."""


class HttpServer:
    """XML-RPC by POST and pages by GET on one port.

    `call` and `web` run in at most `threads` threads at once. `allowed_hosts` are further names under which callers
    may ask for the server; its own name and addresses are known. `networks` (CIDR) may call beside this machine
    (CONTRACT 9.23). `body_limit` says how many bytes a caller's body may have, by default those of a large submission
    for everybody who is let in. `is_local` tells the peers whose answers are not worth compressing. `attempt` makes the
    record, of a request's sender and body, by which its repetition is recognised. `events` are served at `/events`.
    Large bodies wait in files without names in `folder` (None: where temporary files are).
    """

    def __init__(
        self,
        call: Call,
        web: Web,
        *,
        host: str = "127.0.0.1",
        port: int = 5000,
        threads: int = 8,
        limits: HttpLimits | None = None,
        body_limit: Callable[[Caller], int] = lambda caller: DEFAULT_LIMITS.body,
        allowed_hosts: Iterable[str] = (),
        networks: Iterable[str] = (),
        is_local: Callable[[str], bool] = is_loopback,
        attempt: Callable[[str, Body], Attempt | None] = lambda sender, body: None,
        events: EventSource | None = None,
        folder: Path | None = None,
    ) -> None:
        limits = limits or HttpLimits()
        self._address = host, port
        limits = replace(limits, connections=most_connections(limits.connections))
        name = socket.gethostname()
        spool = Spool(folder, most_bytes=limits.spooled)
        workers = Workers(call, web, threads, spool)
        most = min(limits.streams, limits.connections // 4)
        self._site = Site(
            workers=workers,
            events=EventStreams(events, workers, most, limits.alive_seconds) if events else None,
            crowd=Crowd(limits),
            hosts=AllowedHosts({host, name, name.partition(".")[0], *allowed_hosts}),
            networks=OpenNetworks(networks),
            attempt=attempt,
            spool=spool,
            body_limit=body_limit,
            is_local=is_local,
            tasks=set(),
            stopping=asyncio.Event(),
        )
        self._sweep_seconds = max(0.02, min(1.0, limits.head_seconds / 4, limits.idle_seconds / 4))
        self._listener: asyncio.Server | None = None
        self._sweeper: asyncio.Task[None] | None = None

    @property
    def connections(self) -> int:
        """How many connections are open."""
        return len(self._site.crowd)

    async def start(self) -> tuple[str, int]:
        """Listen, and return address and port. Raises `OSError` where the port is taken or the address not ours."""
        loop = asyncio.get_running_loop()
        host, port = self._address
        if self._site.events:
            self._site.events.begin()
        self._listener = await loop.create_server(lambda: Connection(self._site), host, port, backlog=BACKLOG)
        self._sweeper = loop.create_task(self._sweep())
        bound = self._listener.sockets[0].getsockname()
        return bound[0], bound[1]

    async def stop(self, grace_seconds: float = 10) -> None:
        """Accept nothing more, let requests that have begun come to their end for so long, then close all."""
        site = self._site
        site.stopping.set()
        if site.events:
            site.events.end()
        if self._listener:
            self._listener.close()
        for connection in site.crowd:
            if isinstance(connection, Connection):
                connection.close_if_idle()
        try:
            await asyncio.wait_for(site.crowd.empty.wait(), grace_seconds)
        except TimeoutError:
            for connection in site.crowd:
                connection.abort()
        if self._sweeper:
            self._sweeper.cancel()
        for task in site.tasks:
            task.cancel()
        await asyncio.gather(*site.tasks, *([self._sweeper] if self._sweeper else []), return_exceptions=True)
        site.workers.close()

    async def _sweep(self) -> None:
        """One timer for all deadlines: a timer for each request would cost more than the requests."""
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(self._sweep_seconds)
            self._site.crowd.abort_overdue(loop.time())
