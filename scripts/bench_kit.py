"""What the benchmarks share: a fresh farm, rates, and the line in which ours stands beside a yardstick."""

from __future__ import annotations

import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from xmlrpc.client import ServerProxy

BIN = Path(sys.executable).parent
START_SECONDS = 30.0
SPECIFICATION = {"name": "bench", "command": {"windows": "rem"}}
"""A job that no client here takes, so that submitting is measured alone."""


@contextmanager
def program(words: list[str], ready: str) -> Iterator[str]:
    """Run a program of ours until the block ends; gives the line in which it said `ready`."""
    process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    assert process.stdout is not None
    try:
        deadline = threading.Timer(START_SECONDS, process.kill)
        deadline.start()
        line = next((line for line in process.stdout if ready in line), "")
        deadline.cancel()
        if not line:
            sys.exit(f"bench: {words[0]} did not start")
        yield line.strip()
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)
        process.stdout.close()


@contextmanager
def live_farm(cpus: int = 2) -> Iterator[ServerProxy]:
    """A fresh server and one client on loopback; a caller of it."""
    with farm_address(cpus) as url:
        yield ServerProxy(url, allow_none=True)


@contextmanager
def farm_address(cpus: int = 2) -> Iterator[str]:
    """A fresh server and one client on loopback, their data in a temporary folder; the server's address."""
    with tempfile.TemporaryDirectory(prefix="hqbench-") as folder:
        server = [str(BIN / "hqserver"), "--port", "0", "--data", f"{folder}/server"]
        with program(server, "listening on ") as line:
            url = line.rpartition(" ")[2]
            client = [str(BIN / "hqclient"), "--server", url, "--port", "0", "--cpus", str(cpus)]
            with program([*client, "--data", f"{folder}/client"], "registered as client"):
                yield url


def per_second(count: int, action: Callable[[], object]) -> float:
    """How many a second, where `action` does `count`."""
    began = time.perf_counter()
    action()
    return count / (time.perf_counter() - began)


def row(what: str, ours: float, unit: str, yardstick: str, other: float) -> None:
    """One line of the table; the ratio is ours to the yardstick's."""
    print(f"{what:<66} {ours:>10.1f} {unit:<7} {ours / other:>7.2f} of {yardstick} ({other:.1f})", flush=True)
