"""Finding jobs and clients by filters: `findJobs`, `countJobs`, `findClients` (CONTRACT 10, Finding)."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping, Sequence
from typing import Any

from hqserver.domain.client_filter import GROUPS, parse_client_filter
from hqserver.domain.errors import BadParameters
from hqserver.domain.job_filter import SORTABLE, SortTerm, parse_job_filter, parse_sort
from hqserver.services.clients.directory import registered
from hqserver.services.farm import Farm
from hqserver.store import search
from hqserver.store.search_order import Key

from . import lookup

DEFAULT_LIMIT = 100
MOST_A_PAGE = 1000
"""Jobs that one page of `findJobs` may hold."""


def find_jobs(
    farm: Farm,
    wanted: Mapping[str, Any] | None,
    attribs: Sequence[str] | None,
    sort: Sequence[str] | None,
    limit: int | None,
    after: str | None,
) -> dict[str, Any]:
    """A page of the jobs that match, with the attributes asked for: `jobs`, `next`, `total`.

    `after` is the `next` of the page before. Raises `BadParameters` for what is wrong in any of the parameters, and
    `TooLarge` for an order in which so many jobs cannot be given.
    """
    found, order = parse_job_filter(wanted), parse_sort(sort)
    limit = DEFAULT_LIMIT if limit is None else limit
    if not 1 <= limit <= MOST_A_PAGE:
        raise BadParameters(f"limit must be from 1 to {MOST_A_PAGE}, not {limit}")
    key = None if after is None else read_token(after, order)
    with farm.database.read() as connection:
        page = search.find(connection, found, order, key, limit)
        jobs = lookup.job_details_in(farm, connection, page.ids, attribs)
    return {"jobs": jobs, "next": None if page.last is None else token(page.last, order), "total": page.total}


def count_jobs(farm: Farm, wanted: Mapping[str, Any] | None) -> dict[str, Any]:
    """How many jobs match: `count`, and `more` where there may be more than that. Raises `BadParameters`."""
    found = parse_job_filter(wanted)
    with farm.database.read() as connection:
        counted = search.count(connection, found)
    return {"count": counted.number, "more": counted.more}


def token(key: Key, order: Sequence[SortTerm]) -> str:
    """Where a page ended, as callers hand it back: opaque, and good for the order that made it."""
    text = json.dumps([[str(term) for term in order], key], separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def read_token(after: str, order: Sequence[SortTerm]) -> Key:
    """The key in a `token`. Raises `BadParameters` for what is none, and for one of another order."""
    try:
        terms, key = json.loads(base64.b64decode(after + "=" * (-len(after) % 4), altchars=b"-_", validate=True))
        good = isinstance(key, list) and len(key) == len(terms) and all(map(_fits, key, order))
    except (binascii.Error, ValueError, TypeError, RecursionError):
        good = False
    if not good:
        raise BadParameters("after: this is not what `next` of an earlier page said")
    if terms != [str(term) for term in order]:
        raise BadParameters(f"after: that page was sorted by {', '.join(map(str, terms))}; sort this one so too")
    return tuple(key)


_TEXTS = {"name", "status", "submittedBy"}
_WHOLE = {"id", "priority", "cpus"}


def _fits(value: object, term: SortTerm) -> bool:
    """Whether a value of a token is one that the term's attribute may have."""
    if term.attribute in _TEXTS:
        return isinstance(value, str)
    if term.attribute in _WHOLE:
        return type(value) is int and abs(value) < 2**63
    return value is None or type(value) in (int, float)


def find_clients(farm: Farm, wanted: Mapping[str, Any] | None, attribs: Sequence[str] | None) -> list[dict[str, Any]]:
    """The registered clients that match, oldest first, with the attributes asked for and always `id` and `hostname`.

    Raises `BadParameters` for a key that is none, with the near match, and for an unknown attribute.
    """
    found = parse_client_filter(wanted)
    presences = registered(farm)
    looked_at = lookup.read_clients(farm, [presence.row for presence in presences], found.attributes)
    matching = [
        presence.row
        for presence, attributes in zip(presences, looked_at, strict=True)
        if found.matches({**attributes, GROUPS: farm.watch.facts(presence).groups})
    ]
    return lookup.read_clients(farm, matching, attribs)


assert set(SORTABLE) > _TEXTS | _WHOLE
