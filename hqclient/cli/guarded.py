"""A command of this machine that runs only as long as something holds, as `hq lock` runs one."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import FrameType

_LOOK_SECONDS = 0.2
_BY_SIGNAL = 128

_PASSED_ON = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]


def run_guarded(words: Sequence[str], over: Callable[[], bool], grace_seconds: float) -> int:
    """Run a command to its end; its exit code, as a shell tells it. Once `over` says so it is ended, with the processes
    below it, and killed after `grace_seconds`.

    It shares this program's terminal. SIGTERM and SIGHUP are passed on; of Ctrl-C the terminal tells both, and how it
    ends the command decides. Call it from the main thread. Raises `OSError` where the command cannot be started.
    """
    with _signals_passed_on() as passed_on:
        process = subprocess.Popen(words)
        passed_on.append(process)
        while True:
            try:
                code = process.wait(_LOOK_SECONDS)
            except subprocess.TimeoutExpired:
                if over():
                    _end(process, grace_seconds)
                    process.poll()
                    return _BY_SIGNAL + signal.SIGTERM
            else:
                return code if code >= 0 else _BY_SIGNAL - code


@contextmanager
def _signals_passed_on() -> Iterator[list[subprocess.Popen[bytes]]]:
    """Meanwhile signals end the command, once there is one in the list, and not this program."""
    running: list[subprocess.Popen[bytes]] = []

    def pass_on(number: int, frame: FrameType | None) -> None:
        if not running:
            raise KeyboardInterrupt
        if number != signal.SIGINT:
            running[0].send_signal(number)

    # What is ignored stays so, for the command too: nohup, or a shell's background.
    heard = [each for each in (signal.SIGINT, *_PASSED_ON) if signal.getsignal(each) is not signal.SIG_IGN]
    before = {number: signal.signal(number, pass_on) for number in heard}
    try:
        yield running
    finally:
        for number, handler in before.items():
            signal.signal(number, handler or signal.SIG_DFL)


def _end(process: subprocess.Popen[bytes], grace_seconds: float) -> None:
    """End the command and whatever it has started, kindly first."""
    import psutil  # here alone, because every other `hq` starts sooner without it

    try:
        found = [*psutil.Process(process.pid).children(recursive=True), psutil.Process(process.pid)]
    except psutil.Error:
        return  # it has ended meanwhile
    for kind in (psutil.Process.terminate, psutil.Process.kill):
        for each in found:
            try:
                kind(each)
            except psutil.Error:
                continue
        _, found = psutil.wait_procs(found, timeout=grace_seconds)
        if not found:
            return
