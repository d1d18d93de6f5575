"""A farm under faults: ten jobs a second while its processes are killed, stopped, cut off and restarted (PROMISES 7.2).

What is random comes from one seed, which is printed: the same seed makes the same choices in the same order. At the end
everything is healed, all jobs must end, and `check_history` holds what the farm tells against what the commands wrote.
A line for each invariant says what was counted; the exit status is 1 where one is broken.
"""

from __future__ import annotations

import argparse
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from pathlib import Path

from check_history import Usage, Verdict, judge_database, judge_pings, judge_usage
from fault_proxy import FaultProxy
from soak_faults import Breakable, Faults, Network, SmallDisk, step_clock
from soak_pings import Pinger
from soak_programs import Program, SoakFailed
from soak_work import Work

BIN = Path(sys.executable).parent
SHIM = Path(__file__).resolve().parent.parent / "tests" / "farm" / "programs" / "clockshift.c"
CLIENTS = 20
DELAY_SECONDS = 1.0
_SETTLE_SECONDS = 45.0
_SHOWN = 50
_SETTINGS = {
    "HQSERVER_BEAT_SECONDS": "1",
    "HQSERVER_KILL_GRACE": "1",
    "HQSERVER_ACTIVE_TIMEOUT": "0.1",  # minutes: the longest faults last longer
    "HQSERVER_SICK_MINUTES": "0.05",
}


class SoakFarm:
    """A server and its clients, each behind a network of its own. Use it in a `with` statement."""

    def __init__(self, folder: Path, clients: int) -> None:
        self.folder = folder
        self.url = ""
        self._names = [f"client{number}" for number in range(1, clients + 1)]
        self._ending = ExitStack()
        self.things: Breakable
        self.usage: dict[str, Usage] = {}
        """What the programs took up before there was any work."""

    def __enter__(self) -> SoakFarm:
        try:
            self._start()
        except BaseException:
            self._ending.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._ending.close()

    @property
    def programs(self) -> list[Program]:
        """All of them, the server first."""
        return [self.things.server, *self.things.clients]

    def used_now(self) -> dict[str, Usage]:
        """What the programs take up: when they are at rest again, or the time for that is over."""
        deadline = time.monotonic() + _SETTLE_SECONDS
        while True:
            now = {program.name: program.usage() for program in self.programs}
            if time.monotonic() > deadline or not any(now[name].exceeds(self.usage[name]) for name in now):
                return now
            time.sleep(0.5)

    def end_server(self) -> None:
        """End the server in order."""
        self.things.server.end(signal.SIGTERM)

    def examine_database(self) -> tuple[list[str], str]:
        """What is wrong with the database of the server, which has ended, and what was counted."""
        data = self.folder / "server"
        with closing(sqlite3.connect(data / "farm.db")) as database:
            found = [row[0] for row in database.execute("PRAGMA integrity_check") if row[0] != "ok"]
        words = [str(BIN / "hqserver"), "audit", "--data", str(data)]
        audited = subprocess.run(words, capture_output=True, text=True, check=False)
        *differences, counted = audited.stdout.strip().splitlines() or [f"the audit said: {audited.stderr.strip()}"]
        if audited.returncode and not differences:
            differences = [counted]
        return found + differences, f"integrity_check, and {counted}"

    def _start(self) -> None:
        server, disk = self._start_server()
        networks, clients = [], []
        for name in self._names:
            proxy = FaultProxy("127.0.0.1", int(self.url.rpartition(":")[2]), delay_seconds=DELAY_SECONDS)
            self._ending.callback(proxy.close)
            networks.append(Network(proxy, threading.Lock()))
            words = ["hqclient", "--server", proxy.url, "--name", name, "--cpus", "4", "--port", "0"]
            clients.append(self._program(name, words, "registered as", {}))
        with ThreadPoolExecutor(max_workers=4) as pool:
            list(pool.map(Program.start, clients))
        clocks = sorted(self.folder.glob("*.clock"))
        self.things = Breakable(server, clients, networks, clocks, disk)
        self.usage = {program.name: program.usage() for program in self.programs}

    def _start_server(self) -> tuple[Program, SmallDisk | None]:
        try:
            disk = SmallDisk(self.folder / "server")
            self._ending.callback(disk.close)
        except SoakFailed:
            disk = None
        self._shim = build_shim(self.folder)
        server = self._program("server", ["hqserver", "--port", "0"], "listening on ", _SETTINGS)
        server.start()
        self.url = server.line.rpartition(" ")[2]
        server.words[server.words.index("--port") + 1] = self.url.rpartition(":")[2]
        return server, disk

    def _program(self, name: str, words: list[str], ready: str, environment: dict[str, str]) -> Program:
        shift = {}
        if self._shim is not None:
            clock = self.folder / f"{name}.clock"
            step_clock(clock, 0)
            shift = {"LD_PRELOAD": str(self._shim), "CLOCKSHIFT": str(clock)}
        words = [str(BIN / words[0]), *words[1:], "--data", str(self.folder / name)]
        program = Program(name, words, ready, self.folder / f"{name}.out", {**environment, **shift})
        self._ending.callback(program.end, signal.SIGTERM)
        return program


def build_shim(folder: Path) -> Path | None:
    """The library that shifts a program's wall clock; None where it cannot be built."""
    library = folder / "clockshift.so"
    if not SHIM.exists() or not shutil.which("gcc"):
        return None
    words = ["gcc", "-shared", "-fPIC", "-O2", "-o", str(library), str(SHIM), "-ldl"]
    return library if subprocess.run(words, capture_output=True, check=False).returncode == 0 else None


def soak(folder: Path, seed: int, seconds: float, clients: int, say: Callable[[str], None]) -> Verdict:
    """Soak a farm in the folder and judge it. `say` is told, line by line, what was done. Raises `SoakFailed`."""
    stop = threading.Event()
    with SoakFarm(folder, clients) as farm:
        # Two streams, so that neither's choices depend on how fast the other is.
        work = Work(farm.url, folder / "journal", random.Random(f"{seed} work"))
        faults = Faults(farm.things, random.Random(f"{seed} faults"))
        pinger = Pinger(farm.url, folder / "pings")
        try:
            with ThreadPoolExecutor(max_workers=1) as pool:
                working = pool.submit(work.run, stop)
                try:
                    faults.run(seconds, working)
                finally:
                    stop.set()
                working.result()
            work.finish()
        finally:
            pinger.close()
        found = work.verdict()
        judge_pings(found, *pinger.read())
        judge_usage(found, farm.usage, farm.used_now())
        stories = [work.story(job_id) for job_id in work.ids() if any(f"job {job_id} " in v for v in found.violations)]
        farm.end_server()
        judge_database(found, *farm.examine_database())
    found.violations += faults.surprises
    say("faults: " + _counts(faults.counts))
    for kind, why in faults.left_out().items():
        say(f"left out: {kind}, which {why}")
    say(f"orders: {_counts(work.orders)}; {work.refused} submissions refused for want of disk, and made again")
    say("ended: " + _counts(found.by_status))
    for line in [*found.lines(), *(f"BROKEN {each}" for each in found.violations[:_SHOWN]), *stories[:5]]:
        say(line)
    return found


def _counts(counts: dict[str, int]) -> str:
    return ", ".join(f"{name} {count}" for name, count in sorted(counts.items())) or "none"


def main() -> int:
    """Soak for so long; exit status 1 where a promise was broken, or the soak could not be carried out."""
    parser = argparse.ArgumentParser(prog="scripts/soak", description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=5.0, metavar="N", help="how long (default 5)")
    parser.add_argument("--clients", type=int, default=CLIENTS, metavar="N", help=f"how many (default {CLIENTS})")
    parser.add_argument("--seed", type=int, metavar="N", help="repeat the random choices of an earlier soak")
    options = parser.parse_args()
    if options.clients < 1 or options.minutes <= 0:
        parser.error("--minutes and --clients must be more than 0")
    seed = options.seed if options.seed is not None else random.SystemRandom().randrange(10**9)
    print(f"soak of {options.minutes:g} minutes, {options.clients} clients, seed {seed}", flush=True)
    folder = Path(tempfile.mkdtemp(prefix="hqsoak-"))
    try:
        found = soak(folder, seed, 60 * options.minutes, options.clients, lambda line: print(line, flush=True))
    except SoakFailed as problem:
        print(f"soak: {problem}; what the programs said is in {folder}", file=sys.stderr)
        return 1
    print(found.ledger())
    if found.violations:
        print(f"soak: promises were broken, seed {seed}; what the programs said is in {folder}", file=sys.stderr)
        return 1
    shutil.rmtree(folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())
