"""T23: five hundred clients that beat every second, and fifty submissions a second (PROMISES 7.1)."""

from __future__ import annotations

import json
import signal
import statistics
import sys
from pathlib import Path
from typing import Any

import psutil
import pytest
from live_farm import LiveFarm, Program, wait_until
from side_pinger import SidePinger

pytestmark = [pytest.mark.farm, pytest.mark.slow]

CROWD = Path(__file__).parent.parent / "crowd_of_clients.py"
CLIENTS, SECONDS, SUBMITS_A_SECOND = 500, 10, 50


def jobs_with(live: LiveFarm, *statuses: str) -> set[int]:
    return set(live.call("getJobIdsByStatus", list(statuses)))


def test_five_hundred_clients_and_fifty_submissions_a_second_delay_nobody(live: LiveFarm) -> None:
    """T23: every beat and every job is answered (I1), pings go on (I6), and nothing stays behind (I7)."""
    assert live.server is not None
    server = psutil.Process(live.server.process.pid)
    with SidePinger(live.port, every_seconds=0.02) as pinger:
        wait_until(lambda: len(pinger.delays) >= 100, what="pings of an idle server")
        idle = statistics.median(pinger.delays)
        before = server.memory_info().rss, server.num_fds(), server.num_threads()
        words = [sys.executable, str(CROWD), str(live.port), str(CLIENTS), str(SECONDS), str(SUBMITS_A_SECOND)]
        crowd = Program(words)
        try:
            crowd.said("registered")
            count = len(pinger.delays)
            figures: dict[str, Any] = json.loads(crowd.said("done ").removeprefix("done "))
            loaded = pinger.delays[count:]
            assert pinger.slowest_since(count) < 2, "P10"
            assert sum(client["available"] for client in live.call("getClients", None, ["available"])) == CLIENTS
            crowd.process.send_signal(signal.SIGUSR1)
            assert crowd.process.wait(60) == 0, crowd.lines
        finally:
            crowd.end(signal.SIGKILL)
    # How many there were is the machine's to say; each that was sent was answered, or the crowd would have failed.
    assert len(figures["beats"]) > CLIENTS
    assert len(figures["submits"]) > SECONDS
    assert jobs_with(live, "succeeded") == set(figures["ending"])
    assert jobs_with(live, "runnable") == set(figures["waiting"])

    assert statistics.median(loaded) < 20 * idle

    assert live.call("getClients") == []
    assert server.memory_info().rss - before[0] < 40_000_000
    # The threads that answer calls are made when they are needed, each with a connection to the database.
    assert server.num_threads() - before[2] <= 16
    wait_until(lambda: server.num_fds() - before[1] <= 50, what="connections to end", show=server.num_fds)
