"""How a command's output tells how far it is: the patterns a start order carries (CONTRACT 9.18)."""

from __future__ import annotations

from .pattern import compiled

DEFAULT_PATTERNS: tuple[str, ...] = (
    r"\bALF_PROGRESS\s+(\d+(?:\.\d+)?)\s*%",
    r"\bPROGRESS:\s*(\d+(?:\.\d+)?)\s*/\s*(\d+(?:\.\d+)?)",
    r"\bTR_PROGRESS\s+(\d+(?:\.\d+)?)\s*%",
    r"\bRendered (\d+)/(\d+) Tiles\b",
    r"\bSample (\d+)/(\d+)",
    r"\bRendered (\d+) of (\d+)\b",
)
"""The tokens every farm understands: Houdini and mantra (Alfred style), HQueue scripts, Tractor, Blender's tiles
and samples, POV-Ray. One group is a percentage, two groups are `n` of `m`."""


def check_pattern(text: str) -> None:
    """Refuse a `progressPattern` that no runner could use.

    Raises `ValueError` with half a sentence ("is not ...") for a pattern that `compiled` refuses, or that has neither
    one group (a percentage) nor two (`n` of `m`).
    """
    groups = compiled(text).groups
    if groups not in (1, 2):
        raise ValueError(f"must have one group (a percentage) or two (n of m), not {groups}")
