"""What may be left as a result, and what is wrong with what may not, by its place (CONTRACT 10)."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from hqserver.domain.errors import BadSpecification, TooLarge
from hqserver.domain.result import DEEPEST_RESULT, LARGEST_RESULT, result_text


def nested(levels: int, leaf: Any = 1) -> Any:
    value = leaf
    for _ in range(levels):
        value = [value]
    return value


@pytest.mark.parametrize(
    "value",
    [
        {"a": [1, 2.5, "née", True, None, {"": []}], "1": 2**53, "b.c[0]": -(2**53)},
        *("", 0, False, [], {}, "\x1b[31m\r\n", 1e300, nested(DEEPEST_RESULT)),
    ],
)
def test_a_result_is_written_as_json_and_reads_the_same(value: Any) -> None:
    assert json.loads(result_text(value)) == value


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        (datetime(2026, 1, 1, tzinfo=UTC), "result is a time, which JSON has no word for"),
        ({"when": [0, datetime(2026, 1, 1, tzinfo=UTC)]}, "result.when[1] is a time"),
        ({"a": {"b": b"x"}}, "result.a.b is base64, which JSON has no word for: leave it as text"),
        ([1, 2**53 + 1], "result[1] must be from -9007199254740992 to 9007199254740992: larger numbers lose digits"),
        ([float("inf")], "result[0] must be a finite number"),
        ({"a": "x\0"}, "result.a must not hold a NUL character"),
        ({"\udc00": 1}, "result must not hold half of a surrogate pair"),
        ({1: 2}, "result must have texts as names"),
        ([(1, 2)], "result[0] must be a dictionary, a list"),
        ({"x" * 500: b""}, "result." + "x" * 193 + " is base64"),
        (nested(DEEPEST_RESULT + 1), "[0]" * DEEPEST_RESULT + " is nested deeper than 50 levels"),
        ({"a": nested(100_000)}, "is nested deeper than 50 levels"),
    ],
    ids=lambda part: part[:30] if isinstance(part, str) and part.isascii() and part.isprintable() else "",
)
def test_what_is_no_result_is_refused_with_its_place(value: Any, sentence: str) -> None:
    with pytest.raises(BadSpecification) as caught:
        result_text(value)
    assert sentence in str(caught.value)
    assert len(str(caught.value)) < 500


@pytest.mark.parametrize("unit", ["x", "é", "\U0001f600"])
def test_a_result_has_as_many_bytes_as_its_json(unit: str) -> None:
    most = (LARGEST_RESULT - 2) // len(unit.encode())
    assert len(result_text(unit * most).encode()) <= LARGEST_RESULT
    with pytest.raises(
        TooLarge, match="more than 1048576 bytes as JSON: keep large results in a file and leave its path"
    ):
        result_text(unit * (most + 1))


@pytest.mark.parametrize("value", [[None] * LARGEST_RESULT, {str(n): n for n in range(150_000)}], ids=["list", "names"])
def test_a_result_of_many_small_things_is_bounded_too(value: Any) -> None:
    with pytest.raises(TooLarge):
        result_text({"a": value})
