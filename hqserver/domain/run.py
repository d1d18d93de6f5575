"""How a run ended, and how its output is told from that of others."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Stream(StrEnum):
    """What a command writes to. A run whose job does not say `splitOutput` has both in the log of the first."""

    STDOUT = "stdout"
    STDERR = "stderr"


def output_marker(kind: str, tries: int, label: str, work: str = "", stream: Stream = Stream.STDOUT) -> str:
    """The line before the output of a run in that of its job: of each piece of an agenda, of the command from its
    second try on, of a hook, and before what a run that keeps it apart wrote to stderr.

    `kind`: the hook, "" for the command; `tries`: which try of the command, or of the piece `work`, it is; `label`: of
    its client (CONTRACT 9.20).
    """
    again = f"try {tries}" if tries > 1 and not kind else ""
    apart = "" if stream is Stream.STDOUT else stream.value
    what = ", ".join(part for part in (kind or work, again, apart) if part)
    return f"[hq] {what} on {label}\n" if what else ""


@dataclass(frozen=True, slots=True)
class RunEnd:
    """What its client says of a run that ended. `max_memory` is in kB, `log_size` in bytes, `log_hash` SHA-256.

    The same of stderr where the run kept it apart, otherwise `stderr_size` is None.
    """

    exit_code: int | None = None
    signal: int | None = None
    reason: str = ""
    log_size: int | None = None
    log_hash: str = ""
    log_truncated: bool = False
    cpu_seconds: float | None = None
    max_memory: int | None = None
    stderr_size: int | None = None
    stderr_hash: str = ""
    stderr_truncated: bool = False

    def told(self, label: str, *, killed: bool = False, limit: str = "") -> str:
        """How it ended on the client called `label`, for people: "exit code 3 on node7"."""
        if limit:
            return f"{self.reason or limit} on {label}"
        if killed:
            return f"killed on {label}"
        how = f"ended by signal {self.signal}" if self.signal else f"exit code {self.exit_code}"
        if self.reason.startswith(how):  # the client says it too, with the signal's name
            how, _, more = self.reason.partition("; ")
        else:
            more = self.reason
        return f"{how} on {label}: {more}" if more else f"{how} on {label}"
