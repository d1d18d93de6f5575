"""What pages are made of: small frozen records, in words that are ready to be shown.

Texts may hold anything a submitter wrote; `environment` makes them harmless.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


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
    """Something with a page of its own; `url` is "" for what has none any more."""

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
class Action:
    """What can be done about what a page shows, and the command to type: where HQueue had a button (CONTRACT 9.27)."""

    does: str
    command: str


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
    """A job in a table. `why` says what it waits for; `tasks`, `failed` count its descendants, "" without any.

    `warning` tells of blocked clients, `note` is the latest note and `thread` the address of all; "" without any.
    """

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
    warning: str
    note: str
    thread: str


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
    """A child in the grid: `look` is its colour and sign, `words` its number, name, status and run time."""

    id: int
    look: str
    words: str


@dataclass(frozen=True, slots=True)
class RunRow:
    """One try of a job's command on a client. `outcome` is how it ended, `used` what it took of the machine.

    `kind` says what else than the command it was: a hook by name, or one of several hosts.
    """

    job: Link
    client: Link
    kind: str
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
    """The end of a job's output. `cut`: it is longer than what is shown; `url` gives all of it, `stderr_url` what it
    keeps apart of that, "" for nothing."""

    words: str
    cut: str
    url: str
    stderr_url: str


@dataclass(frozen=True, slots=True)
class Result:
    """What the job left for others, as JSON. `more`: how to get all of it, where this is not."""

    words: str
    more: str


@dataclass(frozen=True, slots=True)
class Command:
    """A command under its heading, which is "Command" or names a hook, by platform ("" = the same everywhere)."""

    heading: str
    platform: str
    words: str


@dataclass(frozen=True, slots=True)
class ClientRow:
    """A client in a table. `asks` says what a runner does that asks for its work itself, "" for a daemon; `why` says
    what keeps it from taking work; `jobs` run there, `more_jobs` beyond those.

    `upgrade` is "needs upgrade" where it does, `wanted` what it is asked to do meanwhile, `available` its rules in
    words. `note` is the latest note and `thread` the address of all; "" without any.
    """

    id: int
    label: str
    ip: str
    description: str
    badge: Badge
    asks: str
    why: str
    heartbeat: str
    platform: str
    cpus: str
    load: Bar | None
    memory: Bar | None
    idle: str
    jobs: Sequence[Link]
    more_jobs: str
    groups: Sequence[Link]
    upgrade: str
    wanted: str
    enabled: str
    available: str
    note: str
    thread: str


@dataclass(frozen=True, slots=True)
class Blocked:
    """A client that gets no more of a job, and how often it failed."""

    client: Link
    words: str


@dataclass(frozen=True, slots=True)
class GroupRow:
    """A group of clients with its first members, and how many more there are ("" for none)."""

    group: Link
    count: str
    members: Sequence[Link]
    more: str


@dataclass(frozen=True, slots=True)
class Holder:
    """A run that holds some of a resource: `amount` is "" for one."""

    job: Link
    client: Link
    amount: str


@dataclass(frozen=True, slots=True)
class ResourceRow:
    """A resource: how much is in use, as a bar where it is counted, and by what."""

    name: str
    in_use: str
    used: Bar | None
    total: str
    counted: str
    built_in: bool
    holders: Sequence[Holder]
    more: str


@dataclass(frozen=True, slots=True)
class NoteRow:
    """A note of a list. `about` is None for a note about the farm itself, `thread` the page of its thread."""

    id: int
    about: Link | None
    at: When
    words: str
    thread: str


@dataclass(frozen=True, slots=True)
class FolderRow:
    """A network folder and its path by platform, "" where it is not seen."""

    name: str
    main: bool
    host: str
    linux: str
    windows: str
    macos: str


@dataclass(frozen=True, slots=True)
class ErrorLine:
    """An error of the server or of a client. `source` says in which part of it."""

    at: When
    source: str
    message: str


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
