"""The faults of a soak (PROMISES 7.2, S1): what is broken, for how long, and when the next comes.

The choices depend on nothing but the seed: what this machine cannot do is left out, and the others stay as they are.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from fault_proxy import FaultProxy, Mode
from soak_programs import Program, SoakFailed

KINDS = (
    "kill server",
    "end server",
    "kill client",
    "end client",
    "stop client",
    "cut network",
    "delay network",
    "step clock",
    "fill disk",
)
_MODES = (Mode.DROP, Mode.DROP, Mode.RESET, Mode.HOLD)
_WAYS = ("mode", "upward", "downward")
_STEPS_SECONDS = (-3600, 3600, -30, 30)
_AWAY_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class FaultChoice:
    """One fault. `victim` and `detail` are in [0, 1): what they choose from depends on the kind."""

    kind: str
    victim: float
    detail: float
    lasts_seconds: float
    pause_seconds: float


def plan(chance: random.Random) -> Iterator[FaultChoice]:
    """Every kind once in random order, then again: also a short soak has seen them all. Between them 1 to 5 s."""
    while True:
        for kind in chance.sample(KINDS, len(KINDS)):
            lasts_seconds = chance.choice((0.3, 2.0, 9.0)) * chance.uniform(0.7, 1.3)
            yield FaultChoice(kind, chance.random(), chance.random(), lasts_seconds, chance.uniform(1, 5))


class SmallDisk:
    """A file system in memory for a folder, which can be made full without filling any memory."""

    _ROOM_MEGABYTES = 2048

    def __init__(self, folder: Path) -> None:
        """Mount it. Raises `SoakFailed` where this is not allowed."""
        self._folder = folder
        folder.mkdir()
        words = ["mount", "-t", "tmpfs", "-o", f"size={self._ROOM_MEGABYTES}m,mode=700", "tmpfs", str(folder)]
        try:
            mounted = subprocess.run(words, capture_output=True, text=True, check=False)
        except OSError as problem:
            raise SoakFailed(str(problem)) from None
        if mounted.returncode:
            raise SoakFailed(mounted.stderr.strip().splitlines()[-1])

    @contextmanager
    def full(self) -> Iterator[None]:
        """No room is left in it meanwhile."""
        while not self._resize(f"{self._used_kilobytes() + 16}k"):
            pass  # somebody wrote in between
        try:
            yield
        finally:
            self._resize(f"{self._ROOM_MEGABYTES}m")

    def close(self) -> None:
        """Unmount it."""
        subprocess.run(["umount", "-l", str(self._folder)], check=True)

    def _used_kilobytes(self) -> int:
        found = os.statvfs(self._folder)
        return (found.f_blocks - found.f_bfree) * found.f_frsize // 1024

    def _resize(self, size: str) -> bool:
        """False where more than that is in it."""
        words = ["mount", "-o", f"remount,size={size}", str(self._folder)]
        return subprocess.run(words, capture_output=True, check=False).returncode == 0


@dataclass(slots=True)
class Network:
    """The way from a client to the server."""

    proxy: FaultProxy
    busy: threading.Lock


@dataclass(slots=True)
class Breakable:
    """What can be broken. `clocks` are the files that shift a program's wall clock, none where that cannot be done."""

    server: Program
    clients: list[Program]
    networks: list[Network]
    clocks: list[Path]
    disk: SmallDisk | None


class Faults:
    """Breaks one thing after the other and heals each after its time; several may be broken at once."""

    def __init__(self, things: Breakable, chance: random.Random) -> None:
        self._things, self._plan = things, plan(chance)
        self._disk_busy = threading.Lock()
        self.counts: Counter[str] = Counter()
        self.surprises: list[str] = []
        """Programs that ended though nobody had ended them."""

    def left_out(self) -> dict[str, str]:
        """The kinds that this machine cannot do, and why."""
        found = {}
        if not self._things.clocks:
            found["step clock"] = "needs gcc"
        if self._things.disk is None:
            found["fill disk"] = "mounting a small disk needs root"
        return found

    def run(self, seconds: float, others: Future[None]) -> None:
        """Break things for so long, then see them healed. Raises `SoakFailed`, also when `others` do."""
        ends_at = time.monotonic() + seconds
        with ThreadPoolExecutor(max_workers=16, thread_name_prefix="fault") as pool:
            under_way: list[Future[None]] = []
            for choice in self._plan:
                if choice.kind not in self.left_out():
                    self.counts[choice.kind] += 1
                    under_way.append(pool.submit(self._carry_out, choice))
                pause_ends_at = min(time.monotonic() + choice.pause_seconds, ends_at)
                while time.monotonic() < pause_ends_at:
                    time.sleep(min(0.2, max(0.0, pause_ends_at - time.monotonic())))
                    self._revive()
                    for done in [each for each in (*under_way, others) if each.done()]:
                        done.result()
                if time.monotonic() >= ends_at:
                    break
            for each in under_way:
                each.result()
        self._revive()

    def _revive(self) -> None:
        for program in (self._things.server, *self._things.clients):
            if said := program.revive():
                self.surprises.append(said)

    def _carry_out(self, choice: FaultChoice) -> None:
        one: dict[str, Callable[[FaultChoice], None]] = {
            "kill server": self._kill_server,
            "end server": self._end_server,
            "kill client": self._kill_client,
            "end client": self._end_client,
            "stop client": self._stop_client,
            "cut network": self._cut_network,
            "delay network": self._delay_network,
            "step clock": self._step_clock,
            "fill disk": self._fill_disk,
        }
        one[choice.kind](choice)

    def _kill_server(self, choice: FaultChoice) -> None:
        self._end(self._things.server, signal.SIGKILL, min(choice.lasts_seconds, _AWAY_SECONDS))

    def _end_server(self, choice: FaultChoice) -> None:
        self._end(self._things.server, signal.SIGTERM, 0)

    def _kill_client(self, choice: FaultChoice) -> None:
        self._end(self._client(choice), signal.SIGKILL, choice.lasts_seconds)

    def _end_client(self, choice: FaultChoice) -> None:
        self._end(self._client(choice), signal.SIGTERM, 0)

    def _stop_client(self, choice: FaultChoice) -> None:
        client = self._client(choice)
        with client.busy:
            client.stop(choice.lasts_seconds)

    def _cut_network(self, choice: FaultChoice) -> None:
        """Both ways or one, silently or with a reset, or so briefly that TCP bridges it."""
        mode, way = _MODES[int(choice.detail * 4)], _WAYS[int(choice.detail * 997) % 3]
        self._disturb_network(choice, way, mode)

    def _delay_network(self, choice: FaultChoice) -> None:
        self._disturb_network(choice, "mode", Mode.DELAY)

    def _disturb_network(self, choice: FaultChoice, way: str, mode: Mode) -> None:
        network = self._things.networks[int(choice.victim * len(self._things.networks))]
        with network.busy:
            setattr(network.proxy, way, mode)
            time.sleep(choice.lasts_seconds)
            network.proxy.mode = Mode.PASS

    def _step_clock(self, choice: FaultChoice) -> None:
        """The wall clock of one program jumps, and some time later back."""
        clock = self._things.clocks[int(choice.victim * len(self._things.clocks))]
        step_clock(clock, _STEPS_SECONDS[int(choice.detail * 4)])
        time.sleep(choice.lasts_seconds)
        step_clock(clock, 0)

    def _fill_disk(self, choice: FaultChoice) -> None:
        assert self._things.disk is not None
        with self._disk_busy, self._things.disk.full():
            time.sleep(choice.lasts_seconds)

    def _client(self, choice: FaultChoice) -> Program:
        return self._things.clients[int(choice.victim * len(self._things.clients))]

    def _end(self, program: Program, number: int, away_seconds: float) -> None:
        with program.busy:
            program.end(number)
            time.sleep(away_seconds)
            program.start()


def step_clock(file: Path, seconds: int) -> None:
    """Shift a program's wall clock by so much from now on. The file is never seen half written."""
    new = file.with_suffix(".new")
    new.write_text(f"{seconds}\n", "ascii")
    new.replace(file)
