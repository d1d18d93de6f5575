"""Regular expressions that callers send, and what they may cost to compile (P10).

Nested and counted repeats are cheap to compile, however large: nothing is unrolled. What costs is the width of
character ranges: one `[\\u0000-\\uffff]`, case ignored, takes longer than a thousand characters of any other pattern.
So length and width are bounded here. What a pattern may cost where it is looked for is the runner's to bound.
"""

from __future__ import annotations

import re
from itertools import pairwise

LONGEST_PATTERN = 1000
"""Characters of a caller's pattern."""

WIDEST_RANGES = 4 * 0x10000
"""Characters that all ranges of a pattern may span together; those beyond the first 65,536 of Unicode cost nothing."""

_ONE_CHARACTER = re.compile(
    r"\\(?:x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|N\{[^}]*\}|[0-7]{1,3}|.)|.", re.DOTALL
)


def compiled(text: str) -> re.Pattern[str]:
    """The pattern, compiled. Raises `ValueError` with half a sentence ("is not ...") for one that is too long, too
    costly or no regular expression."""
    if len(text) > LONGEST_PATTERN:
        raise ValueError(f"is longer than {LONGEST_PATTERN} characters")
    if _spanned(text) > WIDEST_RANGES:
        raise ValueError(f"has character ranges that span more than {WIDEST_RANGES} characters together")
    try:
        return re.compile(text)
    except (re.error, OverflowError, RecursionError) as problem:
        raise ValueError(f"is not a regular expression: {problem}") from None


def _spanned(text: str) -> int:
    """How many characters the ranges of a pattern span: rather too many, for what looks like a range may be none."""
    characters = _ONE_CHARACTER.findall(text)
    ends = zip(characters, pairwise(characters[1:]), strict=False)
    return sum(max(_place(last) - _place(first), 0) for first, (dash, last) in ends if dash == "-")


def _place(character: str) -> int:
    """Where a character, perhaps an escape, stands among the first 65,536; at the very end where only `re` knows."""
    if len(character) == 1:
        place = ord(character)
    elif character[1] in "xuU":
        place = int(character[2:], 16) if len(character) > 2 else 0
    elif character[1] == "N":
        place = 0xFFFF
    else:
        place = int(character[1:], 8) if character[1] in "01234567" else ord(character[1])
    return min(place, 0xFFFF)
