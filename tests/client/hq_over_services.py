"""`hq` run in this process over the farm's real methods: the real XML both ways, without a socket."""

from __future__ import annotations

import io
import xmlrpc.client
from typing import Any

from hq_over_toys import Said

from hqclient.cli.main import run
from hqclient.cli.screen import Screen
from hqclient.connection import Connection
from hqclient.farm import Farm
from hqserver.app import surfaces
from hqserver.rpc.dispatch import Dispatcher
from hqserver.rpc.method import Caller
from hqserver.services.farm import Farm as Services


class ServicesTransport(xmlrpc.client.Transport):
    """Hands requests to the server's dispatcher and remembers what was called."""

    def __init__(self, services: Services) -> None:
        super().__init__(use_builtin_types=True)
        self.registry = surfaces(services)
        self.calls: list[str] = []
        self._dispatcher = Dispatcher(self.registry)

    def request(self, host: Any, handler: str, request_body: Any, verbose: bool = False) -> Any:
        self.verbose = verbose
        self.calls.append(str(xmlrpc.client.loads(request_body)[1]))
        return self.parse_response(io.BytesIO(self._dispatcher.handle(request_body, Caller())))  # type: ignore[arg-type]


class ServicesHq:
    """`hq` over these services; `farm` is the Python API over them."""

    def __init__(self, services: Services) -> None:
        self.services = services
        self.transport = ServicesTransport(services)
        self.farm = Farm(connection=Connection("http://farm:5000", transport=self.transport))

    def __call__(self, *argv: str) -> Said:
        out, err = io.StringIO(), io.StringIO()
        code = run(argv, Screen(out, err), lambda _: self.farm)
        return Said(code, out.getvalue(), err.getvalue())
