from __future__ import annotations

from dataclasses import dataclass

from hqclient.daemon.protocol import Log
from hqclient.daemon.shipping import BEAT_LIMIT, LIVE_SECONDS, Ended, Live, Shipment, Shipping
from hqserver.domain.run import Stream

OUT, ERR = Stream.STDOUT, Stream.STDERR
BOTH = (OUT, ERR)


@dataclass
class Logs:
    """The logs of a run and its progress in memory."""

    content: bytes = b""
    told: float = 0.0
    errors: bytes = b""

    def log_size(self, stream: Stream) -> int:
        return len(self._of(stream))

    def read_log(self, offset: int, limit: int, stream: Stream) -> bytes:
        return self._of(stream)[offset : offset + limit]

    def progress(self) -> float:
        return self.told

    def _of(self, stream: Stream) -> bytes:
        return self.content if stream is OUT else self.errors


def live(logs: Logs, *streams: Stream) -> Live:
    """A run that goes on, without a log of stderr unless `streams` has that."""
    return logs, streams or (OUT,)


def ended(logs: Logs, size: int, errors: int | None = None) -> Ended:
    """A run that has written so much; with `errors` it keeps stderr apart."""
    return logs, {OUT: size} if errors is None else {OUT: size, ERR: errors}


def accepted(shipment: Shipment) -> dict[Log, int]:
    """What a server answers that takes everything."""
    return {piece.log: piece.offset + len(piece.data) for piece in shipment.pieces}


def pieces(shipment: Shipment) -> list[tuple[Stream, int, bytes]]:
    return [(piece.stream, piece.offset, piece.data) for piece in shipment.pieces]


def test_an_ended_run_is_complete_when_its_log_fits_the_beat() -> None:
    log = Logs(b"all of it")
    shipment = Shipping().next_shipment({"a": ended(log, 9)}, {}, 0.0)
    assert [(piece.offset, piece.data) for piece in shipment.pieces] == [(0, b"all of it")]
    assert shipment.complete == {"a": {OUT: 9}}


def test_a_run_without_output_is_complete_at_once() -> None:
    assert Shipping().next_shipment({"a": ended(Logs(), 0)}, {}, 0.0).complete == {"a": {OUT: 0}}


def test_a_long_log_goes_in_pieces_and_completes_with_the_last() -> None:
    shipping, log = Shipping(), Logs(b"x" * (2 * BEAT_LIMIT + 5))
    completed, arrived = [], 0
    for _ in range(3):
        shipment = shipping.next_shipment({"a": ended(log, len(log.content))}, {}, 0.0)
        assert shipping.answered(shipment, accepted(shipment))
        completed.append("a" in shipment.complete)
        arrived += sum(len(piece.data) for piece in shipment.pieces)
    assert completed == [False, False, True]
    assert arrived == len(log.content)


def test_one_that_floods_leaves_room_for_the_others() -> None:
    flood, short = Logs(b"x" * (3 * BEAT_LIMIT)), Logs(b"done")
    shipment = Shipping().next_shipment({"a": ended(flood, 3 * BEAT_LIMIT), "b": ended(short, 4)}, {}, 0.0)
    assert shipment.complete == {"b": {OUT: 4}}
    assert sum(len(piece.data) for piece in shipment.pieces) <= BEAT_LIMIT


def test_no_beat_is_larger_than_allowed_however_many_runs_there_are() -> None:
    logs = {str(number): ended(Logs(b"x" * 100_000), 100_000) for number in range(100)}
    shipment = Shipping().next_shipment(logs, {}, 0.0)
    assert sum(len(piece.data) for piece in shipment.pieces) == BEAT_LIMIT
    assert len(shipment.complete) < 100


def test_the_servers_offset_is_the_truth() -> None:
    shipping, log = Shipping(), Logs(b"0123456789")
    shipping.answered(shipping.next_shipment({}, {"a": live(log)}, 0.0), {Log("a"): 4})
    (piece,) = shipping.next_shipment({"a": ended(log, 10)}, {}, 0.0).pieces
    assert (piece.offset, piece.data) == (4, b"456789")


def test_what_was_not_answered_is_sent_again() -> None:
    shipping, log = Shipping(), Logs(b"text")
    first = shipping.next_shipment({"a": ended(log, 4)}, {}, 0.0)
    again = shipping.next_shipment({"a": ended(log, 4)}, {}, 0.0)
    assert (again.pieces, again.complete) == (first.pieces, {})
    assert shipping.answered(again, {Log("a"): 4})
    assert shipping.next_shipment({"a": ended(log, 4)}, {}, 0.0).complete == {"a": {OUT: 4}}


def test_a_run_does_not_complete_with_what_an_unanswered_beat_may_have_brought() -> None:
    """The server may have taken the first piece: the second, which begins where that did, it would leave out."""
    shipping, log = Shipping(), Logs(b"first")
    shipping.next_shipment({}, {"a": live(log)}, 0.0)
    log.content = b"first and last"
    again = shipping.next_shipment({"a": ended(log, 14)}, {}, 2.0)
    assert again.complete == {}
    assert shipping.answered(again, {Log("a"): 5})
    last = shipping.next_shipment({"a": ended(log, 14)}, {}, 2.0)
    assert [(piece.offset, piece.data) for piece in last.pieces] == [(5, b" and last")]
    assert last.complete == {"a": {OUT: 14}}


def test_of_a_run_in_doubt_the_server_is_asked_what_it_has() -> None:
    shipping, log = Shipping(), Logs(b"x" * 100)
    shipping.doubt(["a", "b"])
    asked = shipping.next_shipment({"a": ended(log, 100), "b": ended(Logs(), 0)}, {}, 0.0)
    assert [(piece.run, piece.offset, piece.data) for piece in asked.pieces] == [("a", 0, b"")]
    assert asked.complete == {"b": {OUT: 0}}
    assert shipping.answered(asked, {Log("a"): 0})
    assert shipping.next_shipment({"a": ended(log, 100)}, {}, 0.0).complete == {"a": {OUT: 100}}


def test_a_run_in_doubt_of_which_the_server_has_all_completes_when_it_says_so() -> None:
    shipping, log = Shipping(), Logs(b"all")
    shipping.doubt(["a"])
    asked = shipping.next_shipment({"a": ended(log, 3)}, {}, 0.0)
    assert shipping.answered(asked, {Log("a"): 3})
    done = shipping.next_shipment({"a": ended(log, 3)}, {}, 0.0)
    assert (done.pieces, done.complete) == ([], {"a": {OUT: 3}})


def test_an_answer_that_takes_nothing_counts_as_no_progress() -> None:
    shipping, log = Shipping(), Logs(b"text")
    shipment = shipping.next_shipment({"a": ended(log, 4)}, {}, 0.0)
    assert not shipping.answered(shipment, {})
    assert not shipping.answered(shipment, {Log("a"): 0})


def test_live_output_and_progress_go_at_most_once_a_second() -> None:
    shipping, log = Shipping(), Logs(b"one", 0.25)
    first = shipping.next_shipment({}, {"a": live(log)}, 10.0)
    assert ([piece.data for piece in first.pieces], first.progress) == ([b"one"], {"a": 0.25})
    shipping.answered(first, accepted(first))
    assert not shipping.has_news({"a": live(log)}, 10.0 + LIVE_SECONDS)
    log.content, log.told = b"one two", 0.5
    assert not shipping.has_news({"a": live(log)}, 10.0 + LIVE_SECONDS / 2)
    assert shipping.has_news({"a": live(log)}, 10.0 + LIVE_SECONDS)
    assert shipping.next_shipment({}, {"a": live(log)}, 10.0 + LIVE_SECONDS / 2) == Shipment()
    second = shipping.next_shipment({}, {"a": live(log)}, 10.0 + LIVE_SECONDS)
    assert ([piece.data for piece in second.pieces], second.progress) == ([b" two"], {"a": 0.5})


def test_the_first_lines_need_not_wait_for_a_second_in_which_nothing_was_sent() -> None:
    shipping, log = Shipping(), Logs(b"")
    assert shipping.next_shipment({}, {"a": live(log)}, 10.0) == Shipment()
    log.content = b"first"
    assert shipping.has_news({"a": live(log)}, 10.1)
    assert [piece.data for piece in shipping.next_shipment({}, {"a": live(log)}, 10.1).pieces] == [b"first"]


def test_a_log_cut_by_a_crash_is_complete_with_what_is_there() -> None:
    shipping, log = Shipping(), Logs(b"half")
    first = shipping.next_shipment({"a": ended(log, 8)}, {}, 0.0)
    assert first.complete == {}
    shipping.answered(first, accepted(first))
    assert shipping.next_shipment({"a": ended(log, 8)}, {}, 0.0).complete == {"a": {OUT: 4}}


def test_the_part_of_a_whole_log_that_the_server_has_lost_goes_again() -> None:
    """A report that it did not take comes with how much it has."""
    shipping, log = Shipping(), Logs(b"all of it")
    whole = shipping.next_shipment({"a": ended(log, 9)}, {}, 0.0)
    shipping.answered(whole, accepted(whole))
    reported = shipping.next_shipment({"a": ended(log, 9)}, {}, 0.0)
    assert (reported.pieces, reported.complete) == ([], {"a": {OUT: 9}})
    assert shipping.answered(reported, {Log("a"): 4})
    again = shipping.next_shipment({"a": ended(log, 9)}, {}, 0.0)
    assert [(piece.offset, piece.data) for piece in again.pieces] == [(4, b"of it")]
    assert again.complete == {"a": {OUT: 9}}
    assert not shipping.answered(again, {Log("a"): 4})


def test_of_a_log_cut_by_a_crash_the_server_is_told_how_much_there_is_however_little_it_has() -> None:
    shipping, log = Shipping(), Logs(b"half")
    for taken in (4, 2):
        shipping.answered(shipping.next_shipment({"a": ended(log, 8)}, {}, 0.0), {Log("a"): taken})
    again = shipping.next_shipment({"a": ended(log, 8)}, {}, 0.0)
    assert [(piece.offset, piece.data) for piece in again.pieces] == [(2, b"lf")]
    shipping.answered(again, {Log("a"): 4})
    assert shipping.next_shipment({"a": ended(log, 8)}, {}, 0.0).complete == {"a": {OUT: 4}}


def test_runs_that_are_not_held_are_forgotten() -> None:
    shipping, log = Shipping(), Logs(b"text")
    shipment = shipping.next_shipment({"a": ended(log, 4)}, {}, 0.0)
    shipping.answered(shipment, accepted(shipment))
    shipping.keep_only({})
    assert shipping.has_news({"a": live(log)}, LIVE_SECONDS)


# A log of stderr beside that of stdout


def test_a_run_that_keeps_stderr_apart_completes_with_both_logs() -> None:
    shipping, logs = Shipping(), Logs(b"out", errors=b"x" * (BEAT_LIMIT + 5))
    first = shipping.next_shipment({"a": ended(logs, 3, len(logs.errors))}, {}, 0.0)
    assert {piece.stream for piece in first.pieces} == {OUT, ERR}
    assert first.complete == {}
    shipping.answered(first, accepted(first))
    last = shipping.next_shipment({"a": ended(logs, 3, len(logs.errors))}, {}, 0.0)
    assert {piece.stream for piece in last.pieces} == {ERR}
    assert last.complete == {"a": {OUT: 3, ERR: BEAT_LIMIT + 5}}


def test_each_log_goes_on_where_the_server_has_it() -> None:
    shipping, logs = Shipping(), Logs(b"0123456789", errors=b"abcdefghij")
    first = shipping.next_shipment({}, {"a": live(logs, *BOTH)}, 0.0)
    shipping.answered(first, {Log("a"): 4, Log("a", ERR): 7})
    last = shipping.next_shipment({"a": ended(logs, 10, 10)}, {}, 0.0)
    assert pieces(last) == [(OUT, 4, b"456789"), (ERR, 7, b"hij")]
    assert last.complete == {"a": {OUT: 10, ERR: 10}}


def test_a_part_of_stderr_that_the_server_has_lost_goes_again() -> None:
    shipping, logs = Shipping(), Logs(b"out", errors=b"broken")
    whole = shipping.next_shipment({"a": ended(logs, 3, 6)}, {}, 0.0)
    shipping.answered(whole, accepted(whole))
    reported = shipping.next_shipment({"a": ended(logs, 3, 6)}, {}, 0.0)
    assert (reported.pieces, reported.complete) == ([], {"a": {OUT: 3, ERR: 6}})
    assert shipping.answered(reported, {Log("a"): 3, Log("a", ERR): 2})
    assert pieces(shipping.next_shipment({"a": ended(logs, 3, 6)}, {}, 0.0)) == [(ERR, 2, b"oken")]


def test_of_both_logs_of_a_run_in_doubt_the_server_is_asked_what_it_has() -> None:
    shipping, logs = Shipping(), Logs(b"out", errors=b"err")
    shipping.doubt(["a"])
    asked = shipping.next_shipment({"a": ended(logs, 3, 3)}, {}, 0.0)
    assert (pieces(asked), asked.complete) == ([(OUT, 0, b""), (ERR, 0, b"")], {})
    assert shipping.answered(asked, {Log("a"): 3, Log("a", ERR): 0})
    rest = shipping.next_shipment({"a": ended(logs, 3, 3)}, {}, 0.0)
    assert (pieces(rest), rest.complete) == ([(ERR, 0, b"err")], {"a": {OUT: 3, ERR: 3}})


def test_news_on_stderr_alone_are_news() -> None:
    shipping, logs = Shipping(), Logs()
    assert not shipping.has_news({"a": live(logs, *BOTH)}, 10.0)
    logs.errors = b"warning\n"
    assert not shipping.has_news({"a": live(logs)}, 10.0)
    assert shipping.has_news({"a": live(logs, *BOTH)}, 10.0)


def test_a_server_that_knows_nothing_of_stderr_is_sent_none_and_keeps_no_run_from_its_end() -> None:
    shipping, logs = Shipping(), Logs(b"out", errors=b"err")
    first = shipping.next_shipment({"a": ended(logs, 3, 3)}, {}, 0.0)
    assert shipping.answered(first, {Log("a"): 3}, stderr_is_known=False)
    last = shipping.next_shipment({"a": ended(logs, 3, 3)}, {"b": live(logs, *BOTH)}, LIVE_SECONDS)
    assert ({piece.stream for piece in last.pieces}, last.complete) == ({OUT}, {"a": {OUT: 3}})
    assert shipping.answered(last, accepted(last)), "the server was replaced by a newer one"
    again = shipping.next_shipment({"a": ended(logs, 3, 3)}, {}, 0.0)
    assert (pieces(again), again.complete) == ([(ERR, 0, b"err")], {})
