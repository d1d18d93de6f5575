"""What the whole of HQueue's contract needs: control, hooks, holds, conditions, groups, resources, mail, folders."""

from __future__ import annotations

from sqlite_utils import Database

from hqserver.domain.status import LIVE_RUN
from hqserver.store.schema import words

from .numbered import MIGRATIONS

_COLUMNS = {
    "job": (
        # What holds it back from dispatch: nothing, a pause (its commands are stopped too), or a block.
        "held TEXT NOT NULL DEFAULT '' CHECK (held IN ('', 'pause', 'block'))",
        # Its work does not count in overallProgress: it has no command, or the tag excludeProgress.
        "weightless INTEGER NOT NULL DEFAULT 0 CHECK (weightless IN (0, 1))",
        "tries_given INTEGER NOT NULL DEFAULT 0 CHECK (tries_given >= 0)",
        # Names of the hooks it has, and events that send mail: comma lists, so that most jobs cost no look.
        "hooks TEXT NOT NULL DEFAULT ''",
        "mail_reasons TEXT NOT NULL DEFAULT ''",
        # Work items whose command is done and whose hooks are still to run.
        "pending INTEGER NOT NULL DEFAULT 0 CHECK (pending >= 0)",
        # Children that failed and were deleted since: what they meant for this job does not change.
        "deleted_failed INTEGER NOT NULL DEFAULT 0 CHECK (deleted_failed >= 0)",
    ),
    "work": (
        # What its command's run told it, and why, kept until its hooks have run.
        "pending TEXT NOT NULL DEFAULT ''",
        "pending_reason TEXT NOT NULL DEFAULT ''",
        "hooks TEXT NOT NULL DEFAULT ''",
        # The client that gets it last: it failed there, or was taken off it.
        "avoid_client_id INTEGER",
    ),
    "run": (
        "kind TEXT NOT NULL DEFAULT ''",
        "intent TEXT NOT NULL DEFAULT '' CHECK (intent IN ('', 'cancel', 'eject', 'pause'))",
        "sharing TEXT NOT NULL DEFAULT ''",
        "resources TEXT NOT NULL DEFAULT ''",
    ),
    "client": (
        "removed INTEGER NOT NULL DEFAULT 0 CHECK (removed IN (0, 1))",
        "availability TEXT NOT NULL DEFAULT ''",
        "utc_offset INTEGER NOT NULL DEFAULT 0",
        "location TEXT NOT NULL DEFAULT ''",
        "disk_total INTEGER NOT NULL DEFAULT 0",
        "upgrade_error TEXT NOT NULL DEFAULT ''",
        "wanted TEXT NOT NULL DEFAULT '' CHECK (wanted IN ('', 'upgrade', 'restart', 'end'))",
    ),
}

_STATEMENTS = f"""
DROP INDEX job_queue;
CREATE INDEX job_queue ON job (requirement_id, priority DESC, position, id) WHERE claimable > 0 AND held = '';
CREATE INDEX job_first_parent ON job (first_parent_id);
CREATE INDEX work_pending ON work (id) WHERE pending <> '';
CREATE INDEX run_work ON run (work_id);
CREATE INDEX job_ended ON job (ended_at) WHERE ended_at IS NOT NULL;
CREATE INDEX run_sharing ON run (client_id) WHERE status IN ({words(LIVE_RUN)}) AND (sharing <> '' OR resources <> '');
CREATE TABLE client_group (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL UNIQUE
) STRICT;
CREATE TABLE group_member (
    group_id INTEGER NOT NULL REFERENCES client_group (id) ON DELETE CASCADE,
    client_id INTEGER NOT NULL REFERENCES client (id) ON DELETE CASCADE,
    PRIMARY KEY (group_id, client_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX group_of_client ON group_member (client_id);
CREATE TABLE resource (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL UNIQUE,
    total INTEGER NOT NULL CHECK (total >= -1),
    per_machine INTEGER NOT NULL CHECK (per_machine IN (0, 1)),
    built_in INTEGER NOT NULL DEFAULT 0 CHECK (built_in IN (0, 1))
) STRICT;
INSERT INTO resource (name, total, per_machine, built_in) VALUES
    ('sidefx.license.houdini', -1, 1, 1), ('sidefx.license.render', -1, 1, 1), ('sidefx.license.karma', -1, 1, 1);
CREATE TABLE network_folder (
    name TEXT PRIMARY KEY,
    host TEXT NOT NULL DEFAULT '',
    linux TEXT NOT NULL DEFAULT '',
    windows TEXT NOT NULL DEFAULT '',
    macos TEXT NOT NULL DEFAULT '',
    main INTEGER NOT NULL DEFAULT 0 CHECK (main IN (0, 1))
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX one_main_folder ON network_folder (main) WHERE main = 1;
CREATE TABLE error (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    at REAL NOT NULL,
    source TEXT NOT NULL,
    message TEXT NOT NULL,
    client_id INTEGER
) STRICT;
CREATE INDEX error_of_client ON error (client_id, id);
CREATE TABLE client_failure (
    root_id INTEGER NOT NULL,
    client_id INTEGER NOT NULL,
    failures INTEGER NOT NULL CHECK (failures > 0),
    PRIMARY KEY (root_id, client_id)
) STRICT, WITHOUT ROWID;
CREATE TABLE mail (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    queued_at REAL NOT NULL,
    recipients TEXT NOT NULL,
    subject TEXT NOT NULL,
    body TEXT NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0,
    next_at REAL NOT NULL
) STRICT;
CREATE INDEX mail_due ON mail (next_at)
"""


@MIGRATIONS()
def m002_contract(db: Database) -> None:
    """Columns for control, hooks and upgrades; tables for groups, resources, folders, errors, failures and mail."""
    for table, columns in _COLUMNS.items():
        for column in columns:
            db.execute(f"ALTER TABLE {table} ADD COLUMN {column}")
    db.execute("UPDATE job SET tries_given = tries")
    db.execute("UPDATE job SET weightless = 1 WHERE command = '\"\"'")
    for statement in _STATEMENTS.split(";"):
        if statement.strip():
            db.execute(statement)
