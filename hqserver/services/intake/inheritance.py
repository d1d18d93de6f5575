"""What a new job takes over from its first parent and from its root, once and for good (CONTRACT 2.2, 9.8)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from hqserver.domain.conditions import Condition
from hqserver.domain.requirement import Requirement, requirement_from
from hqserver.services.work.sheet import Sheet
from hqserver.store import jobs

from .drafts import Draft, requirement_for


def inherit(sheet: Sheet, drafts: Sequence[Draft]) -> None:
    """Give each draft its root, and what it was not given itself: priority and `submittedBy` of its first parent,
    conditions of its root. `drafts`: all of a submission, linked, parents before their children."""
    by_id = {draft.row.id: draft for draft in drafts}
    requirement_ids: dict[Requirement, int] = {}
    for draft in drafts:
        _follow_first_parent(sheet, draft)
        draft.conditions = draft.spec.conditions
        if not draft.conditions and draft.row.root_id != draft.row.id:
            draft.conditions = _conditions_of(sheet, by_id, draft.row.root_id)
        requirement = requirement_for(draft)
        if requirement not in requirement_ids:
            requirement_ids[requirement] = jobs.requirement_id(sheet.connection, requirement.key())
        draft.row.requirement_id = requirement_ids[requirement]


def _follow_first_parent(sheet: Sheet, draft: Draft) -> None:
    row, spec = draft.row, draft.spec
    draft.submitted_by = spec.submitted_by or ""
    if draft.first_parent is not None:
        parent = draft.first_parent
        row.first_parent_id, row.root_id = parent.row.id, parent.row.root_id
        priority, submitted_by, held = parent.row.priority, parent.submitted_by, parent.row.held
    elif row.first_parent_id is not None:
        outside = sheet.job(row.first_parent_id)
        row.root_id, priority, held = outside.root_id, outside.priority, outside.held
        submitted_by = jobs.submitted_by(sheet.connection, outside.id)
    else:
        return
    # Children are paused with their parent, those that come later too (CONTRACT 3.5).
    row.held = "pause" if held == "pause" else ""
    row.priority = priority if spec.priority is None else spec.priority
    draft.submitted_by = draft.submitted_by or submitted_by


def _conditions_of(sheet: Sheet, by_id: Mapping[int, Draft], root_id: int) -> tuple[Condition, ...]:
    if root_id in by_id:
        return by_id[root_id].conditions
    row = sheet.find(root_id)
    # A root that was deleted leaves those below it without conditions of its own.
    return requirement_from(jobs.requirement_key(sheet.connection, row.requirement_id)).conditions if row else ()
