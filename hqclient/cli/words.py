"""Values in the words people read: durations, times, sizes."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

_UNITS = ((86_400, "d"), (3_600, "h"), (60, "m"), (1, "s"))


def duration(seconds: float) -> str:
    """The two largest units that matter: `3.2 s`, `42 s`, `2 h 14 m`, `9 d 3 h`. Below zero is zero."""
    seconds = max(0.0, seconds)
    if 0 < seconds < 10:
        return f"{seconds:.1f}".removesuffix(".0") + " s"
    left = int(seconds)
    for index, (size, letter) in enumerate(_UNITS[:-1]):
        if left >= size:
            smaller, smaller_letter = _UNITS[index + 1]
            count = left % size // smaller
            return f"{left // size} {letter}" + (f" {count} {smaller_letter}" if count else "")
    return f"{left} s"


def between(start: datetime | None, end: datetime | None) -> str:
    """How long from one naive UTC time to another; "" where one is missing."""
    return duration((end - start).total_seconds()) if start and end else ""


def local_time(utc: datetime | None) -> str:
    """A naive UTC time by the clock of this machine: `2026-11-21 04:02:11`; "" for None."""
    return utc.replace(tzinfo=UTC).astimezone().strftime("%Y-%m-%d %H:%M:%S") if utc else ""


def ago(utc: datetime | None, now: datetime) -> str:
    """`2026-11-21 04:02:11 (3 m ago)`; "" for None. `now` is the server's time, naive UTC."""
    return f"{local_time(utc)} ({between(utc, now)} ago)" if utc else ""


def utc_offset(minutes: int) -> str:
    """How far a clock is ahead of UTC: `UTC`, `UTC+02:00`, `UTC-03:30`."""
    if not minutes:
        return "UTC"
    hours, rest = divmod(abs(minutes), 60)
    return f"UTC{'+' if minutes > 0 else '-'}{hours:02}:{rest:02}"


def memory(kilobytes: Any) -> str:
    """A size HQueue counts in kilobytes: `15.6 GB`; "" where it is not known."""
    if not isinstance(kilobytes, int | float) or kilobytes <= 0:
        return ""
    return f"{kilobytes / 1024**2:.1f} GB"


def percent(fraction: float) -> int:
    """Whole percents done; 100 only when all is done. A fraction outside 0 to 1 is taken as the nearer end."""
    # 0.29 * 100 is 28.999999999999996.
    return int(min(1.0, max(0.0, fraction)) * 100 + 1e-9)


def tasks(counts: Any) -> str:
    """The descendants of a job that have ended: `4/10`, `4/10 (1 failed)`; "" where there are none."""
    if not isinstance(counts, dict) or not counts.get("total"):
        return ""
    failed = f" ({counts['failed']} failed)" if counts.get("failed") else ""
    return f"{counts.get('finished', 0)}/{counts['total']}{failed}"


def count(number: int, noun: str) -> str:
    """`1 job`, `2 jobs`."""
    return f"{number} {noun}" + ("" if number == 1 else "s")
