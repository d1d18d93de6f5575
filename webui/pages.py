"""The site: which page answers which address. Everything here reads, nothing changes the farm."""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable

from hqserver.domain.errors import FarmError, NotFound
from hqserver.http.messages import WebRequest, WebResponse
from hqserver.rpc.method import Registry
from hqserver.services import output
from hqserver.services.farm import Farm
from hqserver.services.overview import Roots

from . import contexts
from .api import api_page
from .assets import asset
from .clients import client_page, clients_page
from .environment import render
from .jobs import job_page, jobs_page
from .metrics import health, metrics
from .parts import when
from .snapshots import Snapshots

_HOST = re.compile(r"(?:[a-z0-9.-]{1,253}|\[[0-9a-f:.]{2,45}\])(?::[0-9]{1,5})?", re.IGNORECASE)
_NUMBER = re.compile(r"[0-9]{1,18}")
_PAGE = {"Cache-Control": "no-store"}


class Site:
    """Answers GET and HEAD; safe to be called from many threads."""

    def __init__(self, farm: Farm, registry: Registry | None = None) -> None:
        """`registry` is what `/api` shows; None for a server without methods."""
        self._farm = farm
        self._registry = registry or Registry([])
        self._snapshots = Snapshots(farm.clock.monotonic)
        self._routes: list[tuple[re.Pattern[str], Callable[[WebRequest, str], WebResponse]]] = [
            (re.compile(pattern), answer)
            for pattern, answer in (
                (r"/()", self._jobs),
                (r"/jobs/view/([0-9]{1,18})", self._job),
                (r"/jobs/output/([0-9]{1,18})", self._output),
                (r"/clients()", self._clients),
                (r"/clients/view/([0-9]{1,18})", self._client),
                (r"/api()", self._api),
                (r"/metrics()", self._metrics),
                (r"/healthz()", self._health),
                (r"/static/([a-z.]{1,40})", self._asset),
            )
        ]

    def respond(self, request: WebRequest) -> WebResponse:
        """The page, file or numbers at the request's address; a page that says so where there is nothing."""
        try:
            for pattern, answer in self._routes:
                if found := pattern.fullmatch(request.path):
                    return answer(request, found[1])
            raise NotFound("there is no page at this address")
        except FarmError as problem:
            return self._error(problem)

    def _error(self, problem: FarmError) -> WebResponse:
        status = problem.code if 400 <= problem.code < 600 else 500
        now = self._farm.clock.now()
        title = "Not found" if status == 404 else "Not available"
        page = contexts.ErrorPage(title=title, at=when(now, now), status=status, sentence=_sentence(problem))
        return WebResponse(render(page), status, headers=_PAGE)

    def _shared(self, key: Hashable, make: Callable[[], contexts.Page]) -> WebResponse:
        return self._snapshots.get(key, lambda: WebResponse(render(make()), headers=_PAGE))

    def _jobs(self, request: WebRequest, _: str) -> WebResponse:
        name = request.query.get("status", "")
        which = Roots(name) if name in Roots.__members__.values() else None
        before = _number(request, "before")
        server = _server(request)
        key = ("jobs", which, before, server)
        return self._shared(key, lambda: jobs_page(self._farm, which, before, server))

    def _job(self, request: WebRequest, number: str) -> WebResponse:
        job_id, after = int(number), _number(request, "children_after") or 0
        return self._shared(("job", job_id, after), lambda: job_page(self._farm, job_id, after))

    def _output(self, request: WebRequest, number: str) -> WebResponse:
        """All of a job's output as it is stored; as a file to keep, or with `?inline=1` to look at."""
        job_id = int(number)
        body = output.job_output(self._farm, job_id)
        where = "inline" if request.query.get("inline") == "1" else "attachment"
        headers = {
            "Content-Disposition": f'{where}; filename="job-{job_id}.log"',
            "X-Content-Type-Options": "nosniff",
            "Cache-Control": "no-store",
        }
        return WebResponse(body, 200, "text/plain; charset=utf-8", headers)

    def _clients(self, request: WebRequest, _: str) -> WebResponse:
        number, server = _number(request, "page") or 1, _server(request)
        return self._shared(("clients", number, server), lambda: clients_page(self._farm, number, server))

    def _client(self, request: WebRequest, number: str) -> WebResponse:
        client_id = int(number)
        return self._shared(("client", client_id), lambda: client_page(self._farm, client_id))

    def _api(self, request: WebRequest, _: str) -> WebResponse:
        server = _server(request)
        return self._shared(("api", server), lambda: api_page(self._registry, self._farm.clock.now(), server))

    def _metrics(self, request: WebRequest, _: str) -> WebResponse:
        return self._snapshots.get("metrics", lambda: metrics(self._farm))

    def _health(self, request: WebRequest, _: str) -> WebResponse:
        return health(self._farm)

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
