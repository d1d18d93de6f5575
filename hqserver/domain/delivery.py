"""What callbacks tell of an event: the document of a webhook and its signature, the job that a command is run as."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from .callback import Action
from .event import Event


@dataclass(frozen=True, slots=True)
class JobFacts:
    """What is told of a job with an event, as it was then."""

    name: str
    status: str
    uuid: str
    root_id: int
    priority: int
    submitted_by: str
    properties: dict[str, str]


@dataclass(frozen=True, slots=True)
class Delivery:
    """What a callback has to tell of an event. `document` is what is told; `attempts` went wrong so far."""

    id: int
    callback_id: int
    event_id: int
    action: Action
    document: dict[str, Any]
    attempts: int


def document(callback_id: int, event: Event, job: JobFacts) -> dict[str, Any]:
    """What a webhook says of an event, JSON's types only: the event as `getEvents` has it, and its job as it was."""
    return {
        "callback": callback_id,
        "id": event.id,
        "time": datetime.fromtimestamp(event.at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "kind": str(event.kind),
        "job": event.job_id,
        "work": event.work,
        "client": event.client,
        "was": event.was,
        "now": event.now,
        "reason": event.reason,
        "attributes": {
            "name": job.name,
            "status": job.status,
            "uuid": job.uuid,
            "root": job.root_id,
            "priority": job.priority,
            "submittedBy": job.submitted_by,
            "properties": job.properties,
        },
    }


def signature(secret: str, body: bytes) -> str:
    """`sha256=` and the HMAC of the body in hex, under the UTF-8 bytes of the secret (RFC 2104)."""
    return f"sha256={hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()}"


_VARIABLES = {
    "HQ_EVENT": "id",
    "HQ_EVENT_TIME": "time",
    "HQ_EVENT_KIND": "kind",
    "HQ_EVENT_JOB": "job",
    "HQ_EVENT_WORK": "work",
    "HQ_EVENT_CLIENT": "client",
    "HQ_EVENT_WAS": "was",
    "HQ_EVENT_NOW": "now",
    "HQ_EVENT_REASON": "reason",
    "HQ_EVENT_CALLBACK": "callback",
}


def job_of_command(action: Mapping[str, Any], told: Mapping[str, Any]) -> dict[str, Any]:
    """The specification of the job that a command is run as. `told` is the event's `document`."""
    piece = f" {told['work']}" if told["work"] else ""
    variables = {name: str(told[key]).replace("\0", "") for name, key in _VARIABLES.items()}
    variables["HQ_EVENT_JOB_NAME"] = told["attributes"]["name"]
    return {
        "name": f"callback {told['callback']}: job {told['job']}{piece} {told['now']}",
        **action,
        "environment": {**action.get("environment", {}), **variables},
        "submittedBy": told["attributes"]["submittedBy"],
    }
