"""The Atom feed of notes: what RFC 4287 asks of a feed, what a reader sees, and what hostile notes do to it."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import pytest
from farm_kit import SetClock, TestClient, submit

from hqserver.services import notes
from hqserver.services.farm import Farm
from hqserver.web import WebRequest, WebResponse
from webui import feed
from webui.pages import Site

ATOM = "{http://www.w3.org/2005/Atom}"
RFC_3339 = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")


@pytest.fixture
def site(farm: Farm) -> Site:
    return Site(farm)


def get(site: Site, **headers: str) -> WebResponse:
    return site.respond(WebRequest("/notes.atom", {}, {"host": "farm.example:5000", **headers}))


def read(site: Site) -> ElementTree.Element:
    response = get(site)
    assert (response.status, response.content_type) == (200, "application/atom+xml; charset=utf-8")
    assert isinstance(response.body, bytes)
    return ElementTree.fromstring(response.body)


def only(parent: ElementTree.Element, name: str) -> str:
    """The text of a child that must stand exactly once."""
    (child,) = parent.findall(ATOM + name)
    return child.text or ""


def links(parent: ElementTree.Element) -> dict[str, str]:
    return {link.attrib["rel"]: link.attrib["href"] for link in parent.findall(f"{ATOM}link")}


def check(root: ElementTree.Element) -> list[ElementTree.Element]:
    """What RFC 4287 requires of a feed (4.1.1) and of its entries (4.1.2); the entries."""
    assert root.tag == f"{ATOM}feed"
    assert only(root, "id") and only(root, "title")
    assert RFC_3339.fullmatch(only(root, "updated"))
    (author,) = root.findall(f"{ATOM}author")  # stands for the entries, which have none
    assert only(author, "name")
    assert links(root)["self"] == "http://farm.example:5000/notes.atom"
    entries = root.findall(f"{ATOM}entry")
    for entry in entries:
        assert re.fullmatch(r"urn:uuid:[0-9a-f-]{36}", only(entry, "id"))
        assert only(entry, "title") and only(entry, "content")
        assert RFC_3339.fullmatch(only(entry, "updated"))
        assert RFC_3339.fullmatch(only(entry, "published"))
    assert len({only(entry, "id") for entry in entries}) == len(entries)
    return entries


def test_a_farm_without_notes_has_a_feed(site: Site) -> None:
    assert check(read(site)) == []


def test_each_note_is_an_entry_that_leads_to_its_job_or_client(
    farm: Farm, client: TestClient, clock: SetClock, site: Site
) -> None:
    job = submit(farm, name="beauty")
    notes.add_note(farm, "\nlooks wrong\nin the second line", None, job, None)
    clock.advance(60)
    notes.add_note(farm, "fan is loud", None, None, client.id)
    notes.add_note(farm, "closed on Monday", None, None, None)
    root = read(site)
    general, on_client, on_job = check(root)
    assert [only(entry, "title") for entry in (general, on_client, on_job)] == [
        "Farm: closed on Monday",
        "Client alpha: fan is loud",
        f"Job {job} beauty: looks wrong",
    ]
    assert only(on_job, "content") == "\nlooks wrong\nin the second line"
    assert links(on_job) == {"alternate": f"http://farm.example:5000/jobs/view/{job}"}
    assert links(on_client) == {"alternate": f"http://farm.example:5000/clients/view/{client.id}"}
    assert links(general) == {}
    assert only(on_job, "updated") == "2023-11-14T22:13:20Z"
    assert only(root, "updated") == only(on_client, "updated") == "2023-11-14T22:14:20Z"


def test_the_feed_holds_the_newest_fifty_notes(farm: Farm, site: Site) -> None:
    for number in range(feed.MOST_ENTRIES + 2):
        notes.add_note(farm, f"note {number}", None, None, None)
    assert [only(entry, "content") for entry in check(read(site))] == [f"note {number}" for number in range(51, 1, -1)]


def test_an_entry_keeps_its_id_while_others_come(farm: Farm, clock: SetClock, site: Site) -> None:
    notes.add_note(farm, "one", None, None, None)
    (before,) = check(read(site))
    clock.advance(5)
    notes.add_note(farm, "one", None, None, None)
    new, after = check(read(site))
    assert only(after, "id") == only(before, "id") != only(new, "id")


@pytest.mark.parametrize(
    "text", ["<b>&amp;</b>", "]]>", "a\x00b\x1b[31mc", "\x07", "\ufffe", "\u202egnp.exe", "x" * 90_000, "\x85a\u2028b"]
)
def test_no_text_breaks_the_feed(farm: Farm, site: Site, text: str) -> None:
    job = submit(farm, name="name " + text[:100].replace("\0", ""))
    notes.add_note(farm, text, None, job, None)
    (entry,) = check(read(site))
    assert len(only(entry, "content")) <= 4_000
    if text.startswith("<"):
        assert only(entry, "content") == text


def test_a_reader_that_has_the_feed_is_told_so_until_it_changes(farm: Farm, clock: SetClock, site: Site) -> None:
    notes.add_note(farm, "one", None, None, None)
    tag = get(site).headers["ETag"]
    for held in (tag, f'W/{tag}, "other"', "*"):
        same = get(site, **{"if-none-match": held})
        assert (same.status, same.body, same.headers["ETag"]) == (304, b"", tag)
    assert get(site, **{"if-none-match": '"other"'}).status == 200
    clock.advance(2)
    notes.add_note(farm, "two", None, None, None)
    changed = get(site, **{"if-none-match": tag})
    assert changed.status == 200
    assert changed.headers["ETag"] != tag
