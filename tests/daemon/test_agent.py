from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import psutil
import pytest
from agent_kit import FakeServer, an_agent, until
from run_kit import is_gone, wait_until

from hqclient.daemon.agent import EXIT_DUPLICATE, EXIT_ENDED
from hqclient.daemon.link import ServerFault
from hqclient.daemon.runs.runfolders import RunFolders

pytestmark = pytest.mark.slow


def play(scene: Coroutine[Any, Any, None]) -> None:
    asyncio.run(scene)


def marks(file: Path) -> int:
    return file.read_text().count("x") if file.exists() else 0


def test_a_command_runs_and_its_output_is_complete_before_it_is_reported_ended(tmp_path: Path) -> None:
    async def scene() -> None:
        server = FakeServer()
        async with an_agent(tmp_path, server):
            run = server.start("echo out; echo err >&2; exit 3")
            await until(lambda: server.of(run, "ended"), "the run ends")
        ended = server.ended(run)
        assert (ended["exitCode"], ended["signal"], ended["killed"]) == (3, 0, False)
        assert sorted(server.logs[run].split()) == [b"err", b"out"]
        assert ended["startedAgo"] >= ended["endedAgo"] >= 0

    play(scene())


def test_a_log_larger_than_a_beat_arrives_whole(tmp_path: Path) -> None:
    async def scene() -> None:
        server = FakeServer()
        async with an_agent(tmp_path, server):
            run = server.start("head -c 9000000 /dev/urandom", logLimit=20_000_000)
            await until(lambda: server.of(run, "ended"), "the run ends")
        assert len(server.logs[run]) == 9_000_000
        assert all(sum(len(piece["data"]) for piece in beat["output"]) <= 4 << 20 for beat in server.beats)

    play(scene())


def test_output_and_progress_arrive_while_the_command_runs(tmp_path: Path) -> None:
    async def scene() -> None:
        server = FakeServer()
        async with an_agent(tmp_path, server):
            run = server.start(
                "echo halfway; echo ALF_PROGRESS 50%; exec sleep 100", progressPatterns=["ALF_PROGRESS (.*)%"]
            )
            await until(lambda: b"halfway" in server.logs.get(run, b""), "the output arrives")
            await until(lambda: any(beat["progress"].get(run) == 0.5 for beat in server.beats), "so does progress")
            assert not server.of(run, "ended")
            server.kill(run)
            await until(lambda: server.of(run, "ended"), "the run ends")

    play(scene())


def test_the_commands_environment_is_the_farms_and_the_orders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PRIVATE_TOKEN", "hidden")

    async def scene() -> None:
        server = FakeServer()
        async with an_agent(tmp_path, server, job_environment={"SHOW": "dragons"}, shared_mount="/net/farm"):
            run = server.start("env", environment={"JOBID": "7", "HQROOT": "/mnt/hq"})
            await until(lambda: server.of(run, "ended"), "the run ends")
        variables = dict(line.split("=", 1) for line in server.logs[run].decode().splitlines())
        wanted = {"JOBID": "7", "HQROOT": "/net/farm", "SHOW": "dragons", "HQHOSTS": "here"}
        assert wanted.items() <= variables.items()
        assert variables["HQSERVER"] == "http://127.0.0.1:5000"
        assert variables["HQCLIENTARCH"] == "linux-x86_64"
        assert (Path(variables["HQCLIENT"]) / "daemon").is_dir()
        assert "PRIVATE_TOKEN" not in variables
        assert server.secret not in server.logs[run].decode()

    play(scene())


def test_a_kill_order_ends_the_whole_tree(tmp_path: Path) -> None:
    async def scene() -> None:
        server = FakeServer()
        async with an_agent(tmp_path, server):
            run = server.start("sleep 100 & echo pid $!; wait")
            await until(lambda: b"\n" in server.logs.get(run, b""), "the command says who its child is")
            child = int(server.logs[run].split()[1])
            server.kill(run)
            await until(lambda: server.of(run, "ended"), "the run ends")
            assert server.ended(run)["killed"] is True
            assert is_gone(child)

    play(scene())


def test_more_runs_than_cpus_take_turns(tmp_path: Path) -> None:
    async def scene() -> None:
        server = FakeServer()
        async with an_agent(tmp_path, server, cpus=2):
            runs = [server.start("sleep 0.05") for _ in range(12)]
            await until(lambda: all(server.of(run, "ended") for run in runs), "all end")
        assert not [report for report in server.reports if report["kind"] == "refused"]

    play(scene())


def test_runs_that_wait_in_vain_are_handed_back_and_killed_ones_never_start(tmp_path: Path) -> None:
    async def scene() -> None:
        server = FakeServer()
        async with an_agent(tmp_path, server, cpus=1):
            first = server.start("exec sleep 100")
            await until(lambda: server.of(first, "started"), "the first runs")
            second = server.start(f"echo x >> {tmp_path / 'second'}")
            await until(lambda: server.of(second, "refused"), "the second is handed back")
            server.kill(first)
            await until(lambda: server.of(first, "ended"), "the first ends")
        assert marks(tmp_path / "second") == 0

    play(scene())


def test_reports_are_repeated_until_an_answer_arrives_and_the_run_happens_once(tmp_path: Path) -> None:
    async def scene() -> None:
        server = FakeServer()
        async with an_agent(tmp_path / "data", server) as daemon:
            run = server.start(f"echo x >> {tmp_path / 'ran'}; sleep 0.2")
            await until(lambda: server.of(run, "started"), "it runs")
            server.lose_answers = 2
            await until(lambda: len(server.of(run, "ended")) > 1, "the report is repeated")
            await until(lambda: not daemon.agent.holds(run), "it is settled")
        assert len({report["id"] for report in server.of(run, "ended")}) == 1
        assert marks(tmp_path / "ran") == 1

    play(scene())


def test_orders_that_are_repeated_start_one_command(tmp_path: Path) -> None:
    class Forgetful(FakeServer):
        def _unknown_yet(self, run: str, order: dict[str, Any], beat: dict[str, Any]) -> bool:
            return True

    async def scene() -> None:
        server = Forgetful()
        async with an_agent(tmp_path, server) as daemon:
            run = server.start(f"echo x >> {tmp_path / 'ran'}; sleep 0.3")
            order = server.orders[run]
            await until(lambda: server.of(run, "ended"), "the run ends")
            server.orders[run] = order
            beats = len(server.beats)
            daemon.agent.wakeup()
            await until(lambda: len(server.beats) > beats + 2, "some beats pass")
        assert marks(tmp_path / "ran") == 1

    play(scene())


def test_a_daemon_that_returns_adopts_live_runs_and_reports_those_that_ended_meanwhile(tmp_path: Path) -> None:
    async def scene() -> None:
        server, data, go = FakeServer(), tmp_path / "data", tmp_path / "go"
        async with an_agent(data, server) as daemon:
            long = server.start(f"echo before; until test -e {go}; do sleep 0.02; done; echo after; exit 5")
            short = server.start(f"until test -e {go}.short; do sleep 0.02; done; exit 6")
            await until(lambda: server.of(long, "started") and server.of(short, "started"), "both run")
        assert daemon.status == EXIT_ENDED
        assert "2 running job(s) go on" in daemon.said[-1]
        Path(f"{go}.short").touch()
        folder = RunFolders(data / "runs").get(short)
        wait_until(lambda: not folder.is_alive(), "the short one ends with no daemon there")
        async with an_agent(data, server):
            assert set(server.registrations[-1]["runs"]) == {long, short}
            await until(lambda: server.of(short, "ended"), "the short one is reported")
            assert not server.of(long, "ended")
            go.touch()
            await until(lambda: server.of(long, "ended"), "the long one is reported")
        assert server.ended(short)["exitCode"] == 6
        assert server.ended(long)["exitCode"] == 5
        assert server.logs[long] == b"before\nafter\n"
        assert not list(RunFolders(data / "runs"))

    play(scene())


def test_a_report_that_was_never_answered_is_sent_by_the_next_daemon(tmp_path: Path) -> None:
    async def scene() -> None:
        server = FakeServer()
        async with an_agent(tmp_path / "data", server):
            run = server.start(f"echo x >> {tmp_path / 'ran'}; sleep 0.2")
            await until(lambda: server.of(run, "started"), "it runs")
            server.down = True
            await until(lambda: marks(tmp_path / "ran"), "it has run")
        server.down = False
        async with an_agent(tmp_path / "data", server):
            await until(lambda: server.of(run, "ended"), "the report arrives")
        assert marks(tmp_path / "ran") == 1

    play(scene())


def test_a_run_whose_runner_is_killed_is_reported_and_nothing_of_it_is_left(tmp_path: Path) -> None:
    async def scene() -> None:
        server = FakeServer()
        async with an_agent(tmp_path, server):
            run = server.start("sleep 100 & echo pid $!; wait")
            await until(lambda: b"\n" in server.logs.get(run, b""), "the command says who its child is")
            child = int(server.logs[run].split()[1])
            pids = RunFolders(tmp_path / "runs").get(run).pids()
            assert pids is not None
            os.kill(pids.runner.pid, signal.SIGKILL)
            await until(lambda: server.of(run, "ended"), "the run ends")
            ended = server.ended(run)
            assert (ended["exitCode"], ended["killed"], ended["reason"]) == (1, False, "the runner died")
            assert is_gone(child)

    play(scene())


@pytest.mark.parametrize("verdict", ["superseded", "unknown"])
def test_a_run_the_server_does_not_want_is_ended_and_its_log_kept(tmp_path: Path, verdict: str) -> None:
    async def scene() -> None:
        server = FakeServer()
        async with an_agent(tmp_path, server) as daemon:
            run = server.start("echo precious; exec sleep 100")
            server.verdicts[run] = verdict
            orphan = tmp_path / "orphans" / run
            await until((orphan / "exit.json").exists, "it becomes an orphan")
            assert (orphan / "log").read_bytes() == b"precious\n"
            await until(lambda: not daemon.agent.holds(run), "it is forgotten")
        assert not server.of(run, "ended")

    play(scene())


def test_runs_named_at_registration_are_ended(tmp_path: Path) -> None:
    async def scene() -> None:
        server = FakeServer()
        async with an_agent(tmp_path, server):
            run = server.start("exec sleep 100")
            await until(lambda: server.of(run, "started"), "it runs")
        server.orders.clear()
        server.stop = [run]
        async with an_agent(tmp_path, server):
            await until((tmp_path / "orphans" / run / "exit.json").exists, "it becomes an orphan")

    play(scene())


def test_a_server_that_lost_the_secret_is_registered_with_anew(tmp_path: Path) -> None:
    async def scene() -> None:
        server = FakeServer()
        async with an_agent(tmp_path, server) as daemon:
            server.secret = "another"
            run = server.start("true")
            daemon.agent.wakeup()
            await until(lambda: server.of(run, "ended"), "the run ends")
        assert len(server.registrations) == 2
        assert "another" in (tmp_path / "identity.json").read_text()

    play(scene())


def test_the_younger_of_two_daemons_with_one_secret_ends_with_status_three(tmp_path: Path) -> None:
    async def scene() -> None:
        server = FakeServer()
        async with an_agent(tmp_path, server) as daemon:
            server.fault = ServerFault(409, "duplicate client: another daemon is alive")
            daemon.agent.wakeup()
            await until(lambda: daemon.status is not None, "the daemon ends")
        assert daemon.status == EXIT_DUPLICATE

    play(scene())


def test_a_server_that_is_away_is_mentioned_once_and_again_when_it_is_back(tmp_path: Path) -> None:
    async def scene() -> None:
        server = FakeServer()
        async with an_agent(tmp_path, server) as daemon:
            server.down = True
            for _ in range(3):
                daemon.agent.wakeup()
                await asyncio.sleep(0.05)
            await until(lambda: len(daemon.said) == 2, "it says that the server is away")
            server.down = False
            daemon.agent.wakeup()
            await until(lambda: len(daemon.said) == 3, "it says that the server is back")
        assert daemon.said[0] == "registered as client 3 (here) at http://127.0.0.1:5000"
        assert "no answer" in daemon.said[1]
        assert "answers again" in daemon.said[2]

    play(scene())


def test_a_beat_the_server_refuses_does_not_lose_its_reports(tmp_path: Path) -> None:
    async def scene() -> None:
        server = FakeServer()
        async with an_agent(tmp_path, server) as daemon:
            run = server.start("sleep 0.2")
            await until(lambda: server.of(run, "started"), "it runs")
            server.fault = ServerFault(503, "busy")
            await until(lambda: "busy" in daemon.said[-1], "the server refuses a beat")
            server.fault = None
            daemon.agent.wakeup()
            await until(lambda: server.of(run, "ended"), "the report arrives")

    play(scene())


def test_draining_lets_commands_finish_and_then_ends(tmp_path: Path) -> None:
    async def scene() -> None:
        server = FakeServer()
        async with an_agent(tmp_path, server) as daemon:
            run = server.start("sleep 0.3; exit 4")
            await until(lambda: server.of(run, "started"), "it runs")
            daemon.agent.drain()
            await until(lambda: daemon.status is not None, "the daemon ends by itself")
        assert daemon.status == EXIT_ENDED
        assert server.ended(run)["exitCode"] == 4
        assert (server.beats[-1]["accepting"], server.beats[-1]["declining"]) == (False, "draining")

    play(scene())


def test_with_kill_jobs_commands_are_ended_and_reported_before_the_daemon_ends(tmp_path: Path) -> None:
    async def scene() -> None:
        server = FakeServer()
        async with an_agent(tmp_path, server, kill_jobs_on_exit=True):
            run = server.start("sleep 100 & echo pid $!; wait")
            await until(lambda: b"\n" in server.logs.get(run, b""), "the command says who its child is")
        assert server.ended(run)["killed"] is True
        assert is_gone(int(server.logs[run].split()[1]))

    play(scene())


def test_no_new_runs_are_taken_while_the_disk_is_low(tmp_path: Path) -> None:
    async def scene() -> None:
        server = FakeServer()
        async with an_agent(tmp_path, server, minimum_disk=1 << 60):
            await until(lambda: server.beats, "a beat comes")
        assert (server.beats[0]["accepting"], server.beats[0]["declining"]) == (False, "disk")

    play(scene())


def test_a_run_that_can_have_no_folder_is_refused_and_the_client_rests(tmp_path: Path) -> None:
    async def scene() -> None:
        server = FakeServer()
        async with an_agent(tmp_path, server):
            run = server.start("true")
            (tmp_path / "runs" / run).write_text("in the way")
            await until(lambda: server.of(run, "refused"), "it is refused")
            await until(lambda: not server.beats[-1]["accepting"], "the client rests")
            assert server.beats[-1]["declining"] == "trouble"
        (tmp_path / "runs" / run).unlink(missing_ok=True)

    play(scene())


def test_an_order_that_cannot_be_read_is_refused_with_its_reason(tmp_path: Path) -> None:
    async def scene() -> None:
        server = FakeServer()
        async with an_agent(tmp_path, server):
            run = server.start("true", environment={"A=B": "c"})
            await until(lambda: server.of(run, "refused"), "it is refused")
        assert "'A=B'" in server.of(run, "refused")[0]["reason"]

    play(scene())


def test_nothing_is_left_open_after_a_daemon_has_ended(tmp_path: Path) -> None:
    async def scene() -> None:
        server = FakeServer()
        async with an_agent(tmp_path, server):
            run = server.start("true")
            await until(lambda: server.of(run, "ended"), "the run ends")

    play(scene())
    us = psutil.Process()
    files, children = us.num_fds(), len(us.children())
    play(scene())
    assert (us.num_fds(), len(us.children())) == (files, children)
