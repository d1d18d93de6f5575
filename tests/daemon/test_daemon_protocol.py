from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from run_kit import an_order

from hqclient.daemon.limits import Limits
from hqclient.daemon.protocol import (
    BadOrder,
    EndOrder,
    KillOrder,
    Log,
    PauseOrder,
    ProtocolError,
    RestartOrder,
    ResumeOrder,
    StartOrder,
    UpgradeOrder,
    read_answer,
    read_registration,
    read_start_order,
)
from hqserver.domain.run import Stream

RUN, SHA = "0123456789abcdef" * 2, "0123456789abcdef" * 4


def test_a_start_order_is_read_and_written_the_same() -> None:
    limits = {"maxTime": 2.5, "minTime": 0.5, "maxSilence": 60.0, "maxMemory": 2.0**22, "lease": 30.0}
    failures = [{"pattern": "^ERROR", "action": "fatal"}, {"pattern": "no licence", "action": "licence"}]
    order = an_order("echo hello", cpus=4, progressPatterns=["(.*)%"], hook="onSuccess", **limits)
    order["failurePatterns"] = failures
    read = read_start_order(order)
    assert read.as_struct(read.environment) == order


def test_an_answer_is_read() -> None:
    start = an_order()
    answer = read_answer(
        {
            "interval": 5.0,
            "orders": [start, {"kind": "kill", "run": RUN, "reason": "cancelled"}, {"kind": "dance", "run": RUN}],
            "results": {"a": "applied", "b": "superseded", "c": "unknown", "d": "perhaps"},
            "output": {RUN: 2.0**40},
            "stderr": {RUN: 7},
        }
    )
    assert answer.orders == (read_start_order(start), KillOrder(RUN, "cancelled"))
    assert answer.verdicts == {"a": "applied", "b": "superseded", "c": "unknown"}
    assert answer.offsets == {Log(RUN): 2**40, Log(RUN, Stream.STDERR): 7}
    assert answer.knows_stderr


def test_an_answer_without_a_word_of_stderr_is_that_of_a_server_that_does_not_know_it() -> None:
    assert not read_answer({"interval": 5.0, "output": {RUN: 3}}).knows_stderr


def test_a_start_order_need_not_name_a_limit_or_a_hook() -> None:
    left_out = ("maxTime", "minTime", "maxSilence", "maxMemory", "lease", "failurePatterns", "hook", "splitOutput")
    order = read_start_order({key: value for key, value in an_order().items() if key not in left_out})
    assert (order.limits, order.failure_patterns, order.hook, order.split_output) == (Limits(), (), "", False)


def test_orders_for_runs_and_for_the_client_itself_are_read() -> None:
    path = f"/client/{SHA}.zip"
    answer = read_answer(
        {
            "interval": 1,
            "orders": [
                {"kind": "pause", "run": RUN},
                {"kind": "resume", "run": RUN},
                {"kind": "upgrade", "version": SHA, "path": path},
                {"kind": "restart"},
                {"kind": "end", "reason": "removed by ann"},
            ],
        }
    )
    assert answer.orders == (
        PauseOrder(RUN),
        ResumeOrder(RUN),
        UpgradeOrder(SHA, path),
        RestartOrder(),
        EndOrder("removed by ann"),
    )


@pytest.mark.parametrize("order", [{"kind": "dance"}, {"kind": "dance", "run": 7}, {"kind": 7}, {}])
def test_an_order_of_another_kind_is_left_out_with_or_without_a_run(order: dict[str, object]) -> None:
    assert read_answer({"interval": 1, "orders": [order, {"kind": "restart"}]}).orders == (RestartOrder(),)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"version": "abc"}, "version: must be 64 hex digits"),
        ({"version": None}, "version: must be of type str"),
        ({"path": "https://elsewhere/x.zip"}, "path: must be a path on the server"),
        ({"path": "//elsewhere/x.zip"}, "path: must be a path on the server"),
        ({"path": "/client/../../x.zip"}, "path: must be a path on the server"),
        ({"path": "/client/x.zip?y"}, "path: must be a path on the server"),
    ],
)
def test_an_upgrade_that_is_none_spoils_the_answer(fields: dict[str, object], words: str) -> None:
    order = {"kind": "upgrade", "version": SHA, "path": "/client/x.zip", **fields}
    with pytest.raises(ProtocolError, match=words):
        read_answer({"interval": 1, "orders": [order]})


def test_an_answer_may_leave_out_what_is_empty() -> None:
    assert read_answer({"interval": 1}).orders == ()


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"environment": {"A=B": "c"}}, "'A=B' cannot be an environment variable"),
        ({"environment": {"A": 1}}, "'A' cannot be an environment variable"),
        ({"command": "a\0b"}, "command: has a NUL"),
        ({"command": None}, "command: must be of type str"),
        ({"cpus": -1}, "cpus: must be a number, 0 or more"),
        ({"cpus": True}, "cpus: must be a number"),
        ({"logLimit": 1.5}, "logLimit: must be a whole number"),
        ({"killGrace": float("nan")}, "killGrace: must be a number"),
        ({"maxTime": -1.0}, "maxTime: must be a number, 0 or more"),
        ({"maxTime": "5"}, "maxTime: must be a number"),
        ({"minTime": -1}, "minTime: must be a number, 0 or more"),
        ({"lease": float("inf")}, "lease: must be a number"),
        ({"failurePatterns": ["x"]}, "failurePatterns: must be a struct"),
        ({"failurePatterns": [{"pattern": "x", "action": "panic"}]}, "failurePatterns: the action must be one of"),
        ({"failurePatterns": [{"action": "fatal"}]}, "pattern: must be of type str"),
        ({"hook": 1}, "hook: must be of type str"),
    ],
)
def test_a_start_order_that_cannot_be_carried_out_is_refused_alone(fields: dict[str, Any], words: str) -> None:
    bad, good = an_order(**fields), an_order()
    answer = read_answer({"interval": 1, "orders": [bad, good]})
    assert isinstance(answer.orders[0], BadOrder)
    assert words in answer.orders[0].reason
    assert isinstance(answer.orders[1], StartOrder)


@pytest.mark.parametrize("run", ["", "x" * 32, "../" * 11, RUN.upper(), RUN + "\n", 7, None])
def test_a_run_id_that_is_none_spoils_the_answer(run: object) -> None:
    for kind in ("start", "kill", "pause", "resume"):
        with pytest.raises(ProtocolError, match="must be 32 hex digits"):
            read_answer({"interval": 1, "orders": [{"kind": kind, "run": run}]})
    with pytest.raises(ProtocolError, match="must be 32 hex digits"):
        read_registration({"id": 1, "secret": "", "interval": 1, "stop": [run]})


@pytest.mark.parametrize(("said", "kept"), [(0, 0.05), (1e9, 300.0), (5, 5.0)])
def test_the_interval_is_kept_within_reason(said: float, kept: float) -> None:
    assert read_answer({"interval": said}).interval_seconds == kept


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["interval", "orders", "results", "output", "run", "kind", "id", "version"]),
            inner | st.sampled_from(["start", "kill", "pause", "resume", "upgrade", "restart", "end"]),
            max_size=4,
        )
    ),
    max_leaves=20,
)


@given(_JSON)
def test_garbage_is_an_error_of_ours_or_an_answer(value: object) -> None:
    for read in (read_answer, read_registration, read_start_order):
        try:
            read(value)
        except ProtocolError:
            pass
