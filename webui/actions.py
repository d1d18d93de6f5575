"""The commands to type where HQueue's page had buttons (CONTRACT 6, 9.27): the page itself changes nothing.

Names that people gave are quoted for a shell: whoever copies a command must not run what a name says.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import Any

from hqserver.domain.status import FINISHED_JOB

from .pieces import Action

_ON_CLIENT = ("running", "pausing", "paused", "resuming")


def jobs_actions() -> list[Action]:
    """What can be done about many jobs at once."""
    return [
        Action("Cancel jobs", "hq cancel JOB JOB"),
        Action("Pause jobs", "hq pause JOB JOB"),
        Action("Resume jobs", "hq resume JOB JOB"),
        Action("Reschedule failed jobs", "hq reschedule --failed"),
        Action("Delete failed jobs", "hq delete --failed"),
        Action("Delete finished jobs", "hq delete --finished"),
    ]


def job_actions(job: Mapping[str, Any]) -> list[Action]:
    """What can be done about a job, by how it is."""
    job_id, status = job["id"], job["status"]
    note = Action("Add a note", f"hq note {job_id} TEXT")
    if status in FINISHED_JOB:
        found = [Action("Reschedule", f"hq reschedule {job_id}"), Action("Delete", f"hq delete {job_id}")]
    else:
        held = job["held"] == "pause" or status in ("pausing", "paused")
        found = [
            Action("Resume", f"hq resume {job_id}") if held else Action("Pause", f"hq pause {job_id}"),
            Action("Cancel", f"hq cancel {job_id}"),
            *([Action("Take off its clients", f"hq eject {job_id}")] if status in _ON_CLIENT else []),
            Action("Change its priority", f"hq priority {job_id} N"),
            Action("Permit these clients only", f"hq permit {job_id} CLIENT CLIENT"),
        ]
    if job["blockedClients"]:
        shown = job["showBlockedClientsWarning"]
        does = "Warn no more of blocked clients" if shown else "Warn of blocked clients"
        found.append(Action(does, f"hq call setShowBlockedClientsWarning {job_id} {'false' if shown else 'true'}"))
    return [*found, note]


def clients_actions() -> list[Action]:
    """What can be done about many clients at once."""
    return [
        Action("Give them no new jobs", "hq disable CLIENT CLIENT"),
        Action("Give them jobs again", "hq enable CLIENT CLIENT"),
        Action("Upgrade all that need it", "hq upgrade --all"),
        Action("Restart", "hq restart CLIENT CLIENT"),
        Action("Remove from the farm", "hq remove CLIENT CLIENT"),
    ]


def client_actions(client: Mapping[str, Any]) -> list[Action]:
    """What can be done about a client."""
    label = _quoted(client["label"])
    daemon = [] if client["outside"] else [Action("Restart", f"hq restart {label}")]
    return [
        Action("Give it jobs again", f"hq enable {label}")
        if client["disabled"]
        else Action("Give it no new jobs", f"hq disable {label}"),
        Action("Say when it takes jobs", f"hq available {label} weekdays 18:00-08:00 or weekends"),
        Action("Describe it", f"hq describe {label} TEXT"),
        *([Action("Upgrade", f"hq upgrade {label}")] if client["needsUpgrade"] else []),
        *daemon,
        Action("Remove from the farm", f"hq remove {label}"),
        Action("Add a note", f"hq note --client={shlex.quote(client['label'])} TEXT"),
    ]


def groups_actions() -> list[Action]:
    """What can be done about groups."""
    return [
        Action("Create a group", "hq group create GROUP CLIENT CLIENT"),
        Action("Delete a group", "hq group delete GROUP"),
    ]


def group_actions(name: str) -> list[Action]:
    """What can be done about a group."""
    group = _quoted(name)
    return [
        Action("Put clients into it", f"hq group add {group} CLIENT CLIENT"),
        Action("Take clients out of it", f"hq group remove {group} CLIENT CLIENT"),
        Action("Delete it", f"hq group delete {group}"),
    ]


def resources_actions() -> list[Action]:
    """What can be done about resources."""
    return [
        Action("Say how much there is", "hq resource set NAME TOTAL"),
        Action("Count it once per machine", "hq resource set NAME TOTAL --per-machine"),
        Action("Limit how much starts in a minute", "hq resource set NAME TOTAL --per-minute"),
        Action("Count it no more", "hq resource set NAME unlimited"),
        Action("Delete", "hq resource delete NAME"),
    ]


def notes_actions(thread_id: int | None) -> list[Action]:
    """What can be done about notes; those of one thread, where it is given."""
    delete = Action("Delete notes", "hq note --delete NOTE NOTE")
    if thread_id is not None:
        return [Action("Reply", f"hq note --thread {thread_id} TEXT"), delete]
    return [
        Action("Add a note on a job", "hq note JOB TEXT"),
        Action("Add a note on a client", "hq note --client CLIENT TEXT"),
        Action("Add a note for the farm", "hq note --general TEXT"),
        delete,
        Action("Delete all notes", "hq note --delete --all"),
    ]


def folders_actions() -> list[Action]:
    """What can be done about network folders."""
    return [
        Action("Register or change a folder", r"hq folder set NAME --linux PATH --windows 'P:\projects' --macos PATH"),
        Action("Make it the main folder, HQROOT", "hq folder set NAME --main"),
        Action("Forget a folder", "hq folder delete NAME"),
    ]


def _quoted(name: str) -> str:
    """A name as one word of a shell that no option parser takes for an option."""
    return f"-- {shlex.quote(name)}" if name.startswith("-") else shlex.quote(name)
