"""From the bytes of a request to the bytes of its answer."""

from __future__ import annotations

import logging
import xmlrpc.client
from typing import Any
from xmlrpc.client import Fault
from xmlrpc.server import SimpleXMLRPCDispatcher

import pytest

from hqserver.domain.errors import Conflict, NotFound
from hqserver.rpc.dispatch import Dispatcher
from hqserver.rpc.method import Caller, Id, Registry, rpc


class Toys:
    """Toys."""

    def __init__(self) -> None:
        self.calls = 0

    @rpc("ping", "pong")
    def ping(self) -> bool:
        """Always True."""
        return True

    @rpc("getToy")
    def toy(self, toy_id: Id, size: int = 1) -> dict[str, object]:
        """One toy. Fault 404 for an unknown id."""
        if toy_id > 100:
            raise NotFound(f"no toy {toy_id}")
        return {"id": toy_id, "size": size, "nothing": None}

    @rpc("findToys")
    def toys(self, key: Id | list[str], value: object = None) -> list[int]:
        """The toys that have it."""
        return []

    @rpc("whoami")
    def whoami(self, caller: Caller) -> str:
        """Who calls."""
        return f"{caller.peer} {caller.secret}"

    @rpc("breaks")
    def breaks(self) -> int:
        """Raises what it should not."""
        raise KeyError("/secret/path")

    @rpc("odd")
    def odd(self) -> object:
        """Gives what has no place on the wire."""
        return object()

    @rpc("conflict")
    def conflict(self) -> int:
        """Says no without a word."""
        raise Conflict

    @rpc("text")
    def text(self, length: int) -> str:
        """So many characters."""
        self.calls += 1
        return "x" * length

    @rpc("old", deprecated="getToy", internal=True)
    def old(self) -> None:
        """Nothing."""


@pytest.fixture
def toys() -> Toys:
    return Toys()


@pytest.fixture
def dispatcher(toys: Toys) -> Dispatcher:
    return Dispatcher(Registry.from_surfaces([toys]))


def ask(dispatcher: Dispatcher, name: str, *params: Any, caller: Caller | None = None) -> Any:
    body = xmlrpc.client.dumps(params, name, allow_none=True).encode()
    (result,), _ = xmlrpc.client.loads(dispatcher.handle(body, caller or Caller()), use_builtin_types=True)
    return result


def fault(dispatcher: Dispatcher, name: str, *params: Any) -> tuple[int, str]:
    with pytest.raises(Fault) as caught:
        ask(dispatcher, name, *params)
    return caught.value.faultCode, caught.value.faultString


def test_it_is_the_standard_librarys_dispatcher(dispatcher: Dispatcher) -> None:
    assert isinstance(dispatcher, SimpleXMLRPCDispatcher)
    assert b"<boolean>1</boolean>" in dispatcher._marshaled_dispatch(
        b"<methodCall><methodName>ping</methodName></methodCall>"
    )


def test_a_call_is_answered_under_each_name(dispatcher: Dispatcher) -> None:
    assert ask(dispatcher, "ping") is ask(dispatcher, "pong") is True
    assert ask(dispatcher, "getToy", "7") == {"id": 7, "size": 1, "nothing": None}


def test_a_farm_error_becomes_its_code_and_sentence(dispatcher: Dispatcher) -> None:
    """9.1"""
    assert fault(dispatcher, "getToy", 101) == (404, "no toy 101")


def test_a_farm_error_without_words_is_told_by_its_meaning(dispatcher: Dispatcher) -> None:
    code, sentence = fault(dispatcher, "conflict")
    assert code == 409
    assert sentence.startswith("Not possible in the present status")


def test_an_unknown_method_is_answered_with_the_near_one(dispatcher: Dispatcher) -> None:
    """9.1: -32601, with a suggestion where there is a near match."""
    assert fault(dispatcher, "gettoy") == (-32601, "no method 'gettoy'; did you mean 'getToy'?")
    assert fault(dispatcher, "xyzzy") == (-32601, "no method 'xyzzy'")


@pytest.mark.parametrize("name", ["toys.ping", "ping.__class__", "_dispatch", "system._method", "__init__", "handle"])
def test_only_registered_names_can_be_called(dispatcher: Dispatcher, name: str) -> None:
    assert fault(dispatcher, name)[0] == -32601


def test_wrong_arity_is_told_with_the_usage(dispatcher: Dispatcher) -> None:
    """9.1: -32602. 9.2: a fault, not a guess."""
    assert fault(dispatcher, "ping", 1) == (-32602, "1 parameter given; the call is ping()")


@pytest.mark.parametrize("name", ["breaks", "odd"])
def test_a_mistake_of_ours_is_an_incident_and_nothing_more(
    dispatcher: Dispatcher, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.ERROR):
        code, sentence = fault(dispatcher, name)
    incident = sentence.removeprefix("internal error, incident ")  # 9.1: -32603
    assert code == -32603
    assert len(incident) == 6
    (record,) = caplog.records
    assert f"incident {incident} in {name}" in record.message
    assert record.exc_info is not None


def test_what_cannot_be_read_is_a_fault(dispatcher: Dispatcher) -> None:
    for body, code in [(b"", -32700), (b"<a/>", -32600), (b"<!DOCTYPE a><a/>", -32600)]:
        with pytest.raises(Fault) as caught:
            xmlrpc.client.loads(dispatcher.handle(body, Caller()))
        assert caught.value.faultCode == code


def test_the_caller_reaches_the_method(dispatcher: Dispatcher) -> None:
    assert ask(dispatcher, "whoami", caller=Caller(peer="10.0.0.9", secret="s")) == "10.0.0.9 s"
    assert ask(dispatcher, "whoami") == "127.0.0.1 "


def test_a_caller_without_nil_gets_none(dispatcher: Dispatcher) -> None:
    """9.2"""
    assert ask(dispatcher, "getToy", 1, caller=Caller(nonil=True)) == {"id": 1, "size": 1}
    answer = ask(dispatcher, "system.multicall", [{"methodName": "getToy", "params": [1]}], caller=Caller(nonil=True))
    assert answer == [[{"id": 1, "size": 1}]]


def test_an_answer_beyond_64_mb_names_the_way_out(dispatcher: Dispatcher) -> None:
    """9.1: 413. 9.3: it names findJobs."""
    code, sentence = fault(dispatcher, "text", 65 * 1024 * 1024)
    assert code == 413
    assert "findJobs" in sentence


def test_the_methods_are_listed_with_the_systems_and_without_the_daemons(dispatcher: Dispatcher) -> None:
    names = ask(dispatcher, "system.listMethods")
    assert {"ping", "pong", "getToy", "system.listMethods", "system.multicall"} <= set(names)
    assert names == sorted(names)
    assert "old" not in names


def test_help_is_usage_and_docstring(dispatcher: Dispatcher) -> None:
    text = ask(dispatcher, "system.methodHelp", "getToy")
    assert text == "getToy(toy_id, size=1) -> struct\n\nOne toy. Fault 404 for an unknown id."
    assert "Deprecated: use getToy." in ask(dispatcher, "system.methodHelp", "old")
    assert fault(dispatcher, "system.methodHelp", "gettoy") == (404, "no method 'gettoy'; did you mean 'getToy'?")


def test_there_is_a_signature_for_each_number_of_parameters(dispatcher: Dispatcher) -> None:
    assert ask(dispatcher, "system.methodSignature", "getToy") == [["struct", "int"], ["struct", "int", "int"]]
    assert ask(dispatcher, "system.methodSignature", "ping") == [["boolean"]]


def test_there_is_a_signature_for_each_type_that_a_parameter_takes(dispatcher: Dispatcher) -> None:
    """Tools that generate code from signatures know the types of XML-RPC only: no "any"."""
    signatures = ask(dispatcher, "system.methodSignature", "findToys")
    assert signatures[:2] == [["array", "int"], ["array", "array"]]
    assert len(signatures) == 2 + 2 * 8
    assert {word for signature in signatures for word in signature} == {
        "string", "int", "boolean", "double", "dateTime.iso8601", "base64", "array", "struct",
    }  # fmt: skip


def test_capabilities_name_their_specifications(dispatcher: Dispatcher) -> None:
    assert ask(dispatcher, "system.getCapabilities")["xmlrpc"]["specVersion"] == 1


def test_a_multicall_answers_each_call_by_itself(dispatcher: Dispatcher) -> None:
    answers = ask(
        dispatcher,
        "system.multicall",
        [
            {"methodName": "ping", "params": []},
            {"methodName": "getToy", "params": [101]},
            {"methodName": "nope", "params": []},
            {"methodName": "breaks", "params": []},
            {"methodName": "system.multicall", "params": [[]]},
            {"methodName": 5},
            {},
            {"methodName": "ping"},
        ],
    )
    assert answers[0] == answers[-1] == [True]
    assert [answer["faultCode"] for answer in answers[1:-1]] == [404, -32601, -32603, -32600, -32600, -32600]


def test_pythons_own_multicall_object_works(dispatcher: Dispatcher) -> None:
    class InProcess(xmlrpc.client.Transport):
        def request(self, host: Any, handler: Any, body: Any, verbose: bool = False) -> Any:
            return xmlrpc.client.loads(dispatcher.handle(bytes(body), Caller()))[0]

    with xmlrpc.client.ServerProxy("http://farm", transport=InProcess()) as proxy:
        calls = xmlrpc.client.MultiCall(proxy)
        calls.ping()
        calls.getToy(3)
        assert [answer["id"] if isinstance(answer, dict) else answer for answer in list(calls())] == [True, 3]  # type: ignore[call-overload]


def test_a_multicall_has_a_bound_on_calls(dispatcher: Dispatcher) -> None:
    assert len(ask(dispatcher, "system.multicall", [{"methodName": "ping", "params": []}] * 1000)) == 1000
    assert fault(dispatcher, "system.multicall", [{"methodName": "ping", "params": []}] * 1001)[0] == 413


def test_a_multicall_stops_calling_when_its_answer_is_full(dispatcher: Dispatcher, toys: Toys) -> None:
    answers = ask(dispatcher, "system.multicall", [{"methodName": "text", "params": [1_500_000]}] * 5)
    assert [isinstance(answer, list) for answer in answers] == [True, True, False, False, False]
    assert answers[2]["faultCode"] == answers[4]["faultCode"] == 413
    assert answers[2]["faultString"].startswith("called, but")
    assert answers[4]["faultString"].startswith("not called")
    assert toys.calls == 3


def test_names_with_a_dot_belong_to_the_system() -> None:
    class Surface:
        """Surface."""

        @rpc("a.b")
        def dotted(self) -> int:
            """Dotted."""
            return 1

    with pytest.raises(TypeError, match=r"'a\.b'"):
        Dispatcher(Registry.from_surfaces([Surface()]))
