"""From job specifications to the text that `newjob` is sent."""

from __future__ import annotations

import json
import secrets
from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any

from hqserver.domain.errors import near_match
from hqserver.domain.jobspec import PROPERTIES

from .errors import BadSpecification

Specification = Mapping[str, Any]
"""A job specification: its properties are those of `hqserver.domain.jobspec.PROPERTIES` (CONTRACT 2)."""


def submission_text(specification: Specification | Sequence[Specification]) -> str:
    """The specification, or several, as JSON with a random `submitKey`, by which a repeated call is recognised.

    JSON, because a command may hold characters that XML cannot carry. The key is one for the whole call and
    stands in the first specification, unless one of them brings its own. Raises `BadSpecification`
    for a property that no specification has (CONTRACT 9.5) and for what JSON cannot say; values are the server's
    to judge.
    """
    several = not isinstance(specification, Mapping)
    specifications: list[Any] = list(specification) if several else [specification]
    for index, each in enumerate(specifications):
        if not isinstance(each, Mapping):
            raise BadSpecification(400, f"[{index}] must be a dictionary, not {each!r:.80}")
    if specifications and not any(each.get("submitKey") for each in specifications):
        specifications[0] = {**specifications[0], "submitKey": secrets.token_hex(16)}
    try:
        text = json.dumps(specifications if several else specifications[0], allow_nan=False)
    except (TypeError, ValueError, RecursionError) as problem:
        raise BadSpecification(400, f"the specification cannot be written as JSON: {problem}") from None
    _check_properties(specifications)  # last: by now it is known to have no circle
    return text


def _check_properties(specifications: Sequence[object]) -> None:
    several = len(specifications) > 1
    left = deque((f"[{index}]" if several else "", each) for index, each in enumerate(specifications))
    while left:
        place, specification = left.popleft()
        if not isinstance(specification, Mapping):
            raise BadSpecification(400, f"{place} must be a dictionary, not {specification!r:.80}")
        prefix = f"{place}." if place else ""
        for name in specification:
            if name not in PROPERTIES:
                hint = near_match(str(name), PROPERTIES)
                raise BadSpecification(400, f"{prefix}{name}: no such property of a job{hint}")
        nested = specification.get("children")
        if isinstance(nested, list | tuple):
            left += [(f"{prefix}children[{index}]", child) for index, child in enumerate(nested)]
