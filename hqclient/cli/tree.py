"""The jobs below a job, as a tree of lines."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from hqclient.farm import Farm

from .screen import Screen, harmless, shortened
from .words import percent

MOST_TREE_LINES = 200
"""Jobs of the tree that are shown. A page of them is read by nobody; `hq list --children` has all."""

_TREE_ATTRIBS = ("id", "name", "status", "overallProgress", "children")


@dataclass(frozen=True, slots=True)
class _Branch:
    """A place in the tree: a job and the strokes that lead to it."""

    job_id: int
    indent: str
    last: bool


def tree_lines(farm: Farm, screen: Screen, job: dict[str, Any]) -> list[str]:
    """The descendants as a tree. A job with several parents is spelt out below the first of them."""
    known = _descendants(farm, job)
    stem, fork, corner = ("│  ", "├─ ", "└─ ") if screen.unicode else ("|  ", "|- ", "`- ")
    lines: list[str] = []
    seen = {job["id"]}
    stack = _branches(job["children"], "")
    while stack:
        if len(lines) == MOST_TREE_LINES:
            lines.append("... (hq list --children shows every job)")
            break
        branch = stack.pop()
        strokes = branch.indent + (corner if branch.last else fork)
        child = known.get(branch.job_id)
        if child is None:
            lines.append(f"{strokes}{branch.job_id}")
            continue
        lines.append(strokes + _tree_line(screen, child, again=branch.job_id in seen))
        if branch.job_id not in seen:
            seen.add(branch.job_id)
            stack += _branches(child["children"], branch.indent + ("   " if branch.last else stem))
    return lines


def _branches(children: list[int], indent: str) -> list[_Branch]:
    """The branches of these children, the first one last, as a stack wants them."""
    return [_Branch(child, indent, child == children[-1]) for child in reversed(children)]


def _tree_line(screen: Screen, child: dict[str, Any], *, again: bool) -> str:
    status = screen.paint(child["status"], child["status"])
    name = shortened(harmless(child.get("name", "")), 60, screen.ellipsis)
    if again:
        return f"{child['id']} {name} (above)"
    progress = child.get("overallProgress") or 0.0
    return f"{child['id']} {name}  {status}" + (f" {percent(progress)}%" if 0 < progress < 1 else "")


def _descendants(farm: Farm, job: dict[str, Any]) -> dict[int, dict[str, Any]]:
    """Descendants by id, read a generation a call, as many as can be shown."""
    known: dict[int, dict[str, Any]] = {}
    wanted = list(job["children"])
    while wanted and len(known) < MOST_TREE_LINES:
        generation = farm.read_jobs(wanted[: MOST_TREE_LINES - len(known)], _TREE_ATTRIBS)
        known |= {child["id"]: child for child in generation}
        below = (grandchild for child in generation for grandchild in child["children"])
        wanted = [each for each in dict.fromkeys(below) if each not in known]
    return known
