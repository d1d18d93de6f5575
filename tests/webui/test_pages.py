"""The site: what stands on its pages, and what hostile names, odd addresses and a dead database do to it."""

from __future__ import annotations

import json
import re

import pytest
from farm_kit import SetClock, TestClient, submit
from page_reader import HOSTILE, Reader, body, get, read

from hqserver.app import surfaces
from hqserver.domain.properties import PROPERTIES
from hqserver.services import notes
from hqserver.services.clients.beats import Piece
from hqserver.services.clients.group_attributes import GROUP_ATTRIBUTES
from hqserver.services.control import commands
from hqserver.services.farm import Farm
from hqserver.services.note_attributes import NOTE_ATTRIBUTES, THREAD_ATTRIBUTES
from hqserver.services.queries import overview_jobs
from hqserver.services.queries.client_attributes import CLIENT_ATTRIBUTES
from hqserver.services.queries.job_attributes import JOB_ATTRIBUTES
from webui import assets
from webui.pages import Site


@pytest.fixture
def site(farm: Farm) -> Site:
    return Site(farm, surfaces(farm))


def test_an_empty_farm_shows_how_to_submit_the_first_job(site: Site) -> None:
    page = read(site, "/", host="farm.example:5000")
    assert "No jobs yet" in page.text
    assert 'ServerProxy("http://farm.example:5000")' in page.text
    assert "hqclient --server http://farm.example:5000" in page.text


@pytest.mark.parametrize("host", ['"><script>', "a b", "x" * 300, "", "a/b"])
def test_a_host_header_that_is_no_host_is_not_repeated(site: Site, host: str) -> None:
    assert 'ServerProxy("http://127.0.0.1:5000")' in read(site, "/", host=host).text


def test_the_jobs_page_tells_each_job_in_a_row(farm: Farm, client: TestClient, site: Site) -> None:
    submit(farm, name="hello", command="true", submittedBy="ana", priority=7, description="a greeting")
    commands.cancel(farm, [submit(farm, name="not wanted", command="true")], "no")
    page = read(site, "/")
    for words in ("Unfinished jobs", "hello", "a greeting", "ana", "waiting for resources", "its turn", "0 %"):
        assert words in page.text
    assert "Recently finished" in page.text and "cancelled" in page.text
    assert {"/jobs/view/1", "/jobs/view/2", "/?list=failed"} <= set(page.links)
    assert [attrs["datetime"] for tag, attrs in page.tags if tag == "time"] == ["2023-11-14T22:13:20Z"] * 2


def test_each_tab_shows_its_list(farm: Farm, client: TestClient, site: Site) -> None:
    submit(farm, name="green", command="true")
    client.run_all()
    submit(farm, name="red", command="false")
    client.run_all(1)
    submit(farm, name="grey", command="true", cpus=2)
    shown = {
        status: {name for name in ("green", "red", "grey") if name in read(site, f"/?list={status}").words}
        for status in ("unfinished", "running", "waiting", "finished", "failed", "all")
    }
    assert shown == {
        "unfinished": {"grey"},
        "running": set(),
        "waiting": {"grey"},
        "finished": {"green", "red"},
        "failed": {"red"},
        "all": {"green", "red", "grey"},
    }


def test_a_long_list_is_turned_page_by_page(farm: Farm, site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(overview_jobs, "JOBS_A_PAGE", 2)
    for _ in range(5):
        submit(farm, command="true")
    seen, address = [], "/?list=all"
    while address:
        links = read(site, address).links
        seen += [link for link in dict.fromkeys(links) if link.startswith("/jobs/view/")]
        address = next((link for link in links if "after=" in link), "")
    assert seen == [f"/jobs/view/{number}" for number in (5, 4, 3, 2, 1)]


@pytest.mark.parametrize("address", ["/?list=bogus", "/?text=", "/?status=", "/?list=all&after="])
def test_an_odd_query_is_a_page_all_the_same(farm: Farm, site: Site, address: str) -> None:
    submit(farm, name="hello", command="true")
    assert "hello" in read(site, address).text


def test_an_address_asks_for_jobs_as_findjobs_does(farm: Farm, site: Site) -> None:
    """CONTRACT 10: one definition serves the methods, the page and the command line."""
    submit(farm, name="Shot 1", command="true", submittedBy="ana", properties={"film": "Ape"})
    submit(farm, name="shot 2", command="true", submittedBy="bob", tags=["wip", "b"], children=[{"name": "reel"}])
    for query, names in (
        ("text=SHOT", {"Shot 1", "shot 2"}),
        ("name=shot*", {"shot 2"}),
        ("name=*&rootsOnly=1&sort=-name", {"Shot 1", "shot 2"}),
        ("submittedBy=ana,eve", {"Shot 1"}),
        ("tags=wip,b", {"shot 2"}),
        ("property.film=Ape", {"Shot 1"}),
        ("status=succeeded", {"reel"}),
        ("parent=2&since=2023-01-01", {"reel"}),
        ("before=2023-01-01", set()),
    ):
        page = read(site, f"/?{query}")
        assert {name for name in ("Shot 1", "shot 2", "reel") if name in page.words} == names, query
        assert ("No job is like that." in page.text) is (not names)


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        ("statsu=failed", "there is no key 'statsu'; did you mean 'status'?"),
        ("status=fialed", "'fialed' is none; did you mean 'failed'"),
        ("text=x&sort=nam", "did you mean 'name'?"),
        ("list=all&after=x", "this is not what `next` of an earlier page said"),
        ("since=yesterday", "must be a time such as 2026-01-31T23:59:59"),
    ],
)
def test_an_address_that_means_nothing_is_told_why(site: Site, query: str, sentence: str) -> None:
    assert sentence in read(site, f"/?{query}", 400).text


def test_a_search_goes_on_where_it_was(farm: Farm, site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(overview_jobs, "JOBS_A_PAGE", 2)
    for number in range(5):
        submit(farm, name=f"shot {number}", command="true")
    (older,) = [link for link in read(site, "/?text=shot").links if "after=" in link]
    page = read(site, older)
    assert [link for link in dict.fromkeys(page.links) if link.startswith("/jobs/view/")] == [
        f"/jobs/view/{number}" for number in (3, 2)
    ]
    assert "/?text=shot" in page.links
    assert [attrs["value"] for tag, attrs in page.tags if tag == "input"] == ["shot"]


def test_a_job_tells_all_there_is_to_know(farm: Farm, client: TestClient, clock: SetClock, site: Site) -> None:
    parent = submit(
        farm,
        name="film",
        children=[{"name": "reel", "command": "render it", "shell": "bash", "environment": {"SHOT": "sh010"}}],
    )
    notes.add_note(farm, "mind the gap", None, parent + 1, None)
    (order,) = client.fetch()
    log = b"working\n10%\r90%\nbroken\n"
    clock.advance(100)
    client.beat(client.started(order["run"], 50), output=(Piece(order["run"], 0, log),))
    client.beat(client.ended(order["run"], 3, seconds=50, log_size=len(log)))
    page = read(site, f"/jobs/view/{parent + 1}")
    for words in ("reel", "failed", "render it", "bash", "SHOT", "sh010", "mind the gap", "exit code 3", "alpha"):
        assert words in page.text
    for words in ("working 90% broken", "50 s", "Status log", "assigned to alpha"):
        assert words in page.text
    assert {f"/jobs/view/{parent}", "/clients/view/1", f"/jobs/output/{parent + 1}"} <= set(page.links)
    above = read(site, f"/jobs/view/{parent}")
    assert "1 child" in above.text and f"/jobs/view/{parent + 1}" in above.links
    assert "1 of 1 children did not succeed" in above.text or "child 2 failed" in above.text


def test_a_job_without_a_command_shows_neither_command_nor_output(farm: Farm, site: Site) -> None:
    text = read(site, f"/jobs/view/{submit(farm, name='box', children=[{'name': 'in it', 'command': 'x'}])}").text
    assert "Output" not in text and "Command" not in text


@pytest.mark.slow
def test_thousands_of_children_are_cells_and_pages(farm: Farm, site: Site) -> None:
    job = submit(farm, children=[{"name": "n" * 900, "command": "x"} for _ in range(2500)])
    response = get(site, f"/jobs/view/{job}")
    assert len(body(response)) < 1_500_000
    page = Reader(body(response).decode())
    assert "2 500 children" in page.text and "and 500 more" in page.text
    assert f"/jobs/view/{job}?children_after={job + 200}#children" in page.links
    after = read(site, f"/jobs/view/{job}?children_after={job + 200}")
    assert f"/jobs/view/{job + 201}" in after.links and f"/jobs/view/{job}#children" in after.links


def test_the_page_shows_the_end_of_a_long_output_and_links_to_all_of_it(
    farm: Farm, client: TestClient, site: Site
) -> None:
    job = submit(farm, command="x")
    (order,) = client.fetch()
    log = b"".join(b"line %06d\n" % number for number in range(20_000))
    client.beat(client.started(order["run"]), output=(Piece(order["run"], 0, log),))
    page = read(site, f"/jobs/view/{job}")
    assert "line 019999" in page.text and "line 000000" not in page.text and "the last 64 kB" in page.text
    shown = next(words for words in page.words if "line 019999" in words)
    assert re.fullmatch(r"(?:line \d{6}\n)+", shown), "it starts with a whole line"
    whole = get(site, f"/jobs/output/{job}")
    assert whole.body == log
    assert whole.content_type == "text/plain; charset=utf-8"
    assert whole.headers["Content-Disposition"] == f'attachment; filename="job-{job}.log"'
    assert whole.headers["X-Content-Type-Options"] == "nosniff"
    assert get(site, f"/jobs/output/{job}?inline=1").headers["Content-Disposition"].startswith("inline")


@pytest.mark.parametrize("text", HOSTILE)
def test_no_text_from_outside_breaks_a_page(farm: Farm, site: Site, text: str) -> None:
    client = TestClient(farm, hostname="alpha", name="<b>")
    client.register()
    client.beat()
    job = submit(
        farm,
        name=text,
        description=text,
        submittedBy=text,
        command=text,
        environment={"A": text},
        properties={text: text},
        children=[{"name": text, "command": text}],
    )
    notes.add_note(farm, text, None, job, None)
    notes.add_note(farm, text, None, None, client.id)
    client.fetch()
    for address in ("/", "/?list=all", f"/jobs/view/{job}", f"/jobs/view/{job + 1}", "/clients", "/clients/view/1"):
        page = read(site, address)
        assert {attrs["src"] for tag, attrs in page.tags if tag == "img"} == {assets.asset_url("icon.svg")}
        assert [attrs for tag, attrs in page.tags if tag == "script"] == [
            {"src": assets.asset_url("page.js"), "defer": None}
        ]
        assert not [name for _, attrs in page.tags for name in attrs if name.startswith("on") or name == "style"]
        raw = body(get(site, address)).decode()
        assert not re.search("[\u202e\x07\x1b]", raw)


def test_the_clients_page_tells_each_client_in_a_row(farm: Farm, clock: SetClock, site: Site) -> None:
    gone, busy = TestClient(farm, hostname="gone"), TestClient(farm, hostname="busy", name="night")
    gone.register()
    gone.beat()
    clock.advance(farm.policy.lost_seconds + 60)
    busy.register()
    busy.beat()
    submit(farm, name="at work", command="x")
    busy.fetch()
    clock.advance(7)
    page = read(site, "/clients")
    for words in (
        "busy:night",
        "running jobs",
        "#1 at work",
        "0.5 of 2",
        "linux-x86_64",
        "2 CPUs × 3.0 GHz",
        "7 s ago",
    ):
        assert words in page.text
    for words in ("gone", "offline", "3 m ago", "has been silent for", "7.63 GB free of 15.3 GB"):
        assert words in page.text
    one = read(site, f"/clients/view/{busy.id}")
    assert "Running here" in one.text and "/jobs/view/1" in one.links


def test_the_age_of_a_heartbeat_is_by_the_servers_clock_that_never_jumps(
    farm: Farm, client: TestClient, clock: SetClock, site: Site
) -> None:
    clock.wall += 3600  # somebody set the clock
    clock.steady += 5
    assert "5 s ago" in read(site, "/clients").text


def test_many_clients_are_turned_page_by_page(farm: Farm, site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hqserver.services.queries.overview_clients.CLIENTS_A_PAGE", 2)
    for name in "abcde":
        TestClient(farm, hostname=f"host-{name}").register()
    assert "host-b" in read(site, "/clients").text
    middle = read(site, "/clients?page=2")
    assert "host-c" in middle.text and {"/clients", "/clients?page=3"} <= set(middle.links)
    assert "host-e" in read(site, "/clients?page=99").text


def test_the_api_page_names_every_method_and_attribute(farm: Farm, site: Site) -> None:
    page = read(site, "/api")
    named = {attrs.get("id") for _, attrs in page.tags}
    for method in surfaces(farm):
        assert (method.name in named) is not method.internal, method.name
    registries = (JOB_ATTRIBUTES, CLIENT_ATTRIBUTES, GROUP_ATTRIBUTES, THREAD_ATTRIBUTES, NOTE_ATTRIBUTES, PROPERTIES)
    for name, each in [(name, each) for registry in registries for name, each in registry.items()]:
        assert name in page.words and " ".join(each.sentence.split()) in page.text, name


def test_a_site_without_methods_has_an_api_page(farm: Farm) -> None:
    assert "Attributes of a job" in read(Site(farm), "/api").text


def test_metrics_are_what_prometheus_reads(farm: Farm, client: TestClient, site: Site) -> None:
    submit(farm, command="true")
    response = get(site, "/metrics")
    assert response.content_type == "text/plain; version=0.0.4; charset=utf-8"
    lines = body(response).decode().splitlines()
    assert 'hqserver_jobs{status="runnable"} 1' in lines
    assert 'hqserver_clients{availability="available"} 1' in lines
    assert 'hqserver_live_runs{status="running"} 0' in lines
    for line in lines:
        assert re.fullmatch(r'# (?:HELP|TYPE) \w+ .+|\w+\{\w+="[^"\\]*"\} \d+(?:\.\d+)?', line), line
    assert body(response).endswith(b"\n")


def test_metrics_tell_when_each_tick_last_ran(farm: Farm) -> None:
    """PROMISES 7.1, T15: what monitoring watches."""
    lines = body(get(Site(farm, tick_ages=lambda: {"dispatch": 0.12345}), "/metrics")).decode().splitlines()
    assert 'hqserver_tick_age_seconds{tick="dispatch"} 0.123' in lines


def test_the_health_check_is_503_while_the_database_cannot_be_read(farm: Farm, site: Site) -> None:
    assert json.loads(body(get(site, "/healthz")))["status"] == "ok"
    with farm.database.read():  # the only open reader is taken: the next one must open the file
        moved = farm.database.path.rename(farm.database.path.with_suffix(".away"))
        try:
            ill, page = get(site, "/healthz"), get(site, "/")
        finally:
            moved.rename(farm.database.path)
    assert ill.status == 503
    assert json.loads(body(ill))["status"] == "unavailable"
    assert page.status == 503
    assert "cannot be read" in Reader(body(page).decode()).text
    assert get(site, "/").status == 200


@pytest.mark.parametrize(
    "path",
    [
        *("/nothing", "/jobs/view/99", "/jobs/view/x", "/jobs/view/1//", "/jobs/view/٣", "/jobs/output/99"),
        *("/clients/view/99", "/static/", "/static/../pages.py", "/static/page.py", "/jobs/view/" + "9" * 40, ""),
        *("/<script>alert(1)</script>", "/groups/view/9", "/notes/view/9", "/jobs/diagnostics/9", "//evil.example/"),
    ],
)
def test_what_is_not_there_is_a_friendly_page(site: Site, path: str) -> None:
    page = read(site, path, 404)
    assert "Not found" in page.text and "/" in page.links
    assert "alert(1)" not in page.text


def test_a_page_is_at_most_a_second_old(farm: Farm, clock: SetClock, site: Site) -> None:
    before = body(get(site, "/"))
    submit(farm, name="news", command="true")
    assert body(get(site, "/")) is before
    clock.advance(1)
    assert b"news" in body(get(site, "/"))


@pytest.mark.parametrize("name", ["page.css", "page.js", "icons.svg", "icon.svg"])
def test_a_static_file_is_kept_by_the_browser_until_it_changes(site: Site, name: str) -> None:
    address = assets.asset_url(name)
    found = get(site, address)
    assert found.status == 200 and body(found)
    assert "immutable" in found.headers["Cache-Control"]
    assert get(site, f"/static/{name}").headers["Cache-Control"] == "no-cache"
    known = get(site, f"/static/{name}", **{"if-none-match": f'W/"other", {found.headers["ETag"]}'})
    assert (known.status, known.body) == (304, b"")


def test_pages_refresh_themselves_with_and_without_javascript(farm: Farm, site: Site) -> None:
    live = read(site, "/")
    assert ("meta", {"http-equiv": "refresh", "content": "10"}) in live.tags
    assert any("data-live" in attrs for tag, attrs in live.tags if tag == "main")
    still = read(site, "/api")
    assert not any("data-live" in attrs for tag, attrs in still.tags if tag == "main")


def test_no_page_is_kept_by_the_browser(farm: Farm, site: Site) -> None:
    for address in ("/", "/clients", "/nothing", "/metrics", "/healthz"):
        assert get(site, address).headers["Cache-Control"] == "no-store"
