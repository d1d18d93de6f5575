"""Changing properties of jobs that have not ended (CONTRACT 10, Control: modify).

What a run was started with stays as it was: a change holds from the next run on.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from hqserver.domain.errors import BadParameters, BadSpecification, near_match
from hqserver.domain.hooks import Hook
from hqserver.domain.job import Tree
from hqserver.domain.jobspec import PROPERTIES, JobSpec, parse_jobspec
from hqserver.domain.requirement import requirement_from, requirement_of
from hqserver.domain.status import FINISHED_WORK
from hqserver.domain.tags import EXCLUDE_PROGRESS
from hqserver.services.intake.drafts import stored_properties
from hqserver.services.work.sheet import Sheet
from hqserver.store import jobs, work
from hqserver.store.jobs import JobRow

_FIXED = (
    *("children", "childrenIds", "parentIds", "stubId", "childStubIds", "uuid", "submitKey"),
    *("agenda", "chunk", "partitions", "order"),
)
MODIFIABLE = tuple(name for name in PROPERTIES if name not in _FIXED)
"""Properties that can be changed once a job is submitted."""

_WHERE = ("conditions", "host", "hostgroup")
_HOOKS = tuple(str(hook) for hook in Hook)


def check_changes(changes: Mapping[str, Any]) -> JobSpec:
    """The changes as a specification has them. Raises `BadParameters` for what is no property, or cannot be changed."""
    if not changes:
        raise BadParameters("changes names no property")
    for name in changes:
        if name in _FIXED:
            raise BadParameters(f"changes.{name}: it cannot be changed once a job is submitted")
        if name not in PROPERTIES:
            raise BadParameters(f"changes.{name}: no such property of a job{near_match(str(name), MODIFIABLE)}")
    try:
        (spec,) = parse_jobspec({"name": "a job", **changes}, refuse_unknown=True)
    except BadSpecification as problem:
        raise BadParameters(f"changes.{problem}") from None
    return spec


def given_changes(changes: Mapping[str, Any]) -> dict[str, Any]:
    """Those of the changes that have a value. None is not given; nor is "", as a priority, which every job has."""
    return {name: value for name, value in changes.items() if value is not None and (name, value) != ("priority", "")}


def why_not_modified(row: JobRow, command: str, changes: Mapping[str, Any], spec: JobSpec) -> str:
    """Why a job cannot have these changes, "" where it can. `command`: what it has now, as it is stored."""
    if not changes:
        return "no property is given a value"
    if "command" in changes and bool(spec.command) != (command != '""'):
        return "a job without a command cannot get one, nor lose it"
    hooks = [name for name in _HOOKS if changes.get(name)]
    if hooks and (row.agenda or not sum(row.work.values())):
        return f"{hooks[0]} belongs to a job with one command"
    if row.agenda and spec.max_hosts > 1:
        return "each piece of an agenda runs on one client"
    return ""


def modify(sheet: Sheet, row: JobRow, changes: Mapping[str, Any], spec: JobSpec, reason: str) -> None:
    """Give a job these properties; the others stay."""
    texts = jobs.texts(sheet.connection, row.id)
    stored = json.loads(texts.specification)
    asked = stored_properties(spec)
    for name in changes:
        if name in _HOOKS:
            continue
        stored.pop(name, None)
        if name in asked:
            stored[name] = asked[name]
    _change_hooks(row, stored, changes, spec)
    if "name" in changes:
        row.name = spec.name
    if "priority" in changes and spec.priority is not None:
        row.priority = spec.priority
    if "cpus" in changes:
        row.cpus = spec.cpus
    if "lease" in changes:
        row.lease = spec.lease
    if "splitOutput" in changes:
        row.split_output = int(spec.split_output)
    if "maxConcurrent" in changes:
        row.max_concurrent = spec.max_concurrent
        row.capped = 0  # worked out anew when the row is written
    if "triesLeft" in changes:
        row.tries = row.tries_given = spec.tries
        work.give_tries(sheet.connection, row.id, spec.tries)
    row.mail_reasons = ",".join(stored.get("emailReasons", ())) if stored.get("emailTo") else ""
    row.requirement_id = _requirement_id(sheet, row, stored, changes, spec)
    command = json.dumps(spec.command) if "command" in changes else texts.command
    _change_weight(sheet, row, weightless=command == '""' or EXCLUDE_PROGRESS in stored.get("tags", ()))
    jobs.modify(
        sheet.connection,
        row,
        replace(
            texts,
            description=spec.description if "description" in changes else texts.description,
            command=command,
            submitted_by=(spec.submitted_by or "") if "submittedBy" in changes else texts.submitted_by,
            specification=json.dumps(stored, default=str) if stored else "{}",
        ),
    )
    sheet.note(row.id, "modified", f"{', '.join(changes)}" + (f": {reason}" if reason else ""))
    sheet.unsettle(row.id, reason)


def _change_hooks(row: JobRow, stored: dict[str, Any], changes: Mapping[str, Any], spec: JobSpec) -> None:
    named = [name for name in _HOOKS if name in changes]
    if not named:
        return
    hooks = dict(stored.get("hooks", {}))
    for name in named:
        hooks.pop(name, None)
    hooks |= {str(hook): command for hook, command in spec.hooks.items()}
    stored.pop("hooks", None)
    if hooks:
        stored["hooks"] = hooks
    row.hooks = ",".join(name for name in _HOOKS if name in hooks)


def _requirement_id(
    sheet: Sheet, row: JobRow, stored: Mapping[str, Any], changes: Mapping[str, Any], spec: JobSpec
) -> int:
    """The requirement that the job has from now on."""
    now = requirement_from(jobs.requirement_key(sheet.connection, row.requirement_id))
    wanted = requirement_of(
        spec.command,
        row.cpus,
        conditions=spec.conditions if any(name in changes for name in _WHERE) else now.conditions,
        tags=stored.get("tags", ()),
        resources=stored.get("resources", {}),
        hosts=_hosts(now.min_hosts, now.max_hosts, changes, spec),
    )
    if "command" not in changes:
        wanted = replace(wanted, platforms=now.platforms)
    return row.requirement_id if wanted == now else jobs.requirement_id(sheet.connection, wanted.key())


def _hosts(low: int, high: int, changes: Mapping[str, Any], spec: JobSpec) -> tuple[int, int]:
    low = spec.min_hosts if "minHosts" in changes else low
    high = spec.max_hosts if "maxHosts" in changes else high
    return (min(low, high), high) if "maxHosts" in changes else (low, max(low, high))


def _change_weight(sheet: Sheet, row: JobRow, *, weightless: bool) -> None:
    """Whether the job counts in `overallProgress`: its own tree and those above it are told of the difference."""
    if weightless == bool(row.weightless):
        return
    sign = -1 if weightless else 1
    sheet.tree_change(row.id).add(
        Tree(
            work=sign * sum(row.work.values()),
            work_ended=sign * sum(row.work[status] for status in FINISHED_WORK),
            progress=sign * row.own_progress,
            progress_live=sign * row.own_progress_live,
            durations_ms=sign * row.own_durations_ms,
            work_timed=sign * row.own_work_timed,
        )
    )
    row.weightless = int(weightless)
