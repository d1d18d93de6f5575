"""Which list of jobs an address asks for: HQueue's tables, one of the lists of roots, or a filter (CONTRACT 10)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from urllib.parse import urlencode

from hqserver.domain.job_filter import NEWEST_FIRST, JobFilter, SortTerm, parse_job_filter, parse_sort
from hqserver.services.queries import overview_jobs
from hqserver.services.queries.overview_jobs import ROOT_LISTS, Roots, Wanted

_PROPERTY = "property."

_HEADINGS: dict[Roots, tuple[str, str]] = {
    Roots.UNFINISHED: ("Unfinished jobs", "Nothing is waiting and nothing runs."),
    Roots.RUNNING: ("Running jobs", "Nothing runs at the moment."),
    Roots.WAITING: ("Waiting jobs", "Nothing is waiting."),
    Roots.FINISHED: ("Finished jobs", "Nothing has finished yet."),
    Roots.FAILED: ("Failed jobs", "Nothing has failed."),
    Roots.ALL: ("All jobs", "There are no jobs."),
}
"""Of each list its heading, and what is said where it is empty."""


@dataclass(frozen=True, slots=True)
class JobsList:
    """A list of jobs and its address. `empty` is what is said of none; "" leaves out the list.
    `most`: jobs of a page, None for as many as pages have."""

    heading: str
    empty: str
    jobs: JobFilter
    most: int | None = None
    query: Mapping[str, str] = field(default_factory=dict)
    sort: tuple[SortTerm, ...] = NEWEST_FIRST
    after: str | None = None
    which: Roots | None = None

    @property
    def wanted(self) -> Wanted:
        return Wanted(self.jobs, self.most or overview_jobs.JOBS_A_PAGE, self.sort, self.after)

    def url(self, after: str | None = None) -> str:
        """The address of the list, from `after` on."""
        query = {**self.query, **({} if after is None else {"after": after})}
        return f"/?{urlencode(query)}"


def list_of(which: Roots) -> JobsList:
    """A list of root jobs."""
    heading, empty = _HEADINGS[which]
    return JobsList(heading, empty, ROOT_LISTS[which], query={"list": str(which)}, which=which)


def lists_asked_for(query: Mapping[str, str]) -> list[JobsList]:
    """The lists that the query of an address asks for; HQueue's two tables where it asks for nothing.

    `list` names one of the roots, `sort` an order, `after` where it goes on; everything else is a key of a filter, with
    commas between several words, and `property.NAME` for a property. Raises `BadParameters` with the near match.
    """
    left = {name: value for name, value in query.items() if value.strip()}
    which, after = left.pop("list", ""), left.pop("after", None)
    sort = parse_sort(left.get("sort"))
    asked: dict[str, object] = {key: value for key, value in left.items() if key != "sort"}
    for key in [key for key in asked if key.startswith(_PROPERTY)]:
        properties = asked.setdefault("properties", {})
        assert isinstance(properties, dict)
        properties[key.removeprefix(_PROPERTY)] = asked.pop(key)
    if asked:
        jobs = parse_job_filter(asked, "this address")
        return [JobsList("Jobs found", "No job is like that.", jobs, query=left, sort=sort, after=after)]
    if which in Roots.__members__.values():
        found = list_of(Roots(which))
        return [replace(found, query={**found.query, **left}, sort=sort, after=after)]
    finished = list_of(Roots.FINISHED)
    return [
        list_of(Roots.UNFINISHED),
        replace(finished, heading="Recently finished", empty="", most=overview_jobs.RECENT_JOBS),
    ]
