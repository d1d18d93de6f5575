"""`hq change`, `hq modify`, `hq change-work` and `hq change-runs` over the real methods (CONTRACT 10, Control)."""

from __future__ import annotations

import pytest
from farm_kit import TestClient
from hq_over_services import ServicesHq

from hqserver.services.farm import Farm


@pytest.fixture
def hq(farm: Farm) -> ServicesHq:
    return ServicesHq(farm)


def test_jobs_are_changed_and_each_is_told_of(hq: ServicesHq) -> None:
    for name in ("one", "two"):
        hq("submit", "--name", name, "render")
    said = hq("change", "block", "1", "9", "--reason", "wrong scene")
    assert said.out == "1  paused, was runnable\n9  not changed: there is no such job\n"
    assert said.err == "hq: 1 of 2 jobs changed\nhq: no job 9\n"
    assert hq("--json", "change", "unblock", "1").json[0]["now"] == "runnable"
    assert hq("change", "kill", "--where", '{"name": "t*"}', "--dry-run").out == "2  would change, is runnable\n"
    assert hq("change", "kill", "--where", '{"name": "t*"}', "--limit", "0").code == 3
    assert hq("change", "priority", "1", "--priority", "7").code == 0
    assert hq.farm.job(1).priority == 7
    assert hq.farm.job(2).change("cancel")["now"] == "cancelled"


def test_properties_are_changed_as_json_or_text(hq: ServicesHq) -> None:
    hq("submit", "render")
    assert hq("modify", "1", "--set", "cpus=4", "--set", 'tags=["single"]', "--set", "name=12").code == 0
    shown = hq.farm.job(1).refresh("cpus", "tags", "name")
    assert (shown["cpus"], shown["tags"], shown["name"]) == (4, ["single"], "12")
    assert hq.farm.job(1).modify(cpus=2)["changed"]


def test_pieces_are_changed(hq: ServicesHq, client: TestClient) -> None:
    hq("submit", "--agenda", "1-3", "render")
    assert hq("change-work", "skip", "1", "2", "9").out == (
        "2  succeeded, was runnable\n9  not changed: there is no such piece\n"
    )
    assert hq.farm.job(1).change_work(["3"], "block")[0]["now"] == "blocked"


def test_single_runs_are_changed(hq: ServicesHq, client: TestClient) -> None:
    hq("submit", "render")
    (order,) = client.fetch()
    client.beat(client.started(order["run"]))
    run = order["run"]
    said = hq("change-runs", "suspend", run, "0" * 32)
    assert said.out == f"{run}  pausing, was running\n{'0' * 32}  not changed: there is no such run\n"
    assert said.err == f"hq: 1 of 2 runs changed\nhq: no run {'0' * 32}\n"
    assert hq("--json", "change-runs", "kill", run).json[0]["now"] == "ending"


def test_what_does_not_exist_is_refused_and_what_needed_no_change_is_not(hq: ServicesHq, client: TestClient) -> None:
    """As `hq cancel` does: the rest is done, every line is printed, and then the command fails."""
    hq("submit", "--agenda", "1-2", "render")
    for argv, missing in (
        (["change", "cancel", "9999"], "no job 9999"),
        (["change", "cancel", "9999", "9998", "--dry-run"], "no job 9999, 9998"),
        (["change", "delete", "9999"], "no job 9999"),
        (["modify", "9999", "--set", "cpus=2"], "no job 9999"),
        (["change-work", "block", "1", "7", "2"], "no piece 7"),
        (["change-work", "block", "9999", "7"], "there is no job 9999"),
        (["change-runs", "kill", "beef"], "no run beef"),
    ):
        said = hq(*argv)
        assert (said.code, missing in said.err.splitlines()[-1]) == (3, True), (argv, said)
    said = hq("--json", "change", "block", "9999")
    assert (said.code, said.json[0]["why"], said.err) == (3, "there is no such job", "hq: no job 9999\n")
    assert hq("change", "unblock", "1").code == 0
    assert (hq("change", "resume", "1").code, hq("change-work", "retry", "1", "1").code) == (0, 0)
    hq("change", "cancel", "1")
    assert hq("change", "cancel", "1").out == "1  not changed: it is cancelled\n"
    assert hq("change", "cancel", "1").code == 0


@pytest.mark.parametrize("command", ["change", "modify", "change-work", "change-runs"])
def test_help_tells_which_exit_code_a_missing_one_has(
    hq: ServicesHq, command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    hq(command, "--help")
    assert "exit code 3 where there is no such" in capsys.readouterr().out


def test_help_tells_what_each_action_does(hq: ServicesHq, capsys: pytest.CaptureFixture[str]) -> None:
    hq("change", "--help")
    assert "preempt   the current work ends" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (["change", "blok", "1"], "no action is called 'blok'; did you mean 'block'?"),
        (["change-runs", "retry", "x"], "no action is called 'retry'"),
        (["change", "block"], "name jobs, or say --where which"),
        (["change", "block", "1", "--where", "{}"], "not both"),
        (["change", "block", "--where", "x"], """such as '{"submittedBy": "ada", "status": "failed"}', not 'x'"""),
        (["change", "block", "--where", "name=x"], """--where takes a JSON dictionary such as '{"name": "x"}', not"""),
        (["change", "block", "--where", "priority=5"], """such as '{"priority": "5"}', not 'priority=5'"""),
        (["change", "block", "--where", "{name: x}"], "--where takes a JSON dictionary such as"),
        (["change", "block", "--where", "[1]"], ", not '[1]'"),
        (["change", "priority", "1"], "the action priority needs --priority N"),
        (["change", "block", "1", "--priority", "3"], "--priority is for the action priority"),
        (["modify", "1", "--set", "cpus"], "--set takes PROPERTY=VALUE, not 'cpus'"),
        (["modify", "1", "--set", "cpu=3"], "changes.cpu: no such property of a job; did you mean 'cpus'?"),
        (["change-work", "delete", "1", "2"], "no action is called 'delete'"),
    ],
)
def test_a_wrong_word_is_one_sentence(hq: ServicesHq, argv: list[str], words: str) -> None:
    said = hq(*argv)
    assert words in said.err
    assert said.err.count("\n") == 1
    assert said.code in (2, 3)


def test_the_help_of_change_names_only_actions_that_it_takes(
    hq: ServicesHq, capsys: pytest.CaptureFixture[str]
) -> None:
    said = hq("change", "--help")
    table = (said.out + capsys.readouterr().out).partition("actions:\n")[2].partition("\n\n")[0]
    actions = [line.split()[0] for line in table.splitlines()]
    assert "block" in actions
    for action in actions:
        refused = hq("change", action, "1").err + capsys.readouterr().err
        assert "no action is called" not in refused
