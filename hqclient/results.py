"""What a job leaves for others, on its way to the server."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_LARGEST = 2**31
_EXACT = 2**53


def portable(value: Any) -> Any:
    """The value with whole numbers beyond 32 bits as doubles, as they travel by XML-RPC, where those hold them exactly.

    What cannot travel is left for the connection and the server to judge.
    """
    if isinstance(value, Mapping):
        return {name: portable(held) for name, held in value.items()}
    if isinstance(value, list | tuple):
        return [portable(held) for held in value]
    if isinstance(value, int) and not -_LARGEST <= value < _LARGEST and abs(value) <= _EXACT:
        return float(value)
    return value
