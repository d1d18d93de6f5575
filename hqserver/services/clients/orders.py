"""What a client is told to do to its runs: to start one, with all that its command needs, to end or to pause one."""

from __future__ import annotations

import json
import sqlite3

from hqserver.domain.agenda import fill_in, piece_environment
from hqserver.domain.hooks import outcome_of
from hqserver.domain.jobspec import command_for
from hqserver.domain.lifecycle import WorkEvent
from hqserver.domain.platforms import platform_key
from hqserver.domain.status import JobStatus, RunStatus
from hqserver.services.farm import Farm
from hqserver.services.watch import Presence
from hqserver.store import jobs, runs, work
from hqserver.store.orders import Order

from .folders import folder_environment

_LIMITS = ("maxTime", "minTime", "maxSilence", "maxMemory", "lease")


def order_for(farm: Farm, connection: sqlite3.Connection, presence: Presence, order: Order) -> dict[str, object]:
    """The order as it goes to the client (PROTOCOL.md, Orders)."""
    match order.status:
        case RunStatus.PAUSING:
            return {"kind": "pause", "run": order.run_id}
        case RunStatus.RESUMING:
            return {"kind": "resume", "run": order.run_id}
        case RunStatus.ENDING:
            return {"kind": "kill", "run": order.run_id, "reason": "not wanted any more"}
    return _start(farm, connection, presence, order)


def _start(farm: Farm, connection: sqlite3.Connection, presence: Presence, order: Order) -> dict[str, object]:
    key = platform_key(presence.row.platform)
    specification = json.loads(order.specification)
    others = [int(each) for each in order.hosts.split(",") if each]
    if order.kind:
        others = runs.hosts_of_command(connection, order.work_id)  # they are free by now; the hook is told of them
    hosts = [presence.row.hostname, *(_hostname(farm, each) for each in others)]
    environment = {
        **folder_environment(farm, connection, key),
        **specification.get("environment", {}),
        **piece_environment(order.piece),
        "JOBID": str(order.job_id),
        "ROOTJOBID": str(order.root_id),
        "HQHOSTS": ",".join(hosts),
    }
    command = json.loads(order.command)
    limits = {name: float(specification.get(name, 0)) for name in _LIMITS}
    failure_patterns = specification.get("failurePatterns", [])
    if order.kind:
        command, failure_patterns = specification["hooks"][order.kind], []
        limits = dict.fromkeys(_LIMITS, 0.0) | {"maxTime": farm.policy.hook_timeout_seconds}
        environment["HQSTATUS"] = _outcome(connection, order)
    pattern = specification.get("progressPattern")
    return {
        "kind": "start",
        "run": order.run_id,
        "job": order.job_id,
        "root": order.root_id,
        "work": order.piece.name,
        "command": fill_in(command_for(command, key) or "", order.piece),
        "shell": specification.get("shell", ""),
        "environment": environment,
        "cpus": order.cpus,
        **limits,
        "failurePatterns": failure_patterns,
        "hook": order.kind,
        "logLimit": farm.policy.log_limit_bytes,
        "killGrace": farm.policy.kill_grace_seconds,
        "splitOutput": order.split_output,
        "progressPatterns": [pattern] if pattern else list(farm.policy.progress_patterns),
    }


def _hostname(farm: Farm, client_id: int) -> str:
    presence = farm.watch.get(client_id)
    return presence.row.hostname if presence else ""


def _outcome(connection: sqlite3.Connection, order: Order) -> str:
    """What `HQSTATUS` tells a hook: how the job ends (CONTRACT 9.13)."""
    row = jobs.load(connection, order.job_id)
    if row is not None and row.cancelled:
        return JobStatus.CANCELLED
    if row is not None and row.failed_children:
        return JobStatus.FAILED
    return outcome_of(WorkEvent(work.load(connection, order.work_id).pending))
