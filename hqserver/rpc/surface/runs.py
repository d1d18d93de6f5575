"""Runs: the attempts at a job's work, one by one (CONTRACT 10)."""

from __future__ import annotations

from typing import Any

from hqserver.rpc.method import Caller, Id, rpc
from hqserver.services.control.run_actions import change_runs
from hqserver.services.farm import Farm
from hqserver.services.queries.run_records import list_runs, run_output


class Runs:
    """The attempts at a job's work: listed, told what to do one by one, their output by offset."""

    def __init__(self, farm: Farm):
        self._farm = farm

    @rpc("getRuns")
    def get_runs(self, job_id: Id, limit: int = 1_000, offset: int = 0) -> list[dict[str, Any]]:
        """A page of the job's runs in the order in which they were given out, the oldest first.

        Each has id (32 hexadecimal digits), work (name of its piece, "" without an agenda), slot (above 0: it only
        holds a further client), kind (the hook it runs, "" for the command), client, status, startTime, endTime,
        exitCode, signal, reason, cpuSeconds, maxMemory in kB, and splitOutput (whether its stderr is kept apart); None
        for what is not known (yet). Statuses: offered, running, pausing, paused, resuming, ending, lost (alive),
        succeeded, failed, cancelled, ejected, preempted, superseded. A negative `offset` counts from the end:
        `getRuns(job_id, 1, -1)` is the last run.

        Faults: 404 when the job does not exist, -32602 for a limit that is not from 1 to 10,000.
        """
        return list_runs(self._farm, job_id, limit, offset)

    @rpc("changeRuns", idempotent=False)
    def change_runs(self, caller: Caller, run_ids: list[str], action: str) -> list[dict[str, Any]]:
        """Do something to single live runs: `migrate` (or eject) kills it, and its work goes to another client;
        `cancel` (or kill) ends it, and its work is cancelled; `suspend` stops it in place; `resume` lets it go on.

        Answers `{id, changed, was, now, why}` for each run in their order: its status before and now, and why nothing
        was changed. Returns at once: a run ends or stands still when its client has confirmed that. Faults: -32602 for
        another action, 413 for more than 10,000 runs.
        """
        return change_runs(self._farm, run_ids, action, caller.user or caller.peer)

    @rpc("getRunOutput")
    def get_run_output(
        self, run_id: str, offset: int = 0, max_bytes: int = 1_048_576, stream: str = "stdout"
    ) -> dict[str, Any]:
        """A piece of what a run wrote, byte for byte: `{data, offset, next, size, ended, truncated}`.

        `stream`: "stdout", with stderr in it unless the job's `splitOutput` keeps that apart, or "stderr": of a run
        that keeps nothing there it is empty and has `ended`.

        `data` is base64, at most `max_bytes` from `offset` on; a negative `offset` counts from the end. `next` is the
        offset at which to go on, `size` how much is here. `ended`: the run has, and nothing will follow; whoever tails
        it is done when `next` is `size`. `truncated`: it wrote more than is kept. Faults: 404 when there is no such
        run, -32602 for `max_bytes` that are not from 1 to 8,388,608, and for another stream.
        """
        return run_output(self._farm, run_id, offset, max_bytes, stream)
