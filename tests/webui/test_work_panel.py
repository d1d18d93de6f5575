"""The pieces of a job with an agenda on its page (CONTRACT 10, Work items)."""

from __future__ import annotations

from farm_kit import TestClient, submit
from page_reader import read

from hqserver.services.farm import Farm
from webui.pages import Site


def test_the_page_shows_the_pieces_and_leads_to_those_in_one_status(farm: Farm, client: TestClient) -> None:
    job = submit(farm, command="render", agenda="1-120")
    first, second = client.fetch()
    client.beat(client.ended(first["run"], 1), client.started(second["run"]))
    page = read(Site(farm), f"/jobs/view/{job}")
    assert "120 pieces of work" in page.text
    assert ("i", {"class": "failed", "title": "1: failed"}) in page.tags
    assert ("i", {"class": "running", "title": "2: running"}) in page.tags
    assert f"/jobs/view/{job}?work=failed#work" in page.links
    assert f"/jobs/view/{job}?work_from=50#work" in page.links
    later = read(Site(farm), f"/jobs/view/{job}?work_from=100")
    assert f"/jobs/view/{job}?work_from=50#work" in later.links
    assert f"/jobs/view/{job}?work_from=150#work" not in later.links
    failed = read(Site(farm), f"/jobs/view/{job}?work=failed")
    assert "alpha" in failed.text
    assert f"/jobs/view/{job}?work=failed&work_from=50#work" not in failed.links


def test_an_address_that_means_nothing_shows_all_pieces(farm: Farm) -> None:
    job = submit(farm, command="render", agenda="1-2")
    for query in ("work=x", "work_from=-1", "work_from=99999999999"):
        assert "2 pieces of work" in read(Site(farm), f"/jobs/view/{job}?{query}").text


def test_a_job_without_an_agenda_has_no_pieces(farm: Farm) -> None:
    assert "pieces of work" not in read(Site(farm), f"/jobs/view/{submit(farm, command='x')}").text
