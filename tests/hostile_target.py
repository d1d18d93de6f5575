"""A real server under fire, and what its answers must never hold (PROMISES P10)."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from live_farm import LiveFarm
from raw_http import Answers, Port, xml

_PYTHON = re.compile(rb"<class|Traceback|\b[A-Z][a-z]+(Error|Exception)\b|\.py\b")


class Target(Port):
    """The server under fire. What its answers must never hold is looked for in each of them."""

    def __init__(self, live: LiveFarm) -> None:
        super().__init__(live.port)
        assert live.server is not None
        self.live, self.server = live, live.server
        self.beside_kb = 0

    def send(self, request: bytes) -> Answers:
        answers = super().send(request)
        assert 500 not in answers.statuses
        for body in answers.bodies:
            assert not _PYTHON.search(body), body[:500]
        return answers

    def refuses(self, method: str, *params: Any) -> int:
        """The code of the fault that the call ends in."""
        return self.call(xml(method, *params)).fault()

    def forget_peak(self) -> None:
        """From now on `peak_kb` tells of what follows."""
        Path(f"/proc/{self.server.process.pid}/clear_refs").write_text("5")

    def peak_kb(self) -> int:
        """The most memory that the server has had at once since `forget_peak`."""
        found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{self.server.process.pid}/status").read_text())
        assert found is not None
        return int(found[1])
