"""What a `JobFilter` demands of one row of `job`, in SQL: a condition for each of its fields."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterable

from hqserver.domain.job_filter import AT_WORK, BLOCKED, WAITING_FOR_RESOURCES, JobFilter, name_test, text_test
from hqserver.domain.requirement import requirement_from
from hqserver.domain.status import JobStatus

from .clause import Clause, all_of
from .search_index import property_label, tag_label

IN = "IN (SELECT value FROM json_each(?))"

_HELD_BACK = "job.status = 'queued' AND job.held <> ''"
_WITH_CLIENTS = "job.children > 0 AND job.tree_clients > 0"
_TERMS = {
    **{str(status): f"job.status = '{status}'" for status in JobStatus},
    str(JobStatus.PAUSED): f"job.status = 'paused' OR {_HELD_BACK}",
    WAITING_FOR_RESOURCES: f"job.status IN ('queued', 'runnable') AND NOT ({_HELD_BACK}) AND NOT ({_WITH_CLIENTS})",
    AT_WORK: f"job.status IN ('queued', 'runnable', 'running') AND {_WITH_CLIENTS} AND NOT ({_HELD_BACK})",
    BLOCKED: "job.held = 'block'",
}
"""What each word for a status means: `domain.family.ui_status` in SQL, and held to it by a test."""


def conditions(wanted: JobFilter, client_ids: Iterable[int]) -> dict[str, Clause]:
    """The condition of each field that was given, by the field's name. `client_ids`: who `wanted.client` are.

    They use functions of `prepare`.
    """
    found: dict[str, Clause] = {}
    for field in sorted(wanted.given()):
        value = getattr(wanted, field)
        if field in _COMPARED:
            found[field] = Clause(_COMPARED[field], (value,))
        elif field in _LISTED:
            found[field] = Clause(_LISTED[field], (json.dumps(value),))
    if wanted.status is not None:
        found["status"] = Clause(" OR ".join(f"({_TERMS[word]})" for word in sorted(wanted.status)) or "0")
    if wanted.client is not None:
        sql = f"EXISTS (SELECT 1 FROM client_job WHERE client_id {IN} AND job_id = job.id)"
        found["client"] = Clause(sql, (json.dumps(list(client_ids)),))
    if wanted.group is not None:
        sql = "asks_for_group((SELECT key FROM requirement WHERE requirement.id = job.requirement_id))"
        found["group"] = Clause(sql)
    if wanted.tags or wanted.properties:
        has = "EXISTS (SELECT 1 FROM job_label WHERE label = ? AND job_id = job.id)"
        found["labels"] = all_of(Clause(has, (label,)) for label in labels(wanted))
    if wanted.name is not None:
        found["name"] = Clause("is_named(job.name)")
    if wanted.text is not None:
        found["text"] = Clause("holds_text(job.name) OR holds_text(job.description)")
    if wanted.roots_only:
        found["roots_only"] = Clause("job.parents = 0")
    return found


_COMPARED = {
    "priority": "job.priority = ?",
    "min_id": "job.id >= ?",
    "max_id": "job.id <= ?",
    "since": "job.queued_at >= ?",
    "before": "job.queued_at < ?",
    "updated_since": "job.updated_at >= ?",
    "updated_before": "job.updated_at < ?",
    "active_since": "job.ended_at IS NULL OR job.ended_at >= ?",
    "ended_since": "job.ended_at >= ?",
    "ended_before": "job.ended_at < ?",
}
_LISTED = {
    "ids": f"job.id {IN}",
    "uuids": f"job.uuid {IN}",
    "submitted_by": f"job.submitted_by {IN}",
    "root": f"job.root_id {IN}",
    "parent": f"EXISTS (SELECT 1 FROM family WHERE child_id = job.id AND parent_id {IN})",
}


def labels(wanted: JobFilter) -> list[str]:
    """The labels (`search_index`) that a job must have."""
    tags = [tag_label(tag) for tag in wanted.tags or ()]
    return tags + [property_label(name, value) for name, value in (wanted.properties or {}).items()]


def clients_called(connection: sqlite3.Connection, words: Iterable[str]) -> list[int]:
    """Ids of the clients, removed ones too, that are called so: by id, by label, or all on a machine of that name."""
    lowered = json.dumps([word.lower().removesuffix(":") for word in words])
    rows = connection.execute(
        f"""
        SELECT id FROM client WHERE lower(hostname) {IN} OR lower(hostname || ':' || name) {IN}
        OR CAST(id AS TEXT) {IN}
        """,
        (lowered,) * 3,
    )
    return [row[0] for row in rows]


def prepare(connection: sqlite3.Connection, wanted: JobFilter) -> None:
    """Give the connection the functions that the conditions of this filter use."""
    if wanted.name is not None:
        _provide(connection, "is_named", name_test(wanted.name))
    if wanted.text is not None:
        _provide(connection, "holds_text", text_test(wanted.text))
    if wanted.group is not None:
        groups = set(wanted.group)
        _provide(connection, "asks_for_group", lambda key: not groups.isdisjoint(requirement_from(key).groups))


def _provide(connection: sqlite3.Connection, name: str, function: Callable[[str], bool]) -> None:
    connection.create_function(name, 1, function, deterministic=True)
