"""Runners from outside on the pages and in the metrics (CONTRACT 10, Locks and outside runners)."""

from __future__ import annotations

import pytest
from farm_kit import SetClock, submit
from page_reader import read

from hqserver.services.clients import claims, client_control
from hqserver.services.farm import Farm
from webui.metrics import metrics
from webui.pages import Site


@pytest.fixture
def site(farm: Farm, clock: SetClock) -> Site:
    """A farm with one runner at work and one that asked three minutes ago."""
    submit(farm, command="x")
    described = {"name": "laptop", "cpus": 8, "memory": 16 * 1024**2}
    assert claims.claim_job(farm, {}, described, 3600) is not None
    assert claims.claim_job(farm, {}, "desk", 60) is None
    clock.advance(180)
    return Site(farm)


def test_a_runner_is_shown_with_what_it_does(site: Site) -> None:
    page = read(site, "/clients")
    assert "runner at work" in page.text
    assert "runner idle, last asked 3 m ago" in page.text
    assert {"0 available", "0 unavailable", "0 running jobs", "0 offline", "2 runners"} <= counted(page.text)
    assert "100000" not in page.text and "8 CPUs" in page.text
    assert "free of" not in page.text, "a runner does not tell how much of its memory is free"


def test_a_farm_without_runners_has_no_count_of_them(farm: Farm) -> None:
    assert "runners" not in read(Site(farm), "/clients").text


def test_the_page_of_a_runner_does_not_say_that_it_takes_no_jobs(farm: Farm, site: Site) -> None:
    idle, busy = read(site, "/clients/view/2").text, read(site, "/clients/view/1").text
    assert "Asks for its work itself: idle, last asked 3 m ago" in idle
    assert "Asks for its work itself: at work" in busy
    for text in (idle, busy):
        assert "Takes no new jobs" not in text
        assert "Listen port" not in text and "Needs upgrade" not in text
    assert "CPUs not told" in idle and "CPUs 8 CPUs" in busy and "Memory 16 GB" in busy
    client_control.set_disabled(farm, "desk", True)
    assert "Takes no new jobs: it is disabled" in read(Site(farm), "/clients/view/2").text
    assert "unavailable idle, last asked 3 m ago; is disabled" in read(Site(farm), "/clients").text


def test_the_whole_of_an_unknown_machine_is_all_of_it(farm: Farm, site: Site) -> None:
    submit(farm, command="x", cpus=0)
    assert claims.claim_job(farm, {}, "desk", 60) is not None
    assert "CPUs in use all by 1 run" in read(site, "/clients/view/2").text


def test_metrics_count_runners_by_themselves(farm: Farm, site: Site) -> None:
    body = metrics(farm, {}).body
    assert isinstance(body, bytes)
    counts = dict(line.rsplit(" ", 1) for line in body.decode().splitlines() if line.startswith("hqserver_clients{"))
    assert counts == {
        **{f'hqserver_clients{{availability="{each}"}}': "0" for each in ("offline", "running jobs", "unavailable")},
        'hqserver_clients{availability="available"}': "0",
        'hqserver_clients{availability="runner"}': "2",
    }


def counted(text: str) -> set[str]:
    """Each two words of the page that follow each other, and each three: a counter is a number and what it counts."""
    words = text.split()
    return {" ".join(words[at : at + size]) for at in range(len(words)) for size in (2, 3)}
