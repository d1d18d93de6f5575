"""How a run ended, in words for people."""

from __future__ import annotations

import pytest

from hqserver.domain.run import RunEnd


@pytest.mark.parametrize(
    ("end", "told"),
    [
        (RunEnd(exit_code=3), "exit code 3 on node7"),
        (RunEnd(exit_code=3, reason="no scene"), "exit code 3 on node7: no scene"),
        (RunEnd(exit_code=137, signal=9), "ended by signal 9 on node7"),
        (RunEnd(exit_code=137, signal=9, reason="ended by signal 9 (Killed)"), "ended by signal 9 (Killed) on node7"),
        (
            RunEnd(exit_code=137, signal=9, reason="ended by signal 9 (Killed); 2 processes stay"),
            "ended by signal 9 (Killed) on node7: 2 processes stay",
        ),
    ],
)
def test_an_end_is_told_once_with_where_and_why(end: RunEnd, told: str) -> None:
    assert end.told("node7") == told
