"""No id is given out that a client knows, though database and `id.floor` were both put back (PROMISES 2.5, I10, T9)."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from farm_kit import Asked, SetClock, TestClient, check_counters, open_farm, submit

from hqserver.services import notes
from hqserver.services.clients import groups
from hqserver.services.farm import Farm, Policy
from hqserver.services.intake import submission
from hqserver.store.idfloor import JUMP, MOST_BELIEVED

GIVEN_SINCE = 300


@dataclass
class PutBack:
    """A farm whose whole data folder was put back to an older time, and a client that worked for it since."""

    farm: Farm
    client: TestClient
    job: int
    """The job that was submitted last, which the farm knows no more."""
    group: int
    threads: list[int]
    timeline: str


def timeline(farm: Farm) -> str:
    with farm.database.read() as connection:
        return str(connection.execute("SELECT value FROM farm WHERE key = 'timeline'").fetchone()[0])


@pytest.fixture
def put_back(tmp_path: Path, clock: SetClock, asked: Asked, policy: Policy) -> Iterator[PutBack]:
    data, image = tmp_path / "data", tmp_path / "image"
    data.mkdir()
    farm = open_farm(data, clock, asked, policy)
    client = TestClient(farm)
    client.register()
    client.beat()
    farm.database.close()
    shutil.copytree(data, image)
    client.farm = farm = open_farm(data, clock, asked, policy)
    client.beat()
    job = submission.submit(farm, [{"name": "since", "command": "c"}] * GIVEN_SINCE)[-1]
    group = groups.create_group(farm, "since")
    notes.add_note(farm, "look at this", None, job, None)
    threads, before = notes.thread_ids(farm), timeline(farm)
    farm.database.close()
    shutil.rmtree(data)
    image.rename(data)
    client.farm = farm = open_farm(data, clock, asked, policy)
    yield PutBack(farm, client, job, group, threads, before)
    check_counters(farm)
    farm.database.close()


@pytest.mark.parametrize("says", ["beat", "register"])
def test_ids_go_on_a_million_above_the_job_that_a_client_knows(
    put_back: PutBack, says: str, caplog: pytest.LogCaptureFixture
) -> None:
    """T9: an image of the server's disk was put back, so that nothing on it tells; its client goes on as if nothing
    had happened, or was started anew."""
    put_back.client.highest_job = put_back.job
    with caplog.at_level(logging.ERROR):
        put_back.client.beat() if says == "beat" else put_back.client.register()
    farm = put_back.farm
    assert submit(farm) == put_back.job + JUMP + 1
    assert groups.create_group(farm, "new") > put_back.group
    notes.add_note(farm, "new", None, submit(farm), None)
    assert min(notes.thread_ids(farm)) > max(put_back.threads)
    assert timeline(farm) != put_back.timeline
    (record,) = caplog.records
    assert "alpha knows job 300, and the last one here is 0: an older state of the database was put back" in (
        record.getMessage()
    )


def test_the_ids_left_out_stay_left_out_after_a_crash(
    put_back: PutBack, tmp_path: Path, clock: SetClock, asked: Asked, policy: Policy
) -> None:
    put_back.client.highest_job = put_back.job
    put_back.client.beat()
    crashed = tmp_path / "crashed"
    shutil.copytree(tmp_path / "data", crashed)
    farm = open_farm(crashed, clock, asked, policy)
    assert submit(farm) > put_back.job + JUMP
    farm.database.close()


def test_they_are_left_out_once(put_back: PutBack) -> None:
    put_back.client.highest_job = put_back.job
    put_back.client.beat()
    first, now = submit(put_back.farm), timeline(put_back.farm)
    other = TestClient(put_back.farm, hostname="beta", session="b", highest_job=put_back.job - 1)
    other.register()
    put_back.client.highest_job = first
    put_back.client.beat()
    assert submit(put_back.farm) == first + 1
    assert timeline(put_back.farm) == now


@pytest.mark.parametrize("claimed", [0, MOST_BELIEVED + 1, 2**53])
def test_a_claim_that_says_nothing_changes_nothing(farm: Farm, client: TestClient, claimed: int) -> None:
    """Not even a broken client uses up the ids."""
    first, before = submit(farm), timeline(farm)
    client.highest_job = claimed
    client.beat()
    client.register()
    assert (submit(farm), timeline(farm)) == (first + 1, before)
