"""A TCP proxy on loopback that breaks what passes through it: cuts, delays, lost answers (PROMISES 7).

    with FaultProxy("127.0.0.1", port) as proxy:
        ...                                     # talk to proxy.url
        proxy.mode = Mode.DROP                  # both ways, or one of them: proxy.upward, proxy.downward
        proxy.mode = Mode.PASS                  # healed
        lost = proxy.swallow_next(b">newjob<")  # once; an event that is set when it has happened
        cut = proxy.cut_after(100)              # once, so many bytes of answers from now

Upward is from callers to the target, downward is back. All of this may be called from any thread while connections are
open, and has taken effect when it returns. No connection goes on with bytes missing in between: as with TCP, what
arrives is what was sent, up to a point.
"""

from __future__ import annotations

import asyncio
import re
import socket
import struct
import threading
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from enum import Enum, auto
from functools import partial

_CHUNK = 64 * 1024
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)


class Mode(Enum):
    """What happens to bytes that go one way, and likewise to the news that a peer has ended its connection."""

    PASS = auto()
    HOLD = auto()  # they wait and arrive once healed, as after a cut so short that TCP bridges it
    DROP = auto()  # they vanish and nobody is told; once healed, connections that lost any are reset
    RESET = auto()  # every connection is reset, and each that is opened
    DELAY = auto()  # each piece arrives `delay_seconds` late
    TRICKLE = auto()  # one byte arrives a second


class _Way(Enum):
    UP = auto()
    DOWN = auto()


@dataclass
class _Swallow:
    matching: bytes
    taken: bool
    happened: threading.Event = field(default_factory=threading.Event)


class FaultProxy:
    """A proxy for the target, at `url`, until `close`. It passes everything on until it is told otherwise."""

    def __init__(self, target_host: str, target_port: int, *, delay_seconds: float = 0.5):
        """Listen on a free port. The target is connected to when there is something to pass on to it."""
        self.target = (target_host, target_port)
        self.delay_seconds = delay_seconds
        self.modes = dict.fromkeys(_Way, Mode.PASS)
        self.changed = asyncio.Event()
        self.swallows: list[_Swallow] = []
        self._cut: tuple[int, threading.Event] | None = None
        self._connections: dict[_Connection, asyncio.Task[None]] = {}
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.setblocking(False)
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._loop = asyncio.new_event_loop()
        self._accepting = self._loop.create_task(self._accept())
        self._thread = threading.Thread(target=self._run, name="fault proxy", daemon=True)
        self._thread.start()

    def __enter__(self) -> FaultProxy:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Reset what is open, and end."""
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._accepting.cancel)
            self._thread.join()

    # Faults that last -----------------------------------------------------------------------------------------------

    @property
    def mode(self) -> Mode | None:
        """What happens both ways; None where that differs."""
        return self.upward if self.upward is self.downward else None

    @mode.setter
    def mode(self, mode: Mode) -> None:
        self._do(lambda: self._switch(mode, mode))

    @property
    def upward(self) -> Mode:
        """What happens to bytes from callers to the target."""
        return self.modes[_Way.UP]

    @upward.setter
    def upward(self, mode: Mode) -> None:
        self._do(lambda: self._switch(mode, self.downward))

    @property
    def downward(self) -> Mode:
        """What happens to bytes from the target to callers."""
        return self.modes[_Way.DOWN]

    @downward.setter
    def downward(self, mode: Mode) -> None:
        self._do(lambda: self._switch(self.upward, mode))

    def _switch(self, upward: Mode, downward: Mode) -> None:
        self.modes = {_Way.UP: upward, _Way.DOWN: downward}
        self.changed.set()
        self.changed = asyncio.Event()
        for connection, task in self._connections.items():
            healed = any(self.modes[way] is not Mode.DROP for way in connection.holes)
            if healed or Mode.RESET in self.modes.values():
                connection.reset_on_close()
                task.cancel()

    # Faults that happen once ----------------------------------------------------------------------------------------

    def swallow_next(self, matching: bytes, *, taken: bool = True) -> threading.Event:
        """Close both connections of the next request that holds these bytes, or whose answer does, without an answer.

        The target gets the whole request. `taken`: and hands over its answer; otherwise its connection ends before it
        can, and `matching` is looked for in the request only. The event is set when that has happened.
        """
        swallow = _Swallow(matching, taken)
        self._do(lambda: self.swallows.append(swallow))
        return swallow.happened

    def cut_after(self, count: int) -> threading.Event:
        """Pass so many more bytes downward, over all connections, and reset the connection that brings the next one.

        One cut at a time. The event is set when that has happened.
        """
        happened = threading.Event()

        def arm() -> None:
            self._cut = (count, happened)

        self._do(arm)
        return happened

    def swallowed(self, request: bytes, answer: bytes) -> bool:
        """Whether this is the exchange that somebody waits for to swallow; then it has happened. "" is no answer."""
        for swallow in self.swallows:
            found = swallow.matching in request or swallow.matching in answer
            if found and swallow.taken is bool(answer):
                self.swallows.remove(swallow)
                swallow.happened.set()
                return True
        return False

    def before_cut(self, piece: bytes) -> bytes:
        """As much of what goes downward as may before the cut; if that is not all, the cut has happened."""
        if self._cut is None:
            return piece
        count, happened = self._cut
        self._cut = (count - len(piece), happened) if len(piece) <= count else None
        if self._cut is None:
            happened.set()
        return piece[:count]

    # The proxy's thread ---------------------------------------------------------------------------------------------

    def _do(self, action: Callable[[], object]) -> None:
        async def act() -> None:
            action()

        asyncio.run_coroutine_threadsafe(act(), self._loop).result()

    def _run(self) -> None:
        try:
            self._loop.run_until_complete(self._accepting)
        except asyncio.CancelledError:
            pass  # `close` was called
        self._listener.close()
        self._loop.close()

    async def _accept(self) -> None:
        try:
            while True:
                caller, _ = await self._loop.sock_accept(self._listener)
                self._take(_Connection(self, caller))
        finally:
            for connection in self._connections:
                connection.reset_on_close()
            for task in self._connections.values():
                task.cancel()
            await asyncio.gather(*self._connections.values(), return_exceptions=True)

    def _take(self, connection: _Connection) -> None:
        if Mode.RESET in self.modes.values():
            connection.reset_on_close()
            connection.close()
            return
        task = self._connections[connection] = self._loop.create_task(connection.live())
        task.add_done_callback(partial(self._forget, connection))

    def _forget(self, connection: _Connection, _: object) -> None:
        connection.close()
        del self._connections[connection]


class _Connection:
    """A caller's connection, and the one to the target from the first byte that gets so far."""

    def __init__(self, proxy: FaultProxy, caller: socket.socket):
        self.holes: set[_Way] = set()
        """The ways on which bytes of it were dropped."""
        self._proxy, self._caller = proxy, caller
        self._target = socket.socket()
        self._loop = asyncio.get_running_loop()
        self._connected = asyncio.Event()
        self._request = b""
        self._is_answered = False
        for end in (self._caller, self._target):
            end.setblocking(False)
            end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def reset_on_close(self) -> None:
        """Closing it will tell both peers that it was cut, not that it ended."""
        for end in (self._caller, self._target):
            if end.fileno() >= 0:
                end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)

    def close(self) -> None:
        """Close both ends."""
        self._caller.close()
        self._target.close()

    async def live(self) -> None:
        """Carry bytes both ways until either peer ends it, or a fault does."""
        ways = [self._loop.create_task(way) for way in (self._live_upward(), self._live_downward())]
        try:
            done, _ = await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
            for way in done:
                way.result()
        except OSError:
            self.reset_on_close()
        finally:
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)

    async def _live_upward(self) -> None:
        while data := await self._receive(self._caller):
            await self._carry(_Way.UP, data, self._send_up)
            if _is_whole(self._request) and self._proxy.swallowed(self._request, b""):
                return
        await self._carry(_Way.UP, b"", self._send_up)

    async def _live_downward(self) -> None:
        await self._connected.wait()
        while data := await self._receive(self._target):
            while self._proxy.swallows and not _is_whole(data) and (more := await self._receive(self._target)):
                data += more
            self._is_answered = True
            if self._proxy.swallowed(self._request, data):
                return
            await self._carry(_Way.DOWN, data, self._send_down)
        await self._carry(_Way.DOWN, b"", self._send_down)

    async def _receive(self, end: socket.socket) -> bytes:
        try:
            return await self._loop.sock_recv(end, _CHUNK)
        except OSError:
            self.reset_on_close()  # as this peer did
            return b""

    async def _carry(self, way: _Way, data: bytes, send: Callable[[bytes], Awaitable[None]]) -> None:
        """Do to these bytes what the mode says, until none is left. No bytes stand for the end."""
        while True:
            changed = self._proxy.changed
            match self._proxy.modes[way]:
                case Mode.HOLD:
                    await changed.wait()
                    continue
                case Mode.DROP:
                    self.holes.add(way)
                    if not data:
                        await self._loop.create_future()  # until it is healed, which cancels this
                    return
                case Mode.TRICKLE:
                    await send(data[:1])
                    data = data[1:]
                    try:
                        await asyncio.wait_for(changed.wait(), 1.0)
                    except TimeoutError:
                        pass  # the next byte may go
                    if data:
                        continue
                    return
                case Mode.DELAY:
                    await asyncio.sleep(self._proxy.delay_seconds)
            await send(data)
            return

    async def _send_up(self, piece: bytes) -> None:
        if not piece:
            return
        if not self._connected.is_set():
            await self._loop.sock_connect(self._target, self._proxy.target)
            self._connected.set()
        self._request = piece if self._is_answered else self._request + piece
        self._is_answered = False
        await self._loop.sock_sendall(self._target, piece)

    async def _send_down(self, piece: bytes) -> None:
        allowed = self._proxy.before_cut(piece)
        await self._loop.sock_sendall(self._caller, allowed)
        if allowed != piece:
            raise ConnectionResetError


def _is_whole(message: bytes) -> bool:
    """Whether this is all of a message of HTTP, or nothing that says how long it is."""
    head, _, body = message.partition(b"\r\n\r\n")
    length = _LENGTH.search(head)
    return len(body) >= int(length[1]) if length else bool(message)
