"""Which bytes of which log go with the next beat. The server's offset is the truth (PROMISES 2.6)."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from hqserver.domain.run import Stream

from .protocol import Log

BEAT_LIMIT = 4 << 20
"""Bytes of output in one beat (PROTOCOL.md)."""
LIVE_SECONDS = 1.0
"""Output of live runs goes with a beat at most this often; that of ended runs goes at once."""
_LEAST_SHARE = 64 << 10


class LogSource(Protocol):
    """The part of `RunFolder` that is read here."""

    def log_size(self, stream: Stream) -> int:
        """Bytes of the stream's log so far."""

    def read_log(self, offset: int, limit: int, stream: Stream) -> bytes:
        """At most `limit` bytes from `offset`."""

    def progress(self) -> float:
        """0.0 .. 1.0."""


Live = tuple[LogSource, tuple[Stream, ...]]
"""The logs of a live run, and the streams that have one."""
Ended = tuple[LogSource, Mapping[Stream, int]]
"""The logs of a run that has ended, and the final size of each."""


@dataclass(frozen=True)
class Piece:
    """`data` is a log of `run`, that of `stream`, from `offset`."""

    run: str
    offset: int
    data: bytes
    stream: Stream = Stream.STDOUT

    @property
    def log(self) -> Log:
        """The log that it is a piece of."""
        return Log(self.run, self.stream)


@dataclass
class Shipment:
    """What goes with one beat. `complete` are the ended runs whose logs the server has in full after it, with the bytes
    of each that there are."""

    pieces: list[Piece] = field(default_factory=list)
    complete: dict[str, dict[Stream, int]] = field(default_factory=dict)
    progress: dict[str, float] = field(default_factory=dict)


class Shipping:
    """Follows the logs of runs from their start to their settlement.

    The server takes a piece only where its own log ends, so what was sent counts only once it is known where that is.
    It is in doubt after a beat that was not answered, for runs of an earlier daemon, and after a registration, which
    may be with a server that was restored: such a log completes only with what the server says it has. A run completes
    with all its logs. An older server knows nothing of logs of stderr: it is sent none, and none is waited for.
    """

    def __init__(self) -> None:
        self._offsets: dict[Log, int] = {}
        self._in_doubt: set[Log] = set()
        self._progress: dict[str, float] = {}
        self._live_at = float("-inf")
        self._stderr_is_known = True

    def doubt(self, runs: Iterable[str]) -> None:
        """It is not known any more, or never was, how much of the logs of these runs the server has."""
        for log in [Log(run, stream) for run in runs for stream in Stream]:
            self._offsets.pop(log, None)
            self._in_doubt.add(log)

    def keep_only(self, held: Container[str]) -> None:
        """Forget the runs that are not held any more."""
        for log in [log for log in self._offsets if log.run not in held]:
            del self._offsets[log]
        for run in [run for run in self._progress if run not in held]:
            del self._progress[run]
        self._in_doubt = {log for log in self._in_doubt if log.run in held}

    def has_news(self, live: Mapping[str, Live], now: float) -> bool:
        """Whether a live run has output or progress that the server does not know and that may go now."""
        return now - self._live_at >= LIVE_SECONDS and any(
            source.progress() != self._progress.get(run, 0.0)
            or any(source.log_size(log.stream) > self._offsets.get(log, 0) for log in self._sent_of(run, streams))
            for run, (source, streams) in live.items()
        )

    def next_shipment(self, ended: Mapping[str, Ended], live: Mapping[str, Live], now: float) -> Shipment:
        """What to send now; `now` is monotonic.

        The room in a beat is shared evenly; ended runs come first, and what one log leaves goes to the next.
        """
        shipment = Shipment()
        whole: dict[Log, int] = {}
        waiting: dict[Log, tuple[LogSource, int]] = {}
        for run, (source, sizes) in ended.items():
            for log in self._sent_of(run, sizes):
                size = sizes[log.stream]
                if size == 0 or (log not in self._in_doubt and self._offsets.get(log, 0) >= size):
                    whole[log] = size
                else:
                    waiting[log] = (source, size)
        if now - self._live_at >= LIVE_SECONDS:
            for run, (source, streams) in live.items():
                for log in self._sent_of(run, streams):
                    size = source.log_size(log.stream)
                    if size > self._offsets.get(log, 0):
                        waiting[log] = (source, size)
                        self._live_at = now
                progress = source.progress()
                if progress != self._progress.get(run, 0.0):
                    shipment.progress[run] = progress
                    self._live_at = now
        room = BEAT_LIMIT
        for left, (log, (source, size)) in zip(range(len(waiting), 0, -1), waiting.items(), strict=True):
            if log in self._in_doubt and log not in self._offsets:
                shipment.pieces.append(Piece(log.run, 0, b"", log.stream))  # the answer says where the server's ends
                continue
            offset = self._offsets.setdefault(log, 0)
            share = min(max(size - offset, 0), room, max(room // left, _LEAST_SHARE))
            data = source.read_log(offset, share, log.stream)
            if data or log in self._in_doubt:
                shipment.pieces.append(Piece(log.run, offset, data, log.stream))
                room -= len(data)
            # A log shorter than its record says has been cut by a crash: what is there is all there will be.
            if (offset + len(data) >= size or (not data and room > 0)) and log not in self._in_doubt:
                whole[log] = offset + len(data)
        self._in_doubt.update(piece.log for piece in shipment.pieces)
        for run, (_, sizes) in ended.items():
            if all(log in whole for log in self._sent_of(run, sizes)):
                shipment.complete[run] = {log.stream: whole[log] for log in self._sent_of(run, sizes)}
        return shipment

    def answered(self, shipment: Shipment, offsets: Mapping[Log, int], *, stderr_is_known: bool = True) -> bool:
        """The server has answered the beat with this shipment; returns whether any log got further.

        `stderr_is_known`: by a server that knows of logs of stderr.
        """
        self._progress.update(shipment.progress)
        further = stderr_is_known != self._stderr_is_known
        self._stderr_is_known = stderr_is_known
        for piece in shipment.pieces:
            if piece.log in offsets:
                before = self._offsets.get(piece.log, 0 if piece.data else -1)
                further = further or offsets[piece.log] != before
                self._offsets[piece.log] = offsets[piece.log]
                self._in_doubt.discard(piece.log)
        complete = {Log(run, stream) for run, sizes in shipment.complete.items() for stream in sizes}
        for log in complete & offsets.keys() - {piece.log for piece in shipment.pieces}:
            # It had all there was and has lost a part: how much it has now is no doubt.
            further = further or offsets[log] != self._offsets.get(log, 0)
            self._offsets[log] = offsets[log]
        return further

    def _sent_of(self, run: str, streams: Iterable[Stream]) -> list[Log]:
        """The logs of the run that are sent to this server."""
        return [Log(run, stream) for stream in streams if self._stderr_is_known or stream is not Stream.STDERR]
