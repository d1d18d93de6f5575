import re
import time

import pytest

from hqserver.domain.pattern import LONGEST_PATTERN, WIDEST_RANGES, compiled
from hqserver.domain.progress import DEFAULT_PATTERNS, check_pattern


@pytest.mark.parametrize("pattern", DEFAULT_PATTERNS)
def test_every_default_pattern_may_stand_in_an_order(pattern: str) -> None:
    check_pattern(pattern)


@pytest.mark.parametrize(
    ("line", "groups"),
    [
        ("ALF_PROGRESS 37%", ("37",)),
        ("ALF_PROGRESS  37.5 %", ("37.5",)),
        ("PROGRESS: 3/8", ("3", "8")),
        ("TR_PROGRESS 99%", ("99",)),
        ("Fra:1 Mem:8.50M (Peak 9.00M) | Time:00:00.34 | Rendered 12/135 Tiles, Sample 1/4", ("12", "135")),
        ("Fra:1 Mem:8.50M | Scene, ViewLayer | Sample 64/128", ("64", "128")),
        ("Rendered 76800 of 307200 pixels (25%)", ("76800", "307200")),
    ],
)
def test_contract_9_18_each_renderers_token_is_understood(line: str, groups: tuple[str, ...]) -> None:
    found = [match.groups() for pattern in DEFAULT_PATTERNS if (match := re.search(pattern, line))]
    assert groups in found


@pytest.mark.parametrize("line", ["progress 37%", "37%", "NOPROGRESS: 3/8", "ALF_PROGRESS none", "Resample 3/4"])
def test_what_is_no_token_is_left_alone(line: str) -> None:
    assert not any(re.search(pattern, line) for pattern in DEFAULT_PATTERNS)


@pytest.mark.parametrize(
    ("pattern", "sentence"),
    [
        ("frame (", "is not a regular expression"),
        ("a{99999999999}", "is not a regular expression"),
        ("no group", "must have one group"),
        ("(a)(b)(c)", "not 3"),
        ("(a)" + "b" * LONGEST_PATTERN, "is longer than"),
    ],
)
def test_a_pattern_no_runner_could_use_is_refused_with_the_reason(pattern: str, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        check_pattern(pattern)


def test_groups_that_do_not_capture_do_not_count() -> None:
    check_pattern(r"(?:frame|image) (\d+)")


WIDE = r"[\u0000-\uffff]"


@pytest.mark.parametrize(
    "pattern",
    [
        "(?i)" + WIDE * 5,
        "(?i)" + "[a-\uffff]" * 190,
        "[\0-\U0010ffff]" * 190,
        r"[\0-\N{CJK UNIFIED IDEOGRAPH-9FFF}]" * 25,
        r"[\1-\U0010FFFF]" * 60,
        r"(?i)[\t-\uffff]" * 60,
        "(?x)" + "[a-\uffff] " * 100,
    ],
)
def test_ranges_that_cost_seconds_to_compile_are_refused(pattern: str) -> None:
    """P10."""
    with pytest.raises(ValueError, match=f"has character ranges that span more than {WIDEST_RANGES} characters"):
        compiled(pattern)


@pytest.mark.parametrize(
    "pattern",
    [
        "(?i)" + WIDE * 4,
        r"[^\x00-\x7f]+",
        "[\U00010000-\U0010ffff]" * 190,
        r"[a-zA-Z0-9_.-]+-\d+ - [^-]*-$" * 30,
        "(" * 80 + "a{0,1000}" + "){0,1000}" * 80,
        "[a\u0100c\u01ff]" * 166,
        "(?i)" + "\u01ff" * 990,
        "|".join("a" * (number % 7 + 1) for number in range(190)),
    ],
)
def test_what_is_taken_compiles_within_a_tenth_of_what_a_request_may_take(pattern: str) -> None:
    """P10."""
    re.purge()
    began = time.thread_time()
    try:
        compiled(pattern)
    except ValueError as problem:
        assert "is not a regular expression" in str(problem)
    assert time.thread_time() - began < 0.2


@pytest.mark.parametrize(
    "pattern", ["a-", "-", "", "\\", r"\x-\x", r"\u12-\u", r"[\xfg-\xff]", "[z-a]", r"[\N{nothing}-z]"]
)
def test_a_pattern_that_is_cut_anywhere_is_taken_or_refused_by_what_it_is(pattern: str) -> None:
    try:
        re.compile(pattern)
    except re.error:
        with pytest.raises(ValueError, match="is not a regular expression"):
            compiled(pattern)
    else:
        assert compiled(pattern).pattern == pattern
