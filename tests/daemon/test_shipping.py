from __future__ import annotations

from dataclasses import dataclass

from hqclient.daemon.shipping import BEAT_LIMIT, LIVE_SECONDS, Shipment, Shipping


@dataclass
class Log:
    """A log and a progress in memory."""

    content: bytes = b""
    told: float = 0.0

    def log_size(self) -> int:
        return len(self.content)

    def read_log(self, offset: int, limit: int) -> bytes:
        return self.content[offset : offset + limit]

    def progress(self) -> float:
        return self.told


def accepted(shipment: Shipment) -> dict[str, int]:
    """What a server answers that takes everything."""
    return {piece.run: piece.offset + len(piece.data) for piece in shipment.pieces}


def test_an_ended_run_is_complete_when_its_log_fits_the_beat() -> None:
    log = Log(b"all of it")
    shipment = Shipping().next_shipment({"a": (log, 9)}, {}, 0.0)
    assert [(piece.offset, piece.data) for piece in shipment.pieces] == [(0, b"all of it")]
    assert shipment.complete == {"a": 9}


def test_a_run_without_output_is_complete_at_once() -> None:
    assert Shipping().next_shipment({"a": (Log(), 0)}, {}, 0.0).complete == {"a": 0}


def test_a_long_log_goes_in_pieces_and_completes_with_the_last() -> None:
    shipping, log = Shipping(), Log(b"x" * (2 * BEAT_LIMIT + 5))
    completed, arrived = [], 0
    for _ in range(3):
        shipment = shipping.next_shipment({"a": (log, len(log.content))}, {}, 0.0)
        assert shipping.answered(shipment, accepted(shipment))
        completed.append("a" in shipment.complete)
        arrived += sum(len(piece.data) for piece in shipment.pieces)
    assert completed == [False, False, True]
    assert arrived == len(log.content)


def test_one_that_floods_leaves_room_for_the_others() -> None:
    flood, short = Log(b"x" * (3 * BEAT_LIMIT)), Log(b"done")
    shipment = Shipping().next_shipment({"a": (flood, 3 * BEAT_LIMIT), "b": (short, 4)}, {}, 0.0)
    assert shipment.complete == {"b": 4}
    assert sum(len(piece.data) for piece in shipment.pieces) <= BEAT_LIMIT


def test_no_beat_is_larger_than_allowed_however_many_runs_there_are() -> None:
    logs = {str(number): (Log(b"x" * 100_000), 100_000) for number in range(100)}
    shipment = Shipping().next_shipment(logs, {}, 0.0)
    assert sum(len(piece.data) for piece in shipment.pieces) == BEAT_LIMIT
    assert len(shipment.complete) < 100


def test_the_servers_offset_is_the_truth() -> None:
    shipping, log = Shipping(), Log(b"0123456789")
    shipping.answered(shipping.next_shipment({}, {"a": log}, 0.0), {"a": 4})
    (piece,) = shipping.next_shipment({"a": (log, 10)}, {}, 0.0).pieces
    assert (piece.offset, piece.data) == (4, b"456789")


def test_what_was_not_answered_is_sent_again() -> None:
    shipping, log = Shipping(), Log(b"text")
    first = shipping.next_shipment({"a": (log, 4)}, {}, 0.0)
    again = shipping.next_shipment({"a": (log, 4)}, {}, 0.0)
    assert (again.pieces, again.complete) == (first.pieces, {})
    assert shipping.answered(again, {"a": 4})
    assert shipping.next_shipment({"a": (log, 4)}, {}, 0.0).complete == {"a": 4}


def test_a_run_does_not_complete_with_what_an_unanswered_beat_may_have_brought() -> None:
    """The server may have taken the first piece: the second, which begins where that did, it would leave out."""
    shipping, log = Shipping(), Log(b"first")
    shipping.next_shipment({}, {"a": log}, 0.0)
    log.content = b"first and last"
    again = shipping.next_shipment({"a": (log, 14)}, {}, 2.0)
    assert again.complete == {}
    assert shipping.answered(again, {"a": 5})
    last = shipping.next_shipment({"a": (log, 14)}, {}, 2.0)
    assert [(piece.offset, piece.data) for piece in last.pieces] == [(5, b" and last")]
    assert last.complete == {"a": 14}


def test_of_a_run_in_doubt_the_server_is_asked_what_it_has() -> None:
    shipping, log = Shipping(), Log(b"x" * 100)
    shipping.doubt(["a", "b"])
    asked = shipping.next_shipment({"a": (log, 100), "b": (Log(), 0)}, {}, 0.0)
    assert [(piece.run, piece.offset, piece.data) for piece in asked.pieces] == [("a", 0, b"")]
    assert asked.complete == {"b": 0}
    assert shipping.answered(asked, {"a": 0})
    assert shipping.next_shipment({"a": (log, 100)}, {}, 0.0).complete == {"a": 100}


def test_a_run_in_doubt_of_which_the_server_has_all_completes_when_it_says_so() -> None:
    shipping, log = Shipping(), Log(b"all")
    shipping.doubt(["a"])
    asked = shipping.next_shipment({"a": (log, 3)}, {}, 0.0)
    assert shipping.answered(asked, {"a": 3})
    done = shipping.next_shipment({"a": (log, 3)}, {}, 0.0)
    assert (done.pieces, done.complete) == ([], {"a": 3})


def test_an_answer_that_takes_nothing_counts_as_no_progress() -> None:
    shipping, log = Shipping(), Log(b"text")
    shipment = shipping.next_shipment({"a": (log, 4)}, {}, 0.0)
    assert not shipping.answered(shipment, {})
    assert not shipping.answered(shipment, {"a": 0})


def test_live_output_and_progress_go_at_most_once_a_second() -> None:
    shipping, log = Shipping(), Log(b"one", 0.25)
    first = shipping.next_shipment({}, {"a": log}, 10.0)
    assert ([piece.data for piece in first.pieces], first.progress) == ([b"one"], {"a": 0.25})
    shipping.answered(first, accepted(first))
    assert not shipping.has_news({"a": log}, 10.0 + LIVE_SECONDS)
    log.content, log.told = b"one two", 0.5
    assert not shipping.has_news({"a": log}, 10.0 + LIVE_SECONDS / 2)
    assert shipping.has_news({"a": log}, 10.0 + LIVE_SECONDS)
    assert shipping.next_shipment({}, {"a": log}, 10.0 + LIVE_SECONDS / 2) == Shipment()
    second = shipping.next_shipment({}, {"a": log}, 10.0 + LIVE_SECONDS)
    assert ([piece.data for piece in second.pieces], second.progress) == ([b" two"], {"a": 0.5})


def test_the_first_lines_need_not_wait_for_a_second_in_which_nothing_was_sent() -> None:
    shipping, log = Shipping(), Log(b"")
    assert shipping.next_shipment({}, {"a": log}, 10.0) == Shipment()
    log.content = b"first"
    assert shipping.has_news({"a": log}, 10.1)
    assert [piece.data for piece in shipping.next_shipment({}, {"a": log}, 10.1).pieces] == [b"first"]


def test_a_log_cut_by_a_crash_is_complete_with_what_is_there() -> None:
    shipping, log = Shipping(), Log(b"half")
    first = shipping.next_shipment({"a": (log, 8)}, {}, 0.0)
    assert first.complete == {}
    shipping.answered(first, accepted(first))
    assert shipping.next_shipment({"a": (log, 8)}, {}, 0.0).complete == {"a": 4}


def test_the_part_of_a_whole_log_that_the_server_has_lost_goes_again() -> None:
    """A report that it did not take comes with how much it has."""
    shipping, log = Shipping(), Log(b"all of it")
    whole = shipping.next_shipment({"a": (log, 9)}, {}, 0.0)
    shipping.answered(whole, accepted(whole))
    reported = shipping.next_shipment({"a": (log, 9)}, {}, 0.0)
    assert (reported.pieces, reported.complete) == ([], {"a": 9})
    assert shipping.answered(reported, {"a": 4})
    again = shipping.next_shipment({"a": (log, 9)}, {}, 0.0)
    assert [(piece.offset, piece.data) for piece in again.pieces] == [(4, b"of it")]
    assert again.complete == {"a": 9}
    assert not shipping.answered(again, {"a": 4})


def test_of_a_log_cut_by_a_crash_the_server_is_told_how_much_there_is_however_little_it_has() -> None:
    shipping, log = Shipping(), Log(b"half")
    for taken in (4, 2):
        shipping.answered(shipping.next_shipment({"a": (log, 8)}, {}, 0.0), {"a": taken})
    again = shipping.next_shipment({"a": (log, 8)}, {}, 0.0)
    assert [(piece.offset, piece.data) for piece in again.pieces] == [(2, b"lf")]
    shipping.answered(again, {"a": 4})
    assert shipping.next_shipment({"a": (log, 8)}, {}, 0.0).complete == {"a": 4}


def test_runs_that_are_not_held_are_forgotten() -> None:
    shipping, log = Shipping(), Log(b"text")
    shipment = shipping.next_shipment({"a": (log, 4)}, {}, 0.0)
    shipping.answered(shipment, accepted(shipment))
    shipping.keep_only({})
    assert shipping.has_news({"a": log}, LIVE_SECONDS)
