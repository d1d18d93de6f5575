"""`hq submit`: what becomes a specification, what is printed, how it ends."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from hq_over_toys import Hq, Said, quick_hq

from hqclient.cli.exits import Exit


@pytest.fixture
def hq(monkeypatch: pytest.MonkeyPatch) -> Hq:
    return quick_hq(monkeypatch)


def test_submit_prints_the_id_and_nothing_else(hq: Hq) -> None:
    assert hq("submit", "echo", "hello") == Said(0, "1\n", "")
    assert hq("submit", "--json", "echo hello").json == [2]


def test_submit_one_word_is_a_shell_line_and_several_are_quoted(hq: Hq) -> None:
    hq("submit", "echo $JOBID > log")
    hq("submit", "render", "-f", "1", "my scene")
    hq("submit", "--cpus", "2", "--", "--odd-program", "--name", "x")
    commands = [each["command"] for each in hq.toy.submitted]
    assert commands == ["echo $JOBID > log", "render -f 1 'my scene'", "--odd-program --name x"]
    assert [each["name"] for each in hq.toy.submitted] == [
        *("echo $JOBID > log", "render -f 1 my scene", "--odd-program --name x")
    ]


def test_submit_options_become_the_specification(hq: Hq) -> None:
    hq(
        *("submit", "--name", "Hello", "--shell", "bash", "--priority", "5", "--cpus", "2", "--tries", "3"),
        *("--env", "A=1", "--env", "B=x=y", "--description", "A greeting", "--user", "grace"),
        *("--parent", "7", "--child", "3", "--child", "4", "echo hello"),
    )
    specification = hq.toy.submitted[0]
    assert len(specification.pop("submitKey")) == 32
    assert specification == {
        "name": "Hello",
        "shell": "bash",
        "priority": 5,
        "cpus": 2,
        "triesLeft": 3,
        "environment": {"A": "1", "B": "x=y"},
        "description": "A greeting",
        "submittedBy": "grace",
        "command": "echo hello",
    }
    assert hq.toy.called("newjob")[0][1:] == (7, [3, 4])


def test_submit_signs_with_the_user_but_lets_a_child_inherit(hq: Hq, tmp_path: Path) -> None:
    hq("submit", "true")
    hq("submit", "--parent", "1", "true")
    spec = tmp_path / "spec.json"
    spec.write_text('[{"name": "a"}, {"name": "b", "submittedBy": "grace"}]')
    hq("submit", "--spec", str(spec))
    first, child, (a, b) = hq.toy.submitted
    assert first["submittedBy"] == "ada"
    assert "submittedBy" not in child
    assert (a["submittedBy"], b["submittedBy"]) == ("ada", "grace")


def test_submit_without_a_command_needs_a_name(hq: Hq) -> None:
    assert hq("submit", "--name", "container").code == Exit.OK
    assert "command" not in hq.toy.submitted[0]
    said = hq("submit")
    assert (said.code, len(hq.toy.submitted)) == (Exit.USAGE, 1)
    assert "give a command to run" in said.err


def test_submit_reads_a_specification_from_a_file_and_options_win(hq: Hq, tmp_path: Path) -> None:
    spec = tmp_path / "spec.json"
    spec.write_text('{"name": "file", "priority": 1, "children": [{"name": "below"}]}')
    assert hq("submit", "--spec", str(spec), "--priority", "9").out == "1\n"
    assert hq.toy.submitted[0]["priority"] == 9
    assert hq.toy.submitted[0]["children"] == [{"name": "below"}]


def test_submit_reads_a_list_from_standard_input(hq: Hq, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO('[{"name": "a"}, {"name": "b"}]'))
    assert hq("submit", "--spec", "-").out == "1\n2\n"


@pytest.mark.parametrize(
    ("text", "options", "words"),
    [
        ('{"name": "x",\n oops}', [], "spec.json, line 2: not JSON"),
        ('"text"', [], "must hold a job specification or a list"),
        ("[]", [], "must hold a job specification or a list"),
        ('[{"name": "x"}]', ["--name", "y"], "options such as --name go with one job"),
        ('{"name": "x"}', ["echo"], "leave out the command"),
        ('[{"name": "x"}, {"name": "y"}]', ["--follow"], "can follow one job"),
    ],
)
def test_submit_says_what_is_wrong_with_a_file(
    hq: Hq, tmp_path: Path, text: str, options: list[str], words: str
) -> None:
    spec = tmp_path / "spec.json"
    spec.write_text(text)
    said = hq("submit", "--spec", str(spec), *options)
    assert (said.code, said.out, hq.toy.submitted) == (Exit.USAGE, "", [])
    assert words in said.err


def test_submit_says_that_a_file_is_missing(hq: Hq, tmp_path: Path) -> None:
    said = hq("submit", "--spec", str(tmp_path / "none.json"))
    assert said.code == Exit.USAGE
    assert "none.json cannot be read: No such file or directory" in said.err


def test_submit_refuses_an_unknown_property_with_the_near_one(hq: Hq, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO('{"name": "x", "comand": "true"}'))
    said = hq("submit", "--spec", "-")
    assert (said.code, hq.toy.submitted) == (Exit.REFUSED, [])
    assert "did you mean 'command'?" in said.err


@pytest.mark.parametrize(("status", "code"), [("succeeded", Exit.OK), ("failed", Exit.JOBS_FAILED)])
def test_submit_wait_ends_with_the_job(hq: Hq, status: str, code: Exit) -> None:
    hq.toy.steps.extend([lambda: None, lambda: hq.toy.end(1, status)])
    said = hq("submit", "--wait", "true")
    assert (said.code, said.out) == (code, "1\n")
    assert status in said.err


def test_submit_wait_answers_programs_with_the_statuses(hq: Hq) -> None:
    hq.toy.steps.append(lambda: hq.toy.end(1, "failed"))
    said = hq("--json", "submit", "--wait", "true")
    assert (said.code, said.json) == (Exit.JOBS_FAILED, [{"id": 1, "status": "failed"}])


def test_submit_follow_prints_only_what_the_command_writes(hq: Hq) -> None:
    def write_and_end() -> None:
        hq.toy.outputs[1] = "\x9b1mhello\n"
        hq.toy.end(1, "succeeded")

    hq.toy.steps.append(write_and_end)
    said = hq("submit", "--follow", "echo hello")
    assert (said.code, said.out) == (Exit.OK, "\x9b1mhello\n")
    assert "hq: job 1\n" in said.err


def test_submit_interrupted_says_that_the_job_goes_on(hq: Hq) -> None:
    hq.toy.steps.append(lambda: hq.troubles.append(KeyboardInterrupt()))
    said = hq("submit", "--wait", "true")
    assert (said.code, said.out) == (Exit.INTERRUPTED, "1\n")
    assert "1 job still on the farm; to end: hq cancel 1" in said.err
