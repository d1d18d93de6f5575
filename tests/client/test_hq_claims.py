"""`hq claim`, `hq renew`, `hq finish` and claims of the Python API over the farm's real methods (CONTRACT 10)."""

from __future__ import annotations

import getpass
import io
import socket
from pathlib import Path

import pytest
from farm_kit import TestClient, submit
from hq_over_services import ServicesHq
from scheduling_kit import detail

from hqclient.errors import BadParameters, Conflict, NotFound
from hqclient.locks import own_name
from hqserver.services import results
from hqserver.services.control import commands
from hqserver.services.farm import Farm
from hqserver.services.queries import output


@pytest.fixture
def hq(farm: Farm) -> ServicesHq:
    return ServicesHq(farm)


def status(farm: Farm, job: int) -> str:
    return str(detail(farm, job, "status"))


# The Python API ------------------------------------------------------------------------------------------------------


def test_work_is_claimed_renewed_and_finished(hq: ServicesHq, farm: Farm) -> None:
    job = submit(farm, name="x", command="render {frame}", agenda="7", cpus=2)
    claim = hq.farm.claim_job({"name": "x"}, "laptop", seconds=60)
    assert claim is not None
    assert (claim.job_id, claim.root_id, claim.work, claim.name, claim.command) == (job, job, "7", "x", "render 7")
    assert (claim.cpus, claim.seconds, claim.environment["HQFRAME"]) == (2, 60, "7")
    assert repr(claim) == f"Claim(job {job}, '7', run {claim.run})"
    assert claim.renew(progress=0.5)
    assert claim.renew(seconds=90)
    assert claim.seconds == 90
    assert claim.finish("succeeded", output="done\n", result={"a": 1}, exit_code=0, reason="quick") == "succeeded"
    assert claim.renew() is False
    assert "done" in output.job_output_text(farm, job)
    assert results.get(farm, job) == {"a": 1}
    assert hq.farm.claim_job() is None


def test_a_claimed_command_finds_the_farm_and_its_claim(
    hq: ServicesHq, farm: Farm, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("HQSERVER", raising=False)
    job = submit(farm, command="x", environment={"A": "1"})
    claim = hq.farm.claim_job({}, "laptop")
    assert claim is not None
    expected = {"HQSERVER": "http://farm:5000", "HQ_RUN_TOKEN": claim.run, "JOBID": str(job), "A": "1"}
    assert expected.items() <= claim.environment.items()
    claim.finish("returned")
    printed = hq("claim", "--as", "laptop").json
    assert printed["environment"] == {**claim.environment, "HQ_RUN_TOKEN": printed["run"]}
    for name, value in printed["environment"].items():
        monkeypatch.setenv(name, value)
    assert hq("set-result", '{"a": 1}').code == 0
    assert results.get(farm, job) == {"a": 1}
    assert hq("finish", str(job), "returned").code == 0
    said = hq("set-result", '{"a": 2}')
    assert (said.code, "owns its work no more" in said.err) == (3, True)
    assert results.get(farm, job) == {"a": 1}


@pytest.mark.parametrize(
    ("own", "given"),
    [
        ("http://ana:secret@farm:5000", {}),
        ("http://ana:secret@other:5000", {"HQSERVER": "http://farm:5000"}),
        ("http://farm:5000", {"HQSERVER": "http://farm:5000"}),
        ("ftp://ana@farm", {"HQSERVER": "http://farm:5000"}),
    ],
)
def test_a_password_by_which_the_server_is_known_is_inherited_and_not_printed(
    hq: ServicesHq, farm: Farm, monkeypatch: pytest.MonkeyPatch, own: str, given: dict[str, str]
) -> None:
    monkeypatch.setenv("HQSERVER", own)
    submit(farm, command="x")
    said = hq("claim", "--as", "laptop")
    assert {key: each for key, each in said.json["environment"].items() if key == "HQSERVER"} == given
    assert "secret" not in said.out


def test_who_says_no_name_is_called_by_user_and_machine(hq: ServicesHq) -> None:
    assert hq.farm.claim_job() is None
    assert [each["label"] for each in hq.farm.clients()] == [f"{getpass.getuser()}@{socket.gethostname()}"]


@pytest.mark.parametrize("problem", [KeyError("getpwuid(): uid not found: 4242"), OSError(), ImportError()])
def test_a_user_without_a_name_claims_and_locks_by_number(
    hq: ServicesHq, monkeypatch: pytest.MonkeyPatch, problem: Exception
) -> None:
    """As in a container that was given a user id which no file there names."""

    def nobody() -> str:
        raise problem

    monkeypatch.setattr("getpass.getuser", nobody)
    monkeypatch.setattr("os.getuid", lambda: 4242, raising=False)
    assert hq.farm.claim_job() is None
    assert [each["label"] for each in hq.farm.clients()] == [f"4242@{socket.gethostname()}"]
    assert own_name().startswith(f"4242@{socket.gethostname()}, process ")


def test_what_goes_wrong_is_raised(hq: ServicesHq, farm: Farm, client: TestClient) -> None:
    job = submit(farm, command="x")
    with pytest.raises(Conflict, match="alpha is a client with a daemon"):
        hq.farm.claim_job({}, "alpha")
    with pytest.raises(BadParameters, match="did you mean 'name'"):
        hq.farm.claim_job({"nmae": "x"}, "laptop")
    claim = hq.farm.claim_job({}, {"name": "laptop", "cpus": 4, "platform": "linux-x86_64"})
    assert claim is not None
    with pytest.raises(BadParameters, match="did you mean 'failed'"):
        claim.finish("faild")
    assert claim.finish("returned") == "ejected"
    with pytest.raises(Conflict, match=f"the claim of laptop on job {job} is over"):
        claim.finish("succeeded")
    claim.run = "f" * 32
    with pytest.raises(NotFound):
        claim.renew()


# hq ------------------------------------------------------------------------------------------------------------------


def test_a_claim_is_printed_as_json(hq: ServicesHq, farm: Farm) -> None:
    first, second = submit(farm, name="a", command="x"), submit(farm, name="b", command="x")
    assert hq("claim", str(second), "--as", "laptop", "--seconds", "60").json["job"] == second
    found = hq("--json", "claim", "--where", '{"name": "a"}', "--as", "laptop")
    assert (found.code, found.json["job"], found.json["seconds"]) == (0, first, 3600)
    said = hq("claim", "--as", "laptop")
    assert (said.code, said.out) == (3, "")
    assert said.err == "hq: there is no such work that this runner may have\n"
    for words in (["--where", "[1]"], ["--where", "{"], ["--seconds", "0"], ["x"]):
        assert hq("claim", *words).code == 2
    assert hq("claim", "--as", "a:b").code not in (0, 2)


def test_a_renewal_says_whether_the_work_is_wanted(hq: ServicesHq, farm: Farm) -> None:
    job = submit(farm, command="x")
    run = hq("claim", "--as", "laptop").json["run"]
    said = hq("renew", run, "--progress", "25")
    assert (said.code, said.out, said.err) == (0, "", "")
    assert hq("--json", "renew", run).json["wanted"] is True
    assert hq("renew", run, "--progress", "101").code != 0
    assert hq("--json", "renew", run, "--seconds", "77").json["seconds"] == 77
    assert hq("--json", "renew", run).json["seconds"] == 77
    assert hq("renew", run, "--seconds", "0").code == 2
    commands.cancel(farm, [job], "")
    said = hq("renew", run)
    assert (said.code, said.err) == (3, "hq: not wanted any more: the work is cancelled\n")
    assert hq("--json", "renew", run).code == 3
    said = hq("finish", str(job), "succeeded")
    assert (said.code, said.err) == (0, "hq: the work was cancelled or marked as done meanwhile\n")
    said = hq("renew", "f" * 32)
    assert (said.code, said.err) == (3, f"hq: there is no claim {'f' * 32!r}\n")


def test_an_end_is_told_with_all_that_there_is_to_say(
    hq: ServicesHq, farm: Farm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = submit(farm, command="x", triesLeft=1)
    log = tmp_path / "log"
    log.write_bytes(b"\xffhello\n")
    run = hq("claim", "--as", "laptop").json["run"]
    words = ["finish", str(job), "failed", "--run", run, "--exit-code", "7", "--reason", "no licence"]
    said = hq(*words, "--output", str(log), "--result", '{"a": 1}')
    assert (said.code, said.out, said.err) == (0, "", "")
    assert (status(farm, job), results.get(farm, job)) == ("runnable", {"a": 1})
    assert b"\xffhello" in output.job_output(farm, job)
    hq("claim", "--as", "laptop")
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"again\n")))
    assert hq("--json", "finish", str(job), "succeeded", "--output", "-").json["status"] == "succeeded"
    assert "again" in output.job_output_text(farm, job)
    assert hq("finish", str(job), "failed").code == 3
    for more in (["--output", str(tmp_path / "none")], ["--result", "{"], ["--exit-code", "x"]):
        assert hq("finish", str(job), "succeeded", *more).code == 2
    assert hq("finish", str(job), "done").code == 2
