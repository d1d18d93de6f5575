"""The server's settings: every key of config/hqserver.ini, its default and a sentence (CONTRACT 5.7)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from ipaddress import ip_network
from pathlib import Path

from hqserver.domain.folder import windows_path
from hqserver.domain.mail import MailServer
from hqserver.domain.progress import DEFAULT_PATTERNS, check_pattern
from hqserver.domain.settings import Setting, SettingError, Value, resolve, texts_in_file
from hqserver.mail_settings import MAIL_SETTINGS, mail_policy, mail_server
from hqserver.services.farm import Policy

SETTINGS: tuple[Setting, ...] = (
    Setting(
        "host",
        "127.0.0.1",
        "Address to listen on, 0.0.0.0 for all of this machine's. Others than this machine's own need "
        "hqserver.openNetworks.",
        flag="--host",
    ),
    Setting(
        "hqserver.openNetworks",
        "",
        "Networks whose machines may call without a login, a comma list such as 10.1.0.0/16, 192.168.7.0/24: whoever "
        "reaches the server from there can run commands on the farm.",
        flag="--open-networks",
    ),
    Setting(
        "hqserver.hostNames",
        "",
        "Further names by which callers ask for this server, a comma list; its own name and addresses are known.",
    ),
    Setting(
        "hqserver.port",
        5000,
        "Port for XML-RPC and the page; 0 takes a free one.",
        minimum=0,
        maximum=65535,
        flag="--port",
    ),
    Setting(
        "data",
        "",
        "Folder of the database and the logs of jobs; empty is hqserver in the user's data folder.",
        flag="--data",
    ),
    Setting("job_logs_dir", "", "Folder of the logs of jobs; empty is the folder output in the data folder."),
    Setting(
        "hqserver.backups",
        True,
        "Whether the database is copied every hour and every day; the newest 24 and 7 copies are kept. What jobs "
        "printed is not in a copy: back up job_logs_dir by other means.",
    ),
    Setting(
        "hqserver.backupFolder",
        "",
        "Folder of these copies, best on another disk; empty is the folder backups in the data folder.",
    ),
    Setting(
        "hqserver.beatSeconds",
        5.0,
        "Seconds between heartbeats of a client.",
        minimum=0.1,
        maximum=300,
    ),
    Setting(
        "hqserver.activeTimeout",
        2.0,
        "Minutes of silence after which a client is lost and its jobs may be given to others.",
        minimum=0.01,
        maximum=100000,
    ),
    Setting(
        "hqserver.rescheduleAbandoned",
        True,
        "Whether the jobs of a lost client are given to other clients; otherwise they end abandoned.",
    ),
    Setting(
        "hqserver.maxClientLosses",
        3,
        "A job whose clients were lost so often while they ran it ends abandoned.",
        minimum=1,
        maximum=1000,
    ),
    Setting(
        "hqserver.maxFailuresPerClient",
        3,
        "A client that failed the work of a root job so often gets no more of it.",
        minimum=1,
        maximum=1000000,
    ),
    Setting(
        "hqserver.sickFailures",
        5,
        "A client on which so many commands of different submitters failed in a row is set aside as sick.",
        minimum=2,
        maximum=1000000,
    ),
    Setting(
        "hqserver.sickMinutes",
        10.0,
        "Minutes after which a client that was set aside is tried again with one job; twice as long each time.",
        minimum=0.01,
        maximum=100000,
    ),
    Setting(
        "hqserver.licencePause",
        1.0,
        "Minutes for which work is put back whose output says that a licence was lacking (failurePatterns).",
        minimum=0.01,
        maximum=100000,
    ),
    Setting(
        "hqserver.holdTimeout",
        10.0,
        "Minutes for which clients are held for a job that needs several at once.",
        minimum=0.01,
        maximum=100000,
    ),
    Setting(
        "hqserver.hookTimeout",
        10.0,
        "Minutes that a hook (onSuccess, onError, ...) may run, and wait for a client.",
        minimum=0.01,
        maximum=100000,
    ),
    Setting(
        "hqserver.expireJobsDays",
        14.0,
        "Days after which a finished job is removed with its output; 0 keeps them all.",
        minimum=0,
        maximum=100000,
    ),
    Setting(
        "hqserver.killTimeout",
        0.0,
        "Minutes after which a kill that its client has not confirmed is given up; 0 is as activeTimeout.",
        minimum=0,
        maximum=100000,
    ),
    Setting(
        "hqserver.killGrace",
        10.0,
        "Seconds a command gets to end by itself when it is cancelled, before it is killed.",
        minimum=0,
        maximum=3600,
    ),
    Setting(
        "hqserver.unknownProperties",
        "keep",
        "What to do with a property of a specification that nobody knows: keep it with the job, or refuse the job.",
        choices=("keep", "refuse"),
    ),
    Setting(
        "hqserver.logLimit",
        64,
        "Megabytes of output kept of one run, of each of its two logs where splitOutput keeps stderr apart; beyond it "
        "the first and the last half are kept, with a line between.",
        minimum=1,
        maximum=100000,
    ),
    Setting(
        "hqserver.progressPatterns",
        "",
        "Further patterns of progress in output, one a line below the key: regular expressions with one group, "
        "a percentage, or two, n of m.",
    ),
    Setting(
        "hqserver.sharedNetwork.mount.linux",
        "/mnt/hq",
        "Where Linux clients see the shared folder: their $HQROOT.",
    ),
    Setting(
        "hqserver.sharedNetwork.mount.windows",
        "H:",
        "The drive to which Windows machines map the shared folder: HQROOT of Windows clients where path.windows is "
        "empty.",
    ),
    Setting(
        "hqserver.sharedNetwork.mount.macosx",
        "/Volumes/HQShared",
        "Where macOS clients see the shared folder: their $HQROOT.",
    ),
    Setting("hqserver.sharedNetwork.host", "localhost", "The machine that shares the folder, as clients call it."),
    Setting(
        "hqserver.sharedNetwork.path.windows",
        "",
        "Name of the share on that machine; HQROOT of Windows clients is then \\\\host\\name.",
    ),
    Setting(
        "hqserver.threads",
        8,
        "Calls and pages worked on at once; further ones wait.",
        minimum=1,
        maximum=256,
    ),
    *MAIL_SETTINGS,
    Setting("debug", False, "Whether the log tells of every call and dispatch."),
)


@dataclass(frozen=True, slots=True)
class ServerConfig:
    """The server's configuration, checked. `copies` is the folder of copies of the database, which are
    made at intervals unless `backups` is off; `policy` is what services need of it; `mail_server` takes its mail, None
    for none; `settings` are the words of the file, which `getConfig` answers."""

    host: str
    port: int
    data: Path
    logs: Path
    copies: Path
    threads: int
    debug: bool
    policy: Policy
    backups: bool = True
    open_networks: tuple[str, ...] = ()
    host_names: tuple[str, ...] = ()
    mail_server: MailServer | None = None
    settings: Mapping[str, str] = field(default_factory=dict)


def load(flags: Mapping[str, str | None], environ: Mapping[str, str], file: Path | None) -> ServerConfig:
    """Read the configuration: flags before environment (`HQSERVER_...`) before file before default.

    Raises `SettingError`, whose sentence names line and near match.
    """
    text, name, here = "", "", ""
    if file is not None:
        name, here = str(file), str(file.resolve().parent)
        try:
            text = file.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as problem:
            reason = problem.strerror if isinstance(problem, OSError) else "it is not UTF-8 text"
            raise SettingError(f"the configuration file {file} cannot be read: {reason}") from None
    values, _ = resolve(
        SETTINGS, prefix="HQSERVER_", flags=flags, environ=environ, file_name=name, file_text=text, here=here
    )
    texts = texts_in_file(SETTINGS, file_name=name, file_text=text, here=here)
    return replace(_checked(values, environ), settings=texts)


def _checked(values: Mapping[str, Value], environ: Mapping[str, str]) -> ServerConfig:
    data = Path(str(values["data"])).expanduser() if values["data"] else _default_data(environ)
    active_seconds = 60.0 * float(values["hqserver.activeTimeout"])
    kill_seconds = 60.0 * float(values["hqserver.killTimeout"])
    patterns = tuple(line.strip() for line in str(values["hqserver.progressPatterns"]).splitlines() if line.strip())
    for pattern in patterns:
        try:
            check_pattern(pattern)
        except ValueError as problem:
            raise SettingError(f"hqserver.progressPatterns {problem}, not {pattern!r}") from None
    mounts = {key: str(values[f"hqserver.sharedNetwork.mount.{key}"]) for key in ("linux", "windows", "macosx")}
    host, share = (str(values[f"hqserver.sharedNetwork.{key}"]) for key in ("host", "path.windows"))
    if share and not host:
        raise SettingError(f"hqserver.sharedNetwork.path.windows is {share!r}, but sharedNetwork.host is empty")
    return ServerConfig(
        host=str(values["host"]),
        port=int(values["hqserver.port"]),
        data=data,
        logs=_folder(values["job_logs_dir"], data / "output"),
        copies=_folder(values["hqserver.backupFolder"], data / "backups"),
        backups=bool(values["hqserver.backups"]),
        threads=int(values["hqserver.threads"]),
        debug=bool(values["debug"]),
        policy=Policy(
            beat_seconds=float(values["hqserver.beatSeconds"]),
            active_timeout_seconds=active_seconds,
            kill_timeout_seconds=kill_seconds or active_seconds,
            kill_grace_seconds=float(values["hqserver.killGrace"]),
            reschedule_abandoned=bool(values["hqserver.rescheduleAbandoned"]),
            max_client_losses=int(values["hqserver.maxClientLosses"]),
            max_failures_per_client=int(values["hqserver.maxFailuresPerClient"]),
            sick_failures=int(values["hqserver.sickFailures"]),
            sick_seconds=60.0 * float(values["hqserver.sickMinutes"]),
            licence_pause_seconds=60.0 * float(values["hqserver.licencePause"]),
            hold_timeout_seconds=60.0 * float(values["hqserver.holdTimeout"]),
            hook_timeout_seconds=60.0 * float(values["hqserver.hookTimeout"]),
            expire_jobs_days=float(values["hqserver.expireJobsDays"]),
            refuse_unknown_properties=values["hqserver.unknownProperties"] == "refuse",
            log_limit_bytes=int(values["hqserver.logLimit"]) * 1024 * 1024,
            progress_patterns=(*DEFAULT_PATTERNS, *patterns),
            network_root={**mounts, "windows": windows_path(host, share, mounts["windows"])},
            network_drive=mounts["windows"],
            network_host=host,
            mail=mail_policy(values),
        ),
        open_networks=_networks(str(values["hqserver.openNetworks"])),
        host_names=_listed(str(values["hqserver.hostNames"])),
        mail_server=mail_server(values),
    )


def _folder(value: Value, default: Path) -> Path:
    return Path(str(value)).expanduser() if value else default


def _listed(text: str) -> tuple[str, ...]:
    return tuple(entry for entry in (each.strip() for each in text.split(",")) if entry)


def _networks(text: str) -> tuple[str, ...]:
    """The networks of a comma list. Raises `SettingError` for one that is none."""
    found = _listed(text)
    for entry in found:
        try:
            ip_network(entry)
        except ValueError as problem:
            raise SettingError(f"hqserver.openNetworks must be networks such as 10.1.0.0/16: {problem}") from None
    return found


def _default_data(environ: Mapping[str, str]) -> Path:
    base = environ.get("XDG_DATA_HOME", "")
    return (Path(base) if base else Path.home() / ".local" / "share") / "hqserver"
