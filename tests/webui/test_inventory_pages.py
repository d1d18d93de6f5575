"""The pages of groups, resources, notes, folders and errors, and hostile names on them (CONTRACT 6.4)."""

from __future__ import annotations

import re

import pytest
from farm_kit import SetClock, TestClient, submit
from page_reader import HOSTILE, body, get, read

from hqserver.domain.availability import as_rules, to_text
from hqserver.domain.folder import NetworkFolder
from hqserver.services import notes, resources
from hqserver.services.clients import client_control, folders, groups
from hqserver.services.farm import Farm
from hqserver.store import clients, errors
from hqserver.store import groups as group_rows
from hqserver.store.database import Transaction
from hqserver.web import WebRequest
from webui import assets
from webui.pages import Site

PAGES = ("/groups", "/resources/view", "/notes", "/folders", "/errors")


@pytest.fixture
def site(farm: Farm) -> Site:
    return Site(farm)


def log_error(farm: Farm, source: str, message: str, at: float = 1.0) -> None:
    farm.database.write(lambda transaction: errors.add_of_server(transaction.connection, at, source, message))


@pytest.mark.parametrize("address", PAGES)
def test_a_page_says_so_where_there_is_nothing(site: Site, address: str) -> None:
    page = read(site, address)
    assert {"/", "/clients", *PAGES, "/api"} <= set(page.links), "every page has the menu"
    if address not in ("/resources/view", "/folders"):  # licences are built in, and the configuration names a folder
        assert re.search("[Tt]here are no|Nothing went wrong", page.text)


def test_the_page_of_groups_leads_to_each_with_its_clients(farm: Farm, client: TestClient, site: Site) -> None:
    group = groups.create_group(farm, "Render racks & more")
    groups.add_client(farm, group, client.id)
    page = read(site, "/groups")
    assert "Render racks & more" in page.text
    assert {f"/groups/view/{group}", f"/clients/view/{client.id}"} <= set(page.links)
    one = read(site, f"/groups/view/{group}")
    assert "1 client" in one.text and "alpha" in one.text
    assert "hq group add 'Render racks & more' CLIENT" in one.text
    assert f"/groups/view/{group}" in read(site, "/clients").links


def test_the_page_of_resources_tells_totals_use_and_holders(farm: Farm, client: TestClient, site: Site) -> None:
    resources.set_resource(farm, "seat", 1500, False)
    job = submit(farm, name="comp", command="true", resources={"seat": 3})
    client.fetch()
    page = read(site, "/resources/view")
    for words in ("seat", "per job", "3 × ", "#1 comp", "built in", "per machine", "not counted"):
        assert words.strip() in page.text
    assert "1\u202f500" in page.words, "thousands stand apart"
    assert {f"/jobs/view/{job}", f"/clients/view/{client.id}"} <= set(page.links)
    assert "-1" not in page.words


def test_a_rate_tells_what_was_started_in_the_last_minute(farm: Farm, client: TestClient, site: Site) -> None:
    resources.set_resource(farm, "api", 30, False, "rate")
    submit(farm, name="comp", command="true", resources={"api": 3})
    client.fetch()
    page = read(site, "/resources/view")
    assert "starts per minute" in page.text and "api 3 30 starts" in " ".join(page.text.split())


def test_notes_are_listed_with_what_they_are_about(farm: Farm, client: TestClient, site: Site) -> None:
    job = submit(farm, name="comp", command="true")
    notes.add_note(farm, "wrong colour", None, job, None)
    notes.add_note(farm, "loud fan", None, None, client.id)
    notes.add_note(farm, "closed on Sunday", None, None, None)
    page = read(site, "/notes")
    found = [page.text.index(text) for text in ("closed on Sunday", "loud fan", "wrong colour")]
    assert found == sorted(found), "newest first"
    assert {"/notes.atom", f"/jobs/view/{job}", f"/clients/view/{client.id}", "/notes/view/1"} <= set(page.links)
    thread = read(site, "/notes/view/1")
    assert "Notes on #1 comp" in thread.text and "loud fan" not in thread.text
    assert "hq note --thread 1 TEXT" in thread.text
    assert "/notes/view/1" in read(site, "/").links, "the note's sign leads to its thread"
    assert "/notes/view/2" in read(site, "/clients").links


def test_many_notes_are_turned_page_by_page(farm: Farm, site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hqserver.services.queries.overview_inventory.NOTES_A_PAGE", 2)
    for number in range(5):
        notes.add_note(farm, f"note {number}", None, None, None)
    seen: list[str] = []
    address = "/notes"
    while address:
        page = read(site, address)
        seen += re.findall(r"note \d", page.text)
        address = next((link for link in page.links if "before=" in link), "")
    assert seen == [f"note {number}" for number in (4, 3, 2, 1, 0)]


def test_many_groups_are_turned_page_by_page(farm: Farm, site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hqserver.services.queries.overview_inventory.GROUPS_A_PAGE", 2)
    for name in ("a", "b", "c"):
        groups.create_group(farm, f"group {name}")
    first = read(site, "/groups")
    assert "group b" in first.text and "/groups?after=group+b" in first.links
    last = site.respond(WebRequest("/groups", {"after": "group b"}))
    assert b"group c" in body(last) and b"group a" not in body(last)


def test_the_page_of_folders_tells_each_platforms_path(farm: Farm, site: Site) -> None:
    folders.set_folder(farm, NetworkFolder("ASSETS", "nas2", "/mnt/assets", "\\\\nas2\\assets", ""))
    page = read(site, "/folders")
    for words in ("ASSETS", "nas2", "/mnt/assets", "\\\\nas2\\assets", "/mnt/hq", "main folder, HQROOT"):
        assert words in page.text


def test_errors_of_the_server_and_of_a_client_stand_on_their_pages(
    farm: Farm, client: TestClient, clock: SetClock, site: Site
) -> None:
    log_error(farm, "ticks", "the pass failed", clock.now() - 61)
    farm.database.write(
        lambda transaction: errors.add_of_client(transaction.connection, client.id, clock.now(), "disk is full")
    )
    page = read(site, "/errors")
    assert "1 m ago ticks the pass failed" in page.text and "disk is full" not in page.text
    assert "disk is full" in read(site, f"/clients/view/{client.id}").text


def test_the_page_of_a_client_tells_its_rules_in_words(farm: Farm, client: TestClient, site: Site) -> None:
    """9.14: the rules are in the client's own time zone."""
    rules = [{"days": "Weekdays", "start": "18:00", "end": "08:00"}, {"kind": "idle", "minutes": 30, "enabled": False}]
    client_control.set_availability(farm, client.id, rules)
    client_control.set_disabled(farm, "alpha", True)
    page = read(site, f"/clients/view/{client.id}")
    for words in (
        "Takes jobs weekdays 18:00 to 08:00",
        "Switched off after 30 m without user input",
        "in its own time, UTC",
        "Takes no new jobs: it is disabled",
        "Enabled no",
        "Listen port none",
        "needs upgrade",
        "hq enable alpha",
        "hq upgrade alpha",
    ):
        assert words in page.text, words
    row = read(site, "/clients").text
    assert "weekdays 18:00 to 08:00" in row and "needs upgrade" in row


def test_what_a_client_is_asked_to_do_is_shown_until_it_is_done(farm: Farm, client: TestClient, site: Site) -> None:
    client_control.remove(farm, [client.id])
    assert "to be removed" in read(site, "/clients").text
    assert "It is to be removed when it is heard next." in read(site, f"/clients/view/{client.id}").text


@pytest.mark.parametrize("text", HOSTILE)
def test_no_name_breaks_a_page(farm: Farm, client: TestClient, site: Site, text: str) -> None:
    """What the services would refuse is written past them: the page trusts nobody."""
    other = TestClient(farm, hostname=text[:50].replace("\x07", "").replace("\x1b", ""), name="b")
    job = submit(
        farm,
        name=text,
        command="true",
        onSuccess=text,
        cleanup={"linux": text},
        emailTo="a@example.org",
        conditions=[{"type": "client", "name": "group", "op": "==", "value": text.replace(",", "")}],
        tags=["single:" + text[:50]],
        resources={text: 1},
        childrenIds=[],
    )
    group = farm.database.write(lambda transaction: group_rows.insert(transaction.connection, text))
    farm.database.write(lambda transaction: group_rows.add_member(transaction.connection, group, client.id))

    def write(transaction: Transaction) -> None:
        connection = transaction.connection
        errors.add_of_server(connection, 1.0, text, text)
        errors.add_of_client(connection, client.id, 1.0, text)
        clients.set_column(connection, client.id, "upgrade_error", text)
        clients.set_column(connection, client.id, "description", text)
        clients.set_column(connection, client.id, "availability", to_text(as_rules([])))
        connection.execute("INSERT INTO network_folder (name, host, linux) VALUES (?, ?, ?)", (text, text, text))
        connection.execute("INSERT INTO resource (name, total, per_machine) VALUES (?, 3, 0)", (text,))
        connection.execute("INSERT INTO client_failure VALUES (?, ?, 9)", (job, client.id))

    farm.database.write(write)
    presence = farm.watch.get(client.id)
    assert presence is not None
    presence.row.upgrade_error = presence.row.description = presence.row.location = text
    presence.row.hostname = other.hostname
    for number in (job, None):
        notes.add_note(farm, text, None, number, None)
    for address in (
        *("/", "/clients", *PAGES, f"/groups/view/{group}", "/notes/view/1", "/notes/view/2"),
        *(f"/jobs/view/{job}", f"/clients/view/{client.id}"),
    ):
        page = read(site, address)
        assert {attrs["src"] for tag, attrs in page.tags if tag == "img"} == {assets.asset_url("icon.svg")}
        assert len([tag for tag, _ in page.tags if tag == "script"]) == 1, address
        assert not [name for _, attrs in page.tags for name in attrs if name.startswith("on") or name == "style"]
        raw = body(get(site, address)).decode()
        assert not re.search("[\u202e\x07\x1b]", raw), address


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("/jobs", "/"),
        ("/jobs/", "/"),
        ("/clients/", "/clients"),
        ("/resources", "/resources/view"),
        ("/resources/view/", "/resources/view"),
        ("/jobs/view/1/", "/jobs/view/1"),
        ("/notes.atom/", "/notes.atom"),
        ("/jobs?list=failed", "/?list=failed"),
        ("/clients/?page=2", "/clients?page=2"),
    ],
)
def test_another_spelling_of_an_address_leads_to_the_page(site: Site, typed: str, meant: str) -> None:
    found = get(site, typed)
    assert (found.status, found.headers["Location"], found.body) == (308, meant, b"")


@pytest.mark.parametrize("typed", ["//evil.example/", "/\\evil.example/", "//evil.example/clients/", "/nothing/"])
def test_nobody_is_sent_to_another_server(site: Site, typed: str) -> None:
    assert get(site, typed).status == 404
