"""The daemon's protocol, as hqclient/daemon/PROTOCOL.md writes it down. Everything that comes in is checked here."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, TypeVar

from hqserver.domain.errors import BadParameters
from hqserver.domain.run import RunEnd, Stream
from hqserver.rpc.method import Caller, rpc
from hqserver.services.clients import beats, registration
from hqserver.services.clients.beats import Beat, Piece
from hqserver.services.clients.registration import Identity
from hqserver.services.farm import Farm
from hqserver.services.work.reports import ENDED, KINDS, PAUSED, REFUSED, RESUMED, STARTED, Report

_Kind = TypeVar("_Kind")
_PROTOCOL = 1
_LONGEST_TEXT = 10_000


class Daemons:
    """What client daemons call. Private: it may change with any version."""

    def __init__(self, farm: Farm):
        self._farm = farm

    @rpc("registerClient", internal=True)
    def register_client(self, caller: Caller, identity: dict[str, Any]) -> dict[str, Any]:
        """Register a daemon: `{id, secret, interval, stop}`. Faults 401 and 409 as PROTOCOL.md says."""
        if _whole(identity, "protocol") != _PROTOCOL:
            raise BadParameters(f"protocol {identity['protocol']!r} is not spoken by this server, {_PROTOCOL} is")
        found = registration.register(
            self._farm,
            Identity(
                hostname=_text(identity, "hostname") or "unknown",
                name=_text(identity, "name"),
                session=_text(identity, "session"),
                boot_id=_text(identity, "bootId"),
                platform=_text(identity, "platform"),
                cpus=max(_whole(identity, "cpus"), 1),
                cpu_speed=_whole(identity, "cpuSpeed"),
                memory=_whole(identity, "memory"),
                version=_text(identity, "version"),
                port=_whole(identity, "port"),
                runs=frozenset(_texts(identity, "runs")),
                died=frozenset(_texts(identity, "died") if "died" in identity else ()),
                location=_text(identity, "location") if "location" in identity else "",
                utc_offset=_offset(identity),
                disk_total=_whole(identity, "diskTotal") if "diskTotal" in identity else 0,
                highest_job=_whole(identity, "highestJob") if "highestJob" in identity else 0,
                upgrade_error=_text(identity, "upgradeError")[:_LONGEST_TEXT] if "upgradeError" in identity else "",
            ),
            caller.secret,
            caller.peer,
        )
        return {
            "id": found.client_id,
            "secret": found.secret,
            "interval": self._farm.policy.beat_seconds,
            "stop": found.stop,
            "package": {"version": found.package.version, "path": found.package.path},
        }

    @rpc("clientBeat", internal=True)
    def client_beat(self, caller: Caller, beat: dict[str, Any]) -> dict[str, Any]:
        """A heartbeat: `{interval, orders, results, output, stderr}`. Faults 401 and 409 as PROTOCOL.md says."""
        answer = beats.beat(self._farm, caller.secret, _beat(beat))
        return {
            "interval": answer.interval_seconds,
            "orders": answer.orders,
            "results": answer.results,
            "output": answer.output,
            "stderr": answer.stderr,
        }


def _beat(beat: Mapping[str, Any]) -> Beat:
    return Beat(
        session=_text(beat, "session"),
        sequence=_whole(beat, "sequence"),
        load=_number(beat, "load"),
        memory_free=_whole(beat, "memoryFree"),
        disk_free=_whole(beat, "diskFree"),
        idle_minutes=_whole(beat, "idleTime", low=-1),
        utc_offset=_offset(beat),
        spare=_whole(beat, "spare"),
        accepting=_get(beat, "accepting", bool),
        queued=frozenset(_texts(beat, "queued")),
        progress={str(run): _number(beat["progress"], run) for run in _get(beat, "progress", dict)},
        output=tuple(
            Piece(_text(piece, "run"), _whole(piece, "offset"), _get(piece, "data", bytes), stream)
            for key, stream in (("output", Stream.STDOUT), ("stderr", Stream.STDERR))
            for piece in (_structs(beat, key) if stream is Stream.STDOUT or key in beat else ())
        ),
        reports=tuple(_report(report) for report in _structs(beat, "reports")),
        highest_job=_whole(beat, "highestJob") if "highestJob" in beat else 0,
        leaving=_get(beat, "leaving", bool) if "leaving" in beat else False,
        declining=_text(beat, "declining") if "declining" in beat else "",
    )


def _offset(struct: Mapping[str, Any]) -> int:
    """Minutes east of UTC; no zone is a day away."""
    return max(min(_whole(struct, "utcOffset", low=-1440), 1439), -1439) if "utcOffset" in struct else 0


def _report(report: Mapping[str, Any]) -> Report:
    kind = _text(report, "kind")
    report_id, run = _text(report, "id"), _text(report, "run")
    if kind == STARTED:
        return Report(report_id, run, kind, started_ago=_number(report, "startedAgo"))
    if kind in (PAUSED, RESUMED):
        return Report(report_id, run, kind)
    if kind == REFUSED:
        return Report(report_id, run, kind, end=RunEnd(reason=_text(report, "reason")[:_LONGEST_TEXT]))
    if kind != ENDED:
        raise BadParameters(f"beat.reports.kind must be one of {', '.join(KINDS)}, not {kind!r}")
    return Report(
        report_id,
        run,
        kind,
        started_ago=_number(report, "startedAgo"),
        ended_ago=_number(report, "endedAgo"),
        killed=_get(report, "killed", bool),
        limit=_text(report, "limit") if "limit" in report else "",
        failure=_text(report, "failure") if "failure" in report else "",
        failure_line=_text(report, "failureLine")[:_LONGEST_TEXT] if "failureLine" in report else "",
        log_sent=_whole(report, "logSent") if "logSent" in report else 0,
        stderr_sent=_whole(report, "stderrSent") if "stderrSent" in report else 0,
        end=RunEnd(
            exit_code=_whole(report, "exitCode", low=-(2**31)),
            signal=_whole(report, "signal"),
            reason=_text(report, "reason")[:_LONGEST_TEXT],
            log_size=_whole(report, "logSize"),
            log_hash=_text(report, "logHash"),
            log_truncated=_get(report, "logTruncated", bool),
            cpu_seconds=_number(report, "cpuSeconds"),
            max_memory=_whole(report, "maxMemory"),
            stderr_size=_whole(report, "stderrSize") if "stderrSize" in report else None,
            stderr_hash=_text(report, "stderrHash") if "stderrHash" in report else "",
            stderr_truncated=_get(report, "stderrTruncated", bool) if "stderrTruncated" in report else False,
        ),
    )


def _get(struct: Mapping[str, Any], key: str, kind: type[_Kind]) -> _Kind:
    value = struct.get(key)
    if not isinstance(value, kind):
        raise BadParameters(f"{key} must be of type {kind.__name__}, not {value!r:.60}")
    return value


def _text(struct: Mapping[str, Any], key: str) -> str:
    return _get(struct, key, str)


def _number(struct: Mapping[str, Any], key: str) -> float:
    value = struct.get(key)
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise BadParameters(f"{key} must be a number, not {value!r:.60}")
    return float(value)


def _whole(struct: Mapping[str, Any], key: str, low: int = 0) -> int:
    """A whole number; the wire writes one beyond 32 bits as a double."""
    value = _number(struct, key)
    if value < low:
        raise BadParameters(f"{key} must be at least {low}, not {value!r}")
    return int(min(value, 2**53))


def _texts(struct: Mapping[str, Any], key: str) -> list[str]:
    values = _get(struct, key, list)
    if not all(isinstance(value, str) for value in values):
        raise BadParameters(f"{key} must be a list of texts")
    return values


def _structs(struct: Mapping[str, Any], key: str) -> list[Mapping[str, Any]]:
    values = _get(struct, key, list)
    if not all(isinstance(value, Mapping) for value in values):
        raise BadParameters(f"{key} must be a list of structs")
    return values
