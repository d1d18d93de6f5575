"""Somebody else who pings all the while a server is under test (PROMISES 7, I6)."""

from __future__ import annotations

import http.client
import threading
import time

from live_farm import wait_until

PATIENCE_SECONDS = 20.0
_PING = b"<methodCall><methodName>ping</methodName></methodCall>"


class SidePinger:
    """Pings over a connection of its own, from a thread of its own. Ends by raising whatever went wrong.

    `delays` are the seconds that each ping took, in order.
    """

    def __init__(self, port: int, *, every_seconds: float) -> None:
        self.delays: list[float] = []
        self._port, self._every_seconds = port, every_seconds
        self._problems: list[Exception] = []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._ping_on)

    def __enter__(self) -> SidePinger:
        self._thread.start()
        return self

    def __exit__(self, *reason: object) -> None:
        self._stop.set()
        self._thread.join(2 * PATIENCE_SECONDS)
        assert not self._thread.is_alive()
        if self._problems:
            raise self._problems[0]

    def slowest_since(self, count: int) -> float:
        """Seconds of the slowest ping after the first `count`, that which is under way included."""
        begun = len(self.delays)

        def answered() -> bool:
            assert not self._problems, self._problems
            return len(self.delays) > begun

        wait_until(answered, what="a ping's answer")
        return max(self.delays[count:])

    def _ping_on(self) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=PATIENCE_SECONDS)
        try:
            while not self._stop.is_set():
                begun_at = time.monotonic()
                connection.request("POST", "/RPC2", _PING, {"Content-Type": "text/xml"})
                with connection.getresponse() as response:
                    assert b"<boolean>1</boolean>" in response.read()
                self.delays.append(time.monotonic() - begun_at)
                self._stop.wait(self._every_seconds)
        except Exception as problem:
            self._problems.append(problem)
        finally:
            connection.close()
