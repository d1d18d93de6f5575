"""Settings: what a key of a configuration file means and which of its values are in range.

Both programs describe their keys as `Setting`s; `resolve` puts flags, environment, file and defaults in order.
Nothing here reads a file: the text comes in, values or one sentence come out.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from configparser import Error as ConfigParserError
from configparser import RawConfigParser
from dataclasses import dataclass

from .errors import near_match

Value = str | int | float | bool

_TRUE, _FALSE = ("1", "yes", "true", "on"), ("0", "no", "false", "off")


class SettingError(Exception):
    """A setting that cannot be used; the sentence names the file, the line and the near match."""


@dataclass(frozen=True)
class Setting:
    """One key. `default` gives the type; numbers have inclusive bounds; `sentence` is its documentation."""

    key: str
    default: Value
    sentence: str
    minimum: float | None = None
    maximum: float | None = None
    choices: tuple[str, ...] = ()
    flag: str = ""
    secret: bool = False

    @property
    def environment_name(self) -> str:
        """The key as an environment variable without prefix: `hqserver.activeTimeout` -> `ACTIVE_TIMEOUT`."""
        bare = self.key.removeprefix("hqserver.")
        return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|\.", "_", bare).upper()

    @property
    def spellings(self) -> tuple[str, ...]:
        """The key as files may spell it: `hqserver.activeTimeout`, `activeTimeout`, and since HQueue 19.5
        `active_timeout` (CONTRACT 5.7)."""
        return tuple(dict.fromkeys((self.key, self.key.removeprefix("hqserver."), self.environment_name.lower())))

    def parse(self, text: str) -> Value:
        """The value `text` stands for. Raises `ValueError` with half a sentence: "must be ..."."""
        text = text.strip()
        value: Value
        if isinstance(self.default, bool):
            if text.lower() not in _TRUE + _FALSE:
                raise ValueError("must be yes or no")
            return text.lower() in _TRUE
        if isinstance(self.default, int | float):
            kind: Callable[[str], int | float] = int if isinstance(self.default, int) else float
            try:
                value = kind(text)
            except ValueError:
                raise ValueError(f"must be {'a whole number' if kind is int else 'a number'}") from None
            low, high = self.minimum, self.maximum
            if value != value or (low is not None and value < low) or (high is not None and value > high):
                raise ValueError(f"must be {_bounds(low, high)}")
            return value
        if self.choices and text not in self.choices:
            raise ValueError(f"must be one of {', '.join(self.choices)}")
        return text


def _bounds(low: float | None, high: float | None) -> str:
    if low is not None and high is not None:
        return f"from {low:g} to {high:g}"
    return f"at least {low:g}" if low is not None else f"at most {high:g}"


def resolve(
    settings: Sequence[Setting],
    *,
    prefix: str,
    flags: Mapping[str, str | None],
    environ: Mapping[str, str],
    file_name: str = "",
    file_text: str = "",
    here: str = "",
    free_sections: Sequence[str] = (),
) -> tuple[dict[str, Value], dict[str, dict[str, str]]]:
    """Values for every setting: flags before environment before file before default.

    `prefix` starts the environment names (`HQSERVER_`), `here` replaces `%(here)s` in the file, `free_sections`
    may hold any keys (HQueue's `[job_environment]`). Returns the values by key and the free sections.
    Raises `SettingError` naming line and near match for an unknown key, a bad value or a file that is no INI file.
    """
    by_spelling = {spelling: setting for setting in settings for spelling in setting.spellings}
    values: dict[str, Value] = {setting.key: setting.default for setting in settings}
    sections = _read(file_name, file_text, here) if file_text else {}
    free = {name: sections.pop(name, {}) for name in free_sections}
    for section, entries in sections.items():
        if section.endswith(":main"):  # HQueue's own file up to 19.0 (CONTRACT 5.7)
            where = _place(file_name, file_text, f"[{section}]")
            raise SettingError(
                f"{where}: section [{section}] is that of HQueue before 19.5; put the keys that you set there "
                "(port, hqserver.expireJobsDays, ...) below [main] and leave out the others"
            )
        if section != "main":
            known = near_match(section, ("main", *free_sections))
            raise SettingError(f"{_place(file_name, file_text, f'[{section}]')}: unknown section [{section}]{known}")
        spelt: dict[str, str] = {}
        for key, text in entries.items():
            setting = by_spelling.get(key)
            place = _place(file_name, file_text, key)
            if setting is None:
                raise SettingError(f"{place}: unknown key {key!r}{near_match(key, by_spelling)}")
            if (other := spelt.setdefault(setting.key, key)) != key:
                raise SettingError(f"{place}: {key} is the same key as {other} above")
            values[setting.key] = _parsed(setting, text, place, key)
    for setting in settings:
        name = prefix + setting.environment_name
        if environ.get(name, "").strip():
            values[setting.key] = _parsed(setting, environ[name], "environment", name)
        given = flags.get(setting.key) if setting.flag else None
        if given is not None:
            values[setting.key] = _parsed(setting, given, "command line", setting.flag)
    return values, free


def texts_in_file(settings: Sequence[Setting], *, file_name: str, file_text: str, here: str) -> dict[str, str]:
    """What `[main]` of a file says, as text, of each key it holds; each key under all its spellings.

    Values of secret settings are left out. Raises `SettingError` for a file that is no INI file.
    """
    entries = _read(file_name, file_text, here).get("main", {})
    return {
        spelling: entries[given]
        for setting in settings
        if not setting.secret
        for given in setting.spellings
        if given in entries
        for spelling in setting.spellings
    }


def _parsed(setting: Setting, text: str, place: str, name: str) -> Value:
    try:
        return setting.parse(text)
    except ValueError as problem:
        raise SettingError(f"{place}: {name} {problem}, not {text!r}") from None


def _read(file_name: str, text: str, here: str) -> dict[str, dict[str, str]]:
    parser = RawConfigParser(interpolation=None, delimiters=("=",), strict=True)
    parser.optionxform = str  # type: ignore[assignment,method-assign]  # HQueue's keys are camelCase
    try:
        parser.read_string(text, source=file_name)
    except ConfigParserError as problem:
        raise SettingError(f"{file_name}: {' '.join(str(problem).split())}") from None
    return {
        section: {key: value.replace("%(here)s", here) for key, value in parser.items(section)}
        for section in parser.sections()
    }


def _place(file_name: str, text: str, word: str) -> str:
    for number, line in enumerate(text.splitlines(), 1):
        if re.match(rf"\s*{re.escape(word)}\s*(=|$)", line):
            return f"{file_name}, line {number}"
    return file_name
