"""The tree of things the farm says no with. Each carries the fault code callers see (CONTRACT 9.1)."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from typing import ClassVar


class FarmError(Exception):
    """Something the caller is told about in one sentence. `code` is the XML-RPC fault code."""

    code: ClassVar[int] = -32500


class BadParameters(FarmError):
    """The call's parameters are of the wrong number, type or range."""

    code = -32602


class BadSpecification(FarmError):
    """A job specification that cannot be accepted; the sentence names the place (`children[3].priority`)."""

    code = 400


class NotAuthenticated(FarmError):
    """The caller did not say who it is, or its secret is not known here."""

    code = 401


class NotAllowed(FarmError):
    """The caller is known and may not do this."""

    code = 403


class NotFound(FarmError):
    """An id or a name that the farm does not have."""

    code = 404


class Conflict(FarmError):
    """Not possible in the present status: a child for a finished job, a name that is taken."""

    code = 409


class TooLarge(FarmError):
    """More was sent or asked for than one call may carry."""

    code = 413


class Busy(FarmError):
    """Starting, shutting down or overloaded: try again."""

    code = 503


class DiskFull(FarmError):
    """The server's disk is full: nothing new is accepted until there is room."""

    code = 507


def near_match(word: str, known: Iterable[str]) -> str:
    """A suggestion to append to a sentence: `; did you mean 'priority'?`, or "" where nothing is near."""
    lowered = {name.lower(): str(name) for name in known}
    found = get_close_matches(word.lower(), list(lowered), n=1, cutoff=0.6)
    return f"; did you mean {lowered[found[0]]!r}?" if found else ""
