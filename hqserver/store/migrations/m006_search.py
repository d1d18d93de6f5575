"""What finding jobs needs: an index of names and descriptions, one of tags and properties, counters, and orders."""

from __future__ import annotations

from sqlite_utils import Database

from hqserver.domain.status import JobStatus

from .numbered import MIGRATIONS

_TAG = "'t' || each.value"
_PROPERTY = "'p' || length(each.key) || ' ' || each.key || each.value"
_LABELS = f"""
    SELECT {_TAG} AS label FROM json_each({{row}}.specification, '$.tags') AS each
    UNION SELECT {_PROPERTY} FROM json_each({{row}}.specification, '$.properties') AS each
"""
"""What a row of `job` is found by beside its columns: `store.search_index` writes the same for new ones."""

_STATEMENTS = (
    """
    CREATE VIRTUAL TABLE job_text USING fts5 (
        name, description, content = 'job', content_rowid = 'id', tokenize = 'trigram', columnsize = 0
    )
    """,
    "INSERT INTO job_text (job_text) VALUES ('rebuild')",
    # Few segments are made into one while somebody waits for a job to be accepted.
    "INSERT INTO job_text (job_text, rank) VALUES ('automerge', 16)",
    "INSERT INTO job_text (job_text, rank) VALUES ('crisismerge', 64)",
    # New jobs are indexed and counted by `store.search_index`: a trigger that does so for each of many costs as much
    # again as storing them, since FTS5 writes after every one.
    """
    CREATE TRIGGER job_text_gone AFTER DELETE ON job BEGIN
        INSERT INTO job_text (job_text, rowid, name, description) VALUES ('delete', old.id, old.name, old.description);
    END
    """,
    """
    CREATE TRIGGER job_text_changed AFTER UPDATE OF name, description ON job BEGIN
        INSERT INTO job_text (job_text, rowid, name, description) VALUES ('delete', old.id, old.name, old.description);
        INSERT INTO job_text (rowid, name, description) VALUES (new.id, new.name, new.description);
    END
    """,
    """
    CREATE TABLE job_label (
        label TEXT NOT NULL,
        job_id INTEGER NOT NULL,
        PRIMARY KEY (label, job_id)
    ) STRICT, WITHOUT ROWID
    """,
    f"INSERT INTO job_label SELECT {_TAG}, job.id FROM job, json_each(job.specification, '$.tags') AS each",
    f"INSERT INTO job_label SELECT {_PROPERTY}, job.id FROM job, json_each(job.specification, '$.properties') AS each",
    f"""
    CREATE TRIGGER job_label_gone AFTER DELETE ON job WHEN old.specification <> '{{}}' BEGIN
        DELETE FROM job_label WHERE job_id = old.id AND label IN ({_LABELS.format(row="old")});
    END
    """,
    f"""
    CREATE TRIGGER job_label_changed AFTER UPDATE OF specification ON job BEGIN
        DELETE FROM job_label WHERE job_id = old.id AND label IN ({_LABELS.format(row="old")});
        INSERT INTO job_label SELECT label, new.id FROM ({_LABELS.format(row="new")});
    END
    """,
    """
    CREATE TABLE job_count (
        root INTEGER NOT NULL CHECK (root IN (0, 1)),
        status TEXT NOT NULL,
        jobs INTEGER NOT NULL CHECK (jobs >= 0),
        PRIMARY KEY (root, status)
    ) STRICT, WITHOUT ROWID
    """,
    """
    CREATE TRIGGER job_count_gone AFTER DELETE ON job BEGIN
        UPDATE job_count SET jobs = jobs - 1 WHERE root = (old.parents = 0) AND status = old.status;
    END
    """,
    """
    CREATE TRIGGER job_count_changed AFTER UPDATE OF status, parents ON job
    WHEN old.status <> new.status OR (old.parents = 0) <> (new.parents = 0) BEGIN
        UPDATE job_count SET jobs = jobs - 1 WHERE root = (old.parents = 0) AND status = old.status;
        UPDATE job_count SET jobs = jobs + 1 WHERE root = (new.parents = 0) AND status = new.status;
    END
    """,
    # Which jobs a client has run, each once: an agenda has thousands of runs there.
    """
    CREATE TABLE client_job (
        client_id INTEGER NOT NULL,
        job_id INTEGER NOT NULL,
        PRIMARY KEY (client_id, job_id)
    ) STRICT, WITHOUT ROWID
    """,
    "INSERT INTO client_job SELECT DISTINCT client_id, job_id FROM run",
    """
    CREATE TRIGGER client_job_new AFTER INSERT ON run BEGIN
        INSERT OR IGNORE INTO client_job (client_id, job_id) VALUES (new.client_id, new.job_id);
    END
    """,
    """
    CREATE TRIGGER client_job_gone BEFORE DELETE ON job BEGIN
        DELETE FROM client_job WHERE job_id = old.id
        AND client_id IN (SELECT client_id FROM run WHERE run.job_id = old.id);
    END
    """,
    "CREATE INDEX job_submitter ON job (submitted_by, id)",
    "CREATE INDEX job_of_root ON job (root_id, id)",
    "CREATE INDEX job_queued ON job (queued_at, id)",
    "CREATE INDEX job_updated ON job (updated_at, id)",
    "CREATE INDEX job_held ON job (id) WHERE held <> ''",
)


@MIGRATIONS()
def m006_search(db: Database) -> None:
    """Tables `job_text`, `job_label`, `job_count`, `client_job`, and indices on what jobs are found and sorted by."""
    for statement in _STATEMENTS:
        db.execute(statement)
    for root in (0, 1):
        for status in JobStatus:
            db.execute(
                "INSERT INTO job_count SELECT ?, ?, count(*) FROM job WHERE status = ? AND (parents = 0) = ?",
                [root, str(status), str(status), root],
            )
