"""What runners from outside say of themselves and of the work they did, and what is wrong with what they may not say
(CONTRACT 10, Locks and outside runners)."""

from __future__ import annotations

from typing import Any

import pytest

from hqserver.domain.errors import BadParameters
from hqserver.domain.runner import MOST_CPUS, Finish, Outcome, Runner, parse_finish, parse_runner


@pytest.mark.parametrize(
    ("given", "runner"),
    [
        ("laptop7", Runner("laptop7")),
        ("  ana@laptop 7  ", Runner("ana@laptop 7")),
        ({"name": "laptop7"}, Runner("laptop7", "", MOST_CPUS, 0)),
        (
            {"name": "x", "platform": "linux-x86_64", "cpus": "8", "memory": 16_000_000},
            Runner("x", "linux-x86_64", 8, 16_000_000),
        ),
        ({"name": "big", "memory": 2**40}, Runner("big", memory=2**40)),
        ({"name": "big", "memory": 4e12}, Runner("big", memory=4_000_000_000_000)),
        ({"name": 7, "cpus": MOST_CPUS, "memory": 0}, Runner("7")),
        ({"name": "x", "platform": None, "cpus": None, "memory": None}, Runner("x")),
    ],
)
def test_a_runner_is_a_name_or_a_dictionary(given: Any, runner: Runner) -> None:
    assert parse_runner(given) == runner


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        (None, "runner must be a name or a dictionary, not NoneType"),
        (["x"], "runner must be a name or a dictionary, not list"),
        ("", "the name of a runner must not be blank"),
        (" ", "the name of a runner must not be blank"),
        ({}, "the name of a runner must not be blank"),
        ({"name": None}, "the name of a runner must not be blank"),
        ("a,b", "holds a comma"),
        ("a:b", "'a:b', holds a colon"),
        ("a\nb", "holds a control character"),
        ("x" * 256, "has 256 characters, more than 255"),
        ({"name": ["x"]}, "runner.name must be text"),
        ({"name": "x", "platfrom": "linux"}, "runner: there is no key 'platfrom'; did you mean 'platform'?"),
        ({"name": "x", 5: "linux"}, "runner: there is no key 5"),
        ({"name": "x", "platform": {}}, "runner.platform must be text"),
        ({"name": "x", "cpus": 0}, f"runner.cpus must be from 1 to {MOST_CPUS}"),
        ({"name": "x", "cpus": MOST_CPUS + 1}, f"runner.cpus must be from 1 to {MOST_CPUS}"),
        ({"name": "x", "cpus": "many"}, "runner.cpus must be a whole number"),
        ({"name": "x", "cpus": True}, "runner.cpus must be a whole number"),
        ({"name": "x", "memory": -1}, "runner.memory must be from 0"),
        ({"name": "x", "memory": 1.5}, "runner.memory must be a whole number"),
    ],
    ids=lambda part: str(part)[:40],
)
def test_what_is_no_runner_is_refused_with_its_place(given: Any, sentence: str) -> None:
    with pytest.raises(BadParameters) as caught:
        parse_runner(given)
    assert sentence in str(caught.value)


@pytest.mark.parametrize(
    ("given", "finish"),
    [
        ("succeeded", Finish(Outcome.SUCCEEDED, exit_code=0)),
        (" FAILED ", Finish(Outcome.FAILED, exit_code=1)),
        ({"status": "returned"}, Finish(Outcome.RETURNED)),
        ({"status": "returned", "exitCode": 0}, Finish(Outcome.RETURNED, exit_code=0)),
        ({"status": "returned", "exitCode": 137}, Finish(Outcome.RETURNED, exit_code=137)),
        ({"status": "succeeded", "exitCode": 0}, Finish(Outcome.SUCCEEDED, exit_code=0)),
        ({"status": "failed", "exitCode": "-11"}, Finish(Outcome.FAILED, exit_code=-11)),
        ({"status": "failed", "exitCode": -(2**31)}, Finish(Outcome.FAILED, exit_code=-(2**31))),
        ({"status": "failed", "reason": "no disk", "run": "f" * 32}, Finish(Outcome.FAILED, "f" * 32, 1, "no disk")),
        ({"status": "succeeded", "output": b"\xff\0"}, Finish(Outcome.SUCCEEDED, exit_code=0, output=b"\xff\0")),
        ({"status": "succeeded", "output": "né\n"}, Finish(Outcome.SUCCEEDED, exit_code=0, output="né\n".encode())),
        (
            {"status": "succeeded", "result": {"frames": [1]}},
            Finish(Outcome.SUCCEEDED, exit_code=0, result={"frames": [1]}, has_result=True),
        ),
        ({"status": "succeeded", "result": 0}, Finish(Outcome.SUCCEEDED, exit_code=0, result=0, has_result=True)),
        (
            dict.fromkeys(("run", "exitCode", "reason", "output", "result")) | {"status": "succeeded"},
            Finish(Outcome.SUCCEEDED, exit_code=0),
        ),
    ],
    ids=lambda part: str(part)[:60],
)
def test_an_outcome_is_a_word_or_a_dictionary(given: Any, finish: Finish) -> None:
    assert parse_finish(given) == finish


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        (None, "outcome must be a status or a dictionary, not NoneType"),
        (0, "outcome must be a status or a dictionary, not int"),
        ("", "outcome.status must be one of succeeded, failed, returned, not ''"),
        ("suceeded", "not 'suceeded'; did you mean 'succeeded'?"),
        ("cancelled", "outcome.status must be one of"),
        ({}, "outcome.status must be one of succeeded, failed, returned"),
        ({"status": None}, "outcome.status must be one of"),
        ({"status": ["failed"]}, "outcome.status must be one of"),
        ({"status": "failed", "exitcode": 1}, "outcome: there is no key 'exitcode'; did you mean 'exitCode'?"),
        ({"status": "failed", "exitCode": 0}, "outcome.exitCode 0 is not that of work that failed"),
        ({"status": "succeeded", "exitCode": 3}, "outcome.exitCode 3 is not that of work that succeeded"),
        ({"status": "failed", "exitCode": 2**31}, "outcome.exitCode must be from -2147483648 to 2147483647"),
        ({"status": "failed", "exitCode": "one"}, "outcome.exitCode must be a whole number"),
        ({"status": "failed", "run": ["x"]}, "outcome.run must be text"),
        ({"status": "failed", "reason": "x" * 10_001}, "outcome.reason has 10001 characters, more than 10000"),
        ({"status": "failed", "reason": "a\0"}, "outcome.reason must not hold a NUL character"),
        ({"status": "failed", "output": ["x"]}, "outcome.output must be text"),
        ({"status": "failed", "output": "\ud800"}, "outcome.output must not hold half of a surrogate pair"),
    ],
    ids=lambda part: str(part)[:60],
)
def test_what_is_no_outcome_is_refused_with_its_place(given: Any, sentence: str) -> None:
    with pytest.raises(BadParameters) as caught:
        parse_finish(given)
    assert sentence in str(caught.value)
