"""What takes longer than a caller should wait: one at a time of each kind, in a thread of its own."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from typing import Any

from hqserver.domain.errors import Busy, FarmError

_LOG = logging.getLogger(__name__)

Tell = Callable[..., None]
"""Called by the work with what is known of it by now, by name; later values replace earlier ones."""


class Failed(Exception):
    """Why the work cannot be done, in one sentence."""


class LongTask:
    """Whoever asks for it while it is done is told how far it is; its end is told to whoever asks next.

    It ends with the database: what it writes after that raises `Busy`. Then there is no more to tell of it than to ask
    again, and whoever asks is refused so.
    """

    def __init__(self, name: str):
        self.name = name
        self._guard = threading.Lock()
        self._current: _Current | None = None

    @property
    def running(self) -> bool:
        """Whether it is being done."""
        current = self._current
        return current is not None and not current.ended.is_set()

    def ask(self, work: Callable[[Tell], None], seconds: float, first: Mapping[str, Any]) -> dict[str, Any]:
        """Have `work` done, unless it is being done or the last one's end was not told yet, and wait for its end for at
        most so long. The answer: `running`, `failed` (a sentence, "" for success), and what the work told; what is
        known `first`, before it tells anything. Raises `Busy` where the server is ending."""
        with self._guard:
            current = self._current
            if current is None:
                current = self._current = _Current(self.name, work, first)
                threading.Thread(target=current.carry_out, name=self.name, daemon=True).start()
        ended = current.ended.wait(seconds)
        with self._guard:
            if ended and self._current is current:
                self._current = None
        if ended and current.interrupted:
            raise Busy(current.failed)
        return {"running": not ended, "failed": current.failed, **current.told}


class _Current:
    def __init__(self, name: str, work: Callable[[Tell], None], first: Mapping[str, Any]):
        self.name, self.work = name, work
        self.ended = threading.Event()
        self.failed = ""
        self.interrupted = False
        self.told = dict(first)

    def tell(self, **known: Any) -> None:
        self.told = self.told | known  # a new one: it is read by others meanwhile

    def carry_out(self) -> None:
        try:
            self.work(self.tell)
        except (FarmError, Failed) as problem:
            self.failed, self.interrupted = str(problem), isinstance(problem, Busy)
            _LOG.warning("%s ended early: %s", self.name, problem)
        except Exception:
            self.failed = "it failed; the server's log says how"
            _LOG.exception("%s failed", self.name)
        finally:
            self.ended.set()
