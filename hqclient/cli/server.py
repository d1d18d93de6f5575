"""`hq call`, `methods`, `errors`, `config` and `version`: the server itself. What its methods are, it is asked."""

from __future__ import annotations

import argparse
import json
from typing import Any

from hqclient.errors import NotFound, Refused
from hqclient.farm import Farm
from hqserver.domain.errors import near_match
from hqserver.domain.version import VERSION

from .client_control import named
from .exits import BadUsage, Exit
from .screen import Screen, columns_of, harmless
from .tables import Cell, Column, table_lines
from .words import local_time

_ERROR_COLUMNS = (Column("TIME"), Column("SOURCE", rank=1), Column("", flexible=True))


def call_method(farm: Farm, args: argparse.Namespace, screen: Screen) -> Exit:
    """`hq call`. The answer is JSON with or without --json; what is wrong with a call, the server says."""
    screen.json(farm.call(args.method, *[_parameter(word) for word in args.parameters]))
    return Exit.OK


def _parameter(word: str) -> Any:
    """The JSON value a word stands for; a word that is not JSON is a text, unless it sets out to be JSON."""
    try:
        return json.loads(word)
    except (ValueError, RecursionError) as problem:
        if word.lstrip()[:1] in ("{", "[", '"'):
            raise BadUsage(f"not JSON: {word} ({problem})") from None
        return word


def list_methods(farm: Farm, args: argparse.Namespace, screen: Screen) -> Exit:
    """`hq methods`: all names, those that hold a word, or everything about one."""
    names = list(farm.call("system.listMethods"))
    if args.name in names:
        _describe(farm, args.name, screen)
        return Exit.OK
    matching = [name for name in names if args.name.lower() in name.lower()] if args.name else names
    if not matching:
        raise NotFound(404, f"the server has no method {args.name!r}{near_match(args.name, names)}")
    if screen.as_json:
        screen.json(matching)
        return Exit.OK
    for line in _in_columns([harmless(name) for name in matching], screen.width):
        screen.line(line)
    return Exit.OK


def _describe(farm: Farm, name: str, screen: Screen) -> None:
    text, signatures = _help(farm, name), _signatures(farm, name)
    if screen.as_json:
        screen.json({"name": name, "signatures": signatures, "help": text})
        return
    usage, *rest = (text or name).splitlines()
    screen.line(screen.paint(harmless(usage), "heading"))
    for line in rest:
        screen.line(harmless(line))


def _help(farm: Farm, name: str) -> str:
    try:
        return str(farm.call("system.methodHelp", name) or "")
    except Refused:
        return ""


def _signatures(farm: Farm, name: str) -> list[list[str]]:
    """Result and parameter types, a list for each way of calling; empty where the server does not say."""
    try:
        answer = farm.call("system.methodSignature", name)
    except Refused:
        return []
    return [list(each) for each in answer if each] if isinstance(answer, list) else []


def _in_columns(words: list[str], width: int | None) -> list[str]:
    """The words in as many columns as fit, read downwards; one a line where there is no width."""
    if width is None:
        return words
    cell = max(map(columns_of, words)) + 2
    across = max(1, width // cell)
    down = -(-len(words) // across)
    rows = [words[row::down] for row in range(down)]
    return ["".join(f"{word:{cell}}" for word in row).rstrip() for row in rows]


def show_errors(farm: Farm, args: argparse.Namespace, screen: Screen) -> Exit:
    """`hq errors`: newest first, those of the server or of one client."""
    if args.client is None:
        answer = farm.call("getServerErrors")
    else:
        answer = farm.call("getClientErrors", named(farm, [args.client])[0]["id"])
    if screen.as_json:
        screen.json(answer)
        return Exit.OK
    errors = answer.get("errors", [])
    if not errors:
        screen.note("no errors")
        return Exit.OK
    rows = [[Cell(local_time(each["time"]), "faint"), Cell(each["source"]), Cell(each["message"])] for each in errors]
    for line in table_lines(screen, _ERROR_COLUMNS, rows):
        screen.line(line)
    if answer["total"] > len(errors):
        screen.note(f"of {answer['total']} errors these are the newest")
    return Exit.OK


def show_config(farm: Farm, args: argparse.Namespace, screen: Screen) -> Exit:
    """`hq config`. A key that the file does not have is exit code 3."""
    value = farm.call("getConfig", args.key)
    if value is None:
        raise NotFound(404, f"the server's configuration file says nothing for {args.key!r}")
    if screen.as_json:
        screen.json(value)
    else:
        screen.line(harmless(value))
    return Exit.OK


def show_version(farm: Farm, args: argparse.Namespace, screen: Screen) -> Exit:
    """`hq version`."""
    server = farm.version()
    if screen.as_json:
        screen.json({"hq": VERSION, "server": server})
    else:
        screen.line(f"hq {VERSION}, server {harmless(server)} at {farm.url}")
    return Exit.OK
