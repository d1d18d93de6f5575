"""Who is a client of the farm (PROMISES 2.4, P14)."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from farm_kit import Asked, SetClock, TestClient, check_counters, open_farm, submit
from job_kit import status

from hqserver.domain.errors import Busy, Conflict, FarmError, NotAuthenticated
from hqserver.services.care import upkeep
from hqserver.services.clients import client_control
from hqserver.services.clients.package import client_package
from hqserver.services.clients.registration import Registration, authenticate
from hqserver.services.control import commands
from hqserver.services.events import errors
from hqserver.services.farm import Farm, Policy
from hqserver.services.queries import lookup


def newcomer(farm: Farm, **differences: str) -> TestClient:
    """A daemon with no secret that calls itself alpha, as the client of the fixture does."""
    return TestClient(farm, **{"session": "s9", **differences})  # type: ignore[arg-type]


def start(client: TestClient, **specification: object) -> tuple[int, str]:
    """Submit a job and have the client start it; the job and the run."""
    job = submit(client.farm, command="render", **specification)
    (order,) = client.fetch()
    client.beat(client.started(order["run"]))
    client.held.add(order["run"])
    return job, order["run"]


# First contact -----------------------------------------------------------------------------------------------------


def test_a_newcomer_gets_an_id_and_a_secret_that_nobody_can_guess(farm: Farm) -> None:
    found = [TestClient(farm, hostname=name).register() for name in ("a", "b")]
    assert found[0].client_id != found[1].client_id
    assert found[0].secret != found[1].secret
    assert all(len(each.secret) == 64 for each in found)


def test_a_secret_is_not_stored_as_it_is(farm: Farm, client: TestClient, tmp_path: Path) -> None:
    assert client.secret.encode() not in (tmp_path / "farm.db").read_bytes() + (tmp_path / "farm.db-wal").read_bytes()


def test_a_client_that_beats_without_a_known_secret_is_sent_to_register(farm: Farm, client: TestClient) -> None:
    for secret in ("", "f" * 64):
        with pytest.raises(NotAuthenticated):
            authenticate(farm, secret, client.session)
    client.secret = "f" * 64
    with pytest.raises(NotAuthenticated, match="does not know"):
        client.register()


def test_a_registration_asks_for_a_pass(farm: Farm, asked: Asked) -> None:
    TestClient(farm).register()
    assert asked.passes == 1


def test_runs_that_a_newcomer_brings_are_none_of_ours(farm: Farm) -> None:
    client = TestClient(farm, held={"b" * 32, "a" * 32})
    assert client.register().stop == ["a" * 32, "b" * 32]


def test_two_clients_of_one_machine_have_names(farm: Farm, client: TestClient) -> None:
    second = TestClient(farm, name="gpu")
    assert second.register().client_id != client.id
    assert [each["label"] for each in lookup.client_details(farm, None, ["label"])] == ["alpha", "alpha:gpu"]


# The same installation again ---------------------------------------------------------------------------------------


def test_a_daemon_that_is_started_anew_keeps_its_id_and_its_secret(farm: Farm, client: TestClient) -> None:
    client.session = "s2"
    assert client.register() == Registration(client.id, "", [], client_package())


def test_a_machine_may_change_its_name(farm: Farm, client: TestClient) -> None:
    client.hostname, client.session = "omega", "s2"
    client.register()
    assert lookup.client_detail(farm, client.id, ["label"])["label"] == "omega"
    assert TestClient(farm, hostname="alpha").register().client_id != client.id


def test_a_daemon_that_still_holds_its_runs_goes_on_with_them(farm: Farm, client: TestClient) -> None:
    job, run = start(client)
    client.session = "s2"
    assert client.register().stop == []
    client.beat(client.ended(run))
    assert status(farm, job) == "succeeded"


def test_a_run_that_the_daemon_does_not_hold_any_more_goes_back_to_the_queue(farm: Farm, client: TestClient) -> None:
    job, run = start(client, triesLeft=1)
    client.session = "s2"
    client.held.clear()
    client.register()
    details = lookup.job_detail(farm, job, ["status", "triesLeft"])
    assert (details["status"], details["triesLeft"]) == ("runnable", 1)
    assert client.beat(client.ended(run)).results == {f"{run}:ended": "superseded"}


def test_an_order_that_never_arrived_is_given_again_under_the_same_run(farm: Farm, client: TestClient) -> None:
    submit(farm, command="render")
    (order,) = client.fetch()
    client.session = "s2"
    client.register()
    assert [each["run"] for each in client.beat().orders] == [order["run"]]


def test_runs_that_do_not_count_any_more_are_to_be_stopped(farm: Farm, client: TestClient, clock: SetClock) -> None:
    _, run = start(client)
    clock.advance(farm.policy.lost_seconds + 1)
    upkeep.notice_silence(farm)
    other = TestClient(farm, hostname="beta")
    other.register()
    other.beat()
    other.fetch()
    client.session, client.held = "s2", {run, "f" * 32}
    assert client.register().stop == ["f" * 32]
    # Its end is waited for, so it is ordered and reported, not just stopped.
    assert [(order["kind"], order["run"]) for order in client.beat().orders] == [("kill", run)]


def test_a_lost_run_that_is_still_held_comes_back(farm: Farm, client: TestClient, clock: SetClock) -> None:
    job, run = start(client)
    clock.advance(farm.policy.lost_seconds + 1)
    upkeep.notice_silence(farm)
    client.session = "s2"
    assert client.register().stop == []
    assert lookup.job_detail(farm, job, ["waitingFor"])["waitingFor"] == ""
    client.beat(client.ended(run))
    assert status(farm, job) == "succeeded"


def test_a_boot_proves_that_a_kill_nobody_confirmed_has_worked(farm: Farm, client: TestClient, clock: SetClock) -> None:
    job, _ = start(client)
    commands.cancel(farm, [job], "no longer wanted")
    upkeep.bound_waits(farm)
    clock.advance(farm.policy.kill_timeout_seconds + 1)
    upkeep.bound_waits(farm)
    assert lookup.job_detail(farm, job, ["unconfirmed"])["unconfirmed"] == ["alpha"]
    client.session, client.boot_id = "s2", "boot-2"
    client.held.clear()
    client.register()
    client.beat()
    assert lookup.job_detail(farm, job, ["unconfirmed"])["unconfirmed"] == []
    assert lookup.client_detail(farm, client.id, ["available"])["available"]


# The same name without the secret ----------------------------------------------------------------------------------


def test_a_name_is_taken_while_its_holder_beats(farm: Farm, client: TestClient) -> None:
    with pytest.raises(Conflict, match="name taken: a client called alpha is alive"):
        newcomer(farm).register()
    assert client.beat()


def test_a_name_is_not_given_up_before_its_time(farm: Farm, client: TestClient, clock: SetClock) -> None:
    clock.advance(farm.policy.lost_seconds - 1)
    with pytest.raises(Conflict, match="name taken"):
        newcomer(farm).register()


def test_a_silent_holder_yields_its_id_and_what_an_administrator_set(
    farm: Farm, client: TestClient, clock: SetClock
) -> None:
    client_control.set_disabled(farm, "alpha", True)
    client_control.set_description(farm, client.id, "in the cellar")
    clock.advance(farm.policy.lost_seconds + 1)
    again = newcomer(farm)
    found = again.register()
    assert found.client_id == client.id
    assert found.secret not in ("", client.secret)
    details = lookup.client_detail(farm, client.id, ["disabled", "description"])
    assert (details["disabled"], details["description"]) == (True, "in the cellar")


def test_after_a_name_was_yielded_the_old_secret_is_worth_nothing(
    farm: Farm, client: TestClient, clock: SetClock
) -> None:
    clock.advance(farm.policy.lost_seconds + 1)
    newcomer(farm).register()
    with pytest.raises(NotAuthenticated):
        client.beat()


def test_a_machine_that_booted_anew_gets_its_name_back_sooner(farm: Farm, client: TestClient, clock: SetClock) -> None:
    """A diskless node comes back by itself; its holder has to be silent for a few beats, or it is another machine."""
    again = newcomer(farm, boot_id="boot-2")
    with pytest.raises(Conflict, match="name taken"):
        again.register()
    clock.advance(3 * farm.policy.beat_seconds + 1)
    assert again.register().client_id == client.id


def test_a_reinstalled_client_gives_its_work_back_and_finishes_it_again(
    farm: Farm, client: TestClient, clock: SetClock
) -> None:
    job, run = start(client)
    clock.advance(farm.policy.lost_seconds + 1)
    again = newcomer(farm)
    again.register()
    again.beat()
    (order,) = again.fetch()
    assert (order["job"], order["run"] == run) == (job, False)
    again.beat(again.ended(order["run"]))
    assert status(farm, job) == "succeeded"


def test_a_reinstalled_client_is_no_way_to_lose_work_for_ever(farm: Farm, client: TestClient, clock: SetClock) -> None:
    """A run of the installation that is gone neither comes back nor blocks its work."""
    job, _ = start(client)
    again = client
    for number in range(farm.policy.max_client_losses):
        clock.advance(farm.policy.lost_seconds + 1)
        again = newcomer(farm, session=f"again-{number}")
        again.register()
        again.beat()
        again.fetch()
    assert status(farm, job) == "abandoned"


def test_many_newcomers_with_one_name_at_once_are_one_client(farm: Farm) -> None:
    def attempt(number: int) -> str:
        try:
            return TestClient(farm, hostname="popular", session=str(number)).register().secret
        except FarmError as problem:
            return type(problem).__name__

    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(attempt, range(8)))
    assert found.count("Conflict") == 7
    assert len(lookup.client_details(farm, None, ["id"])) == 1


# Two daemons with one secret ---------------------------------------------------------------------------------------


def test_of_two_daemons_with_one_secret_the_younger_is_refused_for_good(
    farm: Farm, client: TestClient, clock: SetClock
) -> None:
    clock.advance(5)
    copy = TestClient(farm, secret=client.secret, session="copy")
    copy.register()
    copy.beat()
    clock.advance(5)
    client.beat()  # the elder is alive: this is no restart
    with pytest.raises(Conflict, match="duplicate client"):
        copy.beat()
    with pytest.raises(Conflict, match="duplicate client"):
        copy.register()
    assert client.beat()


def test_a_last_beat_that_was_on_its_way_is_no_second_daemon(farm: Farm, client: TestClient) -> None:
    former = TestClient(farm, secret=client.secret, session=client.session, sequence=99)
    client.session = "s2"
    client.register()
    with pytest.raises(Conflict, match="duplicate client"):
        former.beat()
    assert client.beat()


def test_a_stranger_with_the_secret_and_a_session_of_his_own_is_refused(farm: Farm, client: TestClient) -> None:
    with pytest.raises(Conflict, match="duplicate client"):
        authenticate(farm, client.secret, "never seen")
    with pytest.raises(Conflict, match="duplicate client"):
        authenticate(farm, client.secret, "")


def test_after_a_copy_of_the_database_was_put_back_a_client_registers_anew_and_is_no_second_one(
    farm: Farm, client: TestClient
) -> None:
    """T9: a copy that is put back holds no sessions."""
    presence = farm.watch.get(client.id)
    assert presence is not None
    presence.row.session = ""
    with pytest.raises(Conflict, match="put back"):
        client.beat()
    assert errors.client_errors(farm, client.id) == {}
    client.held.add("f" * 32)
    assert client.register().stop == ["f" * 32]
    (error,) = errors.client_errors(farm, client.id)["errors"]
    assert error["message"].startswith(f"nobody here knows run {'f' * 32}:")
    assert client.beat()


# A copy of a data folder ------------------------------------------------------------------------------------------

FOLDER, COPY = "a" * 16, "b" * 16


def session_of(folder: str, number: int) -> str:
    """What a daemon calls its session (PROTOCOL.md, `session`)."""
    return f"{folder}-{number:032x}"


@pytest.fixture
def placed(farm: Farm, clock: SetClock) -> TestClient:
    """A client that runs a job, and says from which folder."""
    found = TestClient(farm, session=session_of(FOLDER, 1))
    found.register()
    found.beat()
    start(found)
    return found


def copy_of(client: TestClient, number: int = 2, **differences: str) -> TestClient:
    """A daemon on a copy of the client's data folder, its secret and its runs included."""
    copied = {"secret": client.secret, "held": set(client.held), "session": session_of(COPY, number), **differences}
    return TestClient(client.farm, **copied)  # type: ignore[arg-type]


@pytest.mark.parametrize("boot_id", ["boot-1", "boot-2"])
def test_a_copy_is_refused_before_it_may_say_anything(
    farm: Farm, placed: TestClient, clock: SetClock, boot_id: str
) -> None:
    """T16, P14: also where the disk was cloned into another machine, whose boot is another."""
    copy = copy_of(placed, boot_id=boot_id)
    with pytest.raises(Busy, match="was heard a moment ago"):
        copy.register()
    clock.advance(farm.policy.beat_seconds)
    placed.beat()
    with pytest.raises(Conflict, match="duplicate client"):
        copy.register()
    with pytest.raises(Conflict, match="duplicate client"):
        copy_of(placed, 3, boot_id=boot_id).register()
    assert status(farm, 1) == "running"
    assert placed.beat().orders == []


def test_a_last_beat_that_was_on_its_way_makes_no_copy_of_a_folder_that_was_moved(
    farm: Farm, placed: TestClient, clock: SetClock
) -> None:
    moved = copy_of(placed)
    with pytest.raises(Busy):
        moved.register()
    clock.advance(1)
    placed.beat()
    clock.advance(3 * farm.policy.beat_seconds + 1)
    assert moved.register().client_id == placed.id


def test_a_daemon_that_is_started_anew_in_its_folder_waits_for_nothing(farm: Farm, placed: TestClient) -> None:
    placed.session = session_of(FOLDER, 2)
    assert placed.register() == Registration(placed.id, "", [], client_package())


# A machine that went down ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("known", [True, False])
def test_a_run_that_died_with_its_machine_is_a_loss_whether_its_start_was_known_or_not(
    farm: Farm, client: TestClient, clock: SetClock, known: bool
) -> None:
    """T24, P7: what is said of it afterwards, with the log it left, is no failed try."""
    job = submit(farm, command="render")
    (order,) = client.fetch()
    run = str(order["run"])
    if known:
        client.beat(client.started(run))
    clock.advance(60)
    client.session, client.boot_id, client.died = "s2", "boot-2", {run}
    assert client.register().stop == []
    logs = lookup.job_detail(farm, job, ["logs"])["logs"]
    assert logs[-1]["message"] == "alpha was started anew"
    assert client.beat(client.ended(run, 1)).results[f"{run}:ended"] in ("applied", "superseded")
    (again,) = client.fetch()
    assert (again["job"], again["run"] != run) == (job, True)
    client.beat(client.ended(again["run"]))
    assert status(farm, job) == "succeeded"


# A server that was started anew ------------------------------------------------------------------------------------


@pytest.fixture
def reopened(tmp_path: Path, clock: SetClock, asked: Asked, policy: Policy) -> object:
    """Ends the farm's server and starts it again on the same file, for each client that is given."""
    opened: list[Farm] = []

    def reopen(farm: Farm, *clients: TestClient) -> Farm:
        farm.database.close()
        found = open_farm(tmp_path, clock, asked, policy)
        opened.append(found)
        for client in clients:
            client.farm = found
        return found

    yield reopen
    for farm in opened:
        check_counters(farm)
        farm.database.close()


@pytest.fixture
def first(tmp_path: Path, clock: SetClock, asked: Asked, policy: Policy) -> TestClient:
    """A client of a farm that a test will start anew."""
    found = TestClient(open_farm(tmp_path, clock, asked, policy))
    found.register()
    found.beat()
    return found


def test_a_client_beats_on_as_if_the_server_had_never_been_away(first: TestClient, reopened: object) -> None:
    job, run = start(first)
    farm = reopened(first.farm, first)  # type: ignore[operator]
    assert status(farm, job) == "running"
    first.beat(first.ended(run))
    assert status(farm, job) == "succeeded"


def test_after_a_restart_nobody_is_lost_before_he_had_time_to_be_heard(
    first: TestClient, clock: SetClock, reopened: object
) -> None:
    job, _ = start(first)
    clock.advance(100_000)
    farm = reopened(first.farm, first)  # type: ignore[operator]
    upkeep.notice_silence(farm)
    assert lookup.job_detail(farm, job, ["waitingFor"])["waitingFor"] == ""
    assert (
        "since the server started" in lookup.client_detail(farm, first.id, ["unavailableBecause"])["unavailableBecause"]
    )


def test_a_client_that_was_lost_before_the_restart_comes_back_with_a_beat(
    first: TestClient, clock: SetClock, reopened: object
) -> None:
    job, _ = start(first)
    clock.advance(first.farm.policy.lost_seconds + 1)
    upkeep.notice_silence(first.farm)
    farm = reopened(first.farm, first)  # type: ignore[operator]
    assert "to be heard again" in lookup.job_detail(farm, job, ["waitingFor"])["waitingFor"]
    first.beat()
    assert lookup.job_detail(farm, job, ["waitingFor"])["waitingFor"] == ""
    other = TestClient(farm, hostname="beta")
    other.register()
    other.beat()
    assert other.fetch() == []


def test_one_loss_is_counted_once_however_often_the_server_restarts(
    first: TestClient, clock: SetClock, reopened: object
) -> None:
    job, run = start(first)
    farm = first.farm
    for _ in range(farm.policy.max_client_losses + 1):
        clock.advance(farm.policy.lost_seconds + 1)
        upkeep.notice_silence(farm)
        farm = reopened(farm, first)  # type: ignore[operator]
    assert status(farm, job) == "running"
    first.beat(first.ended(run))
    assert status(farm, job) == "succeeded"
