"""Socket options: peers that lost their power are noticed in a minute, not in two hours (PROMISES 3)."""

from __future__ import annotations

import socket

KEEPALIVE_IDLE_SECONDS, KEEPALIVE_INTERVAL_SECONDS, KEEPALIVE_PROBES = 30, 10, 3
UNACKNOWLEDGED_SECONDS = 60
"""How long sent bytes may wait for the peer's acknowledgement."""

_WANTED = (
    (socket.SOL_SOCKET, "SO_KEEPALIVE", 1),
    (socket.IPPROTO_TCP, "TCP_NODELAY", 1),
    (socket.IPPROTO_TCP, "TCP_KEEPIDLE", KEEPALIVE_IDLE_SECONDS),
    (socket.IPPROTO_TCP, "TCP_KEEPINTVL", KEEPALIVE_INTERVAL_SECONDS),
    (socket.IPPROTO_TCP, "TCP_KEEPCNT", KEEPALIVE_PROBES),
    (socket.IPPROTO_TCP, "TCP_USER_TIMEOUT", UNACKNOWLEDGED_SECONDS * 1000),
)
_OPTIONS = tuple((level, getattr(socket, name), value) for level, name, value in _WANTED if hasattr(socket, name))


def tune(connection: socket.socket) -> None:
    """Set what this platform has of keepalive, user time-out and immediate sending."""
    for level, option, value in _OPTIONS:
        try:
            connection.setsockopt(level, option, value)
        except OSError:
            return  # the peer is gone already, or this is no TCP socket


def most_connections(wanted: int) -> int:
    """`wanted`, or fewer where the process may not open so many files: accepting beyond that only fails."""
    try:
        import resource
    except ImportError:  # Windows has no such limit
        return wanted
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return wanted if soft == resource.RLIM_INFINITY else max(16, min(wanted, soft - 128))
