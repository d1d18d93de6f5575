"""What failure patterns find in a command's output (CONTRACT 10, Trouble)."""

from pathlib import Path

import pytest
from agent_kit import a_record
from run_kit import run_to_end

from hqclient.daemon.runs.exit_record import ExitRecord
from hqclient.daemon.runs.failures import MAX_FAILURE_LINE, Failure, FailurePattern, FailureScanner
from hqclient.daemon.runs.lines import MAX_LINE

FATAL, LICENCE = FailurePattern("disk .* full", "fatal"), FailurePattern("(?i)no licence", "licence")


def found(*pieces: bytes, patterns: tuple[FailurePattern, ...] = (FATAL, LICENCE)) -> Failure | None:
    scanner = FailureScanner(patterns)
    for piece in pieces:
        scanner.feed(piece)
        if scanner.pending:
            scanner.scan()
    return scanner.found


def test_a_line_is_found_wherever_it_is_cut() -> None:
    assert found(b"frame 1\nthe disk /tm", b"p is full\nframe 2\n") == Failure("fatal", "the disk /tmp is full")


def test_a_line_is_looked_at_only_once_it_is_whole() -> None:
    assert found(b"the disk is full") is None
    scanner = FailureScanner((FATAL,))
    scanner.feed(b"the disk is full")
    scanner.end_line()
    scanner.scan()
    assert scanner.found == Failure("fatal", "the disk is full")


def test_the_first_line_counts_whichever_pattern_it_matches() -> None:
    assert found(b"No Licence for you\r\nthe disk is full\n") == Failure("licence", "No Licence for you")
    assert found(b"the disk is full\nno licence\n") == Failure("fatal", "the disk is full")
    assert found(b"no licence\n", b"the disk is full\n") == Failure("licence", "no licence")


def test_of_two_patterns_for_one_line_the_first_counts() -> None:
    assert found(b"no licence: disk is full\n") == Failure("fatal", "no licence: disk is full")


def test_only_the_beginning_of_a_long_line_is_looked_at_and_less_of_it_told() -> None:
    padding = b"x" * (MAX_LINE - len("no licence"))
    line = found(padding + b"no licence, beyond\n")
    assert line is not None
    assert line.line == "x" * MAX_FAILURE_LINE
    assert found(padding + b"xno licence\n") is None


@pytest.mark.slow
def test_a_pattern_that_takes_too_long_is_given_up_and_the_others_go_on() -> None:
    catastrophe = r"(a+)+b"
    scanner = FailureScanner((FailurePattern(catastrophe, "fatal"), LICENCE))
    scanner.feed(b"a" * 60 + b"\nno licence\n")
    scanner.scan()
    assert scanner.found == Failure("licence", "no licence")
    assert scanner.complaints() == [f"the failure pattern {catastrophe!r} takes too long; it is no longer used"]


@pytest.mark.parametrize(("pattern", "why"), [("(", "is not a regular expression"), ("a" * 1001, "is longer than")])
def test_an_unusable_pattern_is_given_up(pattern: str, why: str) -> None:
    scanner = FailureScanner((FailurePattern(pattern, "fatal"), LICENCE))
    scanner.feed(b"no licence\n")
    scanner.scan()
    assert scanner.found == Failure("licence", "no licence")
    (complaint,) = scanner.complaints()
    assert why in complaint


def test_without_patterns_nothing_is_kept() -> None:
    scanner = FailureScanner(())
    scanner.feed(b"no licence\n")
    assert not scanner.pending


def test_a_run_tells_which_failure_was_found_and_ends_as_it_does(tmp_path: Path) -> None:
    patterns = [{"pattern": r"license server (\S+) unreachable", "action": "licence"}]
    command = "echo one; echo license server lic7 unreachable >&2; echo two; exit 5"
    _, record = run_to_end(tmp_path, command, failurePatterns=patterns)
    assert (record.exit_code, record.killed, record.limit) == (5, False, "")
    assert (record.failure, record.failure_line) == ("licence", "license server lic7 unreachable")


@pytest.mark.slow
def test_a_catastrophic_pattern_costs_the_log_nothing(tmp_path: Path) -> None:
    command = "i=0; while [ $i -lt 20 ]; do echo aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa$i; i=$((i+1)); done; echo over"
    folder, record = run_to_end(tmp_path, command, failurePatterns=[{"pattern": "(a+)+b", "action": "fatal"}])
    assert (record.exit_code, record.failure, record.failure_line) == (0, "", "")
    log = folder.read_log(0, 1 << 16).decode()
    assert log.count("aaaa") >= 20
    assert "\nover\n" in log
    assert "takes too long" in log


def test_a_record_with_the_longest_line_and_reason_fits_its_room() -> None:
    record = a_record(reason="\u20ac" * 1000, failure="fatal", failure_line="\u20ac" * MAX_FAILURE_LINE)
    read = ExitRecord.decode(record.encode("a" * 32), "a" * 32)
    assert read is not None
    assert read.failure == "fatal"
    assert read.failure_line.startswith("\u20ac" * 100)


def test_a_record_of_newer_code_is_read_without_what_it_adds() -> None:
    record = a_record(exit_code=4)
    vars(record)["weather"] = "fine"
    read = ExitRecord.decode(record.encode("a" * 32), "a" * 32)
    assert read is not None
    assert read.exit_code == 4
