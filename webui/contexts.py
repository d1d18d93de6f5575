"""What each template is given: one frozen record a page. Templates get nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from .pieces import (
    Action,
    AttributeGroup,
    Blocked,
    Cell,
    ClientRow,
    Command,
    Counter,
    ErrorLine,
    Fact,
    FolderRow,
    GroupRow,
    JobRow,
    JobTable,
    Link,
    LogLine,
    MethodGroup,
    NoteRow,
    NoteText,
    Output,
    ResourceRow,
    Result,
    RunRow,
    Tab,
    When,
)
from .why import Why
from .work import WorkPanel


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
    """Lists of jobs. `text` is what was looked for in names and descriptions; `welcome`: the farm has never had a job;
    `server` is the address to call it by."""

    template: ClassVar[str] = "jobs.html"
    counters: Sequence[Counter]
    tabs: Sequence[Tab]
    tables: Sequence[JobTable]
    newest: str
    text: str
    welcome: bool
    server: str
    no_clients: bool
    actions: Sequence[Action]


@dataclass(frozen=True, kw_only=True)
class JobPage(Page):
    """One job. `trail` leads to it from the list of jobs; `reason` says why it ended without success.

    `requirements` are what it asks of its clients; `blocked` those that get no more of it; `why` what it waits for;
    `work` are the pieces of its agenda.
    """

    template: ClassVar[str] = "job.html"
    trail: Sequence[Link]
    job: JobRow
    reason: str
    why: Why | None
    facts: Sequence[Fact]
    requirements: Sequence[Fact]
    times: Sequence[Fact]
    commands: Sequence[Command]
    environment: Sequence[Fact]
    properties: Sequence[Fact]
    children: JobTable | None
    children_first: str
    cells: Sequence[Cell]
    cells_more: str
    work: WorkPanel | None
    runs: Sequence[RunRow]
    blocked: Sequence[Blocked]
    log: Sequence[LogLine]
    log_more: str
    notes: Sequence[NoteText]
    output: Output | None
    result: Result | None
    diagnostics: str
    actions: Sequence[Action]


@dataclass(frozen=True, kw_only=True)
class ClientsPage(Page):
    """The clients, a page of them at a time; `earlier` and `later` are "" at the ends."""

    template: ClassVar[str] = "clients.html"
    counters: Sequence[Counter]
    clients: Sequence[ClientRow]
    earlier: str
    later: str
    server: str
    actions: Sequence[Action]


@dataclass(frozen=True, kw_only=True)
class ClientPage(Page):
    """One client with what runs there, what ran there last, when it takes jobs and what went wrong there."""

    template: ClassVar[str] = "client.html"
    client: ClientRow
    facts: Sequence[Fact]
    rules: Sequence[Fact]
    zone: str
    live: Sequence[RunRow]
    ended: Sequence[RunRow]
    errors: Sequence[ErrorLine]
    errors_more: str
    notes: Sequence[NoteText]
    actions: Sequence[Action]


@dataclass(frozen=True, kw_only=True)
class GroupsPage(Page):
    """The groups of clients by name; `later` is the address of those that follow, "" at the end."""

    template: ClassVar[str] = "groups.html"
    groups: Sequence[GroupRow]
    first: str
    later: str
    actions: Sequence[Action]


@dataclass(frozen=True, kw_only=True)
class GroupPage(Page):
    """One group with its clients; `earlier` and `later` are "" at the ends."""

    template: ClassVar[str] = "group.html"
    name: str
    count: str
    clients: Sequence[ClientRow]
    earlier: str
    later: str
    actions: Sequence[Action]


@dataclass(frozen=True, kw_only=True)
class ResourcesPage(Page):
    """The resources with what holds them."""

    template: ClassVar[str] = "resources.html"
    resources: Sequence[ResourceRow]
    actions: Sequence[Action]


@dataclass(frozen=True, kw_only=True)
class NotesPage(Page):
    """The notes of the farm, newest first, or those of one thread (`thread`); `about` is what that is about."""

    template: ClassVar[str] = "notes.html"
    thread: int | None
    about: Link | None
    notes: Sequence[NoteRow]
    newest: str
    older: str
    actions: Sequence[Action]


@dataclass(frozen=True, kw_only=True)
class FoldersPage(Page):
    """The network folders."""

    template: ClassVar[str] = "folders.html"
    folders: Sequence[FolderRow]
    actions: Sequence[Action]


@dataclass(frozen=True, kw_only=True)
class ErrorsPage(Page):
    """The newest errors of the server; `more` says how many are kept beyond those."""

    template: ClassVar[str] = "errors.html"
    errors: Sequence[ErrorLine]
    more: str


@dataclass(frozen=True, kw_only=True)
class ApiPage(Page):
    """The methods the server answers to, the properties of a specification and the attributes that can be asked for."""

    template: ClassVar[str] = "api.html"
    refreshes: ClassVar[bool] = False
    server: str
    groups: Sequence[MethodGroup]
    attributes: Sequence[AttributeGroup]


@dataclass(frozen=True, kw_only=True)
class ErrorPage(Page):
    """Why there is no such page."""

    template: ClassVar[str] = "error.html"
    refreshes: ClassVar[bool] = False
    status: int
    sentence: str
