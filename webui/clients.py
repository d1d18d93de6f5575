"""The pages of clients: from what `services.overview` says to what the templates show."""

from __future__ import annotations

from hqserver.services import overview
from hqserver.services.farm import Farm
from hqserver.services.overview import Availability, ClientOverview

from . import contexts, wording
from .looks import CLIENT_LOOKS
from .parts import job_link, note_texts, run_rows, when

CLIENTS_A_PAGE = 200
_JOBS_SHOWN = 3


def clients_page(farm: Farm, number: int, server: str) -> contexts.ClientsPage:
    """A page of the clients by label; `number` counts from 1, one that is too high is the last."""
    found = overview.clients_overview(farm)
    now = farm.clock.now()
    last = max(1, -(-len(found) // CLIENTS_A_PAGE))
    number = min(max(number, 1), last)
    shown = found[(number - 1) * CLIENTS_A_PAGE : number * CLIENTS_A_PAGE]
    return contexts.ClientsPage(
        title="Clients",
        section="clients",
        at=when(now, now),
        counters=[
            contexts.Counter("clients", len(found)),
            *(
                contexts.Counter(each, count, live=each is Availability.RUNNING and count > 0)
                for each in (*reversed(Availability),)
                for count in [sum(client.availability is each for client in found)]
            ),
        ],
        clients=[client_row(client) for client in shown],
        earlier=_page_url(number - 1) if number > 1 else "",
        later=_page_url(number + 1) if number < last else "",
        server=server,
    )


def _page_url(number: int) -> str:
    return "/clients" if number == 1 else f"/clients?page={number}"


def client_row(found: ClientOverview) -> contexts.ClientRow:
    """A client of the table (CONTRACT 6.3)."""
    client = found.client
    more = len(found.jobs) - _JOBS_SHOWN
    why = "" if found.availability is Availability.AVAILABLE else client["unavailableBecause"]
    return contexts.ClientRow(
        id=client["id"],
        label=client["label"],
        ip=client["ip"],
        description=client["description"],
        badge=contexts.Badge(found.availability, CLIENT_LOOKS[found.availability]),
        why=why,
        heartbeat="no response" if found.silence_seconds is None else wording.ago(found.silence_seconds),
        platform=client["platform"],
        cpus=_cpus(client["cpus"], client["cpuSpeed"]),
        load=_load(client["load"], client["cpus"]),
        memory=_memory(client["memory"], client["memoryFree"]),
        idle="" if client["idleTime"] < 0 else wording.duration(client["idleTime"] * 60),
        jobs=[job_link(*job) for job in found.jobs[:_JOBS_SHOWN]],
        more_jobs=f"and {more} more" if more > 0 else "",
        note=client["latestNote"],
    )


def _cpus(cpus: int, megahertz: int) -> str:
    speed = f" × {megahertz / 1000:.1f} GHz" if megahertz else ""
    return f"{cpus} CPU{'' if cpus == 1 else 's'}{speed}"


def _load(load: float, cpus: int) -> contexts.Bar:
    """Load in CPUs, of those that the client offers; it may be higher than they are."""
    return contexts.Bar(round(min(load, cpus), 2), cpus, f"{load:.1f} of {cpus}", "busy" if load > 0.9 * cpus else "")


def _memory(total: int, free: int) -> contexts.Bar | None:
    """Memory in use, of all there is; None where the client did not say."""
    if total <= 0:
        return None
    used = min(max(total - free, 0), total)
    return contexts.Bar(
        round(used / total, 3),
        1,
        f"{wording.kilobytes(free)} free of {wording.kilobytes(total)}",
        "busy" if used > 0.9 * total else "",
    )


def client_page(farm: Farm, client_id: int) -> contexts.ClientPage:
    """One client. Raises `NotFound`."""
    found = overview.client_overview(farm, client_id)
    client, now = found.overview.client, farm.clock.now()
    row = client_row(found.overview)
    facts = [
        contexts.Fact("Address", client["ip"]),
        contexts.Fact("Listens on port", str(client["port"]) if client["port"] else "none"),
        contexts.Fact("Last heartbeat", row.heartbeat, title=wording.utc(client["lastHeartbeat"])),
        contexts.Fact("Platform", client["platform"]),
        contexts.Fact("CPUs", row.cpus),
        contexts.Fact("CPUs in use", f"{found.overview.cpus_used} by {found.overview.runs} runs"),
        contexts.Fact("Free disk", wording.kilobytes(client["diskFree"]) if client["diskFree"] else ""),
        contexts.Fact("User idle", row.idle),
        contexts.Fact("Enabled", "no" if client["disabled"] else "yes"),
        contexts.Fact("Version", client["version"][:12], title=client["version"]),
    ]
    return contexts.ClientPage(
        title=f"{row.label} · client",
        section="clients",
        at=when(now, now),
        client=row,
        facts=[fact for fact in facts if fact.words],
        live=run_rows(found.live, now),
        ended=run_rows(found.ended, now),
        notes=note_texts(found.notes, now),
    )
