"""Calls `ping` five times a second from a process of its own, and writes down how long each took (PROMISES 7, I6).

A line for each: the seconds of the ping, or - where the server was not there, and by how many seconds the pinger itself
was woken too late: on a busy machine everybody waits, and that is not the server's doing.
"""

from __future__ import annotations

import http.client
import subprocess
import sys
import time
from pathlib import Path
from urllib.parse import urlsplit

_EVERY_SECONDS = 0.2
_PATIENCE_SECONDS = 30.0
_BODY = b"<?xml version='1.0'?><methodCall><methodName>ping</methodName><params/></methodCall>"


class Pinger:
    """The process that pings, from now until `close`."""

    def __init__(self, url: str, file: Path) -> None:
        self._file = file
        self._process = subprocess.Popen([sys.executable, __file__, url, str(file)])

    def close(self) -> None:
        """End it."""
        self._process.terminate()
        self._process.wait(_PATIENCE_SECONDS)

    def read(self) -> tuple[list[float], list[float]]:
        """Seconds of the pings that the server was there for, and by how many seconds the pinger was late."""
        lines = [line.split() for line in self._file.read_text("ascii").splitlines() if line.count(" ") == 1]
        return [float(took) for took, _ in lines if took != "-"], [float(late) for _, late in lines]


def _ping(host: str, port: int) -> str:
    """Seconds as text, `-` where there was no server to answer."""
    began = time.monotonic()
    connection = http.client.HTTPConnection(host, port, timeout=_PATIENCE_SECONDS)
    try:
        connection.request("POST", "/", _BODY, {"Content-Type": "text/xml"})
        connection.getresponse().read()
    except TimeoutError:
        pass  # it was there and did not answer
    except (OSError, http.client.HTTPException):
        return "-"  # killed, or not started yet
    finally:
        connection.close()
    return f"{time.monotonic() - began:.6f}"


def main(url: str, file: Path) -> None:
    """Ping until ended."""
    address = urlsplit(url)
    with file.open("a", buffering=1, encoding="ascii") as log:
        while True:
            due = time.monotonic() + _EVERY_SECONDS
            time.sleep(_EVERY_SECONDS)
            late = time.monotonic() - due
            log.write(f"{_ping(address.hostname or '', address.port or 0)} {late:.6f}\n")


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
