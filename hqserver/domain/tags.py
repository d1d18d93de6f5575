"""Tags: which jobs may share a machine (CONTRACT 2.5, 9.5, 9.16)."""

from __future__ import annotations

from collections.abc import Iterable

SINGLE = "single"
"""The tag of a job that shares its machine with nothing."""
EXCLUDE_PROGRESS = "excludeProgress"
"""The tag of a job that is left out of `overallProgress`."""


def sharing_tags(tags: Iterable[str]) -> tuple[str, ...]:
    """Those of the tags that limit sharing, in an order of their own: `single` and whatever begins with it."""
    return tuple(sorted({tag for tag in tags if tag.startswith(SINGLE)}))


def why_not_beside(tags: Iterable[str], running: Iterable[str], live_runs: int) -> str:
    """Why a job with these sharing tags may not join a machine that runs `live_runs` commands with the tags `running`.

    "" where it may. Plain `single` shares with nothing; equal custom tags never share, different ones may (9.16).
    """
    running = set(running)
    wanted = set(tags)
    if not wanted and not running:
        return ""
    if SINGLE in running:
        return "runs a job that shares its machine with nothing"
    if SINGLE in wanted and live_runs:
        return "runs other jobs and this one shares its machine with nothing"
    shared = sorted(wanted & running)
    return f"runs a job with the same tag {shared[0]!r}" if shared else ""
