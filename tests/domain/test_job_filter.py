"""Filters of jobs: what a dictionary means, and what is refused with which words (CONTRACT 10, Finding)."""

from __future__ import annotations

import fnmatch
import random
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from hqserver.domain.errors import BadParameters
from hqserver.domain.job_filter import (
    AT_WORK,
    FILTER_KEYS,
    JobFilter,
    literal_parts,
    name_test,
    parse_job_filter,
    parse_sort,
    text_test,
)

AT = datetime(2026, 1, 31, 12, tzinfo=UTC).timestamp()


@pytest.mark.parametrize("given", [None, {}, {"name": None, "text": " ", "ids": "", "rootsOnly": False}])
def test_what_is_not_given_does_not_narrow(given: Any) -> None:
    found = parse_job_filter(given)
    assert found == JobFilter()
    assert (found.given(), found.matches_nothing) == (set(), False)


@pytest.mark.parametrize("key", ["ids", "uuids", "status", "submittedBy", "root", "parent", "client", "group"])
def test_an_empty_list_matches_nothing(key: str) -> None:
    """So that a filter made of what another search found never means every job."""
    assert parse_job_filter({key: []}).matches_nothing


def test_a_priority_of_nought_narrows() -> None:
    assert parse_job_filter({"priority": 0}).given() == {"priority"}


@pytest.mark.parametrize(
    ("given", "means"),
    [
        ("waiting", {"runnable"}),
        (["waiting for machine"], {"waiting for resources"}),
        (["running (12 clients assigned)", "running (1 client assigned)"], {AT_WORK}),
        ("failed, cancelled", {"failed", "cancelled"}),
        (["blocked"], {"blocked"}),
    ],
)
def test_a_status_is_told_in_any_of_the_farms_words(given: Any, means: set[str]) -> None:
    assert parse_job_filter({"status": given}).status == means


@pytest.mark.parametrize(
    "given",
    [
        datetime(2026, 1, 31, 12),  # noqa: DTZ001  # naive UTC, as on the wire
        datetime(2026, 1, 31, 14, tzinfo=timezone(timedelta(hours=2))),
        *("20260131T12:00:00", "2026-01-31T12:00", "2026-01-31 12:00:00Z", "2026-01-31T14:00+02:00"),
    ],
)
def test_a_time_is_a_datetime_or_text(given: Any) -> None:
    assert parse_job_filter({"since": given}).since == AT


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ([], "filter must be a dictionary, not list"),
        ({"submitedBy": "ana"}, "filter: there is no key 'submitedBy'; did you mean 'submittedBy'?"),
        ({1: 2}, "filter: there is no key 1"),
        ({"priority": -1}, "filter.priority must be from 0 to"),
        ({"name": ["a"]}, "filter.name must be text"),
        ({"since": 5}, "filter.since must be a time"),
        ({"tags": [None]}, "filter.tags must be a list of texts"),
        ({"text": "a\0"}, "filter.text must not hold a NUL character"),
    ],
)
def test_what_means_nothing_is_refused_by_its_place(given: Any, sentence: str) -> None:
    with pytest.raises(BadParameters) as caught:
        parse_job_filter(given)
    assert str(caught.value).startswith(sentence)


def test_every_key_of_the_contract_is_there() -> None:
    contract = """ids uuids status name submittedBy root parent tags client group priority minId maxId since before
        updatedSince updatedBefore activeSince endedSince endedBefore properties rootsOnly text"""
    assert set(FILTER_KEYS) == set(contract.split())


@pytest.mark.parametrize(
    ("given", "terms"),
    [
        (None, "-id"),
        ([], "-id"),
        (["name"], "name id"),
        (["-endTime"], "-endTime -id"),
        ("-priority,queueTime", "-priority queueTime id"),
        (["status", "-id", "name"], "status -id"),
    ],
)
def test_an_order_always_ends_with_the_id(given: Any, terms: str) -> None:
    assert " ".join(map(str, parse_sort(given))) == terms


def test_the_literal_parts_of_a_pattern_stand_in_every_name_it_matches() -> None:
    chance = random.Random(5)
    matched = 0
    for _ in range(10_000):
        pattern = "".join(chance.choice("aB*?[]!^-") for _ in range(chance.randrange(8)))
        name = "".join(chance.choice("aB[]!^-") for _ in range(chance.randrange(6)))
        matches = name_test(pattern)(name)
        assert matches == fnmatch.fnmatchcase(name, pattern)
        if matches:
            matched += 1
            assert all(part in name for part in literal_parts(pattern)), (pattern, name)
    assert matched > 200


def test_text_is_found_in_any_case() -> None:
    assert text_test("ÄPF")("zwei Äpfel") and not text_test("apf")("zwei Äpfel")
