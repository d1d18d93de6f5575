"""The output of a job as it comes, run by run."""

from __future__ import annotations

import codecs
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from typing import Any

from hqserver.domain.run import output_marker
from hqserver.domain.status import FINISHED_JOB

from .connection import NOT_IN_XML, Caller
from .errors import Busy, FarmUnreachable, UnknownMethod
from .follow import watch
from .news import Patience, Pauses

_RUNS, _PIECE = 100, 256 * 1024


class OutputFollower:
    """Gives the output of one job as it comes, until the job has ended: what `getJobOutput` gives, piece by piece."""

    def __init__(self, farm: Caller, job_id: int, pauses: Pauses | None = None) -> None:
        self._farm = farm
        self._job_id = job_id
        self._pauses = pauses or Pauses()
        self._patience = Patience(self._pauses.clock)
        self._tries: Counter[str] = Counter()

    def __iter__(self) -> Iterator[str]:
        """Pieces of text, none empty. Raises `NotFound`, and `FarmUnreachable` as `watch` does.

        A job that is run afresh while it is followed is followed on: each further try begins with a line that says so.
        """
        try:
            found = self._farm.call("getRuns", self._job_id, _RUNS, 0)
        except UnknownMethod:
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

    def _ask(self, name: str, *args: object) -> Any:
        """The answer, which is worth waiting for while the server is away."""
        while (answer := self._patience.ask(self._farm, name, *args)) is None:
            self._pauses.take()
        return answer

    def _output_of(self, run: dict[str, Any], place: int) -> Iterator[str]:
        """What a run writes, until it has ended. Only the run itself tells of more output: no event does."""
        if run["slot"] > 0:
            return  # a further client: it runs nothing of ours
        decoder = codecs.getincrementaldecoder("utf-8")("replace")
        offset, ended, began = 0, False, False
        while not ended:
            piece = self._ask("getRunOutput", run["id"], offset, _PIECE)
            ended = piece["ended"] and piece["next"] >= piece["size"]
            if ended and not piece["next"]:
                (run,) = self._ask("getRuns", self._job_id, 1, place)
            if not began and (piece["next"] or (ended and run["startTime"] is not None)):
                began = True
                yield from self._marker(run)
            offset = piece["next"]
            text = NOT_IN_XML.sub("\ufffd", decoder.decode(piece["data"], ended))
            if text:
                self._pauses.news()
                yield text
            elif not ended:
                self._pauses.take()
        if piece["truncated"]:
            yield "\n[hq] some of this output is not on the server\n"

    def _marker(self, run: dict[str, Any]) -> Iterator[str]:
        self._tries[run["work"]] += not run["kind"]
        if marker := output_marker(run["kind"], self._tries[run["work"]], run["client"], run["work"]):
            yield marker

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
