"""The server itself: is it there, which version, what time, how it is configured, what went wrong."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from hqserver.domain.version import VERSION
from hqserver.rpc.method import Id, rpc
from hqserver.services.events import errors
from hqserver.services.farm import Farm


class Server:
    """The server itself, and the errors of the farm."""

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

    @rpc("getConfig", since="12")
    def get_config(self, key: str) -> str | None:
        """What the server's configuration file says for `key`, as text.

        None when the key is not in the file, though it may have a default, and for secrets. The key may be spelled as
        in the file or otherwise: `hqserver.activeTimeout`, `activeTimeout` and `active_timeout` are one.
        """
        return self._farm.settings.get(key.strip())

    @rpc("getServerErrors", since="17")
    def get_server_errors(self) -> dict[str, Any]:
        """Errors of the server: `{total, errors}`, or an empty dictionary when there are none.

        `total` says how many are kept, at most 1,000. `errors` holds the newest 100, newest first: `{time, source,
        message}`, the source being the part of the server where it happened.
        """
        return errors.server_errors(self._farm)

    @rpc("getClientErrors", since="17")
    def get_client_errors(self, client_id: Id) -> dict[str, Any]:
        """Errors of one client, as getServerErrors answers them; the source is the client's label.

        At most 200 are kept of each client. Fault 404 for a client that does not exist.
        """
        return errors.client_errors(self._farm, client_id)
