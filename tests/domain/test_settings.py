"""Settings: flags before environment before file before default, and a sentence for what is wrong."""

from __future__ import annotations

import pytest

from hqserver.domain.settings import Setting, SettingError, Value, resolve, texts_in_file

SETTINGS = (
    Setting("host", "127.0.0.1", "Where.", flag="--host"),
    Setting("hqserver.port", 5000, "Port.", minimum=0, maximum=65535, flag="--port"),
    Setting("hqserver.activeTimeout", 2.0, "Minutes.", minimum=0.01),
    Setting("hqserver.mostThings", 3, "Count.", maximum=9),
    Setting("debug", False, "Loud."),
    Setting("hqserver.unknownProperties", "keep", "What to do.", choices=("keep", "refuse")),
    Setting("hqserver.sharedNetwork.mount.linux", "/mnt/hq", "Folder."),
)


def values(
    text: str = "", *, environ: dict[str, str] | None = None, flags: dict[str, str | None] | None = None
) -> dict[str, Value]:
    found, _ = resolve(
        SETTINGS,
        prefix="HQ_",
        flags=flags or {},
        environ=environ or {},
        file_name="farm.ini",
        file_text=text,
        here="/etc/farm",
    )
    return found


def refusal(text: str = "", **given: dict[str, str] | dict[str, str | None]) -> str:
    with pytest.raises(SettingError) as found:
        values(text, **given)  # type: ignore[arg-type]
    return str(found.value)


def test_without_anything_given_every_setting_has_its_default() -> None:
    assert values() == {setting.key: setting.default for setting in SETTINGS}


def test_flag_comes_before_environment_before_file_before_default() -> None:
    text = "[main]\nhqserver.port = 1\n"
    assert values(text)["hqserver.port"] == 1
    assert values(text, environ={"HQ_PORT": "2"})["hqserver.port"] == 2
    assert values(text, environ={"HQ_PORT": "2"}, flags={"hqserver.port": "3"})["hqserver.port"] == 3


def test_a_flag_that_was_not_given_changes_nothing() -> None:
    assert values(flags={"hqserver.port": None})["hqserver.port"] == 5000


def test_a_blank_environment_variable_counts_as_not_given() -> None:
    assert values(environ={"HQ_PORT": " "})["hqserver.port"] == 5000


def test_hqueues_prefix_may_be_left_out_in_the_file() -> None:
    assert values("[main]\nport = 7\n")["hqserver.port"] == 7


@pytest.mark.parametrize(
    ("key", "name"),
    [
        ("host", "HOST"),
        ("hqserver.activeTimeout", "ACTIVE_TIMEOUT"),
        ("hqserver.sharedNetwork.mount.linux", "SHARED_NETWORK_MOUNT_LINUX"),
        ("job_logs_dir", "JOB_LOGS_DIR"),
    ],
)
def test_a_key_has_the_usual_name_in_the_environment(key: str, name: str) -> None:
    assert Setting(key, "", "").environment_name == name


@pytest.mark.parametrize(("text", "value"), [("yes", True), ("ON", True), ("1", True), ("no", False), ("False", False)])
def test_yes_and_no_have_several_spellings(text: str, value: bool) -> None:
    assert values(f"[main]\ndebug = {text}\n")["debug"] is value


@pytest.mark.parametrize("key", ["hqserver.activeTimeout", "activeTimeout", "active_timeout"])
def test_a_key_of_the_file_may_be_spelt_as_any_hqueue_spelt_it(key: str) -> None:
    """CONTRACT 5.7: camelCase under hqserver. until 19.0, snake_case under [main] since 19.5."""
    text = f"[main]\n{key} = 7\n"
    assert values(text)["hqserver.activeTimeout"] == 7.0
    found = texts_in_file(SETTINGS, file_name="farm.ini", file_text=text, here="")
    assert found == {"hqserver.activeTimeout": "7", "activeTimeout": "7", "active_timeout": "7"}


def test_a_key_that_stands_twice_under_two_spellings_is_refused() -> None:
    sentence = refusal("[main]\nactiveTimeout = 1\nactive_timeout = 2\n")
    assert sentence == "farm.ini, line 3: active_timeout is the same key as activeTimeout above"


def test_the_texts_of_a_file_are_as_they_stand_there_without_secrets() -> None:
    settings = (*SETTINGS, Setting("token", "", "Secret.", secret=True))
    text = "[main]\nhost = %(here)s/x\ndebug = yes\ntoken = abc\n"
    found = texts_in_file(settings, file_name="farm.ini", file_text=text, here="/etc/farm")
    assert found == {"host": "/etc/farm/x", "debug": "yes"}
    assert texts_in_file(settings, file_name="", file_text="", here="") == {}


def test_here_is_the_folder_of_the_file() -> None:
    found = values("[main]\nhqserver.sharedNetwork.mount.linux = %(here)s/shared\n")
    assert found["hqserver.sharedNetwork.mount.linux"] == "/etc/farm/shared"


def test_a_percent_sign_means_itself() -> None:
    assert values("[main]\nhost = 50%\n")["host"] == "50%"


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("hqserver.port = many", "farm.ini, line 2: hqserver.port must be a whole number, not 'many'"),
        ("hqserver.port = 70000", "farm.ini, line 2: hqserver.port must be from 0 to 65535, not '70000'"),
        ("hqserver.activeTimeout = 0", "farm.ini, line 2: hqserver.activeTimeout must be at least 0.01, not '0'"),
        ("hqserver.activeTimeout = nan", "farm.ini, line 2: hqserver.activeTimeout must be at least 0.01, not 'nan'"),
        ("hqserver.activeTimeout = soon", "farm.ini, line 2: hqserver.activeTimeout must be a number, not 'soon'"),
        ("hqserver.mostThings = 10", "farm.ini, line 2: hqserver.mostThings must be at most 9, not '10'"),
        ("debug = maybe", "farm.ini, line 2: debug must be yes or no, not 'maybe'"),
        (
            "hqserver.unknownProperties = drop",
            "farm.ini, line 2: hqserver.unknownProperties must be one of keep, refuse, not 'drop'",
        ),
        (
            "hqserver.activeTimout = 3",
            "farm.ini, line 2: unknown key 'hqserver.activeTimout'; did you mean 'hqserver.activeTimeout'?",
        ),
        ("prot = 3", "farm.ini, line 2: unknown key 'prot'; did you mean 'port'?"),
    ],
)
def test_a_bad_line_is_named_with_its_number(line: str, sentence: str) -> None:
    assert refusal(f"[main]\n{line}\n") == sentence


def test_a_bad_value_of_the_environment_or_a_flag_is_named_as_such() -> None:
    assert refusal(environ={"HQ_PORT": "x"}) == "environment: HQ_PORT must be a whole number, not 'x'"
    assert refusal(flags={"hqserver.port": "x"}) == "command line: --port must be a whole number, not 'x'"


def test_an_unknown_section_is_refused() -> None:
    assert refusal("[mian]\n") == "farm.ini, line 1: unknown section [mian]; did you mean 'main'?"


@pytest.mark.parametrize("section", ["server:main", "app:main"])
def test_a_section_of_hqueues_older_files_is_refused_with_what_to_do(section: str) -> None:
    """CONTRACT 5.7."""
    assert refusal(f"[{section}]\nport = 5000\n") == (
        f"farm.ini, line 1: section [{section}] is that of HQueue before 19.5; put the keys that you set there (port, "
        "hqserver.expireJobsDays, ...) below [main] and leave out the others"
    )


def test_a_free_section_holds_any_keys() -> None:
    _, free = resolve(
        SETTINGS,
        prefix="HQ_",
        flags={},
        environ={},
        file_name="f",
        file_text="[job_environment]\nMaya_Location = /opt\n",
        free_sections=("job_environment",),
    )
    assert free == {"job_environment": {"Maya_Location": "/opt"}}


@pytest.mark.parametrize("text", ["no section\n", "[main]\nhost\n", "[main]\nhost = a\nhost = b\n", "[main\n"])
def test_a_file_that_is_no_ini_file_is_one_sentence(text: str) -> None:
    found = refusal(text)
    assert found.startswith("farm.ini: ")
    assert "\n" not in found
