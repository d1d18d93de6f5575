"""The command `hqserver`."""

from __future__ import annotations

import argparse
import logging
import os
import sqlite3
import sys
from collections.abc import Callable, Sequence
from logging.handlers import RotatingFileHandler
from pathlib import Path

from hqserver import admin, app
from hqserver.config import SETTINGS, ServerConfig, load
from hqserver.domain.crash import mistyped
from hqserver.domain.settings import SettingError
from hqserver.domain.version import VERSION

_LOG = logging.getLogger(__name__)


_COMMANDS: dict[str, tuple[Callable[[ServerConfig, str], list[str]], str, str]] = {
    "backup": (
        admin.back_up,
        "[FILE]",
        "copy the database, also of a running server, by default into the folder of copies; what jobs printed "
        "(job_logs_dir) is not in it",
    ),
    "restore": (
        admin.restore,
        "[FILE]",
        "put a copy in the place of the database; the server must not run, and what jobs printed stays as it is",
    ),
    "audit": (lambda config, _: admin.audit(config), "", "count the farm anew; 3 where something differs"),
}
"""What can be asked for instead of a server: what does it, the word it takes, and a sentence."""

_DIFFERS = 3


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the server in the foreground, or do what a command says.

    The exit status: 0 done, 1 it cannot be done, 2 wrong use, 3 an audit found differences.
    """
    options = vars(_parser().parse_args(arguments))
    if wrong := mistyped():
        print(f"hqserver: {wrong}", file=sys.stderr)
        return 2
    command, word = options.pop("command"), options.pop("word", None) or ""
    file = options.pop("config") or os.environ.get("HQSERVER_CONFIG") or None
    try:
        config = load(options, os.environ, Path(file) if file else None)
    except SettingError as problem:
        print(f"hqserver: {problem}", file=sys.stderr)
        return 2
    try:
        if command:
            lines = _COMMANDS[command][0](config, word)
            print(*lines, sep="\n")
            return _DIFFERS if command == "audit" and len(lines) > 1 else 0
        app.serve(config, lambda: _start_log(config), lambda address: print(f"listening on {address}", flush=True))
    except (app.CannotStart, admin.CannotDo) as problem:
        print(f"hqserver: {problem}", file=sys.stderr)
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="hqserver",
        description="The farm's server: keeps jobs, hands them to clients, speaks HQueue's XML-RPC API, shows a page.",
        epilog="Every option is also a key of the configuration file (config/hqserver.ini) and a variable HQSERVER_...",
    )
    parser.add_argument("--version", action="version", version=f"hqserver {VERSION}")
    _add_options(parser, None)
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", title="instead of running a server")
    for name, (_, word, sentence) in _COMMANDS.items():
        one = commands.add_parser(name, help=sentence, description=sentence[0].upper() + sentence[1:])
        if word:
            one.add_argument("word", metavar="FILE", nargs="?" if word.startswith("[") else None)
        _add_options(one, argparse.SUPPRESS)  # what was said before the command stays
    return parser


def _add_options(parser: argparse.ArgumentParser, default: str | None) -> None:
    parser.add_argument("--config", metavar="FILE", default=default, help="configuration file ($HQSERVER_CONFIG)")
    for setting in SETTINGS:
        if setting.flag:
            metavar = setting.key.rpartition(".")[2].upper()
            shown = f" (default: {setting.default})" if setting.default != "" else ""
            parser.add_argument(
                setting.flag,
                dest=setting.key,
                metavar=metavar,
                default=default,
                help=f"{setting.sentence}{shown}".replace("%", "%%"),
            )


class _OneLine(logging.Formatter):
    """Lines that nobody can forge: names of jobs and hosts may hold line ends and terminal commands (PROMISES 6.4)."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802  # the standard library's name
        line = super().formatMessage(record)
        return "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in line)


def _start_log(config: ServerConfig) -> None:
    """hqserver.log in the data folder, and warnings on standard error."""
    formatter = _OneLine("%(asctime)s %(levelname)s %(name)s: %(message)s")
    try:
        config.data.mkdir(mode=0o700, parents=True, exist_ok=True)
        file = RotatingFileHandler(config.data / "hqserver.log", maxBytes=5_000_000, backupCount=5, encoding="utf-8")
    except OSError as problem:
        raise app.CannotStart(f"the data folder {config.data} cannot be written: {problem.strerror}") from None
    screen = logging.StreamHandler(sys.stderr)
    screen.setLevel(logging.WARNING)
    for handler in (file, screen):
        handler.setFormatter(formatter)
    root = logging.getLogger()
    root.handlers = [file, screen]
    root.setLevel(logging.DEBUG if config.debug else logging.INFO)
    logging.getLogger("apscheduler").setLevel(logging.DEBUG if config.debug else logging.ERROR)
    _LOG.info("hqserver %s, Python %s, SQLite %s", VERSION, sys.version.split()[0], sqlite3.sqlite_version)
