"""Calling the farm's methods for real, over the real XML and without a socket."""

from __future__ import annotations

from typing import Any
from xmlrpc.client import Fault, ServerProxy, Transport

import pytest

from hqserver.rpc.dispatch import Dispatcher
from hqserver.rpc.method import Caller, Registry


class InProcess(Transport):
    """Hands a request's body to the dispatcher: the whole XML both ways, without a socket."""

    def __init__(self, dispatcher: Dispatcher) -> None:
        super().__init__(use_builtin_types=True)
        self._dispatcher = dispatcher

    def request(self, host: Any, handler: str, request_body: Any, verbose: bool = False) -> Any:
        parser, unmarshaller = self.getparser()
        parser.feed(self._dispatcher.handle(bytes(request_body), Caller()))
        parser.close()
        return unmarshaller.close()


def proxy_to(registry: Registry) -> Any:
    """A `ServerProxy` whose calls go to these methods."""
    return ServerProxy("http://in-process", transport=InProcess(Dispatcher(registry)), allow_none=True)


def refused(call: Any, *params: Any) -> Fault:
    """The fault that a call must end in."""
    with pytest.raises(Fault) as caught:
        call(*params)
    return caught.value
