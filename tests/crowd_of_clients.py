"""A process that plays many clients of a farm, and somebody who submits jobs all the while.

Each client keeps one connection, registers, beats every second and runs nothing; in the end it says that it leaves.
Half of the jobs have no command and end at once, the others are for a machine that is not there and wait.

`python crowd_of_clients.py PORT CLIENTS SECONDS SUBMITS_A_SECOND` says `registered`, then `done` and its figures as
JSON, and leaves at SIGUSR1, so that one can look at the farm before.
"""

from __future__ import annotations

import asyncio
import json
import signal
import sys
import xmlrpc.client
from typing import Any

from daemon_words import beat, identity

BEAT_SECONDS = 1.0
_NOWHERE = [{"type": "client", "name": "hostname", "op": "==", "value": "nowhere"}]


class Line:
    """A connection that is kept, and calls over it."""

    def __init__(self, port: int) -> None:
        self._port = port
        self.secret = ""

    async def open(self) -> None:
        self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self._port)

    async def call(self, method: str, *params: Any) -> Any:
        body = xmlrpc.client.dumps(params, method, allow_none=True).encode()
        login = f"Authorization: Bearer {self.secret}\r\n" if self.secret else ""
        head = f"POST /RPC2 HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/xml\r\n{login}"
        self._writer.write(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
        answer = await self._reader.readuntil(b"\r\n\r\n")
        assert answer.startswith(b"HTTP/1.1 200 "), answer
        length = int(answer.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
        return xmlrpc.client.loads(await self._reader.readexactly(length), use_builtin_types=True)[0][0]

    async def close(self) -> None:
        self._writer.close()
        await self._writer.wait_closed()


class Crowd:
    """The clients, the submitter and what they saw: seconds that each call took, ids of the jobs."""

    def __init__(self, port: int, clients: int, seconds: float, submits_a_second: float) -> None:
        self.lines = [Line(port) for _ in range(clients)]
        self.submitter = Line(port)
        self.seconds, self.submits_a_second = seconds, submits_a_second
        self.beats: list[float] = []
        self.submits: list[float] = []
        self.ending: list[int] = []
        self.waiting: list[int] = []

    async def register(self) -> None:
        await self.submitter.open()
        for number, line in enumerate(self.lines):
            await line.open()
            found = await line.call("registerClient", identity(f"machine{number}", f"{number:032x}"))
            line.secret = found["secret"]

    async def work(self) -> None:
        begin = asyncio.get_running_loop().time()
        beats = [
            self._repeat(begin + number / len(self.lines), BEAT_SECONDS, self.beats, self._beats_of(number))
            for number in range(len(self.lines))
        ]
        await asyncio.gather(self._repeat(begin, 1 / self.submits_a_second, self.submits, self._submissions()), *beats)

    def _beats_of(self, number: int) -> Any:
        async def send(count: int) -> None:
            answer = await self.lines[number].call("clientBeat", beat(f"{number:032x}", count + 1))
            assert not [order for order in answer["orders"] if order["kind"] == "start"]

        return send

    def _submissions(self) -> Any:
        async def send(count: int) -> None:
            if count % 2:
                self.waiting += await self.submitter.call(
                    "newjob", {"name": f"waits {count}", "command": "true", "conditions": _NOWHERE}
                )
            else:
                self.ending += await self.submitter.call("newjob", {"name": f"ends {count}"})

        return send

    async def _repeat(self, begin: float, every_seconds: float, taken: list[float], action: Any) -> None:
        """Do it at its times until the time is over; one that comes late is done at once."""
        loop = asyncio.get_running_loop()
        due, count, end = begin, 0, begin + self.seconds
        while max(due, loop.time()) < end:
            await asyncio.sleep(due - loop.time())
            started = loop.time()
            await action(count)
            taken.append(loop.time() - started)
            count, due = count + 1, due + every_seconds

    async def leave(self) -> None:
        for number, line in enumerate(self.lines):
            await line.call("clientBeat", beat(f"{number:032x}", 1_000_000, accepting=False, leaving=True))
            await line.close()
        await self.submitter.close()


async def main(port: int, clients: int, seconds: float, submits_a_second: float) -> None:
    may_leave = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, may_leave.set)
    crowd = Crowd(port, clients, seconds, submits_a_second)
    await crowd.register()
    print("registered", flush=True)
    await crowd.work()
    figures = {
        "beats": crowd.beats,
        "submits": crowd.submits,
        "ending": crowd.ending,
        "waiting": crowd.waiting,
    }
    print(f"done {json.dumps(figures)}", flush=True)
    await may_leave.wait()
    await crowd.leave()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]), float(sys.argv[4])))
