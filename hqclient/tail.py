"""The output of a job as it comes, run by run."""

from __future__ import annotations

import codecs
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from typing import Any

from hqserver.domain.run import Stream, output_marker
from hqserver.domain.status import FINISHED_JOB

from .connection import NOT_IN_XML, Caller
from .errors import Busy, FarmUnreachable, UnknownMethod
from .follow import watch
from .news import Patience, Pauses

_RUNS, _PIECE = 100, 256 * 1024


class OutputFollower:
    """Gives the output of one job as it comes, until the job has ended: what `getJobOutput` gives, piece by piece.

    `stream`: of runs that keep them apart only this one, None for both.
    """

    def __init__(self, farm: Caller, job_id: int, pauses: Pauses | None = None, stream: Stream | None = None) -> None:
        self._farm = farm
        self._job_id = job_id
        self._stream = stream
        self._pauses = pauses or Pauses()
        self._patience = Patience(self._pauses.clock)
        self._tries: Counter[str] = Counter()
        self._within_line = False

    def __iter__(self) -> Iterator[str]:
        """Pieces of text, none empty. Raises `NotFound`, and `FarmUnreachable` as `watch` does.

        A job that is run afresh while it is followed is followed on: each further try begins with a line that says so.
        """
        try:
            found = self._farm.call("getRuns", self._job_id, _RUNS, 0)
        except UnknownMethod:
            if self._stream is not None:
                raise
            yield from self._whole()
            return
        seen = 0
        with closing(watch(self._farm, [self._job_id], pauses=self._pauses)) as watching:
            for jobs in watching:
                # The status was read first: a job that has ended gets no more runs.
                ended = jobs[0]["status"] in FINISHED_JOB
                while found := self._ask("getRuns", self._job_id, _RUNS, seen):
                    for run in found:
                        yield from self._output_of(run, seen)
                        seen += 1
                if ended:
                    return

    def so_far(self) -> Iterator[str]:
        """Pieces of text, what there is now, without waiting for what comes. Raises `NotFound`, `FarmUnreachable`."""
        seen = 0
        while found := self._farm.call("getRuns", self._job_id, _RUNS, seen):
            for run in found:
                yield from self._output_of(run, seen, to_its_end=False)
                seen += 1

    def _ask(self, name: str, *args: object) -> Any:
        """The answer, which is worth waiting for while the server is away."""
        while (answer := self._patience.ask(self._farm, name, *args)) is None:
            self._pauses.take()
        return answer

    def _output_of(self, run: dict[str, Any], place: int, *, to_its_end: bool = True) -> Iterator[str]:
        """What a run writes, until it has ended."""
        if run["slot"] > 0:
            return  # a further client: it runs nothing of ours
        if self._stream is not Stream.STDERR:
            yield from self._log_of(run, place, Stream.STDOUT, to_its_end)
        if self._stream is not Stream.STDOUT and run.get("splitOutput"):  # an older server has never heard of it
            yield from self._log_of(run, place, Stream.STDERR, to_its_end)

    def _log_of(self, run: dict[str, Any], place: int, stream: Stream, to_its_end: bool) -> Iterator[str]:
        """What a run writes to a stream. Only the run itself tells of more output: no event does."""
        decoder = codecs.getincrementaldecoder("utf-8")("replace")
        which = () if stream is Stream.STDOUT else (stream.value,)
        follows = self._stream is None and stream is Stream.STDERR
        offset, ended, began = 0, False, False
        while not ended:
            piece = self._ask("getRunOutput", run["id"], offset, _PIECE, *which)
            ended = (piece["ended"] or not to_its_end) and piece["next"] >= piece["size"]
            if ended and not piece["next"] and not follows:
                (run,) = self._ask("getRuns", self._job_id, 1, place)
            if not began and (piece["next"] or (ended and _is_marked(run, piece, follows))):
                began = True
                yield from self._marker(run, follows)
            offset = piece["next"]
            text = NOT_IN_XML.sub("\ufffd", decoder.decode(piece["data"], ended))
            if text:
                self._pauses.news()
                self._within_line = not text.endswith("\n")
                yield text
            elif not ended:
                self._pauses.take()
        if piece["truncated"]:
            self._within_line = False
            yield "\n[hq] some of this output is not on the server\n"

    def _marker(self, run: dict[str, Any], follows: bool) -> Iterator[str]:
        """The line before a log; `follows`: before that of stderr, behind that of stdout."""
        self._tries[run["work"]] += not (run["kind"] or follows)
        stream = Stream.STDERR if follows else Stream.STDOUT
        if marker := output_marker(run["kind"], self._tries[run["work"]], run["client"], run["work"], stream):
            yield f"\n{marker}" if self._within_line else marker
            self._within_line = False

    # Servers without getRuns -----------------------------------------------------------------------------------------

    def _whole(self) -> Iterator[str]:
        """The same of an older server: the whole text is asked for again and again, and what is new is given."""
        seen = 0
        for jobs in watch(self._farm, [self._job_id], pauses=self._pauses):
            ended = jobs[0]["status"] in FINISHED_JOB
            text = str(self._ask("getJobOutput", self._job_id)) if ended else self._so_far()
            if text is None:
                continue
            if len(text) < seen:
                seen = 0
            if len(text) > seen:
                news, seen = text[seen:], len(text)
                self._pauses.news()
                yield news

    def _so_far(self) -> str | None:
        """The output so far; None where the server is away, which the next look at the status deals with."""
        try:
            return str(self._farm.call("getJobOutput", self._job_id))
        except (FarmUnreachable, Busy):
            return None


def _is_marked(run: dict[str, Any], piece: dict[str, Any], follows: bool) -> bool:
    """Whether a log without a byte is told of: that of a run that began, and of stderr one that was lost."""
    return bool(piece["truncated"]) if follows else run["startTime"] is not None
