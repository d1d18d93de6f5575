"""Real daemons against the scripted server of `agent_kit`, which is put behind a socket."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from xmlrpc.client import Fault, dumps, loads

from agent_kit import PATIENCE_SECONDS, FakeServer, until

from hqclient.daemon.link import ServerFault
from hqserver.domain.package import pack, unpack
from hqserver.services.clients.package import client_package

__all__ = ["Daemon", "Farm", "a_farm", "changed_code", "until"]


def changed_code(**changes: str) -> bytes:
    """The client's package as the server would make it, with files added or replaced.

    Names are those of modules of the daemon, or `requirements`; without changes there is still a new module.
    """
    files = unpack(client_package().data)
    files["hqclient/daemon/news.py"] = b"NEWS = 1\n"
    for name, text in changes.items():
        path = "hqclient/requirements.txt" if name == "requirements" else f"hqclient/daemon/{name}.py"
        files[path] = text.encode()
    return pack(files)


class Daemon:
    """One `hqclient` process, whatever code it runs in the course of its life."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process

    @property
    def pid(self) -> int:
        return self.process.pid

    async def line(self) -> str:
        """The next line it says."""
        assert self.process.stdout is not None
        async with asyncio.timeout(PATIENCE_SECONDS):
            return (await self.process.stdout.readline()).decode().rstrip("\n")

    async def rest(self) -> str:
        """What else it says until it ends."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            return (await self.process.communicate())[0].decode()

    async def end(self, number: int = signal.SIGTERM) -> int:
        """Send a signal, and wait; its exit status."""
        if self.process.returncode is None:
            self.process.send_signal(number)
        async with asyncio.timeout(PATIENCE_SECONDS):
            return await self.process.wait()


class Farm:
    """The server's address, and the daemons started for it."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self.daemons: list[Daemon] = []

    async def start(self, folder: Path, *flags: str, **environ: str) -> Daemon:
        """A daemon with that data folder; what it says on either channel is kept."""
        ports = () if "--port" in flags else ("--port", "0")
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "hqclient", "--server", self.url, "--data", str(folder), *ports, *flags),
            env={**os.environ, **environ},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        self.daemons.append(Daemon(process))
        return self.daemons[-1]


@asynccontextmanager
async def a_farm(server: FakeServer) -> AsyncIterator[Farm]:
    """`server` behind a socket on loopback; its daemons are ended when the block is left."""
    listening = await asyncio.start_server(lambda *both: _serve(server, *both), "127.0.0.1", 0)
    farm = Farm(listening.sockets[0].getsockname()[1])
    try:
        yield farm
    finally:
        for daemon in farm.daemons:
            if daemon.process.returncode is None:
                daemon.process.terminate()
            try:
                await daemon.rest()
            except TimeoutError:
                daemon.process.kill()
                await daemon.process.wait()
        listening.close()
        await listening.wait_closed()
    assert server.problems == []


async def _serve(server: FakeServer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while True:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            verb, path, _ = head.split(" ", 2)
            status, answer = await (_file(server, path) if verb == "GET" else _call(server, head.lower(), reader))
            writer.write(b"HTTP/1.1 %s\r\nContent-Length: %d\r\n\r\n%s" % (status, len(answer), answer))
            await writer.drain()
    except (asyncio.IncompleteReadError, ConnectionError):
        pass
    finally:
        writer.close()


async def _file(server: FakeServer, path: str) -> tuple[bytes, bytes]:
    content = server.files.get(path)
    return (b"404 Not Found", b"") if content is None else (b"200 OK", content)


async def _call(server: FakeServer, head: str, reader: asyncio.StreamReader) -> tuple[bytes, bytes]:
    body = await reader.readexactly(int(head.split("content-length: ")[1].split("\r\n")[0]))
    (argument,), method = loads(body, use_builtin_types=True)
    secret = head.split("bearer ")[1].split("\r\n")[0] if "bearer " in head else ""
    try:
        return b"200 OK", dumps((await server.call(method or "", argument, secret),), methodresponse=True).encode()
    except ServerFault as fault:
        return b"200 OK", dumps(Fault(fault.code, fault.sentence)).encode()
