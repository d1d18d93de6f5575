"""The pages of groups, resources, notes, network folders and errors (CONTRACT 6.4)."""

from __future__ import annotations

from urllib.parse import urlencode

from hqserver.domain.resources import UNCOUNTED, Counting
from hqserver.services.farm import Farm
from hqserver.services.queries import overview_inventory
from hqserver.services.queries.overview_inventory import PlacedNote, ResourceSummary

from . import actions, contexts, pieces, wording
from .clients import client_row, page_url
from .parts import TEXT_SHOWN, client_link, group_link, job_link, thread_url, when

_HOLDERS_SHOWN = 12


def groups_page(farm: Farm, after: str) -> contexts.GroupsPage:
    """A page of the groups of clients: those whose names come after `after`."""
    found = overview_inventory.groups_overview(farm, after)
    now = farm.clock.now()
    return contexts.GroupsPage(
        title="Client groups",
        section="groups",
        at=when(now, now),
        groups=[
            pieces.GroupRow(
                group=group_link(group.id, group.name),
                count=wording.grouped(group.count),
                members=[client_link(*member) for member in group.members],
                more=f"and {wording.grouped(group.count - len(group.members))} more"
                if group.count > len(group.members)
                else "",
            )
            for group in found.groups
        ],
        first="/groups" if after else "",
        later=f"/groups?{urlencode({'after': found.later})}" if found.later else "",
        actions=actions.groups_actions(),
    )


def group_page(farm: Farm, group_id: int, number: int) -> contexts.GroupPage:
    """One group with a page of its clients. Raises `NotFound`."""
    found = overview_inventory.group_overview(farm, group_id, number)
    now, members, path = farm.clock.now(), found.members, f"/groups/view/{group_id}"
    count = sum(members.counts.values())
    return contexts.GroupPage(
        title=f"{found.name} · group",
        section="groups",
        at=when(now, now),
        name=found.name,
        count=f"{wording.grouped(count)} client{'' if count == 1 else 's'}",
        clients=[client_row(client) for client in members.clients],
        earlier=page_url(path, members.page - 1) if members.page > 1 else "",
        later=page_url(path, members.page + 1) if members.page < members.pages else "",
        actions=actions.group_actions(found.name),
    )


def resources_page(farm: Farm) -> contexts.ResourcesPage:
    """The resources: how much there is of each, how much is in use, and by what."""
    now = farm.clock.now()
    return contexts.ResourcesPage(
        title="Resources",
        section="resources",
        at=when(now, now),
        resources=[_resource_row(each) for each in overview_inventory.resources_overview(farm)],
        actions=actions.resources_actions(),
    )


def _resource_row(found: ResourceSummary) -> pieces.ResourceRow:
    used, total = found.in_use, found.total
    counted = total != UNCOUNTED
    full = "busy" if used >= total else ""
    rate = found.counting is Counting.RATE
    more = len(found.holders) - _HOLDERS_SHOWN
    return pieces.ResourceRow(
        name=found.name,
        in_use=wording.grouped(used),
        used=pieces.Bar(min(used, total), total, f"{used} of {total}", full) if counted and total else None,
        total=wording.grouped(total) if counted else "not counted",
        counted="starts per minute" if rate else found.counting.words,
        built_in=found.built_in,
        holders=[
            pieces.Holder(
                job=job_link(holder.job_id, holder.job_name),
                client=client_link(holder.client_id, holder.client, holder.listed),
                amount=f"{holder.amount} ×" if holder.amount != 1 and found.counting is not Counting.MACHINE else "",
            )
            for holder in found.holders[:_HOLDERS_SHOWN]
        ],
        more=f"and {more} more" if more > 0 else "",
    )


def notes_page(farm: Farm, before: int | None) -> contexts.NotesPage:
    """The notes of the whole farm, newest first."""
    found = overview_inventory.notes_overview(farm, before)
    now = farm.clock.now()
    return contexts.NotesPage(
        title="Notes",
        section="notes",
        at=when(now, now),
        thread=None,
        about=None,
        notes=[_note_row(note, now) for note in found.notes],
        newest="/notes" if before is not None else "",
        older=f"/notes?before={found.older}" if found.older is not None else "",
        actions=actions.notes_actions(None),
    )


def thread_page(farm: Farm, thread_id: int, before: int | None) -> contexts.NotesPage:
    """The notes of one thread, newest first. Raises `NotFound`."""
    found = overview_inventory.thread_overview(farm, thread_id, before)
    now, path = farm.clock.now(), thread_url(thread_id)
    return contexts.NotesPage(
        title=f"Thread {thread_id} · notes",
        section="notes",
        at=when(now, now),
        thread=thread_id,
        about=_about(found.notes[0]) if found.notes else None,
        notes=[_note_row(note, now) for note in found.notes],
        newest=path if before is not None else "",
        older=f"{path}?before={found.older}" if found.older is not None else "",
        actions=actions.notes_actions(thread_id),
    )


def _note_row(note: PlacedNote, now: float) -> pieces.NoteRow:
    text = wording.shortened(note.text, TEXT_SHOWN)
    return pieces.NoteRow(note.id, _about(note), when(note.at, now), text, thread_url(note.thread_id))


def _about(note: PlacedNote) -> pieces.Link | None:
    if note.job_id is not None:
        return job_link(note.job_id, note.job_name)
    return None if note.client_id is None else client_link(note.client_id, note.client, note.listed)


def folders_page(farm: Farm) -> contexts.FoldersPage:
    """The network folders and where machines of each platform see them."""
    now = farm.clock.now()
    return contexts.FoldersPage(
        title="Network folders",
        section="folders",
        at=when(now, now),
        folders=[
            pieces.FolderRow(
                name=each["name"],
                main=each["main"],
                host=each["host"],
                linux=each["linux"],
                windows=each["windows"],
                macos=each["macos"],
            )
            for each in overview_inventory.folders_overview(farm)
        ],
        actions=actions.folders_actions(),
    )


def errors_page(farm: Farm) -> contexts.ErrorsPage:
    """The newest errors of the server."""
    found = overview_inventory.errors_overview(farm)
    errors, now = found.get("errors", []), farm.clock.now()
    cut = found.get("total", 0) > len(errors)
    return contexts.ErrorsPage(
        title="Server errors",
        section="errors",
        at=when(now, now),
        errors=[pieces.ErrorLine(when(each["time"], now), each["source"], each["message"]) for each in errors],
        more=f"the latest {len(errors)} of {wording.grouped(found['total'])}" if cut else "",
    )
