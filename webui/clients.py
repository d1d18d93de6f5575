"""The pages of clients: what `services.queries.overview_clients` says, as the templates show it (CONTRACT 6.3)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hqserver.domain.runner import offered
from hqserver.services.farm import Farm
from hqserver.services.queries import overview_clients
from hqserver.services.queries.overview_clients import Availability, ClientOverview

from . import contexts, pieces, wording
from .actions import client_actions, clients_actions
from .looks import CLIENT_LOOKS
from .parts import group_link, job_link, note_texts, run_rows, thread_url, when

_WANTED = {"upgrade": "to be upgraded", "restart": "to be restarted", "end": "to be removed"}


def clients_page(farm: Farm, number: int, server: str) -> contexts.ClientsPage:
    """A page of the clients by label; `number` counts from 1, one that is too high is the last."""
    found = overview_clients.clients_overview(farm, number)
    now = farm.clock.now()
    return contexts.ClientsPage(
        title="Clients",
        section="clients",
        at=when(now, now),
        counters=[
            pieces.Counter("clients", sum(found.counts.values())),
            *(
                pieces.Counter(each, found.counts[each], live=each is Availability.RUNNING and found.counts[each] > 0)
                for each in reversed(Availability)
                if each is not Availability.RUNNER
            ),
            *([pieces.Counter("runners", runners)] if (runners := found.counts[Availability.RUNNER]) else []),
        ],
        clients=[client_row(client) for client in found.clients],
        earlier=page_url("/clients", found.page - 1) if found.page > 1 else "",
        later=page_url("/clients", found.page + 1) if found.page < found.pages else "",
        server=server,
        actions=clients_actions(),
    )


def page_url(path: str, number: int) -> str:
    """The address of a page of clients, counted from 1."""
    return path if number == 1 else f"{path}?page={number}"


def client_row(found: ClientOverview) -> pieces.ClientRow:
    """A client of the table."""
    client = found.client
    more = len(client["runningJobs"]) - len(found.jobs)
    return pieces.ClientRow(
        id=client["id"],
        label=client["label"],
        ip=client["ip"],
        description=client["description"],
        badge=pieces.Badge(found.availability, CLIENT_LOOKS[found.availability]),
        asks=_asks(found),
        why=_why(found),
        heartbeat=_heard(found),
        platform=client["platform"],
        cpus=_cpus(client["cpus"], client["cpuSpeed"]) if client["cpus"] else "",
        load=None if client["outside"] else _load(client["load"], client["cpus"]),
        memory=None if client["outside"] else _memory(client["memory"], client["memoryFree"]),
        idle="" if client["idleTime"] < 0 else wording.duration(client["idleTime"] * 60),
        jobs=[job_link(*job) for job in found.jobs],
        more_jobs=f"and {more} more" if more > 0 else "",
        groups=[group_link(*group) for group in found.groups],
        upgrade="needs upgrade" if client["needsUpgrade"] else "",
        wanted=_WANTED.get(client["wanted"], ""),
        enabled="no" if client["disabled"] else "yes",
        available=_available(client["availabilityRules"]),
        note=client["latestNote"],
        thread=thread_url(client["threadId"]),
    )


def _why(found: ClientOverview) -> str:
    if found.availability is not Availability.AVAILABLE:
        return found.kept_by
    return "" if found.held_for is None else f"is held for job {found.held_for}"


def _asks(found: ClientOverview) -> str:
    """In the words of `hq clients`."""
    if not found.client["outside"]:
        return ""
    return "at work" if found.runs else f"idle, last asked {_heard(found)}"


def _heard(found: ClientOverview) -> str:
    return "no response" if found.silence_seconds is None else wording.ago(found.silence_seconds)


def _available(rules: list[Mapping[str, Any]]) -> str:
    enabled = dict.fromkeys(wording.availability(rule) for rule in rules if rule["enabled"])
    return " or ".join(enabled) or "never"


def _cpus(cpus: int, megahertz: int) -> str:
    speed = f" × {megahertz / 1000:.1f} GHz" if megahertz else ""
    return f"{cpus} CPU{'' if cpus == 1 else 's'}{speed}"


def _load(load: float, cpus: int) -> pieces.Bar:
    """Load in CPUs, of those that the client offers; it may be higher than they are."""
    return pieces.Bar(round(min(load, cpus), 2), cpus, f"{load:.1f} of {cpus}", "busy" if load > 0.9 * cpus else "")


def _memory(total: int, free: int) -> pieces.Bar | None:
    """Memory in use, of all there is; None where the client did not say."""
    if total <= 0:
        return None
    used = min(max(total - free, 0), total)
    return pieces.Bar(
        round(used / total, 3),
        1,
        f"{wording.kilobytes(free)} free of {wording.kilobytes(total)}",
        "busy" if used > 0.9 * total else "",
    )


def client_page(farm: Farm, client_id: int) -> contexts.ClientPage:
    """One client. Raises `NotFound`."""
    found = overview_clients.client_overview(farm, client_id)
    client, now = found.overview.client, farm.clock.now()
    row = client_row(found.overview)
    cut = found.errors_total > len(found.errors)
    return contexts.ClientPage(
        title=f"{row.label} · client",
        section="clients",
        at=when(now, now),
        client=row,
        facts=_facts(found.overview, row),
        rules=[
            pieces.Fact("Takes jobs" if rule["enabled"] else "Switched off", wording.availability(rule))
            for rule in client["availabilityRules"]
        ],
        zone=wording.utc_offset(client["utcOffset"]),
        live=run_rows(found.live, now),
        ended=run_rows(found.ended, now),
        errors=[pieces.ErrorLine(when(each.at, now), each.source, each.message) for each in found.errors],
        errors_more=f"the latest {len(found.errors)} of {wording.grouped(found.errors_total)}" if cut else "",
        notes=note_texts(found.notes, now),
        actions=client_actions(client),
    )


def _facts(found: ClientOverview, row: pieces.ClientRow) -> list[pieces.Fact]:
    client = found.client
    disk = f"{wording.kilobytes(client['diskFree'])} free" if client["diskFree"] else ""
    if disk and client["diskTotal"]:
        disk += f" of {wording.kilobytes(client['diskTotal'])}"
    daemon = not client["outside"]
    used = offered(found.cpus_used) or ("all" if found.cpus_used else 0)
    facts = [
        pieces.Fact("Address", client["ip"]),
        pieces.Fact("Listen port", (str(client["port"]) if client["port"] else "none") if daemon else ""),
        pieces.Fact(
            "Last heartbeat" if daemon else "Last heard", row.heartbeat, title=wording.utc(client["lastHeartbeat"])
        ),
        pieces.Fact("Platform", client["platform"]),
        pieces.Fact("CPUs", row.cpus or "not told"),
        pieces.Fact("CPUs in use", f"{used} by {found.runs} run{'' if found.runs == 1 else 's'}"),
        # Of a runner nobody knows how much of it is free: it has no bar.
        pieces.Fact("Memory", wording.kilobytes(client["memory"]) if client["memory"] and not daemon else ""),
        pieces.Fact("Disk", disk),
        pieces.Fact("Location", client["location"]),
        pieces.Fact("User idle", (row.idle or "not known") if daemon else ""),
        pieces.Fact("Groups", links=row.groups),
        pieces.Fact("Enabled", row.enabled),
        pieces.Fact("Version", client["version"][:12], title=client["version"]),
        pieces.Fact("Needs upgrade", ("yes" if client["needsUpgrade"] else "no") if daemon else ""),
        pieces.Fact("Asked", row.wanted),
        pieces.Fact("Upgrade failed", client["upgradeError"]),
    ]
    return [fact for fact in facts if fact.words or fact.links]
