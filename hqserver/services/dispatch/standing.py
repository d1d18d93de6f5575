"""Whether a client takes new work at all, whatever it is (CONTRACT 3.4, 9.10, 9.11, 9.14; 10 Trouble).

One list of checks serves dispatch, the reason that clients' rows show, and the answer to "why does my job not run?".
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Container
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, timezone

from hqserver.domain import declining
from hqserver.domain.availability import available, from_text
from hqserver.domain.reason import Reason
from hqserver.domain.runner import ASKS_ITSELF
from hqserver.services.farm import Farm
from hqserver.services.watch import Presence, Watch
from hqserver.store import runs


@dataclass(frozen=True, slots=True)
class Moment:
    """When clients are looked at, and what is known besides their own rows. `now`: UTC epoch seconds; `unconfirmed`:
    ids of clients that never confirmed a kill; `at_work`: of those that run anything; `asking`: the runner from outside
    that asks for work itself just now."""

    watch: Watch
    monotonic: float
    now: float
    unconfirmed: Container[int]
    at_work: Container[int] = ()
    asking: int | None = None


def moment_of(
    farm: Farm, connection: sqlite3.Connection, at_work: Container[int] = (), asking: int | None = None
) -> Moment:
    """This moment."""
    unconfirmed = runs.unconfirmed_clients(connection)
    return Moment(farm.watch, farm.clock.monotonic(), farm.clock.now(), unconfirmed, at_work, asking)


@dataclass(frozen=True, slots=True)
class _Check:
    """One thing asked of every client. `unmet` completes "<client> ...", "" where it holds; `found` says what there is
    in words that many clients share, `remedy` what would change it."""

    name: str
    wanted: Callable[[Presence, Moment], str]
    unmet: Callable[[Presence, Moment], str]
    found: Callable[[Presence, Moment], str]
    remedy: Callable[[Presence, Moment], str]


def why_not_taking(presence: Presence, moment: Moment) -> str:
    """Why the client gets no new work, "" where it does. Completes "<client> ..."."""
    for unmet in _UNMET:
        if sentence := unmet(presence, moment):
            return sentence
    return ""


def why_not_asking(presence: Presence, moment: Moment) -> str:
    """Why a runner from outside would get no work if it asked for some now, "" where it may."""
    return why_not_taking(presence, replace(moment, asking=presence.row.id))


def standing(presence: Presence, moment: Moment) -> tuple[Reason, ...]:
    """Each thing asked of the client; where all hold, it gets new work."""
    reasons = []
    for check in _CHECKS:
        holds = not check.unmet(presence, moment)
        remedy = "" if holds else check.remedy(presence, moment)
        reasons.append(Reason(check.name, check.wanted(presence, moment), check.found(presence, moment), holds, remedy))
    return tuple(reasons)


def _unregistered(presence: Presence, moment: Moment) -> str:
    return "is removed from the farm" if presence.row.removed or presence.row.wanted == "end" else ""


def _disabled(presence: Presence, moment: Moment) -> str:
    return "is disabled" if presence.row.disabled else ""


def _asks_itself(presence: Presence, moment: Moment) -> str:
    if not presence.row.outside or presence.row.id == moment.asking:
        return ""
    return ASKS_ITSELF


def _silent(presence: Presence, moment: Moment) -> str:
    if presence.row.outside:
        return ""  # between two claims there is nothing to be heard of it
    if not presence.heard:
        return "has not been heard of since the server started"
    silence = presence.silence(moment.monotonic)
    if presence.lost or silence > moment.watch.suspect_seconds:
        return f"has been silent for {silence:.0f} s"
    return ""


def _how_silent(presence: Presence, moment: Moment) -> str:
    if presence.row.outside:
        return "heard when it asks"
    if not presence.heard:
        return "not heard since the server started"
    if not _silent(presence, moment):
        return "heard"
    return f"silent for {_roughly(presence.silence(moment.monotonic))}"


def _roughly(seconds: float) -> str:
    """A time that clients which fell silent together have in common."""
    for unit, size in (("days", 86_400), ("hours", 3_600), ("minutes", 60)):
        if seconds >= 2 * size:
            return unit
    return "a minute or two"


def _declining(presence: Presence, moment: Moment) -> str:
    return "" if presence.accepting else declining.sentence(presence.declining)


def _sick(presence: Presence, moment: Moment) -> str:
    if not presence.row.sick:
        return ""
    return f"is set aside: {presence.row.sick}" if moment.monotonic < presence.probe_at else ""


def _until_probe(presence: Presence, moment: Moment) -> str:
    minutes = max(presence.probe_at - moment.monotonic, 0) / 60
    return f"it is tried again by itself in {minutes:.0f} minutes; hq enable {presence.row.label} does so at once"


def _stuck(presence: Presence, moment: Moment) -> str:
    what = moment.watch.stuck_with(presence.row.id)
    return f"has not ended {what} in time" if what else ""


def _unconfirmed(presence: Presence, moment: Moment) -> str:
    if presence.row.id not in moment.unconfirmed:
        return ""
    return "may still run a job that was cancelled or given to another client"


def _unavailable(presence: Presence, moment: Moment) -> str:
    if not presence.row.availability:
        return ""
    zone = timezone(timedelta(minutes=presence.row.utc_offset))
    local = datetime.fromtimestamp(moment.now, zone).replace(tzinfo=None)
    return available(from_text(presence.row.availability), local, presence.row.idle_minutes)


def _on_trial(presence: Presence, moment: Moment) -> str:
    if not presence.row.sick or presence.row.id not in moment.at_work:
        return ""
    return f"is tried with one job, after {presence.row.sick}"


def _plainly(
    name: str,
    wanted: str,
    unmet: Callable[[Presence, Moment], str],
    remedy: Callable[[Presence, Moment], str],
) -> _Check:
    """A check of which there is no more to say than whether it holds, and if not, what `unmet` says."""

    def found(presence: Presence, moment: Moment) -> str:
        return unmet(presence, moment).removeprefix("is ").removeprefix("has ") or wanted

    return _Check(name, lambda each, at: wanted, unmet, found, remedy)


_CHECKS = (
    _plainly(
        "registered",
        "registered",
        _unregistered,
        lambda each, at: "start its daemon again: it registers as the client it was",
    ),
    _plainly("enabled", "enabled", _disabled, lambda each, at: f"hq enable {each.row.label} (setdisabled)"),
    _Check(
        "heartbeat",
        lambda each, at: f"heard within {at.watch.suspect_seconds:.0f} s",
        _silent,
        _how_silent,
        lambda each, at: f"see whether {each.row.label} is up, runs hqclient and reaches this server",
    ),
    _plainly(
        "accepting",
        "taking new work",
        _declining,
        lambda each, at: declining.remedy(each.declining, each.row.label),
    ),
    _plainly("healthy", "not set aside as sick", _sick, _until_probe),
    _plainly(
        "ending",
        "nothing that it could not end",
        _stuck,
        lambda each, at: f"look after {each.row.label}: a process of that job does not end even when it is killed",
    ),
    _plainly(
        "confirmed",
        "nothing left unconfirmed",
        _unconfirmed,
        lambda each, at: f"{each.row.label} confirms it by itself when it is heard again",
    ),
    _plainly(
        "availability",
        "available",
        _unavailable,
        lambda each, at: (
            f"wait for that time, or change its rules: hq available {each.row.label} (setAvailabilityRules)"
        ),
    ),
    _plainly(
        "trial",
        "no job on trial",
        _on_trial,
        lambda each, at: f"it is well when that job succeeds; hq enable {each.row.label} says that it is",
    ),
    # The last, for whatever else is the matter with a runner says more.
    _plainly(
        "dispatch",
        "given work by the server",
        _asks_itself,
        lambda each, at: f"{each.row.label} takes the job when it next asks for such work (claimJob)",
    ),
)
"""In the order in which they are asked: the first that does not hold is the reason."""

_UNMET = tuple(check.unmet for check in _CHECKS)
"""What a pass asks of every client."""
