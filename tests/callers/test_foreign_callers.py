"""Libraries of other languages, each with a whole conversation over a real socket (CONTRACT 1.1, 9.2)."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from xmlrpc.client import Fault

import pytest
from foreign import LANGUAGES, Caller, Unreadable, started
from live_farm import LiveFarm, wait_until

pytestmark = pytest.mark.callers

PATHS = ("/RPC2", "/", "/RPC2/nonil")
NAME = 'Löwe ☃ 日本 <b>&"quoted"'
SPECIFICATION: dict[str, Any] = {
    "name": NAME,
    "shell": "bash",
    "command": "printf 'a\\033[1mfett\\000\\r\\nüß <&>\\n'; echo \"$GREETING\"",
    "environment": {"GREETING": "grüß dich"},
    "priority": 5,
    "cpus": 1,
    "approved": True,
    "frameRate": 23.976,
    "children": [
        {"name": "first", "command": "true"},
        {"name": "second", "command": "true", "children": [{"name": "third", "command": "true"}]},
    ],
}
OUTPUT = "a\ufffd[1mfett\ufffd\r\nüß <&>\ngrüß dich\n"


@pytest.fixture(params=LANGUAGES)
def caller(
    request: pytest.FixtureRequest, farm_of_callers: LiveFarm, need: Callable[[str], None], tmp_path: Path
) -> Iterator[Caller]:
    language = LANGUAGES[request.param]
    need(language.tool)
    with started(language, tmp_path, farm_of_callers.url) as found:
        yield found


def expected(value: Any, *, nil: bool, one_empty: bool) -> Any:
    """What a library must read of this value: without `nil`, a nil member is left out, another is empty text (9.2)."""
    match value:
        case None if not nil:
            return ""
        case dict() if value or not one_empty:
            kept = {key: item for key, item in value.items() if nil or item is not None}
            return {key: expected(item, nil=nil, one_empty=one_empty) for key, item in kept.items()}
        case dict() | list():
            return [expected(item, nil=nil, one_empty=one_empty) for item in value]
    return value


def test_it_reaches_the_server_on_each_of_its_paths(caller: Caller, farm_of_callers: LiveFarm) -> None:
    for path in PATHS:
        assert caller.call(path, "ping") is True
        assert caller.call(path, "getVersion") == farm_of_callers.call("getVersion")


@pytest.mark.parametrize("path", PATHS)
def test_it_holds_a_whole_conversation(caller: Caller, farm_of_callers: LiveFarm, path: str) -> None:
    """9.2: whoever can read nil on every path, the others on /RPC2/nonil."""
    nil = path != "/RPC2/nonil"
    if nil and not caller.language.nil:
        with pytest.raises(Unreadable, match="nil"):
            caller.call(path, "getClients", "", ["threadId"])
        return

    def python(method: str, *params: Any) -> Any:
        return expected(farm_of_callers.call(method, *params), nil=nil, one_empty=caller.language.one_empty)

    job, *below = caller.call(path, "newjob", SPECIFICATION)
    assert len(below) == 3
    details = caller.call(path, "getJob", job, ["name", "priority", "children", "parents", "queueTime"])
    assert details == python("getJob", job, ["name", "priority", "children", "parents", "queueTime"])
    assert (details["name"], details["children"]) == (NAME, below[:2])
    wait_until(
        lambda: caller.call(path, "getJob", job, ["status"])["status"] == "succeeded",
        what="the job to succeed",
        show=lambda: farm_of_callers.story(job),
    )
    assert caller.call(path, "getJobs", [job, *below], "") == python("getJobs", [job, *below], None)
    output = OUTPUT if caller.language.keeps_cr else OUTPUT.replace("\r\n", "\n")
    assert caller.call(path, "getJobOutput", job) == output
    assert {job, *below} <= set(caller.call(path, "getJobIdsByStatus", ["succeeded"]))
    assert caller.call(path, "addNote", "schöne Grüße", "", job, "") is True
    assert farm_of_callers.job(job, "latestNote") == "schöne Grüße"
    with pytest.raises(Fault) as caught:
        caller.call(path, "getJob", 999_999_999)
    assert caught.value.faultCode == 404
    assert caught.value.faultString.endswith("there is no job 999999999")
    (client,) = caller.call(path, "getClients", "", ["available", "cpus", "groups", "threadId"])
    assert client == python("getClients", None, ["available", "cpus", "groups", "threadId"])[0]
    assert client["available"] is True


def test_none_may_be_sent_as_nil_or_as_empty_text(caller: Caller, farm_of_callers: LiveFarm) -> None:
    """9.2"""
    nothing = None if caller.language.nil else ""
    (job,) = caller.call("/RPC2/nonil", "newjob", {"name": "none"}, nothing, nothing)
    assert caller.call("/RPC2/nonil", "addNote", "a note", nothing, job, nothing) is True
    assert farm_of_callers.job(job, "latestNote") == "a note"
    everything = caller.call("/RPC2/nonil", "getJob", job, nothing)
    assert "status" in everything
    assert "startTime" not in everything


def test_text_that_looks_like_a_number_arrives(caller: Caller, farm_of_callers: LiveFarm) -> None:
    """9.2: Perl's libraries send it as a number."""
    (job,) = caller.call("/RPC2/nonil", "newjob", {"name": "numbers", "properties": {"shot": "1040"}})
    assert farm_of_callers.job(job, "properties") == {"shot": "1040"}
    assert caller.call("/RPC2/nonil", "addNote", "42", "", str(job), "") is True
    assert farm_of_callers.job(job, "latestNote") == "42"


def test_faults_are_read_with_code_and_sentence(caller: Caller) -> None:
    """9.1"""
    calls: list[tuple[str, list[Any], int, str]] = [
        ("getJobz", [], -32601, "getJob"),
        ("ping", [1], -32602, "the call is ping()"),
        ("getJob", ["ü"], -32602, "job_id must be an id"),
        ("newjob", [{"name": "a", "children": [{"name": "b"}, {"name": "c", "priority": "high"}]}], 400, "children[1]"),
    ]
    for method, params, code, words in calls:
        with pytest.raises(Fault) as caught:
            caller.call("/RPC2/nonil", method, *params)
        assert caught.value.faultCode == code
        assert words in caught.value.faultString


@pytest.mark.parametrize("path", ["/RPC2", "/RPC2/nonil"])
@pytest.mark.parametrize(
    ("program", "further", "systems"),
    [("xml-rpc-api2txt", [], True), ("xml-rpc-api2cpp", ["", "HQueue"], False)],
    ids=["text", "c++"],
)
def test_programs_that_read_signatures_describe_every_method(
    farm_of_callers: LiveFarm, need: Callable[[str], None], program: str, further: list[str], systems: bool, path: str
) -> None:
    """One is written in Perl over Frontier, the other in C++ and makes a class of the methods without a dot."""
    need("xmlrpc-api-utils")
    done = subprocess.run([program, farm_of_callers.url + path, *further], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    for name in farm_of_callers.call("system.listMethods"):
        assert f" {name} (" in done.stdout or ("." in name and not systems), name
