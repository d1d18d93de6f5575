"""The loop that hands out work, and what else happens at intervals: APScheduler with a watchdog beside it.

A pass is asked for, never done, by whoever submits a job or frees a client: asking sets a flag, and a pass repeats
until it finds the flag clear, because APScheduler drops a run that is asked for while one is running (DESIGN,
Dispatch). APScheduler 3 computes its next run by the wall clock and falls silent when that steps back (PROMISES 1.2);
the watchdog counts by a clock that never jumps and runs what is overdue.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.jobstores.base import JobLookupError
from apscheduler.schedulers.background import BackgroundScheduler

from hqserver.services.farm import Clock

_LOG = logging.getLogger(__name__)
_DISPATCH = "dispatch"
_PASS_SECONDS = 2.0
_WATCH_SECONDS = 0.5
_LONG_SECONDS = 10.0
_TICKS_AT_ONCE = 5  # two of them may be long: a copy of the database and an audit that somebody waits for


@dataclass(slots=True)
class Tick:
    """Something done at intervals. `ran_at` and `ended_at`, of its last run, are by the monotonic clock; `late` allows
    for a busy machine. `told_at`: the `ran_at` of the last run that was told to take long."""

    name: str
    seconds: float
    action: Callable[[], object]
    ran_at: float
    ended_at: float
    running: int = 0
    told_at: float = -1.0

    def late(self, monotonic: float) -> bool:
        """Whether it should have run, and a second more, and is not at it. After a long run it is due an interval
        later."""
        return not self.running and monotonic - max(self.ran_at, self.ended_at) > self.seconds + 1.0

    def takes_long(self, monotonic: float) -> bool:
        """Whether it is at it beyond the time of its next run."""
        return self.running > 0 and monotonic - self.ran_at > self.seconds + _LONG_SECONDS


class Ticks:
    """Runs the dispatch pass when asked and every few seconds anyway, and each tick at its interval."""

    def __init__(self, clock: Clock):
        self._clock = clock
        self._asked = threading.Event()
        self._kicked = threading.Event()
        self._passing = threading.Lock()
        self._stop = threading.Event()
        self._ticks: dict[str, Tick] = {}
        self._dispatch: Callable[[], bool] = lambda: False
        # A pass is never kept waiting by a tick, nor a tick by passes.
        self._scheduler = BackgroundScheduler(
            executors={"default": ThreadPoolExecutor(_TICKS_AT_ONCE)},
            job_defaults={"max_instances": 1, "coalesce": True, "misfire_grace_time": None},
            timezone=UTC,
        )
        self._watchdog = threading.Thread(target=self._watch, name="watchdog", daemon=True)

    def start(self, dispatch: Callable[[], bool], ticks: Sequence[tuple[str, float, Callable[[], object]]]) -> None:
        """Begin. `dispatch` does one pass and says whether there is more to do; `ticks` are (name, seconds, action)."""
        self._dispatch = dispatch
        now = self._clock.monotonic()
        for name, seconds, action in [(_DISPATCH, _PASS_SECONDS, self._passes), *ticks]:
            tick = self._ticks[name] = Tick(name, seconds, action, now, now)
            # APScheduler counts a pass as running for a moment after it has ended and would drop an ask in that
            # moment, so it may start a second one, which the lock sends away where the first is still at work.
            most = 2 if name == _DISPATCH else 1
            self._scheduler.add_job(self._run, "interval", [tick], id=name, seconds=seconds, max_instances=most)
        self._scheduler.start()
        self._watchdog.start()
        if self._asked.is_set():  # before or while this started, when nobody could be kicked
            self._kicked.set()
            self._kick(_DISPATCH)

    def ask_for_pass(self) -> None:
        """Have a pass done soon. Cheap, from any thread; many asks while one waits are one."""
        self._asked.set()
        if self._passing.locked() or self._kicked.is_set() or not self._ticks:
            return  # the pass that is running or about to run finds the flag
        self._kicked.set()
        self._kick(_DISPATCH)

    def ages(self) -> dict[str, float]:
        """Seconds since each tick last ran: what `/metrics` tells."""
        now = self._clock.monotonic()
        return {tick.name: max(now - tick.ran_at, 0.0) for tick in self._ticks.values()}

    def stop(self) -> None:
        """End: what runs is finished, nothing new begins."""
        self._stop.set()
        if self._ticks:
            self._watchdog.join()
            self._scheduler.shutdown(wait=True)

    def _kick(self, name: str) -> None:
        try:
            self._scheduler.modify_job(name, next_run_time=datetime.now(UTC))
        except JobLookupError:
            pass  # the scheduler is shutting down

    def _run(self, tick: Tick) -> None:
        tick.ran_at = self._clock.monotonic()
        tick.running += 1
        try:
            tick.action()
        except Exception:
            _LOG.exception("the tick %s failed; it is tried again", tick.name)
        finally:
            tick.ended_at = self._clock.monotonic()
            tick.running -= 1

    def _passes(self) -> None:
        self._kicked.clear()
        again = True
        while again and not self._stop.is_set():
            if not self._passing.acquire(blocking=False):
                return  # the other one looks at the flag again before and after it ends
            try:
                more = True
                while more and not self._stop.is_set():
                    self._asked.clear()
                    more = self._dispatch() or self._asked.is_set()
            finally:
                self._passing.release()
            again = self._asked.is_set()

    def _watch(self) -> None:
        while not self._stop.wait(_WATCH_SECONDS):
            now = self._clock.monotonic()
            at_work = [tick for tick in self._ticks.values() if tick.running]
            for tick in at_work:
                if tick.takes_long(now) and tick.told_at != tick.ran_at:
                    tick.told_at = tick.ran_at
                    text = "the tick %s has been running for %.0f s: a long write is in its way, or it has much to do"
                    _LOG.warning(text, tick.name, now - tick.ran_at)
            if sum(tick.running for tick in at_work) >= _TICKS_AT_ONCE:
                continue  # who waits for the others to end begins then; asking for it now would be in vain
            for tick in self._ticks.values():
                if tick.late(now):
                    self._run_late(tick)

    def _run_late(self, tick: Tick) -> None:
        """Have a tick run that should have begun, and say what kept it."""
        job = self._scheduler.get_job(tick.name)
        ahead = (job.next_run_time - datetime.now(UTC)).total_seconds() if job is not None else 0.0
        if ahead > tick.seconds + 1.0:
            text = "the tick %s is overdue: the clock has stepped back, its next run was %.0f s ahead; running it"
            _LOG.warning(text, tick.name, ahead)
        else:
            _LOG.warning("the tick %s is overdue, which a busy machine makes it; running it", tick.name)
        self._kick(tick.name)
