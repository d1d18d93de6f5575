"""An HTTP server in the process of its tests, and toys to call there."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import closing, contextmanager
from typing import Any

from raw_http import DEADLINE_SECONDS, Port

from hqserver.http import HttpLimits, HttpServer, WebRequest, WebResponse
from hqserver.rpc.dispatch import Dispatcher
from hqserver.rpc.method import Caller, Registry, rpc


class Toys:
    """Methods to call over the wire."""

    def __init__(self) -> None:
        self.gate = threading.Event()
        self.waiting = threading.Semaphore(0)
        self.calls: list[str] = []

    @rpc("ping")
    def ping(self) -> bool:
        """Always True; the server answers it before it comes here."""
        raise AssertionError("ping needs no thread")

    @rpc("echo")
    def echo(self, value: Any = None) -> object:
        """What was sent."""
        self.calls.append("echo")
        return value

    @rpc("repeat")
    def repeat(self, count: int) -> str:
        """So many letters."""
        return "x" * count

    @rpc("whoami")
    def whoami(self, caller: Caller) -> list[object]:
        """Who calls."""
        return [caller.peer, caller.secret, caller.nonil]

    @rpc("wait")
    def wait(self) -> bool:
        """Answers when the gate is opened."""
        self.waiting.release()
        return self.gate.wait(DEADLINE_SECONDS)

    @rpc("breaks")
    def breaks(self) -> int:
        """A mistake."""
        raise KeyError("secret")


def web(request: WebRequest) -> WebResponse:
    match request.path:
        case "/breaks":
            raise KeyError("secret")
        case "/stream":
            return WebResponse(
                iter([b"piece %d\n" % number * 1000 for number in range(100)]), content_type="text/plain"
            )
        case "/stops":
            return WebResponse(stops_midway(), content_type="text/plain")
        case "/bad-header":
            return WebResponse(b"", headers={"X-Bad": "a\r\nX-Injected: b"})
        case "/missing":
            return WebResponse(b"no such page", 404)
    return WebResponse(f"<p>{request.method} {request.path} {sorted(request.query.items())}</p>".encode())


def stops_midway() -> Iterator[bytes]:
    yield b"first"
    raise KeyError("secret")


class Server(Port):
    """A server in a thread of its own, and the means to talk to it."""

    def __init__(self, **options: Any) -> None:
        self.toys = Toys()
        options.setdefault("limits", HttpLimits(linger_seconds=0.5))
        dispatcher = Dispatcher(Registry.from_surfaces([self.toys]))
        self._options = {"call": dispatcher.handle, "web": web, "port": 0, **options}
        self._started: Future[tuple[str, int]] = Future()
        self._stop_asked = asyncio.Event()
        self._grace_seconds = 0.2
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()))
        self._thread.start()
        super().__init__(self._started.result(DEADLINE_SECONDS)[1])

    async def _serve(self) -> None:
        self.server = HttpServer(**self._options)
        self._loop = asyncio.get_running_loop()
        self._started.set_result(await self.server.start())
        await self._stop_asked.wait()
        await self.server.stop(self._grace_seconds)

    def ask_to_stop(self, grace_seconds: float) -> None:
        self._grace_seconds = grace_seconds
        self._loop.call_soon_threadsafe(self._stop_asked.set)

    def join(self) -> None:
        self._thread.join(DEADLINE_SECONDS)
        assert not self._thread.is_alive()

    def close(self) -> None:
        self.toys.gate.set()
        if self._thread.is_alive():
            self.ask_to_stop(0.2)
        self.join()


@contextmanager
def serving(**options: Any) -> Iterator[Server]:
    """A server with these options, for as long as the block lasts."""
    server = Server(**options)
    with closing(server):
        yield server
