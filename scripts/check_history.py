"""Judges what a farm did under faults by an append-only journal that its commands and the driver wrote (PROMISES 7).

A command appends a line when it begins, while it is alive and when it ends; the driver appends one when it was told
that a job is cancelled and confirmed:

    start TOKEN RUN      alive TOKEN RUN      end TOKEN RUN CODE      cancelled TOKEN

The order of the lines is the order in which all that happened, whatever the clocks say. The journal is the truth; what
the farm says of its jobs is what is judged.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

FINISHED = ("succeeded", "failed", "cancelled", "abandoned")
INVARIANTS = {
    "I1": "no accepted job is lost",
    "I2": "succeeded means that the command ended with 0",
    "I3": "at most one run of a job at a time",
    "I4": "after `cancelled` nothing of it is alive",
    "I5": "the output is what the command wrote",
    "I6": "ping is answered",
    "I7": "memory, threads and descriptors come back",
    "I8": "one submission makes one job",
    "I9": "the database is whole and agrees with itself",
    "I10": "ids never repeat",
}
LONGEST_PING_SECONDS = 2.0
"""P10."""
_STARVED = 10
"""How much longer than the pinger itself was kept waiting by the machine a ping may take, beyond that."""
_MORE_MEGABYTES, _MORE_THREADS, _MORE_DESCRIPTORS = 100, 12, 32
_LOSSES_BEFORE_ABANDONED = 3
_FARMS_OWN_LINES = ("[hq] ", "[hqclient: ")
"""Between two tries, and where the command left processes behind."""


@dataclass(frozen=True, slots=True)
class Told:
    """What the farm says of a job at the end: its final status, its output, how many times its log says that a client
    of it was silent or its lease ended, and whether there are clients that never confirmed its kill."""

    status: str
    output: str
    losses: int = 0
    unconfirmed: bool = False


@dataclass(frozen=True, slots=True)
class Submitted:
    """A submission whose answer arrived: the job's id, the token in its command, what its command prints and returns.

    `undisturbed`: nobody cancelled it or took it off its client, so its command must have been carried out once.
    `strict`: it has a lease, so that not even a cut may let two runs of it live at once.
    """

    job_id: int
    token: str
    prints: str
    code: int
    undisturbed: bool
    strict: bool = False


@dataclass(frozen=True, slots=True)
class Usage:
    """What a process takes up."""

    megabytes: int
    threads: int
    descriptors: int

    def exceeds(self, before: Usage) -> bool:
        """Whether it is more than it was before and a small constant (I7)."""
        return (
            self.megabytes > before.megabytes + _MORE_MEGABYTES
            or self.threads > before.threads + _MORE_THREADS
            or self.descriptors > before.descriptors + _MORE_DESCRIPTORS
        )

    def __str__(self) -> str:
        return f"{self.megabytes} MB, {self.threads} threads, {self.descriptors} descriptors"


@dataclass(slots=True)
class Verdict:
    """The ledger. Empty `violations` mean that every promise was kept, as far as `counted` says it was looked at.

    `doubled`: commands carried out twice without a reason, and submissions that made two jobs. `repeated`: commands
    carried out again because the client that had them was silent past its time, which is what P4 promises.
    """

    accepted: int = 0
    finished: int = 0
    lost: int = 0
    doubled: int = 0
    repeated: int = 0
    by_status: Counter[str] = field(default_factory=Counter)
    counted: dict[str, str] = field(default_factory=dict)
    violations: list[str] = field(default_factory=list)

    def ledger(self) -> str:
        """One line for people."""
        return f"accepted {self.accepted}, finished {self.finished}, lost {self.lost}, doubled {self.doubled}"

    def lines(self) -> list[str]:
        """A line for each invariant: kept, broken or not measured, and what was counted."""
        broken = Counter(violation.partition(":")[0] for violation in self.violations)
        found = []
        for name, meaning in INVARIANTS.items():
            word = f"BROKEN {broken[name]}x" if broken[name] else "kept" if name in self.counted else "not measured"
            found.append(f"{name:>3} {word:<12} {meaning}: {self.counted.get(name, 'nothing was looked at')}")
        return found


def judge(
    submitted: Sequence[Submitted], told: Mapping[int, Told], jobs_by_token: Mapping[str, int], journal: str
) -> Verdict:
    """I1 to I5, I8 and I10: hold what the farm tells against what the commands wrote.

    `told` has every job that the farm knows, `jobs_by_token` how many jobs carry each token in their names.
    """
    verdict = Verdict()
    runs, cancelled = _read(journal)
    seen: set[int] = set()
    for each in submitted:
        verdict.accepted += 1
        if each.job_id in seen:
            verdict.violations.append(f"I10: id {each.job_id} was given twice")
        seen.add(each.job_id)
        if jobs_by_token.get(each.token, 0) > 1:
            verdict.doubled += 1
            verdict.violations.append(f"I8: submission {each.token} made {jobs_by_token[each.token]} jobs")
        found = told.get(each.job_id)
        if found is None or found.status not in FINISHED:
            verdict.lost += 1
            verdict.violations.append(f"I1: job {each.job_id} is {found.status if found else 'unknown'}")
            continue
        verdict.finished += 1
        verdict.by_status[found.status] += 1
        own = runs[each.token]
        _judge_outcome(verdict, each, found, own)
        _judge_owners(verdict, each, found, own)
        if each.token in cancelled:
            late = [run.name for run in own if run.last > cancelled[each.token]]
            verdict.violations += [f"I4: run {run} of job {each.job_id} wrote after `cancelled`" for run in late]
    plain = sum(each.undisturbed for each in submitted)
    strict = sum(each.strict for each in submitted)
    began = sum(len(own) for own in runs.values())
    verdict.counted |= {
        "I1": f"{verdict.accepted} ids of newjob looked up, {verdict.finished} of them have ended",
        "I2": f"{verdict.by_status['succeeded']} succeeded, {verdict.by_status['failed']} failed",
        "I3": f"{began} runs, {strict} jobs with a strict lease, {verdict.repeated} carried out again after a loss",
        "I4": f"{len(cancelled)} jobs watched from the moment that they were told cancelled",
        "I5": f"{plain} jobs compared, byte for byte",
        "I8": f"{len(jobs_by_token)} names",
        "I10": f"{len(seen)} ids, without a restore (tests show that one)",
    }
    return verdict


def judge_pings(verdict: Verdict, seconds: Sequence[float], stalls: Sequence[float]) -> None:
    """I6: how long pings took while the server was there. `stalls`: how late the pinger itself was woken, which is
    what a machine that is too busy does to anybody."""
    if not seconds:
        return
    ordered = sorted(seconds)
    longest, p99 = ordered[-1], ordered[int(0.99 * (len(ordered) - 1))]
    stalled = max(stalls, default=0.0)
    verdict.counted["I6"] = (
        f"{len(seconds)} pings, p99 {1000 * p99:.0f} ms, longest {1000 * longest:.0f} ms, "
        f"the machine kept the pinger waiting for up to {1000 * stalled:.0f} ms"
    )
    if longest > LONGEST_PING_SECONDS + _STARVED * stalled:
        verdict.violations.append(f"I6: a ping took {longest:.1f} s")


def judge_usage(verdict: Verdict, before: Mapping[str, Usage], after: Mapping[str, Usage]) -> None:
    """I7: what programs take up at the end, when nothing is left to do, beside what they took up at the start."""
    for name, now in after.items():
        if now.exceeds(before[name]):
            verdict.violations.append(f"I7: {name} takes up {now}, at the start {before[name]}")
    if after:
        most = max(after, key=lambda name: after[name].megabytes - before[name].megabytes)
        verdict.counted["I7"] = f"{len(after)} programs; {most} grew most, from {before[most]} to {after[most]}"


def judge_database(verdict: Verdict, problems: Iterable[str], counted: str) -> None:
    """I9: what SQLite's integrity check and the farm's own audit found."""
    verdict.violations += [f"I9: {problem}" for problem in problems]
    verdict.counted["I9"] = counted


@dataclass(slots=True)
class _Run:
    """What the journal has of a run: the places of its first and last line, how often it began, its exit codes."""

    name: str
    first: int
    last: int
    begun: int = 0
    codes: list[int] = field(default_factory=list)


def _judge_outcome(verdict: Verdict, each: Submitted, found: Told, own: Sequence[_Run]) -> None:
    """I2 and I5: whether status and output are what the command did."""
    codes = [code for run in own for code in run.codes]
    if found.status == "succeeded" and 0 not in codes:
        verdict.violations.append(f"I2: job {each.job_id} succeeded, and no command of it ended with 0")
    if not each.undisturbed or (found.status == "abandoned" and found.losses >= _LOSSES_BEFORE_ABANDONED):
        return
    if found.status != ("succeeded" if each.code == 0 else "failed"):
        verdict.violations.append(f"I2: job {each.job_id} is {found.status}, its command ended with {each.code}")
    written = "".join(line for line in found.output.splitlines(keepends=True) if not line.startswith(_FARMS_OWN_LINES))
    # The pieces of runs that were lost stand before the output of the one that counts.
    if written != each.prints and not (found.losses and written.endswith(each.prints)):
        verdict.violations.append(f"I5: the output of job {each.job_id} is not what its command wrote")


def _judge_owners(verdict: Verdict, each: Submitted, found: Told, own: Sequence[_Run]) -> None:
    """I3: whether two runs lived at once, or a command was carried out twice, without a reason."""
    verdict.violations += [f"I3: run {run.name} of job {each.job_id} began twice" for run in own if run.begun > 1]
    may_overlap = not each.strict and (found.losses or found.unconfirmed)
    overlaps = any(after.first < before.last for before, after in pairwise(own))
    if overlaps and not may_overlap:
        verdict.doubled += 1
        verdict.violations.append(f"I3: two runs of job {each.job_id} lived at once")
    if not each.undisturbed:
        return
    times = sum(len(run.codes) for run in own)
    if times > 1 and found.losses:
        verdict.repeated += 1
    elif times > 1:
        verdict.doubled += 1
        verdict.violations.append(f"I3: the command of job {each.job_id} was carried out {times} times")


def _read(journal: str) -> tuple[dict[str, list[_Run]], dict[str, int]]:
    """The runs of each token in the order in which they began, and where the token was told cancelled."""
    runs: dict[str, dict[str, _Run]] = defaultdict(dict)
    cancelled: dict[str, int] = {}
    for place, line in enumerate(journal.splitlines()):
        match line.split():
            case ["cancelled", token]:
                cancelled[token] = place
            case [("start" | "alive" | "end") as word, token, name, *code]:
                run = runs[token].setdefault(name, _Run(name, place, place))
                run.last = place
                run.begun += word == "start"
                run.codes += map(int, code)
    return defaultdict(list, {token: list(own.values()) for token, own in runs.items()}), cancelled
