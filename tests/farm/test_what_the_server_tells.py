"""A real server asked about itself: its errors, its configuration, its folders, its feed of notes."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any
from urllib.request import urlopen
from xml.etree import ElementTree

import pytest
from live_farm import LiveFarm, wait_until

pytestmark = pytest.mark.farm


def test_an_error_of_the_server_is_answered_until_and_after_it_restarts(farm_of_one: LiveFarm) -> None:
    """CONTRACT 1.2, getServerErrors, and 9.14."""
    assert farm_of_one.call("getServerErrors") == {}
    output = farm_of_one.folder / "server" / "output"
    away = output.rename(output.with_name("away"))
    output.write_text("a file where a folder is wanted")
    job = farm_of_one.call("runcmd", "echo hello")

    def about_the_log() -> list[dict[str, Any]]:
        errors = farm_of_one.call("getServerErrors").get("errors", [])
        return [error for error in errors if error["source"] == "beats"]

    entry = wait_until(about_the_log, what="an error of the server")[-1]
    assert re.match(rf"the log of run [0-9a-f]{{32}} of job {job} cannot be written: Not a directory", entry["message"])
    output.unlink()
    away.rename(output)
    farm_of_one.wait_for(job, "succeeded")
    assert farm_of_one.server is not None
    assert farm_of_one.server.end() == 0
    farm_of_one.start_server()
    assert entry in about_the_log()


def test_a_server_answers_for_its_configuration_file(live: LiveFarm, tmp_path: Path) -> None:
    """CONTRACT 1.2, getConfig and getHQRoot; 9.26."""
    file = tmp_path / "hqserver.ini"
    file.write_text(
        "[main]\nactive_timeout = 3\nhqserver.sharedNetwork.host = nas\nhqserver.sharedNetwork.path.windows = hq\n",
        encoding="utf-8",
    )
    assert live.server is not None
    live.server.end()
    live.start_server("--config", str(file))
    assert [live.call("getConfig", key) for key in ("hqserver.activeTimeout", "debug")] == ["3", None]
    roots = [live.call("getHQRoot", "windows", is_client) for is_client in (True, False)]
    assert roots == [r"\\nas\hq", "H:"]
    assert live.call("getEnvRoot", "linux") == live.call("getNetworkFolders")[0]["linux"] == "/mnt/hq"


def test_notes_are_read_as_a_feed(live: LiveFarm) -> None:
    """CONTRACT 6.4."""
    live.call("addNote", "closed on Monday", None, None, None)
    with urlopen(f"{live.url}/notes.atom", timeout=20) as answer:
        assert answer.headers["Content-Type"] == "application/atom+xml; charset=utf-8"
        feed = ElementTree.parse(answer).getroot()
    atom = "{http://www.w3.org/2005/Atom}"
    assert feed.findtext(f"{atom}entry/{atom}title") == "Farm: closed on Monday"
    assert feed.findtext(f"{atom}id") == f"{live.url}/notes.atom"
