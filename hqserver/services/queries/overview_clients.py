"""Clients as the page and the metrics show them: each function is one consistent picture, bounded in size.

What a client is like is read through the same attributes as `getClients` reads it. A client that was removed from the
farm is in no list and no count; the jobs that it ran go on naming it.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from hqserver.domain.errors import NotFound
from hqserver.domain.status import LIVE_RUN, JobStatus
from hqserver.services.attributes import Batch, read
from hqserver.services.clients.directory import registered, registered_client
from hqserver.services.dispatch.standing import moment_of, why_not_asking, why_not_taking
from hqserver.services.farm import Farm
from hqserver.services.watch import Presence
from hqserver.store import errors, groups, overview, runs, search
from hqserver.store.errors import ErrorRow

from .client_attributes import CLIENT_ATTRIBUTES
from .overview import MOST_RUNS, Note, Run, notes_of, picture, runs_of

CLIENTS_A_PAGE = 200
MOST_JOBS_NAMED = 3
"""So many of the jobs that run on a client are named in lists."""

MOST_ERRORS = 20


class Availability(StrEnum):
    """How a client is, as HQueue's dot tells it (CONTRACT 6.3): the first that holds is shown. A runner that asks for
    its work itself (CONTRACT 10) is neither available nor not: it is one, at work or idle, unless something keeps it
    from work."""

    RUNNER = "runner"
    OFFLINE = "offline"
    RUNNING = "running jobs"
    UNAVAILABLE = "unavailable"
    AVAILABLE = "available"


@dataclass(frozen=True, slots=True)
class ClientOverview:
    """One client by attribute, how it is, what keeps it from taking work ("" for nothing, and for a runner that only
    has to ask), how many seconds it has been silent (None: not heard since the server's start), how many runs and CPUs
    are taken there, the first jobs that run there and its groups by id and name, and the job for which it is held,
    if any."""

    client: dict[str, Any]
    availability: Availability
    kept_by: str
    silence_seconds: float | None
    runs: int
    cpus_used: int
    jobs: list[tuple[int, str]]
    groups: list[tuple[int, str]]
    held_for: int | None


@dataclass(frozen=True, slots=True)
class ClientsOverview:
    """A page of clients by label: `page` of `pages`, counted from 1. `counts` tells how all of them are."""

    counts: Mapping[Availability, int]
    page: int
    pages: int
    clients: list[ClientOverview]


@dataclass(frozen=True, slots=True)
class ClientDetail:
    """One client with its live runs, those that ended last (latest first), its notes (oldest first), its newest errors
    (newest first) and how many are kept."""

    overview: ClientOverview
    live: list[Run]
    ended: list[Run]
    notes: list[Note]
    errors: list[ErrorRow]
    errors_total: int


@dataclass(frozen=True, slots=True)
class FarmCounts:
    """What metrics tell: jobs by status, clients by availability, live runs by status."""

    jobs: Mapping[str, int]
    clients: Mapping[Availability, int]
    runs: Mapping[str, int]


def clients_overview(farm: Farm, page: int = 1) -> ClientsOverview:
    """A page of all clients; one that is too high is the last."""
    with picture(farm) as connection:
        return clients_in(farm, connection, registered(farm), page)


def clients_in(
    farm: Farm, connection: sqlite3.Connection, presences: Sequence[Presence], page: int = 1
) -> ClientsOverview:
    """The same of these clients, in a picture that is open already."""
    occupancy = runs.occupancy(connection)
    ordered = sorted(presences, key=lambda each: (each.row.hostname.casefold(), each.row.name.casefold(), each.row.id))
    availabilities = _availabilities(farm, connection, ordered, occupancy)
    pages = max(1, -(-len(ordered) // CLIENTS_A_PAGE))
    page = min(max(page, 1), pages)
    shown = ordered[(page - 1) * CLIENTS_A_PAGE : page * CLIENTS_A_PAGE]
    counted = Counter(availabilities.values())
    return ClientsOverview(
        counts={availability: counted[availability] for availability in Availability},
        page=page,
        pages=pages,
        clients=_read(farm, connection, shown, availabilities, occupancy),
    )


def _read(
    farm: Farm,
    connection: sqlite3.Connection,
    presences: Sequence[Presence],
    availabilities: Mapping[int, Availability],
    occupancy: Mapping[int, tuple[int, int]],
) -> list[ClientOverview]:
    found = read(list(CLIENT_ATTRIBUTES.values()), Batch(farm, connection, [each.row for each in presences]))
    named = {job_id for client in found for job_id in client["runningJobs"][:MOST_JOBS_NAMED]}
    job_names = overview.job_names(connection, named)
    known = groups.by_id(connection, list({group_id for client in found for group_id in client["groups"]}))
    group_names = {row["id"]: row["name"] for row in known}
    held, at = farm.holds.held_for(), moment_of(farm, connection)
    clients = []
    for presence, client in zip(presences, found, strict=True):
        cpus_used, live_runs = occupancy.get(presence.row.id, (0, 0))
        clients.append(
            ClientOverview(
                client=client,
                availability=availabilities[presence.row.id],
                kept_by=why_not_asking(presence, at) if presence.row.outside else client["unavailableBecause"],
                silence_seconds=_silence(farm, presence),
                runs=live_runs,
                cpus_used=cpus_used,
                jobs=[(job_id, job_names[job_id]) for job_id in client["runningJobs"][:MOST_JOBS_NAMED]],
                groups=[(group_id, group_names[group_id]) for group_id in client["groups"]],
                held_for=held.get(presence.row.id),
            )
        )
    return clients


def _silence(farm: Farm, presence: Presence) -> float | None:
    """A runner from outside is heard when it likes: of one not heard since the server's start, what is stored tells."""
    if presence.heard:
        return presence.silence(farm.clock.monotonic())
    return max(farm.clock.now() - presence.row.heartbeat_at, 0.0) if presence.row.outside else None


def _availabilities(
    farm: Farm,
    connection: sqlite3.Connection,
    presences: Sequence[Presence],
    occupancy: Mapping[int, tuple[int, int]],
) -> dict[int, Availability]:
    """How each client is, by its id: what stands in memory, and two queries for all of them."""
    at = moment_of(farm, connection)
    found = {}
    for presence in presences:
        silent = not presence.heard or presence.silence(at.monotonic) > farm.policy.lost_seconds
        if presence.row.outside:
            kept = presence.row.id not in occupancy and why_not_asking(presence, at)
            found[presence.row.id] = Availability.UNAVAILABLE if kept else Availability.RUNNER
        elif silent:
            found[presence.row.id] = Availability.OFFLINE
        elif presence.row.id in occupancy:
            found[presence.row.id] = Availability.RUNNING
        elif why_not_taking(presence, at):
            found[presence.row.id] = Availability.UNAVAILABLE
        else:
            found[presence.row.id] = Availability.AVAILABLE
    return found


def client_overview(farm: Farm, client_id: int) -> ClientDetail:
    """One client. Raises `NotFound`, which says so of one that was removed."""
    known = farm.watch.get(client_id)
    if known is not None and known.row.removed:
        raise NotFound(f"client {known.row.label} was removed from the farm")
    presence = registered_client(farm, client_id)
    with picture(farm) as connection:
        (found,) = clients_in(farm, connection, [presence]).clients
        return ClientDetail(
            overview=found,
            live=runs_of(farm, overview.live_runs_of_client(connection, client_id, MOST_RUNS)),
            ended=runs_of(farm, overview.newest_ended_runs_of_client(connection, client_id, MOST_RUNS)),
            notes=notes_of(connection, found.client["threadId"]),
            errors=errors.newest(connection, client_id, MOST_ERRORS),
            errors_total=errors.count(connection, client_id),
        )


def farm_counts(farm: Farm) -> FarmCounts:
    """The counts that metrics tell; statuses and availabilities without any are 0."""
    with picture(farm) as connection:
        jobs = search.count_by_status(connection)
        availabilities = _availabilities(farm, connection, registered(farm), runs.occupancy(connection))
        live = overview.count_live_runs(connection)
    clients = Counter(availabilities.values())
    return FarmCounts(
        jobs={str(status): jobs.get(status, 0) for status in JobStatus},
        clients={availability: clients[availability] for availability in Availability},
        runs={str(status): live.get(status, 0) for status in LIVE_RUN},
    )
