"""The list of migrations, in the order of their numbers."""

from __future__ import annotations

from sqlite_utils.migrations import Migrations

MIGRATIONS = Migrations("farm")
