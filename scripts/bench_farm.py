"""Measures the farm beside yardsticks, in turn and in one run, because only ratios of one run mean anything.

A machine that is shared drifts by a factor within hours; so every figure is the median of several rounds, each round
runs ours and the yardstick one after the other, and what is quoted is the ratio.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import time
from functools import partial
from xmlrpc.client import ServerProxy

from bench_kit import SPECIFICATION, live_farm, per_second, row
from bench_scale import bench_agenda, bench_descendants, bench_explaining, bench_finding, bench_nested
from bench_yardsticks import bare_loop, hyperqueue_python, hyperqueue_rate, ping_rate, popen_latency


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
    options = parser.parse_args()
    rounds = 1 if options.quick else options.rounds
    print(f"median of {rounds} rounds; {os.cpu_count()} CPUs; ratios compare what ran side by side\n")
    bench_throughput([200] if options.quick else [1000, 5000], rounds, options.peers)
    bench_submission(rounds)
    bench_nested(1_000 if options.quick else 10_000, 1 if options.quick else rounds)
    bench_descendants(1_000 if options.quick else 100_000, rounds)
    bench_agenda(1_000 if options.quick else 10_000, rounds)
    bench_finding(20_000 if options.quick else 1_000_000, 10_000, rounds)
    bench_explaining(50 if options.quick else 500, rounds)
    bench_latency(5 if options.quick else 20)
    return 0


if __name__ == "__main__":
    sys.exit(main())
