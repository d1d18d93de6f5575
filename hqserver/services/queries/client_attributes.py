"""The attributes of a client (CONTRACT 1.3, 9.14)."""

from __future__ import annotations

from typing import Any

from hqserver.domain.availability import from_text
from hqserver.domain.runner import offered
from hqserver.services.attributes import Attribute, Batch, field, moment
from hqserver.services.clients.package import client_package
from hqserver.services.dispatch.standing import moment_of, why_not_taking
from hqserver.services.farm import Farm
from hqserver.store import groups, lookup


def named(farm: Farm, client_id: int) -> dict[str, Any]:
    """A client as jobs name it, a removed one too: id, hostname, name, label, ip."""
    presence = farm.watch.get(client_id)
    if presence is None:
        return {"id": client_id, "hostname": "", "name": "", "label": f"client {client_id}", "ip": ""}
    row = presence.row
    return {"id": row.id, "hostname": row.hostname, "name": row.shown_name, "label": row.label, "ip": row.ip}


def why_unavailable(batch: Batch) -> list[str]:
    """Of each client why it takes no new work, "" where it does."""
    at = moment_of(batch.farm, batch.connection)
    presences = (batch.farm.watch.get(client_id) for client_id in batch.ids)
    return [why_not_taking(each, at) for each in presences if each is not None]


def _running_jobs(batch: Batch) -> list[list[int]]:
    found = lookup.jobs_of_clients(batch.connection)
    return [found.get(client_id, []) for client_id in batch.ids]


def _thread_ids(batch: Batch) -> list[int | None]:
    found = lookup.latest_notes(batch.connection, "client", batch.ids)
    return [found[client_id][0] if client_id in found else None for client_id in batch.ids]


def _latest_notes(batch: Batch) -> list[str]:
    found = lookup.latest_notes(batch.connection, "client", batch.ids)
    return [found[client_id][1] if client_id in found else "" for client_id in batch.ids]


def _groups(batch: Batch) -> list[list[int]]:
    found = groups.groups_of_clients(batch.connection, batch.ids)
    return [found.get(client_id, []) for client_id in batch.ids]


def _availability_rules(batch: Batch) -> list[list[dict[str, Any]]]:
    return [[rule.as_dict() for rule in from_text(row.availability)] for row in batch.rows]


def _needs_upgrade(batch: Batch) -> list[bool]:
    return [not row.outside and row.version != client_package().version for row in batch.rows]


CLIENT_ATTRIBUTES: dict[str, Attribute] = {
    attribute.name: attribute
    for attribute in (
        Attribute("id", "Id of the client.", field("id")),
        Attribute("hostname", "Machine name.", field("hostname")),
        Attribute("name", 'Name where several run on one machine, "" by default.', field("name")),
        Attribute("label", "hostname, or hostname:name when named.", field("label")),
        Attribute("description", "Free text.", field("description")),
        Attribute("ip", "Address it registered from.", field("ip")),
        Attribute("platform", "Operating system and architecture, e.g. linux-x86_64.", field("platform")),
        Attribute(
            "cpus",
            "CPUs it offers to jobs; 0 of a runner that did not say.",
            lambda b: [offered(row.cpus) if row.outside else row.cpus for row in b.rows],
        ),
        Attribute("cpuSpeed", "Clock speed in MHz, 0 unknown.", field("cpu_speed")),
        Attribute("memory", "Physical memory in kB.", field("memory")),
        Attribute("load", "0 to the number of CPUs.", field("load")),
        Attribute("idleTime", "Minutes without user input, -1 unknown.", field("idle_minutes")),
        Attribute(
            "available",
            "Whether it can take jobs now.",
            lambda batch: [not why for why in why_unavailable(batch)],
            "query",
        ),
        Attribute("disabled", "Switched off by an administrator.", lambda b: [bool(row.disabled) for row in b.rows]),
        Attribute("availabilityRules", "When it takes jobs, in its own time zone.", _availability_rules),
        Attribute("groups", "Ids of its groups.", _groups, "query"),
        Attribute(
            "lastHeartbeat", "When it was last heard.", lambda batch: [moment(row.heartbeat_at) for row in batch.rows]
        ),
        Attribute("runningJobs", "Ids of the jobs that run there.", _running_jobs, "query"),
        Attribute("needsUpgrade", "Whether its code differs from the server's.", _needs_upgrade),
        Attribute("version", "Hash of its code.", field("version")),
        Attribute("threadId", "Id of its note thread, or None.", _thread_ids, "query"),
        Attribute("latestNote", 'Text of the newest note, "" without one.', _latest_notes, "query"),
        Attribute("memoryFree", "Free memory in kB.", field("memory_free")),
        Attribute("diskFree", "Free disk in kB where it keeps its runs.", field("disk_free")),
        Attribute("diskTotal", "Size of that disk in kB, 0 while unknown.", field("disk_total")),
        Attribute("location", "Folder where it keeps its runs.", field("location")),
        Attribute("utcOffset", "Minutes that its time zone is east of UTC now.", field("utc_offset")),
        Attribute("wanted", 'What it is asked to do: upgrade, restart, end or "".', field("wanted")),
        Attribute("upgradeError", 'Why its last upgrade failed, "" where none did.', field("upgrade_error")),
        Attribute("sick", 'Why it is set aside as sick, "" where it is not.', field("sick")),
        Attribute(
            "outside",
            "Whether it is a runner that asks for its work itself.",
            lambda b: [bool(row.outside) for row in b.rows],
        ),
        Attribute("port", "Port it listens on for wakeup, 0 when it does not.", field("port")),
        Attribute("unavailableBecause", 'Why it takes no jobs, "" where it does.', why_unavailable, "query"),
    )
}
