"""What a beat says beyond runs, and to whom orders go."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Iterable
from pathlib import Path

import pytest
from agent_kit import a_start_order

from hqclient.daemon.beats import Beats
from hqclient.daemon.host_os import utc_offset_minutes
from hqclient.daemon.instructions import Instruction, Keep
from hqclient.daemon.load import LoadSampler
from hqclient.daemon.protocol import Answer, ClientOrder, EndOrder, RestartOrder, UpgradeOrder
from hqclient.daemon.runs.runfolder import RunFolder
from hqclient.daemon.work import Work

ORDERS = (UpgradeOrder("a" * 64, "/client/a.zip"), RestartOrder(), EndOrder("removed"))


class Log:
    """What beats have done, in order."""

    def __init__(self) -> None:
        self.done: list[Instruction | ClientOrder] = []

    def do(self, steps: Iterable[Instruction]) -> None:
        self.done += steps


def test_a_beat_says_how_far_this_machines_clocks_are_from_utc(tmp_path: Path) -> None:
    beats = Beats(Work(1), LoadSampler(tmp_path, time.monotonic), lambda run: RunFolder(tmp_path / run), Log().do, 0)
    assert asyncio.run(beats.compose())["utcOffset"] == utc_offset_minutes()


def test_what_is_for_the_client_itself_is_told_after_what_is_for_runs(tmp_path: Path) -> None:
    log, order = Log(), a_start_order()
    sampler = LoadSampler(tmp_path, time.monotonic)
    beats = Beats(Work(1), sampler, lambda run: RunFolder(tmp_path / run), log.do, 0, log.done.append)
    beats.answered(Answer(1.0, orders=(*ORDERS, order)), 0.0, 0.0)
    assert log.done == [Keep(order), *ORDERS]


def test_an_order_for_the_client_that_nobody_follows_is_logged(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    beats = Beats(Work(1), LoadSampler(tmp_path, time.monotonic), lambda run: RunFolder(tmp_path / run), Log().do, 0)
    with caplog.at_level(logging.WARNING):
        beats.answered(Answer(1.0, orders=(EndOrder("removed by ann"),)), 0.0, 0.0)
    assert "removed by ann" in caplog.text


def test_a_beat_tells_the_highest_job_that_the_daemon_ever_had_in_hand(tmp_path: Path) -> None:
    """PROMISES 2.5: also when that has long been settled."""
    work = Work(1)
    beats = Beats(work, LoadSampler(tmp_path, time.monotonic), lambda run: RunFolder(tmp_path / run), Log().do, 0)
    told = [beats.highest_job()]
    for job in (7, 900, 12):
        beats.answered(Answer(1.0, orders=(a_start_order(job=job),)), 0.0, 0.0)
        told.append(asyncio.run(beats.compose())["highestJob"])
        work.runs.clear()
    assert told == [0, 7, 900, 900]
