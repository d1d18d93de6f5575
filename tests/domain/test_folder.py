"""What may be a network folder (CONTRACT 7.2 and 9.14)."""

from __future__ import annotations

from typing import Any

import pytest

from hqserver.domain.errors import BadParameters
from hqserver.domain.folder import NetworkFolder, checked_folder, windows_path


@pytest.mark.parametrize(
    "windows", [r"\\nas\projects", r"\\nas\projects\2026", "P:", "P:\\", "p:\\shows\\x", "P:/shows", ""]
)
def test_a_path_of_windows_is_a_share_or_stands_on_a_drive(windows: str) -> None:
    folder = NetworkFolder("PROJECTS", "nas", "/mnt/projects", windows, "/Volumes/projects")
    assert checked_folder(folder) == folder
    assert [folder.path(key) for key in ("linux", "windows", "macosx", "irix")] == [
        *("/mnt/projects", windows, "/Volumes/projects"),
        "",
    ]


def test_blanks_around_values_are_dropped() -> None:
    assert checked_folder(NetworkFolder("A", " nas ", " /a ", "  ")) == NetworkFolder("A", "nas", "/a")


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"name": ""}, "name must be usable as a variable"),
        ({"name": "my folder"}, "not 'my folder'"),
        ({"name": "2026"}, "not '2026'"),
        ({"name": "größe"}, "not 'größe'"),
        ({"name": "A" * 101}, "name must be usable as a variable"),
        ({"name": "JOBID"}, "name cannot be 'JOBID'"),
        ({"name": "Path"}, "name cannot be 'Path'"),
        ({"linux": "mnt/a"}, "linux must be an absolute path .* not 'mnt/a'"),
        ({"macos": "P:"}, "macos must be an absolute path"),
        ({"windows": "/mnt/a"}, "windows must be an absolute path"),
        ({"windows": r"\\nas"}, "windows must be an absolute path"),
        ({"windows": "shows"}, r"P:\\projects"),
        ({"linux": "/a\nb"}, "linux must be one line"),
        ({"linux": "/" + "a" * 4096}, "at most 4096"),
        ({"host": "a\x00"}, "host must be one line"),
        ({"linux": ""}, "A needs a path on at least one platform"),
        ({"name": "HQROOT"}, "let main be true"),
        ({"name": "hqroot", "main": True}, "name it HQROOT"),
    ],
)
def test_what_cannot_be_a_folder_is_refused_in_one_sentence(given: dict[str, Any], words: str) -> None:
    with pytest.raises(BadParameters, match=words):
        checked_folder(NetworkFolder(**{"name": "A", "linux": "/a", **given}))


def test_windows_sees_the_share_or_where_it_has_no_name_the_drive() -> None:
    """CONTRACT 7.2."""
    assert windows_path("nas", "hq", "H:") == r"\\nas\hq"
    assert windows_path("nas", "", "H:") == "H:"
