"""A page as a browser takes it, and how tests ask the site for one."""

from __future__ import annotations

from html.parser import HTMLParser

from hqserver.web import WebRequest, WebResponse
from webui.pages import Site

HOSTILE = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "'; --",
    "{{ 7 * 7 }}{% raw %}",
    "\u202egnp.elif",
    "a\x07b\x1b[31m",
    "x" * 1000,
]
"""Names and texts that would do harm, or look like something else, where a page showed them as they are."""

VOID = {"meta", "link", "img", "use", "br", "input"}


class Reader(HTMLParser):
    """A page as a browser takes it: text, links and titles; a tag that is not closed is an error."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.words: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(page)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID or tag == "use":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())

    @property
    def links(self) -> list[str]:
        return [str(attrs["href"]) for tag, attrs in self.tags if tag == "a"]


def get(site: Site, address: str, **headers: str) -> WebResponse:
    path, _, query = address.partition("?")
    names = dict(pair.split("=", 1) for pair in query.split("&")) if query else {}
    return site.respond(WebRequest(path, names, headers))


def body(response: WebResponse) -> bytes:
    assert isinstance(response.body, bytes)
    return response.body


def read(site: Site, address: str, status: int = 200, **headers: str) -> Reader:
    response = get(site, address, **headers)
    assert response.status == status
    assert response.content_type == "text/html; charset=utf-8"
    return Reader(body(response).decode())
