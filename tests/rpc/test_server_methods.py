"""The methods of the server itself, called over the real XML: configuration and errors (CONTRACT 1.2, 9.14, 9.25)."""

from __future__ import annotations

import logging
import re
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from farm_kit import TestClient
from rpc_kit import proxy_to, refused

from hqserver import config
from hqserver.app import surfaces
from hqserver.domain.version import VERSION
from hqserver.services.events import errors
from hqserver.services.farm import Farm


def configured(farm: Farm, path: Path, text: str) -> Any:
    """A proxy to the farm as a server with this configuration file would serve it."""
    path.write_text(text, encoding="utf-8")
    return proxy_to(surfaces(replace(farm, settings=config.load({}, {"HQSERVER_DEBUG": "yes"}, path).settings)))


def test_the_server_says_that_it_is_there_which_version_and_what_time(hq: Any) -> None:
    """9.26."""
    assert hq.ping() is True
    assert hq.getVersion() == VERSION
    assert re.fullmatch(r"\d+\.\d+\.\d+", VERSION)
    assert hq.getServerTime() == datetime(2023, 11, 14, 22, 13, 20)  # noqa: DTZ001  # the wire's times bear no zone


def test_a_key_of_the_configuration_is_the_files_text(farm: Farm, tmp_path: Path) -> None:
    text = "[main]\nhqserver.activeTimeout = 2.50\nport = 0\njob_logs_dir = %(here)s/logs\nsmtp_server =\n"
    hq = configured(farm, tmp_path / "hqserver.ini", text)
    for spelling in ("hqserver.activeTimeout", "activeTimeout", "active_timeout", " activeTimeout "):
        assert hq.getConfig(spelling) == "2.50"
    assert (hq.getConfig("port"), hq.getConfig("hqserver.port")) == ("0", "0")
    assert hq.getConfig("job_logs_dir") == f"{tmp_path}/logs"
    assert hq.getConfig("smtp_server") == ""
    # To the letter: what is not in the file is None, whatever its default, and whatever the environment says.
    for key in ("hqserver.beatSeconds", "debug", "nonsense", "", "Port", "main"):
        assert hq.getConfig(key) is None


def test_a_secret_of_the_configuration_is_none(farm: Farm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """9.25."""
    secret = replace(config.SETTINGS[0], key="hqserver.token", flag="", secret=True)
    monkeypatch.setattr(config, "SETTINGS", (*config.SETTINGS, secret))
    hq = configured(farm, tmp_path / "hqserver.ini", "[main]\nhqserver.token = abc\nhost = 127.0.0.1\n")
    assert [hq.getConfig(key) for key in ("hqserver.token", "token", "host")] == [None, None, "127.0.0.1"]


def test_without_a_configuration_file_every_key_is_none(hq: Any) -> None:
    assert hq.getConfig("hqserver.port") is None
    assert refused(hq.getConfig).faultCode == -32602
    assert "key must be text" in refused(hq.getConfig, ["port"]).faultString


def test_errors_of_the_server_and_of_a_client(hq: Any, farm: Farm, client: TestClient) -> None:
    """9.14."""
    assert hq.getServerErrors() == hq.getClientErrors(client.id) == {}
    log = errors.ErrorLog()
    log.handle(logging.LogRecord("hqserver.ticks", logging.ERROR, "", 0, "the tick flush failed", None, None))
    errors.flush(farm, log)
    farm.database.write(
        lambda transaction: errors.note_client_error(transaction.connection, client.id, "lost", farm.clock.now())
    )
    server, of_client = hq.getServerErrors(), hq.getClientErrors(str(client.id))
    assert isinstance(server["errors"][0].pop("time"), datetime)
    assert server == {"total": 1, "errors": [{"source": "ticks", "message": "the tick flush failed"}]}
    lost = {"time": hq.getServerTime(), "source": "alpha", "message": "lost"}
    assert of_client == {"total": 1, "errors": [lost]}


def test_errors_of_a_client_that_does_not_exist_are_a_fault(hq: Any) -> None:
    fault = refused(hq.getClientErrors, 99)
    assert (fault.faultCode, "no client 99" in fault.faultString) == (404, True)
    assert refused(hq.getClientErrors, "alpha").faultCode == -32602
