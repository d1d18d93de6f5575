"""Names of columns that are generated from the domain's words, and lists of those words for SQL."""

from __future__ import annotations

from collections.abc import Iterable

from hqserver.domain.job import TREE_FIELDS
from hqserver.domain.status import WorkStatus

WORK_COLUMNS = {status: f"work_{status}" for status in WorkStatus}
"""The job's own work items by status, a counter a column."""

OWN_COLUMNS = {name: f"own_{name}" for name in ("progress", "progress_live", "durations_ms", "work_timed")}
"""What the job's own work items contribute to its tree and no count by status tells."""

TREE_COLUMNS = {name: f"tree_{name}" for name in TREE_FIELDS}


def words(statuses: Iterable[str]) -> str:
    """The statuses as an SQL list."""
    return ", ".join(f"'{status}'" for status in statuses)
