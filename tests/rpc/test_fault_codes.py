"""9.1: the code of every fault the server gives, and a sentence that names the value, its place and what is near."""

from __future__ import annotations

import re
import xmlrpc.client
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xmlrpc.client import Fault

import pytest
from farm_kit import Asked, SetClock, open_farm
from rpc_kit import proxy_to, refused

from hqserver.app import surfaces
from hqserver.domain.errors import FarmError
from hqserver.rpc.dispatch import Dispatcher
from hqserver.rpc.kinds import MOST_IDS
from hqserver.rpc.method import Caller, Registry
from hqserver.rpc.reference import reference
from hqserver.services.farm import Farm, Policy

PROTOCOL = {-32700, -32701, -32600, -32601, -32602, -32603}
FARM = {400, 401, 403, 404, 409, 413, 429, 503, 507}


def kinds_of(error: type[FarmError]) -> Iterator[type[FarmError]]:
    for kind in error.__subclasses__():
        yield kind
        yield from kinds_of(kind)


def test_every_error_has_a_code_of_the_contract_that_the_reference_explains() -> None:
    """9.1"""
    explained = reference(Registry([]))
    for kind in kinds_of(FarmError):
        if kind.__module__.startswith("hqserver."):
            assert kind.code in PROTOCOL | FARM, kind
            assert re.search(rf"^\|.*(?<!\d){kind.code}(?!\d).*\|.*\|$", explained, re.MULTILINE), kind


@pytest.mark.parametrize(
    ("body", "code", "words"),
    [
        (b"<methodCall>\n<methodName>ping</methodCall>", -32700, "mismatched tag, line 2, column 19"),
        (b"<?xml version='1.0' encoding='ebcdic'?><methodCall/>", -32701, "'ebcdic'"),
        (b"<methodResponse/>", -32600, "<methodResponse> cannot stand where <methodCall> is expected"),
    ],
)
def test_a_body_that_is_no_call_is_told_what_is_wrong_and_where(
    registry: Registry, body: bytes, code: int, words: str
) -> None:
    """9.1"""
    with pytest.raises(Fault) as caught:
        xmlrpc.client.loads(Dispatcher(registry).handle(body, Caller()))
    assert caught.value.faultCode == code
    assert words in caught.value.faultString


@pytest.mark.parametrize(
    ("method", "params", "code", "words"),
    [
        ("getJobss", [], -32601, "no method 'getJobss'; did you mean 'getJobs'?"),
        ("getJob", [], -32602, "0 parameters given; the call is getJob(job_id, attribs=None)"),
        ("getJob", ["five"], -32602, "getJob: job_id must be an id (a whole number), not 'five'"),
        ("getJobs", [[1, "five"]], -32602, "getJobs: job_ids[1] must be an id (a whole number), not 'five'"),
        ("getJobIdsByStatus", [["fialed"]], -32602, "did you mean 'failed'?"),
        ("newjob", [{"name": "a", "children": [{"name": "b", "priority": "high"}]}], 400, "children[0].priority"),
        ("newjob", ['{"name": '], 400, "JSON"),
        ("getJob", [999], 404, "there is no job 999"),
        ("getJobOutput", ["999"], 404, "there is no job 999"),
        ("newjob", [{"name": "a"}, 999], 404, "999"),
        ("getJobs", [[1] * (MOST_IDS + 1)], 413, f"{MOST_IDS + 1} ids in one call"),
    ],
)
def test_a_bad_call_is_told_the_value_and_its_place(
    hq: Any, method: str, params: list[Any], code: int, words: str
) -> None:
    """9.1"""
    fault = refused(getattr(hq, method), *params)
    assert fault.faultCode == code
    assert words in fault.faultString
    assert "\n" not in fault.faultString


def test_what_the_status_does_not_allow_is_told_with_the_status(hq: Any) -> None:
    """9.1: 409."""
    (done,) = hq.newjob({"name": "done"})
    fault = refused(hq.newjob, {"name": "late"}, done)
    assert fault.faultCode == 409
    assert f"job {done} is succeeded" in fault.faultString


@pytest.fixture
def lost_farm(tmp_path: Path, clock: SetClock, asked: Asked, policy: Policy) -> Iterator[Farm]:
    """A farm that need not be whole at the end."""
    (tmp_path / "lost").mkdir()
    found = open_farm(tmp_path / "lost", clock, asked, policy)
    yield found
    found.database.close()


def test_a_server_that_shuts_down_says_so(lost_farm: Farm) -> None:
    """9.1: 503."""
    lost_farm.database.close()
    fault = refused(proxy_to(surfaces(lost_farm)).newjob, {"name": "late"})
    assert (fault.faultCode, fault.faultString) == (503, "the server is shutting down")


def test_a_full_disk_is_told_and_nothing_is_stored(lost_farm: Farm) -> None:
    """9.1: 507."""
    hq = proxy_to(surfaces(lost_farm))
    pages = lost_farm.database._writer.execute("PRAGMA page_count").fetchone()[0]
    lost_farm.database._writer.execute(f"PRAGMA max_page_count = {pages + 3}")
    fault = refused(hq.newjob, {"name": "large", "description": "x" * 100_000})
    assert (fault.faultCode, fault.faultString) == (507, "the server's disk is full; nothing was stored")
    assert hq.getUnfinishedRootJobIds() == hq.getFinishedRootJobIds() == []
