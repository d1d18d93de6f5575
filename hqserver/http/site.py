"""What all connections of a server share."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from hqserver.http.crowd import Crowd
from hqserver.http.events import EventStreams
from hqserver.http.rules import AllowedHosts, OpenNetworks
from hqserver.http.workers import Workers
from hqserver.rpc.method import Caller
from hqserver.services.retries import Attempt, Body
from hqserver.spool import Spool


@dataclass(frozen=True, slots=True)
class Site:
    """What all connections of a server share.

    `events` serves `/events`, where there is a farm. `attempt` makes a record of a request, from its sender and its
    body, by which its repetition is recognised. Large bodies are held in `spool`.
    `body_limit` says how many bytes a caller's body may have, `is_local` which peers gain nothing by compression.
    """

    workers: Workers
    crowd: Crowd
    hosts: AllowedHosts
    networks: OpenNetworks
    events: EventStreams | None
    attempt: Callable[[str, Body], Attempt | None]
    spool: Spool
    body_limit: Callable[[Caller], int]
    is_local: Callable[[str], bool]
    tasks: set[asyncio.Task[None]]
    stopping: asyncio.Event
