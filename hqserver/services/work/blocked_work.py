"""Work that only blocked clients could run fails, with the reason (CONTRACT 3.6, 10 Trouble).

A client that failed too much of a root job gets no more of it. Where that is true of every client that could run a job,
the job would wait until a person looks, and nobody is told: its parent only says that children have not ended. A farm
promises that nothing waits for a person by accident (PROMISES P7), so the job fails as it would after its last try: its
mail is sent, its parents move, and a reschedule gives every client a fresh start. While one client that is not blocked
could run it, were it only enabled, heard of or available, the job waits, and `waitingFor` names that client.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Set

from hqserver.domain.hooks import hooks_after
from hqserver.domain.lifecycle import WorkEvent
from hqserver.domain.placement import Seat, suits
from hqserver.domain.requirement import Requirement, requirement_from
from hqserver.domain.status import WorkStatus
from hqserver.services.farm import Farm
from hqserver.store import failures, jobs, notes, work
from hqserver.store.database import Transaction

from .families import in_parts
from .sheet import Sheet

_NAMED = 3


def fail_stranded(farm: Farm) -> None:
    """Fail the waiting jobs that only blocked clients could run. What is held back is left alone: it waits for somebody
    anyway."""
    with farm.database.read() as connection:
        found = list(_stranded(farm, connection))

    for part in in_parts(found):

        def write(transaction: Transaction, part: Set[int] = frozenset(part)) -> None:
            # Looked up anew: a client may have been registered, or a job rescheduled, since.
            still = {job_id: why for job_id, why in _stranded(farm, transaction.connection).items() if job_id in part}
            with Sheet(farm, transaction) as sheet:
                _fail(sheet, still)

        farm.database.write(write)


def _stranded(farm: Farm, connection: sqlite3.Connection) -> dict[int, str]:
    """The jobs that no client may run any more, by id, each with the reason."""
    most = farm.policy.max_failures_per_client
    waiting = failures.jobs_with_blocked_clients(connection, most)
    blocked = failures.blocked(connection, most, {root_id for _, root_id, _ in waiting}) if waiting else {}
    known: dict[tuple[int, int], str] = {}
    found = {}
    for job_id, root_id, requirement_id in waiting:
        key = (root_id, requirement_id)
        if key not in known:
            requirement = requirement_from(jobs.requirement_key(connection, requirement_id))
            known[key] = _why_stranded(farm, requirement, blocked[root_id])
        if known[key]:
            found[job_id] = known[key]
    return found


def _why_stranded(farm: Farm, requirement: Requirement, blocked: Set[int]) -> str:
    """Why no client may run such work any more, "" where enough may or might, were they only taking work."""
    left = 0
    kept_away = []
    runners = []
    for presence in farm.watch.every():
        if presence.row.removed or not suits(requirement, Seat(presence.row.id, farm.watch.facts(presence))):
            continue
        if presence.row.outside:
            runners.append(presence)
        elif presence.row.id in blocked:
            kept_away.append(presence.row.label)
        else:
            left += 1
            if left >= requirement.min_hosts:
                return ""
    # A runner from outside takes work when it likes: that is a reason to wait only for what is meant for runners.
    if not kept_away and any(presence.row.id not in blocked for presence in runners):
        return ""
    kept_away += [presence.row.label for presence in runners if presence.row.id in blocked]
    if left + len(kept_away) < requirement.min_hosts:
        return ""  # it never had clients enough: that is not their failures' doing
    names = ", ".join(sorted(kept_away)[:_NAMED])
    more = len(kept_away) - _NAMED
    who = f"{names} and {more} more" if more > 0 else names
    which = "every client that could run it is" if not left else "too many clients that could run it are"
    failed = f"{who} failed {farm.policy.max_failures_per_client} times or more"
    return f"{which} blocked for this job: {failed}; reschedule it when the cause is mended"


def _fail(sheet: Sheet, stranded: dict[int, str]) -> None:
    failed: Counter[int] = Counter()
    for job_id, reason in stranded.items():
        row = sheet.job(job_id)
        if not row.hooks:
            sheet.move_waiting_work(row, WorkStatus.RUNNABLE, WorkEvent.NOBODY_LEFT, reason)
            failed[row.root_id] += 1
            continue
        items = [each for each in work.of_job(sheet.connection, job_id) if each.status is WorkStatus.RUNNABLE]
        for item in items:
            if item.pending:
                continue  # its command has ended; its hooks have a bound of their own (9.13)
            if due := hooks_after(WorkEvent.RUN_FAILED, row.hooks.split(",")):
                sheet.note(job_id, "hooks skipped", f"{', '.join(due)}: no client is left that may run them")
            sheet.move_work(item, WorkEvent.NOBODY_LEFT, reason)
            failed[row.root_id] += 1
    for root_id, count in failed.items():
        root = sheet.find(root_id)
        if root is not None and root_id not in stranded:
            text = f"{count} {'job' if count == 1 else 'jobs'} failed that only blocked clients could run"
            sheet.note(root_id, "no client left", text)
            notes.add_automatic(sheet.connection, root_id, None, text, sheet.now)
