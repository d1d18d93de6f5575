"""How a run ended."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RunEnd:
    """What its client says of a run that ended. `max_memory` is in kB, `log_size` in bytes, `log_hash` SHA-256."""

    exit_code: int | None = None
    signal: int | None = None
    reason: str = ""
    log_size: int | None = None
    log_hash: str = ""
    log_truncated: bool = False
    cpu_seconds: float | None = None
    max_memory: int | None = None

    def told(self, label: str, *, killed: bool = False, limit: str = "") -> str:
        """How it ended on the client called `label`, for people: "exit code 3 on node7"."""
        if limit:
            return f"{self.reason or limit} on {label}"
        if killed:
            return f"killed on {label}"
        how = f"ended by signal {self.signal}" if self.signal else f"exit code {self.exit_code}"
        return f"{how} on {label}: {self.reason}" if self.reason else f"{how} on {label}"
