"""The `hq` command as a whole, and what it says about clients and the server."""

from __future__ import annotations

import re
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hq_over_toys import Hq, Said, quick_hq
from toy_farm import NOW

from hqclient.cli.arguments import build_parser
from hqclient.cli.exits import MEANINGS, Exit
from hqclient.cli.parsing import Parser


@pytest.fixture
def hq(monkeypatch: pytest.MonkeyPatch) -> Hq:
    return quick_hq(monkeypatch)


def _client(client_id: int, **attributes: Any) -> dict[str, Any]:
    return {
        "id": client_id,
        "hostname": f"node{client_id}",
        "label": f"node{client_id}",
        "available": True,
        "disabled": False,
        "cpus": 8,
        "load": 1.25,
        "memory": 16 * 1024**2,
        "platform": "linux-x86_64",
        "runningJobs": [],
        "lastHeartbeat": NOW - timedelta(seconds=4),
        **attributes,
    }


def test_clients_are_a_table(hq: Hq) -> None:
    hq.toy.groups = [{"id": 5, "name": "GPU"}, {"id": 6, "name": "slow nodes"}]
    hq.toy.clients = [
        _client(1, groups=[6, 5]),
        _client(2, runningJobs=list(range(10, 18)), needsUpgrade=True, wanted="upgrade"),
        _client(3, disabled=True, unavailableBecause="is disabled"),
        _client(4, available=False, lastHeartbeat=None, memory=0, unavailableBecause="has been silent for 70 s"),
    ]
    said = hq("clients")
    assert said.code == Exit.OK
    shown = [re.sub(" {3,}", "   ", line) for line in said.out.splitlines()]
    assert shown == [
        "ID  CLIENT  STATUS   CPUS  LOAD   MEMORY  PLATFORM   HEARD  GROUPS   JOBS",
        " 1  node1   free   8   1.2  16.0 GB  linux-x86_64  4 s ago  slow nodes, GPU",
        " 2  node2   running   8   1.2  16.0 GB  linux-x86_64  4 s ago   10, 11, 12, 13, 14 and 3 more"
        "  upgrading; needs upgrade",
        " 3  node3   disabled   8   1.2  16.0 GB  linux-x86_64  4 s ago",
        " 4  node4   unavailable   8   1.2   linux-x86_64   never   has been silent for 70 s",
    ]
    assert [client["id"] for client in hq("clients", "--json").json] == [1, 2, 3, 4]


def test_a_farm_without_clients_says_how_to_start_one(hq: Hq) -> None:
    said = hq("clients")
    assert (said.out, said.err) == ("", "hq: no clients; start one with: hqclient --server http://toy:5000\n")


def test_call_takes_json_or_plain_text_and_prints_json(hq: Hq) -> None:
    hq.toy.add("a")
    assert hq("call", "getServerTime").json == "2026-11-21T04:00:00Z"
    assert hq("call", "getJob", "1", '["name"]').json == {"id": 1, "name": "a"}
    hq("call", "addNote", "plain text", "null", "1", "null")
    assert hq.toy.notes == [("plain text", None, 1, None)]


def test_call_says_what_the_server_says(hq: Hq) -> None:
    assert hq("call", "getJob", "99") == Said(3, "", "hq: no job 99\n")


def test_call_refuses_json_that_is_none(hq: Hq) -> None:
    said = hq("call", "getJobs", "[1, 2")
    assert (said.code, hq.toy.calls) == (Exit.USAGE, [])
    assert "not JSON: [1, 2" in said.err


def test_errors_are_a_table_and_older_ones_are_counted(hq: Hq) -> None:
    hq.toy.errors = [{"time": NOW, "source": "beats", "message": f"disk\x9b {n}"} for n in range(3)]
    said = hq("errors")
    assert re.fullmatch(r"TIME +SOURCE\n(\S+ \S+  beats   disk\\x9b \d\n){2}", said.out), said.out
    assert said.err == "hq: of 3 errors these are the newest\n"
    assert hq("errors", "--json").json["errors"][0]["time"] == "2026-11-21T04:00:00Z"


def test_methods_are_listed_found_and_explained(hq: Hq) -> None:
    assert "getVersion" in hq("methods").out.splitlines()
    assert hq("methods", "idsby").out == "getJobIdsByStatus\n"
    assert hq("methods", "getVersion").out == "The server's version.\n"
    assert hq("methods", "--json", "getVersion").json["help"] == "The server's version."
    assert hq("methods", "--json", "idsby").json == ["getJobIdsByStatus"]
    said = hq("methods", "getVersoin")
    assert (said.code, said.err) == (
        3,
        "hq: the server has no method 'getVersoin'; did you mean 'getVersion'?\n",
    )


def test_methods_stand_in_columns_that_fit(hq: Hq) -> None:
    hq.width = 60
    lines = hq("methods").out.splitlines()
    assert 1 < len(lines) < len(hq("methods", "--json").json)
    assert max(map(len, lines)) <= 60


def test_version_names_both_sides(hq: Hq) -> None:
    assert re.fullmatch(r"hq \d+\.\d+\.\d+, server 9\.8\.7 at http://toy:5000\n", hq("version").out)
    assert hq("version", "--json").json["server"] == "9.8.7"


def test_general_options_stand_before_or_after_the_command(hq: Hq) -> None:
    for argv in (["--server", "a:1", "--json", "list"], ["list", "--server", "a:1", "--json"]):
        assert hq(*argv).json == []
    assert hq.urls == ["a:1", "a:1"]


@pytest.mark.parametrize(
    "argv",
    [
        *([], ["dance"], ["show"], ["show", "x"], ["show", "0"], ["wait"], ["wait", "--timeout", "soon", "1"]),
        *(["list", "--limit", "-1"], ["output", "1", "--tail", "0"], ["submit", "--env", "A", "true"]),
        *(["submit", "--wait", "--follow", "true"], ["submit", "--follow", "--json", "true"]),
        *(["group"], ["note"], ["config"], ["describe", "node1"], ["available"], ["folder", "set"], ["enable"]),
        *(["notes", "1", "--thread", "2"], ["permit"], ["resource", "set", "db"]),
        *(["wait", "--timeout", "nan", "1"], ["submit", "--env", "=x", "true"], ["list", "--stat", "failed"]),
    ],
)
def test_a_wrong_command_line_is_one_sentence_and_exit_code_2(hq: Hq, argv: list[str]) -> None:
    said = hq(*argv)
    assert (said.code, said.out, said.err.count("\n")) == (Exit.USAGE, "", 1)
    assert said.err.startswith("hq: ")
    assert hq.toy.calls == []


def test_a_lost_answer_ends_with_4(hq: Hq) -> None:
    hq.troubles.append(TimeoutError())
    sentence = "hq: http://toy:5000 did not answer getVersion within 30 seconds\n"
    assert hq("version") == Said(4, "", sentence)


def test_help_documents_every_command_and_every_exit_code() -> None:
    text = build_parser().format_help()
    for code in Exit:
        assert f"{int(code):3}  {MEANINGS[code]}" in text
    headings = [line.rstrip(":") for line in text.splitlines() if line in ("Jobs:", "Clients:", "Farm:")]
    assert headings == ["Jobs", "Clients", "Farm"]
    commands = _commands(build_parser())
    assert len(commands) > 30
    for name in commands - {"reschedule"}:  # an alias, told in the line of `retry`
        assert re.search(rf"^  {name} +\S", text, re.MULTILINE), name


def test_the_readme_names_every_command() -> None:
    readme = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
    for name in _commands(build_parser()):
        assert re.search(rf"\bhq {name}\b", readme), name


def test_every_command_and_action_answers_help(hq: Hq, capsys: pytest.CaptureFixture[str]) -> None:
    parser = build_parser()
    for name in _commands(parser):
        assert hq(name, "--help").code == Exit.OK
    for words in (["group", "create"], ["resource", "set"], ["folder", "delete"]):
        assert hq(*words, "--help").code == Exit.OK
    assert "Create a group, with clients or without." in capsys.readouterr().out
    assert hq.toy.calls == []


def _commands(parser: Parser) -> set[str]:
    """The words that may follow `hq`, aliases included."""
    (found,) = (action.choices for action in parser._actions if action.metavar == "COMMAND")
    assert found is not None
    return set(found)


@pytest.mark.parametrize(
    ("argv", "sentence"),
    [
        (["pauze", "1"], "no command is called 'pauze'; did you mean 'pause'? (hq --help tells more)"),
        (["group", "creat"], "no action is called 'creat'; did you mean 'create'? (hq group --help tells more)"),
    ],
)
def test_a_misspelt_command_is_answered_with_the_near_one(hq: Hq, argv: list[str], sentence: str) -> None:
    assert hq(*argv) == Said(2, "", f"hq: {sentence}\n")


def _program(*argv: str, stdout: int = subprocess.PIPE) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "hqclient.cli.main", *argv],
        stdout=stdout,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_the_program_tells_that_no_farm_answers() -> None:
    with _program("--server", "http://127.0.0.1:1", "list") as program:
        out, err = program.communicate(timeout=30)
    assert (program.returncode, out) == (Exit.UNREACHABLE, "")
    assert err == "hq: no farm answers at http://127.0.0.1:1: connection refused\n"


def test_the_program_refuses_a_server_that_is_no_address() -> None:
    with _program("--server", "ftp://x", "list") as program:
        _, err = program.communicate(timeout=30)
    assert program.returncode == Exit.USAGE
    assert err.startswith("hq: server address 'ftp://x' cannot be used")


def test_the_program_ends_silently_when_its_reader_has_gone() -> None:
    with _program("--help") as program:
        assert program.stdout is not None
        program.stdout.close()
        assert program.stderr is not None
        assert (program.stderr.read(), program.wait(timeout=30)) == ("", 0)
