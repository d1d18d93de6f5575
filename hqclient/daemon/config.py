"""The daemon's settings: what each key of `hqclient.ini` means, and the checked record of their values."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from hqserver.domain.settings import Setting, SettingError, Value, resolve

SETTINGS: tuple[Setting, ...] = (
    Setting(
        "server",
        "http://127.0.0.1:5000",
        "The farm's server: a URL, a host, or host:port (port 5000 unless given).",
        flag="--server",
    ),
    Setting(
        "name",
        "",
        "Name of this client where several run on one machine; it then appears as machine:name.",
        flag="--name",
    ),
    Setting(
        "cpus",
        0,
        "CPUs offered to jobs; 0 offers every CPU this process may use.",
        minimum=0,
        maximum=4096,
        flag="--cpus",
    ),
    Setting(
        "port",
        5001,
        "Port on which the daemon listens for wakeup() and terminate(); 0 takes any free one. "
        "A client with a name takes a free port when this one is in use.",
        minimum=0,
        maximum=65535,
        flag="--port",
    ),
    Setting("listen", True, "Whether to listen at all; without it orders come with the next beat."),
    Setting(
        "listenHost",
        "",
        "Address to listen on; empty means loopback when the server is on loopback, every address otherwise.",
    ),
    Setting(
        "data",
        "",
        "Folder of identity, outbox, runs and log; empty means the user's own data folder.",
        flag="--data",
    ),
    Setting(
        "killJobsOnExit",
        False,
        "Whether running commands are ended when the daemon stops; otherwise the next daemon adopts them.",
        flag="--kill-jobs",
    ),
    Setting(
        "keepEnvironment",
        "",
        "Variables of the daemon's own environment that commands see too: names or patterns (MAYA_*).",
    ),
    Setting(
        "sharedNetwork.mount",
        "",
        "Where the shared folder is mounted on this machine; replaces HQROOT in the environment of commands.",
    ),
    Setting(
        "minimumDisk",
        256,
        "No new runs are taken while the disk of the data folder has less free space than this, in MB.",
        minimum=0,
        maximum=1_000_000_000,
    ),
    Setting(
        "auto_upgrade",
        True,
        "Whether the daemon takes over the server's client code at its start; without it only when told to upgrade.",
    ),
    Setting(
        "upgradeTimeout",
        60,
        "Seconds in which the server must have answered new code; otherwise the daemon returns to the code before it.",
        minimum=1,
        maximum=3600,
    ),
)
"""Every key, its default and a sentence (CONTRACT 5.7). `config/hqclient.ini` shows them all."""

ENVIRONMENT_SECTION = "job_environment"
"""The section of `hqclient.ini` whose entries are variables for the jobs run here (CONTRACT 2.6)."""

_DEFAULT_PORT = 5000
_HOST = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9._-]{0,252}[A-Za-z0-9_.])?")
_ADDRESS_V6 = re.compile(r"[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*(?:%[A-Za-z0-9._-]+)?")
_NAME = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_.-]{0,62}[A-Za-z0-9_-])?")
_VARIABLE = re.compile(r"[^=\0]+")


@dataclass(frozen=True)
class ServerAddress:
    """Where the server answers. `host` is a name or an address; an IPv6 address stands without brackets."""

    host: str
    port: int

    @property
    def url(self) -> str:
        """`http://host:port`, the form scripts pass to `ServerProxy` (CONTRACT 9.21)."""
        return f"http://[{self.host}]:{self.port}" if ":" in self.host else f"http://{self.host}:{self.port}"

    @property
    def is_loopback(self) -> bool:
        """Whether the server is on this machine, as far as its name tells."""
        return self.host == "localhost" or self.host == "::1" or self.host.startswith("127.")

    @staticmethod
    def parse(text: str) -> ServerAddress:
        """The address in `text`: a URL, a host, or host:port. Raises `ValueError` with half a sentence."""
        text = text.strip()
        if not text.isprintable():  # `urlsplit` would leave line ends and tabs out without a word
            raise ValueError("must be a URL such as http://host:5000, a host, or host:port")
        if "://" not in text:
            text = f"http://[{text}]" if text.count(":") > 1 and not text.startswith("[") else f"http://{text}"
        try:
            parts = urlsplit(text)
            port, host = parts.port, parts.hostname or ""
        except ValueError:
            raise ValueError("must be a URL such as http://host:5000, a host, or host:port") from None
        if parts.scheme != "http":
            raise ValueError("must start with http://")
        if parts.username is not None or parts.password is not None:
            raise ValueError("must not carry a user or password")
        if parts.path not in ("", "/", "/RPC2") or parts.query or parts.fragment:
            raise ValueError("must end after the port")
        if not (_HOST.fullmatch(host) or _ADDRESS_V6.fullmatch(host)) or port == 0:
            raise ValueError("must be a URL such as http://host:5000, a host, or host:port")
        return ServerAddress(host, _DEFAULT_PORT if port is None else port)


@dataclass(frozen=True)
class Config:
    """The checked settings of one daemon. `cpus` 0 means all, `minimum_disk` is in bytes."""

    server: ServerAddress
    data: Path
    name: str = ""
    cpus: int = 0
    port: int = 5001
    listen: bool = True
    listen_host: str = ""
    kill_jobs_on_exit: bool = False
    keep_environment: tuple[str, ...] = ()
    shared_mount: str = ""
    minimum_disk: int = 256 << 20
    auto_upgrade: bool = True
    upgrade_timeout_seconds: float = 60.0
    job_environment: Mapping[str, str] = field(default_factory=dict)

    @property
    def bind_host(self) -> str:
        """The address the listener binds; "" stands for every address."""
        if self.listen_host:
            return self.listen_host
        return "127.0.0.1" if self.server.is_loopback else ""


def load_config(flags: Mapping[str, str | None], environ: Mapping[str, str], file: Path | None) -> Config:
    """The daemon's configuration: flags (by key), then `HQCLIENT_...` variables, then `file`, then defaults.

    Raises `SettingError` with one sentence for a file that cannot be read, an unknown key or a bad value.
    """
    text = ""
    if file is not None:
        try:
            text = file.read_text(encoding="utf-8")
        except OSError as problem:
            raise SettingError(f"{file}: cannot be read: {problem.strerror or problem}") from None
        except UnicodeDecodeError:
            raise SettingError(f"{file}: is not UTF-8 text") from None
    values, sections = resolve(
        SETTINGS,
        prefix="HQCLIENT_",
        flags=flags,
        environ=environ,
        file_name=str(file) if file else "",
        file_text=text,
        here=str(file.resolve().parent) if file else "",
        free_sections=(ENVIRONMENT_SECTION,),
    )
    return _checked(values, sections[ENVIRONMENT_SECTION], environ)


def default_data_folder(name: str, environ: Mapping[str, str], system: str = sys.platform) -> Path:
    """The user's own place for the daemon's data, by the platform's custom; each named client has its own."""
    folder = f"hqclient-{name}" if name else "hqclient"
    home = Path(environ.get("HOME") or environ.get("USERPROFILE") or Path.home())
    if system == "darwin":
        return home / "Library" / "Application Support" / folder
    if system == "win32":
        return Path(environ.get("LOCALAPPDATA") or home / "AppData" / "Local") / folder
    return Path(environ.get("XDG_DATA_HOME") or home / ".local" / "share") / folder


def _checked(values: Mapping[str, Value], variables: Mapping[str, str], environ: Mapping[str, str]) -> Config:
    server_text, name = str(values["server"]), str(values["name"])
    try:
        server = ServerAddress.parse(server_text)
    except ValueError as problem:
        raise SettingError(f"server {problem}, not {server_text!r}") from None
    if name and not _NAME.fullmatch(name):
        raise SettingError(f"name must be letters, digits, '.', '_' and '-', at most 64, not {name!r}")
    for variable, value in variables.items():
        if not _VARIABLE.fullmatch(variable) or "\0" in value:
            raise SettingError(f"[{ENVIRONMENT_SECTION}]: {variable!r} cannot be an environment variable")
    data = str(values["data"])
    return Config(
        server=server,
        data=(Path(data).expanduser() if data else default_data_folder(name, environ)).absolute(),
        name=name,
        cpus=int(values["cpus"]),
        port=int(values["port"]),
        listen=bool(values["listen"]),
        listen_host=str(values["listenHost"]),
        kill_jobs_on_exit=bool(values["killJobsOnExit"]),
        keep_environment=tuple(str(values["keepEnvironment"]).replace(",", " ").split()),
        shared_mount=str(values["sharedNetwork.mount"]),
        minimum_disk=int(values["minimumDisk"]) << 20,
        auto_upgrade=bool(values["auto_upgrade"]),
        upgrade_timeout_seconds=float(values["upgradeTimeout"]),
        job_environment=dict(variables),
    )
