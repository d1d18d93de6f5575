"""A report the server chokes on holds up no other (PROMISES 2.3). Pure; then with a daemon."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from agent_kit import FakeServer, an_agent, until

from hqclient.daemon.caution import FIRST_ASIDE_SECONDS, LONGEST_ASIDE_SECONDS, MOST_REPORTS, Caution
from hqclient.daemon.link import ServerFault

pytestmark = pytest.mark.slow


def reports(count: int) -> list[dict[str, Any]]:
    return [{"id": f"r{number}:ended", "run": f"r{number}", "kind": "ended"} for number in range(count)]


def deliver(caution: Caution, waiting: list[dict[str, Any]], poison: set[str], beats: int, now: float = 0.0) -> int:
    """Beat so often with a server that takes no beat with a poisonous report in it; how many beats it refused."""
    refused = 0
    for _ in range(beats):
        chosen = caution.choose(waiting, now)
        if any(report["id"] in poison for report in chosen):
            refused += 1
            assert caution.refused(now)
        else:
            caution.taken()
            for report in chosen:
                waiting.remove(report)
    return refused


def test_all_go_at_once_as_long_as_the_server_takes_them() -> None:
    caution, waiting = Caution(), reports(MOST_REPORTS + 5)
    assert caution.choose(waiting, 0.0) == waiting[:MOST_REPORTS]
    caution.taken()
    assert not caution.is_careful


@pytest.mark.parametrize("place", [0, 1, 500, 999])
def test_one_that_is_refused_is_found_in_few_beats_and_the_others_go(place: int) -> None:
    caution, waiting = Caution(), reports(1000)
    bad = waiting[place]["id"]
    assert deliver(caution, waiting, {bad}, beats=45) <= 24
    assert [report["id"] for report in waiting] == [bad]
    assert not caution.is_careful


def test_several_that_are_refused_hold_up_nobody() -> None:
    caution, waiting = Caution(), reports(300)
    poison = {report["id"] for report in waiting[10:300:60]}
    deliver(caution, waiting, poison, beats=150)
    assert {report["id"] for report in waiting} == poison


def test_what_was_refused_alone_is_sent_alone_again_after_twice_as_long_each_time() -> None:
    caution, waiting = Caution(), reports(2)
    deliver(caution, waiting, {"r0:ended"}, beats=10)
    assert [report["id"] for report in waiting] == ["r0:ended"]
    now, seconds = 0.0, FIRST_ASIDE_SECONDS
    for _ in range(8):
        assert caution.choose(waiting, now + seconds - 1.0) == []
        caution.taken()
        now += seconds
        assert caution.choose(waiting, now) == waiting
        assert caution.is_careful
        assert caution.refused(now)
        seconds = min(2 * seconds, LONGEST_ASIDE_SECONDS)
    assert caution.choose(waiting, now + LONGEST_ASIDE_SECONDS) == waiting
    caution.taken()


def test_a_server_that_takes_nothing_at_all_is_not_asked_in_haste() -> None:
    caution = Caution()
    assert caution.refused(0.0)  # the next beat has no live output
    assert caution.choose([], 0.0) == []
    assert not caution.refused(0.0)


def test_a_settled_report_is_forgotten() -> None:
    caution, waiting = Caution(), reports(1)
    deliver(caution, waiting, {"r0:ended"}, beats=3)
    assert caution.choose([], 1.0) == []
    assert caution.choose(waiting, 2.0) == waiting


class Choking(FakeServer):
    """A server that has an error of its own whenever a beat brings anything of certain runs."""

    def __init__(self) -> None:
        super().__init__()
        self.poison: set[str] = set()

    def _beat(self, beat: dict[str, Any], secret: str) -> object:
        said = {report["run"] for report in beat["reports"]} | {piece["run"] for piece in beat["output"]}
        if said & self.poison:
            raise ServerFault(-32603, "internal error, incident 4711")
        return super()._beat(beat, secret)


def test_a_daemon_delivers_all_others_and_the_bad_one_when_the_server_is_mended(tmp_path: Path) -> None:
    async def scene() -> None:
        server = Choking()
        async with an_agent(tmp_path, server, cpus=8):
            bad = server.start("echo bad; exit 1")
            server.poison = {bad}
            others = [server.start(f"echo {number}") for number in range(20)]
            await until(lambda: all(server.of(run, "ended") for run in others), "the others are reported")
            assert server.of(bad, "ended") == []
            assert [server.logs[run] for run in others] == [b"%d\n" % number for number in range(20)]
        server.poison.clear()
        async with an_agent(tmp_path, server):
            await until(lambda: server.of(bad, "ended"), "the next daemon delivers what is left")
        assert server.ended(bad)["exitCode"] == 1

    asyncio.run(scene())


def test_live_output_that_the_server_does_not_take_holds_up_no_report(tmp_path: Path) -> None:
    async def scene() -> None:
        server = Choking()
        async with an_agent(tmp_path, server, cpus=4):
            bad = server.start("while :; do echo bad; sleep 0.05; done")
            await until(lambda: server.of(bad, "started"), "it runs")
            server.poison = {bad}
            other = server.start("echo good; sleep 1.5")
            await until(lambda: server.of(other, "ended"), "the other is reported")
            server.poison.clear()
            server.kill(bad)
            await until(lambda: server.of(bad, "ended"), "and the one with the output")

    asyncio.run(scene())
