"""Runners that are not our daemon: what they say of themselves, and of the work they did (CONTRACT 10)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from .errors import BadParameters, near_match
from .naming import given_name
from .values import LARGEST_INTEGER, Wrong, as_integer, as_text

MOST_CPUS = 100_000
"""What a runner is taken to offer that does not say: all of a machine's CPUs for a job that asks for them, and never
too few for others. People and callers are shown 0 for it (`offered`)."""

ASKS_ITSELF = "is a runner that asks for its work itself"
"""Why the server gives a runner nothing unasked; completes "<client> ..."."""

MOST_MEMORY = 2**53
"""In kB, as for daemons: what a double, which carries large numbers, still holds exactly."""

LONGEST_CLAIM_SECONDS = 7 * 86_400
_LONGEST_REASON = 10_000


class Outcome(StrEnum):
    """How a runner left the work it had claimed."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"
    RETURNED = "returned"  # not done, through no fault of the job's: it goes back to the queue


@dataclass(frozen=True, slots=True)
class Runner:
    """Who claims work. `platform`, `cpus` and `memory` (kB) are what jobs' conditions are held against."""

    name: str
    platform: str = ""
    cpus: int = MOST_CPUS
    memory: int = 0


@dataclass(frozen=True, slots=True)
class Finish:
    """What a runner says at the end. `run` is the claim's, "" for the job's only one; `output` what the work wrote.

    `exit_code` is None where work that was returned has none; `result` is the document it leaves, where `has_result`.
    """

    outcome: Outcome
    run: str = ""
    exit_code: int | None = None
    reason: str = ""
    output: bytes = b""
    result: Any = None
    has_result: bool = False


def offered(cpus: int) -> int:
    """CPUs as they are shown: 0, nobody said, for `MOST_CPUS`."""
    return 0 if cpus >= MOST_CPUS else cpus


def shorter_lease(asked: int, of_job: int) -> int:
    """Seconds that a claim lasts: as asked, but no longer than the strict lease of the job (9.10); 0 is none."""
    return min(asked, of_job) if asked and of_job else asked or of_job


def parse_runner(given: object) -> Runner:
    """The runner that a name, or a dictionary of name, platform, cpus and memory, means. Raises `BadParameters`."""
    if isinstance(given, str):
        given = {"name": given}
    if not isinstance(given, Mapping):
        raise BadParameters(f"runner must be a name or a dictionary, not {type(given).__name__}")
    read = _read("runner", given, _OF_RUNNER)
    name = given_name(str(read.pop("name", "")), "a runner")
    if ":" in name:
        raise BadParameters(f"the name of a runner, {name!r}, holds a colon; that parts a machine from its client")
    return Runner(name, **read)


def parse_finish(given: object) -> Finish:
    """What an outcome means: `succeeded`, `failed` or `returned`, or a dictionary with that as `status`.

    Raises `BadParameters` naming the key, with the near match for one that is none.
    """
    if isinstance(given, str):
        given = {"status": given}
    if not isinstance(given, Mapping):
        raise BadParameters(f"outcome must be a status or a dictionary, not {type(given).__name__}")
    read = _read("outcome", given, _OF_FINISH)
    if "status" not in read:
        raise BadParameters(f"outcome.status must be one of {', '.join(Outcome)}")
    outcome = read.pop("status")
    code = read.pop("exitCode", None)
    if outcome is Outcome.RETURNED:
        pass  # whatever it was, it does not count
    elif code is None:
        code = int(outcome is Outcome.FAILED)
    elif (code == 0) is not (outcome is Outcome.SUCCEEDED):
        raise BadParameters(f"outcome.exitCode {code} is not that of work that {outcome}")
    has_result = read.get("result") is not None
    return Finish(outcome, exit_code=code, has_result=has_result, **read)


def _status(value: Any) -> Outcome:
    word = str(value).strip().lower()
    if word not in tuple(Outcome):
        raise Wrong(f"must be one of {', '.join(Outcome)}, not {value!r}{near_match(word, tuple(Outcome))}")
    return Outcome(word)


def _reason(value: Any) -> str:
    text = as_text(value)
    if len(text) > _LONGEST_REASON:
        raise Wrong(f"has {len(text)} characters, more than {_LONGEST_REASON}")
    return text


def _bytes(value: Any) -> bytes:
    if isinstance(value, bytes):
        return value
    return as_text(value).encode("utf-8", "surrogatepass")


_OF_RUNNER: dict[str, Callable[[Any], Any]] = {
    "name": as_text,
    "platform": as_text,
    "cpus": as_integer(1, MOST_CPUS),
    "memory": as_integer(0, MOST_MEMORY),
}
_OF_FINISH: dict[str, Callable[[Any], Any]] = {
    "status": _status,
    "run": as_text,
    "exitCode": as_integer(-LARGEST_INTEGER - 1),
    "reason": _reason,
    "output": _bytes,
    "result": lambda value: value,
}


def _read(what: str, given: Mapping[Any, Any], readers: Mapping[str, Callable[[Any], Any]]) -> dict[str, Any]:
    read = {}
    for key, value in given.items():
        if key not in readers:
            raise BadParameters(f"{what}: there is no key {key!r}{near_match(str(key), readers)}")
        if value is None:
            continue
        try:
            read[key] = readers[key](value)
        except Wrong as problem:
            raise BadParameters(f"{what}.{key} {problem}") from None
    return read
