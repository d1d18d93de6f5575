"""The server itself: is it there, which version, what time."""

from __future__ import annotations

from datetime import UTC, datetime

from hqserver.domain.version import VERSION
from hqserver.rpc.method import rpc
from hqserver.services.farm import Farm


class Server:
    """The server itself."""

    def __init__(self, farm: Farm):
        self._farm = farm

    @rpc("ping", since="12")
    def ping(self) -> bool:
        """True: the server answers. Needs neither the database nor a thread of the pool."""
        return True

    @rpc("getVersion", since="12")
    def get_version(self) -> str:
        """The server's version, MAJOR.MINOR.PATCH."""
        return VERSION

    @rpc("getServerTime", since="12")
    def get_server_time(self) -> datetime:
        """The server's clock, UTC."""
        return datetime.fromtimestamp(self._farm.clock.now(), UTC)
