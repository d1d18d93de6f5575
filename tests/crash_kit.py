"""A caller that repeats what it got no answer to, and what must be true of the farm afterwards (PROMISES 7)."""

from __future__ import annotations

import http.client
import itertools
import subprocess
import time
import xmlrpc.client
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from live_farm import BIN, LiveFarm, Program

PATIENCE_SECONDS = 50.0
_NUMBERS = itertools.count(1)


class Unanswered(Exception):
    """The connection ended, or could not be made, before there was an answer."""


def post(url: str, *bodies: bytes) -> Any:
    """Requests over one connection and the first's result, without the repetition that Python's own proxy does."""
    address = urlsplit(url)
    connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=20)
    answers = []
    try:
        for body in bodies:
            connection.request("POST", "/", body, {"Content-Type": "text/xml"})
            response = connection.getresponse()
            answers.append(response.read())
            assert response.status == 200, answers
    except (OSError, http.client.HTTPException) as problem:
        raise Unanswered from problem
    finally:
        connection.close()
    (result,), _ = xmlrpc.client.loads(answers[0], use_builtin_types=True)
    return result


def call_body(method: str, *params: Any) -> bytes:
    return xmlrpc.client.dumps(params, method, allow_none=True).encode()


def root_ids(farm: LiveFarm) -> list[int]:
    """Ids of all jobs without parents, in the order of their submission."""
    return sorted([*farm.call("getFinishedRootJobIds"), *farm.call("getUnfinishedRootJobIds")])


@dataclass
class Submitter:
    """Submits jobs with names of their own, each until it is answered, and remembers what it was told."""

    url: str
    acknowledged: dict[str, list[int]] = field(default_factory=dict)

    def submit(self, *, key: bool = False, restart: Callable[[], object] = lambda: None, **specification: Any) -> int:
        """Submit one job, the same bytes again and again; `restart` is called where there was no answer."""
        name = f"wish {next(_NUMBERS)}"
        wish = {"name": name, **specification, **({"submitKey": name} if key else {})}
        body, deadline = call_body("newjob", wish), time.monotonic() + PATIENCE_SECONDS
        while True:
            try:
                self.acknowledged[name] = post(self.url, body)
                return self.acknowledged[name][0]
            except Unanswered:
                assert time.monotonic() < deadline, "never answered"
                restart()
                time.sleep(0.02)

    def check(self, farm: LiveFarm) -> None:
        """I1 and I8: every job that was acknowledged is there under its id, once, and there are no others."""
        found = {job["id"]: job["name"] for job in farm.call("getJobs", root_ids(farm), ["name"])}
        for name, ids in self.acknowledged.items():
            assert [found.get(each) for each in ids] == [name], f"{name} was acknowledged as {ids}"
        doubled = {name: count for name, count in Counter(found.values()).items() if count > 1}
        assert not doubled
        assert set(found.values()) == set(self.acknowledged)


def hqserver(farm: LiveFarm, *words: str, env: dict[str, str] | None = None) -> tuple[int, str]:
    """Run a command of `hqserver` on the farm's data; its exit status and what it said."""
    program = Program([str(BIN / "hqserver"), *words, "--data", str(farm.folder / "server")], env)
    try:
        status = program.process.wait(60)
    except subprocess.TimeoutExpired:
        status = program.end(9)
    program.end()
    return status, "\n".join(program.lines)


def check_database(farm: LiveFarm) -> None:
    """I9: nothing is damaged, and every counter is what a recount gives. The server checks the file at its start."""
    status, said = hqserver(farm, "audit")
    assert status == 0, said
    assert said.endswith(", 0 differences")
