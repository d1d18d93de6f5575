"""`hq export`, `hq import`, `hq compact` and `hq reset`, and the same in Python."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from farm_kit import TestClient, submit
from hq_over_services import ServicesHq

from hqclient.cli.exits import Exit
from hqclient.connection import Connection
from hqclient.errors import BadParameters, Conflict
from hqclient.farm import Farm as Client
from hqserver.services.care import compacting, resetting
from hqserver.services.farm import Farm


@pytest.fixture
def kept(farm: Farm, client: TestClient, farm_hq: ServicesHq, tmp_path: Path) -> Path:
    """A file of a finished job that is not on the farm any more."""
    job = submit(farm, name="hello", command="x")
    client.run_all()
    said = farm_hq("export", str(job))
    assert said.code == Exit.OK
    file = tmp_path / "jobs.json"
    file.write_text(said.out, encoding="utf-8")
    farm_hq("delete", str(job))
    return file


def test_jobs_are_kept_in_a_file_and_brought_back(farm_hq: ServicesHq, kept: Path) -> None:
    said = farm_hq("import", str(kept))
    assert (said.code, said.out, said.err) == (Exit.OK, "2  was 1\n", "hq: 1 job imported\n")
    assert farm_hq.farm.job(2).attributes["outcome"] == "imported"
    again = farm_hq("import", str(kept))
    assert (again.code, again.out, again.err.count("\n")) == (Exit.REFUSED, "", 1)


def test_an_import_for_programs_is_json(farm_hq: ServicesHq, kept: Path) -> None:
    assert farm_hq("import", "--json", str(kept)).json == [{"was": 1, "id": 2}]


def test_standard_input_is_a_file_too(farm_hq: ServicesHq, kept: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with kept.open(encoding="utf-8") as stream:
        monkeypatch.setattr("sys.stdin", stream)
        assert farm_hq("import", "-").out == "2  was 1\n"


def test_a_file_that_is_none_is_one_sentence(farm_hq: ServicesHq, tmp_path: Path) -> None:
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00")
    for name in ("missing", "binary"):
        said = farm_hq("import", str(tmp_path / name))
        assert (said.code, said.out, said.err.count("\n")) == (Exit.USAGE, "", 1)
    (tmp_path / "text").write_text("hello", encoding="utf-8")
    assert farm_hq("import", str(tmp_path / "text")).code == Exit.REFUSED
    assert farm_hq("export", "99").code == Exit.REFUSED


def test_python_exports_and_imports(farm: Farm, farm_hq: ServicesHq, kept: Path) -> None:
    document = json.loads(kept.read_text("utf-8"))
    ((was, job),) = farm_hq.farm.import_jobs(document).items()
    assert (was, job.id) == (1, 2)
    again = farm_hq.farm.export_jobs([job])
    assert again["jobs"][0]["specification"] == document["jobs"][0]["specification"]
    with pytest.raises(Conflict):
        farm_hq.farm.import_jobs(again)


def test_compact_tells_how_large_the_database_was_and_is(farm_hq: ServicesHq) -> None:
    said = farm_hq("compact")
    assert (said.code, said.err) == (Exit.OK, "")
    assert re.fullmatch(r"\d+\.\d MB, was \d+\.\d MB\n", said.out)
    found = farm_hq("--json", "compact").json
    assert (found["running"], found["failed"], found["after"]) == (False, "", found["before"])


def test_reset_removes_all_jobs_and_names_the_copy(farm: Farm, farm_hq: ServicesHq) -> None:
    for number in range(3):
        submit(farm, name=f"job {number}", command="x")
    said = farm_hq("reset", "--confirm", "delete all jobs")
    assert (said.code, said.out) == (Exit.OK, "3 jobs removed\n")
    assert re.search(r"folder of copies: before-reset-3-\d+T\d+Z\.db\n", said.err)
    assert farm_hq.farm.count_jobs({}).count == 0
    kept = submit(farm, name="new", command="x")
    assert farm_hq("--json", "reset", "--last-job", "3", "--confirm", "delete all jobs").json["jobs"] == 0
    assert [job.id for job in farm_hq.farm.find_jobs()] == [kept]


def test_reset_needs_the_words(farm: Farm, farm_hq: ServicesHq) -> None:
    submit(farm, name="a", command="x")
    assert farm_hq("reset").code == Exit.USAGE
    said = farm_hq("reset", "--confirm", "yes")
    assert (said.code, said.out) == (Exit.REFUSED, "")
    assert "confirm must be 'delete all jobs': this removes every job of the farm for good, 1 by now" in said.err
    with pytest.raises(BadParameters):
        farm_hq.farm.reset("please")


class Restarting:
    """What carries calls to a server that goes away at each call of these methods, before or after it was served."""

    def __init__(self, transport: Any, *methods: str) -> None:
        self.transport, self.methods, self.calls = transport, methods, 0

    def request(self, host: Any, handler: str, request_body: Any, verbose: bool = False) -> Any:
        if not any(f"<methodName>{name}<".encode() in request_body for name in self.methods):
            return self.transport.request(host, handler, request_body)
        self.calls += 1
        if self.calls % 3 == 1:
            raise ConnectionRefusedError("refused")
        answer = self.transport.request(host, handler, request_body)
        if self.calls % 3 == 2:
            raise ConnectionResetError("reset")
        return answer

    def close(self) -> None:
        self.transport.close()


@pytest.mark.slow
def test_a_server_that_restarts_meanwhile_is_asked_again(
    farm: Farm, farm_hq: ServicesHq, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (compacting, resetting):
        monkeypatch.setattr(module, "ANSWER_SECONDS", 0.0)
    for number in range(3):
        submit(farm, name=f"job {number}", command="x")
    came: list[int] = []
    carrier = Restarting(farm_hq.transport, "resetFarm", "compactDatabase")
    monkeypatch.setattr(farm_hq, "farm", Client(connection=Connection("http://farm:5000", transport=carrier)))
    assert farm_hq("compact").code == Exit.OK
    assert carrier.calls >= 3
    carrier.calls = 0
    asked = farm.reset.ask

    def ask(*words: Any) -> Any:
        if not came:
            came.append(submit(farm, name="came meanwhile", command="x"))
        return asked(*words)

    monkeypatch.setattr(farm.reset, "ask", ask)
    found = farm_hq("--json", "reset", "--confirm", "delete all jobs").json
    assert (found["failed"], found["step"], found["lastJob"]) == ("", "done", 3)
    assert (found["jobs"], found["copy"][:15]) == (3, "before-reset-3-"), "what was there when it began"
    assert carrier.calls >= 3
    assert [job.id for job in farm_hq.farm.find_jobs()] == came


def test_a_server_that_is_not_there_at_the_start_is_not_waited_for(
    farm_hq: ServicesHq, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise ConnectionRefusedError("refused")

    monkeypatch.setattr(farm_hq.transport, "request", refuse)
    for words in (["compact"], ["reset"], ["reset", "--last-job", "3"]):
        confirmed = [*words, "--confirm", "delete all jobs"] if words[0] == "reset" else words
        assert farm_hq(*confirmed).code == Exit.UNREACHABLE


def test_python_waits_until_it_has_ended(farm: Farm, farm_hq: ServicesHq, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each call of the server answers before the end, and the last tells it."""
    submit(farm, name="a", command="x")
    for module in (compacting, resetting):
        monkeypatch.setattr(module, "ANSWER_SECONDS", 0.0)
    found = farm_hq.farm.reset("delete all jobs")
    assert (found["running"], found["failed"], found["step"]) == (False, "", "done")
    assert farm_hq.farm.compact()["running"] is False
