"""Questions about jobs and clients."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from hqserver.domain.errors import BadParameters, NotFound, TooLarge, near_match
from hqserver.domain.status import JOB_NAME_LISTS, WAITING, JobStatus
from hqserver.store import lookup

from .attributes import Batch, chosen, read
from .client_attributes import CLIENT_ATTRIBUTES
from .farm import Farm
from .job_attributes import JOB_ATTRIBUTES, unknown_properties

MOST_JOBS_COMPUTED = 10_000
"""Jobs one call may ask for when an attribute costs more than the row (CONTRACT 9.3)."""


def job_details(farm: Farm, job_ids: Sequence[int], attribs: Sequence[str] | None) -> list[dict[str, Any]]:
    """The jobs that exist, in the order asked for, with the attributes asked for and always `id`.

    Raises `BadParameters` for an unknown attribute and `TooLarge` for too many jobs.
    """
    extra = [name for name in attribs or () if name.startswith("x-")]
    attributes = chosen(JOB_ATTRIBUTES, None if attribs is None else [n for n in attribs if n not in extra], ["id"])
    if len(job_ids) > MOST_JOBS_COMPUTED and any(attribute.cost != "row" for attribute in attributes):
        raise TooLarge(f"{len(job_ids)} jobs with computed attributes; at most {MOST_JOBS_COMPUTED} a call")
    with farm.database.read() as connection:
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
    """Clients, all of them or those of these that exist, always with `id` and `hostname`."""
    attributes = chosen(CLIENT_ATTRIBUTES, attribs, ["id", "hostname"])
    if client_ids is None:
        rows = [presence.row for presence in farm.watch.every()]
    else:
        rows = [presence.row for each in client_ids if (presence := farm.watch.get(each)) is not None]
    with farm.database.read() as connection:
        return read(attributes, Batch(farm, connection, rows))


def client_detail(farm: Farm, client_id: int, attribs: Sequence[str] | None) -> dict[str, Any]:
    """One client. Raises `NotFound`."""
    found = client_details(farm, [client_id], attribs)
    if not found:
        raise NotFound(f"there is no client {client_id}")
    return found[0]


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
