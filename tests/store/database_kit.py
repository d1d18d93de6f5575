"""What tests of the database write and read: keys and texts of the farm's own table."""

from __future__ import annotations

from collections.abc import Callable

from hqserver.store.database import Database, Transaction


def put(key: str, value: str = "x") -> Callable[[Transaction], str]:
    def write(transaction: Transaction) -> str:
        transaction.connection.execute("INSERT INTO farm (key, value) VALUES (?, ?)", (key, value))
        return key

    return write


def keys(database: Database) -> set[str]:
    with database.read() as connection:
        return {row["key"] for row in connection.execute("SELECT key FROM farm WHERE key <> 'timeline'")}
