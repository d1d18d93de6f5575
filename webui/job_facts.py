"""What the page of a job says beside its tables: facts, requirements, times, commands (CONTRACT 6.2, Properties)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from hqserver.domain.hooks import Hook
from hqserver.services.queries.overview import JobOverview

from . import pieces, wording
from .jobs import between
from .parts import client_link, job_link, when

_COMMAND_SHOWN = 20_000
_VALUE_SHOWN = 1_000
_PAIRS_SHOWN = 300
_CONDITIONS_SHOWN = 50
_CALLBACKS_SHOWN = 20

_OUTCOMES = {"empty": "nothing to run", "byHand": "marked done by hand", "imported": "imported"}
_HEADINGS: dict[str, str] = {
    Hook.ON_SUCCESS: "On success",
    Hook.ON_ERROR: "On error",
    Hook.ON_CANCEL: "On cancel",
    Hook.ON_CHILD_ERROR: "On a child's error",
    Hook.CLEANUP: "Cleanup",
}


def facts(found: JobOverview) -> list[pieces.Fact]:
    """Who it belongs to, what it is related to, how it is treated."""
    job = found.job
    parents = [job_link(each, found.names[each]) for each in found.parents]
    parents += [pieces.Link("", f"and {found.parents_total - len(parents)} more")] * (
        found.parents_total > len(parents)
    )
    root = job_link(job["root"], found.names[job["root"]]) if job["root"] in found.names else None
    ran = {run.client_id: client_link(run.client_id, run.client, run.listed) for run in found.runs}
    clients = list(ran.values())
    held = [client_link(client["id"], client["label"]) for client in job["clientsOnHold"]]
    work = ", ".join(f"{count} {status}" for status, count in job["workCounts"].items())
    mail = f"{job['emailTo']} on {', '.join(job['emailReasons']) or 'nothing'}" if job["emailTo"] else ""
    return _said(
        [
            pieces.Fact("Submitted by", job["submittedBy"] or "—"),
            pieces.Fact("Priority", str(job["priority"])),
            pieces.Fact("Held", {"pause": "paused", "block": "blocked"}.get(job["held"], "")),
            pieces.Fact("Parents" if len(parents) > 1 else "Parent", links=parents),
            pieces.Fact("Root", links=[root] if root and root not in parents and job["root"] != job["id"] else []),
            pieces.Fact("Clients" if len(clients) > 1 else "Client", links=clients),
            pieces.Fact("Clients on hold", links=held, title="reserved for it until it has enough"),
            pieces.Fact("Tries left", str(job["triesLeft"]) if job["triesLeft"] else ""),
            pieces.Fact("Work", work if sum(job["workCounts"].values()) > 1 else ""),
            pieces.Fact("Not confirmed by", ", ".join(job["unconfirmed"]), title="clients that may still run it"),
            pieces.Fact("Outcome", _OUTCOMES.get(job["outcome"], "")),
            pieces.Fact("Mail", wording.shortened(mail, _VALUE_SHOWN)),
            pieces.Fact("Callbacks", _callbacks(found), title="hq callback list tells more"),
            pieces.Fact("Shell", job["shell"]),
            pieces.Fact("Standard error", "kept apart" if job["splitOutput"] else ""),
            pieces.Fact("Uuid", job["uuid"]),
        ]
    )


def _callbacks(found: JobOverview) -> str:
    """One a line: what it does, on what. The path of a webhook's address is left out, for it may be a secret."""
    lines = []
    for each in found.callbacks:
        values = each.action.values
        whom = ", ".join(values["to"]) if "to" in values else each.action.target or str(values.get("command", ""))
        what = wording.shortened(f"{each.action.kind} {whom}", _VALUE_SHOWN)
        failed = f" ({each.failed} failed)" if each.failed else ""
        lines.append(f"{each.id}: {what} on {', '.join(each.triggers)}{failed}")
    shown = lines[:_CALLBACKS_SHOWN]
    return "\n".join([*shown, *([f"and {len(lines) - len(shown)} more"] if len(lines) > len(shown) else [])])


def requirements(job: Mapping[str, Any]) -> list[pieces.Fact]:
    """What it asks of its clients, and for how long; nothing where it runs nothing itself."""
    if not job["command"] and not job["hooks"]:
        return []
    hosts = job["hosts"]
    several = f"{hosts['min']}" if hosts["min"] == hosts["max"] else f"{hosts['min']} to {hosts['max']}"
    needs = ", ".join(f"{amount} × {name}" for name, amount in (job["resources"] or {}).items())
    return _said(
        [
            pieces.Fact("CPUs", str(job["cpus"]) if job["cpus"] else "all of its client"),
            pieces.Fact("Hosts", several if hosts["max"] > 1 else ""),
            pieces.Fact("Conditions", _conditions(job["conditions"])),
            pieces.Fact("Tags", ", ".join(job["tags"])),
            pieces.Fact("Resources", wording.shortened(needs, _VALUE_SHOWN)),
            pieces.Fact("Maximum time", wording.duration(job["maxTime"]) if job["maxTime"] else ""),
        ]
    )


def _conditions(conditions: Sequence[Mapping[str, str]]) -> str:
    said = [f"{each['name']} {each['op'].replace('_', ' ')} {each['value']}" for each in conditions]
    shown = [wording.shortened(each, _VALUE_SHOWN) for each in said[:_CONDITIONS_SHOWN]]
    return "\n".join([*shown, *([f"and {len(said) - len(shown)} more"] if len(said) > len(shown) else [])])


def times(job: Mapping[str, Any], now: float) -> list[pieces.Fact]:
    """The times HQueue's page has, and those derived of them."""
    moments = [
        ("Submitted", job["queueTime"]),
        ("Could run", job["runnableTime"]),
        ("Started", job["startTime"]),
        ("Command started", job["commandStartTime"]),
        ("Command ended", job["commandEndTime"]),
        ("Ended", job["endTime"]),
    ]
    found = [pieces.Fact(name, when(at, now).words, title=wording.utc(at)) for name, at in moments if at is not None]
    spans = [
        ("Time in queue", job["queueTime"], job["startTime"]),
        ("Time to run command", job["commandStartTime"], job["commandEndTime"]),
        ("Time to complete", job["queueTime"], job["endTime"]),
    ]
    return found + [pieces.Fact(name, between(start, end, now)) for name, start, end in spans if start and end]


def commands(job: Mapping[str, Any]) -> list[pieces.Command]:
    """Its command and its hooks, those that there are; one that differs by platform once for each."""
    found = [("Command", job["command"]), *((_HEADINGS[hook], text) for hook, text in job["hooks"].items())]
    return [
        pieces.Command(heading, platform, wording.shortened(text, _COMMAND_SHOWN))
        for heading, command in found
        for platform, text in (command.items() if isinstance(command, Mapping) else [("", command)])
        if text
    ]


def pairs(values: Mapping[str, Any]) -> list[pieces.Fact]:
    """Names and values by name: variables, properties."""
    shown = sorted(values.items())[:_PAIRS_SHOWN]
    found = [pieces.Fact(name, wording.shortened(str(value), _VALUE_SHOWN)) for name, value in shown]
    if len(values) > len(shown):
        found.append(pieces.Fact("…", f"and {wording.grouped(len(values) - len(shown))} more"))
    return found


def _said(found: Sequence[pieces.Fact]) -> list[pieces.Fact]:
    return [fact for fact in found if fact.words or fact.links]
