"""What each template is given: one frozen record a page, in words that are ready to be shown.

Templates get nothing else. Texts may hold anything a submitter wrote; `environment` makes them harmless.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar


@dataclass(frozen=True, slots=True)
class When:
    """A time: how long ago in words, exactly in UTC, and as HTML's `datetime`."""

    words: str
    exact: str
    iso: str


@dataclass(frozen=True, slots=True)
class Badge:
    """A status in words, with the look that goes with it (`looks`)."""

    words: str
    look: str


@dataclass(frozen=True, slots=True)
class Bar:
    """A part of a whole: `value` of `most`, in words, with a look ("" = plain)."""

    value: float
    most: float
    words: str
    look: str = ""


@dataclass(frozen=True, slots=True)
class Link:
    """Something with a page of its own."""

    url: str
    words: str


@dataclass(frozen=True, slots=True)
class Fact:
    """A name and what there is to say; `links` stand in place of `words` where there are any, `title` on hover."""

    name: str
    words: str = ""
    links: Sequence[Link] = ()
    title: str = ""


@dataclass(frozen=True, slots=True)
class Counter:
    """A number and what it counts. `live` marks one that tells of work going on."""

    name: str
    number: int
    live: bool = False


@dataclass(frozen=True, slots=True)
class Tab:
    """One of the lists of jobs; `count` is "" where the tab has none."""

    name: str
    url: str
    count: str
    current: bool


@dataclass(frozen=True, slots=True)
class JobRow:
    """A job in a table. `why` says what it waits for; `tasks`, `failed` count its descendants, "" without any."""

    id: int
    name: str
    description: str
    badge: Badge
    why: str
    progress: Bar
    tasks: str
    failed: str
    time: str
    eta: str
    priority: int
    submitted_by: str
    submitted: When
    note: str


@dataclass(frozen=True, slots=True)
class JobTable:
    """Jobs under a heading. `older` is the address of those that follow, "" at the end; `empty` is said of none."""

    heading: str
    jobs: Sequence[JobRow]
    older: str
    older_words: str
    empty: str


@dataclass(frozen=True, slots=True)
class Cell:
    """A child in the grid: `look` is its colour and sign, `words` its number, name and status."""

    id: int
    look: str
    words: str


@dataclass(frozen=True, slots=True)
class RunRow:
    """One try of a job's command on a client. `outcome` is how it ended, `used` what it took of the machine."""

    job: Link
    client: Link
    badge: Badge
    started: When | None
    time: str
    outcome: str
    used: str


@dataclass(frozen=True, slots=True)
class LogLine:
    """A line of a job's status log."""

    at: When
    badge: Badge
    event: str
    message: str
    client: str


@dataclass(frozen=True, slots=True)
class NoteText:
    """A note and when it was written."""

    at: When
    words: str


@dataclass(frozen=True, slots=True)
class Output:
    """The end of a job's output. `cut`: it is longer than what is shown; `url` gives all of it."""

    words: str
    cut: str
    url: str


@dataclass(frozen=True, slots=True)
class Command:
    """A command by platform ("" = the same everywhere)."""

    platform: str
    words: str


@dataclass(frozen=True, slots=True)
class ClientRow:
    """A client in a table. `why` says what keeps it from taking work; `jobs` run there, `more_jobs` beyond those."""

    id: int
    label: str
    ip: str
    description: str
    badge: Badge
    why: str
    heartbeat: str
    platform: str
    cpus: str
    load: Bar
    memory: Bar | None
    idle: str
    jobs: Sequence[Link]
    more_jobs: str
    note: str


@dataclass(frozen=True, slots=True)
class MethodEntry:
    """A method of the API as the reference tells it. A paragraph of `prose` is text and code by turns."""

    name: str
    parameters: str
    result: str
    prose: Sequence[Sequence[str]]
    aliases: str
    deprecated: str
    since: str


@dataclass(frozen=True, slots=True)
class MethodGroup:
    """The methods of one subject."""

    subject: str
    prose: str
    methods: Sequence[MethodEntry]


@dataclass(frozen=True, slots=True)
class AttributeGroup:
    """Attributes by name and sentence."""

    heading: str
    attributes: Sequence[tuple[str, str]]


@dataclass(frozen=True, kw_only=True)
class Page:
    """What every page has: its title, the part of the site it belongs to, and the server's time.

    `refreshes`: it keeps itself fresh.
    """

    template: ClassVar[str]
    refreshes: ClassVar[bool] = True
    title: str
    section: str = ""
    at: When


@dataclass(frozen=True, kw_only=True)
class JobsPage(Page):
    """Lists of root jobs. `welcome`: the farm has never had one; `server` is the address to call it by."""

    template: ClassVar[str] = "jobs.html"
    counters: Sequence[Counter]
    tabs: Sequence[Tab]
    tables: Sequence[JobTable]
    newest: str
    welcome: bool
    server: str
    no_clients: bool


@dataclass(frozen=True, kw_only=True)
class JobPage(Page):
    """One job. `trail` leads to it from the list of jobs; `reason` says why it ended without success."""

    template: ClassVar[str] = "job.html"
    trail: Sequence[Link]
    job: JobRow
    reason: str
    facts: Sequence[Fact]
    times: Sequence[Fact]
    commands: Sequence[Command]
    environment: Sequence[Fact]
    properties: Sequence[Fact]
    children: JobTable | None
    children_first: str
    cells: Sequence[Cell]
    cells_more: str
    runs: Sequence[RunRow]
    log: Sequence[LogLine]
    log_more: str
    notes: Sequence[NoteText]
    output: Output | None


@dataclass(frozen=True, kw_only=True)
class ClientsPage(Page):
    """The clients, a page of them at a time; `earlier` and `later` are "" at the ends."""

    template: ClassVar[str] = "clients.html"
    counters: Sequence[Counter]
    clients: Sequence[ClientRow]
    earlier: str
    later: str
    server: str


@dataclass(frozen=True, kw_only=True)
class ClientPage(Page):
    """One client with what runs there and what ran there last."""

    template: ClassVar[str] = "client.html"
    client: ClientRow
    facts: Sequence[Fact]
    live: Sequence[RunRow]
    ended: Sequence[RunRow]
    notes: Sequence[NoteText]


@dataclass(frozen=True, kw_only=True)
class ApiPage(Page):
    """The methods the server answers to, and the attributes that can be asked for."""

    template: ClassVar[str] = "api.html"
    refreshes: ClassVar[bool] = False
    server: str
    groups: Sequence[MethodGroup]
    attributes: Sequence[AttributeGroup] = field(default_factory=tuple)


@dataclass(frozen=True, kw_only=True)
class ErrorPage(Page):
    """Why there is no such page."""

    template: ClassVar[str] = "error.html"
    refreshes: ClassVar[bool] = False
    status: int
    sentence: str
