"""The settings about mail and what they refuse at the start (CONTRACT 5.7, 9.25)."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from hqserver import config
from hqserver.config import ServerConfig
from hqserver.domain.mail import MailPolicy, MailServer
from hqserver.domain.settings import SettingError

SERVER = {"smtp_server": "mail", "error_email_from": "paste@localhost"}


def load(tmp_path: Path, settings: dict[str, str]) -> ServerConfig:
    file = tmp_path / "hqserver.ini"
    file.write_text("[main]\n" + "".join(f"{key} = {value}\n" for key, value in settings.items()), encoding="utf-8")
    return config.load({}, {"XDG_DATA_HOME": str(tmp_path)}, file)


def password_file(tmp_path: Path, content: bytes = b"secret\n", mode: int = 0o600) -> str:
    file = tmp_path / "password"
    file.write_bytes(content)
    file.chmod(mode)
    return str(file)


def test_by_default_no_mail_is_sent(tmp_path: Path) -> None:
    found = load(tmp_path, {})
    assert found.mail_server is None
    assert found.policy.mail is None


def test_hqueues_three_keys_are_enough(tmp_path: Path) -> None:
    """CONTRACT 5.7: smtp_server, error_email_from, email_to."""
    found = load(tmp_path, {**SERVER, "email_to": "admin@studio.example, ops@studio.example"})
    assert found.mail_server == MailServer("mail", 25, "paste@localhost")
    assert found.policy.mail == MailPolicy(
        "farm", "http://127.0.0.1:5000", ("admin@studio.example", "ops@studio.example")
    )


def test_a_sender_without_a_server_sends_nothing(tmp_path: Path) -> None:
    """HQueue's own file names a sender from the start."""
    found = load(tmp_path, {"error_email_from": "paste@localhost"})
    assert (found.mail_server, found.policy.mail) == (None, None)


def test_a_login_takes_the_password_from_its_file(tmp_path: Path) -> None:
    keys = {"smtp_security": "starttls", "smtp_user": "farm", "smtp_password_file": password_file(tmp_path)}
    found = load(tmp_path, {**SERVER, **keys, "farm_name": "studio"})
    assert found.mail_server == MailServer("mail", 587, "paste@localhost", "starttls", "farm", "secret")
    assert found.policy.mail is not None
    assert found.policy.mail.farm_name == "studio"
    assert "secret" not in repr(found)


@pytest.mark.skipif(os.name != "posix", reason="rights of files are POSIX modes here")
@pytest.mark.parametrize("mode", [0o640, 0o604, 0o666, 0o620, 0o601])
def test_a_password_that_others_can_reach_is_refused_at_the_start(tmp_path: Path, mode: int) -> None:
    """9.25: passwords live in a 0600 file that the configuration names."""
    keys = {"smtp_security": "tls", "smtp_user": "farm", "smtp_password_file": password_file(tmp_path, mode=mode)}
    with pytest.raises(SettingError, match="can be read by other users: chmod 600 it"):
        load(tmp_path, {**SERVER, **keys})


@pytest.mark.parametrize("content", [b"", b"\n", b"two\nlines\n", b"secr\xe9t\n", b"nul\0\n", b"x" * 1001])
def test_a_password_file_that_is_not_one_line_is_refused(tmp_path: Path, content: bytes) -> None:
    keys = {"smtp_security": "tls", "smtp_user": "farm", "smtp_password_file": password_file(tmp_path, content)}
    with pytest.raises(SettingError, match="must hold one line of ASCII text") as caught:
        load(tmp_path, {**SERVER, **keys})
    assert "lines" not in str(caught.value), "what may be a password is never shown"


@pytest.mark.parametrize("content", [b"secret", b"secret\n", b"secret\r\n"])
def test_the_end_of_its_line_is_no_part_of_the_password(tmp_path: Path, content: bytes) -> None:
    keys = {"smtp_security": "tls", "smtp_user": "farm", "smtp_password_file": password_file(tmp_path, content)}
    found = load(tmp_path, {**SERVER, **keys}).mail_server
    assert found is not None
    assert found.password == "secret"


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"smtp_server": "mail"}, "smtp_server needs error_email_from"),
        ({**SERVER, "error_email_from": "a@b,c@d"}, "smtp_server needs error_email_from"),
        ({**SERVER, "error_email_from": "nobody"}, "error_email_from must be mail addresses .'nobody' is none"),
        ({**SERVER, "smtp_server": "smtp://mail"}, "smtp_server must be a host or host:port, not 'smtp://mail'"),
        ({**SERVER, "email_to": "a b@c"}, "email_to must be mail addresses .'a b@c' is none"),
        ({**SERVER, "smtp_security": "ssl"}, "smtp_security must be one of none, starttls, tls"),
        ({**SERVER, "farm_name": ""}, "farm_name must be printable text"),
        ({**SERVER, "smtp_security": "tls", "smtp_user": "farm"}, "need each other"),
        ({**SERVER, "smtp_security": "tls", "smtp_password_file": "/x"}, "need each other"),
        ({**SERVER, "smtp_user": "farm", "smtp_password_file": "/x"}, "a password is never sent in the clear"),
        (
            {**SERVER, "smtp_security": "tls", "smtp_user": "farm", "smtp_password_file": "/no/such"},
            "cannot be read: No such file",
        ),
        (
            {**SERVER, "smtp_security": "tls", "smtp_user": "färm", "smtp_password_file": "/x"},
            "smtp_user must be ASCII",
        ),
        ({"email_to": "admin@studio.example"}, "email_to needs smtp_server"),
        ({"smtp_user": "farm"}, "smtp_user needs smtp_server"),
        ({"smtp_password_file": "/x"}, "smtp_password_file needs smtp_server"),
    ],
)
def test_settings_that_cannot_work_together_are_one_sentence(
    tmp_path: Path, settings: dict[str, str], sentence: str
) -> None:
    with pytest.raises(SettingError, match=sentence):
        load(tmp_path, settings)


@pytest.mark.parametrize(
    ("host", "port", "url"),
    [
        ("127.0.0.1", "8000", "http://127.0.0.1:8000"),
        ("::1", "5000", "http://[::1]:5000"),
        ("0.0.0.0", "5000", f"http://{socket.gethostname()}:5000"),
        ("::", "5000", f"http://{socket.gethostname()}:5000"),
        ("127.0.0.1", "0", ""),
    ],
)
def test_mail_links_to_the_page_where_its_address_is_known(tmp_path: Path, host: str, port: str, url: str) -> None:
    found = load(tmp_path, {**SERVER, "host": host, "port": port}).policy.mail
    assert found is not None
    assert found.page_url == url
