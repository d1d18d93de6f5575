"""From the bytes of a request to the bytes of its answer, over the standard library's dispatcher."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextvars import ContextVar
from functools import partial
from itertools import product
from typing import Any, ClassVar
from xmlrpc.server import SimpleXMLRPCDispatcher

from hqserver.domain.errors import NotFound, TooLarge, near_match
from hqserver.spool import Spool, Spooled

from .answer import AnswerWriter
from .faults import InvalidRequest, UnknownMethod, fault_of
from .kinds import every_type
from .method import Caller, Method, Registry, rpc
from .parse import DEFAULT_LIMITS, Limits, parse
from .wire import marshalled, to_wire, write_to_wire

MOST_INNER_CALLS = 1000
"""Calls in one `system.multicall` (PROMISES 6.1)."""

LARGEST_MULTICALL_ANSWER = 4 * 1024 * 1024
"""Characters that the answers of one `system.multicall` may have together."""

_LARGEST_TEXT = f"{LARGEST_MULTICALL_ANSWER // 1024**2} MB"
_MULTICALL = "system.multicall"
_CAPABILITIES = {
    "xmlrpc": ("http://www.xmlrpc.com/spec", 1),
    "faults_interop": ("http://xmlrpc-epi.sourceforge.net/specs/rfc.fault_codes.php", 20010516),
    "introspection": ("http://xmlrpc-c.sourceforge.net/introspection.html", 1),
    "system.multicall": ("http://www.xmlrpc.com/discuss/msgReader$1208", 1),
    "nil": ("http://www.ontosys.com/xml-rpc/extensions.php", 20010518),
}

_LOCAL = Caller()
_caller: ContextVar[Caller] = ContextVar("caller", default=_LOCAL)


class Dispatcher(SimpleXMLRPCDispatcher):
    """What the server says about its methods, and several calls in one request."""

    subject: ClassVar[str] = "System"

    def __init__(self, methods: Registry, limits: Limits = DEFAULT_LIMITS, spool: Spool | None = None) -> None:
        """Serve these methods and `system.*`; large answers are written into `spool`.

        Raises `TypeError` where one of the methods has a dotted name.
        """
        super().__init__(allow_none=True, encoding="utf-8", use_builtin_types=True)
        self.limits = limits
        self._spool = spool
        for name in methods.names(internal=True):
            if "." in name:
                raise TypeError(f"{name!r}: names with a dot belong to system.*")
        self.registry = methods + Registry.from_surfaces([self])
        for name in self.registry.names(internal=True):
            method = self.registry.find(name)
            if method:
                self.funcs[name] = partial(_call, method)

    def handle(self, body: bytes | Spooled, caller: Caller) -> bytes | Spooled:
        """The answer to one request, whatever it holds: a value or a fault, never an exception."""
        token = _caller.set(caller)
        try:
            return self._answer(body, self._dispatch, self._spool)
        finally:
            _caller.reset(token)

    def _marshaled_dispatch(  # type: ignore[override]  # typeshed says str, the library gives bytes
        self,
        data: bytes | str,
        dispatch_method: Callable[[str, tuple[Any, ...]], Any] | None = None,
        path: Any = None,
    ) -> bytes:
        """The standard library's entry point."""
        body = data.encode() if isinstance(data, str) else data
        answer = self._answer(body, dispatch_method or self._dispatch, None)
        assert isinstance(answer, bytes)  # without a spool
        return answer

    def _answer(
        self, body: bytes | Spooled, dispatch: Callable[[str, tuple[Any, ...]], Any], spool: Spool | None
    ) -> bytes | Spooled:
        """Parse within limits, call, marshal."""
        caller = _caller.get()
        writer = AnswerWriter(spool)
        name = "the request"
        try:
            name, params = parse(body, self.limits)
            value = dispatch(name, tuple(params))
            del params  # they may be large, as the answer may be
            writer.must_fit = caller.attempt is not None and caller.attempt.matters
            write_to_wire(value, writer.write, nonil=caller.nonil)
            return writer.take()
        except Exception as problem:
            writer.drop()
            return to_wire(fault_of(problem, name), nonil=caller.nonil)

    def _dispatch(self, method: str, params: Iterable[Any]) -> Any:
        if method not in self.funcs:
            raise UnknownMethod(f"no method {method!r}{near_match(method, self.registry.names())}")
        return super()._dispatch(method, tuple(params))

    def _method(self, name: str) -> Method:
        method = self.registry.find(name)
        if method is None:
            raise NotFound(f"no method {name!r}{near_match(name, self.registry.names())}")
        return method

    @rpc("system.listMethods")
    def system_listMethods(self) -> list[str]:  # noqa: N802  # the standard library's name
        """The names of all methods, sorted, aliases included."""
        return self.registry.names()

    @rpc("system.methodHelp")
    def system_methodHelp(self, method_name: str) -> str:  # noqa: N802
        """What the method does, with its usage in the first line. Fault 404 for an unknown method."""
        method = self._method(method_name)
        deprecated = f"\n\nDeprecated: use {method.deprecated}." if method.deprecated else ""
        return f"{method.usage} -> {method.result}\n\n{method.doc}{deprecated}"

    @rpc("system.methodSignature")
    def system_methodSignature(self, method_name: str) -> list[list[str]]:  # type: ignore[override]  # noqa: N802
        """The method's signatures: result type, parameter types. One for each number of parameters it takes, and
        for each type where a parameter takes one of several.

        Fault 404 for an unknown method.
        """
        method = self._method(method_name)
        types = [parameter.kind.types for parameter in method.parameters]
        required = sum(parameter.required for parameter in method.parameters)
        return [
            list(signature)
            for count in range(required, len(types) + 1)
            for signature in product(every_type(method.result), *types[:count])
        ]

    @rpc("system.getCapabilities")
    def system_get_capabilities(self) -> dict[str, dict[str, str | int]]:
        """The specifications the server follows: name -> `{specUrl, specVersion}`."""
        return {name: {"specUrl": url, "specVersion": version} for name, (url, version) in _CAPABILITIES.items()}

    @rpc(_MULTICALL)
    def system_multicall(self, calls: list[dict[str, Any]]) -> list[Any]:
        """Several calls in one request: `[{methodName, params}, ...]`, done in order.

        The answer has for each call a list of its one result, or `{faultCode, faultString}`. At most 1,000
        calls and 4 MB of answers: calls beyond that are not made and get fault 413. A multicall within another
        is refused.
        """
        if len(calls) > MOST_INNER_CALLS:
            raise TooLarge(f"{len(calls)} calls in one {_MULTICALL}; at most {MOST_INNER_CALLS} are taken")
        nonil = _caller.get().nonil
        room = LARGEST_MULTICALL_ANSWER
        answers: list[str] = []
        for call in calls:
            try:
                if room <= 0:
                    raise TooLarge(f"not called: the answers before it fill {_LARGEST_TEXT}")
                value = self._inner(call)
                try:
                    answer = marshalled([value], nonil=nonil, limit=room)
                except TooLarge:
                    room = 0
                    raise TooLarge(f"called, but its answer does not fit into {_LARGEST_TEXT}") from None
            except Exception as problem:
                fault = fault_of(problem, f"{_MULTICALL} of {str(call.get('methodName'))[:100]!r}")
                answer = marshalled({"faultCode": fault.faultCode, "faultString": fault.faultString})
            room -= len(answer)
            answers.append(answer)
        return answers

    def _inner(self, call: dict[str, Any]) -> Any:
        name, params = call.get("methodName"), call.get("params", [])
        if not isinstance(name, str) or len(name) > 255 or not isinstance(params, list):
            raise InvalidRequest("each call is a struct of methodName (a name) and params (an array)")
        if name == _MULTICALL:
            raise InvalidRequest(f"{_MULTICALL} cannot be called within {_MULTICALL}")
        return self._dispatch(name, params)


def _call(method: Method, *params: object) -> Any:
    caller = _caller.get()
    if method.idempotent or caller.attempt is None:
        return method.call(params, caller)
    with caller.attempt.once():
        return method.call(params, caller)
