from __future__ import annotations

from pathlib import Path

import pytest

from hqclient.daemon.config import SETTINGS, Config, ServerAddress, default_data_folder, load_config
from hqserver.domain.settings import SettingError

SAMPLE = Path(__file__).parents[2] / "config" / "hqclient.ini"


def loaded(tmp_path: Path, text: str = "", environ: dict[str, str] | None = None, **flags: str) -> Config:
    file = tmp_path / "hqclient.ini"
    file.write_text(text)
    return load_config(flags, {"HOME": "/home/artist", **(environ or {})}, file if text else None)


def test_the_file_in_config_shows_every_key_with_its_default_and_sentence() -> None:
    lines = SAMPLE.read_text().splitlines()
    for setting in SETTINGS:
        shown = {True: "yes", False: "no"}[setting.default] if isinstance(setting.default, bool) else setting.default
        assert f"{setting.key} = {shown}".rstrip() in lines
        assert setting.sentence in " ".join(line.removeprefix("# ") for line in lines if line.startswith("#"))
    assert load_config({}, {}, SAMPLE) == load_config({}, {}, None)


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("http://farm:5000", "http://farm:5000"),
        ("http://farm:5000/", "http://farm:5000"),
        ("http://farm/RPC2", "http://farm:5000"),
        ("farm", "http://farm:5000"),
        ("farm:8080", "http://farm:8080"),
        (" 10.0.0.7 ", "http://10.0.0.7:5000"),
        ("render_farm.studio.example", "http://render_farm.studio.example:5000"),
        ("::1", "http://[::1]:5000"),
        ("[::1]:8080", "http://[::1]:8080"),
        ("http://[fe80::1]", "http://[fe80::1]:5000"),
    ],
)
def test_the_server_may_be_a_url_a_host_or_host_and_port(text: str, url: str) -> None:
    assert ServerAddress.parse(text).url == url


@pytest.mark.parametrize(
    "text",
    [
        *("https://farm", "ftp://farm", "http://", "http://farm:port", "http://farm:70000", "farm:0", "http://far m"),
        *("http://user:word@farm", "http://farm/jobs", "http://farm?x=1", "http://[::1", "-farm", "farm\nx", ""),
    ],
)
def test_a_server_that_is_wrong_in_form_is_one_sentence(tmp_path: Path, text: str) -> None:
    with pytest.raises(ValueError, match=r"^must "):
        ServerAddress.parse(text)
    with pytest.raises(SettingError, match=r"^server must "):
        loaded(tmp_path, server=text or " ")


def test_flags_come_before_the_environment_before_the_file_before_the_default(tmp_path: Path) -> None:
    text = "[main]\nserver = file\nname = file\ncpus = 4\n"
    environ = {"HQCLIENT_SERVER": "environ", "HQCLIENT_NAME": "environ"}
    config = loaded(tmp_path, text, environ, server="flag")
    assert (config.server.host, config.name, config.cpus, config.port) == ("flag", "environ", 4, 5001)


def test_the_job_environment_section_may_hold_any_variable(tmp_path: Path) -> None:
    config = loaded(tmp_path, "[job_environment]\nSHOW = dragons\nshot = 7\nROOT = %(here)s/x\n")
    assert config.job_environment == {"SHOW": "dragons", "shot": "7", "ROOT": f"{tmp_path}/x"}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[main]\nserwer = x\n", "hqclient.ini, line 2: unknown key 'serwer'; did you mean 'server'?"),
        ("[main]\n\ncpus = many\n", "hqclient.ini, line 3: cpus must be a whole number, not 'many'"),
        ("[main]\ncpus = -1\n", "cpus must be from 0 to 4096"),
        ("[main]\nport = 70000\n", "port must be from 0 to 65535"),
        ("[main]\nname = a/b\n", "name must be letters"),
        ("[main]\nname = ..\n", "name must be letters"),
        ("[mane]\n", "unknown section"),
        ("cpus = 1\n", "hqclient.ini"),
    ],
)
def test_a_bad_file_is_one_sentence_that_names_the_place(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(SettingError) as raised:
        loaded(tmp_path, text)
    assert words in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_file_that_cannot_be_read_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(SettingError, match="cannot be read: No such file"):
        load_config({}, {}, tmp_path / "absent.ini")
    (tmp_path / "binary.ini").write_bytes(b"\xff\xfe")
    with pytest.raises(SettingError, match="is not UTF-8 text"):
        load_config({}, {}, tmp_path / "binary.ini")


@pytest.mark.parametrize("name", ["a:b", "a,b", "a b", "a\nb", "a\x1bb", "a\0b", "ä", "-a", "a" * 65])
def test_a_name_that_conditions_and_folders_cannot_hold_is_refused(tmp_path: Path, name: str) -> None:
    """5.2: a client is addressed as `hostname:name`, in comma lists too."""
    with pytest.raises(SettingError, match=r"^name must be letters, digits"):
        loaded(tmp_path, name=name)
    assert loaded(tmp_path, name="a" * 64).name == "a" * 64


def test_each_named_client_has_a_data_folder_of_its_own(tmp_path: Path) -> None:
    assert loaded(tmp_path).data == Path("/home/artist/.local/share/hqclient")
    assert loaded(tmp_path, name="alpha").data == Path("/home/artist/.local/share/hqclient-alpha")
    assert loaded(tmp_path, environ={"XDG_DATA_HOME": "/data"}).data == Path("/data/hqclient")
    assert loaded(tmp_path, data="/var/hq").data == Path("/var/hq")


def test_the_data_folder_is_where_each_platform_keeps_such_things() -> None:
    home = {"HOME": "/Users/artist"}
    assert default_data_folder("", home, "darwin") == Path("/Users/artist/Library/Application Support/hqclient")
    assert default_data_folder("", {"LOCALAPPDATA": "/local"}, "win32") == Path("/local/hqclient")


@pytest.mark.parametrize(
    ("server", "given", "bound"),
    [
        ("127.0.0.1", "", "127.0.0.1"),
        ("localhost", "", "127.0.0.1"),
        ("farm", "", ""),
        ("farm", "10.0.0.7", "10.0.0.7"),
    ],
)
def test_it_listens_on_loopback_only_while_the_server_does(tmp_path: Path, server: str, given: str, bound: str) -> None:
    environ = {"HQCLIENT_LISTEN_HOST": given} if given else {}
    assert loaded(tmp_path, environ=environ, server=server).bind_host == bound
