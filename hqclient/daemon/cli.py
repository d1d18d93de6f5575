"""The command `hqclient`: the daemon in the foreground."""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import signal
import sys
import time
from collections.abc import Callable, Sequence
from logging.handlers import RotatingFileHandler
from pathlib import Path

from hqserver.domain.crash import crash_point, mistyped
from hqserver.domain.settings import SettingError
from hqserver.domain.version import VERSION

from . import host_os
from .agent import EXIT_CANNOT_START, Agent
from .codestore import CodeStore
from .config import SETTINGS, Config, load_config
from .handover import EXIT_AGAIN, CodeState, become, choose, handover_command, own_command, reap
from .identity import DataFolder, DataFolderError
from .link import Link
from .listener import ListenerError
from .machine import code_version, read_machine
from .session import WrongServer
from .wiretext import one_line

_log = logging.getLogger(__name__)

_LOG_BYTES, _LOG_FILES = 5_000_000, 5
EXIT_WRONG_USE, EXIT_INTERRUPTED = 2, 130


def main(arguments: Sequence[str] | None = None) -> int:
    """The program `hqclient`: hand over to the code that is to run, or be the daemon.

    The exit status: 0 ended as asked, 1 cannot start, 2 wrong use, 3 duplicate client.
    """
    words = sys.argv[1:] if arguments is None else arguments
    status = _run(words, lambda config, data: _hand_over(config, data, words))
    if status == EXIT_AGAIN:
        become(own_command())
    return status


def serve(arguments: Sequence[str]) -> int:
    """Be the daemon, with the code that has been imported (handover.py calls this); the exit status as of `main`,
    or `EXIT_AGAIN`."""
    return _run(arguments, lambda config, data: None)


def _run(arguments: Sequence[str], begin: Callable[[Config, DataFolder], None]) -> int:
    """The daemon's life; `begin` is called once the data folder is ours."""
    flags = vars(_parser().parse_args(arguments))
    file = flags.pop("config") or os.environ.get("HQCLIENT_CONFIG") or None
    if wrong := mistyped():
        return _complain(wrong, EXIT_WRONG_USE)
    try:
        config = load_config(flags, os.environ, Path(file) if file else None)
    except SettingError as problem:
        return _complain(problem, EXIT_WRONG_USE)
    data = DataFolder(config.data)
    try:
        data.lock()
        begin(config, data)
        _start_log(data.log)
        return asyncio.run(_serve(config, data))
    except (DataFolderError, ListenerError, WrongServer) as problem:
        return _complain(problem, EXIT_CANNOT_START)
    except OSError as problem:
        return _complain(f"the data folder {config.data} cannot be used: {problem}", EXIT_CANNOT_START)
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED  # before the daemon was far enough to end in order
    finally:
        data.unlock()
        logging.shutdown()


def _hand_over(config: Config, data: DataFolder, arguments: Sequence[str]) -> None:
    """Be the code from the server that is to run; returns where that is the installed code. Raises `OSError`."""
    store = CodeStore(data.code)
    known = store.state
    if known == CodeState():
        return
    reap()
    state, version = choose(known, code_version(), time.time())
    if state != known:
        store.record(state)
    if version:
        trial_seconds = config.upgrade_timeout_seconds if state.trial else 0.0
        crash_point("upgrade_handed_over")
        data.unlock()  # the next code locks it anew; whoever comes between has it, and that code ends
        become(handover_command(data.code, version, trial_seconds, arguments))


async def _serve(config: Config, data: DataFolder) -> int:
    machine = read_machine(config.cpus)
    agent = Agent(config, machine, data, Link(config.server), _announce)
    _on_signals(agent.stop)
    if weakness := host_os.weakness(data.path):
        _log.warning("the data folder %s %s", data.path, weakness)
    _log.info("hqclient %s, Python %s, %d CPUs", VERSION, sys.version.split()[0], machine.cpus)
    return await agent.run()


def _on_signals(stop: Callable[[], None]) -> None:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        try:
            loop.add_signal_handler(number, stop)
        except NotImplementedError:  # Windows: a handler there runs between two steps of the loop
            signal.signal(number, lambda *_: loop.call_soon_threadsafe(stop))


def _announce(sentence: str) -> None:
    try:
        sys.stdout.write(one_line(sentence) + "\n")
        sys.stdout.flush()
    except OSError:
        pass  # whoever was reading has gone; the daemon stays
    _log.info("%s", sentence)


def _complain(problem: object, status: int) -> int:
    sys.stderr.write(f"hqclient: {one_line(str(problem))}\n")
    return status


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="hqclient",
        description="The farm's daemon: runs jobs on this machine for an hqserver.",
        epilog="Every option is also a key of the configuration file (config/hqclient.ini) "
        "and a variable of the environment, HQCLIENT_SERVER and so on.",
    )
    parser.add_argument("--config", metavar="FILE", help="configuration file ($HQCLIENT_CONFIG)")
    parser.add_argument("--version", action="version", version=f"hqclient {VERSION}")
    for setting in SETTINGS:
        sentence = setting.sentence.replace("%", "%%")
        if not setting.flag:
            continue
        if isinstance(setting.default, bool):
            parser.add_argument(setting.flag, dest=setting.key, action="store_const", const="yes", help=sentence)
        else:
            default = f" (default: {setting.default})" if setting.default != "" else ""
            metavar = setting.flag.removeprefix("--").upper()
            parser.add_argument(setting.flag, dest=setting.key, metavar=metavar, help=sentence + default)
    return parser


class _OneLine(logging.Formatter):
    """Lines that nobody can forge: what names and reasons contain is escaped, our own tracebacks are not."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802  # the standard library's name
        return one_line(super().formatMessage(record))


def _start_log(path: Path) -> None:
    """hqclient.log in the data folder, and warnings on standard error too. Raises `OSError`."""
    screen = logging.StreamHandler(sys.stderr)
    screen.setLevel(logging.WARNING)
    file = RotatingFileHandler(path, maxBytes=_LOG_BYTES, backupCount=_LOG_FILES, encoding="utf-8")
    root = logging.getLogger()
    for handler in (screen, file):
        handler.setFormatter(_OneLine("%(asctime)s %(levelname)s %(message)s"))
    root.handlers = [screen, file]
    root.setLevel(logging.INFO)
