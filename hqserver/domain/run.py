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
