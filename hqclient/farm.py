"""The farm as a Python object.

    from hqclient.farm import Farm

    farm = Farm("http://farmhost:5000")
    job = farm.submit({"name": "Hello", "command": "echo hello"})
    print(job.wait(), job.output())

`Farm`, `Job` and `Client` hold only friendly verbs. Every method of the server is there as `farm.call(name, ...)`, and
`hqserver/rpc/API.md` describes them all.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, overload

from . import upkeep
from .claim import DEFAULT_SECONDS, Claim, claim_job
from .client import Client
from .connection import DEFAULT_TIMEOUT_SECONDS, Connection
from .errors import AnswerLost
from .event_stream import EventStream
from .finding import JobCount, pages, sent
from .job import Job
from .journal import follow_events, kept_events, newest_events
from .locks import LEASE_SECONDS, Lock, beside
from .submission import Specification, submission_text

__all__ = ["Claim", "Client", "Farm", "Job"]

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

    def find_jobs(
        self,
        filter: Mapping[str, Any] | None = None,
        *,
        attribs: Iterable[str] | None = None,
        sort: Iterable[str] = (),
        limit: int | None = None,
    ) -> Iterator[Job]:
        """The jobs that a filter means, at most `limit`; a page is asked for when it is needed.

        The keys of a filter, and what can be sorted by ("-" before what descends, newest first by default), are those
        of `findJobs` (API.md). What `attribs` names is read at once (None = everything). Raises `BadParameters` for a
        key, a value or an attribute that does not exist, and `TooLarge` for an order that so many cannot be given in.
        """
        for page in pages(self, filter, attribs=attribs, sort=sort, limit=limit):
            yield from (Job(self, found["id"], found) for found in page["jobs"])

    def count_jobs(self, filter: Mapping[str, Any] | None = None) -> JobCount:
        """How many jobs a filter means: `count`, and whether there may be `more`. Raises `BadParameters`."""
        found = self.call("countJobs", sent(filter))
        return JobCount(found["count"], found["more"])

    def change_jobs(
        self, jobs: Iterable[int | Job] | Mapping[str, Any], action: str, **options: Any
    ) -> list[dict[str, Any]]:
        """Do an action to jobs, named one by one or by a filter: `{id, changed, was, now, why}` for each.

        The actions, and the options `dryRun`, `limit`, `reason`, `descendants`, `priority` and `changes`, are those of
        `changeJobs` (API.md). Raises `BadParameters`, and `Conflict` where more than `limit` would change.
        """
        which = sent(jobs) if isinstance(jobs, Mapping) else [_id(job) for job in jobs]
        return list(self.call("changeJobs", which, str(action), options))

    def export_jobs(self, jobs: Iterable[int | Job]) -> dict[str, Any]:
        """These jobs and all below them as a document, for `import_jobs`; without runs and output (API.md).

        Raises `NotFound` for a job that does not exist, and `TooLarge`.
        """
        return dict(json.loads(self.call("exportJobs", [_id(job) for job in jobs])))

    def import_jobs(self, document: Mapping[str, Any] | str) -> dict[int, Job]:
        """Store the jobs of a document that `export_jobs` gave, or of JSON text of one: the new jobs, in its order, by
        the ids that they had.

        Those that had not ended come in blocked. Raises `BadSpecification` naming the place, and `Conflict` for a job
        that the farm has already, by its `uuid`.
        """
        text = document if isinstance(document, str) else json.dumps(document)
        return {pair["was"]: Job(self, pair["id"]) for pair in self.call("importJobs", text)}

    def compact(self) -> dict[str, Any]:
        """Give the space of what was deleted back to the server's disk: `before` and `after` in bytes, and `failed`,
        a sentence where it ended early. Returns when it has ended. Raises `Conflict`, `DiskFull`."""
        return upkeep.compact(self)

    def reset(self, confirm: str, last_job: int | None = None) -> dict[str, Any]:
        """Remove all jobs for good, or those up to `last_job`: what `resetFarm` answers at its end (API.md).

        `confirm` must be "delete all jobs". Jobs of which a client may still run something are `left`, and `failed`
        says so; everything else is gone. Raises `BadParameters` for another text.
        """
        return upkeep.reset(self, confirm, last_job)

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
        wanted = {"status": status, "rootsOnly": roots_only}
        return list(self.find_jobs(wanted, attribs=attribs, limit=limit))

    def job_ids(self, status: str | Iterable[str] | None = None, *, roots_only: bool = False) -> list[int]:
        """The ids of the jobs that `jobs` would give, newest first."""
        return [job.id for job in self.jobs(status, roots_only=roots_only, attribs=["id"])]

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

    def find_clients(
        self, filter: Mapping[str, Any] | None = None, attribs: Iterable[str] | None = None
    ) -> list[dict[str, Any]]:
        """Attributes of the clients that a filter means: the keys are those of `findClients` (API.md)."""
        return list(self.call("findClients", sent(filter), None if attribs is None else list(attribs)))

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

    def events(self, after: int = 0, wanted: Mapping[str, Any] | None = None) -> Iterator[dict[str, Any]]:
        """The farm's journal behind the cursor `after`, which is the id of an event, or 0 for the oldest kept.

        Each is a dictionary: id, time, kind, job, work, client, was, now, reason. `wanted` is a filter as `getEvents`
        takes it: `job`, `root`, `kind`. One of kind "lost" stands where some are not kept any more.
        """
        for _, events in kept_events(self, after, wanted or {}):
            yield from events

    def newest_events(
        self, count: int = 100, wanted: Mapping[str, Any] | None = None
    ) -> tuple[int, list[dict[str, Any]]]:
        """The newest events of the journal, at most `count`, in their order, and the cursor behind them."""
        return newest_events(self, count, wanted or {})

    def follow_events(self, after: int = -1, wanted: Mapping[str, Any] | None = None) -> Iterator[dict[str, Any]]:
        """The events behind a cursor (-1: only those that come), and then those that come, without end.

        A server that is away for a while is waited for, and nothing is left out.
        """
        return follow_events(self, after, wanted or {})

    def event_stream(self, after: int, wanted: Mapping[str, Any]) -> EventStream | None:
        """One connection to the server's stream of events; `follow_events` opens them as it needs them."""
        return self.connection.event_stream(after, wanted)

    def change_runs(self, run_ids: Iterable[str], action: str) -> list[dict[str, Any]]:
        """Do something to single live runs: migrate, cancel, suspend, resume; `{id, changed, was, now, why}` each."""
        return list(self.call("changeRuns", list(run_ids), action))

    def run_output(
        self, run_id: str, offset: int = 0, max_bytes: int = 1024 * 1024, stream: str = "stdout"
    ) -> dict[str, Any]:
        """A piece of what a run wrote, byte for byte: data, offset, next, size, ended, truncated (`getRunOutput`).

        `stream`: "stdout", or "stderr" where `splitOutput` keeps that apart.
        """
        apart = () if stream == "stdout" else (stream,)  # an older server has one stream only
        return dict(self.call("getRunOutput", run_id, offset, max_bytes, *apart))

    def claim_job(
        self,
        filter: Mapping[str, Any] | None = None,
        runner: str | Mapping[str, Any] | None = None,
        *,
        seconds: int = DEFAULT_SECONDS,
    ) -> Claim | None:
        """Claim the first work that matches a filter, for a program of your own to do; None where there is none.

        `runner` is a name, or a dictionary of name, platform, cpus and memory; without one it is `user@machine`. A
        filter is a dictionary, as for `find_jobs`. Raises `BadParameters`, and `Conflict` for the name of a daemon.
        """
        return claim_job(self, filter, runner, seconds)

    def lock(
        self, name: str, *, lease_seconds: float = LEASE_SECONDS, owner: str = "", wait_seconds: float = 0.0
    ) -> Lock:
        """A lock to hold for the length of a `with` block, of which nobody else is in one under that name.

        It is renewed meanwhile; where this program or its machine dies, it ends with its lease. Entering the block
        waits up to `wait_seconds` for it and raises `LockHeld`; `LockLost` is raised by `check` and at the end of the
        block where it was lost. `owner`: how people are told who holds it, another for each holder; one is made.
        """
        return Lock(
            *(self, beside(self.connection, lease_seconds), name),
            lease_seconds=lease_seconds,
            owner=owner,
            wait_seconds=wait_seconds,
        )

    def locks(self, names: Iterable[str] | None = None) -> list[dict[str, Any]]:
        """The locks that are held, all or those of these names: `name`, `owner`, `seconds`, `since`, `until`."""
        return list(self.call("getLocks", None if names is None else list(names)))

    def break_lock(self, name: str) -> bool:
        """Take a lock from whoever holds it; False where nobody does. The holder finds out when renewing it."""
        return bool(self.call("breakLock", name))

    def add_callback(self, job: int | Job | None, triggers: str | Iterable[str], action: Mapping[str, Any]) -> int:
        """From now on have something done whenever a trigger holds for the job, or with None for every job; its id.

        Triggers are texts such as "failed" or "child:succeeded", as `addCallback` has them (API.md); an action is made
        by `hqclient.callbacks`. Raises `BadParameters`, `BadSpecification`, `NotFound`, `Conflict`.
        """
        texts = triggers if isinstance(triggers, str) else list(triggers)
        return int(self.call("addCallback", None if job is None else _id(job), texts, dict(action)))

    def callbacks(self, job: int | Job | None = None) -> list[dict[str, Any]]:
        """The callbacks of the job, or with None those for every job: `id`, `triggers`, `action`, `fired`, ..."""
        return list(self.call("getCallbacks", None if job is None else _id(job)))

    def delete_callbacks(self, ids: Iterable[int]) -> list[int]:
        """Delete callbacks, with what they have not delivered yet; the ids of those that there were."""
        return list(self.call("deleteCallbacks", list(ids)))

    def close(self) -> None:
        """Close the connection; a later call opens it again."""
        self.connection.close()

    def __enter__(self) -> Farm:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"Farm({self.url!r})"


def _id(job: int | Job) -> int:
    return job.id if isinstance(job, Job) else int(job)
