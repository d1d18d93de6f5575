"""A call whose answer was lost is done once; one that was answered is done again (PROMISES P2 and 2.3)."""

from __future__ import annotations

from pathlib import Path

import pytest
from farm_kit import SetClock
from farm_kit import submit as submit_job

from hqserver.domain.errors import DiskFull, FarmError, NotFound
from hqserver.services.clients import groups
from hqserver.services.farm import Farm
from hqserver.services.intake import submission
from hqserver.services.retries import Attempt, Retries
from hqserver.store import calls
from hqserver.store.calls import CallBook
from hqserver.store.room import Room

BODY = b"<methodCall>newjob</methodCall>"


class Server:
    """The part of the server that tells repetitions from wishes; it can be killed and started again."""

    def __init__(self, farm: Farm, folder: Path, clock: SetClock):
        self.farm, self.clock, self.answered = farm, clock, folder / "calls.answered"
        self.start()

    def start(self, boot: str = "boot 1") -> None:
        """Start again after kill -9: what only the memory knew is gone."""
        self.book = CallBook(self.answered)
        self.retries = Retries(self.farm.database, self.book, self.clock, boot)

    def submit(self, body: bytes = BODY, sender: str = "10.0.0.1") -> tuple[Attempt, list[int]]:
        """A request that submits a job; nobody has got the answer yet."""
        attempt = self.retries.attempt(sender, body)
        with attempt.once():
            return attempt, submission.submit(self.farm, {"name": "x"})

    def cut(self, body: bytes = BODY, sender: str = "10.0.0.1") -> list[int]:
        """The same, and the connection ends before the answer."""
        attempt, ids = self.submit(body, sender)
        attempt.hang_up()
        attempt.ended()
        return ids

    def answer(self, body: bytes = BODY, sender: str = "10.0.0.1") -> list[int]:
        """The same, and the answer is handed over."""
        attempt, ids = self.submit(body, sender)
        attempt.answered()
        attempt.ended()
        return ids

    def rows(self) -> int:
        with self.farm.database.read() as connection:
            return calls.count(connection)


@pytest.fixture
def server(farm: Farm, tmp_path: Path, clock: SetClock) -> Server:
    return Server(farm, tmp_path, clock)


def test_a_call_that_was_cut_is_done_once_however_often_it_comes(server: Server) -> None:
    first = server.cut()
    assert server.cut() == first
    assert server.answer() == first
    assert server.answer() != first


def test_two_deliberate_submits_are_two(server: Server) -> None:
    """The first was answered, so the second is a wish of its own."""
    assert server.answer() != server.answer()


def test_two_submits_of_the_same_bytes_at_the_same_time_are_two(server: Server) -> None:
    """Threads of one machine may submit the same: as long as a call is being answered, nobody repeats it."""
    first, ids = server.submit()
    second, others = server.submit()
    assert ids != others
    first.answered()
    second.hang_up()
    assert server.answer() == others


@pytest.mark.parametrize(("body", "sender"), [(BODY + b" ", "10.0.0.1"), (BODY, "10.0.0.2")])
def test_other_bytes_or_another_sender_are_another_call(server: Server, body: bytes, sender: str) -> None:
    assert server.cut() != server.cut(body, sender)


@pytest.mark.parametrize(("seconds", "is_same"), [(0, True), (59, True), (61, False), (-61, False)])
def test_a_call_is_recognised_for_a_minute_whatever_the_clock_does(
    server: Server, clock: SetClock, seconds: float, is_same: bool
) -> None:
    first = server.cut()
    clock.advance(seconds)
    assert (server.answer() == first) is is_same


@pytest.mark.parametrize("restarted", [False, True])
@pytest.mark.parametrize("step", [3600, -3600])
def test_a_wall_clock_that_is_set_makes_no_second_job_of_a_repetition(
    server: Server, clock: SetClock, step: float, restarted: bool
) -> None:
    """T15, P11."""
    first = server.cut()
    clock.wall += step
    server.retries.flush()
    if restarted:
        server.start()
    assert server.answer() == first


def test_a_call_that_failed_is_tried_anew(server: Server, farm: Farm) -> None:
    def add() -> list[int]:
        attempt = server.retries.attempt("10.0.0.1", BODY)
        try:
            with attempt.once():
                return submission.submit(farm, {"name": "child"}, parent_id=1)
        finally:
            attempt.ended()

    with pytest.raises(NotFound):
        add()
    assert submit_job(farm, command="true") == 1
    assert add() == [2]


def test_the_calls_of_one_request_are_told_apart_by_their_place(server: Server, farm: Farm) -> None:
    """A system.multicall may hold the same call twice."""

    def both() -> list[int]:
        attempt = server.retries.attempt("10.0.0.1", BODY)
        found: list[int] = []
        for _ in range(2):
            with attempt.once():
                found += submission.submit(farm, {"name": "x"})
        attempt.hang_up()
        attempt.ended()
        return found

    first = both()
    assert len(set(first)) == 2
    assert both() == first


def test_a_call_that_is_carried_out_after_its_caller_is_gone_is_known_too(server: Server) -> None:
    """It waited in line while its caller timed out and asked again."""
    late = server.retries.attempt("10.0.0.1", BODY)
    late.hang_up()
    with late.once():
        first = submission.submit(server.farm, {"name": "x"})
    assert server.answer() == first


def test_a_call_that_is_overtaken_by_its_own_repetition_does_nothing_more(server: Server) -> None:
    late = server.retries.attempt("10.0.0.1", BODY)
    late.hang_up()
    first = server.answer()
    with late.once():
        assert submission.submit(server.farm, {"name": "x"}) == first


def test_what_matters_outlives_the_server(server: Server) -> None:
    """kill -9: a call that was cut is recognised afterwards, one that was answered is not mistaken for it."""
    _, cut = server.submit(b"cut")
    answered = server.answer(b"answered")
    server.start()
    assert server.answer(b"cut") == cut
    assert server.answer(b"answered") != answered


def test_answers_that_were_flushed_leave_nothing_behind(server: Server) -> None:
    for _ in range(5):
        server.answer()
    assert server.rows() == 5
    server.retries.flush()
    assert server.rows() == 0
    assert server.answered.read_text() == ""
    first = server.answer()
    server.start()
    assert server.answer() != first


def test_a_flush_keeps_what_was_not_answered(server: Server) -> None:
    first = server.cut()
    server.answer(b"other")
    server.retries.flush()
    assert server.answer() == first


def test_rows_too_old_to_be_repeated_go(server: Server, clock: SetClock) -> None:
    server.cut()
    clock.advance(100)
    server.answer(b"other")
    server.retries.flush()
    assert server.rows() == 0


def test_a_reboot_forgets_all_calls(server: Server) -> None:
    """What the file says of answers may be lost with the machine's memory; nobody repeats a call across a reboot."""
    first = server.cut()
    server.start("boot 2")
    assert server.answer() != first


def test_a_call_whose_rows_cannot_be_kept_is_not_done(server: Server, farm: Farm, tmp_path: Path) -> None:
    """A full disk refuses new work before it is tried (P12)."""
    room = Room(tmp_path / "ballast", size=1024)
    room.run_out()
    farm.database.room = room
    with pytest.raises(DiskFull, match="nothing new is taken"):
        server.submit()
    assert submit_job(farm) == 1  # what is no call of somebody's goes on


def test_a_group_that_was_made_by_the_lost_call_is_no_conflict(server: Server, farm: Farm) -> None:
    def create() -> int:
        attempt = server.retries.attempt("10.0.0.1", b"group")
        try:
            with attempt.once():
                return groups.create_group(farm, "night")
        finally:
            attempt.hang_up()
            attempt.ended()

    first = create()
    assert create() == first
    with pytest.raises(FarmError):
        groups.create_group(farm, "night")


def test_a_row_that_one_connection_let_go_and_another_answered_is_not_given_again() -> None:
    """T3: the first connection was cut while the second was being answered with the same row."""
    book = CallBook()
    book.cut("call/1", 0.0)
    book.answered("call/1")
    assert book.take("call", 1.0) == ""
