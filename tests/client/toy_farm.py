"""A farm with a few methods in memory, reached through real XML: the fake is the transport."""

from __future__ import annotations

import io
import json
import xmlrpc.client
from collections import deque
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any
from xmlrpc.server import SimpleXMLRPCDispatcher

from hqclient.connection import Connection
from hqclient.farm import Farm
from hqserver.domain.errors import BadParameters
from hqserver.domain.job_filter import parse_job_filter

NOW = datetime(2026, 11, 21, 4, 0, 0)  # noqa: DTZ001  # naive UTC, as on the wire
FINISHED = ("succeeded", "failed", "cancelled", "abandoned")


class ToyFarm:
    """Jobs in a dictionary. `steps` are done one a call of getJobs, so a test needs no clock to make time pass."""

    def __init__(self) -> None:
        self.jobs: dict[int, dict[str, Any]] = {}
        self.outputs: dict[int, str] = {}
        self.clients: list[dict[str, Any]] = []
        self.errors: list[dict[str, Any]] = []
        self.groups: list[dict[str, Any]] = []
        self.notes: list[tuple[Any, ...]] = []
        self.steps: deque[Callable[[], None]] = deque()
        self.calls: list[tuple[str, tuple[Any, ...]]] = []
        self.submitted: list[Any] = []
        self.keys: dict[str, list[int]] = {}
        self.jobs_a_page = 1000
        self.counts_up_to = 10_000

    def add(self, name: str, status: str = "runnable", **attributes: Any) -> int:
        """A job whose attributes are set from outside."""
        job_id = len(self.jobs) + 1
        started = NOW - timedelta(seconds=42) if status not in ("queued", "runnable") else None
        self.jobs[job_id] = {
            "id": job_id,
            "name": name,
            "status": status,
            "uiStatus": status,
            "overallProgress": 1.0 if status == "succeeded" else 0.0,
            "children": [],
            "parents": [],
            "queueTime": NOW - timedelta(hours=2, minutes=14),
            "startTime": started,
            "endTime": NOW if status in FINISHED else None,
            **attributes,
        }
        self.outputs[job_id] = ""
        return job_id

    def end(self, job_id: int, status: str) -> None:
        """The job ends so."""
        self.jobs[job_id] |= {"status": status, "uiStatus": status, "endTime": NOW, "overallProgress": 1.0}

    def called(self, name: str) -> list[tuple[Any, ...]]:
        """The parameters of each call of a method."""
        return [parameters for method, parameters in self.calls if method == name]

    # What follows is served, under the names that stand there.

    def ping(self) -> bool:
        """Always True."""
        return True

    def getVersion(self) -> str:
        """The server's version."""
        return "9.8.7"

    def getServerTime(self) -> datetime:
        """The server's time."""
        return NOW

    def newjob(self, jobspec: str, parent_id: int | None = None, child_ids: list[int] | None = None) -> list[int]:
        """Submit jobs."""
        document = json.loads(jobspec)
        specifications = document if isinstance(document, list) else [document]
        key = next(each["submitKey"] for each in specifications if "submitKey" in each)
        if key not in self.keys:
            self.submitted.append(document)
            self.keys[key] = [self.add(each["name"]) for each in specifications]
        return self.keys[key]

    def getJob(self, job_id: int, attribs: list[str] | None = None) -> dict[str, Any]:
        """One job."""
        found = self.getJobs([job_id], attribs)
        if not found:
            raise xmlrpc.client.Fault(404, f"no job {job_id}")
        return found[0]

    def getJobs(self, job_ids: list[int], attribs: list[str] | None = None) -> list[dict[str, Any]]:
        """Several jobs."""
        answer = []
        for job_id in job_ids:
            if job_id in self.jobs:
                job = self.jobs[job_id]
                names = ["id", *attribs] if attribs else list(job)
                answer.append({name: job.get(name, "") for name in names})
        if self.steps:
            self.steps.popleft()()
        return answer

    def getJobOutput(self, job_id: int, max_last_chars: int | None = None) -> str:
        """The output log of a job."""
        if job_id not in self.outputs:
            raise xmlrpc.client.Fault(404, f"no job {job_id}")
        return self.outputs[job_id][-(max_last_chars or 0) :]

    def getRuns(self, job_id: int, limit: int, offset: int) -> list[dict[str, Any]]:
        """The toy is a server of before runs and events."""
        raise xmlrpc.client.Fault(-32601, "no method is called 'getRuns'")

    def findJobs(
        self, wanted: dict[str, Any], attribs: list[str] | None, sort: list[str], limit: int, after: str | None
    ) -> dict[str, Any]:
        """Jobs by status and without parents, newest first, `jobs_a_page` at most a page."""
        try:
            found = parse_job_filter(wanted)
        except BadParameters as problem:
            raise xmlrpc.client.Fault(problem.code, str(problem)) from None
        ids = [job_id for job_id, job in self.jobs.items() if found.status is None or job["status"] in found.status]
        ids = [job_id for job_id in ids[::-1] if not (found.roots_only and self.jobs[job_id]["parents"])]
        left = [job_id for job_id in ids if after is None or job_id < int(after)]
        page = left[: min(limit, self.jobs_a_page)]
        follows = str(page[-1]) if len(left) > len(page) else None
        return {"jobs": self.getJobs(page, attribs), "next": follows, "total": len(ids)}

    def countJobs(self, wanted: dict[str, Any]) -> dict[str, Any]:
        """How many jobs `findJobs` finds, up to `counts_up_to`."""
        total = self.findJobs(wanted, ["id"], [], 1, None)["total"]
        return {"count": min(total, self.counts_up_to), "more": total > self.counts_up_to}

    def getJobIdsByStatus(self, statuses: list[str]) -> list[int]:
        """Jobs in these statuses."""
        return [job_id for job_id, job in self.jobs.items() if job["status"] in statuses]

    def cancelJobs(self, job_ids: list[int]) -> bool:
        """End jobs."""
        for job_id in job_ids:
            if self.jobs[job_id]["status"] == "running":
                self.jobs[job_id]["waitingFor"] = "ending on node1"
            elif self.jobs[job_id]["status"] not in FINISHED:
                self.end(job_id, "cancelled")
        return True

    def getClients(self, client_ids: Any = None, attribs: Any = None) -> list[dict[str, Any]]:
        """The clients."""
        return self.clients

    def getClientGroups(self) -> list[dict[str, Any]]:
        """The groups of clients."""
        return self.groups

    def getServerErrors(self) -> dict[str, Any]:
        """The errors of the server; the newest 2."""
        return {"total": len(self.errors), "errors": self.errors[:2]} if self.errors else {}

    def addNote(self, text: str, thread_id: Any, job_id: Any, client_id: Any) -> bool:
        """Add a note."""
        if job_id is not None and job_id not in self.jobs:
            raise xmlrpc.client.Fault(404, f"there is no job {job_id}")
        self.notes.append((text, thread_id, job_id, client_id))
        return True

    def getNoteThreads(self, thread_ids: list[int]) -> list[dict[str, Any]]:
        """Note threads."""
        notes = [{"date": NOW, "text": text} for text, *_ in self.notes]
        return [{"notes": notes}]


class InProcessTransport(xmlrpc.client.Transport):
    """Hands requests to a dispatcher's `_marshaled_dispatch`. `troubles` are raised in place of the next answers.

    A trouble comes after the call has been carried out, as when an answer gets lost.
    """

    def __init__(self, toy: ToyFarm) -> None:
        super().__init__(use_builtin_types=True)
        self.toy = toy
        self.troubles: deque[BaseException] = deque()
        self._dispatcher = SimpleXMLRPCDispatcher(allow_none=True, encoding="utf-8", use_builtin_types=True)
        self._dispatcher.register_introspection_functions()
        self._dispatcher.register_instance(toy)

    def dispatch(self, request_body: Any) -> bytes:
        """The bytes that answer these."""
        # The stub says str; it is encoded, since Python 3.0.
        return self._dispatcher._marshaled_dispatch(request_body)  # type: ignore[return-value]

    def request(self, host: Any, handler: str, request_body: Any, verbose: bool = False) -> Any:
        self.verbose = verbose
        parameters, name = xmlrpc.client.loads(request_body, use_builtin_types=True)
        self.toy.calls.append((str(name), parameters))
        answer = self.dispatch(request_body)
        if self.troubles:
            raise self.troubles.popleft()
        return self.parse_response(io.BytesIO(answer))  # type: ignore[arg-type]  # anything with read()


def toy_connection(toy: ToyFarm) -> tuple[Connection, InProcessTransport]:
    """A connection to the toy and the transport below it."""
    transport = InProcessTransport(toy)
    return Connection("http://toy:5000", transport=transport), transport


def connected(toy: ToyFarm) -> Farm:
    """The Python API over the toy."""
    return Farm(connection=toy_connection(toy)[0])
