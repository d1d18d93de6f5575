"""`hq client`, what clients are told, and their groups, over the farm's real methods."""

from __future__ import annotations

import pytest
from farm_kit import SetClock, TestClient, submit
from hq_over_services import ServicesHq
from hq_over_toys import Said

from hqclient.cli.exits import Exit
from hqserver.services.clients import claims
from hqserver.services.farm import Farm


@pytest.fixture
def beta(farm: Farm, client: TestClient) -> TestClient:
    """A client with a name on another machine, registered after alpha."""
    found = TestClient(farm, hostname="beta", name="gpu")
    found.register()
    found.beat()
    return found


def test_clients_say_why_they_take_no_jobs_and_what_groups_they_are_in(
    farm: Farm, beta: TestClient, farm_hq: ServicesHq
) -> None:
    farm_hq("group", "create", "GPU nodes", "beta:gpu")
    farm_hq("available", "alpha", "never")
    header, alpha, named = farm_hq("clients").out.splitlines()
    assert header.split()[:3] == ["ID", "CLIENT", "STATUS"]
    assert "unavailable" in alpha
    assert alpha.endswith("has no availability rule that is enabled; needs upgrade")
    assert "free" in named
    assert "GPU nodes" in named


@pytest.mark.parametrize(
    ("options", "found"),
    [
        (["--name", "b*"], ["beta:gpu"]),
        (["--text", "PHA"], ["alpha"]),
        (["--group", "day", "--group", "GPU nodes"], ["beta:gpu"]),
        (["--platform", "linux*"], ["alpha", "beta:gpu"]),
        (["--available"], ["beta:gpu"]),
        (["--no-available"], ["alpha"]),
        (["--disabled"], []),
        (["--no-disabled", "--no-sick"], ["alpha", "beta:gpu"]),
        (["--running"], ["beta:gpu"]),
        (["--job", "1"], ["beta:gpu"]),
        (["--needs-upgrade", "--min-cpus", "2", "--min-memory", "15GB"], ["alpha", "beta:gpu"]),
        (["--min-memory", "1T"], []),
    ],
)
def test_options_choose_clients(
    farm: Farm, beta: TestClient, farm_hq: ServicesHq, options: list[str], found: list[str]
) -> None:
    farm_hq("group", "create", "GPU nodes", "beta:gpu")
    farm_hq("available", "alpha", "never")
    submit(farm, command="render")
    beta.fetch()
    assert [client["label"] for client in farm_hq("--json", "clients", *options).json] == found
    said = farm_hq("clients", *options)
    assert [line.split()[1] for line in said.out.splitlines()[1:]] == found
    assert said.err == ("" if found else "hq: no such clients\n")


def test_options_of_clients_that_mean_nothing_are_refused(farm_hq: ServicesHq) -> None:
    said = farm_hq("clients", "--min-memory", "much")
    assert (said.code, "'much' is not a size such as 64GB" in said.err) == (Exit.USAGE, True)
    assert farm_hq("clients", "--min-cpus", "-1").code == Exit.USAGE


def test_client_tells_everything_about_one(farm: Farm, client: TestClient, farm_hq: ServicesHq) -> None:
    ended = submit(farm, name="ended", command="x", submittedBy="ada")
    client.run_all()
    running = submit(farm, name="running", command="x")
    (order,) = client.fetch()
    client.beat(client.started(order["run"]))
    farm_hq("describe", "alpha", "the", "big", "one")
    farm_hq("group", "create", "GPU", "alpha")
    farm_hq("note", "--client", "alpha", "fan is loud")
    text = farm_hq("client", "alpha").out
    assert text.startswith("Client 1  alpha  running\n")
    shown = [" ".join(line.split()) for line in text.splitlines()]
    for line in ("description the big one", "groups GPU", "available always", "its time UTC", "remarks needs upgrade"):
        assert line in shown
    jobs = shown[shown.index("Jobs") + 2 :]
    assert jobs[0].startswith(f"{running} running running")
    assert jobs[1].startswith(f"{ended} ended succeeded ada")
    assert shown[-1].endswith("fan is loud")
    assert farm_hq("client", "--json", "alpha").json["history"] == [ended]


def test_a_client_that_does_not_exist_is_told_with_the_near_one(farm_hq: ServicesHq, beta: TestClient) -> None:
    for argv in (
        ["client", "alhpa"],
        ["disable", "alpha", "alhpa"],
        ["restart", "alhpa"],
        ["group", "create", "G", "alhpa"],
        ["errors", "alhpa"],
        ["notes", "--client", "alhpa"],
    ):
        assert farm_hq(*argv) == Said(3, "", "hq: no client is called 'alhpa'; did you mean 'alpha'?\n")
    assert farm_hq("disable", "beta") == Said(3, "", "hq: no client is called 'beta'; on that machine run beta:gpu\n")
    assert farm_hq.farm.client("alpha")["disabled"] is False
    assert farm_hq.farm.groups() == []


def test_disable_and_enable_take_several(farm: Farm, client: TestClient, beta: TestClient, farm_hq: ServicesHq) -> None:
    submit(farm, command="x")
    (order,) = client.fetch()
    client.beat(client.started(order["run"]))
    assert farm_hq("disable", "alpha", "beta:gpu", "alpha") == Said(
        0, "alpha  disabled; goes on with job 1\nbeta:gpu  disabled\n", ""
    )
    assert [client["disabled"] for client in farm_hq("enable", "--json", "alpha", "beta:gpu").json] == [False, False]


def test_describe_sets_and_clears_a_text(farm_hq: ServicesHq) -> None:
    assert farm_hq("describe", "alpha", "in", "room 7").out == "alpha  in room 7\n"
    assert farm_hq("describe", "alpha", "").out == "alpha  no description\n"


def test_available_shows_and_sets_rules_in_words(farm_hq: ServicesHq) -> None:
    assert farm_hq("available", "alpha") == Said(0, "alpha  always\n", "")
    said = farm_hq("available", "alpha", "weekdays", "18-8", "or", "idle", "30")
    assert said == Said(0, "alpha  weekdays 18:00-08:00 or idle 30\n", "")
    assert farm_hq("available", "alpha", "weekdays 18:00-08:00 or idle 30") == said
    assert farm_hq("available", "alpha", "weekdas").code == Exit.USAGE
    refused = farm_hq("available", "alpha", "25:00-8:00")
    assert (refused.code, "from '00:00' to '23:59'" in refused.err) == (Exit.REFUSED, True)
    assert farm_hq("available", "--json", "alpha").json[0]["availabilityRules"][1]["minutes"] == 30


def test_upgrade_takes_names_or_every_client_that_needs_it(beta: TestClient, farm_hq: ServicesHq) -> None:
    assert farm_hq("upgrade", "alpha").out == "alpha  upgrading\n"
    assert [client["wanted"] for client in farm_hq("upgrade", "--all", "--json").json] == ["upgrade", "upgrade"]
    for argv in (["upgrade"], ["upgrade", "--all", "alpha"]):
        assert farm_hq(*argv).code == Exit.USAGE


def test_restart_and_remove_say_what_happens(
    farm: Farm, clock: SetClock, client: TestClient, beta: TestClient, farm_hq: ServicesHq
) -> None:
    submit(farm, command="x")
    (order,) = client.fetch()
    client.beat(client.started(order["run"]))
    assert farm_hq("restart", "alpha").out == "alpha  restarting; goes on with job 1\n"
    assert farm_hq("remove", "alpha").out == "alpha  ending, to be removed; job 1 goes back to the queue\n"
    clock.advance(10_000)
    assert farm_hq("remove", "beta:gpu").out == "beta:gpu  removed\n"
    assert "beta:gpu" not in farm_hq("clients").out


def test_a_runner_is_not_said_to_be_upgraded_or_restarted(farm: Farm, farm_hq: ServicesHq) -> None:
    claims.claim_job(farm, {}, "laptop", 60)
    for argv in (["upgrade", "laptop"], ["restart", "laptop"]):
        assert farm_hq(*argv).out == "laptop  left as it is: it is a runner, which has no daemon\n"


def test_a_runner_is_shown_as_one_that_asks_for_its_work_itself(
    farm: Farm, clock: SetClock, client: TestClient, farm_hq: ServicesHq
) -> None:
    submit(farm, command="x")
    claimed = claims.claim_job(farm, {}, {"name": "laptop", "cpus": 8}, 3600)
    assert claimed is not None
    claims.claim_job(farm, {}, "desk", 60)
    clock.advance(180)
    laptop, desk = farm_hq("clients").out.splitlines()[2:]
    assert laptop.split()[1:4] == ["laptop", "runner", "8"] and laptop.endswith("at work")
    assert desk.split()[1:3] == ["desk", "runner"] and desk.endswith("idle, last asked 3 m ago")
    assert "100000" not in laptop + desk
    shown = farm_hq("client", "desk").out
    assert shown.startswith("Client 3  desk  runner\n") and "idle, last asked 3 m ago" in shown
    assert "CPUs" not in shown
    assert "8" in next(line for line in farm_hq("client", "laptop").out.splitlines() if "CPUs" in line)
    farm_hq("disable", "desk")
    assert "disabled" in farm_hq("clients").out.splitlines()[3]
    farm_hq("available", "laptop", "never")
    laptop = farm_hq("clients").out.splitlines()[2]
    assert laptop.endswith("at work; has no availability rule that is enabled")
    claims.finish_job(farm, claimed["job"], "succeeded")
    laptop = farm_hq("clients").out.splitlines()[2]
    assert laptop.split()[1:3] == ["laptop", "unavailable"]


def test_groups_are_made_changed_and_deleted(beta: TestClient, farm_hq: ServicesHq) -> None:
    assert farm_hq("groups").err == "hq: no groups; make one with: hq group create GROUP CLIENT...\n"
    assert farm_hq("group", "create", "GPU nodes", "alpha").out == "GPU nodes  alpha\n"
    assert farm_hq("group", "add", "GPU nodes", "beta:gpu", "alpha").out == "GPU nodes  alpha, beta:gpu\n"
    assert farm_hq("groups").out == "GROUP      COUNT  CLIENTS\nGPU nodes      2  alpha, beta:gpu\n"
    assert farm_hq("group", "remove", "GPU nodes", "alpha").out == "GPU nodes  beta:gpu\n"
    assert farm_hq("group", "create", "GPU nodes").code == Exit.REFUSED
    assert farm_hq("group", "create", "empty", "--json").json["clients"] == []
    said = farm_hq("group", "delete", "GPU nodes", "emty")
    assert (said.code, len(farm_hq.farm.groups())) == (Exit.REFUSED, 2)
    assert "did you mean 'empty'?" in said.err
    assert farm_hq("group", "delete", "GPU nodes", "empty").out == (
        "GPU nodes  deleted; it had 1 client\nempty  deleted; it had 0 clients\n"
    )
