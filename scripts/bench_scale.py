"""What large things cost beside small ones: families, agendas, a farm full of finished jobs, hundreds of clients."""

from __future__ import annotations

import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any
from xmlrpc.client import ServerProxy, Transport

from bench_kit import BIN, SPECIFICATION, farm_address, live_farm, per_second, program, row

from hqserver.store.search_index import add_counts


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
            words = [sys.executable, __file__, str(children), url]
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


def agenda_seconds(farm: ServerProxy, frames: int) -> tuple[float, float]:
    """Seconds of a call that submits an agenda, and until its first command has started."""
    began = time.perf_counter()
    (job,) = farm.newjob({"name": "agenda", "command": "true", "agenda": f"1-{frames}", "maxConcurrent": 1})
    submitted = time.perf_counter() - began
    while farm.getJob(job, ["commandStartTime"])["commandStartTime"] is None:
        time.sleep(0.002)
    started = time.perf_counter() - began
    farm.cancelJobs([job])
    while farm.getJob(job, ["endTime"])["endTime"] is None:
        time.sleep(0.01)
    return submitted, started


def bench_agenda(frames: int, rounds: int) -> None:
    """One job of very many frames beside one of a single frame, on an idle farm."""
    with live_farm() as farm:
        agenda_seconds(farm, 10)
        large = [agenda_seconds(farm, frames) for _ in range(rounds)]
        small = [agenda_seconds(farm, 1) for _ in range(rounds)]
    for index, what in enumerate(("submitted", "submitted and the first command started")):
        ours, one = (statistics.median(each[index] for each in found) * 1000 for found in (large, small))
        row(f"an agenda of {frames:,} frames {what}", ours, "ms", "one of 1 frame", one)


@contextmanager
def farm_of_finished_jobs(number: int) -> Iterator[ServerProxy]:
    """A server whose database holds so many finished jobs: copies of one that it made itself."""
    with tempfile.TemporaryDirectory(prefix="hqbench-") as folder:
        words = [str(BIN / "hqserver"), "--port", "0", "--data", folder]
        with program(words, "listening on ") as line:
            ServerProxy(line.rpartition(" ")[2]).newjob({"name": "finished"})
        with sqlite3.connect(Path(folder, "farm.db")) as connection:
            multiply(connection, number)
        connection.close()
        with program(words, "listening on ") as line:
            yield ServerProxy(line.rpartition(" ")[2], allow_none=True)


def multiply(connection: sqlite3.Connection, number: int) -> None:
    """Copy the only job until there are so many, each with a name, a submitter and times of its own."""
    columns = [row[1] for row in connection.execute("PRAGMA table_info(job)")]
    changed = {
        "id": "n",
        "root_id": "n",
        "uuid": "'copy ' || n",
        "name": "'shot ' || n",
        "submitted_by": "'user ' || (n % 50)",
        **{name: f"{name} + n" for name in ("queued_at", "ended_at", "updated_at")},
    }
    values = ", ".join(changed.get(name, name) for name in columns)
    connection.execute(
        f"""
        WITH RECURSIVE number (n) AS (SELECT 2 UNION ALL SELECT n + 1 FROM number WHERE n < ?)
        INSERT INTO job ({", ".join(columns)}) SELECT {values} FROM number JOIN job ON job.id = 1
        """,
        (number,),
    )
    connection.execute("INSERT INTO job_text (job_text) VALUES ('rebuild')")
    add_counts(connection, ((True, "succeeded") for _ in range(number - 1)))


SEARCHES: dict[str, tuple[dict[str, Any], list[str]]] = {
    "the newest": ({}, []),
    "of one user, by end": ({"submittedBy": "user 7", "status": ["succeeded"]}, ["-endTime"]),
    "by a part of the name": ({"text": "hot 7"}, []),
}
"""What is searched for: a filter and an order."""


def bench_finding(jobs: int, few: int, rounds: int) -> None:
    """A page of 100 out of very many finished jobs beside one out of few, which fill such a page too."""
    with farm_of_finished_jobs(jobs) as full, farm_of_finished_jobs(few) as empty:
        for what, (wanted, sort) in SEARCHES.items():
            pages = [partial(farm.findJobs, wanted, ["id", "name"], sort, 100) for farm in (full, empty)]
            found = [median_ms(page, rounds) for page in pages]
            row(f"findJobs, 100 of {jobs:,}, {what}", found[0], "ms", f"the same out of {few:,}", found[1])


def median_ms(action: Callable[[], object], rounds: int) -> float:
    """Median of what it takes, in milliseconds; the first time does not count."""
    action()
    return statistics.median(1000 / per_second(1, action) for _ in range(5 * rounds))


class AsDaemon(Transport):
    """Calls with a client's secret."""

    def __init__(self) -> None:
        super().__init__(use_builtin_types=True)
        self.secret = ""

    def send_headers(self, connection: Any, headers: list[tuple[str, str]]) -> None:
        login = [("Authorization", f"Bearer {self.secret}")] if self.secret else []
        super().send_headers(connection, [*headers, *login])


def add_client(url: str, number: int) -> None:
    """Register a client that has one CPU and runs nothing, and let it beat once."""
    transport = AsDaemon()
    daemon: Any = ServerProxy(url, transport=transport, allow_none=True)
    session = f"{number:032x}"
    numbers = {"cpus": 1, "cpuSpeed": 3000, "memory": 16_000_000.0, "port": 0, "runs": []}
    texts = {"hostname": f"node{number}", "name": "", "platform": "linux-x86_64", "version": "0" * 64}
    found = daemon.registerClient({"protocol": 1, "session": session, "bootId": f"boot {number}", **texts, **numbers})
    transport.secret = found["secret"]
    vitals = {"load": 0.5, "memoryFree": 8_000_000.0, "diskFree": 100_000_000.0, "idleTime": -1, "utcOffset": 0}
    nothing: dict[str, Any] = {"queued": [], "progress": {}, "output": [], "reports": []}
    daemon.clientBeat({"session": session, "sequence": 1, "spare": 0, "accepting": True, **vitals, **nothing})


def bench_explaining(clients: int, rounds: int) -> None:
    """Why a job waits, told for every one of very many clients and for one."""
    found = []
    for number in (clients, 1):
        with tempfile.TemporaryDirectory(prefix="hqbench-") as folder:
            words = [str(BIN / "hqserver"), "--port", "0", "--data", folder]
            with program(words, "listening on ") as line:
                url = line.rpartition(" ")[2]
                for each in range(number):
                    add_client(url, each)
                farm: Any = ServerProxy(url, allow_none=True)
                (job,) = farm.newjob({"name": "waits", "command": "true", "cpus": 2})
                found.append(median_ms(partial(farm.explainJob, job), rounds))
    row(f"explainJob with {clients:,} clients", found[0], "ms", "with one client", found[1])


if __name__ == "__main__":
    submit_nested(int(sys.argv[1]), sys.argv[2])
