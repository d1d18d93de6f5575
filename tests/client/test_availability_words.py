"""Availability rules in words: read, refused, and spoken again (CONTRACT 5.3, 9.14)."""

from __future__ import annotations

from typing import Any

import pytest

from hqclient.availability import rules_from, spoken
from hqclient.errors import BadParameters
from hqserver.domain.availability import as_rules


@pytest.mark.parametrize(
    ("text", "rules"),
    [
        ("never", []),
        ("always", [{"days": [0, 1, 2, 3, 4, 5, 6]}]),
        ("anytime", [{"days": [0, 1, 2, 3, 4, 5, 6]}]),
        ("weekdays 18:00-08:00", [{"days": [0, 1, 2, 3, 4], "start": "18:00", "end": "08:00"}]),
        ("Weekends OR idle 30", [{"days": [5, 6]}, {"kind": "idle", "minutes": 30}]),
        ("9-17", [{"start": "09:00", "end": "17:00"}]),
        ("mon, wed-fri 7:30-8 idle 5", [{"days": [0, 2, 3, 4], "start": "07:30", "end": "08:00", "kind": "idle"}]),
        ("sat-mon", [{"days": [0, 5, 6]}]),
        ("off tuesday or anyday", [{"enabled": False, "days": [1]}, {"days": [0, 1, 2, 3, 4, 5, 6]}]),
    ],
)
def test_words_become_rules_that_the_server_takes(text: str, rules: list[dict[str, Any]]) -> None:
    found = rules_from(text)
    assert [{**rule, **wanted} for rule, wanted in zip(found, rules, strict=True)] == found
    assert len(as_rules(found)) == len(rules)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("weekdas", "did you mean 'weekdays'"),
        ("mon-", "'' is no day"),
        ("idle", "'idle' is followed by a number of minutes"),
        ("idle soon", "'idle' is followed by a number of minutes"),
        ("weekdays 18:00-08:00 weekends", "'weekends' says the days of a rule again; 'or' stands between two rules"),
        ("always or never", "'never' stands alone"),
        ("weekdays or", "a rule is missing"),
        ("off", "a rule is missing"),
        ("18:00", "'18:00' is no day, no hours like 18:00-08:00"),
    ],
)
def test_words_that_say_no_rule_are_refused(text: str, words: str) -> None:
    with pytest.raises(BadParameters) as caught:
        rules_from(text)
    assert words in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        *("never", "always", "weekdays 18:00-08:00 or weekends or idle 30", "mon-wed,sat 09:00-17:00 idle 5"),
        *("off always or tue", "off weekends 00:00-12:00 idle 1"),
    ],
)
def test_rules_are_spoken_in_the_words_that_make_them(text: str) -> None:
    assert spoken(rule.as_dict() for rule in as_rules(rules_from(text))) == text
