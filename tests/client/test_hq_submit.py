"""`hq submit`: what becomes a specification, what is printed, how it ends."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from hq_over_toys import Hq, Said, quick_hq

from hqclient.cli.exits import Exit
from hqserver.domain.jobspec import parse_jobspec


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


def test_submit_says_where_a_job_may_run_and_what_follows(hq: Hq) -> None:
    hq(
        *("submit", "--user", "ada", "--host", "node1", "--host", "node2", "--group", "GPU nodes"),
        *("--condition", "memory >= 16GB", "--condition", "os=linux", "--condition", "hostname not in a, b"),
        *(
            "--tag",
            "single:sim",
            "--tag",
            "excludeProgress",
            "--resource",
            "db",
            "--resource",
            "sidefx.license.karma=2",
        ),
        *("--hosts", "2-4", "--max-time", "90", "--on-success", "echo a", "--on-error", "echo b"),
        *("--on-cancel", "echo c", "--on-child-error", "echo d", "--cleanup", "echo e"),
        *("--mail-to", "a@example.org,b@example.org", "--mail-on", "failed", "--mail-on", "priority changed", "x"),
    )
    specification = hq.toy.submitted[0]
    del specification["submitKey"]
    assert specification == {
        "name": "x",
        "command": "x",
        "submittedBy": "ada",
        "host": "node1,node2",
        "hostgroup": "GPU nodes",
        "conditions": [
            {"type": "client", "name": "memory", "op": ">=", "value": "16777216"},
            {"type": "client", "name": "os", "op": "==", "value": "linux"},
            {"type": "client", "name": "hostname", "op": "not_in", "value": "a, b"},
        ],
        "tags": ["single:sim", "excludeProgress"],
        "resources": {"db": 1, "sidefx.license.karma": 2},
        "minHosts": 2,
        "maxHosts": 4,
        "maxTime": 90,
        "onSuccess": "echo a",
        "onError": "echo b",
        "onCancel": "echo c",
        "onChildError": "echo d",
        "cleanup": "echo e",
        "emailTo": "a@example.org,b@example.org",
        "emailReasons": "failed,priority changed",
    }
    parse_jobspec(specification, refuse_unknown=True)


def test_mail_without_reasons_is_sent_when_the_job_has_ended(hq: Hq) -> None:
    hq("submit", "--mail-to", "a@example.org", "x")
    assert hq.toy.submitted[0]["emailReasons"] == "succeeded,failed,cancelled,abandoned"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--condition", "memory"], "--condition takes 'NAME OP VALUE'"),
        (["--condition", "memry >= 3"], "did you mean 'memory'?"),
        (["--condition", "memory >= lots"], "must be a number ('lots' is not)"),
        (["--condition", "group > 3"], "op of group must be one of"),
        (["--resource", "db=many"], "--resource takes NAME or NAME=N, not 'db=many'"),
        (["--hosts", "4-2"], "--hosts takes MIN or MIN-MAX, such as 2-4, not '4-2'"),
        (["--hosts", "0"], "--hosts takes MIN or MIN-MAX"),
        (["--mail-on", "failed"], "--mail-to says where"),
        (["--mail-to", "ada", "--mail-on", "failed"], "mail must be mail addresses ('ada' is none)"),
        (["--mail-to", "a@b.c", "--mail-on", "faild"], "did you mean 'failed'?"),
        (["--max-time", "0"], "must be at least 1"),
        (["--priority", "-1"], "--priority"),
    ],
)
def test_submit_refuses_what_means_nothing_without_asking_the_server(hq: Hq, options: list[str], words: str) -> None:
    said = hq("submit", *options, "true")
    assert (said.code, said.err.count("\n"), hq.toy.calls) == (Exit.USAGE, 1, [])
    assert words in said.err


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
