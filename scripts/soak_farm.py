"""A farm under faults: random work while real processes are killed, stopped and restarted (PROMISES 7.2, S1).

What is random comes from one seed, which is printed, so that a failure can be repeated. At the end everything is
healed, all jobs must end, and `check_history` holds what the farm tells against what the commands wrote.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any
from xmlrpc.client import Error as XmlRpcError
from xmlrpc.client import ServerProxy

import psutil
from check_history import Submitted, Told, Verdict, judge

BIN = Path(sys.executable).parent
CLIENTS = ("alpha", "beta", "gamma")
START_SECONDS, HEAL_SECONDS = 60.0, 180.0
_UNREACHABLE = (OSError, XmlRpcError)


class Program:
    """One of ours, which may be killed and started again with the same words."""

    def __init__(self, words: list[str], ready: str, log: Path):
        self._words, self._ready, self._log = words, ready, log
        self.process: subprocess.Popen[bytes] | None = None
        self.line = ""

    def start(self) -> None:
        """Start it and wait until it says that it is ready; the line goes to `line`."""
        before = self._log.stat().st_size if self._log.exists() else 0
        with self._log.open("ab") as log:
            self.process = subprocess.Popen(self._words, stdout=log, stderr=log, start_new_session=True)
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            said = self._log.read_bytes()[before:].decode("utf-8", "replace")
            self.line = next((line for line in said.splitlines() if self._ready in line), "")
            if self.line:
                return
            if self.process.poll() is not None:
                sys.exit(f"soak: {self._words[0]} ended with {self.process.returncode}: {said.strip()[-500:]}")
            time.sleep(0.02)
        sys.exit(f"soak: {self._words[0]} did not start")

    def end(self, number: int) -> None:
        """End it with this signal and reap it."""
        if self.process is None:
            return
        with suppress(ProcessLookupError):
            self.process.send_signal(number)
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(30)
        self.process = None


class Soak:
    """One soak: a server, three clients, work and faults."""

    def __init__(self, folder: Path, chance: random.Random):
        self.folder, self.chance = folder, chance
        self.journal = folder / "journal"
        self.journal.touch()
        self.submitted: dict[int, Submitted] = {}
        self.disturbed: set[int] = set()
        self.unanswered = 0
        self.faults: Counter[str] = Counter()
        self._tokens = 0
        self._port = 0
        self.server = Program(self._server_words(), "listening on ", folder / "server.out")
        self.clients: dict[str, Program] = {}

    def _server_words(self) -> list[str]:
        return [str(BIN / "hqserver"), "--port", str(self._port), "--data", str(self.folder / "server")]

    def start(self) -> None:
        """Start everything."""
        os.environ |= {"HQSERVER_BEAT_SECONDS": "1", "HQSERVER_KILL_GRACE": "1", "HQSERVER_ACTIVE_TIMEOUT": "5"}
        self.server.start()
        self.url = self.server.line.rpartition(" ")[2]
        self._port = int(self.url.rpartition(":")[2])
        self.server._words = self._server_words()
        for name in CLIENTS:
            words = [str(BIN / "hqclient"), "--server", self.url, "--name", name, "--cpus", "2", "--port", "0"]
            out = self.folder / f"{name}.out"
            client = self.clients[name] = Program([*words, "--data", str(self.folder / name)], "registered as", out)
            client.start()

    def call(self, method: str, *params: Any) -> Any:
        """One call on a connection of its own."""
        with ServerProxy(self.url, allow_none=True) as proxy:
            return getattr(proxy, method)(*params)

    def call_surely(self, method: str, *params: Any) -> Any:
        """The same, again and again while the server is away."""
        deadline = time.monotonic() + HEAL_SECONDS
        while True:
            try:
                return self.call(method, *params)
            except _UNREACHABLE:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.1)

    # Work -----------------------------------------------------------------------------------------------------------

    def submit(self) -> None:
        """Submit a job with a key, whose answer may get lost: the same call is made until it is answered."""
        self._tokens += 1
        token = f"t{self._tokens}"
        code = self.chance.choice((0, 0, 0, 0, 3))
        lines = self.chance.choice((1, 3, 2000))
        seconds = self.chance.choice((0, 0, 0.1, 0.5, 1.5))
        command = (
            f'printf "start {token} $HQ_RUN_TOKEN\\n" >> {self.journal}; seq 1 {lines}; sleep {seconds}; '
            f'printf "end {token} $HQ_RUN_TOKEN {code}\\n" >> {self.journal}; exit {code}'
        )
        spec = {"name": token, "command": command, "submitKey": f"soak-{token}", "priority": self.chance.randrange(3)}
        (job_id,) = self.call_surely("newjob", spec)
        prints = "".join(f"{number}\n" for number in range(1, lines + 1))
        self.submitted[job_id] = Submitted(job_id, token, prints, code, undisturbed=True)

    def disturb(self) -> None:
        """Do something to a job that may be at work."""
        if not self.submitted:
            return
        job_id = self.chance.choice(list(self.submitted)[-20:])
        action = self.chance.choice(("cancelJobs", "pauseJobs", "ejectJobs"))
        with suppress(*_UNREACHABLE):
            self.call(action, [job_id])
            if action != "pauseJobs":
                self.disturbed.add(job_id)
            self.faults[action] += 1
        if action == "cancelJobs":
            self.disturbed.add(job_id)

    # Faults ---------------------------------------------------------------------------------------------------------

    def break_something(self) -> None:
        """One random fault, healed at once or after a moment."""
        fault: Callable[[], None] = self.chance.choice(
            (self._kill_server, self._end_server, self._kill_client, self._end_client, self._stop_client)
        )
        self.faults[fault.__name__.strip("_").replace("_", " ")] += 1
        fault()

    def _kill_server(self) -> None:
        self.server.end(signal.SIGKILL)
        time.sleep(self.chance.uniform(0, 1))
        self.server.start()

    def _end_server(self) -> None:
        self.server.end(signal.SIGTERM)
        self.server.start()

    def _kill_client(self) -> None:
        client = self.clients[self.chance.choice(CLIENTS)]
        client.end(signal.SIGKILL)
        time.sleep(self.chance.uniform(0, 2))
        client.start()

    def _end_client(self) -> None:
        client = self.clients[self.chance.choice(CLIENTS)]
        client.end(signal.SIGTERM)
        client.start()

    def _stop_client(self) -> None:
        """A daemon that stands still, as on a machine that swaps: its runs go on, its beats do not."""
        process = self.clients[self.chance.choice(CLIENTS)].process
        assert process is not None
        process.send_signal(signal.SIGSTOP)
        time.sleep(self.chance.uniform(0.2, 3))
        process.send_signal(signal.SIGCONT)

    # The end --------------------------------------------------------------------------------------------------------

    def heal(self) -> None:
        """Resume what is paused and wait until every job has ended, in vain for so long at the most."""
        deadline = time.monotonic() + HEAL_SECONDS
        while time.monotonic() < deadline:
            left = self.call_surely(
                "getJobIdsByStatus", ["queued", "runnable", "running", "pausing", "paused", "resuming"]
            )
            if not left:
                return
            self.call_surely("resumeJobs", left)
            time.sleep(0.2)

    def verdict(self) -> Verdict:
        """Hold what the farm tells against the journal."""
        ids = list(self.submitted)
        told = {
            job["id"]: Told(job["status"], self.call_surely("getJobOutput", job["id"]))
            for job in self.call_surely("getJobs", ids, ["status"])
        }
        every = self.call_surely("getJobIdsByStatus", self.call_surely("getAllJobStatusNames"))
        names = Counter(job["name"] for job in self.call_surely("getJobs", every, ["name"]))
        known = [
            Submitted(each.job_id, each.token, each.prints, each.code, each.job_id not in self.disturbed)
            for each in self.submitted.values()
        ]
        found = judge(known, told, names, self.journal.read_text())
        runs = {line.split()[2] for line in self.journal.read_text().splitlines() if line.startswith("start ")}
        found.violations += [f"I4: process {pid} of a job is alive" for pid in _carriers(runs)]
        return found

    def close(self) -> None:
        """End everything that was started."""
        for client in self.clients.values():
            if client.process is not None:
                with suppress(ProcessLookupError):
                    client.process.send_signal(signal.SIGCONT)
            client.end(signal.SIGTERM)
        self.server.end(signal.SIGTERM)


def _carriers(runs: set[str]) -> list[int]:
    """Processes that are alive of these runs, by the token that every command carries in its environment."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):
            if process.environ().get("HQ_RUN_TOKEN") in runs:
                found.append(process.pid)
    return found


def main() -> int:
    """Soak for so long; exit status 1 where a promise was broken."""
    parser = argparse.ArgumentParser(prog="scripts/soak", description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=5.0, metavar="N", help="how long (default 5)")
    parser.add_argument("--seed", type=int, metavar="N", help="repeat the random choices of an earlier soak")
    options = parser.parse_args()
    seed = options.seed if options.seed is not None else random.SystemRandom().randrange(10**9)
    print(f"soak of {options.minutes:g} minutes, seed {seed}", flush=True)
    chance = random.Random(seed)
    with tempfile.TemporaryDirectory(prefix="hqsoak-") as folder:
        soak = Soak(Path(folder), chance)
        try:
            soak.start()
            ends_at = time.monotonic() + 60 * options.minutes
            while time.monotonic() < ends_at:
                for _ in range(chance.randrange(1, 12)):
                    soak.submit()
                if chance.random() < 0.5:
                    soak.disturb()
                if chance.random() < 0.5:
                    soak.break_something()
                else:
                    time.sleep(chance.uniform(0, 0.5))
            soak.heal()
            found = soak.verdict()
        finally:
            soak.close()
    print("faults: " + ", ".join(f"{name} {count}" for name, count in sorted(soak.faults.items())))
    print("ended: " + ", ".join(f"{name} {count}" for name, count in sorted(found.by_status.items())))
    print(found.ledger(), flush=True)
    for violation in found.violations[:50]:
        print(f"BROKEN {violation}")
    return 1 if found.violations else 0


if __name__ == "__main__":
    sys.exit(main())
