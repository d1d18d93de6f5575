"""The farm as a Python object.

    from hqclient.farm import Farm

    farm = Farm("http://farmhost:5000")
    job = farm.submit({"name": "Hello", "command": "echo hello"})
    print(job.wait(), job.output())

`Farm`, `Job` and `Client` hold only friendly verbs. Every method of the server is there as `farm.call(name, ...)`, and
`hqserver/rpc/API.md` describes them all.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, overload

from hqserver.domain.errors import near_match
from hqserver.domain.status import FINISHED_JOB, WAITING, JobStatus

from .client import Client
from .connection import DEFAULT_TIMEOUT_SECONDS, Connection
from .errors import AnswerLost, BadParameters
from .job import Job
from .submission import Specification, submission_text

__all__ = ["Client", "Farm", "Job"]

JOBS_A_CALL = 1000
"""How many jobs one `getJobs` asks for. More is allowed, and makes one slow answer of many quick ones."""

SUBMIT_ATTEMPTS = 3
"""How often a submission is sent whose answer got lost. Its key makes it one job all the same."""


class Farm:
    """A server and what is asked of it most often."""

    def __init__(
        self,
        url: str | None = None,
        *,
        timeout_seconds: float = DEFAULT_TIMEOUT_SECONDS,
        connection: Connection | None = None,
    ) -> None:
        """`url` is `http://host:port`, `host:port` or `host`; without it $HQSERVER, then
        $HOUDINI_HQUEUE_SERVER, then http://127.0.0.1:5000. A call fails after `timeout_seconds` without sign
        of life. A `connection` of your own replaces both. Nothing is sent yet. Raises `BadAddress`.
        """
        self.connection = connection or Connection(url, timeout_seconds=timeout_seconds)

    @property
    def url(self) -> str:
        """The server's address, without credentials."""
        return self.connection.address.shown

    def call(self, name: str, *args: object) -> Any:
        """Call any method of the server. Raises `Refused` for a fault, and `FarmUnreachable`."""
        return self.connection.call(name, *args)

    def ping(self) -> bool:
        """Whether the farm answers. Raises nothing but `FarmUnreachable` when it does not."""
        return bool(self.call("ping"))

    def version(self) -> str:
        """The server's version, MAJOR.MINOR.PATCH."""
        return str(self.call("getVersion"))

    @overload
    def submit(
        self,
        specification: Specification,
        parent: int | Job | None = None,
        children: Iterable[int | Job] = (),
    ) -> Job: ...

    @overload
    def submit(
        self,
        specification: Sequence[Specification],
        parent: int | Job | None = None,
        children: Iterable[int | Job] = (),
    ) -> list[Job]: ...

    def submit(
        self,
        specification: Specification | Sequence[Specification],
        parent: int | Job | None = None,
        children: Iterable[int | Job] = (),
    ) -> Job | list[Job]:
        """Submit a job, or several in one call: all of them or none.

        The new jobs become children of `parent`, and the existing jobs `children` become children of theirs.
        Nested `children` of a specification are submitted with it. Raises `BadSpecification` for a property
        that nobody knows (CONTRACT 9.5), without asking the server, and for what the server refuses;
        `NotFound` for a parent or child that does not exist, `Conflict` for a parent that has ended.
        """
        text = submission_text(specification)
        ids = self._newjob(text, None if parent is None else _id(parent), [_id(child) for child in children])
        if isinstance(specification, Mapping):
            return Job(self, ids[0])
        return [Job(self, job_id) for job_id in ids[: len(specification)]]

    def _newjob(self, text: str, parent_id: int | None, child_ids: list[int]) -> list[int]:
        for _ in range(SUBMIT_ATTEMPTS - 1):
            try:
                return list(self.call("newjob", text, parent_id, child_ids))
            except AnswerLost:
                pass  # the key in the text keeps a repeated call from making a second job
        return list(self.call("newjob", text, parent_id, child_ids))

    def job(self, job_id: int) -> Job:
        """The job of that id. Nothing is asked yet: one that does not exist is `NotFound` when it is used."""
        return Job(self, int(job_id))

    def jobs(
        self,
        status: str | Iterable[str] | None = None,
        *,
        roots_only: bool = False,
        attribs: Iterable[str] | None = None,
        limit: int | None = None,
    ) -> list[Job]:
        """Jobs in one of the given statuses (None = any), newest first, at most `limit`.

        `roots_only` leaves out jobs that have a parent. What `attribs` names is read at once
        (None = everything).
        Raises `BadParameters` for a status that does not exist.
        """
        ids = self.job_ids(status, roots_only=roots_only)[:limit]
        return [Job(self, found["id"], found) for found in self.read_jobs(ids, attribs)]

    def job_ids(self, status: str | Iterable[str] | None = None, *, roots_only: bool = False) -> list[int]:
        """The ids of the jobs that `jobs` would give, newest first."""
        wanted = _statuses(status)
        if not roots_only:
            return sorted(self.call("getJobIdsByStatus", sorted(wanted)), reverse=True)
        finished = {str(each) for each in FINISHED_JOB}
        roots: list[int] = []
        covered: set[str] = set()
        for method, group in (
            ("getUnfinishedRootJobIds", _ALL - finished),
            ("getFinishedRootJobIds", finished),
        ):
            if wanted & group:
                roots += self.call(method)
                covered |= group
        if covered != wanted:
            matching = set(self.call("getJobIdsByStatus", sorted(wanted)))
            roots = [job_id for job_id in roots if job_id in matching]
        return sorted(set(roots), reverse=True)

    def read_jobs(self, ids: Sequence[int], attribs: Iterable[str] | None = None) -> list[dict[str, Any]]:
        """Attributes of jobs (None = all) in the order of `ids`, a dictionary each, without unknown ids."""
        names = None if attribs is None else list(attribs)
        found: list[dict[str, Any]] = []
        for start in range(0, len(ids), JOBS_A_CALL):
            found += self.call("getJobs", list(ids[start : start + JOBS_A_CALL]), names)
        return found

    def clients(self, attribs: Iterable[str] | None = None) -> list[dict[str, Any]]:
        """Attributes of every registered client (None = all of them), a dictionary each: CONTRACT 1.3."""
        return list(self.call("getClients", None, None if attribs is None else list(attribs)))

    def client(self, name: str) -> Client:
        """The client called `hostname`, or `hostname:name`. Nothing is asked yet, as with `job`."""
        return Client(self, name)

    def groups(self) -> list[dict[str, Any]]:
        """The groups of clients: `id`, `name`, and `clients`, the ids of those in it."""
        return list(self.call("getClientGroups"))

    def resources(self) -> list[dict[str, Any]]:
        """What the farm has a counted amount of: `name`, `total` (-1 = not counted), `inUse`, `perMachine`, ..."""
        return list(self.call("getResources"))

    def network_folders(self) -> list[dict[str, Any]]:
        """The folders that every client sees: `name`, `host`, `linux`, `windows`, `macos`, `main`."""
        return list(self.call("getNetworkFolders"))

    def close(self) -> None:
        """Close the connection; a later call opens it again."""
        self.connection.close()

    def __enter__(self) -> Farm:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"Farm({self.url!r})"


_ALL = {str(status) for status in JobStatus}


def _statuses(status: str | Iterable[str] | None) -> set[str]:
    if status is None:
        return set(_ALL)
    wanted = {str(each) for each in ([status] if isinstance(status, str) else status)}
    if WAITING in wanted:
        wanted = wanted - {WAITING} | {str(JobStatus.RUNNABLE)}
    for each in sorted(wanted - _ALL):
        raise BadParameters(-32602, f"no status is called {each!r}{near_match(each, _ALL)}")
    return wanted


def _id(job: int | Job) -> int:
    return job.id if isinstance(job, Job) else int(job)
