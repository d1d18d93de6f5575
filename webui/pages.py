"""The site: which page answers which address. Everything here reads, nothing changes the farm."""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable, Mapping
from urllib.parse import quote, urlencode

from hqserver.domain.errors import BadParameters, FarmError, NotFound
from hqserver.domain.run import Stream
from hqserver.rpc.method import Registry
from hqserver.services.farm import Farm
from hqserver.services.queries import output
from hqserver.web import WebRequest, WebResponse

from . import contexts
from .api import api_page
from .assets import asset, is_held
from .clients import client_page, clients_page
from .diagnostics import job_diagnostics
from .environment import render
from .feed import notes_feed
from .inventory import errors_page, folders_page, group_page, groups_page, notes_page, resources_page, thread_page
from .job import job_page
from .jobs import jobs_page
from .metrics import health, metrics
from .parts import when
from .snapshots import Snapshots
from .work import asked_for

_HOST = re.compile(r"(?:[a-z0-9.-]{1,253}|\[[0-9a-f:.]{2,45}\])(?::[0-9]{1,5})?", re.IGNORECASE)
_NUMBER = re.compile(r"[0-9]{1,18}")
_PAGE = {"Cache-Control": "no-store"}
_ALSO = {"/jobs": "/", "/resources": "/resources/view"}
"""Addresses that people type, and where those pages are."""


class Site:
    """Answers GET and HEAD; safe to be called from many threads."""

    def __init__(
        self,
        farm: Farm,
        registry: Registry | None = None,
        tick_ages: Callable[[], Mapping[str, float]] = dict,
    ) -> None:
        """`registry` is what `/api` shows; None for a server without methods. `tick_ages` gives, by name, the seconds
        since each tick last ran."""
        self._farm = farm
        self._registry = registry or Registry([])
        self._tick_ages = tick_ages
        self._snapshots = Snapshots(farm.clock.monotonic)
        self._routes: list[tuple[re.Pattern[str], Callable[[WebRequest, str], WebResponse]]] = [
            (re.compile(pattern), answer)
            for pattern, answer in (
                (r"/()", self._jobs),
                (r"/jobs/view/([0-9]{1,18})", self._job),
                (r"/jobs/output/([0-9]{1,18})", self._output),
                (r"/jobs/diagnostics/([0-9]{1,18})", self._diagnostics),
                (r"/clients()", self._clients),
                (r"/clients/view/([0-9]{1,18})", self._client),
                (r"/groups()", self._groups),
                (r"/groups/view/([0-9]{1,18})", self._group),
                (r"/resources/view()", self._resources),
                (r"/notes()", self._notes),
                (r"/notes/view/([0-9]{1,18})", self._thread),
                (r"/folders()", self._folders),
                (r"/errors()", self._errors),
                (r"/api()", self._api),
                (r"/metrics()", self._metrics),
                (r"/healthz()", self._health),
                (r"/notes\.atom()", self._feed),
                (r"/static/([a-z.]{1,40})", self._asset),
            )
        ]

    def respond(self, request: WebRequest) -> WebResponse:
        """The page, file or numbers at the request's address; a page that says so where there is nothing."""
        try:
            if found := self._route(request.path):
                answer, argument = found
                return answer(request, argument)
            return self._elsewhere(request)
        except FarmError as problem:
            return self._error(problem)

    def _route(self, path: str) -> tuple[Callable[[WebRequest, str], WebResponse], str] | None:
        for pattern, answer in self._routes:
            if found := pattern.fullmatch(path):
                return answer, found[1]
        return None

    def _elsewhere(self, request: WebRequest) -> WebResponse:
        """To the one address of the page that is meant, where another was typed. Raises `NotFound`."""
        path = request.path.removesuffix("/")
        path = _ALSO.get(path, path)
        if not self._route(path):  # so an address of another server is never sent anybody to
            raise NotFound("there is no page at this address")
        query = f"?{urlencode(request.query)}" if request.query else ""
        return WebResponse(b"", 308, headers={"Location": quote(path) + query, **_PAGE})

    def _error(self, problem: FarmError) -> WebResponse:
        status = 400 if isinstance(problem, BadParameters) else problem.code if 400 <= problem.code < 600 else 500
        now = self._farm.clock.now()
        title = {400: "Not understood", 404: "Not found"}.get(status, "Not available")
        page = contexts.ErrorPage(title=title, at=when(now, now), status=status, sentence=_sentence(problem))
        return WebResponse(render(page), status, headers=_PAGE)

    def _shared(self, key: Hashable, make: Callable[[], contexts.Page]) -> WebResponse:
        return self._snapshots.get(key, lambda: WebResponse(render(make()), headers=_PAGE))

    def _jobs(self, request: WebRequest, _: str) -> WebResponse:
        server = _server(request)
        key = ("jobs", *sorted(request.query.items()), server)
        return self._shared(key, lambda: jobs_page(self._farm, request.query, server))

    def _job(self, request: WebRequest, number: str) -> WebResponse:
        job_id, after = int(number), _number(request, "children_after") or 0
        shown = asked_for(request.query)
        return self._shared(("job", job_id, after, shown), lambda: job_page(self._farm, job_id, after, shown))

    def _output(self, request: WebRequest, number: str) -> WebResponse:
        """All of a job's output as it is stored; as a file to keep, or with `?inline=1` to look at. With `?stream=`
        only what its runs wrote to that one, where they keep stderr apart."""
        job_id, stream = int(number), request.query.get("stream", "")
        if stream not in ("", *Stream):
            raise BadParameters(f"stream must be {' or '.join(Stream)}, not {stream[:64]!r}")
        body = output.job_output(self._farm, job_id, stream=Stream(stream) if stream else None)
        where = "inline" if request.query.get("inline") == "1" else "attachment"
        headers = {
            "Content-Disposition": f'{where}; filename="job-{job_id}{stream and "-"}{stream}.log"',
            "X-Content-Type-Options": "nosniff",
            "Cache-Control": "no-store",
        }
        return WebResponse(body, 200, "text/plain; charset=utf-8", headers)

    def _diagnostics(self, request: WebRequest, number: str) -> WebResponse:
        job_id = int(number)
        return self._snapshots.get(("diagnostics", job_id), lambda: job_diagnostics(self._farm, job_id))

    def _clients(self, request: WebRequest, _: str) -> WebResponse:
        number, server = _number(request, "page") or 1, _server(request)
        return self._shared(("clients", number, server), lambda: clients_page(self._farm, number, server))

    def _client(self, request: WebRequest, number: str) -> WebResponse:
        client_id = int(number)
        return self._shared(("client", client_id), lambda: client_page(self._farm, client_id))

    def _groups(self, request: WebRequest, _: str) -> WebResponse:
        after = request.query.get("after", "")
        return self._shared(("groups", after), lambda: groups_page(self._farm, after))

    def _group(self, request: WebRequest, number: str) -> WebResponse:
        group_id, page = int(number), _number(request, "page") or 1
        return self._shared(("group", group_id, page), lambda: group_page(self._farm, group_id, page))

    def _resources(self, request: WebRequest, _: str) -> WebResponse:
        return self._shared("resources", lambda: resources_page(self._farm))

    def _notes(self, request: WebRequest, _: str) -> WebResponse:
        before = _number(request, "before")
        return self._shared(("notes", before), lambda: notes_page(self._farm, before))

    def _thread(self, request: WebRequest, number: str) -> WebResponse:
        thread_id, before = int(number), _number(request, "before")
        return self._shared(("thread", thread_id, before), lambda: thread_page(self._farm, thread_id, before))

    def _folders(self, request: WebRequest, _: str) -> WebResponse:
        return self._shared("folders", lambda: folders_page(self._farm))

    def _errors(self, request: WebRequest, _: str) -> WebResponse:
        return self._shared("errors", lambda: errors_page(self._farm))

    def _api(self, request: WebRequest, _: str) -> WebResponse:
        server = _server(request)
        return self._shared(("api", server), lambda: api_page(self._registry, self._farm.clock.now(), server))

    def _metrics(self, request: WebRequest, _: str) -> WebResponse:
        return self._snapshots.get("metrics", lambda: metrics(self._farm, self._tick_ages()))

    def _health(self, request: WebRequest, _: str) -> WebResponse:
        return health(self._farm)

    def _feed(self, request: WebRequest, _: str) -> WebResponse:
        server = _server(request)
        feed = self._snapshots.get(("feed", server), lambda: notes_feed(self._farm, server))
        if is_held(request, feed.headers["ETag"]):
            return WebResponse(b"", 304, feed.content_type, feed.headers)
        return feed

    def _asset(self, request: WebRequest, name: str) -> WebResponse:
        found = asset(name, request)
        if found is None:
            raise NotFound("there is no such file")
        return found


def _sentence(problem: FarmError) -> str:
    text = str(problem)
    return f"{text[:1].upper()}{text[1:]}."


def _number(request: WebRequest, name: str) -> int | None:
    """A number of the query; None where there is none, or something else."""
    text = request.query.get(name, "")
    return int(text) if _NUMBER.fullmatch(text) else None


def _server(request: WebRequest) -> str:
    """The address by which the visitor calls this server, to be shown in examples."""
    host = request.headers.get("host", "")
    return f"http://{host}" if _HOST.fullmatch(host) else "http://127.0.0.1:5000"
