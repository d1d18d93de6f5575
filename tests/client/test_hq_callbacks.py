"""`hq callback` and the Python API's callbacks over the farm's real methods (CONTRACT 10)."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from farm_kit import TestClient, submit
from hq_over_services import ServicesHq

from hqclient import callbacks
from hqclient.errors import Conflict, NotFound
from hqserver.services import deliveries
from hqserver.services.farm import Farm

URL = "https://pipeline.example/farm"


@pytest.fixture
def hq(farm: Farm) -> ServicesHq:
    return ServicesHq(farm)


def test_callbacks_are_added_listed_and_deleted(hq: ServicesHq, farm: Farm, tmp_path: Path) -> None:
    job = submit(farm, name="shot", command="x")
    secret = tmp_path / "secret"
    secret.write_text("hush\n")
    said = hq("callback", "add", str(job), "--on", "failed", "--on", "child:failed", "--command", "tell $HQ_EVENT_JOB")
    assert (said.code, said.out) == (0, "1\n")
    assert (
        hq("callback", "add", "--every-job", "--on", "failed", "--webhook", URL, "--secret-file", str(secret)).code == 0
    )
    (found,) = hq("--json", "callback", "list", str(job)).json
    assert found["triggers"] == ["job:failed", "child:failed"]
    lines = hq("callback", "list", str(job)).out.splitlines()
    assert re.match(r"CALLBACK +ON +DOES +FIRED +WAITING +FAILED +ADDED$", lines[0])
    assert re.match(r" +1 +job:failed, child:failed +command tell \$HQ_EVENT_JOB +0 +0 +0 +20\S+ \S+ by", lines[1])
    assert f"signed webhook to {URL}" in hq("callback", "list").out
    said = hq("callback", "delete", "1", "2", "9")
    assert (said.code, said.out, said.err) == (3, "1  deleted\n2  deleted\n", "hq: no callback 9\n")
    assert hq("callback", "list").err == "hq: no callbacks for every job; name a job to see its own\n"
    assert hq("callback", "list", str(job)).err == "hq: no callbacks\n"


def test_the_list_says_what_went_wrong_last(hq: ServicesHq, farm: Farm, client: TestClient) -> None:
    job = submit(farm, command="x")
    hq("callback", "add", str(job), "--on", "failed", "--webhook", "https://pipeline.example/")
    client.run_all(code=1)
    (delivery,) = deliveries.due_webhooks(farm)
    deliveries.refused(farm, delivery, "it answered 500")
    assert hq("callback", "list", str(job)).out.splitlines()[-1] == "1: it answered 500"


@pytest.mark.parametrize(
    ("argv", "code", "words"),
    [
        (["add", "1", "--on", "failed"], 2, "one of the arguments --mail --webhook --command is required"),
        (["add", "--on", "failed", "--command", "x"], 2, "is required"),
        (["add", "1", "--every-job", "--on", "failed", "--command", "x"], 2, "not allowed with"),
        (["add", "1", "--command", "x"], 2, "--on"),
        (["add", "1", "--on", "failed", "--command", "x", "--subject", "s"], 2, "give --mail too"),
        (["add", "1", "--on", "failed", "--command", "x", "--secret-file", "s"], 2, "give --webhook too"),
        (["add", "1", "--on", "failed", "--webhook", URL, "--secret-file", "/nowhere/s"], 2, "cannot be read"),
        (["add", "1", "--on", "failed", "--webhook", URL, "--secret-file", "/dev/null"], 2, "must hold the secret"),
        (["add", "1", "--on", "faild", "--command", "x"], 3, "did you mean 'failed'?"),
        (["add", "9", "--on", "failed", "--command", "x"], 3, "there is no job 9"),
        (["add", "1", "--on", "failed", "--mail", "a@b.example"], 3, "no mail server is configured"),
        (["list", "9"], 3, "there is no job 9"),
    ],
)
def test_a_wrong_word_is_one_sentence(hq: ServicesHq, farm: Farm, argv: list[str], code: int, words: str) -> None:
    submit(farm, command="x")
    said = hq("callback", *argv)
    assert words in said.err
    assert said.err.count("\n") == 1
    assert (said.code, said.out) == (code, "")


def test_the_python_api_adds_lists_and_deletes(hq: ServicesHq, farm: Farm) -> None:
    job = hq.farm.job(submit(farm, command="x"))
    first = job.on(["failed", "child:failed"], callbacks.webhook(URL, "hush"))
    second = hq.farm.add_callback(job, "finished", callbacks.command({"linux": "tell"}, cpus=2))
    third = hq.farm.add_callback(None, ["failed"], callbacks.command("tell"))
    assert [each["id"] for each in hq.farm.callbacks(job)] == [first, second]
    assert [each["id"] for each in hq.farm.callbacks()] == [third]
    assert hq.farm.callbacks(job.id)[1]["action"] == {"type": "command", "command": {"linux": "tell"}, "cpus": 2}
    assert hq.farm.delete_callbacks([first, third]) == [first, third]
    with pytest.raises(Conflict, match="no mail server"):
        job.on("failed", callbacks.mail(["a@b.example"], "look"))
    with pytest.raises(NotFound):
        hq.farm.job(99).on("failed", callbacks.command("x"))
