import pytest

from hqclient.daemon.runs.lines import MAX_LINE, LineWindow
from hqclient.daemon.runs.progress import ProgressScanner
from hqserver.domain.progress import DEFAULT_PATTERNS

pytestmark = pytest.mark.slow


def found(output: bytes, *patterns: str) -> float | None:
    scanner = ProgressScanner(patterns or DEFAULT_PATTERNS)
    scanner.feed(output)
    scanner.end_line()
    return scanner.scan()


@pytest.mark.parametrize(
    ("line", "progress"),
    [
        (b"ALF_PROGRESS 37%", 0.37),
        (b"PROGRESS: 3/8", 0.375),
        (b"TR_PROGRESS 99%", 0.99),
        (b"Fra:1 | Time:00:00.34 | Rendered 27/135 Tiles", 0.2),
        (b"Fra:1 Mem:8.50M | Scene, ViewLayer | Sample 64/128", 0.5),
        (b"Rendered 76800 of 307200 pixels (25%)", 0.25),
    ],
)
def test_contract_9_18_each_token_gives_its_fraction(line: bytes, progress: float) -> None:
    assert found(b"before\n" + line + b"\nafter\n") == progress


def test_a_callers_pattern_with_one_group_is_a_percentage_and_with_two_n_of_m() -> None:
    assert found(b"done 40\n", r"done (\d+)") == 0.4
    assert found(b"frame 3 of 4\n", r"frame (\d+) of (\d+)") == 0.75


def test_the_last_token_wins_also_when_it_is_lower() -> None:
    assert found(b"ALF_PROGRESS 90%\nALF_PROGRESS 10%\n") == 0.1
    assert found(b"ALF_PROGRESS 90% PROGRESS: 1/4 ALF_PROGRESS 50%\n") == 0.5


def test_a_carriage_return_ends_a_line() -> None:
    assert found(b"ALF_PROGRESS 10%\rALF_PROGRESS 20%\r") == 0.2


def test_a_token_cut_between_two_pieces_is_found() -> None:
    scanner = ProgressScanner(DEFAULT_PATTERNS)
    scanner.feed(b"ALF_PRO")
    assert not scanner.pending
    scanner.feed(b"GRESS 42%\nALF_PROG")
    assert scanner.pending
    assert scanner.scan() == 0.42
    scanner.feed(b"RESS 43%\n")
    assert scanner.scan() == 0.43


@pytest.mark.parametrize(
    ("line", "progress"),
    [(b"ALF_PROGRESS 250%", 1.0), (b"PROGRESS: 1/0", None), (b"PROGRESS: 0/5", 0.0), (b"", None)],
)
def test_odd_numbers_stay_between_nothing_and_everything(line: bytes, progress: float | None) -> None:
    assert found(line + b"\n") == progress


@pytest.mark.parametrize("text", [b"nan", b"inf", b"-inf", b"1e999", b"many", b""])
def test_a_group_that_is_no_number_is_no_progress(text: bytes) -> None:
    assert found(b"at " + text + b"%\n", r"at (.*)%") is None


def test_bytes_that_are_no_text_are_read_over() -> None:
    assert found(b"\xff\xfe\x00ALF_PROGRESS 12%\x80\n") == 0.12


def test_a_line_is_looked_at_up_to_4_kb() -> None:
    assert found(b"x" * (MAX_LINE - 20) + b" ALF_PROGRESS 12%\n") == 0.12
    assert found(b"x" * MAX_LINE + b" ALF_PROGRESS 12%\n") is None


def test_of_a_flood_only_the_end_is_looked_at() -> None:
    scanner = ProgressScanner(DEFAULT_PATTERNS)
    scanner.feed(b"ALF_PROGRESS 12%\n")
    for _ in range(100):
        scanner.feed(b"y\n" * 50_000)
    assert scanner.scan() is None
    scanner.feed(b"y\n" * 50_000 + b"ALF_PROGRESS 13%\n")
    assert scanner.scan() == 0.13


def test_one_endless_line_takes_no_memory() -> None:
    window = LineWindow(1 << 16, 10)
    for _ in range(50):
        window.feed(bytes(1 << 20))
    assert len(window._buffer) <= 2 << 16
    assert not window.pending


def test_a_catastrophic_pattern_is_given_up_and_the_others_go_on() -> None:
    catastrophe = r"(a+)+b"
    scanner = ProgressScanner((catastrophe, *DEFAULT_PATTERNS))
    scanner.feed(b"ALF_PROGRESS 50% " + b"a" * 60 + b"\n")
    assert scanner.scan() == 0.5
    assert scanner.complaints() == [f"the progress pattern {catastrophe!r} takes too long; it is no longer used"]
    scanner.feed(b"ALF_PROGRESS 60% " + b"a" * 60 + b"\n")
    assert scanner.scan() == 0.6
    assert scanner.complaints() == []


def test_a_pattern_that_takes_a_little_for_each_of_many_lines_is_given_up_too() -> None:
    """The output of the command waits while it is looked at: for a thousand lines no longer than for one."""
    slow = r"((?:a|aa)+)$"
    scanner = ProgressScanner((slow,))
    scanner.feed((b"a" * 26 + b"b\n") * 1000)
    assert scanner.scan() is None
    assert scanner.complaints() == [f"the progress pattern {slow!r} takes too long; it is no longer used"]


def test_time_is_counted_anew_at_each_look() -> None:
    slow = r"((?:a|aa)+)$"
    scanner = ProgressScanner((slow,))
    for _ in range(30):
        scanner.feed(b"a" * 26 + b"b\n")
        scanner.scan()
    assert scanner.complaints() == []


def test_without_patterns_nothing_is_kept() -> None:
    scanner = ProgressScanner(())
    scanner.feed(b"ALF_PROGRESS 50%\n")
    assert not scanner.pending
    assert scanner.scan() is None
