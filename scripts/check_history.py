"""Judges what a farm did under faults by an append-only journal that its commands wrote (PROMISES 7, I1 to I10).

Commands append a line when they begin and one when they end: `start TOKEN RUN` and `end TOKEN RUN CODE`. The journal is
the truth; what the farm says of its jobs is what is judged.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

FINISHED = ("succeeded", "failed", "cancelled", "abandoned")


@dataclass(frozen=True, slots=True)
class Told:
    """What the farm says of a job at the end: its final status and its output."""

    status: str
    output: str


@dataclass(frozen=True, slots=True)
class Submitted:
    """A submission whose answer arrived: the job's id, the token in its command, what its command prints and returns.

    `undisturbed`: nobody cancelled it or took it off its client, so its command must have been carried out once.
    """

    job_id: int
    token: str
    prints: str
    code: int
    undisturbed: bool


@dataclass(slots=True)
class Verdict:
    """The ledger. Empty `violations` mean that every promise was kept."""

    accepted: int = 0
    finished: int = 0
    lost: int = 0
    doubled: int = 0
    by_status: Counter[str] = field(default_factory=Counter)
    violations: list[str] = field(default_factory=list)

    def ledger(self) -> str:
        """One line for people."""
        return f"accepted {self.accepted}, finished {self.finished}, lost {self.lost}, doubled {self.doubled}"


def judge(
    submitted: Iterable[Submitted], told: Mapping[int, Told], jobs_by_token: Mapping[str, int], journal: str
) -> Verdict:
    """Hold what the farm tells against what the commands wrote.

    `told` has every job that the farm knows, `jobs_by_token` how many jobs carry each token in their names.
    """
    verdict = Verdict()
    starts, ends = _read(journal)
    seen: set[int] = set()
    for each in submitted:
        verdict.accepted += 1
        if each.job_id in seen:
            verdict.violations.append(f"I10: id {each.job_id} was given twice")
        seen.add(each.job_id)
        found = told.get(each.job_id)
        if found is None or found.status not in FINISHED:
            verdict.lost += 1
            verdict.violations.append(f"I1: job {each.job_id} is {found.status if found else 'unknown'}")
            continue
        verdict.finished += 1
        verdict.by_status[found.status] += 1
        if jobs_by_token.get(each.token, 0) > 1:
            verdict.doubled += 1
            verdict.violations.append(f"I8: submission {each.token} made {jobs_by_token[each.token]} jobs")
        _judge_runs(verdict, each, found, starts[each.token], ends[each.token])
    return verdict


def _judge_runs(verdict: Verdict, each: Submitted, found: Told, starts: list[str], ends: list[tuple[str, int]]) -> None:
    """Whether the commands of one job did what its status says."""
    if found.status == "succeeded" and 0 not in [code for _, code in ends]:
        verdict.violations.append(f"I2: job {each.job_id} succeeded, and no command of it ended with 0")
    if len(starts) != len(set(starts)):
        verdict.violations.append(f"I3: job {each.job_id} has a run that began twice")
    if not each.undisturbed:
        return
    if len(ends) > 1:
        verdict.doubled += 1
        verdict.violations.append(f"I3: the command of job {each.job_id} was carried out {len(ends)} times")
    expected = "succeeded" if each.code == 0 else "failed"
    if found.status != expected:
        verdict.violations.append(f"I2: job {each.job_id} is {found.status}, its command ended with {each.code}")
    if found.output != each.prints:
        verdict.violations.append(f"I5: the output of job {each.job_id} is not what its command wrote")


def _read(journal: str) -> tuple[dict[str, list[str]], dict[str, list[tuple[str, int]]]]:
    starts: dict[str, list[str]] = defaultdict(list)
    ends: dict[str, list[tuple[str, int]]] = defaultdict(list)
    for line in journal.splitlines():
        match line.split():
            case ["start", token, run]:
                starts[token].append(run)
            case ["end", token, run, code]:
                ends[token].append((run, int(code)))
    return starts, ends
