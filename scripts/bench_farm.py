"""Measures the farm beside yardsticks, in turn and in one run, because only ratios of one run mean anything.

A machine that is shared drifts by a factor within hours; so every figure is the median of several rounds, each round
runs ours and the yardstick one after the other, and what is quoted is the ratio.
"""

from __future__ import annotations

import argparse
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import venv
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from socketserver import ThreadingMixIn
from xmlrpc.client import ServerProxy
from xmlrpc.server import SimpleXMLRPCRequestHandler, SimpleXMLRPCServer

CHECKOUT = Path(__file__).resolve().parent.parent
BIN = Path(sys.executable).parent
COMMAND = ["sh", "-c", "true"]
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


class ThreadedServer(ThreadingMixIn, SimpleXMLRPCServer):
    """The yardstick for calls: the standard library's server, a thread a connection."""

    daemon_threads = True


class KeepAlive(SimpleXMLRPCRequestHandler):
    """HTTP/1.1, so that the yardstick keeps its connections as we do."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True


def per_second(count: int, action: Callable[[], object]) -> float:
    """How many a second, where `action` does `count`."""
    began = time.perf_counter()
    action()
    return count / (time.perf_counter() - began)


def bare_loop(count: int) -> None:
    """Two threads that run the command with Popen: what a farm of two slots could at most do."""
    left = iter(range(count))
    lock = threading.Lock()

    def work() -> None:
        while True:
            with lock:
                if next(left, None) is None:
                    return
            subprocess.Popen(COMMAND, start_new_session=True).wait()

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def farm_jobs(farm: ServerProxy, count: int) -> None:
    """Submit jobs as one list and wait until the last has succeeded."""
    ids = farm.newjob([{"name": "bench", "command": "true"} for _ in range(count)])
    last, deadline = ids[-1], time.monotonic() + 600
    while farm.getJob(last, ["status"])["status"] != "succeeded" and time.monotonic() < deadline:
        time.sleep(0.02)
    while (left := len(farm.getJobIdsByStatus(["runnable", "running"]))) and time.monotonic() < deadline:
        time.sleep(0.02)
    if left:
        sys.exit(f"bench: {left} of {count} jobs did not end in time")


def one_by_one(farm: ServerProxy, count: int) -> None:
    """Submit jobs that no client takes, a call each."""
    for _ in range(count):
        farm.newjob(SPECIFICATION)


def ping_rate(count: int) -> float:
    """Pings a second of one caller against the standard library's threaded server, in a process of its own."""
    script = Path(__file__).resolve()
    with program([sys.executable, str(script), "--serve-ping"], "listening on ") as line:
        proxy = ServerProxy(line.rpartition(" ")[2])
        proxy.ping()
        return per_second(count, lambda: [proxy.ping() for _ in range(count)])


def serve_ping() -> None:
    """The yardstick's process: runs until it is told to end."""
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    server = ThreadedServer(("127.0.0.1", 0), requestHandler=KeepAlive, logRequests=False)
    server.register_function(lambda: True, "ping")
    print(f"listening on http://127.0.0.1:{server.server_address[1]}", flush=True)
    server.serve_forever()


def start_latency(farm: ServerProxy, rounds: int) -> list[float]:
    """Seconds from before `newjob` to the moment at which the command says that it runs, on an idle farm."""
    found = []
    for _ in range(rounds):
        began = time.time()
        (job,) = farm.newjob({"name": "latency", "command": "date +%s.%N"})
        while farm.getJob(job, ["status"])["status"] != "succeeded":
            time.sleep(0.01)
        found.append(float(farm.getJobOutput(job)) - began)
        time.sleep(0.03)
    return found


def popen_latency(rounds: int) -> list[float]:
    """The same for a bare Popen."""
    found = []
    for _ in range(rounds):
        began = time.time()
        out = subprocess.run(["sh", "-c", "date +%s.%N"], stdout=subprocess.PIPE, check=True).stdout
        found.append(float(out) - began)
        time.sleep(0.03)
    return found


HYPERQUEUE = """
import os, sys, tempfile, time
from hyperqueue import Job, LocalCluster
from hyperqueue.cluster import WorkerConfig
count = int(sys.argv[1])
with tempfile.TemporaryDirectory() as folder:
    os.chdir(folder)
    with LocalCluster(worker_config=WorkerConfig(cores=2)) as cluster:
        client = cluster.client()
        job = Job()
        for _ in range(count):
            job.program(["sh", "-c", "true"])
        began = time.perf_counter()
        client.wait_for_jobs([client.submit(job)])
        print("rate", count / (time.perf_counter() - began))
"""


def hyperqueue_rate(python: Path, count: int) -> float:
    """Jobs a second that HyperQueue makes of the same command, one array on a worker of two cores."""
    done = subprocess.run([python, "-c", HYPERQUEUE, str(count)], capture_output=True, text=True, timeout=600)
    line = next((line for line in done.stdout.splitlines() if line.startswith("rate ")), "")
    if not line:
        sys.exit(f"bench: HyperQueue failed: {done.stderr.strip()[-500:]}")
    return float(line.split()[1])


def hyperqueue_python() -> Path:
    """A Python with HyperQueue from PyPI, in an environment of its own inside ours."""
    folder = CHECKOUT / ".venv" / "peers"
    python = folder / "bin" / "python"
    if not python.exists():
        print("installing HyperQueue from PyPI for the comparison ...", flush=True)
        venv.create(folder, with_pip=True)
    subprocess.run([python, "-m", "pip", "install", "--quiet", "hyperqueue>=0.20,<1"], check=True)
    return python


def row(what: str, ours: float, unit: str, yardstick: str, other: float) -> None:
    """One line of the table; the ratio is ours to the yardstick's."""
    print(f"{what:<52} {ours:>10.1f} {unit:<7} {ours / other:>7.2f} of {yardstick} ({other:.1f})", flush=True)


def bench_throughput(counts: list[int], rounds: int, peers: bool) -> None:
    """Jobs a second, end to end."""
    python = hyperqueue_python() if peers else None
    for count in counts:
        ours, bare, theirs = [], [], []
        for _ in range(rounds):
            with live_farm() as farm:
                farm_jobs(farm, 50)  # both sides warm
                ours.append(per_second(count, partial(farm_jobs, farm, count)))
            bare.append(per_second(count, partial(bare_loop, count)))
            if python is not None:
                theirs.append(hyperqueue_rate(python, count))
        what = f"end to end, `true`, {count} jobs, two slots"
        row(what, statistics.median(ours), "jobs/s", "the bare loop", statistics.median(bare))
        if theirs:
            row(what, statistics.median(ours), "jobs/s", "HyperQueue", statistics.median(theirs))


def bench_submission(rounds: int) -> None:
    """Submissions a second, by one caller, one by one and as one list; and a page of getJobs."""
    single, pings, listed, queried = [], [], [], []
    for _ in range(rounds):
        with live_farm() as farm:
            single.append(per_second(500, partial(one_by_one, farm, 500)))
            listed.append(per_second(10_000, partial(farm.newjob, [SPECIFICATION] * 10_000)))
            ids = farm.getUnfinishedRootJobIds()[:1000]
            queried.append(1000.0 / per_second(1, partial(farm.getJobs, ids)))
        pings.append(ping_rate(500))
    ping = statistics.median(pings)
    row("newjob one by one", statistics.median(single), "jobs/s", "a bare threaded ping", ping)
    row("newjob with 10,000 specifications in one call", statistics.median(listed), "jobs/s", "a bare ping", ping)
    row("getJobs of 1,000 jobs, all attributes", statistics.median(queried), "ms", "a bare ping in ms", 1000 / ping)


def reading_rate(farm: ServerProxy, job: int, count: int) -> float:
    """How often a second the costly attributes of one job can be read."""
    attribs = ["uiStatus", "overallProgress", "ETA"]
    return per_second(count, lambda: [farm.getJob(job, attribs) for _ in range(count)])


def bench_descendants(descendants: int, rounds: int) -> None:
    """What is told of a whole family, for a job with very many descendants and for one without any."""
    with live_farm() as farm:
        (root,) = farm.newjob({"name": "root"} | SPECIFICATION)
        (alone,) = farm.newjob(SPECIFICATION)
        for start in range(0, descendants, 10_000):
            farm.newjob([SPECIFICATION] * min(10_000, descendants - start), root)
        many, none = [], []
        for _ in range(rounds):
            many.append(reading_rate(farm, root, 300))
            none.append(reading_rate(farm, alone, 300))
    what = f"uiStatus, overallProgress, ETA, {descendants:,} descendants"
    row(what, statistics.median(many), "reads/s", "the same of a job without", statistics.median(none))


NESTED = {
    "name": "frame",
    "command": {"windows": "rem a render command of a usual length " + "x" * 200},
    "environment": {f"VARIABLE_{number}": f"a value of variable {number}" for number in range(8)},
    "conditions": [{"type": "client", "name": "group", "op": "in", "value": "render,simulation"}],
    "tags": ["single:frames"],
    "priority": 5,
}


def bench_nested(children: int, rounds: int) -> None:
    """One call with very many nested children, and how long others wait for a ping meanwhile."""
    took, waits, alone = [], [], []
    for _ in range(rounds):
        with farm_address() as url:
            farm = ServerProxy(url)
            alone.append(max(ping_seconds(farm) for _ in range(50)))
            # In a process of its own: what it costs to write the call down must not hold up our pings.
            words = [sys.executable, __file__, "--submit-nested", str(children), url]
            with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as caller:
                slowest = 0.0
                while caller.poll() is None:
                    slowest = max(slowest, ping_seconds(farm))
                    time.sleep(0.01)
                assert caller.stdout is not None
                took.append(float(caller.stdout.read()))
            waits.append(slowest)
    what = f"newjob with {children:,} nested children in one call"
    row(what, children / statistics.median(took), "jobs/s", "one such call a second", children)
    slowest, idle = (statistics.median(each) * 1000 for each in (waits, alone))
    row("the slowest ping meanwhile", slowest, "ms", "idle, ms", idle)


def submit_nested(children: int, url: str) -> None:
    """One call with so many nested children; prints how long it took."""
    farm = ServerProxy(url)
    began = time.perf_counter()
    farm.newjob({"name": "parent", "children": [NESTED] * children})
    print(time.perf_counter() - began)


def ping_seconds(farm: ServerProxy) -> float:
    """How long one ping takes."""
    began = time.perf_counter()
    farm.ping()
    return time.perf_counter() - began


def bench_latency(rounds: int) -> None:
    """From newjob to the command's start on an idle farm."""
    with live_farm() as farm:
        start_latency(farm, 5)
        ours, bare = [], []
        for _ in range(3):
            ours += start_latency(farm, rounds)
            bare += popen_latency(rounds)
    ours_p95, bare_p95 = (statistics.quantiles(each, n=20)[-1] * 1000 for each in (ours, bare))
    row("newjob to start, median", statistics.median(ours) * 1000, "ms", "a bare Popen", statistics.median(bare) * 1000)
    row("newjob to start, p95", ours_p95, "ms", "a bare Popen", bare_p95)


def main() -> int:
    """Run what was asked for."""
    parser = argparse.ArgumentParser(prog="scripts/bench", description=__doc__)
    parser.add_argument("--peers", action="store_true", help="run HyperQueue (from PyPI) beside ours")
    parser.add_argument("--rounds", type=int, default=3, metavar="N", help="rounds of which the median counts")
    parser.add_argument("--quick", action="store_true", help="one round, few jobs: does it run at all?")
    parser.add_argument("--serve-ping", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--submit-nested", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve_ping:
        serve_ping()
        return 0
    if options.submit_nested:
        submit_nested(int(options.submit_nested[0]), options.submit_nested[1])
        return 0
    rounds = 1 if options.quick else options.rounds
    print(f"median of {rounds} rounds; {os.cpu_count()} CPUs; ratios compare what ran side by side\n")
    bench_throughput([200] if options.quick else [1000, 5000], rounds, options.peers)
    bench_submission(rounds)
    bench_nested(1_000 if options.quick else 10_000, 1 if options.quick else rounds)
    bench_descendants(1_000 if options.quick else 100_000, rounds)
    bench_latency(5 if options.quick else 20)
    return 0


if __name__ == "__main__":
    sys.exit(main())
