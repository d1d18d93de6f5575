"""Callbacks: what is done when something becomes of a job (CONTRACT 10)."""

from __future__ import annotations

from typing import Any

from hqserver.rpc.method import Caller, Id, Ids, rpc
from hqserver.services import callbacks
from hqserver.services.farm import Farm


class Callbacks:
    """What is done when something becomes of a job, of its work or of jobs below it."""

    def __init__(self, farm: Farm):
        self._farm = farm

    @rpc("addCallback", idempotent=False)
    def add_callback(self, caller: Caller, job_id: Id | None, triggers: str | list[str], action: dict[str, Any]) -> int:
        """From now on do `action` whenever a trigger holds for the job, or with None for any job of the farm; its id.

        A trigger is a text `scope:status`. Scopes: `job` (also where none is given); `work`: a piece of its agenda, or
        its only one; `child`: a job directly below it; `any`: it, its work, and all jobs below it with theirs. Besides
        every status there are `finished` (any way of ending), and for jobs ejecting, ejected, rescheduled, resumed and
        "priority changed". What happened before does not count.

        `{"type": "mail", "to", "subject"}` sends mail. `{"type": "webhook", "url", "secret"}` POSTs JSON: `id` (of the
        event, as in getEvents), `time`, `kind`, `job`, `work`, `client`, `was`, `now`, `reason`, `callback`, and
        `attributes` of the job: name, status, uuid, root, priority, submittedBy, properties. With a secret,
        X-HQ-Signature is `sha256=` and the HMAC-SHA256 of the body in hex. Answer with 2xx; otherwise, and where no
        answer comes within 10 s, it comes again, 15 times in six hours, and a crash may repeat it: the `id` tells.
        Redirects are not followed, and addresses that only one machine or link knows are refused.
        `{"type": "command", "command", ...}` submits a job for whoever submitted the other, with the variables
        HQ_EVENT (its id) and HQ_EVENT_TIME, _KIND, _JOB, _JOB_NAME, _WORK, _CLIENT, _WAS, _NOW, _REASON, _CALLBACK; it
        takes most properties of a specification. Such jobs, and those below them, fire no command that is for any job.

        Many pieces of an agenda that change alike at once are one event. A callback goes with its job, which may have
        100; so many may be for any job. Faults: -32602 and 400 for what is wrong with triggers and action, 404 when
        the job does not exist, 409 for one too many, and for mail without a mail server.
        """
        return callbacks.add(self._farm, job_id, triggers, action, caller.user or caller.peer)

    @rpc("getCallbacks")
    def get_callbacks(self, job_id: Id | None = None) -> list[dict[str, Any]]:
        """The callbacks of the job, or with None those for any job, oldest first.

        Each has id, job, triggers, action (with `signed` in place of a secret), added (a time), addedBy, fired (how
        often), waiting (deliveries still to be made), failed (those that were given up) and lastError. Fault 404 when
        the job does not exist.
        """
        return callbacks.listed(self._farm, job_id)

    @rpc("deleteCallbacks")
    def delete_callbacks(self, callback_ids: Ids) -> list[int]:
        """Delete callbacks, with what they have not delivered yet; the ids of those that there were."""
        return callbacks.delete(self._farm, callback_ids)
