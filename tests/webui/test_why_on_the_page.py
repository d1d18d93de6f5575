"""Why a job waits, on its page: the same reasons as `explainJob` tells, clients folded (CONTRACT 10, Why)."""

from __future__ import annotations

from farm_kit import TestClient, submit
from page_reader import HOSTILE, Reader, body, get, read
from scheduling_kit import end, passes, several

from hqserver.services.clients import client_control
from hqserver.services.control import commands
from hqserver.services.farm import Farm
from webui.pages import Site


def page_of(farm: Farm, job_id: int) -> Reader:
    return read(Site(farm), f"/jobs/view/{job_id}")


def test_a_job_that_waits_shows_what_keeps_it_and_what_would_change_it(farm: Farm, client: TestClient) -> None:
    several(farm, "beta gamma delta eps zeta", cpus=4)
    client_control.set_disabled(farm, "zeta", True)
    page = page_of(farm, submit(farm, command="x", cpus=8))
    text = page.text
    for words in (
        "Why it waits 6 clients, none would take it now",
        "The job holds registered a client of the farm 6",
        "does not hold clients a client that can run it none of 6, as they are set up now",
        "4 clients beta , gamma , delta , eps does not hold cpus 8 4 "
        "let it ask for 4 or fewer: hq modify 1 --set cpus=4 (modifyJobs)",
        "1 client zeta does not hold enabled enabled disabled hq enable zeta (setdisabled) does not hold cpus 8 4",
    ):
        assert words in text, (words, text)
    assert "/clients/view/2" in page.links


def test_clients_that_would_take_it_are_told_too(farm: Farm, client: TestClient) -> None:
    job = submit(farm, command="x")
    commands.pause(farm, [job], "later")
    text = page_of(farm, job).text
    assert "does not hold held not held back paused hq resume 1 (resumeJobs)" in text
    assert "1 client alpha holds would take it, in this order" in text


def test_a_job_that_runs_or_has_ended_shows_no_reasons(farm: Farm, client: TestClient) -> None:
    job = submit(farm, command="x")
    passes(farm)
    assert "Why it waits" not in page_of(farm, job).text
    end(client, job)
    assert "Why it waits" not in page_of(farm, job).text


def test_the_page_stays_small_with_many_different_clients(farm: Farm, client: TestClient) -> None:
    job = submit(farm, command="x", cpus=99)
    sizes = []
    for count in (20, 80):
        for number in range(count):
            several(farm, f"node{count}-{number}", cpus=number + 3)
        page = body(get(Site(farm), f"/jobs/view/{job}"))
        assert b"clients with other reasons: hq why 1 --json" in page
        sizes.append(len(page))
    assert sizes[1] < 1.3 * sizes[0]


def test_hostile_names_are_harmless_there(farm: Farm) -> None:
    for text in HOSTILE:
        words = {"type": "client", "name": "group", "op": "==", "value": text}
        job = submit(farm, command="x", conditions=[words], resources={text.replace(",", " ")[:100]: 1})
        assert "script" not in {tag for tag, attributes in page_of(farm, job).tags if "src" not in attributes}
