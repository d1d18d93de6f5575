"""What output means for a retry, and how long a strict lease leaves a run alive (CONTRACT 10, Trouble)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from .errors import near_match
from .pattern import LONGEST_PATTERN, compiled
from .values import Wrong, as_text

MOST_PATTERNS = 50


class FailureAction(StrEnum):
    """What follows when a failure pattern matched a line of the output: the run has failed, whatever its exit code."""

    FATAL = "fatal"  # ... and is not tried again
    RETRY = "retry"  # ... and is tried again while tries are left
    LICENCE = "licence"  # ... and its work is put back for a while, no try burnt


@dataclass(frozen=True, slots=True)
class FailurePattern:
    """A regular expression for a line of output, and what a match means."""

    pattern: str
    action: FailureAction


def as_failure_patterns(value: Any) -> tuple[FailurePattern, ...]:
    """The patterns in a specification: a dictionary from patterns to actions, or a list of `{pattern, action}`.

    Raises `Wrong` for what is no regular expression or no action.
    """
    if isinstance(value, str) and not value.strip():
        return ()
    if isinstance(value, Mapping):
        pairs = list(value.items())
    elif isinstance(value, list | tuple) and all(isinstance(entry, Mapping) for entry in value):
        pairs = [(entry.get("pattern"), entry.get("action")) for entry in value]
    else:
        raise Wrong("must be a dictionary from patterns to actions, or a list of {pattern, action}")
    if len(pairs) > MOST_PATTERNS:
        raise Wrong(f"must have at most {MOST_PATTERNS} patterns")
    return tuple(FailurePattern(_pattern(pattern), _action(action)) for pattern, action in pairs)


def _pattern(value: Any) -> str:
    pattern = as_text(value)
    if not pattern or len(pattern) > LONGEST_PATTERN:
        raise Wrong(f"must have patterns of 1 to {LONGEST_PATTERN} characters")
    try:
        compiled(pattern)
    except ValueError as problem:
        raise Wrong(f"has the pattern {pattern!r}, which {problem}") from None
    return pattern


def _action(value: Any) -> FailureAction:
    action = as_text(value).strip().lower()
    action = "licence" if action == "license" else action
    try:
        return FailureAction(action)
    except ValueError:
        raise Wrong(
            f"has the action {value!r}, which is none{near_match(action, [each.value for each in FailureAction])}"
        ) from None


def lease_margin_seconds(lease_seconds: float) -> float:
    """How long before its end, and after, a lease's runner and server keep away from each other (PROTOCOL.md)."""
    return max(min(lease_seconds / 4, 5.0), lease_seconds / 1000)
