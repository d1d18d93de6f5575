"""Runs one by one: listed, told what to do, their output by offset (CONTRACT 10, Runs and history)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from farm_kit import SetClock, TestClient, submit

from hqserver.domain.errors import BadParameters, NotFound, TooLarge
from hqserver.domain.run import RunEnd
from hqserver.services.care import upkeep
from hqserver.services.clients.beats import Piece
from hqserver.services.control import changing, commands
from hqserver.services.control.changing import change_jobs
from hqserver.services.control.changing_work import change_work
from hqserver.services.control.run_actions import MOST_RUNS, change_runs
from hqserver.services.farm import Farm
from hqserver.services.queries import lookup
from hqserver.services.queries.run_records import MOST_BYTES, list_runs, run_output
from hqserver.services.work.reports import ENDED, Report


def status_of(farm: Farm, job_id: int) -> str:
    return str(lookup.job_detail(farm, job_id, ["status"])["status"])


def started(client: TestClient) -> str:
    """Fetch the one run there is and start it; its id."""
    (order,) = client.fetch()
    client.beat(client.started(order["run"]))
    return str(order["run"])


# Listing -----------------------------------------------------------------------------------------------------------


def test_a_run_is_listed_with_how_it_ended(farm: Farm, client: TestClient, clock: SetClock) -> None:
    job = submit(farm, command="render")
    (order,) = client.fetch()
    client.beat(client.started(order["run"]))
    clock.advance(60)
    end = RunEnd(exit_code=3, reason="exit code 3", cpu_seconds=12.5, max_memory=2048)
    client.beat(Report(f"{order['run']}:ended", order["run"], ENDED, started_ago=60.0, end=end))
    (run,) = list_runs(farm, job)
    assert (run["endTime"] - run["startTime"]).total_seconds() == 60
    assert {name: run[name] for name in run if not name.endswith("Time")} == {
        "id": order["run"],
        "work": "",
        "slot": 0,
        "kind": "",
        "client": "alpha",
        "status": "failed",
        "exitCode": 3,
        "signal": None,
        "reason": "exit code 3",
        "cpuSeconds": 12.5,
        "maxMemory": 2048,
        "splitOutput": False,
    }


def test_runs_come_in_the_order_in_which_they_were_given_out(farm: Farm, client: TestClient, clock: SetClock) -> None:
    job = submit(farm, command="render", agenda="1-3", cpus=2)
    order = client.fetch()[0]
    for _ in range(3):
        clock.wall -= 3600  # a clock that is set back does not change what came first
        answer = client.beat(client.ended(order["run"]))
        order = next((each for each in answer.orders if each["kind"] == "start"), order)
    assert [run["work"] for run in list_runs(farm, job)] == ["1", "2", "3"]
    assert [run["work"] for run in list_runs(farm, job, 1, 1)] == ["2"]
    assert [run["work"] for run in list_runs(farm, job, 2, -2)] == ["2", "3"]
    assert [run["work"] for run in list_runs(farm, job, 10, -10)] == ["1", "2", "3"]
    assert list_runs(farm, job, 10, 3) == []


def test_a_hook_is_a_run_of_its_own_kind(farm: Farm, client: TestClient) -> None:
    job = submit(farm, command="render", cleanup="tidy")
    client.run_all()
    assert [(run["kind"], run["status"]) for run in list_runs(farm, job)] == [
        ("", "succeeded"),
        ("cleanup", "succeeded"),
    ]


def test_runs_of_nothing_are_refused(farm: Farm) -> None:
    with pytest.raises(NotFound):
        list_runs(farm, 1)
    with pytest.raises(BadParameters):
        list_runs(farm, submit(farm, command="x"), 0)


def test_listing_runs_never_sorts_nor_scans(farm: Farm) -> None:
    job = submit(farm, command="x")
    with farm.database.read() as connection:
        statements: list[str] = []
        connection.set_trace_callback(statements.append)
        from hqserver.store import runs

        runs.page(connection, job, 10, 0)
        runs.count_of_job(connection, job)
        connection.set_trace_callback(None)
        for statement in statements:
            for row in connection.execute(f"EXPLAIN QUERY PLAN {statement}").fetchall():
                assert "SCAN run" not in row["detail"], row["detail"]
                inner = "SELECT rowid" not in statement or "TEMP B-TREE" not in row["detail"] or row["parent"] == 0
                assert inner, row["detail"]


# Acting ------------------------------------------------------------------------------------------------------------


def test_a_migrated_run_goes_back_to_the_queue(farm: Farm, client: TestClient) -> None:
    job = submit(farm, command="render", triesLeft=1)
    run = started(client)
    (found,) = change_runs(farm, [run], "migrate", "ada")
    assert found == {"id": run, "changed": True, "was": "running", "now": "ending", "why": ""}
    client.beat(client.ended(run, 143, killed=True, signal=15))
    assert status_of(farm, job) == "runnable"
    assert list_runs(farm, job)[0]["status"] == "ejected"
    assert lookup.job_detail(farm, job, ["triesLeft"])["triesLeft"] == 1
    logs = lookup.job_detail(farm, job, ["logs"])["logs"]
    assert any("migrate by ada" in line["message"] for line in logs)


def test_a_cancelled_run_cancels_its_piece_and_leaves_the_others(farm: Farm, client: TestClient) -> None:
    job = submit(farm, command="render", agenda="1-2")
    first, second = client.fetch()
    client.beat(client.started(first["run"]), client.started(second["run"]))
    (found,) = change_runs(farm, [first["run"]], "kill", "ada")
    assert found["changed"]
    client.beat(client.ended(first["run"], 143, killed=True, signal=15), client.ended(second["run"]))
    assert [run["status"] for run in list_runs(farm, job)] == ["cancelled", "succeeded"]
    assert status_of(farm, job) == "cancelled"


def test_a_suspended_run_stands_still_until_it_is_resumed(farm: Farm, client: TestClient) -> None:
    job = submit(farm, command="render")
    run = started(client)
    assert change_runs(farm, [run], "suspend", "ada")[0]["now"] == "pausing"
    client.beat(client.paused(run))
    assert status_of(farm, job) == "paused"
    assert change_runs(farm, [run], "suspend", "ada")[0]["why"] == "it is paused"
    assert change_runs(farm, [run], "resume", "ada")[0]["now"] == "resuming"
    client.beat(client.resumed(run))
    assert status_of(farm, job) == "running"
    assert change_runs(farm, [run], "resume", "ada")[0]["why"] == "it is running, not paused"


def test_a_run_of_a_paused_job_goes_on_with_its_job_only(farm: Farm, client: TestClient) -> None:
    job = submit(farm, command="render")
    run = started(client)
    changing.change_jobs(farm, [job], "pause", None, "ada")
    (found,) = change_runs(farm, [run], "resume", "ada")
    assert (found["changed"], found["why"]) == (False, f"job {job} is paused; resume that")


def test_each_run_is_answered_in_its_order_with_the_reason_why_not(farm: Farm, client: TestClient) -> None:
    submit(farm, command="render")
    ended = started(client)
    client.beat(client.ended(ended))
    submit(farm, command="render")
    ending = started(client)
    change_runs(farm, [ending], "cancel", "ada")
    found = change_runs(farm, ["0" * 32, ended, ending, "nonsense", ended], "cancel", "ada")
    assert [(each["id"], each["changed"], each["why"]) for each in found] == [
        ("0" * 32, False, "there is no such run"),
        (ended, False, "it has ended: succeeded"),
        (ending, False, "it is being ended on alpha already"),
        ("nonsense", False, "there is no such run"),
    ]


def test_a_migration_that_becomes_a_cancel_is_one(farm: Farm, client: TestClient) -> None:
    job = submit(farm, command="render")
    run = started(client)
    change_runs(farm, [run], "migrate", "ada")
    assert change_runs(farm, [run], "migrate", "ada")[0]["why"] == "it is being ended on alpha already"
    assert change_runs(farm, [run], "cancel", "ada")[0]["changed"]
    client.beat(client.ended(run, 143, killed=True, signal=15))
    assert status_of(farm, job) == "cancelled"


def test_the_run_of_a_hook_is_not_migrated(farm: Farm, client: TestClient) -> None:
    submit(farm, command="render", cleanup="tidy")
    run = started(client)
    client.beat(client.ended(run))
    hook = next(iter(client.orders.keys() - {run}))
    (found,) = change_runs(farm, [hook], "migrate", "ada")
    assert found["why"] == "its command has ended, and cleanup follows on alpha"


def test_a_further_client_of_a_job_names_the_run_it_belongs_to(farm: Farm, client: TestClient) -> None:
    beta = TestClient(farm, "beta")
    beta.register()
    beta.beat()
    job = submit(farm, command="render", minHosts=2, maxHosts=2, cpus=2)
    client.fetch()
    first, further = list_runs(farm, job)
    (found,) = change_runs(farm, [further["id"]], "cancel", "ada")
    assert (further["slot"], found["changed"]) == (1, False)
    assert first["id"] in found["why"]


def test_what_cannot_be_done_to_a_run_is_refused(farm: Farm) -> None:
    with pytest.raises(BadParameters, match="did you mean 'resume'"):
        change_runs(farm, [], "resum", "ada")
    with pytest.raises(BadParameters):
        change_runs(farm, [], "delete", "ada")
    with pytest.raises(TooLarge):
        change_runs(farm, [""] * (MOST_RUNS + 1), "cancel", "ada")


# Output ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def written(farm: Farm, client: TestClient) -> str:
    """A live run that has written ten bytes."""
    submit(farm, command="render")
    run = started(client)
    client.beat(output=(Piece(run, 0, b"0\x00\xff3456789"),))
    return run


def test_output_is_read_by_offset_byte_for_byte(farm: Farm, written: str) -> None:
    assert run_output(farm, written) == {
        "data": b"0\x00\xff3456789",
        "offset": 0,
        "next": 10,
        "size": 10,
        "ended": False,
        "truncated": False,
    }
    piece = run_output(farm, written, 3, 4)
    assert (piece["data"], piece["offset"], piece["next"]) == (b"3456", 3, 7)


@pytest.mark.parametrize(
    ("offset", "data", "start"), [(-3, b"789", 7), (-99, b"0\x00\xff3456789", 0), (10, b"", 10), (99, b"", 10)]
)
def test_an_offset_may_count_from_the_end_and_is_never_beyond_it(
    farm: Farm, written: str, offset: int, data: bytes, start: int
) -> None:
    piece = run_output(farm, written, offset)
    assert (piece["data"], piece["offset"], piece["next"]) == (data, start, start + len(data))


def test_a_tail_knows_when_it_is_done(farm: Farm, client: TestClient, written: str) -> None:
    end = client.ended(written, log_size=12, log_sent=12)
    client.beat(end, output=(Piece(written, 10, b"ab"),))
    piece = run_output(farm, written, 10)
    assert (piece["data"], piece["ended"], piece["next"] == piece["size"]) == (b"ab", True, True)
    assert piece["truncated"] is False


def test_what_is_missing_or_beyond_the_end_is_told(farm: Farm, client: TestClient, written: str) -> None:
    client.beat(client.ended(written, log_size=10))
    job = farm.output.path(1, written)
    job.write_bytes(b"01234")
    piece = run_output(farm, written)
    assert (piece["size"], piece["ended"], piece["truncated"]) == (5, True, True)
    job.write_bytes(b"0123456789beyond")
    piece = run_output(farm, written)
    assert (piece["data"], piece["truncated"]) == (b"0123456789", False)


def test_a_run_that_wrote_nothing_has_empty_output(farm: Farm, client: TestClient) -> None:
    submit(farm, command="true")
    run = started(client)
    assert run_output(farm, run)["data"] == b""


@pytest.mark.parametrize("run", ["", "0" * 32, "../../../../etc/passwd", "x" * 5000])
def test_output_of_no_run_is_not_found(farm: Farm, run: str) -> None:
    with pytest.raises(NotFound) as caught:
        run_output(farm, run)
    assert len(str(caught.value)) < 200


@pytest.mark.parametrize("most", [0, MOST_BYTES + 1])
def test_a_piece_of_output_is_bounded(farm: Farm, written: str, most: int) -> None:
    with pytest.raises(BadParameters):
        run_output(farm, written, 0, most)


def test_over_the_wire_output_is_base64(hq_over_farm: Any, written: str) -> None:
    assert hq_over_farm.getRunOutput(written, 1, 2)["data"].data == b"\x00\xff"
    assert hq_over_farm.getRuns(1)[0]["id"] == written
    assert hq_over_farm.changeRuns([written], "cancel")[0]["changed"] is True
    assert hq_over_farm.getEvents(-1)["events"] == []


@pytest.fixture
def hq_over_farm(farm: Farm) -> Any:
    import xmlrpc.client

    from hqserver.app import surfaces
    from hqserver.rpc.dispatch import Dispatcher
    from hqserver.rpc.method import Caller

    class InProcess(xmlrpc.client.Transport):
        def request(self, host: Any, handler: str, request_body: Any, verbose: bool = False) -> Any:
            parser, unmarshaller = self.getparser()
            parser.feed(Dispatcher(surfaces(farm)).handle(bytes(request_body), Caller()))
            parser.close()
            return unmarshaller.close()

    return xmlrpc.client.ServerProxy("http://in-process", transport=InProcess(), allow_none=True)


# Why runs were ended -------------------------------------------------------------------------------------------------


def reasons(farm: Farm, job: int) -> list[tuple[str, str]]:
    return [(run["status"], run["reason"]) for run in list_runs(farm, job)]


def killed(client: TestClient, run: str) -> Report:
    """What a client says of a run that it was told to kill."""
    return replace(client.ended(run, killed=True), end=RunEnd(signal=9, reason="not wanted any more"))


def test_a_run_keeps_why_somebody_had_it_ended(farm: Farm, client: TestClient) -> None:
    job = submit(farm, command="render", agenda="1-3", cpus=2)
    (order,) = client.fetch()
    change_jobs(farm, [job], "migrate", {"reason": "the machine is needed"}, "ada")
    assert reasons(farm, job) == [("ending", "the machine is needed (migrate by ada)")]
    client.beat(killed(client, order["run"]))
    (order,) = client.fetch()
    change_runs(farm, [order["run"]], "eject", "bob")
    client.beat(killed(client, order["run"]))
    (order,) = client.fetch()
    change_work(farm, job, [order["work"]], "cancel", {}, "cy")
    client.beat(killed(client, order["run"]))
    (order,) = client.fetch()
    commands.cancel(farm, [job], "cancelled by dan")
    client.beat(killed(client, order["run"]))
    assert reasons(farm, job) == [
        ("ejected", "the machine is needed (migrate by ada)"),
        ("ejected", "migrate by bob"),
        ("cancelled", "cancel by cy"),
        ("cancelled", "cancelled by dan"),
    ]


def test_a_kill_that_nobody_confirms_says_so_too(farm: Farm, client: TestClient, clock: SetClock) -> None:
    job = submit(farm, command="render")
    client.fetch()
    commands.cancel(farm, [job], "cancelled by ada")
    upkeep.bound_waits(farm)
    clock.advance(farm.policy.kill_timeout_seconds + 1.0)
    upkeep.bound_waits(farm)
    assert reasons(farm, job) == [("cancelled", "cancelled by ada; cancelled; alpha has not confirmed it")]


def test_a_command_that_ends_by_itself_before_it_is_killed_keeps_its_own_reason(farm: Farm, client: TestClient) -> None:
    job = submit(farm, command="render")
    (order,) = client.fetch()
    commands.cancel(farm, [job], "cancelled by ada")
    report = client.ended(order["run"], code=3)
    client.beat(replace(report, end=replace(report.end, reason="exit status 3")))
    ((_, reason),) = reasons(farm, job)
    assert reason == "exit status 3"
