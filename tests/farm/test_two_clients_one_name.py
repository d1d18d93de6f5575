"""Two daemons that would be one client: the first is never disturbed, a name comes back to whom it belongs (P14)."""

from __future__ import annotations

import shutil
import signal
import subprocess
from pathlib import Path

import pytest
from live_farm import LiveFarm, booted_anew, power_off, wait_until

pytestmark = pytest.mark.farm

EXIT_CANNOT_START, EXIT_DUPLICATE = 1, 3


class LongJob:
    """A job on a live farm that runs until it is let go, and writes down each time that it begins."""

    def __init__(self, live: LiveFarm):
        self.live, self.gate, self.begun = live, live.folder / "gate", live.folder / "begun"
        command = f"echo $$ >> {self.begun}; until [ -e {self.gate} ]; do sleep 0.1; done"
        (self.id,) = live.call("newjob", {"name": "long", "command": command})
        wait_until(self.shells, what="the job to begin", show=lambda: live.story(self.id))

    def shells(self) -> list[int]:
        """The process ids of its shells, one for each time that it began."""
        return [int(line) for line in self.begun.read_text().split()] if self.begun.exists() else []

    def events(self) -> list[str]:
        return [entry["event"] for entry in self.live.job(self.id, "logs")]

    def check_undisturbed(self) -> None:
        """It runs, goes on running, and ends well, having begun once."""
        assert self.live.job(self.id, "status") == "running", self.live.story(self.id)
        self.gate.touch()
        self.live.wait_for(self.id, "succeeded")
        assert len(self.shells()) == 1, self.live.story(self.id)

    def wait_until_lost(self) -> None:
        wait_until(lambda: "client lost" in self.events(), what="its client to be lost", show=self.events)


@pytest.fixture
def impatient(live: LiveFarm) -> LiveFarm:
    """A server for whom a client is lost after six seconds."""
    assert live.server is not None
    live.server.end()
    live.start_server(env={"HQSERVER_ACTIVE_TIMEOUT": "0.1"})
    return live


def errors_of(live: LiveFarm, client: int = 1) -> list[str]:
    return [error["message"] for error in live.call("getClientErrors", client).get("errors", [])]


def copied(live: LiveFarm, name: str, copy: str) -> None:
    """Copy a client's data folder as it is, whatever happens in it."""
    subprocess.run(["cp", "-a", str(live.folder / name), str(live.folder / copy)], check=True)


def test_a_second_daemon_of_one_data_folder_is_refused(farm_of_one: LiveFarm) -> None:
    """T16: in one sentence, and without a word to the server."""
    job = LongJob(farm_of_one)
    second = farm_of_one.start_client("other", folder="second", wait=False)  # has its own folder, as it should
    second.said("registered as client 2")
    third = farm_of_one.start_client("alpha", wait=False)
    assert third.process.wait(30) == EXIT_CANNOT_START
    third.end()
    (sentence,) = third.lines
    assert "another hqclient uses the data folder" in sentence
    assert errors_of(farm_of_one) == []
    job.check_undisturbed()


@pytest.mark.parametrize("program", ["same machine", "another machine"])
def test_a_copy_of_a_data_folder_is_refused_and_leaves_the_first_alone(farm_of_one: LiveFarm, program: str) -> None:
    """T16: a disk that was cloned while a job ran, whose copy knows the job and the secret."""
    live = farm_of_one
    first, job = live.clients["alpha"], LongJob(live)
    copied(live, "alpha", "copy")
    for _ in range(2):  # started again by whatever looks after services, it is refused again
        how = {} if program == "same machine" else {"program": booted_anew()}
        copy = live.start_client("alpha", folder="copy", wait=False, **how)  # type: ignore[arg-type]
        assert copy.process.wait(30) == EXIT_DUPLICATE, copy.lines
        copy.end()
        assert any("duplicate client" in line for line in copy.lines), copy.lines
    assert any("duplicate client" in error for error in errors_of(live))
    assert len(live.call("getClients", None, ["id"])) == 1
    job.check_undisturbed()
    assert "lost" not in " ".join(job.events())
    assert first.process.poll() is None
    assert len([line for line in first.lines if "registered as client" in line]) == 1, "it never had to register again"


def test_a_copy_whose_first_is_gone_is_the_client(farm_of_one: LiveFarm) -> None:
    """T16: data that was moved to another disk, or came out of a backup."""
    live = farm_of_one
    job = LongJob(live)
    copied(live, "alpha", "copy")
    power_off(live.clients["alpha"])
    copy = live.start_client("alpha", folder="copy", wait=False)
    copy.said("registered as client 1")
    wait_until(lambda: live.job(job.id, "status") != "running", what="the end of a run that died", show=job.events)
    assert live.call("getClients", None, ["id"])[0]["id"] == 1


def test_a_name_is_not_given_away_while_its_holder_beats(farm_of_one: LiveFarm) -> None:
    """T16: another machine that was given the same name."""
    job = LongJob(farm_of_one)
    stranger = farm_of_one.start_client("alpha", folder="stranger", wait=False)
    stranger.said("name taken")
    assert stranger.process.poll() is None, "it asks again"
    assert any("name taken" in error for error in errors_of(farm_of_one))
    job.check_undisturbed()


@pytest.mark.timeout(120)
def test_a_silent_holder_yields_its_name_and_its_late_result_does_not_count(impatient: LiveFarm) -> None:
    """T16: same id, groups and `disabled` kept; what the old secret reports is worth nothing."""
    live = impatient
    holder = live.start_client("alpha")
    group = live.call("createClientGroup", "night")
    live.call("addClientToGroup", group, 1)
    job = LongJob(live)
    (label,) = [client["label"] for client in live.call("getClients", None, ["label"])]
    assert live.call("setdisabled", label, True)
    holder.process.send_signal(signal.SIGSTOP)
    job.wait_until_lost()
    live.start_client("alpha", folder="newcomer").said("registered as client 1")
    kept = live.call("getClient", 1, ["groups", "disabled", "label"])
    assert (kept["groups"], kept["disabled"], kept["label"]) == ([group], True, label)
    job.gate.touch()
    (shell,) = job.shells()
    wait_until(lambda: not Path(f"/proc/{shell}/cmdline").exists(), what="the first run to end")
    holder.process.send_signal(signal.SIGCONT)
    holder.said("name taken")
    assert live.job(job.id, "status") == "runnable", live.story(job.id)
    assert live.call("setdisabled", label, False)
    live.wait_for(job.id, "succeeded")
    assert len(job.shells()) == 2, "its result is that of the run that owned it"


@pytest.mark.timeout(120)
def test_a_client_that_was_installed_anew_gets_its_name_and_its_work_back(impatient: LiveFarm) -> None:
    """T16: the data folder is gone, and the secret with it."""
    live = impatient
    live.start_client("alpha")
    job = LongJob(live)
    power_off(live.clients["alpha"])
    shutil.rmtree(live.folder / "alpha")
    job.wait_until_lost()
    live.start_client("alpha").said("registered as client 1")
    wait_until(lambda: len(job.shells()) == 2, what="the job to begin again", show=lambda: live.story(job.id))
    job.gate.touch()
    live.wait_for(job.id, "succeeded")
    assert len(live.call("getClients", None, ["id"])) == 1


@pytest.mark.timeout(120)
def test_a_diskless_machine_that_booted_anew_is_the_client_again_long_before_its_time(live: LiveFarm) -> None:
    """T16: a new boot shows that all its runs are dead; only a few beats of silence are waited for."""
    live.start_client("alpha")
    job = LongJob(live)
    power_off(live.clients["alpha"])
    shutil.rmtree(live.folder / "alpha")

    def back() -> bool:
        again = live.start_client("alpha", folder="memory", wait=False, program=booted_anew())
        wait_until(lambda: any("client" in line for line in again.lines), what="a word", show=lambda: again.lines)
        if "registered as client 1" in again.lines[0]:
            return True
        assert "name taken" in again.lines[0], again.lines
        again.end()
        return False

    wait_until(back, what="the machine to be the client again")
    wait_until(lambda: len(job.shells()) == 2, what="the job to begin again", show=lambda: live.story(job.id))
    job.gate.touch()
    live.wait_for(job.id, "succeeded")
