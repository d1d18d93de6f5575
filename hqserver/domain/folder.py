"""Network folders: what every client sees, each platform under a path of its own (CONTRACT 7.2, 9.14)."""

from __future__ import annotations

import re
from dataclasses import dataclass

from .errors import BadParameters

MAIN_VARIABLE = "HQROOT"
"""The variable that holds the main folder's path, whatever the folder is called."""

LONGEST_PATH = 4_096

_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,99}", re.ASCII)
_WINDOWS = re.compile(r"[A-Za-z]:([\\/].*)?|\\\\[^\\/]+\\[^\\/].*")
_TAKEN = frozenset(
    (
        *("JOBID", "ROOTJOBID", "HQCLIENT", "HQCLIENTARCH", "HQSERVER", "HQHOSTS", "HQSTATUS", "HQ_RUN_TOKEN"),
        *("HQFRAME", "HQFRAME_END", "HQFRAMES", "HQWORK", "HQCOMMANDS", "HQ_PRESERVE_ENV_VARS"),
        *("PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "TZ", "TMPDIR", "TEMP", "TMP", "IFS", "ENV", "BASH_ENV"),
        *("LD_LIBRARY_PATH", "LD_PRELOAD", "DYLD_LIBRARY_PATH", "DYLD_INSERT_LIBRARIES", "PYTHONPATH", "PYTHONHOME"),
        *("SYSTEMROOT", "SYSTEMDRIVE", "COMSPEC", "PATHEXT", "WINDIR", "USERPROFILE", "APPDATA", "LOCALAPPDATA"),
    )
)
"""Variables that the farm sets itself, or without which commands do not run."""


@dataclass(frozen=True, slots=True)
class NetworkFolder:
    """A folder on `host` and the path under which clients of each platform see it, "" where they do not.

    `name` is also the variable in which commands find the path. The main folder is `HQROOT` besides. `windows` is a
    UNC path or one on a mapped drive.
    """

    name: str
    host: str = ""
    linux: str = ""
    windows: str = ""
    macos: str = ""
    main: bool = False

    def path(self, platform_key: str) -> str:
        """The path on clients of a platform (`linux`, `windows` or `macosx`); "" for any other."""
        return {"linux": self.linux, "windows": self.windows, "macosx": self.macos}.get(platform_key, "")


def checked_folder(folder: NetworkFolder) -> NetworkFolder:
    """The folder as it is kept, without blanks around its values. Raises `BadParameters` naming what is wrong."""
    found = NetworkFolder(
        _variable(folder.name),
        _line("host", folder.host),
        _path("linux", folder.linux),
        _path("windows", folder.windows),
        _path("macos", folder.macos),
        folder.main,
    )
    if not (found.linux or found.windows or found.macos):
        raise BadParameters(f"the folder {found.name} needs a path on at least one platform")
    if found.name.upper() == MAIN_VARIABLE and not (found.main and found.name == MAIN_VARIABLE):
        raise BadParameters(f"{found.name} cannot be but the main folder: name it {MAIN_VARIABLE} and let main be true")
    return found


def windows_path(host: str, share: str, drive: str) -> str:
    """What Windows clients see: the UNC path, or the mapped drive where the share has no name (CONTRACT 7.2)."""
    return f"\\\\{host}\\{share}" if share else drive


def _variable(name: str) -> str:
    if not _VARIABLE.fullmatch(name):
        raise BadParameters(f"name must be usable as a variable (letters, digits and _), not {name[:100]!r}")
    if name.upper() in _TAKEN:
        raise BadParameters(f"name cannot be {name!r}: commands find something else in that variable")
    return name


def _path(platform: str, text: str) -> str:
    path = _line(platform, text)
    if path and not (_WINDOWS.fullmatch(path) if platform == "windows" else path.startswith("/")):
        example = r"\\nas\projects or P:\projects" if platform == "windows" else "/mnt/projects"
        raise BadParameters(f"{platform} must be an absolute path ({example}) or empty, not {path[:100]!r}")
    return path


def _line(what: str, text: str) -> str:
    text = text.strip()
    if len(text) > LONGEST_PATH or not text.isprintable():
        raise BadParameters(f"{what} must be one line of at most {LONGEST_PATH} characters, not {text[:100]!r}")
    return text
