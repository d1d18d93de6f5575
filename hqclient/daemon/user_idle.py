"""For how long nobody has touched keyboard or mouse (CONTRACT 9.24)."""

from __future__ import annotations

import ctypes
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path

import psutil

_QUESTION_SECONDS = 5.0


def user_idle_minutes() -> int:
    """Whole minutes since the last input of the user who was active last, -1 unknown. Never guessed from
    CPU load."""
    if sys.platform == "win32":
        seconds = _windows()
    elif sys.platform == "darwin":
        seconds = _macos(_answer("/usr/sbin/ioreg", "-c", "IOHIDSystem", "-d", "4"))
    else:
        found = [idle for idle in (_x11(), _logind(), _terminals()) if idle is not None]
        seconds = min(found) if found else None
    return -1 if seconds is None else max(0, int(seconds // 60))


def _answer(*command: str) -> str:
    """What a system's own program prints; "" when it is missing, fails or hangs."""
    if shutil.which(command[0]) is None:
        return ""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_QUESTION_SECONDS, check=False)
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout if done.returncode == 0 else ""


def _x11() -> float | None:
    """X11's own counter, where `xprintidle` is installed and the daemon runs inside the session."""
    text = _answer("xprintidle").strip() if os.environ.get("DISPLAY") else ""
    return int(text) / 1000 if text.isdigit() else None


def _logind() -> float | None:
    """The least idle of logind's user sessions. A desktop tells logind itself when its user has gone idle."""
    sessions = [
        line.split()[0] for line in _answer("loginctl", "list-sessions", "--no-legend").splitlines() if line.strip()
    ]
    if not sessions:
        return None
    wanted = ("Class", "State", "IdleHint", "IdleSinceHint")
    return logind_idle_seconds(
        _answer("loginctl", "show-session", *sessions, *(f"--property={name}" for name in wanted)),
        time.time(),
    )


def logind_idle_seconds(text: str, now: float) -> float | None:
    """Idle seconds from what `loginctl show-session` prints; sessions are separated by an empty line."""
    idles = []
    for block in re.split(r"\n\s*\n", text.strip()):
        session = dict(line.partition("=")[::2] for line in block.splitlines())
        if session.get("Class") != "user" or session.get("State") == "closing":
            continue
        since = session.get("IdleSinceHint", "")
        if session.get("IdleHint") != "yes":
            idles.append(0.0)
        elif since.isdigit():
            idles.append(now - int(since) / 1_000_000)
    return min(idles, default=None)


def _terminals() -> float | None:
    """The least idle terminal with a user: reading a key sets the terminal's access time."""
    return terminal_idle_seconds(
        (Path("/dev") / user.terminal for user in psutil.users() if user.terminal), time.time()
    )


def terminal_idle_seconds(terminals: Iterable[Path], now: float) -> float | None:
    """Seconds since the latest access to one of the terminals that exist, None without any."""
    accessed = []
    for terminal in terminals:
        try:
            accessed.append(terminal.stat().st_atime)
        except OSError:
            continue  # a display such as ":0", or a user who has just left
    return now - max(accessed) if accessed else None


def _macos(text: str) -> float | None:
    found = re.search(r'"HIDIdleTime"\s*=\s*(\d+)', text)
    return int(found.group(1)) / 1_000_000_000 if found else None


def _windows() -> float | None:
    if sys.platform != "win32":
        return None

    class LastInput(ctypes.Structure):
        _fields_ = (("cbSize", ctypes.c_uint), ("dwTime", ctypes.c_uint))

    last = LastInput(ctypes.sizeof(LastInput), 0)
    if not ctypes.windll.user32.GetLastInputInfo(ctypes.byref(last)):
        return None
    # Both are milliseconds in 32 bits that wrap around after 49 days.
    milliseconds: int = (ctypes.windll.kernel32.GetTickCount() - last.dwTime) & 0xFFFFFFFF
    return milliseconds / 1000
