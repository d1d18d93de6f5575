"""Questions about jobs and clients."""

from __future__ import annotations

import sqlite3
from collections.abc import Generator, Iterable, Iterator, Sequence
from typing import Any

from hqserver.domain.errors import BadParameters, NotFound, TooLarge, near_match
from hqserver.domain.status import JOB_NAME_LISTS, WAITING, JobStatus
from hqserver.services.attributes import Attribute, Batch, chosen, read
from hqserver.services.clients.directory import Directory, registered, registered_client
from hqserver.services.farm import Farm
from hqserver.store import lookup
from hqserver.store.clients import ClientRow

from .client_attributes import CLIENT_ATTRIBUTES
from .job_attributes import JOB_ATTRIBUTES, unknown_properties

MOST_JOBS_COMPUTED = 10_000
"""Jobs one call may ask for when an attribute costs more than the row (CONTRACT 9.3)."""

_JOBS_AT_ONCE = 500


def job_details(farm: Farm, job_ids: Sequence[int], attribs: Sequence[str] | None) -> list[dict[str, Any]]:
    """The jobs that exist, in the order asked for, with the attributes asked for and always `id`.

    Raises `BadParameters` for an unknown attribute and `TooLarge` for too many jobs.
    """
    with farm.database.read() as connection:
        return job_details_in(farm, connection, job_ids, attribs)


def job_details_one_by_one(
    farm: Farm, job_ids: Sequence[int], attribs: Sequence[str] | None
) -> Iterator[dict[str, Any]]:
    """The same, read as it is asked for: of many jobs with all that there is of them, few are in memory at once."""
    _check_details(job_ids, attribs)
    return _details_one_by_one(farm, job_ids, attribs)


def _details_one_by_one(farm: Farm, job_ids: Sequence[int], attribs: Sequence[str] | None) -> Generator[dict[str, Any]]:
    with farm.database.read() as connection:
        for start in range(0, len(job_ids), _JOBS_AT_ONCE):
            yield from job_details_in(farm, connection, job_ids[start : start + _JOBS_AT_ONCE], attribs)


def _check_details(job_ids: Sequence[int], attribs: Sequence[str] | None) -> tuple[list[Attribute], list[str]]:
    extra = [name for name in attribs or () if name.startswith("x-")]
    attributes = chosen(JOB_ATTRIBUTES, None if attribs is None else [n for n in attribs if n not in extra], ["id"])
    if len(job_ids) > MOST_JOBS_COMPUTED and any(attribute.cost != "row" for attribute in attributes):
        raise TooLarge(f"{len(job_ids)} jobs with computed attributes; at most {MOST_JOBS_COMPUTED} a call")
    return attributes, extra


def job_details_in(
    farm: Farm, connection: sqlite3.Connection, job_ids: Sequence[int], attribs: Sequence[str] | None
) -> list[dict[str, Any]]:
    """The same, in a picture that is open already."""
    attributes, extra = _check_details(job_ids, attribs)
    rows = lookup.jobs_by_id(connection, job_ids)
    found = read(attributes, Batch(farm, connection, rows))
    if attribs is None or extra:
        for details, row in zip(found, rows, strict=True):
            kept = unknown_properties(row)
            details |= kept if attribs is None else {name: kept[name] for name in extra if name in kept}
    return found


def job_detail(farm: Farm, job_id: int, attribs: Sequence[str] | None) -> dict[str, Any]:
    """One job. Raises `NotFound`."""
    found = job_details(farm, [job_id], attribs)
    if not found:
        raise NotFound(f"there is no job {job_id}")
    return found[0]


def client_details(farm: Farm, client_ids: Sequence[int] | None, attribs: Sequence[str] | None) -> list[dict[str, Any]]:
    """Clients, all of them or those of these that exist, always with `id` and `hostname`.

    Raises `BadParameters` for an unknown attribute, as everything here that takes attributes.
    """
    if client_ids is None:
        return read_clients(farm, [presence.row for presence in registered(farm)], attribs)
    found = [presence.row for each in client_ids if (presence := farm.watch.get(each)) is not None]
    return read_clients(farm, [row for row in found if not row.removed], attribs)


def client_detail(farm: Farm, client_id: int, attribs: Sequence[str] | None) -> dict[str, Any]:
    """One client. Raises `NotFound`."""
    return read_clients(farm, [registered_client(farm, client_id).row], attribs)[0]


def client_detail_by_name(farm: Farm, clientname: str, attribs: Sequence[str] | None) -> dict[str, Any]:
    """The client called `hostname` or `hostname:name`. Raises `NotFound` with the near match."""
    directory = Directory(farm)
    presence = directory.named(clientname)
    if presence is None:
        raise directory.unknown(clientname)
    return read_clients(farm, [presence.row], attribs)[0]


def client_details_by_name(
    farm: Farm, clientnames: Iterable[str], attribs: Sequence[str] | None
) -> list[dict[str, Any]]:
    """Those of the clients called so that exist, in the order asked for."""
    directory = Directory(farm)
    found = [presence.row for each in clientnames if (presence := directory.named(each)) is not None]
    return read_clients(farm, found, attribs)


def client_detail_by_hostname(farm: Farm, hostname: str, attribs: Sequence[str] | None) -> dict[str, Any]:
    """The client of a machine: the unnamed one, else the one that came first. Raises `NotFound`."""
    directory = Directory(farm)
    found = directory.on_host(hostname)
    if not found:
        raise directory.unknown(hostname)
    return read_clients(farm, [found[0].row], attribs)[0]


def client_details_by_hostname(
    farm: Farm, hostnames: Iterable[str] | None, attribs: Sequence[str] | None
) -> list[dict[str, Any]]:
    """The clients of these machines, None = all: of each the unnamed one, else all that run there."""
    if hostnames is None:
        return client_details(farm, None, attribs)
    directory = Directory(farm)
    return read_clients(farm, [each.row for name in hostnames for each in directory.on_host(name)], attribs)


def read_clients(farm: Farm, rows: Sequence[ClientRow], attribs: Sequence[str] | None) -> list[dict[str, Any]]:
    """These clients with the attributes asked for, None = all, and always `id` and `hostname`."""
    attributes = chosen(CLIENT_ATTRIBUTES, attribs, ["id", "hostname"])
    with farm.database.read() as connection:
        return read(attributes, Batch(farm, connection, rows))


def jobs_on_client(farm: Farm, client_id: int) -> list[int]:
    """Ids of the jobs that a client holds runs of; none of an unknown one."""
    with farm.database.read() as connection:
        return lookup.jobs_of_client(connection, client_id)


def recent_jobs(farm: Farm, client_id: int, limit: int) -> list[int]:
    """Ids of the jobs that ran on a client, a removed one too, most recently ended first; none of an unknown one.

    Raises `BadParameters` for a negative limit.
    """
    if limit < 0:
        raise BadParameters(f"limit must be 0 or more, not {limit}")
    with farm.database.read() as connection:
        return lookup.recent_jobs_of_client(connection, client_id, limit)


def ids_by_status(farm: Farm, statuses: Iterable[str]) -> list[int]:
    """Ids of the jobs with one of these statuses; `waiting` means runnable (CONTRACT 9.7).

    Raises `BadParameters` with the near match for a name that is no status.
    """
    wanted = set()
    for status in statuses:
        name = JobStatus.RUNNABLE if status == WAITING else status
        if name not in JobStatus.__members__.values():
            known = JOB_NAME_LISTS["getAllJobStatusNames"]
            raise BadParameters(f"statuses: {status!r} is not a status of a job{near_match(status, known)}")
        wanted.add(str(name))
    with farm.database.read() as connection:
        return lookup.ids_by_status(connection, sorted(wanted))


def root_ids(farm: Farm, *, finished: bool) -> list[int]:
    """Ids of jobs without a parent."""
    with farm.database.read() as connection:
        return lookup.root_ids(connection, finished=finished)


def waiting_jobs(farm: Farm, wait_minutes: int, min_priority: int, max_priority: int) -> int:
    """How many jobs have waited for a client so many minutes or longer, with a priority in these bounds.

    Less than one minute counts all that wait; a negative bound is none.
    """
    before = farm.clock.now() - wait_minutes * 60.0 if wait_minutes > 0 else None
    lowest, highest = (None if bound < 0 else bound for bound in (min_priority, max_priority))
    with farm.database.read() as connection:
        return lookup.count_runnable(connection, before, lowest, highest)


def topmost(farm: Farm, job_id: int) -> int | None:
    """The job's root, or where that was given a parent since, the oldest job above that has none; None for no job."""
    with farm.database.read() as connection:
        return lookup.topmost(connection, job_id)
