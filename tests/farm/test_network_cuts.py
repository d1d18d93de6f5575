"""The network between server, clients and callers cut, slow and forgetful: no work is lost, none counts twice (PROMISES
7.1)."""

from __future__ import annotations

import asyncio
import shutil
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from xmlrpc.client import ServerProxy

import pytest
from live_farm import LiveFarm, wait_until

sys.path.insert(0, str(Path(__file__).parent.parent.parent / "scripts"))

from check_history import FINISHED, Submitted, Told, judge
from fault_proxy import FaultProxy, Mode

from hqclient.daemon.outbox import Ledger, Outbox
from hqclient.daemon.runs.process_tree import carriers

pytestmark = pytest.mark.farm

PRINTED = "".join(f"{number}\n" for number in range(1, 2001))


@dataclass
class Work:
    """Jobs whose commands write a journal, and what must be true of them at the end."""

    live: LiveFarm
    submitted: list[Submitted] = field(default_factory=list)

    @property
    def journal(self) -> Path:
        return self.live.folder / "journal"

    @property
    def gates(self) -> Path:
        return self.live.folder / "gates"

    def submit(self, token: str, *, code: int = 0, gated: bool = False, **more: Any) -> int:
        """Submit a job that prints 2000 lines; `code` is how the run that counts will end.

        `gated`: its command then notes that it is alive until its run is let go, which says with which exit code.
        """
        (job,) = self.live.call("newjob", self.specification(token, code=code, gated=gated, **more))
        self.accepted(int(job), token, code, gated=gated, strict="lease" in more)
        return int(job)

    def accepted(self, job: int, token: str, code: int = 0, *, gated: bool = False, strict: bool = False) -> None:
        """This job's submission was answered."""
        prints = f"{PRINTED}ended with {code}\n" if gated else PRINTED
        self.submitted.append(Submitted(job, token, prints, code, undisturbed=True, strict=strict))

    def specification(self, token: str, *, code: int = 0, gated: bool = False, **more: Any) -> dict[str, Any]:
        """What is submitted."""
        gate = f"{self.gates}/$HQ_RUN_TOKEN"
        say = f'say() {{ printf "%s {token} $HQ_RUN_TOKEN%s\\n" "$1" "$2" >> {self.journal}; }}'
        waits = f"until [ -e {gate} ]; do say alive; sleep 0.1; done; code=$(cat {gate}); echo ended with $code"
        steps = [say, "say start", "seq 1 2000", f"code={code}", *([waits] if gated else []), 'say end " $code"']
        return {"name": token, "command": "; ".join([*steps, "exit $code"]), **more}

    def let_go(self, run: str, code: int = 0) -> None:
        """Let this run's command end, with this exit code."""
        self.gates.mkdir(exist_ok=True)
        partial = self.gates / "partial"
        partial.write_text(f"{code}\n")
        partial.rename(self.gates / run)

    def lines(self, word: str, token: str) -> list[str]:
        """The runs that began (`start`) or ended (`end`) for this token, in order."""
        lines = self.journal.read_text().splitlines() if self.journal.exists() else []
        return [line.split()[2] for line in lines if line.split()[:2] == [word, token]]

    def wait_for(self, word: str, token: str, count: int = 1) -> str:
        """Wait until so many runs have begun or ended for this token; the last of them."""
        return wait_until(
            lambda: self.lines(word, token)[-1] if len(self.lines(word, token)) >= count else "",
            what=f"{count} {word} of {token}",
            show=lambda: [self.live.story(each.job_id) for each in self.submitted if each.token == token],
        )

    def wait_until_finished(self) -> None:
        for each in self.submitted:
            self.live.wait_for(each.job_id, *FINISHED)

    def check(self, *, taken_over: bool = False, repeated: int = 0) -> None:
        """Every job ended as its command did, with its whole output, and there are no others (I1, I2, I5, I8).

        Every command was carried out once, but for as many as were carried out again (I3). Unless work was taken over,
        that its client was lost excuses nothing.
        """
        for each in self.submitted:
            self.live.wait_for(each.job_id, *FINISHED)
        call = self.live.call
        told = {each.job_id: self.told(each.job_id, taken_over=taken_over) for each in self.submitted}
        every = call("getJobIdsByStatus", call("getAllJobStatusNames"))
        names = Counter(job["name"] for job in call("getJobs", every, ["name"]))
        found = judge(self.submitted, told, names, self.journal.read_text())
        assert found.violations == []
        assert found.ledger() == f"accepted {len(told)}, finished {len(told)}, lost 0, doubled 0"
        assert (found.repeated, len(every)) == (repeated, len(told))

    def told(self, job: int, *, taken_over: bool) -> Told:
        """What the farm tells of a job."""
        losses = len(losses_of(self.live, job)) if taken_over else 0
        return Told(self.live.job(job, "status"), self.live.call("getJobOutput", job), losses)


def standard_caller(proxy: FaultProxy) -> Any:
    """The standard library's caller, which by itself sends again what got no answer."""
    return ServerProxy(proxy.url, allow_none=True)


def losses_of(live: LiveFarm, job: int) -> list[str]:
    """What the job's log says of clients that fell silent."""
    return [line["message"] for line in live.job(job, "logs") if line["event"] == "client lost"]


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Work]:
    """Work for a farm whose clients are lost as soon as they can be: after five beats of a second."""
    monkeypatch.setenv("HQSERVER_ACTIVE_TIMEOUT", "0.01")
    live = LiveFarm(tmp_path)
    yield Work(live)
    live.close()


@pytest.fixture
def proxy(work: Work) -> Iterator[FaultProxy]:
    """What lies between the server and the client `far`, or a caller."""
    with FaultProxy("127.0.0.1", work.live.port) as found:
        yield found
        for client in work.live.clients.values():
            client.end()


@pytest.fixture
def far(work: Work, proxy: FaultProxy) -> Path:
    """The data folder of a client behind the proxy."""
    work.live.start_client("far", cpus=4, server=proxy.url)
    return work.live.folder / "far"


def ledger_of(data: Path) -> Ledger:
    """What a client's outbox holds, read from a copy."""
    copy = data.parent / "outbox copy"
    shutil.copyfile(data / "outbox", copy)

    async def read() -> Ledger:
        outbox = Outbox(copy)
        await outbox.close()
        return outbox.ledger

    return asyncio.run(read())


def wait_until_delivered(data: Path) -> None:
    """Nothing that the client has waits for the server any more."""

    def is_empty() -> bool:
        ledger = ledger_of(data)
        return not ledger.held and not ledger.reports

    wait_until(is_empty, what="the outbox to be empty", show=lambda: ledger_of(data))


# Answers that nobody gets -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("taken", [True, False], ids=["after the answer", "before the answer"])
def test_a_submission_with_a_key_is_one_job_whoever_lost_its_answer(
    work: Work, proxy: FaultProxy, far: Path, taken: bool
) -> None:
    """T3, I8: Python's own proxy submits again by itself."""
    happened = proxy.swallow_next(b"<string>keyed</string>", taken=taken)
    with standard_caller(proxy) as hq:
        (job,) = hq.newjob(work.specification("keyed", submitKey="keyed"))
    assert happened.is_set()
    work.accepted(job, "keyed")
    work.check()


def test_a_submission_without_a_key_is_one_job_when_its_answer_could_not_be_written(
    work: Work, proxy: FaultProxy, far: Path
) -> None:
    """T3, I8, P2: what was answered afterwards is not taken for a repetition."""
    happened = proxy.swallow_next(b"<string>keyless</string>", taken=False)
    specification = work.specification("keyless")
    with standard_caller(proxy) as hq:
        (job,) = hq.newjob(specification)
        assert happened.is_set()
        work.accepted(job, "keyless")
        work.check()
        assert hq.newjob(specification) != [job]


def test_an_offer_whose_answer_was_swallowed_is_started_once(work: Work, proxy: FaultProxy, far: Path) -> None:
    """T3, I3: it is offered again under the same run id."""
    happened = proxy.swallow_next(b"<string>start</string>")
    work.submit("offered", code=3)
    wait_until(happened.is_set, what="the offer to be swallowed")
    work.check()
    assert len(work.lines("start", "offered")) == 1
    wait_until_delivered(far)


@pytest.mark.parametrize("kind", ["started", "ended"])
def test_a_report_whose_answer_was_swallowed_counts_once(work: Work, proxy: FaultProxy, far: Path, kind: str) -> None:
    """T3, I3."""
    happened = proxy.swallow_next(f"<string>{kind}</string>".encode())
    work.submit("reported", code=3, gated=True)
    run = work.wait_for("start", "reported")
    if kind == "started":
        wait_until(happened.is_set, what="the report to be swallowed")
    work.let_go(run, 3)
    wait_until(happened.is_set, what="the report to be swallowed")
    work.check()
    assert work.lines("start", "reported") == [run]
    wait_until_delivered(far)


def test_an_answer_that_ends_in_the_middle_is_none(work: Work, proxy: FaultProxy, far: Path) -> None:
    """T3, I3: so many bytes arrive of the answers to beats, among them one that brings orders."""
    for count in (0, 1, 150, 300, 600):
        happened = proxy.cut_after(count)
        for code in (0, 1):
            work.submit(f"cut-{count}-{code}", code=code)
        wait_until(happened.is_set, what="an answer to be cut")
        work.check()
    wait_until_delivered(far)


# Cuts ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("upward", "downward"),
    [(Mode.DROP, Mode.DROP), (Mode.DROP, Mode.PASS), (Mode.PASS, Mode.DROP)],
    ids=["both ways", "upward", "downward"],
)
def test_behind_a_cut_work_goes_on_and_its_results_are_delivered(
    work: Work, proxy: FaultProxy, far: Path, upward: Mode, downward: Mode
) -> None:
    """T12, I1, I3, P5: on a farm of one, the lost client stays the owner."""
    tokens = {"ends-well": 0, "ends-badly": 7, "goes-on": 4}
    jobs = [work.submit(token, code=code, gated=True) for token, code in tokens.items()]
    runs = {token: work.wait_for("start", token) for token in tokens}
    for job in jobs:
        work.live.wait_for(job, "running")
    proxy.upward, proxy.downward = upward, downward
    for token in ("ends-well", "ends-badly"):
        work.let_go(runs[token], tokens[token])
        work.wait_for("end", token)
    work.submit("meanwhile")
    wait_until(lambda: losses_of(work.live, jobs[2]), what="the client to be lost")
    assert work.live.job(jobs[2], "status") == "running"
    assert work.lines("end", "goes-on") == []
    proxy.mode = Mode.PASS
    work.let_go(runs["goes-on"], tokens["goes-on"])
    work.check()
    assert {token: work.lines("start", token) for token in tokens} == {token: [run] for token, run in runs.items()}
    wait_until_delivered(far)


@pytest.mark.parametrize("mode", [Mode.HOLD, Mode.DROP, Mode.RESET])
def test_work_gets_done_over_a_network_that_flaps(work: Work, proxy: FaultProxy, far: Path, mode: Mode) -> None:
    """T12, I1, I3: a second of this, a second of none, one way and the other, while jobs begin and end."""
    for turn, ways in enumerate([(mode, mode), (mode, Mode.PASS), (Mode.PASS, mode)]):
        proxy.upward, proxy.downward = ways
        for code in (0, 3):
            work.submit(f"turn-{turn}-{code}", code=code)
        time.sleep(1)
        proxy.mode = Mode.PASS
        time.sleep(1)
    work.check()
    wait_until_delivered(far)


def test_over_a_link_of_one_byte_a_second_nothing_is_lost(work: Work, proxy: FaultProxy, far: Path) -> None:
    """T12, I1, I3: no beat gets through in time, and nobody else waits for one."""
    job = work.submit("slow", code=5, gated=True)
    run = work.wait_for("start", "slow")
    work.live.wait_for(job, "running")
    proxy.mode = Mode.TRICKLE
    work.let_go(run, 5)
    work.wait_for("end", "slow")
    wait_until(lambda: losses_of(work.live, job), what="the client to be lost", show=lambda: work.live.story(job))
    assert work.live.call("ping")
    proxy.mode = Mode.PASS
    work.check()
    assert work.lines("start", "slow") == [run]
    wait_until_delivered(far)


# Work that others take over -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("ends", [True, False], ids=["and ended meanwhile", "and is alive"])
def test_of_work_that_another_client_took_over_only_the_owners_result_counts(
    work: Work, proxy: FaultProxy, far: Path, ends: bool
) -> None:
    """T12, I3, P4: what the silent client ran does not count, though it may have exited with 0."""
    job = work.submit("moves", code=3, gated=True)
    first = work.wait_for("start", "moves")
    work.live.wait_for(job, "running")
    proxy.mode = Mode.DROP
    if ends:
        work.let_go(first, 0)
        work.wait_for("end", "moves")
    work.live.start_client("near")
    second = work.wait_for("start", "moves", 2)
    assert len(losses_of(work.live, job)) == 1
    proxy.mode = Mode.PASS
    wait_until_delivered(far)
    assert work.live.job(job, "status") == "running"
    assert carriers(first) == []
    if ends:
        assert (far / "orphans" / first).is_dir()  # its result, which nobody wants, is kept
    work.let_go(second, 3)
    work.check(taken_over=True, repeated=int(ends))
    assert work.lines("start", "moves") == [first, second]
    assert work.lines("end", "moves") == ([first, second] if ends else [second])
    assert work.live.job(job, "unconfirmed") == []


def test_with_a_lease_two_are_never_alive(work: Work, proxy: FaultProxy, far: Path) -> None:
    """T12, I3, 2.2: the client ends its run by itself, and only then does another get the work."""
    job = work.submit("strict", code=3, gated=True, lease=4)
    first = work.wait_for("start", "strict")
    work.live.wait_for(job, "running")
    proxy.mode = Mode.DROP
    work.live.start_client("near")
    second = work.wait_for("start", "strict", 2)
    assert len(losses_of(work.live, job)) == 1
    proxy.mode = Mode.PASS
    wait_until_delivered(far)
    assert work.live.job(job, "status") == "running"
    work.let_go(second, 3)
    work.check(taken_over=True)
    assert work.lines("start", "strict") == [first, second]
    assert work.lines("end", "strict") == [second]
