"""Which bytes of which log go with the next beat. The server's offset is the truth (PROMISES 2.6)."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

BEAT_LIMIT = 4 << 20
"""Bytes of output in one beat (PROTOCOL.md)."""
LIVE_SECONDS = 1.0
"""Output of live runs goes with a beat at most this often; that of ended runs goes at once."""
_LEAST_SHARE = 64 << 10


class LogSource(Protocol):
    """The part of `RunFolder` that is read here."""

    def log_size(self) -> int:
        """Bytes of the log so far."""

    def read_log(self, offset: int, limit: int) -> bytes:
        """At most `limit` bytes from `offset`."""

    def progress(self) -> float:
        """0.0 .. 1.0."""


@dataclass(frozen=True)
class Piece:
    """`data` is the log of `run` from `offset`."""

    run: str
    offset: int
    data: bytes


@dataclass
class Shipment:
    """What goes with one beat. `complete` are the ended runs whose log the server has in full after it, with the bytes
    of it that there are."""

    pieces: list[Piece] = field(default_factory=list)
    complete: dict[str, int] = field(default_factory=dict)
    progress: dict[str, float] = field(default_factory=dict)


class Shipping:
    """Follows the logs of runs from their start to their settlement.

    The server takes a piece only where its own log ends, so what was sent counts only once it is known where that is.
    It is in doubt after a beat that was not answered, for runs of an earlier daemon, and after a registration, which
    may be with a server that was restored: such a run completes only with what the server says it has.
    """

    def __init__(self) -> None:
        self._offsets: dict[str, int] = {}
        self._in_doubt: set[str] = set()
        self._progress: dict[str, float] = {}
        self._live_at = float("-inf")

    def doubt(self, runs: Iterable[str]) -> None:
        """It is not known any more, or never was, how much of the logs of these runs the server has."""
        for run in runs:
            self._offsets.pop(run, None)
            self._in_doubt.add(run)

    def keep_only(self, held: Container[str]) -> None:
        """Forget the runs that are not held any more."""
        for known in (self._offsets, self._progress):
            for run in [run for run in known if run not in held]:
                del known[run]
        self._in_doubt = {run for run in self._in_doubt if run in held}

    def has_news(self, live: Mapping[str, LogSource], now: float) -> bool:
        """Whether a live run has output or progress that the server does not know and that may go now."""
        return now - self._live_at >= LIVE_SECONDS and any(
            source.log_size() > self._offsets.get(run, 0) or source.progress() != self._progress.get(run, 0.0)
            for run, source in live.items()
        )

    def next_shipment(
        self, ended: Mapping[str, tuple[LogSource, int]], live: Mapping[str, LogSource], now: float
    ) -> Shipment:
        """What to send now. `ended` maps runs to their log and its final size; `now` is monotonic.

        The room in a beat is shared evenly; ended runs come first, and what one leaves goes to the next.
        """
        shipment = Shipment()
        waiting: dict[str, tuple[LogSource, int]] = {}
        for run, (source, size) in ended.items():
            if size == 0 or (run not in self._in_doubt and self._offsets.get(run, 0) >= size):
                shipment.complete[run] = size
            else:
                waiting[run] = (source, size)
        if now - self._live_at >= LIVE_SECONDS:
            for run, source in live.items():
                size = source.log_size()
                if size > self._offsets.get(run, 0):
                    waiting[run] = (source, size)
                    self._live_at = now
                progress = source.progress()
                if progress != self._progress.get(run, 0.0):
                    shipment.progress[run] = progress
                    self._live_at = now
        room = BEAT_LIMIT
        for left, (run, (source, size)) in zip(range(len(waiting), 0, -1), waiting.items(), strict=True):
            if run in self._in_doubt and run not in self._offsets:
                shipment.pieces.append(Piece(run, 0, b""))  # the answer says where the server's log ends
                continue
            offset = self._offsets.setdefault(run, 0)
            data = source.read_log(offset, min(max(size - offset, 0), room, max(room // left, _LEAST_SHARE)))
            if data or run in self._in_doubt:
                shipment.pieces.append(Piece(run, offset, data))
                room -= len(data)
            # A log shorter than its record says has been cut by a crash: what is there is all there will be.
            whole = offset + len(data) >= size or (not data and room > 0)
            if run in ended and whole and run not in self._in_doubt:
                shipment.complete[run] = offset + len(data)
        self._in_doubt.update(piece.run for piece in shipment.pieces)
        return shipment

    def answered(self, shipment: Shipment, offsets: Mapping[str, int]) -> bool:
        """The server has answered the beat with this shipment; returns whether any log got further."""
        self._progress.update(shipment.progress)
        further = False
        for piece in shipment.pieces:
            if piece.run in offsets:
                before = self._offsets.get(piece.run, 0 if piece.data else -1)
                further = further or offsets[piece.run] != before
                self._offsets[piece.run] = offsets[piece.run]
                self._in_doubt.discard(piece.run)
        for run in shipment.complete.keys() & offsets.keys() - {piece.run for piece in shipment.pieces}:
            # It had all there was and has lost a part: how much it has now is no doubt.
            further = further or offsets[run] != self._offsets.get(run, 0)
            self._offsets[run] = offsets[run]
        return further
