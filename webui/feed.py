"""The newest notes as an Atom feed (RFC 4287; CONTRACT 6.4), for feed readers and chat rooms."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Sequence
from xml.etree import ElementTree

from hqserver.domain.version import VERSION
from hqserver.rpc.wire import clean
from hqserver.services import notes
from hqserver.services.farm import Farm
from hqserver.services.notes import RecentNote
from hqserver.web import WebResponse

from . import wording

MOST_ENTRIES = 50

_PATH = "/notes.atom"
_ATOM = "http://www.w3.org/2005/Atom"
_TYPE = "application/atom+xml; charset=utf-8"
_NOTES = uuid.UUID("6f3a2b0e-5d0c-4c57-9d0b-0c1f6a7b5e21")
_TITLE_SHOWN, _NAME_SHOWN, _TEXT_SHOWN = 80, 60, 4_000


def notes_feed(farm: Farm, server: str) -> WebResponse:
    """The feed, with an ETag that changes with it. `server` is the address by which the visitor calls this server."""
    body = _document(notes.recent_notes(farm, MOST_ENTRIES), server)
    tag = hashlib.sha256(body).hexdigest()[:16]
    return WebResponse(body, 200, _TYPE, {"ETag": f'"{tag}"', "Cache-Control": "no-cache"})


def _document(recent: Sequence[RecentNote], server: str) -> bytes:
    feed = ElementTree.Element("feed", xmlns=_ATOM)
    _add(feed, "id", server + _PATH)
    _add(feed, "title", "Notes of the farm")
    # Without a note nothing was ever updated; a date must be there all the same.
    _add(feed, "updated", wording.iso(max((note.at for note in recent), default=0.0)))
    _add(_add(feed, "author"), "name", "hqfarm")
    _add(feed, "generator", "hqfarm", version=VERSION)
    _add(feed, "link", rel="self", href=server + _PATH, type="application/atom+xml")
    _add(feed, "link", rel="alternate", href=f"{server}/", type="text/html")
    for note in recent:
        _add_entry(feed, note, server)
    return bytes(ElementTree.tostring(feed, encoding="utf-8", xml_declaration=True))


def _add_entry(feed: ElementTree.Element, note: RecentNote, server: str) -> None:
    entry = _add(feed, "entry")
    # Notes never change, so what one is made of names it for good, whatever address the server has.
    _add(entry, "id", uuid.uuid5(_NOTES, f"{note.id} {note.at!r} {clean(note.text)}").urn)
    first_line = wording.shortened(note.text.strip().splitlines()[0], _TITLE_SHOWN)
    _add(entry, "title", f"{_subject(note)}: {first_line}")
    _add(entry, "published", wording.iso(note.at))
    _add(entry, "updated", wording.iso(note.at))
    if note.job_id is not None:
        _add(entry, "link", rel="alternate", href=f"{server}/jobs/view/{note.job_id}", type="text/html")
    elif note.client_id is not None:
        _add(entry, "link", rel="alternate", href=f"{server}/clients/view/{note.client_id}", type="text/html")
    _add(entry, "content", wording.shortened(note.text, _TEXT_SHOWN), type="text")


def _subject(note: RecentNote) -> str:
    if note.job_id is not None:
        return f"Job {note.job_id} {wording.shortened(note.job_name, _NAME_SHOWN)}"
    return f"Client {note.client}" if note.client_id is not None else "Farm"


def _add(parent: ElementTree.Element, name: str, text: str = "", **attributes: str) -> ElementTree.Element:
    """A child element; what hides or is no character of XML becomes U+FFFD."""
    child = ElementTree.SubElement(parent, name, attributes)
    child.text = clean(wording.visible(text)) or None
    return child
