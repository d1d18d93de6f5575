"""The configuration files show every key with its default and a sentence, and nothing else."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import pytest

from hqclient.daemon import config as client_config
from hqserver import config as server_config
from hqserver.domain.progress import DEFAULT_PATTERNS
from hqserver.domain.settings import Setting, SettingError, resolve

ROOT = Path(__file__).resolve().parent.parent
FILES = {
    "hqserver": (ROOT / "config" / "hqserver.ini", server_config.SETTINGS),
    "hqclient": (ROOT / "config" / "hqclient.ini", client_config.SETTINGS),
}


class Entry(NamedTuple):
    key: str
    value: str
    comment: str


def entries(path: Path) -> list[Entry]:
    """The entries of [main] in order, each with the comment that stands above it."""
    found: list[Entry] = []
    comment: list[str] = []
    section = ""
    for line in path.read_text(encoding="utf-8").splitlines():
        if line.startswith("#"):
            comment.append(line.lstrip("# "))
        elif heading := re.fullmatch(r"\[(\w+)\]", line):
            section, comment = heading[1], []
        elif not line:
            comment = []
        elif section == "main":
            key, _, value = (part.strip() for part in line.partition("="))
            found.append(Entry(key, value, " ".join(comment)))
            comment = []
    return found


def shown(setting: Setting) -> str:
    """A default as the file spells it."""
    if isinstance(setting.default, bool):
        return "yes" if setting.default else "no"
    return f"{setting.default:g}" if isinstance(setting.default, float) else str(setting.default)


@pytest.mark.parametrize("name", FILES)
def test_a_file_holds_exactly_the_keys_of_the_settings_in_their_order(name: str) -> None:
    path, settings = FILES[name]
    assert [entry.key for entry in entries(path)] == [setting.key for setting in settings]


@pytest.mark.parametrize("name", FILES)
def test_a_file_shows_every_default_and_the_sentence_of_its_setting(name: str) -> None:
    path, settings = FILES[name]
    for entry, setting in zip(entries(path), settings, strict=True):
        assert (entry.key, entry.value, entry.comment) == (setting.key, shown(setting), setting.sentence)


@pytest.mark.parametrize("name", FILES)
def test_reading_a_file_changes_nothing(name: str) -> None:
    path, settings = FILES[name]
    values, _ = resolve(
        settings,
        prefix="",
        flags={},
        environ={},
        file_name=path.name,
        file_text=path.read_text(encoding="utf-8"),
        free_sections=("job_environment",),
    )
    assert values == {setting.key: setting.default for setting in settings}


@pytest.mark.parametrize("settings", [settings for _, settings in FILES.values()], ids=list(FILES))
def test_every_setting_is_a_sentence_and_its_own_key_flag_and_variable(settings: Sequence[Setting]) -> None:
    for setting in settings:
        assert setting.sentence.endswith("."), setting.key
        assert setting.sentence[0].isupper(), setting.key
        assert setting.parse(shown(setting)) == setting.default, "its default must be in range"
    for of in ("key", "environment_name"):
        assert len({getattr(setting, of) for setting in settings}) == len(settings)
    flags = [setting.flag for setting in settings if setting.flag]
    assert len(set(flags)) == len(flags)


# The server's configuration ------------------------------------------------------------------------------------------


def test_the_servers_file_gives_the_servers_defaults() -> None:
    path, _ = FILES["hqserver"]
    environ = {"XDG_DATA_HOME": "/data"}
    found = server_config.load({}, environ, path)
    assert replace(found, settings={}) == server_config.load({}, environ, None)
    assert set(found.settings) == {spelling for setting in FILES["hqserver"][1] for spelling in setting.spellings}


def test_without_anything_given_the_server_listens_on_loopback_only() -> None:
    found = server_config.load({}, {"XDG_DATA_HOME": "/data"}, None)
    assert (found.host, found.port) == ("127.0.0.1", 5000)
    assert (found.data, found.logs) == (Path("/data/hqserver"), Path("/data/hqserver/output"))
    assert found.policy.active_timeout_seconds == found.policy.kill_timeout_seconds == 120.0


def test_minutes_and_megabytes_become_seconds_and_bytes(tmp_path: Path) -> None:
    path = tmp_path / "hqserver.ini"
    path.write_text(
        "[main]\nactiveTimeout = 0.5\nkillTimeout = 0.25\nlogLimit = 2\nrescheduleAbandoned = no\n"
        "unknownProperties = refuse\ndata = %(here)s/farm\njob_logs_dir = /logs\n"
        "hqserver.sharedNetwork.mount.linux = /net\n",
        encoding="utf-8",
    )
    found = server_config.load({"data": None}, {}, path)
    assert found.policy.active_timeout_seconds == 30.0
    assert found.policy.kill_timeout_seconds == 15.0
    assert found.policy.log_limit_bytes == 2 * 1024 * 1024
    assert not found.policy.reschedule_abandoned
    assert found.policy.refuse_unknown_properties
    assert (found.data, found.logs) == (tmp_path / "farm", Path("/logs"))
    assert found.policy.network_root["linux"] == "/net"


def test_a_client_is_suspect_before_it_is_lost_whatever_is_set(tmp_path: Path) -> None:
    path = tmp_path / "hqserver.ini"
    path.write_text("[main]\nbeatSeconds = 300\nactiveTimeout = 0.01\n", encoding="utf-8")
    policy = server_config.load({}, {}, path).policy
    assert policy.suspect_seconds == 900.0
    assert policy.lost_seconds == 1500.0


@pytest.mark.parametrize("content", [None, b"\xff\xfe\x00"])
def test_a_file_that_cannot_be_read_is_one_sentence(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "hqserver.ini"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(SettingError, match="cannot be read"):
        server_config.load({}, {}, path)


def test_patterns_of_progress_are_added_to_the_built_in_ones_a_line_each(tmp_path: Path) -> None:
    """CONTRACT 9.18: the table is configuration."""
    file = tmp_path / "hqserver.ini"
    file.write_text("[main]\nhqserver.progressPatterns =\n    frame (\\d+) of (\\d+)\n    done (\\d+)%%\n")
    patterns = server_config.load({}, {}, file).policy.progress_patterns
    assert patterns[-2:] == (r"frame (\d+) of (\d+)", "done (\\d+)%%")
    assert len(patterns) == len(DEFAULT_PATTERNS) + 2
    file.write_text("[main]\nhqserver.progressPatterns = no group\n")
    with pytest.raises(SettingError, match=r"progressPatterns .*no group"):
        server_config.load({}, {}, file)


def test_windows_clients_see_the_share_where_it_has_a_name_and_else_the_drive(tmp_path: Path) -> None:
    """CONTRACT 5.7 and 7.2."""
    file = tmp_path / "hqserver.ini"
    file.write_text("[main]\n", encoding="utf-8")
    policy = server_config.load({}, {}, file).policy
    assert (policy.network_root["windows"], policy.network_drive, policy.network_host) == ("H:", "H:", "localhost")
    file.write_text(
        "[main]\nhqserver.sharedNetwork.host = nas\nhqserver.sharedNetwork.path.windows = hq\n"
        "hqserver.sharedNetwork.mount.windows = S:\n",
        encoding="utf-8",
    )
    policy = server_config.load({}, {}, file).policy
    assert (policy.network_root["windows"], policy.network_drive, policy.network_host) == (r"\\nas\hq", "S:", "nas")
    file.write_text("[main]\nsharedNetwork.host =\nsharedNetwork.path.windows = hq\n", encoding="utf-8")
    with pytest.raises(SettingError, match=r"path\.windows is 'hq', but sharedNetwork.host is empty"):
        server_config.load({}, {}, file)
