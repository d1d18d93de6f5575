"""Values out: every answer is XML that any caller can read."""

from __future__ import annotations

import math
import re
from collections import OrderedDict
from datetime import UTC, datetime, timedelta, timezone
from enum import Enum, IntEnum, StrEnum
from typing import Any
from xml.parsers import expat
from xmlrpc.client import Fault, loads

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hqserver.domain.errors import TooLarge
from hqserver.rpc.wire import clean, marshalled, to_wire


class Colour(StrEnum):
    RED = "red"


class Level(IntEnum):
    HIGH = 3


class Plain(Enum):
    NOTHING = None
    TEXT = "text"


def sent(value: object, **options: Any) -> Any:
    """The value as Python's own client reads it."""
    (result,), _ = loads(to_wire(value, **options), use_builtin_types=True)
    return result


def xml(value: object, **options: Any) -> str:
    return str(marshalled(value, **options))


@pytest.mark.parametrize(
    ("value", "read"),
    [
        (Colour.RED, "red"),
        (Level.HIGH, 3),
        (Plain.TEXT, "text"),
        (True, True),
        (None, None),
        ((1, 2), [1, 2]),
        ({2, 1}, [1, 2]),
        (frozenset({"b", "a"}), ["a", "b"]),
        (OrderedDict(a=1), {"a": 1}),
        ({1: "x", Colour.RED: "y"}, {"1": "x", "red": "y"}),
        (b"\x00\xff", b"\x00\xff"),
        (bytearray(b"ab"), b"ab"),
        (b"", b""),
        ("", ""),
        ([], []),
        ({}, {}),
        (2**31 - 1, 2**31 - 1),
        (-(2**31), -(2**31)),
    ],
)
def test_values_arrive_as_what_they_are(value: object, read: object) -> None:
    assert sent(value) == read


@pytest.mark.parametrize("number", [2**31, -(2**31) - 1, 2**53, 10**20, 10**300])
def test_an_int_beyond_32_bits_is_a_double(number: int) -> None:
    """9.2"""
    assert sent(number) == float(number)
    assert "<double>" in xml(number)


@pytest.mark.parametrize("number", [0.0, 1.5, -0.1, 1e-7, 1e22, 5e-324, 1.7976931348623157e308, 123456789012345680.0])
def test_a_double_is_exact_and_never_in_exponent_form(number: float) -> None:
    """9.2"""
    assert sent(number) == number
    assert re.fullmatch(r"<value><double>-?[0-9]+\.[0-9]+</double></value>\n", xml(number))


@pytest.mark.parametrize("number", [math.inf, -math.inf, math.nan, 10**400])
def test_what_is_no_finite_number_is_nil(number: float) -> None:
    assert sent(number) is None
    assert sent(number, nonil=True) == ""


def test_control_characters_and_surrogates_are_replaced() -> None:
    assert sent("a\x00\x1b[31m\ufffe\uffff\ud800\t\nb") == "a\ufffd\ufffd[31m\ufffd\ufffd\ufffd\t\nb"


def test_keys_are_cleaned_and_escaped_like_values() -> None:
    assert sent({"<a>\x00&": 1}) == {"<a>\ufffd&": 1}


def test_carriage_returns_survive() -> None:
    assert sent("a\r\nb\r") == "a\r\nb\r"
    assert "&#13;" in xml("\r")


def test_a_time_is_utc_without_zone() -> None:
    """9.2: exactly YYYYMMDDTHH:MM:SS."""
    wire = "<value><dateTime.iso8601>20260131T22:59:59</dateTime.iso8601></value>\n"
    assert xml(datetime(2026, 1, 31, 22, 59, 59, 999, tzinfo=UTC)) == wire
    assert xml(datetime(2026, 1, 31, 23, 59, 59, tzinfo=timezone(timedelta(hours=1)))) == wire
    assert xml(datetime(2026, 1, 31, 22, 59, 59)) == wire  # noqa: DTZ001  # naive is taken as UTC
    assert ">00090101T00:00:00<" in xml(datetime(9, 1, 1, tzinfo=UTC))


def test_every_value_is_typed_with_both_tags() -> None:
    """9.2"""
    assert xml("") == "<value><string></string></value>\n"
    assert xml([]) == "<value><array><data>\n</data></array></value>\n"


def test_extensions_other_than_nil_are_never_sent() -> None:
    """9.2: no i8, no ex: of any kind."""
    everything = xml([2**40, None, Level.HIGH, 10**400, b"x", {1, 2}])
    assert set(re.findall(r"<([a-z0-9:.]+)", everything)) <= {
        "value",
        "array",
        "data",
        "double",
        "nil",
        "int",
        "base64",
    }


def test_without_nil_a_member_is_left_out_and_the_rest_is_an_empty_string() -> None:
    """9.2"""
    value = {"a": None, "b": [None, 1], "c": {"d": None}, "e": math.nan, "f": Plain.NOTHING, "g": 0}
    assert sent(value, nonil=True) == {"b": ["", 1], "c": {}, "g": 0}
    assert "nil" not in xml(value, nonil=True)
    assert sent(None, nonil=True) == ""


def test_a_fault_carries_plain_code_and_text() -> None:
    with pytest.raises(Fault) as caught:
        loads(to_wire(Fault(Level.HIGH, "no\x00 <b>")))
    assert (caught.value.faultCode, caught.value.faultString) == (3, "no\ufffd <b>")


def test_an_answer_that_grows_too_large_is_refused() -> None:
    with pytest.raises(TooLarge, match="findJobs"):
        to_wire([["x" * 1000] * 1000] * 100, limit=1_000_000)


def test_marshalled_values_stand_in_others_as_they_are() -> None:
    assert sent([marshalled({"a": "&"}), "b"]) == [{"a": "&"}, "b"]


@pytest.mark.parametrize("value", [object(), 1j, {(1, 2): 3}, {1.5: 2}])
def test_what_has_no_place_on_the_wire_is_a_mistake(value: object) -> None:
    with pytest.raises(TypeError):
        to_wire(value)


AWKWARD = st.sampled_from([*map(chr, range(32)), "\x7f", "\ud800", "\udfff", "\ufffe", "\uffff", "&", "<", "]]>"])
"""What XML cannot carry or gives a meaning: rare where every character is as likely as another."""

ANY_TEXT = st.one_of(
    st.text(st.characters(codec=None, exclude_categories=()), max_size=30),
    st.lists(AWKWARD | st.sampled_from("ab "), max_size=20).map("".join),
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | ANY_TEXT | st.binary(max_size=30) | st.datetimes(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(ANY_TEXT, inner, max_size=4),
    max_leaves=12,
)


@settings(max_examples=3 * settings().max_examples)
@given(VALUES, st.booleans())
def test_whatever_goes_out_is_well_formed(value: object, nonil: bool) -> None:
    """T22."""
    expat.ParserCreate().Parse(to_wire(value, nonil=nonil), True)


@settings(max_examples=3 * settings().max_examples)
@given(ANY_TEXT)
def test_text_arrives_as_its_clean_self(text: str) -> None:
    """T22: cleaned once is cleaned for good, and no carriage return is lost on the way."""
    assert sent(text) == clean(text) == clean(clean(text))
    assert [at for at, each in enumerate(sent(text)) if each == "\r"] == [
        at for at, each in enumerate(text) if each == "\r"
    ]


@given(ANY_TEXT)
def test_the_words_of_a_fault_arrive_as_their_clean_self(text: str) -> None:
    """T22."""
    with pytest.raises(Fault) as caught:
        loads(to_wire(Fault(5, text)))
    assert caught.value.faultString == clean(text)


def expected(value: Any) -> Any:
    """What Python's client must read for a value."""
    match value:
        case float() if not math.isfinite(value):
            return None
        case int() if abs(value) >= 2**31 and not isinstance(value, bool):
            return pytest.approx(float(value)) if abs(value) < 10**300 else None
        case str():
            return clean(value)
        case datetime():
            return value.replace(microsecond=0)
        case list():
            return [expected(item) for item in value]
        case dict():
            return {clean(key): expected(item) for key, item in value.items()}
    return value


@settings(max_examples=3 * settings().max_examples)
@given(VALUES.filter(lambda value: -(10**300) < value < 10**300 if type(value) is int else True))
def test_values_survive_the_round_trip(value: object) -> None:
    """T22."""
    assert sent(value) == expected(value)
