"""The records of PROTOCOL.md as the daemon reads them: what the server answers, checked before anything
acts on it."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple, TypeVar

from hqserver.domain.run import Stream

from .limits import Limits
from .runs.failures import ACTIONS, FailurePattern

PROTOCOL = 1
"""Version of the protocol, sent at registration."""

_RUN = re.compile(r"[0-9a-f]{32}")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_PATH = re.compile(r"(/[A-Za-z0-9_-][A-Za-z0-9._-]*)+")
_T = TypeVar("_T")

APPLIED, SUPERSEDED, UNKNOWN = "applied", "superseded", "unknown"
VERDICTS = (APPLIED, SUPERSEDED, UNKNOWN)
"""What the server says of a report."""


OFFSET_KEYS = {Stream.STDOUT: "output", Stream.STDERR: "stderr"}
"""Where beats have the pieces of each stream's logs, and answers their offsets."""


class Log(NamedTuple):
    """The log of a run's stream."""

    run: str
    stream: Stream = Stream.STDOUT


class ProtocolError(Exception):
    """An answer that is not what PROTOCOL.md says; the sentence names the key."""


@dataclass(frozen=True)
class StartOrder:
    """One run the server wants started. `cpus` 0 is the whole machine, `log_limit` is in bytes. `split_output`: stderr
    gets a log of its own.

    `hook` names the job's hook that it runs (`onSuccess`), "" for the job's own command.
    """

    run: str
    job: int
    root: int
    work: str
    command: str
    shell: str
    environment: Mapping[str, str]
    cpus: int
    log_limit: int
    kill_grace_seconds: float
    split_output: bool
    progress_patterns: tuple[str, ...]
    failure_patterns: tuple[FailurePattern, ...]
    limits: Limits
    hook: str

    def as_struct(self, environment: Mapping[str, str]) -> dict[str, object]:
        """The order as PROTOCOL.md has it, for the run's folder; `environment` is the complete one."""
        return {
            "kind": "start",
            "run": self.run,
            "job": self.job,
            "root": self.root,
            "work": self.work,
            "command": self.command,
            "shell": self.shell,
            "environment": dict(environment),
            "cpus": self.cpus,
            "logLimit": self.log_limit,
            "killGrace": self.kill_grace_seconds,
            "splitOutput": self.split_output,
            "progressPatterns": list(self.progress_patterns),
            "failurePatterns": [each._asdict() for each in self.failure_patterns],
            "hook": self.hook,
            **self.limits.as_struct(),
        }


@dataclass(frozen=True)
class KillOrder:
    """One run the server wants ended, and why."""

    run: str
    reason: str


@dataclass(frozen=True)
class PauseOrder:
    """One run the server wants stopped in place."""

    run: str


@dataclass(frozen=True)
class ResumeOrder:
    """One run the server wants to go on."""

    run: str


@dataclass(frozen=True)
class BadOrder:
    """A start order that cannot be carried out as it stands: reported `refused` with this reason."""

    run: str
    reason: str


@dataclass(frozen=True)
class UpgradeOrder:
    """The client is to run other code: the package at `path` on the server, whose SHA-256 is `version`, in hex."""

    version: str
    path: str


@dataclass(frozen=True)
class RestartOrder:
    """The daemon is to start anew, its runs going on."""


@dataclass(frozen=True)
class EndOrder:
    """The client was removed from the farm: it is to end its runs, report them, and stop."""

    reason: str


RunOrder = StartOrder | KillOrder | PauseOrder | ResumeOrder | BadOrder
ClientOrder = UpgradeOrder | RestartOrder | EndOrder
"""What the server wants of a run, and of the client itself."""


@dataclass(frozen=True)
class Registration:
    """The server's answer to `registerClient`. `secret` "" means: keep the present one."""

    client: int
    secret: str
    interval_seconds: float
    stop: tuple[str, ...]


@dataclass(frozen=True)
class Answer:
    """The server's answer to `clientBeat`: orders, a verdict by report id, the offset of each log it tells of.

    `knows_stderr`: it said of stderr what it has. An older server that knows nothing of it does not.
    """

    interval_seconds: float
    orders: tuple[RunOrder | ClientOrder, ...] = ()
    verdicts: Mapping[str, str] = field(default_factory=dict)
    offsets: Mapping[Log, int] = field(default_factory=dict)
    knows_stderr: bool = False


def read_registration(value: object) -> Registration:
    """The registration in `value`. Raises `ProtocolError`."""
    answer = _struct(value, "registration")
    return Registration(
        client=_get(answer, "id", int),
        secret=_get(answer, "secret", str),
        interval_seconds=_interval(answer),
        stop=tuple(_run_id(run, "stop") for run in _get(answer, "stop", list, [])),
    )


def read_answer(value: object) -> Answer:
    """The answer in `value`. Raises `ProtocolError`, so that a beat half understood counts as not answered.

    An order of a kind this daemon does not know is left out: a newer server says it again until a newer
    daemon reads it.
    """
    answer = _struct(value, "answer")
    verdicts = _get(answer, "results", dict, {})
    offsets = {
        Log(run, stream): _whole(offset, f"{key}.{run}")
        for stream, key in OFFSET_KEYS.items()
        for run, offset in _get(answer, key, dict, {}).items()
    }
    orders = (_read_order(order) for order in _get(answer, "orders", list, []))
    return Answer(
        interval_seconds=_interval(answer),
        orders=tuple(order for order in orders if order is not None),
        verdicts={report: verdict for report, verdict in verdicts.items() if verdict in VERDICTS},
        offsets=offsets,
        knows_stderr=OFFSET_KEYS[Stream.STDERR] in answer,
    )


def _read_order(value: object) -> RunOrder | ClientOrder | None:
    order = _struct(value, "orders")
    match order.get("kind"):
        case "start":
            return _read_start_or_not(order)
        case "kill":
            return KillOrder(_run_id(order.get("run"), "orders.run"), _get(order, "reason", str, ""))
        case "pause":
            return PauseOrder(_run_id(order.get("run"), "orders.run"))
        case "resume":
            return ResumeOrder(_run_id(order.get("run"), "orders.run"))
        case "upgrade":
            return _read_upgrade(order)
        case "restart":
            return RestartOrder()
        case "end":
            return EndOrder(_get(order, "reason", str, ""))
    return None


def _read_start_or_not(order: Mapping[str, object]) -> StartOrder | BadOrder:
    run = _run_id(order.get("run"), "orders.run")
    try:
        return _read_start(run, order)
    except ProtocolError as problem:
        return BadOrder(run, f"the order cannot be read: {problem}")


def _read_upgrade(order: Mapping[str, object]) -> UpgradeOrder:
    version, path = _get(order, "version", str), _get(order, "path", str)
    if not _SHA256.fullmatch(version):
        raise ProtocolError("version: must be 64 hex digits")
    if not _PATH.fullmatch(path):
        raise ProtocolError("path: must be a path on the server")
    return UpgradeOrder(version, path)


def read_start_order(value: object) -> StartOrder:
    """The start order in `value`, as `StartOrder.as_struct` made it. Raises `ProtocolError`."""
    order = _struct(value, "order")
    return _read_start(_run_id(order.get("run"), "run"), order)


def _read_start(run: str, order: Mapping[str, object]) -> StartOrder:
    environment = _get(order, "environment", dict, {})
    for name, text in environment.items():
        if not isinstance(text, str) or not name or "=" in name or "\0" in name + text:
            raise ProtocolError(f"environment: {name!r} cannot be an environment variable")
    patterns = _get(order, "progressPatterns", list, [])
    command, shell = _get(order, "command", str), _get(order, "shell", str, "")
    if "\0" in command + shell:
        raise ProtocolError("command: has a NUL character")
    return StartOrder(
        run=run,
        job=_whole(order.get("job"), "job"),
        root=_whole(order.get("root"), "root"),
        work=str(order.get("work", "")),
        command=command,
        shell=shell,
        environment=environment,
        cpus=_whole(order.get("cpus", 1), "cpus"),
        log_limit=_whole(order.get("logLimit", 64 << 20), "logLimit"),
        kill_grace_seconds=_number(order.get("killGrace", 10.0), "killGrace"),
        split_output=_get(order, "splitOutput", bool, False),
        progress_patterns=tuple(str(pattern) for pattern in patterns),
        failure_patterns=tuple(map(_read_failure_pattern, _get(order, "failurePatterns", list, []))),
        limits=Limits.of_order(order, _number),
        hook=_get(order, "hook", str, ""),
    )


def _read_failure_pattern(value: object) -> FailurePattern:
    each = _struct(value, "failurePatterns")
    action = _get(each, "action", str)
    if action not in ACTIONS:
        raise ProtocolError(f"failurePatterns: the action must be one of {', '.join(ACTIONS)}")
    return FailurePattern(_get(each, "pattern", str), action)


def _interval(answer: Mapping[str, object]) -> float:
    """Bounded, so that no answer makes the daemon beat without a pause or fall silent."""
    return min(max(_number(answer.get("interval"), "interval"), 0.05), 300.0)


def _struct(value: object, place: str) -> Mapping[str, object]:
    if not isinstance(value, dict):
        raise ProtocolError(f"{place}: must be a struct")
    return value


def _get(struct: Mapping[str, object], key: str, kind: type[_T], default: _T | None = None) -> _T:
    value = struct.get(key, default)
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise ProtocolError(f"{key}: must be of type {kind.__name__}")
    return value


def _run_id(value: object, place: str) -> str:
    if not isinstance(value, str) or not _RUN.fullmatch(value):
        raise ProtocolError(f"{place}: must be 32 hex digits")
    return value


def _number(value: object, place: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value) or value < 0:
        raise ProtocolError(f"{place}: must be a number, 0 or more")
    return float(value)


def _whole(value: object, place: str) -> int:
    """A count; the wire writes one beyond 32 bits as a double."""
    number = _number(value, place)
    if number != int(number):
        raise ProtocolError(f"{place}: must be a whole number")
    return int(number)
