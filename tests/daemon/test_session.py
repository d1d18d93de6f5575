from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from agent_kit import FakeServer, until

from hqclient.daemon.identity import Identity, IdentityFile
from hqclient.daemon.link import ServerFault
from hqclient.daemon.protocol import Answer, Registration, UpgradeOrder
from hqclient.daemon.session import Session

URL = "http://farm:5000"


class Silence:
    """A `BeatSource` with nothing to say."""

    def __init__(self) -> None:
        self.progress = True
        self.refusals = 0

    def highest_job(self) -> int:
        return 0

    def held_runs(self) -> list[str]:
        return ["held"]

    def registered(self, registration: Registration) -> None:
        assert registration.client == 3

    def pause_seconds(self) -> float:
        return 0.0

    async def compose(self) -> dict[str, Any]:
        return {"output": [], "reports": [], "queued": []}

    def answered(self, answer: Answer, took_seconds: float, sent_at: float) -> bool:
        assert took_seconds >= 0
        return self.progress

    def refused(self) -> bool:
        self.refusals += 1
        return False


class Stage:
    """A session that runs against a fake server while the block lasts."""

    def __init__(self, folder: Path) -> None:
        self.server, self.source, self.said = FakeServer(), Silence(), list[str]()
        self.offers: list[UpgradeOrder] = []
        self.file = IdentityFile(folder)
        self._folder = folder

    async def __aenter__(self) -> Stage:
        facts = {"hostname": "here", "name": "alpha"}
        self.session = Session(
            self.server,
            self.source,
            self.file,
            URL,
            facts,
            self.said.append,
            package_offered=self.offers.append,
            beat_answered=lambda: None,
        )
        self.task = asyncio.ensure_future(self.session.run())
        return self

    async def __aexit__(self, *problem: object) -> None:
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)


def test_it_beats_by_itself_and_counts_its_beats(tmp_path: Path) -> None:
    async def scene() -> None:
        stage = Stage(tmp_path)
        stage.server.interval = 0.05
        async with stage:
            await until(lambda: len(stage.server.beats) > 3, "some beats")
            assert stage.session.connected
        assert [beat["sequence"] for beat in stage.server.beats[:3]] == [1, 2, 3]
        assert {beat["session"] for beat in stage.server.beats} == {stage.server.registrations[0]["session"]}
        assert stage.server.registrations[0]["runs"] == ["held"]
        assert stage.said == [f"registered as client 3 (here:alpha) at {URL}"]

    asyncio.run(scene())


def test_the_secret_of_an_earlier_daemon_is_used_and_kept(tmp_path: Path) -> None:
    async def scene() -> None:
        stage = Stage(tmp_path)
        stage.file.write(Identity(URL, 3, stage.server.secret))
        async with stage:
            await until(lambda: stage.server.beats, "a beat")
        assert stage.file.read(URL) == Identity(URL, 3, stage.server.secret)

    asyncio.run(scene())


def test_a_taken_name_is_said_and_tried_again_without_haste(tmp_path: Path) -> None:
    async def scene() -> None:
        stage = Stage(tmp_path)
        stage.server.fault = ServerFault(409, "name taken: a client called here:alpha is alive")
        async with stage:
            await until(lambda: stage.said, "it says so")
            assert "here:alpha is alive; trying again every minute" in stage.said[0]
            await asyncio.sleep(0.1)
            assert len(stage.said) == 1, "one attempt only"
            stage.server.fault = None
            stage.session.hurry()
            await until(lambda: stage.server.beats, "it gets the name")

    asyncio.run(scene())


def test_a_session_that_another_took_over_registers_again(tmp_path: Path) -> None:
    async def scene() -> None:
        stage = Stage(tmp_path)
        async with stage:
            await until(lambda: stage.server.beats, "a beat")
            stage.server.fault = ServerFault(409, "another session took over")
            stage.session.want_beat()
            await until(lambda: not stage.session.connected, "it notices")
            stage.server.fault = None
            stage.session.hurry()
            await until(lambda: len(stage.server.registrations) == 2, "it registers again")
        assert len({each["session"] for each in stage.server.registrations}) == 1

    asyncio.run(scene())


def test_answers_that_bring_nothing_forward_slow_it_down(tmp_path: Path) -> None:
    async def scene() -> None:
        stage = Stage(tmp_path)
        stage.source.progress = False
        async with stage:
            await until(lambda: stage.server.beats, "a beat")
            for _ in range(20):
                stage.session.want_beat()
                await asyncio.sleep(0.005)
            assert len(stage.server.beats) == 1, "though there is something to say all the time"

    asyncio.run(scene())


@pytest.mark.slow
def test_an_answer_that_is_no_answer_is_tried_again(tmp_path: Path) -> None:
    class Babbling(FakeServer):
        babbles = 2

        def _beat(self, beat: dict[str, Any], secret: str) -> object:
            answer = super()._beat(beat, secret)
            self.babbles -= 1
            return answer if self.babbles < 0 else {"interval": "soon"}

    async def scene() -> None:
        stage = Stage(tmp_path)
        stage.server = Babbling()
        async with stage:
            await until(lambda: "interval: must be a number" in stage.said[-1] if stage.said else "", "it says so")
            await until(lambda: "answers again" in stage.said[-1], "it goes on")

    asyncio.run(scene())


def test_a_refused_beat_is_told_to_its_source(tmp_path: Path) -> None:
    async def scene() -> None:
        stage = Stage(tmp_path)
        async with stage:
            await until(lambda: stage.server.beats, "a beat")
            stage.server.fault = ServerFault(-32602, "reports.exitCode must be a number")
            stage.session.want_beat()
            await until(lambda: stage.source.refusals, "the source knows")
        assert len(stage.server.registrations) == 1, "that is no reason to register again"

    asyncio.run(scene())


def test_a_package_is_offered_at_the_first_registration_only(tmp_path: Path) -> None:
    async def scene() -> None:
        stage = Stage(tmp_path)
        stage.server.package = {"version": "0" * 64, "path": "/client/x.zip"}
        async with stage:
            await until(lambda: stage.server.beats, "a beat")
            stage.session.register_again()
            await until(lambda: len(stage.server.registrations) == 2, "it registers again")
            await until(lambda: stage.server.beats[-1]["sequence"] == 1, "it beats again")
        assert stage.offers == [UpgradeOrder("0" * 64, "/client/x.zip")]

    asyncio.run(scene())


@pytest.mark.parametrize("package", ["text", {"version": 1, "path": "/x"}, {"version": "0" * 64}])
def test_an_offer_that_cannot_be_read_is_none(tmp_path: Path, package: Any) -> None:
    async def scene() -> None:
        stage = Stage(tmp_path)
        stage.server.package = package
        async with stage:
            await until(lambda: stage.server.beats, "a beat")
        assert stage.offers == []

    asyncio.run(scene())


def test_it_leaves_with_a_beat_that_is_repeated_until_it_is_answered(tmp_path: Path) -> None:
    async def scene() -> None:
        stage = Stage(tmp_path)
        async with stage:
            await until(lambda: stage.server.beats, "a beat")
            stage.server.lose_answers = 1
            stage.session.leave()
            await until(stage.task.done, "the session ends")
        leaving = [beat.get("leaving") for beat in stage.server.beats]
        assert leaving[-2:] == [True, True]
        assert set(leaving[:-2]) == {None}

    asyncio.run(scene())


def test_a_server_that_does_not_know_the_leaving_client_any_more_has_heard_it(tmp_path: Path) -> None:
    async def scene() -> None:
        stage = Stage(tmp_path)
        async with stage:
            await until(lambda: stage.server.beats, "a beat")
            stage.server.secret = "another"
            stage.session.leave()
            await until(stage.task.done, "the session ends")
        assert len(stage.server.registrations) == 1

    asyncio.run(scene())
