"""Events: the journal of the farm (CONTRACT 10)."""

from __future__ import annotations

from typing import Any

from hqserver.rpc.method import rpc
from hqserver.services.events.events import get_events
from hqserver.services.farm import Farm


class Events:
    """What happened on the farm, in order.

    `GET /events?after=ID&job=1,2&root=3&kind=job,work` (or `kind=job&kind=work`) gives the same as a stream of
    server-sent events: the id of each is its cursor, its data the event in JSON with its time in ISO 8601. A reader
    that comes back with `Last-Event-ID` misses nothing; an event called `lost` says that something in between is not
    kept any more.
    """

    def __init__(self, farm: Farm):
        self._farm = farm

    @rpc("getEvents")
    def get_events(
        self, after: int | None = None, limit: int = 1_000, filter: dict[str, Any] | None = None
    ) -> dict[str, Any]:
        """A page of the farm's journal: `{events, next, more, lost}`, the oldest first, kept for 30 days.

        An event is `{id, time, kind, job, work, client, was, now, reason}`. Its kinds: `job`: the status of a job
        changed; `was` is "" for a new one, `now` is "deleted" for one that was removed. `history`: another line of a
        job's history, `now` says what happened. `work`: a piece of an agenda; "" as `work` where `reason` says of how
        many. `run`: what befell a run beside its start, success and failure. `client`: `now` is registered, lost, back,
        sick, well, disabled, enabled or removed. `group` (created, deleted, joined, left), `resource` (set,
        deleted) and `lock` (broken), named in `reason`. `farm`: `now` is resetting or reset. `job` is None where it is
        of no job.

        `after` is where to go on: the `next` of the answer before, 0 or None for the oldest kept, -1 for what is to
        come. `more`: there may be more at once, perhaps behind a page without events. `lost`: what followed `after` is
        not kept any more, or is of another farm, and these are the oldest kept.

        `filter`: `job`, `root` (all below a root job, and itself), `kind`; one or a list each, at most 1,000 jobs.
        Faults: -32602 names the key that is wrong, and a limit that is not from 1 to 10,000.
        """
        return get_events(self._farm, after, limit, filter)
