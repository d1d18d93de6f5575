"""`hq` run in this process over a toy farm, its words kept."""

from __future__ import annotations

import io
import json
from collections import deque
from dataclasses import dataclass, field
from typing import Any

import pytest
from toy_farm import ToyFarm, toy_connection

from hqclient import news
from hqclient.cli.main import run
from hqclient.cli.screen import Screen
from hqclient.farm import Farm


@dataclass
class Said:
    """What one `hq` said and how it ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


@dataclass
class Hq:
    """`hq` over a toy farm."""

    toy: ToyFarm = field(default_factory=ToyFarm)
    width: int | None = None
    colour: bool = False
    urls: list[str | None] = field(default_factory=list)
    troubles: deque[BaseException] = field(default_factory=deque)
    """What the transport raises in place of the next answers."""

    def __call__(self, *argv: str) -> Said:
        out, err = io.StringIO(), io.StringIO()

        def connect(url: str | None) -> Farm:
            self.urls.append(url)
            connection, transport = toy_connection(self.toy)
            transport.troubles = self.troubles
            return Farm(connection=connection)

        screen = Screen(out, err, width=self.width, colour=self.colour)
        code = run(argv, screen, connect)
        return Said(code, out.getvalue(), err.getvalue())


def quick_hq(monkeypatch: pytest.MonkeyPatch) -> Hq:
    """An `hq` that does not dawdle between two questions, run by the user ada."""
    monkeypatch.setattr(news, "FIRST_PAUSE_SECONDS", 0.001)
    monkeypatch.setattr("getpass.getuser", lambda: "ada")
    return Hq()
