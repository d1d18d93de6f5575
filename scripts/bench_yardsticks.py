"""What the farm is measured beside: bare loops, the standard library's server, HyperQueue."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
import venv
from pathlib import Path
from socketserver import ThreadingMixIn
from xmlrpc.client import ServerProxy
from xmlrpc.server import SimpleXMLRPCRequestHandler, SimpleXMLRPCServer

from bench_kit import per_second, program

CHECKOUT = Path(__file__).resolve().parent.parent
COMMAND = ["sh", "-c", "true"]


class ThreadedServer(ThreadingMixIn, SimpleXMLRPCServer):
    """The yardstick for calls: the standard library's server, a thread a connection."""

    daemon_threads = True


class KeepAlive(SimpleXMLRPCRequestHandler):
    """HTTP/1.1, so that the yardstick keeps its connections as we do."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True


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


def ping_rate(count: int) -> float:
    """Pings a second of one caller against the standard library's threaded server, in a process of its own."""
    script = Path(__file__).resolve()
    with program([sys.executable, str(script)], "listening on ") as line:
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


if __name__ == "__main__":
    serve_ping()
