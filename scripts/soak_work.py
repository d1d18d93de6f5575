"""The work of a soak: jobs whose commands write what they do into a journal, orders to some of them, and what the farm
tells of all of them in the end."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter, deque
from dataclasses import replace
from pathlib import Path
from typing import Any
from xmlrpc.client import Error as XmlRpcError
from xmlrpc.client import Fault, ServerProxy

from check_history import Submitted, Told, Verdict, judge
from soak_programs import SoakFailed, carriers

PATIENCE_SECONDS = 180.0
JOBS_A_SECOND = 10.0
LEASE_SECONDS = 4
UNREACHABLE = (OSError, XmlRpcError)
_KNOWN_AGAIN_SECONDS = 50.0
"""P2: a call without a key is known again for 60 s."""
_WATCH_SECONDS = 1.0
_MOST_PAUSED = 3
_FULL = 507
_UNFINISHED = ("queued", "runnable", "running", "pausing", "paused", "resuming")


class Work:
    """Submits jobs, ten a second, and disturbs some of them. All that is random comes from `chance`."""

    def __init__(self, url: str, journal: Path, chance: random.Random) -> None:
        self._url, self._journal, self._chance = url, journal, chance
        self._journal.touch()
        self._submitted: dict[int, Submitted] = {}
        self._disturbed: set[int] = set()
        self._paused: deque[int] = deque()
        self._cancelled: dict[int, str] = {}
        self._number = 0
        self._watched_at = 0.0
        self.orders: Counter[str] = Counter()
        self.refused = 0
        """How often new work was refused because the server's disk was full."""

    def run(self, stop: threading.Event) -> None:
        """Submit until told to stop. Raises `SoakFailed`."""
        due = time.monotonic()
        while not stop.wait(max(0.0, due - time.monotonic())):
            due = max(due + 1 / JOBS_A_SECOND, time.monotonic() - 1)
            self._submit()
            self._disturb()
            self._watch_cancelled()

    # Calls ----------------------------------------------------------------------------------------------------------

    def call(self, method: str, *params: Any) -> Any:
        """One call on a connection of its own."""
        with ServerProxy(self._url, allow_none=True) as proxy:
            return getattr(proxy, method)(*params)

    def call_surely(self, method: str, *params: Any, patience_seconds: float = PATIENCE_SECONDS) -> Any:
        """The same bytes again and again while the server is away, busy or full. Raises `SoakFailed`."""
        unanswered_at: float | None = None
        began = time.monotonic()
        while True:
            try:
                return self.call(method, *params)
            except UNREACHABLE as problem:
                now = time.monotonic()
                if isinstance(problem, Fault):
                    self.refused += problem.faultCode == _FULL
                    unanswered_at = None  # it was answered: nothing was done
                elif unanswered_at is None:
                    unanswered_at = now
                waited_seconds = now - began if unanswered_at is None else now - unanswered_at
                if waited_seconds > patience_seconds:
                    raise SoakFailed(f"{method} was not answered for {waited_seconds:.0f} s: {problem}") from None
                time.sleep(0.1)

    # Jobs -----------------------------------------------------------------------------------------------------------

    def _submit(self) -> None:
        """Submit a job until it is answered, half of them with a key."""
        self._number += 1
        token = f"t{self._number}"
        code = self._chance.choice((0, 0, 0, 0, 3))
        lines = self._chance.choice((0, 1, 3, 2000))
        beats = self._chance.choice((0, 0, 1, 2, 6, 15))
        strict = self._chance.random() < 0.2
        leaves_a_child = self._chance.random() < 0.1
        spec: dict[str, object] = {
            "name": token,
            "shell": "bash",
            "command": self._command(token, code, lines, beats, leaves_a_child),
            "priority": self._chance.randrange(3),
            "lease": LEASE_SECONDS if strict else 0,
        }
        if self._chance.random() < 0.5:
            (job_id,) = self.call_surely("newjob", {**spec, "submitKey": f"soak-{token}"})
        else:
            (job_id,) = self.call_surely("newjob", spec, patience_seconds=_KNOWN_AGAIN_SECONDS)
        prints = "".join(f"{number}\n" for number in range(1, lines + 1))
        self._submitted[job_id] = Submitted(job_id, token, prints, code, undisturbed=True, strict=strict)

    def _command(self, token: str, code: int, lines: int, beats: int, leaves_a_child: bool) -> str:
        """Each line of the journal is one write, at its end: those of different commands never mix."""
        say = f'say() {{ printf "%s {token} $HQ_RUN_TOKEN%s\\n" "$1" "$2" >> {self._journal}; }}; say start'
        child = "(export -f say; setsid bash -c 'for i in {1..20}; do sleep 0.3; say alive; done' > /dev/null 2>&1 &)"
        alive = f"for i in {{1..{beats}}}; do sleep 0.3; say alive; done"
        steps = [say, *([child] if leaves_a_child else []), f"seq 1 {lines}", *([alive] if beats else [])]
        return "; ".join([*steps, f'say end " {code}"; exit {code}'])

    def _disturb(self) -> None:
        """Now and then an order to a job that may be at work; what is paused goes on after a while."""
        draw, place = self._chance.random(), self._chance.random()
        if draw < 0.07 and self._submitted:
            recent = list(self._submitted)[-20:]
            job_id = recent[int(place * len(recent))]
            if draw < 0.03:
                self._disturbed.add(job_id)
                if self._order("cancelJobs", job_id):
                    self._cancelled[job_id] = self._submitted[job_id].token
            elif draw < 0.05:
                self._disturbed.add(job_id)
                self._order("ejectJobs", job_id)
            elif self._order("pauseJobs", job_id):
                self._paused.append(job_id)
        if len(self._paused) > _MOST_PAUSED and self._order("resumeJobs", self._paused[0]):
            self._paused.popleft()

    def _order(self, method: str, job_id: int) -> bool:
        try:
            self.call(method, [job_id])
        except UNREACHABLE:
            return False
        self.orders[method.removesuffix("Jobs")] += 1
        return True

    def _watch_cancelled(self) -> None:
        """Note in the journal when the farm says that a job is cancelled and nobody's confirmation is missing."""
        if not self._cancelled or time.monotonic() < self._watched_at + _WATCH_SECONDS:
            return
        self._watched_at = time.monotonic()
        try:
            found = self.call("getJobs", list(self._cancelled), ["status", "unconfirmed"])
        except UNREACHABLE:
            return
        for job in found:
            if job["status"] == "cancelled" and not job["unconfirmed"]:
                with self._journal.open("a") as journal:
                    journal.write(f"cancelled {self._cancelled.pop(job['id'])}\n")
            elif job["status"] in ("succeeded", "failed", "abandoned"):
                del self._cancelled[job["id"]]  # it was over before

    # The end --------------------------------------------------------------------------------------------------------

    def finish(self) -> None:
        """Resume what is paused and wait until every job has ended, in vain for so long at the most."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < deadline:
            self._watch_cancelled()
            left = self.call_surely("getJobIdsByStatus", list(_UNFINISHED))
            if not left and not self._cancelled:
                return
            self.call_surely("resumeJobs", left)
            time.sleep(0.2)

    def verdict(self) -> Verdict:
        """Hold what the farm tells against the journal."""
        told = {
            job["id"]: self._told(job) for job in self._jobs(list(self._submitted), "status", "logs", "unconfirmed")
        }
        every = self.call_surely("getJobIdsByStatus", self.call_surely("getAllJobStatusNames"))
        names = Counter(job["name"] for job in self._jobs(every, "name"))
        known = [replace(each, undisturbed=each.job_id not in self._disturbed) for each in self._submitted.values()]
        journal = self._journal.read_text()
        found = judge(known, told, names, journal)
        runs = {line.split()[2] for line in journal.splitlines() if line.startswith("start ")}
        found.violations += [f"I4: process {pid} of a job is alive" for pid in carriers(runs)]
        return found

    def ids(self) -> list[int]:
        """Every id that `newjob` gave."""
        return list(self._submitted)

    def story(self, job_id: int) -> str:
        """What is known of a job, for whoever looks for the reason of a violation."""
        token = self._submitted[job_id].token
        wrote = [line for line in self._journal.read_text().splitlines() if token in line.split()]
        logs = self.call_surely("getJob", job_id, ["logs"])["logs"]
        said = [f"{each['time']} {each['event']} {each['status']} {each['message']}" for each in logs]
        return "\n    ".join([f"job {job_id}, {token}:", *said, *wrote])

    def _jobs(self, ids: list[int], *attributes: str) -> list[dict[str, Any]]:
        pages = [ids[start : start + 500] for start in range(0, len(ids), 500)]
        return [job for page in pages for job in self.call_surely("getJobs", page, list(attributes))]

    def _told(self, job: dict[str, Any]) -> Told:
        messages = [entry["message"] for entry in job["logs"]]
        return Told(
            job["status"],
            self.call_surely("getJobOutput", job["id"]),
            losses=sum("silent" in message or "within the lease" in message for message in messages),
            unconfirmed=bool(job["unconfirmed"]) or any("has not confirmed" in message for message in messages),
        )
