"""Work that every client which could run it is blocked for (CONTRACT 3.6, 10 Trouble; PROMISES P7)."""

from __future__ import annotations

from typing import Any

import pytest
from farm_kit import TestClient, submit
from scheduling_kit import another, detail, end, events, handed_out, passes, waiting_for

from hqserver.services.clients import client_control
from hqserver.services.control import commands
from hqserver.services.farm import Farm
from hqserver.services.intake import submission
from hqserver.services.work import blocked_work

SIDE_BY_SIDE = "alpha is blocked for this job: too much of it failed there"


def family(farm: Farm, children: int = 5, **child: Any) -> list[int]:
    """A root with children that each need a whole client; the root's id first."""
    specification = {"name": "c", "command": "x", "cpus": 2, **child}
    return submission.submit(farm, {"name": "root", "children": [specification] * children})


def block(client: TestClient) -> None:
    """The client fails whatever it gets until it gets no more of it."""
    while found := {job: labels for job, labels in handed_out(client.farm).items() if client.hostname in labels}:
        for job in found:
            end(client, job, code=1)


def statuses(farm: Farm, job_ids: list[int]) -> list[str]:
    return [str(detail(farm, job_id, "status")) for job_id in job_ids]


def test_what_no_client_may_run_any_more_fails_with_the_reason_and_so_does_its_parent(
    farm: Farm, client: TestClient
) -> None:
    root, *children = family(farm)
    block(client)
    assert statuses(farm, [root, *children]) == ["queued", "failed", "failed", "failed", "runnable", "runnable"]
    blocked_work.fail_stranded(farm)
    assert statuses(farm, [root, *children]) == ["failed"] * 6
    why = "every client that could run it is blocked for this job: alpha failed 3 times or more; reschedule it when"
    event, message = events(farm, children[4])[-1]
    assert (event, message.startswith(why)) == ("status", True), message
    assert detail(farm, children[4], "latestNote") == f"failed: {message}"
    assert ("no client left", "2 jobs failed that only blocked clients could run") in events(farm, root)
    commands.reschedule(farm, [root], "mended")
    assert client.run_all() == 5
    assert statuses(farm, [root, *children]) == ["succeeded"] * 6


def test_a_job_alone_fails_too_whatever_tries_it_has_left(farm: Farm, client: TestClient) -> None:
    job = submit(farm, command="x", triesLeft=9, onError="tell", cleanup="clean", onSuccess="rejoice")
    assert client.run_all(code=1) == 3
    blocked_work.fail_stranded(farm)
    assert statuses(farm, [job]) == ["failed"]
    skipped = [message for event, message in events(farm, job) if event == "hooks skipped"]
    assert skipped == ["onError, cleanup: no client is left that may run them"]
    assert client.fetch() == []


def test_a_new_child_of_a_root_whose_clients_are_all_blocked_fails_as_well(farm: Farm, client: TestClient) -> None:
    root, *_ = family(farm, 4)
    block(client)
    late = submission.submit(farm, {"name": "late", "command": "x"}, root)[0]
    blocked_work.fail_stranded(farm)
    assert statuses(farm, [root, late]) == ["failed", "failed"]


@pytest.mark.parametrize("why", ["disabled", "silent"])
def test_it_waits_while_a_client_that_is_not_blocked_may_take_work_again_and_names_both(
    farm: Farm, client: TestClient, why: str
) -> None:
    root, *children = family(farm, 4)
    beta = TestClient(farm, hostname="beta", session="b", cpus=8)
    beta.register()
    if why == "disabled":
        beta.beat(accepting=False)
        client_control.set_disabled(farm, "beta", True)
        sentence = "beta is disabled"
    else:
        assert client.beat() is not None
        presence = farm.watch.get(beta.id)
        assert presence is not None
        presence.heard = False
        sentence = "beta has not been heard of since the server started"
    block(client)
    blocked_work.fail_stranded(farm)
    assert statuses(farm, [root, children[3]]) == ["queued", "runnable"]
    assert waiting_for(farm, children[3]) == f"{SIDE_BY_SIDE}; {sentence}"
    client_control.set_disabled(farm, "beta", False)
    beta.beat()
    passes(farm)
    assert handed_out(farm) == {children[3]: ["beta"]}


def test_clients_that_could_never_run_it_do_not_keep_it_waiting(farm: Farm, client: TestClient) -> None:
    another(farm, "small", cpus=1)
    another(farm, "box", platform="windows-x86_64")
    gone = another(farm, "gone")
    client_control.remove(farm, [gone.id])
    presence = farm.watch.get(gone.id)
    assert presence is not None
    presence.row.removed = 1
    root, *children = family(farm, 4, command={"linux": "x"})
    block(client)
    blocked_work.fail_stranded(farm)
    assert statuses(farm, [root, children[3]]) == ["failed", "failed"]


def test_a_job_for_several_clients_fails_when_too_few_are_left(farm: Farm, client: TestClient) -> None:
    another(farm, "beta")
    root, *children = family(farm, 4, host="alpha")
    both = submission.submit(farm, {"name": "both", "command": "x", "minHosts": 2, "maxHosts": 2}, root)[0]
    commands.pause(farm, [both], "later")
    block(client)
    blocked_work.fail_stranded(farm)
    assert statuses(farm, [children[3], both]) == ["failed", "paused"], "what is held waits for somebody anyway"
    commands.resume(farm, [both], "now")
    blocked_work.fail_stranded(farm)
    assert statuses(farm, [both]) == ["failed"]


def test_jobs_of_other_roots_and_jobs_that_no_client_ever_suited_go_on_waiting(farm: Farm, client: TestClient) -> None:
    root, *_ = family(farm, 4)
    block(client)
    unknown = submission.submit(farm, {"name": "elsewhere", "command": "x", "host": "nowhere"}, root)[0]
    other = submit(farm, command="x")
    blocked_work.fail_stranded(farm)
    assert statuses(farm, [root, unknown, other]) == ["queued", "runnable", "runnable"]
    assert waiting_for(farm, unknown).startswith("alpha does not meet")


def test_hooks_of_a_job_whose_command_has_ended_keep_their_own_bound(farm: Farm, client: TestClient) -> None:
    """9.13: they are left out when no client can run them in time, and not before."""
    root, *_ = family(farm, 4)
    container = submission.submit(farm, {"name": "tell", "onSuccess": "x"}, root)[0]
    client_control.set_disabled(farm, "alpha", True)
    client_control.set_disabled(farm, "alpha", False)
    client.beat()
    commands.set_priority(farm, [container], 0)
    with farm.database.read() as connection:
        assert connection.execute("SELECT pending FROM work WHERE job_id = ?", [container]).fetchone()[0]
    farm.database.write(
        lambda transaction: transaction.connection.execute("INSERT INTO client_failure VALUES (?, ?, 3)", (root, 1))
    )
    blocked_work.fail_stranded(farm)
    assert statuses(farm, [container]) == ["runnable"]
