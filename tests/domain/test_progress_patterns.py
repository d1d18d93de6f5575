import re

import pytest

from hqserver.domain.progress import DEFAULT_PATTERNS, MAX_PATTERN_LENGTH, check_pattern


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
        ("(a)" + "b" * MAX_PATTERN_LENGTH, "is longer than"),
    ],
)
def test_a_pattern_no_runner_could_use_is_refused_with_the_reason(pattern: str, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        check_pattern(pattern)


def test_groups_that_do_not_capture_do_not_count() -> None:
    check_pattern(r"(?:frame|image) (\d+)")
