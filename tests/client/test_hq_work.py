"""`hq work`, `hq add-work` and the agenda of `hq submit`, over the real methods (CONTRACT 10, Work items)."""

from __future__ import annotations

import pytest
from farm_kit import TestClient
from hq_over_services import ServicesHq

from hqserver.services.farm import Farm


@pytest.fixture
def hq(farm: Farm) -> ServicesHq:
    return ServicesHq(farm)


def test_frames_are_submitted_listed_and_added(hq: ServicesHq, client: TestClient) -> None:
    options = ["--agenda", "1-9x2", "--chunk", "2", "--order", "descend", "--max-concurrent", "1", "--name", "Shot"]
    assert hq("submit", *options, "render -s {first} -e {last}").out == "1\n"
    (order,) = client.fetch()
    assert order["command"] == "render -s 9 -e 9"
    client.beat(client.started(order["run"]))
    lines = hq("work", "1").out.splitlines()
    assert [line.split()[:2] for line in lines] == [
        ["WORK", "STATUS"],
        ["1,3", "runnable"],
        ["5,7", "runnable"],
        ["9", "running"],
    ]
    assert lines[-1].split()[-4:-1] == ["1", "alpha", "0"]
    added = hq("add-work", "1", '[{"name": "left", "first": 20}, "21"]')
    assert (added.code, added.err) == (0, "hq: 2 pieces added to job 1\n")
    assert hq("--json", "add-work", "1", "30-31").json == ["30", "31"]
    found = hq("--json", "work", "1", "--status", "runnable", "--offset", "2", "--limit", "2").json
    assert [item["name"] for item in found] == ["left", "21"]
    assert hq("work", "1", "--limit", "1").err == "hq: there may be more: --offset 1\n"
    assert [item["name"] for item in hq.farm.job(1).work(["running"])] == ["9"]


def test_pieces_are_a_json_list_too(hq: ServicesHq, client: TestClient) -> None:
    assert hq("submit", "--agenda", '["left", "right"]', "render $HQWORK").code == 0
    assert [order["work"] for order in client.fetch()] == ["left", "right"]


def test_frames_before_zero_need_no_quoting(hq: ServicesHq) -> None:
    assert hq("submit", "--agenda", "-10--1x3", "render").code == 0
    assert hq("--json", "add-work", "1", "-30--29").json == ["-30", "-29"]
    assert hq("change-work", "block", "1", "-30").err == "hq: 1 of 1 piece changed\n"
    found = hq("--json", "work", "1", "--status", "waiting").json
    assert [item["name"] for item in found] == ["-10", "-7", "-4", "-1", "-29"]


@pytest.mark.parametrize(
    ("argv", "code", "words"),
    [
        (["work", "99"], 3, "there is no job 99"),
        (["work", "1", "--status", "runing"], 2, "no status of work is called 'runing'; did you mean 'running'?"),
        (["work", "1", "--limit", "0"], 2, "must be at least 1"),
        (["add-work", "1", "[1,"], 2, "neither a frame range nor a JSON list"),
        (["add-work", "1", "1-x"], 3, "agenda has the part '1-x'"),
        (["submit", "--agenda", "1-9", "--order", "bin", "x"], 2, "did you mean 'binary'?"),
        (["submit", "--agenda", "1-9", "--chunk", "2", "--partitions", "2", "x"], 2, "not allowed with"),
        (["submit", "--chunk", "2", "x"], 3, "chunk says how an agenda is cut"),
        (["submit", "--agenda", "9-", "x"], 3, "agenda has the part '9-'"),
    ],
)
def test_a_wrong_word_is_one_sentence(hq: ServicesHq, argv: list[str], code: int, words: str) -> None:
    hq("submit", "--agenda", "1-9", "render")
    said = hq(*argv)
    assert words in said.err
    assert said.err.count("\n") == 1
    assert (said.code, said.out) == (code, "")
