"""XML-RPC libraries of other languages as callers: one process each, driven by lines of JSON.

A script in `scripts/` reads `[url, method, params]` from a line of its standard input, makes that call with its library
as a programmer of that language would, and answers with a line: `{"value": ...}`, `{"fault": [code, sentence]}`, or
`{"error": ...}` where the library could not read the answer. What the library read as a time is `{"@date": ...}`.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from xmlrpc.client import Fault

from tool_kit import tools

SCRIPTS = Path(__file__).parent / "scripts"
_DATE = re.compile(r"\d{8}T\d\d:\d\d:\d\d")


class Unreadable(Exception):
    """The library could not send the call, or not read the answer."""


@dataclass(frozen=True)
class Language:
    """How a library's script is started.

    `tool` is what must be installed, by its name in scripts/test_tools.py. `nil` says that the library reads and sends
    nil as it is shipped, `typed_dates` that its JSON tells a time from text, `one_empty` that the language has one
    empty value for array and struct, `keeps_cr` that it leaves line ends as they are.
    """

    tool: str
    command: Callable[[Path], list[str]]
    nil: bool = False
    typed_dates: bool = True
    one_empty: bool = False
    keeps_cr: bool = True


def _compiled(folder: Path) -> list[str]:
    program = folder / "xmlrpc_c"
    libraries = ["-lxmlrpc_client", "-lxmlrpc", "-lxmlrpc_util"]
    source = str(SCRIPTS / "xmlrpc_c.c")
    subprocess.run(["gcc", "-Wall", "-Wextra", "-Werror", "-o", str(program), source, *libraries], check=True)
    return [str(program)]


LANGUAGES = {
    "perl-rpc-xml": Language("rpc-xml", lambda _: ["perl", str(SCRIPTS / "rpc_xml.pl")], nil=True),
    "perl-frontier": Language("frontier", lambda _: ["perl", str(SCRIPTS / "frontier.pl")]),
    "ruby": Language("ruby", lambda _: ["ruby", str(SCRIPTS / "xmlrpc.rb")]),
    "php": Language("php", lambda _: ["php", str(SCRIPTS / "xmlrpc_epi.php")], nil=True, one_empty=True),
    "node": Language("node", lambda _: ["node", str(SCRIPTS / "xmlrpc.js")], nil=True),
    "c": Language("xmlrpc-c", _compiled, nil=True, typed_dates=False, keeps_cr=False),
}


class Caller:
    """A library of another language, ready to call the server at `url`."""

    def __init__(self, language: Language, process: subprocess.Popen[bytes], url: str) -> None:
        self.language = language
        self._process = process
        self._url = url

    def call(self, path: str, method: str, *params: Any) -> Any:
        """The result as the library reads it. Raises `Fault`, or `Unreadable` with the library's words."""
        assert self._process.stdin is not None and self._process.stdout is not None
        line = json.dumps([self._url + path, method, params], ensure_ascii=False)
        self._process.stdin.write(line.encode() + b"\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        assert answer, f"the caller ended with {self._process.wait(5)}"
        match json.loads(answer):
            case {"value": value}:
                return self._read(value)
            case {"fault": [code, sentence]}:
                raise Fault(code, sentence)
            case {"error": problem}:
                raise Unreadable(problem)
        raise AssertionError(answer)

    def _read(self, value: Any) -> Any:
        match value:
            case {"@date": text}:
                return datetime.fromisoformat(text)
            case dict():
                return {key: self._read(item) for key, item in value.items()}
            case list():
                return [self._read(item) for item in value]
            case str() if not self.language.typed_dates and _DATE.fullmatch(value):
                return datetime.fromisoformat(value)
        return value


@contextmanager
def started(language: Language, folder: Path, url: str) -> Iterator[Caller]:
    """A caller in this language; its process ends with the block."""
    process = subprocess.Popen(
        language.command(folder),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "TZ": "UTC", "NODE_PATH": str(tools().NODE_MODULES)},
    )
    with process:
        try:
            yield Caller(language, process, url)
        finally:
            assert process.stdin is not None
            process.stdin.close()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
