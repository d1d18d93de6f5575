"""The first tables. CHECKs on statuses are generated from the enums of the domain."""

from __future__ import annotations

from collections.abc import Iterable

from sqlite_utils import Database

from hqserver.domain.status import FINISHED_JOB, LIVE_RUN, JobStatus, RunStatus, WorkStatus
from hqserver.store.schema import OWN_COLUMNS, TREE_COLUMNS, WORK_COLUMNS, words

from .numbered import MIGRATIONS


def _counters(columns: Iterable[str]) -> str:
    return "\n".join(f"    {column} INTEGER NOT NULL DEFAULT 0 CHECK ({column} >= 0)," for column in columns)


@MIGRATIONS()
def m001_farm(db: Database) -> None:
    """Jobs in a DAG, work items, runs with a fencing id, clients, notes, history, submissions."""
    for statement in f"""
CREATE TABLE farm (
    key TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT;
CREATE TABLE client (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    hostname TEXT NOT NULL,
    name TEXT NOT NULL,
    secret_hash TEXT NOT NULL UNIQUE,
    session TEXT NOT NULL,
    boot_id TEXT NOT NULL,
    ip TEXT NOT NULL,
    port INTEGER NOT NULL,
    platform TEXT NOT NULL,
    cpus INTEGER NOT NULL CHECK (cpus > 0),
    cpu_speed INTEGER NOT NULL,
    memory INTEGER NOT NULL,
    version TEXT NOT NULL,
    description TEXT NOT NULL DEFAULT '',
    disabled INTEGER NOT NULL DEFAULT 0 CHECK (disabled IN (0, 1)),
    registered_at REAL NOT NULL,
    heartbeat_at REAL NOT NULL,
    load REAL NOT NULL DEFAULT 0,
    idle_minutes INTEGER NOT NULL DEFAULT -1,
    memory_free INTEGER NOT NULL DEFAULT 0,
    disk_free INTEGER NOT NULL DEFAULT 0,
    UNIQUE (hostname, name)
) STRICT;
CREATE TABLE requirement (
    id INTEGER PRIMARY KEY,
    key TEXT NOT NULL UNIQUE
) STRICT;
CREATE TABLE job (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    uuid TEXT NOT NULL UNIQUE,
    root_id INTEGER NOT NULL,
    first_parent_id INTEGER REFERENCES job (id) DEFERRABLE INITIALLY DEFERRED,
    requirement_id INTEGER NOT NULL REFERENCES requirement (id),
    name TEXT NOT NULL,
    description TEXT NOT NULL,
    command TEXT NOT NULL,
    submitted_by TEXT NOT NULL,
    specification TEXT NOT NULL,
    priority INTEGER NOT NULL CHECK (priority >= 0),
    position INTEGER NOT NULL DEFAULT 0,
    cpus INTEGER NOT NULL CHECK (cpus >= 0),
    tries INTEGER NOT NULL,
    status TEXT NOT NULL CHECK (status IN ({words(JobStatus)})),
    cancelled INTEGER NOT NULL DEFAULT 0 CHECK (cancelled IN (0, 1)),
    outcome TEXT NOT NULL DEFAULT '' CHECK (outcome IN ('', 'exit', 'empty', 'byHand', 'imported')),
    show_blocked_clients_warning INTEGER NOT NULL DEFAULT 1,
    queued_at REAL NOT NULL,
    runnable_at REAL,
    started_at REAL,
    command_started_at REAL,
    command_ended_at REAL,
    ended_at REAL,
    updated_at REAL NOT NULL,
    claimable INTEGER NOT NULL DEFAULT 0 CHECK (claimable >= 0),
    parents INTEGER NOT NULL DEFAULT 0 CHECK (parents >= 0),
    children INTEGER NOT NULL DEFAULT 0 CHECK (children >= 0),
    children_unfinished INTEGER NOT NULL DEFAULT 0 CHECK (children_unfinished >= 0),
    children_failed INTEGER NOT NULL DEFAULT 0 CHECK (children_failed >= 0),
{_counters(WORK_COLUMNS.values())}
{_counters(TREE_COLUMNS.values())}
{_counters(OWN_COLUMNS.values())}
    tree_clients INTEGER NOT NULL DEFAULT 0 CHECK (tree_clients >= 0),
    CHECK ((ended_at IS NOT NULL) = (status IN ({words(FINISHED_JOB)}))),
    CHECK ((outcome <> '') = (status = 'succeeded'))
) STRICT;
CREATE INDEX job_queue ON job (requirement_id, priority DESC, position, id) WHERE claimable > 0;
CREATE INDEX job_status ON job (status, id);
CREATE INDEX job_root_status ON job (status, id) WHERE parents = 0;
CREATE INDEX job_root_unfinished ON job (id) WHERE parents = 0 AND ended_at IS NULL;
CREATE INDEX job_root_finished ON job (id) WHERE parents = 0 AND ended_at IS NOT NULL;
CREATE TABLE family (
    parent_id INTEGER NOT NULL REFERENCES job (id) ON DELETE CASCADE,
    child_id INTEGER NOT NULL REFERENCES job (id) ON DELETE CASCADE,
    PRIMARY KEY (parent_id, child_id),
    CHECK (parent_id <> child_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX family_child ON family (child_id, parent_id);
CREATE TABLE work (
    id INTEGER PRIMARY KEY,
    job_id INTEGER NOT NULL REFERENCES job (id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    position INTEGER NOT NULL,
    status TEXT NOT NULL CHECK (status IN ({words(WorkStatus)})),
    claimable INTEGER NOT NULL CHECK (claimable IN (0, 1)),
    tries INTEGER NOT NULL,
    losses INTEGER NOT NULL DEFAULT 0,
    progress INTEGER NOT NULL DEFAULT 0,
    duration_ms INTEGER,
    UNIQUE (job_id, name)
) STRICT;
CREATE INDEX work_claimable ON work (job_id, position) WHERE claimable = 1;
CREATE TABLE run (
    id TEXT PRIMARY KEY,
    job_id INTEGER NOT NULL REFERENCES job (id) ON DELETE CASCADE,
    work_id INTEGER NOT NULL REFERENCES work (id) ON DELETE CASCADE,
    slot INTEGER NOT NULL DEFAULT 0,
    client_id INTEGER NOT NULL REFERENCES client (id),
    cpus INTEGER NOT NULL,
    status TEXT NOT NULL CHECK (status IN ({words(RunStatus)})),
    offered_at REAL NOT NULL,
    started_at REAL,
    ended_at REAL,
    ending_at REAL,
    exit_code INTEGER,
    signal INTEGER,
    reason TEXT NOT NULL DEFAULT '',
    log_size INTEGER,
    log_hash TEXT NOT NULL DEFAULT '',
    log_truncated INTEGER NOT NULL DEFAULT 0,
    cpu_seconds REAL,
    max_memory INTEGER,
    unconfirmed INTEGER NOT NULL DEFAULT 0,
    CHECK ((ended_at IS NULL) = (status IN ({words(LIVE_RUN)})))
) STRICT;
CREATE UNIQUE INDEX one_live ON run (work_id, slot) WHERE status IN ({words(LIVE_RUN)});
CREATE INDEX run_live_client ON run (client_id, cpus) WHERE status IN ({words(LIVE_RUN)});
CREATE INDEX run_ended_client ON run (client_id, ended_at) WHERE ended_at IS NOT NULL;
CREATE INDEX run_unconfirmed ON run (client_id) WHERE unconfirmed = 1;
CREATE INDEX run_job ON run (job_id, offered_at);
CREATE TABLE presence (
    job_id INTEGER NOT NULL REFERENCES job (id) ON DELETE CASCADE,
    client_id INTEGER NOT NULL,
    runs INTEGER NOT NULL CHECK (runs > 0),
    PRIMARY KEY (job_id, client_id)
) STRICT, WITHOUT ROWID;
CREATE TABLE history (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    job_id INTEGER NOT NULL REFERENCES job (id) ON DELETE CASCADE,
    client_id INTEGER,
    at REAL NOT NULL,
    event TEXT NOT NULL,
    status TEXT NOT NULL,
    message TEXT NOT NULL
) STRICT;
CREATE INDEX history_job ON history (job_id, id);
CREATE TABLE note_thread (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    job_id INTEGER UNIQUE REFERENCES job (id) ON DELETE CASCADE,
    client_id INTEGER UNIQUE REFERENCES client (id) ON DELETE CASCADE,
    CHECK (job_id IS NULL OR client_id IS NULL)
) STRICT;
CREATE TABLE note (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    thread_id INTEGER NOT NULL REFERENCES note_thread (id) ON DELETE CASCADE,
    at REAL NOT NULL,
    text TEXT NOT NULL
) STRICT;
CREATE INDEX note_of_thread ON note (thread_id, id);
CREATE TABLE submission (
    key TEXT PRIMARY KEY,
    digest TEXT NOT NULL,
    job_ids TEXT NOT NULL,
    at REAL NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX submission_at ON submission (at);
""".split(";"):
        if statement.strip():
            db.execute(statement)
