"""One job of a farm as a Python object: what is asked of it, and what it is told."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from hqserver.domain.run import Stream
from hqserver.domain.status import FINISHED_JOB

from .connection import Caller
from .follow import watch
from .news import LONGEST_PAUSE_SECONDS, Pauses
from .results import portable
from .tail import OutputFollower


class Job:
    """One job of a farm.

    `job["name"]` is an attribute of CONTRACT 1.3 as it was last read; it is read when it is first used, and
    `refresh` reads again. `status`, `progress`, `finished` and `priority` ask the server each time they are used.

    What a job is told (`cancel`, `pause`, ...) is told to the jobs below it too, as far as nobody else needs them
    (CONTRACT 3.5, 9.8). It returns at once: `status` tells when it is done. A job that has no use for it, such as one
    that has ended, or that does not exist, ignores it (CONTRACT 9.3).
    """

    def __init__(self, farm: Caller, job_id: int, attributes: Mapping[str, Any] | None = None) -> None:
        self.farm = farm
        self.id = job_id
        self._attributes = dict(attributes or {})

    def __getitem__(self, name: str) -> Any:
        if name not in self._attributes:
            self.refresh(name)
        return self._attributes[name]

    @property
    def attributes(self) -> dict[str, Any]:
        """Everything that has been read so far; everything there is, if nothing has."""
        if not self._attributes:
            self.refresh()
        return dict(self._attributes)

    def refresh(self, *names: str) -> dict[str, Any]:
        """Read these attributes again (all of them where none is named) and give them.

        Raises `NotFound` for a job that does not exist, `BadParameters` for an attribute that does not.
        """
        read = dict(self.farm.call("getJob", self.id, list(names) or None))
        self._attributes.update(read)
        return read

    @property
    def name(self) -> str:
        """The name it was submitted with."""
        return str(self["name"])

    @property
    def status(self) -> str:
        """Its status now, one of `hqserver.domain.status.JobStatus`."""
        return str(self.refresh("status")["status"])

    @property
    def finished(self) -> bool:
        """Whether it has ended: succeeded, failed, cancelled or abandoned."""
        return self.status in FINISHED_JOB

    @property
    def progress(self) -> float:
        """How far it and its descendants are now, 0.0 to 1.0 (`overallProgress`)."""
        return float(self.refresh("overallProgress")["overallProgress"])

    @property
    def children(self) -> list[Job]:
        """The jobs that must end before it, as they are now."""
        return [Job(self.farm, job_id) for job_id in self.refresh("children")["children"]]

    @property
    def parents(self) -> list[Job]:
        """The jobs that wait for it, as they are now."""
        return [Job(self.farm, job_id) for job_id in self.refresh("parents")["parents"]]

    def output(self, max_last_chars: int | None = None) -> str:
        """What its command has written so far, or only the last `max_last_chars` characters of it. With `splitOutput`
        what each run wrote to stderr follows what it wrote to stdout, after a line that says so."""
        return str(self.farm.call("getJobOutput", self.id, max_last_chars))

    def stderr(self) -> str:
        """What its command has written to stderr so far; "" where `splitOutput` does not keep that apart."""
        return "".join(OutputFollower(self.farm, self.id, stream=Stream.STDERR).so_far())

    def follow(self, stream: str | None = None) -> Iterator[str]:
        """Its output from the start, piece by piece as it comes, until it has ended: what `output` gives, or of one
        `stream` alone, "stdout" or "stderr". Raises `ValueError` for another."""
        return iter(OutputFollower(self.farm, self.id, stream=None if stream is None else Stream(stream)))

    def wait(self, timeout_seconds: float | None = None, poll_seconds: float = LONGEST_PAUSE_SECONDS) -> str:
        """Wait until it has ended and give its final status.

        A paused job has not ended. The server tells when it has; one that serves no events is asked every
        `poll_seconds` at the latest. Raises `WaitTimedOut` after `timeout_seconds`.
        """
        jobs: list[dict[str, Any]] = []
        for jobs in watch(self.farm, [self.id], timeout_seconds=timeout_seconds, pauses=Pauses(poll_seconds)):
            self._attributes.update(jobs[0])
        return str(jobs[0]["status"])

    def runs(self, *, limit: int = 1_000, offset: int = 0) -> list[dict[str, Any]]:
        """A page of the attempts at its work, the oldest first; a negative `offset` counts from the end: id, work,
        slot, kind, client, status, startTime, endTime, exitCode, signal, reason, cpuSeconds, maxMemory, splitOutput."""
        return list(self.farm.call("getRuns", self.id, limit, offset))

    def work(self, statuses: Iterable[str] = (), *, limit: int = 1_000, offset: int = 0) -> list[dict[str, Any]]:
        """A page of its pieces in the order of the agenda, those in one of `statuses` where any are given: name,
        first, last, status, progress, tries, triesLeft, client, run, startTime, endTime, package (CONTRACT 10)."""
        return list(self.farm.call("getWork", self.id, list(statuses), limit, offset))

    def add_work(self, agenda: str | int | Iterable[Any]) -> list[str]:
        """Add pieces to its agenda: a frame range, a frame's number, or `{name, first, last, package}` each.
        Their names.

        Raises `Conflict` for a job that has ended, has no agenda, or has a piece of such a name.
        """
        given = agenda if isinstance(agenda, str | int) else list(agenda)
        return list(self.farm.call("addWork", self.id, given))

    def change(self, action: str, **options: Any) -> dict[str, Any]:
        """Do any action of `changeJobs` to it and to what is below: `{id, changed, was, now, why}`."""
        return dict(self.farm.call("changeJobs", [self.id], action, options)[0])

    def modify(self, **changes: Any) -> dict[str, Any]:
        """Change properties of its specification, of it alone: `{id, changed, was, now, why}`. It must not have ended;
        what runs keeps what it was started with. Raises `BadParameters`."""
        return dict(self.farm.call("modifyJobs", [self.id], changes)[0])

    def change_work(self, names: Iterable[str], action: str, **options: Any) -> list[dict[str, Any]]:
        """Do an action of `changeWork` to these of its pieces: `{name, changed, was, now, why}` for each."""
        return list(self.farm.call("changeWork", self.id, list(names), action, options))

    def cancel(self) -> None:
        """End it; `wait` waits until it has."""
        self.farm.call("cancelJobs", [self.id])

    def pause(self) -> None:
        """Hold it back; what runs stands still on its client until `resume`."""
        self.farm.call("pauseJobs", [self.id])

    def resume(self) -> None:
        """Let it go on after `pause`."""
        self.farm.call("resumeJobs", [self.id])

    def reschedule(self) -> None:
        """Have it done again once it has ended, with the failed jobs below it and the finished ones above."""
        self.farm.call("rescheduleJobs", [self.id])

    def eject(self) -> None:
        """Take it off its client now: killed, and back to the queue without losing a try."""
        self.farm.call("ejectJobs", [self.id])

    def delete(self) -> None:
        """Remove it for good once it has ended, with its output."""
        self.farm.call("deleteJobs", [self.id])

    @property
    def priority(self) -> int:
        """Its priority now: 0 or more, higher goes first. Setting it raises `BadParameters` for one below 0."""
        return int(self.refresh("priority")["priority"])

    @priority.setter
    def priority(self, priority: int) -> None:
        self.farm.call("setJobPriority", [self.id], priority)

    @property
    def permitted_clients(self) -> list[str]:
        """The registered clients that its conditions allow now, as `hostname` or `hostname:name`."""
        return list(self.farm.call("getPermittedClientsList", self.id))

    def permit(self, *clients: str) -> None:
        """Let only these clients run it, in place of all its conditions.

        `hostname` is any client there, `hostname:name` that one, `hostname:` the unnamed one. Raises `BadParameters`
        for a name that no client can have, and for none at all.
        """
        self.farm.call("savePermittedClientsList", self.id, list(clients))

    def explain(self) -> dict[str, Any]:
        """Why it does not run, as `explainJob` tells it: `summary`, `job` and `clients`, by the scheduler's own rules.

        `hqserver.domain.reason.alike` puts clients together of which the same is true.
        """
        return dict(self.farm.call("explainJob", self.id))

    @property
    def client_order(self) -> list[dict[str, Any]]:
        """The clients that would take it now, in the order in which they would get it: id, label, ..."""
        return list(self.farm.call("getClientOrder", self.id))

    def on(self, triggers: str | Iterable[str], action: Mapping[str, Any]) -> int:
        """From now on have something done whenever a trigger holds; the callback's id.

            job.on("failed", callbacks.mail("ann@studio.example"))
            job.on(["child:failed", "finished"], callbacks.webhook("https://pipeline/farm", secret))

        Actions are made by `hqclient.callbacks`, triggers are those of `addCallback` (API.md). What happened before
        does not count: look at `status` after this.
        """
        texts = triggers if isinstance(triggers, str) else list(triggers)
        return int(self.farm.call("addCallback", self.id, texts, dict(action)))

    @property
    def result(self) -> Any:
        """What its command, or whoever ran it, has left for others; None where nothing. Asks the server each time."""
        return self.farm.call("getJobResult", self.id)

    def set_result(self, result: Any, run: str | None = None) -> None:
        """Leave a result: dictionaries, lists, texts, numbers, booleans and None, up to 1 MB as JSON; None takes away
        what there is. With `run`, $HQ_RUN_TOKEN of a command, it is refused once that run owns the work no more.

        Raises `BadSpecification` naming the place, `Conflict` for the run, `TooLarge`, `NotFound`.
        """
        self.farm.call("setJobResult", self.id, portable(result), run)

    def note(self, text: str) -> None:
        """Add a note to its thread. Blank text is not stored."""
        self.farm.call("addNote", text, None, self.id, None)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Job) and (self.id, self.farm.url) == (other.id, other.farm.url)

    def __hash__(self) -> int:
        return hash((self.id, self.farm.url))

    def __repr__(self) -> str:
        return f"Job({self.id})"
