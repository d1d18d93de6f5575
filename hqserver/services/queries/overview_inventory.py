"""What the farm has besides jobs and clients, as the page shows it: groups, resources, notes, folders, errors."""

from __future__ import annotations

import json
import sqlite3
from collections import defaultdict
from dataclasses import dataclass
from typing import Any

from hqserver.domain.errors import NotFound
from hqserver.domain.resources import Counting
from hqserver.services.clients.directory import registered
from hqserver.services.clients.folders import network_folders
from hqserver.services.events.errors import server_errors
from hqserver.services.farm import Farm
from hqserver.services.resources import used_amounts
from hqserver.store import groups, notes, overview, resources

from .overview import is_listed, picture, readable
from .overview_clients import ClientsOverview, clients_in

GROUPS_A_PAGE = 100
MEMBERS_NAMED = 12
MOST_HOLDERS = 500
"""So many live runs are looked through for the resources that they hold."""

NOTES_A_PAGE = 50


@dataclass(frozen=True, slots=True)
class GroupSummary:
    """A group: how many clients are in it, and the first of them by id and label."""

    id: int
    name: str
    count: int
    members: list[tuple[int, str]]


@dataclass(frozen=True, slots=True)
class GroupList:
    """Groups by name. `later`: the name after which they go on, "" at the end."""

    groups: list[GroupSummary]
    later: str


@dataclass(frozen=True, slots=True)
class GroupDetail:
    """One group and a page of its clients."""

    id: int
    name: str
    members: ClientsOverview


@dataclass(frozen=True, slots=True)
class Holder:
    """A run that holds some of a resource. `listed`: its client has a page, since it was not removed."""

    job_id: int
    job_name: str
    client_id: int
    client: str
    listed: bool
    amount: int


@dataclass(frozen=True, slots=True)
class ResourceSummary:
    """A resource. `total` -1 is not counted; `in_use` counts machines where it is counted per machine, and of a rate
    what was started in the last minute."""

    name: str
    total: int
    in_use: int
    counting: Counting
    built_in: bool
    holders: list[Holder]


@dataclass(frozen=True, slots=True)
class PlacedNote:
    """A note and what it is about: a job, a client, or (both None) the farm. `at` is UTC epoch seconds; `listed` as in
    `Holder`."""

    id: int
    thread_id: int
    at: float
    text: str
    job_id: int | None
    job_name: str
    client_id: int | None
    client: str
    listed: bool


@dataclass(frozen=True, slots=True)
class NoteList:
    """Notes, newest first. `older`: the id below which they go on, None at the end."""

    notes: list[PlacedNote]
    older: int | None


def groups_overview(farm: Farm, after: str = "") -> GroupList:
    """A page of the groups: those whose names come after `after`."""
    with picture(farm) as connection:
        rows = overview.groups_after(connection, after, GROUPS_A_PAGE + 1, MEMBERS_NAMED)
    shown = rows[:GROUPS_A_PAGE]
    return GroupList(
        [
            GroupSummary(
                id=row["id"],
                name=row["name"],
                count=row["count"],
                members=[(client_id, farm.watch.label(client_id)) for client_id in json.loads(row["members"])],
            )
            for row in shown
        ],
        shown[-1]["name"] if len(rows) > GROUPS_A_PAGE else "",
    )


def group_overview(farm: Farm, group_id: int, page: int = 1) -> GroupDetail:
    """One group. Raises `NotFound`."""
    with picture(farm) as connection:
        rows = groups.by_id(connection, [group_id])
        if not rows:
            raise NotFound(f"there is no client group {group_id}")
        ids = set(groups.members(connection, [group_id]).get(group_id, ()))
        members = [presence for presence in registered(farm) if presence.row.id in ids]
        return GroupDetail(group_id, rows[0]["name"], clients_in(farm, connection, members, page))


def resources_overview(farm: Farm) -> list[ResourceSummary]:
    """All resources, oldest first, with what holds them."""
    with picture(farm) as connection:
        totals = resources.totals(connection)
        used = used_amounts(farm, connection)
        runs = overview.resource_holders(connection, MOST_HOLDERS)
    holders = defaultdict(list)
    for run in runs:
        for name, amount in json.loads(run["resources"]).items():
            client_id = run["client_id"]
            client, listed = farm.watch.label(client_id), is_listed(farm, client_id)
            holders[name].append(Holder(run["job_id"], run["job_name"], client_id, client, listed, amount))
    return [
        ResourceSummary(
            name=row.name,
            total=row.total,
            in_use=used[row.name],
            counting=row.counting,
            built_in=bool(row.built_in),
            holders=holders[row.name],
        )
        for row in totals.values()
    ]


def notes_overview(farm: Farm, before: int | None = None) -> NoteList:
    """The newest notes of the whole farm; only those below the id `before`, where it is given."""
    with picture(farm) as connection:
        return _note_list(farm, overview.newest_notes(connection, before, NOTES_A_PAGE + 1))


def thread_overview(farm: Farm, thread_id: int, before: int | None = None) -> NoteList:
    """The same of one thread. Raises `NotFound`."""
    with picture(farm) as connection:
        if not notes.thread_exists(connection, thread_id):
            raise NotFound(f"there is no note thread {thread_id}")
        return _note_list(farm, overview.newest_notes_of_thread(connection, thread_id, before, NOTES_A_PAGE + 1))


def _note_list(farm: Farm, rows: list[sqlite3.Row]) -> NoteList:
    shown = [
        PlacedNote(
            **{name: row[name] for name in ("id", "thread_id", "at", "text", "job_id", "client_id")},
            job_name=row["job_name"] or "",
            client=farm.watch.label(row["client_id"]),
            listed=is_listed(farm, row["client_id"]),
        )
        for row in rows[:NOTES_A_PAGE]
    ]
    return NoteList(shown, shown[-1].id if len(rows) > NOTES_A_PAGE else None)


def folders_overview(farm: Farm) -> list[dict[str, Any]]:
    """All network folders as `getNetworkFolders` gives them, the main one first."""
    with readable():
        return network_folders(farm)


def errors_overview(farm: Farm) -> dict[str, Any]:
    """The newest errors of the server, as `getServerErrors` gives them."""
    with readable():
        return server_errors(farm)
