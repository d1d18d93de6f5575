"""The settings about mail, and the checks that no single key can make (CONTRACT 5.7, 7.1, 9.25)."""

from __future__ import annotations

import os
import socket
import stat
from collections.abc import Mapping
from pathlib import Path

from hqserver.domain.mail import SECURITY, MailPolicy, MailServer, as_recipients, parse_mail_server
from hqserver.domain.settings import Setting, SettingError, Value
from hqserver.domain.values import Wrong

MAIL_SETTINGS: tuple[Setting, ...] = (
    Setting("farm_name", "farm", "What mail calls the farm: its subjects begin with [farm]."),
    Setting(
        "smtp_server",
        "",
        "Mail server that takes the farm's mail, host or host:port; empty sends none. The port is 25, with starttls "
        "587, with tls 465, where it is not given.",
    ),
    Setting(
        "smtp_security",
        "none",
        "How the connection to it is protected: none, starttls or tls. Its certificate must be valid for the host; "
        "SSL_CERT_FILE in the environment names authorities to trust in place of the system's.",
        choices=SECURITY,
    ),
    Setting("smtp_user", "", "User to log in as at the mail server, with starttls or tls only; empty does not log in."),
    Setting(
        "smtp_password_file",
        "",
        "File with that user's password on its only line, which no other user of this machine may be able to read.",
    ),
    Setting("error_email_from", "", "Address that mail is sent from; needed with smtp_server."),
    Setting("email_to", "", "Who gets mail about errors of the farm, a comma list; empty is nobody."),
)
"""The keys of config/hqserver.ini about mail: HQueue's, and below `smtp_` the farm's own."""

_LONGEST_PASSWORD = 1000


def mail_server(values: Mapping[str, Value]) -> MailServer | None:
    """The mail server the settings name, None for none. Raises `SettingError`."""
    text, user, file = str(values["smtp_server"]), str(values["smtp_user"]), str(values["smtp_password_file"])
    security = str(values["smtp_security"])
    if not text:
        for key in ("smtp_user", "smtp_password_file", "email_to"):
            if values[key]:
                raise SettingError(f"{key} needs smtp_server: without a mail server no mail is sent")
        return None
    try:
        host, port = parse_mail_server(text, security)
    except ValueError as problem:
        raise SettingError(f"smtp_server {problem}, not {text!r}") from None
    sender = _addresses(values, "error_email_from")
    if len(sender) != 1:
        raise SettingError("smtp_server needs error_email_from: the one address that mail is sent from")
    if bool(user) != bool(file):
        raise SettingError("smtp_user and smtp_password_file need each other")
    if user and security == "none":
        raise SettingError("smtp_user needs smtp_security = starttls or tls: a password is never sent in the clear")
    if not _is_plain(user):
        raise SettingError(f"smtp_user must be ASCII text, not {user!r}")
    password = _password(Path(file).expanduser()) if file else ""
    return MailServer(host, port, sender[0], security, user, password)


def mail_policy(values: Mapping[str, Value]) -> MailPolicy | None:
    """What mail says of the farm, None where no mail server is named. Raises `SettingError`."""
    if not values["smtp_server"]:
        return None
    name = str(values["farm_name"])
    if not name or not name.isprintable():
        raise SettingError(f"farm_name must be printable text, not {name!r}")
    page_url = _page_url(str(values["host"]), int(values["hqserver.port"]))
    return MailPolicy(name, page_url, _addresses(values, "email_to"))


def _addresses(values: Mapping[str, Value], key: str) -> tuple[str, ...]:
    try:
        return as_recipients(values[key])
    except Wrong as problem:
        raise SettingError(f"{key} {problem}") from None


def _page_url(host: str, port: int) -> str:
    """The page's address; "" for port 0, where the system chooses one later."""
    if not port:
        return ""
    if host in ("0.0.0.0", "::"):  # every address of this machine: its name is one people can use
        host = socket.gethostname()
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _password(file: Path) -> str:
    """The password in the file, which only this user may read (CONTRACT 9.25). Raises `SettingError`."""
    try:
        with file.open("rb") as opened:
            status = os.fstat(opened.fileno())
            content = opened.read(_LONGEST_PASSWORD + 2)
    except OSError as problem:
        raise SettingError(f"smtp_password_file {file} cannot be read: {problem.strerror}") from None
    # Windows keeps rights elsewhere: the mode it shows says nothing of who may read.
    if os.name == "posix" and stat.S_IMODE(status.st_mode) & 0o077:
        raise SettingError(f"smtp_password_file {file} can be read by other users: chmod 600 it")
    password = content.decode("latin-1").removesuffix("\n").removesuffix("\r")
    if not password or len(password) > _LONGEST_PASSWORD or not _is_plain(password):
        raise SettingError(f"smtp_password_file {file} must hold one line of ASCII text, the password")
    return password


def _is_plain(text: str) -> bool:
    return text.isascii() and text.isprintable()
