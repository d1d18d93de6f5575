"""What the page of a job tells beside its tables, and the signs in lists that lead there (CONTRACT 6.1, 6.2)."""

from __future__ import annotations

import json
import re

import pytest
from farm_kit import SetClock, TestClient, submit
from page_reader import HOSTILE, Reader, body, get, read

from hqserver.domain.run import Stream
from hqserver.services import callbacks, notes, resources, results
from hqserver.services.clients import client_control
from hqserver.services.clients.beats import Piece
from hqserver.services.control import commands
from hqserver.services.dispatch import assignment
from hqserver.services.farm import Farm
from webui.pages import Site


def page_of(farm: Farm, job_id: int) -> Reader:
    """The page as it is now: of a new site, since one keeps its pages for a second."""
    return read(Site(farm), f"/jobs/view/{job_id}")


def fail_until_blocked(farm: Farm, client: TestClient) -> int:
    job = submit(farm, name="fur", command="false", triesLeft=9)
    for _ in range(farm.policy.max_failures_per_client):
        (order,) = client.fetch()
        client.beat(client.ended(order["run"], 9))
    return job


def test_every_property_that_was_given_is_shown(farm: Farm) -> None:
    resources.set_resource(farm, "seat", 5, False)
    job = submit(
        farm,
        command={"linux": "render.sh", "windows": "render.exe"},
        cpus=0,
        tags=["single:gpu"],
        resources={"seat": 2},
        conditions=[{"type": "client", "name": "hostname", "op": "not_in", "value": "beta,gamma"}],
        minHosts=2,
        maxHosts=4,
        maxTime=5400,
        triesLeft=3,
        emailTo="ana@example.org",
        emailReasons="failed,succeeded",
        onError="tell ana",
        cleanup="rm -r scratch",
        splitOutput=True,
        environment={"SHOT": "sh010"},
        properties={"project": "dragon"},
    )
    text = page_of(farm, job).text
    for words in (
        *("Command linux render.sh", "Command windows render.exe", "On error tell ana", "Cleanup rm -r scratch"),
        *("CPUs all of its client", "Hosts 2 to 4", "Conditions hostname not in beta,gamma", "Tags single:gpu"),
        *("Resources 2 × seat", "Maximum time 1 h 30 m", "Tries left 3", "SHOT sh010", "project dragon"),
        *("Mail ana@example.org on failed, succeeded", "Standard error kept apart"),
    ):
        assert words in text, words


def test_a_container_that_runs_nothing_shows_no_requirements(farm: Farm) -> None:
    text = page_of(farm, submit(farm, children=[{"name": "in it", "command": "x"}])).text
    assert "Requirements" not in text and "CPUs" not in text


def test_the_times_of_a_job_are_those_of_hqueue(farm: Farm, client: TestClient, clock: SetClock) -> None:
    job = submit(farm, command="true")
    clock.advance(10)
    (order,) = client.fetch()
    client.beat(client.started(order["run"]))
    clock.advance(60)
    client.beat(client.ended(order["run"], seconds=60))
    text = page_of(farm, job).text
    for words in (
        "Submitted 1 m ago",
        "Could run 1 m ago",
        "Command started 1 m ago",
        "Command ended now",
        "Ended now",
    ):
        assert words in text, words
    for words in ("Ended now", "Time in queue 10 s", "Time to run command 1 m", "Time to complete 1 m 10 s"):
        assert words in text, words


def test_a_hook_is_a_run_under_its_name(farm: Farm, client: TestClient) -> None:
    """9.13: hooks run on the client where the job's command ended."""
    job = submit(farm, command="true", onSuccess="celebrate", cleanup="sweep")
    client.run_all()
    text = page_of(farm, job).text
    assert re.search(r"alpha cleanup hook .* alpha onSuccess hook .* alpha (?!\w+ hook)", text)


def test_why_a_job_failed_is_told_by_its_command_and_not_by_a_hook(farm: Farm, client: TestClient) -> None:
    job = submit(farm, command="false", onError="tell ana")
    (order,) = client.fetch()
    client.beat(client.ended(order["run"], 7))
    client.run_all()
    assert "Failed: exit code 7 on alpha" in page_of(farm, job).text


def test_a_job_warns_of_blocked_clients_until_somebody_has_seen_it(farm: Farm, client: TestClient) -> None:
    job = fail_until_blocked(farm, client)
    page = page_of(farm, job)
    assert "alpha failed 3 times" in page.text
    warning = "failed too often to get more of it: alpha"
    assert warning in page.text
    listed = read(Site(farm), "/")
    assert f"/jobs/view/{job}#blocked" in listed.links
    assert [attrs["title"] for tag, attrs in listed.tags if attrs.get("class") == "warning"] == [
        f"Blocked clients {warning}"
    ]
    assert f"hq call setShowBlockedClientsWarning {job} false" in page.text
    commands.warn_of_blocked_clients(farm, job, False)
    assert f"/jobs/view/{job}#blocked" not in read(Site(farm), "/").links
    assert "alpha failed 3 times" in page_of(farm, job).text, "the list stays"


def test_clients_that_wait_for_a_job_are_shown_on_both_pages(farm: Farm, client: TestClient) -> None:
    """9.15: a job that needs several clients holds those that are free."""
    other = TestClient(farm, hostname="beta")
    other.register()
    other.beat()
    submit(farm, name="long", command="true", cpus=2, conditions=[])
    assert client.fetch()
    job = submit(farm, name="sim", command="true", minHosts=2, cpus=2)
    while assignment.dispatch_pass(farm):
        pass
    held = "Clients on hold beta" in page_of(farm, job).text
    assert held or "Clients on hold alpha" in page_of(farm, job).text
    assert f"is held for job {job}" in read(Site(farm), "/clients").text


def test_a_job_that_is_held_with_its_children_is_shown_as_paused(farm: Farm) -> None:
    """9.9: it is queued itself, and waits for somebody as its children do."""
    job = submit(farm, name="denoise", children=[{"name": "frame", "command": "x"}])
    commands.pause(farm, [job], "no")
    for page in (read(Site(farm), "/"), page_of(farm, job)):
        assert "somebody to resume it" in page.text
        assert "children to end" not in page.text
        looks = [str(attrs["class"]) for tag, attrs in page.tags if "badge" in str(attrs.get("class"))]
        assert "badge paused" in looks and "badge waiting" not in looks


def test_a_child_of_many_parents_names_the_first_and_counts_the_rest(
    farm: Farm, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hqserver.services.queries.overview.MOST_PARENTS", 2)
    child = submit(farm, name="shared", command="x")
    parents = [submit(farm, name=f"parent {n}", childrenIds=[child]) for n in range(4)]
    page = page_of(farm, child)
    assert {f"/jobs/view/{parent}" for parent in parents[:2]} <= set(page.links)
    assert "and 2 more" in page.text and "parent 3" not in page.text


def test_a_client_that_was_removed_is_named_without_a_link(farm: Farm, client: TestClient, clock: SetClock) -> None:
    job = submit(farm, command="true")
    client.run_all()
    assert f"/clients/view/{client.id}" in page_of(farm, job).links
    clock.advance(farm.policy.lost_seconds + 1)
    client_control.remove(farm, [client.id])
    notes.add_note(farm, "gone", None, None, client.id)
    for page in (page_of(farm, job), read(Site(farm), "/notes")):
        assert "alpha" in page.text and f"/clients/view/{client.id}" not in page.links
    assert "Client alpha was removed from the farm." in read(Site(farm), f"/clients/view/{client.id}", 404).text


def test_diagnostics_are_all_that_is_known_but_secrets(farm: Farm, client: TestClient) -> None:
    job = submit(farm, name="fur", command="false", environment={"TOKEN": "secret"}, odd={"a": 1})
    client.run_all(1)
    response = get(Site(farm), f"/jobs/diagnostics/{job}")
    assert response.headers["Content-Disposition"] == f'attachment; filename="job-{job}.json"'
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    found = json.loads(body(response))
    assert found["job"]["name"] == "fur" and found["job"]["x-odd"] == {"a": 1}
    assert found["job"]["environment"] == ["TOKEN"] and "secret" not in body(response).decode()
    assert [run["exit_code"] for run in found["runs"]] == [1]
    assert found["log"][-1]["status"] == "failed"
    assert found["job"]["endTime"].endswith("Z")


def test_callbacks_are_shown_without_what_may_be_a_secret(farm: Farm) -> None:
    job = submit(farm, command="x")
    hook = {"type": "webhook", "url": "https://chat.example/hooks/T0KEN", "secret": "hush"}
    callbacks.add(farm, job, "failed,child:failed", hook, "ann")
    callbacks.add(farm, job, "succeeded", {"type": "command", "command": "tell <b>ann</b>"}, "ann")
    callbacks.add(farm, None, "failed", hook, "ann")
    text = page_of(farm, job).text
    assert "Callbacks 1: webhook https://chat.example on job:failed, child:failed" in text
    assert "2: command tell <b>ann</b> on job:succeeded" in text
    assert "3: webhook" not in text
    assert "T0KEN" not in text and "hush" not in text


def test_the_page_shows_what_the_job_left(farm: Farm) -> None:
    job = submit(farm, command="x")
    assert "Result" not in page_of(farm, job).text
    results.put(farm, job, {"frames": 240, "size": [1920, None]}, None)
    assert 'Result { "frames": 240, "size": [ 1920, null ] }' in page_of(farm, job).text
    results.put(farm, job, "x" * 30_000, None)
    text = page_of(farm, job).text
    assert f"Result the beginning; hq result {job} prints it" in text
    assert "x" * 10_000 in text
    assert "x" * 20_000 not in text


def test_a_hostile_result_is_shown_harmless(farm: Farm) -> None:
    job = submit(farm, command="x")
    results.put(farm, job, {**dict.fromkeys(HOSTILE[:-1], HOSTILE), HOSTILE[0]: 1}, None)
    page = body(get(Site(farm), f"/jobs/view/{job}")).decode()
    assert "<script>alert(1)" not in page
    assert "<img src=x" not in page
    assert "\u202e" not in page
    assert "&lt;script&gt;alert(1)" in page


def test_a_job_that_keeps_stderr_apart_shows_both_and_links_to_that_one(farm: Farm, client: TestClient) -> None:
    job = submit(farm, command="render", splitOutput=True)
    (order,) = client.fetch()
    run = order["run"]
    pieces = (Piece(run, 0, b"pixels\n"), Piece(run, 0, b"a warning\n", Stream.STDERR))
    client.beat(client.ended(run, log_size=7, log_sent=7, stderr=(10, 10)), output=pieces)
    page = page_of(farm, job)
    assert "pixels [hq] stderr on alpha a warning" in page.text
    link = f"/jobs/output/{job}?stream=stderr"
    assert f"{link}&inline=1" in page.links
    answer = get(Site(farm), link)
    assert body(answer) == b"a warning\n"
    assert f'filename="job-{job}-stderr.log"' in answer.headers["Content-Disposition"]
    assert body(get(Site(farm), f"/jobs/output/{job}?stream=stdout")) == b"pixels\n"
    assert get(Site(farm), f"/jobs/output/{job}?stream=both").status == 400
    other = submit(farm, command="render")
    assert not any("stream=" in link for link in page_of(farm, other).links)
