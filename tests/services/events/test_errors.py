"""Errors of the server and of clients: what is gathered, counted, kept and answered (CONTRACT 1.2 and 9.14)."""

from __future__ import annotations

import logging
import sqlite3
import sys
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from farm_kit import SetClock, TestClient

from hqserver.domain.errors import Busy, NotFound
from hqserver.services.events import errors
from hqserver.services.farm import Farm
from hqserver.store import errors as stored
from hqserver.store.database import Transaction


@pytest.fixture
def log() -> Iterator[errors.ErrorLog]:
    """Installed as the server installs it."""
    found = errors.ErrorLog()
    logging.getLogger().addHandler(found)
    yield found
    logging.getLogger().removeHandler(found)


def lines(answer: dict[str, Any]) -> list[tuple[str, str]]:
    return [(entry["source"], entry["message"]) for entry in answer.get("errors", [])]


def note(farm: Farm, client_id: int, *messages: str) -> None:
    def write(transaction: Transaction) -> None:
        for message in messages:
            errors.note_client_error(transaction.connection, client_id, message, farm.clock.now())

    farm.database.write(write)


# Of the server --------------------------------------------------------------------------------------------------------


def test_without_errors_the_answers_are_empty(farm: Farm, client: TestClient, log: errors.ErrorLog) -> None:
    logging.getLogger("hqserver.ticks").warning("only a warning")
    errors.flush(farm, log)
    assert errors.server_errors(farm) == {}
    assert errors.client_errors(farm, client.id) == {}


def test_what_the_server_logs_as_an_error_is_kept_newest_first(farm: Farm, log: errors.ErrorLog) -> None:
    """9.14."""
    logging.getLogger("hqserver.services.care.upkeep").error("no room for %s", "logs")
    logging.getLogger("apscheduler.executors.default").critical("it stopped")
    errors.flush(farm, log)
    answer = errors.server_errors(farm)
    assert answer["total"] == 2
    assert lines(answer) == [("apscheduler", "it stopped"), ("upkeep", "no room for logs")]
    assert [set(entry) for entry in answer["errors"]] == [{"time", "source", "message"}] * 2
    assert answer["errors"][0]["time"] >= answer["errors"][1]["time"]


def raised(problem: Exception) -> Any:
    try:
        raise problem
    except Exception:
        return sys.exc_info()


@pytest.mark.parametrize(
    ("problem", "message"),
    [
        (OSError(28, "No space left on device", "/data/output/1"), "it failed: No space left on device"),
        (OSError("odd"), "it failed"),
        (Busy("the server is shutting down"), "it failed: the server is shutting down"),
        (sqlite3.OperationalError("disk I/O error"), "it failed: disk I/O error"),
        (KeyError("x"), "it failed"),
    ],
)
def test_an_error_is_one_line_without_traceback_or_path(
    farm: Farm, log: errors.ErrorLog, problem: Exception, message: str
) -> None:
    logging.getLogger("hqserver.ticks").error("it failed\nTraceback: ...", exc_info=raised(problem))
    errors.flush(farm, log)
    assert lines(errors.server_errors(farm)) == [("ticks", message)]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("cannot be written: [Errno 20] Not a directory: '/data/output/1.log'", "cannot be written: Not a directory"),
        ("moving: [Errno 18] Invalid cross-device link: '/a' -> '/b'", "moving: Invalid cross-device link"),
    ],
)
def test_what_the_system_said_is_without_number_and_path(
    farm: Farm, log: errors.ErrorLog, text: str, message: str
) -> None:
    logging.getLogger("hqserver.x").error("%s", text)
    errors.flush(farm, log)
    assert lines(errors.server_errors(farm)) == [("x", message)]


def test_errors_that_differ_in_a_random_id_only_are_the_same(farm: Farm, log: errors.ErrorLog) -> None:
    for incident in ("8D8672", "9E00C0"):
        logging.getLogger("hqserver.rpc.faults").error("incident %s in getJob", incident)
    logging.getLogger("hqserver.rpc.faults").error("incident 8D8672 in getJobs")
    errors.flush(farm, log)
    assert lines(errors.server_errors(farm)) == [
        ("faults", "incident 8D8672 in getJobs"),
        ("faults", "incident 9E00C0 in getJob (2 times)"),
    ]


def test_a_long_error_is_cut(farm: Farm, log: errors.ErrorLog) -> None:
    logging.getLogger("webui.pages").error("x" * 10_000)
    errors.flush(farm, log)
    ((source, message),) = lines(errors.server_errors(farm))
    assert (source, len(message)) == ("pages", errors.LONGEST_MESSAGE)


def test_a_flood_of_the_same_error_is_counted_not_repeated(farm: Farm, log: errors.ErrorLog, clock: SetClock) -> None:
    """PROMISES 6.4."""
    logger = logging.getLogger("hqserver.ticks")
    for _ in range(3):
        logger.error("the tick flush failed")
    errors.flush(farm, log)
    for _ in range(50):
        clock.advance(5)
        logger.error("the tick flush failed")
        errors.flush(farm, log)
    assert lines(errors.server_errors(farm)) == [("ticks", "the tick flush failed (3 times)")]
    clock.advance(600)
    logger.error("something else")
    errors.flush(farm, log)
    assert lines(errors.server_errors(farm)) == [
        ("ticks", "something else"),
        ("ticks", "the tick flush failed (50 times)"),
        ("ticks", "the tick flush failed (3 times)"),
    ]


def test_a_flood_of_different_errors_has_a_bound(farm: Farm, log: errors.ErrorLog) -> None:
    for number in range(250):
        logging.getLogger("hqserver.ticks").error("error %d", number)
    errors.flush(farm, log)
    answer = errors.server_errors(farm)
    assert answer["total"] == 201
    assert lines(answer)[:2] == [
        ("log", "further errors stand in hqserver.log only (50 times)"),
        ("ticks", "error 199"),
    ]
    assert len(answer["errors"]) == errors.MOST_ANSWERED


def test_what_cannot_be_written_waits_for_the_next_flush(farm: Farm, log: errors.ErrorLog) -> None:
    logger = logging.getLogger("hqserver.ticks")
    logger.error("the disk is full")
    farm.database.write(lambda transaction: transaction.connection.execute("ALTER TABLE error RENAME TO away"))
    with pytest.raises(sqlite3.Error):
        errors.flush(farm, log)
    farm.database.write(lambda transaction: transaction.connection.execute("ALTER TABLE away RENAME TO error"))
    logger.error("the disk is full")
    errors.flush(farm, log)
    assert lines(errors.server_errors(farm)) == [("ticks", "the disk is full (2 times)")]


def test_an_error_logged_within_a_transaction_does_not_wait_for_it(farm: Farm, log: errors.ErrorLog) -> None:
    farm.database.write(lambda transaction: logging.getLogger("hqserver.x").error("within"))
    errors.flush(farm, log)
    assert lines(errors.server_errors(farm)) == [("x", "within")]


def test_many_threads_lose_no_error(farm: Farm, log: errors.ErrorLog) -> None:
    def shout() -> None:
        for _ in range(200):
            logging.getLogger("hqserver.x").error("again")

    threads = [threading.Thread(target=shout) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    errors.flush(farm, log)
    assert lines(errors.server_errors(farm)) == [("x", "again (800 times)")]


def test_only_the_newest_errors_of_the_server_are_kept(
    farm: Farm, log: errors.ErrorLog, client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(errors, "KEPT_OF_SERVER", 3)
    note(farm, client.id, "its own")
    for number in range(5):
        logging.getLogger("hqserver.x").error("error %d", number)
        errors.flush(farm, log)
    answer = errors.server_errors(farm)
    assert answer["total"] == 3
    assert [message for _, message in lines(answer)] == ["error 4", "error 3", "error 2"]
    assert errors.client_errors(farm, client.id)["total"] == 1


# Of clients -----------------------------------------------------------------------------------------------------------


def test_errors_of_a_client_stand_under_its_label(farm: Farm, client: TestClient, clock: SetClock) -> None:
    named = TestClient(farm, name="gpu", session="s2")
    named.register()
    note(farm, client.id, "refused a run:\n  disk nearly full")
    clock.advance(5)
    note(farm, named.id, "lost with 2 runs", "lost again")
    assert lines(errors.client_errors(farm, client.id)) == [("alpha", "refused a run: disk nearly full")]
    answer = errors.client_errors(farm, named.id)
    assert lines(answer) == [("alpha:gpu", "lost again"), ("alpha:gpu", "lost with 2 runs")]
    assert answer["total"] == 2
    assert answer["errors"][0]["time"].timestamp() == clock.now()
    assert errors.server_errors(farm) == {}


def test_only_the_newest_errors_of_each_client_are_kept(
    farm: Farm, client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(errors, "KEPT_OF_CLIENT", 2)
    other = TestClient(farm, hostname="beta", session="s2")
    other.register()
    note(farm, other.id, "first of all")
    note(farm, client.id, "one", "two", "three")
    assert [message for _, message in lines(errors.client_errors(farm, client.id))] == ["three", "two"]
    assert errors.client_errors(farm, other.id)["total"] == 1


def test_a_client_that_does_not_exist_has_no_errors(farm: Farm) -> None:
    note(farm, 99, "nobody's")
    with pytest.raises(NotFound, match="there is no client 99"):
        errors.client_errors(farm, 99)
    with farm.database.read() as connection:
        assert stored.since(connection, 0) == []


def test_whoever_follows_the_errors_gets_each_once(farm: Farm, client: TestClient, log: errors.ErrorLog) -> None:
    note(farm, client.id, "one")
    logging.getLogger("hqserver.x").error("two")
    errors.flush(farm, log)
    with farm.database.read() as connection:
        found = stored.since(connection, 0)
    assert [(row.message, row.client_id) for row in found] == [("one", client.id), ("two", None)]
    note(farm, client.id, "three")
    with farm.database.read() as connection:
        assert [row.message for row in stored.since(connection, found[-1].id)] == ["three"]
        assert stored.since(connection, found[-1].id + 1) == []
