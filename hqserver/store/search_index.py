"""What jobs are found by beside the columns of their rows: texts, labels and counts, kept as jobs are stored.

Names and descriptions stand in the trigram index `job_text`, tags and properties in `job_label`, where a job that has
neither costs nothing, and in `job_count` how many jobs have each status. Triggers (migration m006) follow what changes
and what is deleted; they rely on what is added here for every new row of `job`.
"""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from collections.abc import Iterable, Iterator

INDEXED_FROM = 3
"""Characters that a text must have to be looked up in the index of trigrams."""


def tag_label(tag: str) -> str:
    """The label of a job with this tag."""
    return f"t{tag}"


def property_label(name: str, value: str) -> str:
    """The label of a job with this property. The length keeps `a=b` and `c` apart from `a` and `b=c`."""
    return f"p{len(name)} {name}{value}"


def add_texts(connection: sqlite3.Connection, jobs: Iterable[tuple[int, str, str]]) -> None:
    """Index new jobs: id, name and description."""
    connection.executemany("INSERT INTO job_text (rowid, name, description) VALUES (?, ?, ?)", jobs)


def add_labels(connection: sqlite3.Connection, jobs: Iterable[tuple[int, str]]) -> None:
    """Index new jobs: id, and the specification as it is stored."""
    labels = ((label, job_id) for job_id, specification in jobs for label in _labels(specification))
    connection.executemany("INSERT INTO job_label (label, job_id) VALUES (?, ?)", labels)


def add_counts(connection: sqlite3.Connection, jobs: Iterable[tuple[bool, str]]) -> None:
    """Count new jobs: whether they are roots, and their status."""
    counted = Counter(jobs)
    connection.executemany(
        "UPDATE job_count SET jobs = jobs + ? WHERE root = ? AND status = ?",
        [(number, int(root), str(status)) for (root, status), number in counted.items()],
    )


def _labels(specification: str) -> Iterator[str]:
    # Most jobs have neither, and reading JSON costs more than looking for the words.
    if '"tags"' in specification or '"properties"' in specification:
        stored = json.loads(specification)
        yield from map(tag_label, stored.get("tags", ()))
        yield from (property_label(name, value) for name, value in stored.get("properties", {}).items())
