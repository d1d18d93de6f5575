"""The methods of network folders, called over the real XML (CONTRACT 1.2 and 9.14, 9.26, 9.27)."""

from __future__ import annotations

from typing import Any

import pytest
from rpc_kit import refused

CONFIGURED = {
    "name": "HQROOT",
    "host": "",
    "linux": "/mnt/hq",
    "windows": "H:",
    "macos": "/Volumes/HQShared",
    "main": True,
}
PROJECTS = {"name": "PROJECTS", "host": "nas", "linux": "/mnt/p", "windows": r"\\nas\p", "macos": "", "main": False}


def test_folders_are_registered_listed_changed_and_deleted(hq: Any) -> None:
    """9.14 and 9.27; 9.2: a method with nothing to say answers True."""
    assert hq.getNetworkFolders() == [CONFIGURED]
    assert hq.setNetworkFolder(*PROJECTS.values()) is True
    assert hq.getNetworkFolders() == [CONFIGURED, PROJECTS]
    assert hq.setNetworkFolder("PROJECTS", None, "/net/p", None, "", True) is True
    changed = {"name": "PROJECTS", "host": "", "linux": "/net/p", "windows": "", "macos": "", "main": True}
    assert hq.getNetworkFolders() == [changed]
    assert hq.deleteNetworkFolder("PROJECTS") is True
    assert hq.getNetworkFolders() == [CONFIGURED]


def test_a_folder_is_not_the_main_one_unless_it_is_said_to_be(hq: Any) -> None:
    hq.setNetworkFolder("CACHE", "", "/mnt/cache", "", "")
    assert [(folder["name"], folder["main"]) for folder in hq.getNetworkFolders()] == [
        ("HQROOT", True),
        ("CACHE", False),
    ]


@pytest.mark.parametrize("method", ["getHQRoot", "getEnvRoot"])
def test_the_root_of_each_platform(hq: Any, method: str) -> None:
    """9.26: getEnvRoot as getHQRoot."""
    root = getattr(hq, method)
    assert [root(platform) for platform in ("linux", "windows", "macosx", "Linux", "macos", "")] == [
        *("/mnt/hq", "H:", "/Volumes/HQShared"),
        *(None, None, None),
    ]
    assert [root("windows", is_client) for is_client in (True, False, 0)] == ["H:"] * 3
    hq.setNetworkFolder(*PROJECTS.values())
    assert root("linux") == "/mnt/hq"
    hq.setNetworkFolder("PROJECTS", "nas", "/mnt/p", r"\\nas\p", "", True)
    assert [root(platform) for platform in ("linux", "windows", "macosx")] == ["/mnt/p", r"\\nas\p", None]


@pytest.mark.parametrize(
    ("method", "params", "code", "words"),
    [
        ("setNetworkFolder", ["my folder", "", "/a", "", ""], -32602, "not 'my folder'"),
        ("setNetworkFolder", ["JOBID", "", "/a", "", ""], -32602, "cannot be 'JOBID'"),
        ("setNetworkFolder", ["A", "", "a", "", ""], -32602, "linux must be an absolute path"),
        ("setNetworkFolder", ["A", "", "", "", ""], -32602, "at least one platform"),
        ("setNetworkFolder", ["HQROOT", "", "/a", "", ""], -32602, "let main be true"),
        ("setNetworkFolder", ["A", "", "/a", "", "", "yes"], -32602, "main must be true or false"),
        ("setNetworkFolder", ["A", "", True, "", ""], -32602, "linux must be text"),
        ("setNetworkFolder", ["A", "", "/a"], -32602, "the call is setNetworkFolder(name, host, linux, windows"),
        ("setNetworkFolder", ["projects", "", "/a", "", ""], 409, "there is a folder PROJECTS already"),
        ("deleteNetworkFolder", ["PROJECT"], 404, "did you mean 'PROJECTS'"),
        ("deleteNetworkFolder", ["HQROOT"], 409, "configuration file"),
        ("deleteNetworkFolder", [""], 404, "no network folder ''"),
        ("getHQRoot", [], -32602, "getHQRoot(platform, is_client=True)"),
        ("getHQRoot", [["linux"]], -32602, "platform must be text"),
        ("getHQRoot", ["linux", "no"], -32602, "is_client must be true or false"),
    ],
)
def test_what_is_wrong_is_a_fault_and_changes_nothing(
    hq: Any, method: str, params: list[Any], code: int, words: str
) -> None:
    hq.setNetworkFolder(*PROJECTS.values())
    fault = refused(getattr(hq, method), *params)
    assert (fault.faultCode, words in fault.faultString) == (code, True), fault.faultString
    assert hq.getNetworkFolders() == [CONFIGURED, PROJECTS]


def test_another_main_folder_has_to_wait_until_a_registered_hqroot_is_gone(hq: Any) -> None:
    hq.setNetworkFolder("HQROOT", "nas", "/net/hq", "", "", True)
    fault = refused(hq.setNetworkFolder, "A", "", "/a", "", "", True)
    assert (fault.faultCode, "delete it before" in fault.faultString) == (409, True)
    hq.deleteNetworkFolder("HQROOT")
    assert hq.setNetworkFolder("A", "", "/a", "", "", True) is True
