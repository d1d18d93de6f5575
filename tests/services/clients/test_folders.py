"""Network folders: the configured one, registered ones, the main one, and what commands see of them (CONTRACT 7.2)."""

from __future__ import annotations

from dataclasses import replace

import pytest

from hqserver.domain.errors import BadParameters, Conflict, NotFound
from hqserver.domain.folder import NetworkFolder
from hqserver.services.clients import folders
from hqserver.services.farm import Farm, Policy

PROJECTS = NetworkFolder("PROJECTS", "nas", "/mnt/projects", r"\\nas\projects", "/Volumes/projects")
CACHE = NetworkFolder("CACHE", "nas", "/mnt/cache")


@pytest.fixture
def policy() -> Policy:
    seen = {"linux": "/mnt/hq", "windows": r"\\server\hq", "macosx": "/Volumes/HQShared"}
    return Policy(network_root=seen, network_drive="H:", network_host="server")


def names(farm: Farm) -> list[tuple[str, bool]]:
    return [(folder["name"], folder["main"]) for folder in folders.network_folders(farm)]


def environment(farm: Farm, platform: str = "linux") -> dict[str, str]:
    with farm.database.read() as connection:
        return folders.folder_environment(farm, connection, platform)


def test_the_folder_of_the_configuration_is_the_main_one_until_another_is(farm: Farm) -> None:
    """9.14."""
    configured = {
        "name": "HQROOT",
        "host": "server",
        "linux": "/mnt/hq",
        "windows": r"\\server\hq",
        "macos": "/Volumes/HQShared",
        "main": True,
    }
    assert folders.network_folders(farm) == [configured]
    folders.set_folder(farm, PROJECTS)
    assert folders.network_folders(farm)[0] == configured
    assert names(farm) == [("HQROOT", True), ("PROJECTS", False)]
    folders.set_folder(farm, replace(PROJECTS, main=True))
    assert names(farm) == [("PROJECTS", True)]
    folders.set_folder(farm, PROJECTS)
    assert names(farm) == [("HQROOT", True), ("PROJECTS", False)]


def test_there_is_never_more_than_one_main_folder(farm: Farm) -> None:
    folders.set_folder(farm, replace(PROJECTS, main=True))
    folders.set_folder(farm, replace(CACHE, main=True))
    assert names(farm) == [("CACHE", True), ("PROJECTS", False)]
    folders.delete_folder(farm, "CACHE")
    assert names(farm) == [("HQROOT", True), ("PROJECTS", False)]


def test_a_registered_hqroot_takes_the_place_of_the_configured_one(farm: Farm) -> None:
    root = NetworkFolder("HQROOT", "nas", "/net/root", "R:", "", main=True)
    folders.set_folder(farm, root)
    folders.set_folder(farm, PROJECTS)
    assert names(farm) == [("HQROOT", True), ("PROJECTS", False)]
    assert environment(farm) == {"HQROOT": "/net/root", "PROJECTS": "/mnt/projects"}
    with pytest.raises(Conflict, match="HQROOT is the main one; delete it"):
        folders.set_folder(farm, replace(PROJECTS, main=True))
    assert names(farm) == [("HQROOT", True), ("PROJECTS", False)]
    folders.delete_folder(farm, "HQROOT")
    folders.set_folder(farm, replace(PROJECTS, main=True))
    assert names(farm) == [("PROJECTS", True)]


@pytest.mark.parametrize(
    ("platform", "is_client", "configured", "registered"),
    [
        ("linux", True, "/mnt/hq", "/mnt/projects"),
        ("linux", False, "/mnt/hq", "/mnt/projects"),
        ("macosx", True, "/Volumes/HQShared", "/Volumes/projects"),
        ("windows", True, r"\\server\hq", r"\\nas\projects"),
        ("windows", False, "H:", r"\\nas\projects"),
        ("macos", True, None, None),
        ("irix", True, None, None),
        ("", True, None, None),
    ],
)
def test_the_root_is_where_the_main_folder_is_on_each_platform(
    farm: Farm, platform: str, is_client: bool, configured: str | None, registered: str | None
) -> None:
    """CONTRACT 1.2, getHQRoot: on Windows the UNC path for clients, else the drive."""
    assert folders.root(farm, platform, is_client) == configured
    folders.set_folder(farm, replace(PROJECTS, main=True))
    assert folders.root(farm, platform, is_client) == registered


def test_a_folder_that_a_platform_does_not_see_has_no_root_and_no_variable_there(farm: Farm) -> None:
    folders.set_folder(farm, replace(CACHE, main=True))
    assert folders.root(farm, "windows", True) is None
    assert environment(farm, "windows") == {}
    assert environment(farm) == {"CACHE": "/mnt/cache", "HQROOT": "/mnt/cache"}


def test_without_a_name_of_the_share_windows_has_the_drive_for_all(farm: Farm) -> None:
    """CONTRACT 7.2."""
    plain = replace(farm, policy=Policy(network_root={"windows": "H:"}, network_drive="H:"))
    assert [folders.root(plain, "windows", is_client) for is_client in (True, False)] == ["H:", "H:"]
    assert folders.root(plain, "linux", True) is None


def test_a_farm_without_any_folder_has_none(farm: Farm) -> None:
    bare = replace(farm, policy=Policy())
    assert folders.network_folders(bare) == []
    assert folders.root(bare, "linux", True) is None
    assert environment(bare) == {}


def test_commands_find_every_folder_under_its_name_and_the_main_one_as_hqroot(farm: Farm) -> None:
    """CONTRACT 2.6."""
    folders.set_folder(farm, PROJECTS)
    assert environment(farm) == {"HQROOT": "/mnt/hq", "PROJECTS": "/mnt/projects"}
    assert environment(farm, "windows") == {"HQROOT": r"\\server\hq", "PROJECTS": r"\\nas\projects"}
    folders.set_folder(farm, replace(PROJECTS, linux="/net/projects", main=True))
    assert environment(farm) == {"HQROOT": "/net/projects", "PROJECTS": "/net/projects"}
    folders.delete_folder(farm, "PROJECTS")
    assert environment(farm) == {"HQROOT": "/mnt/hq"}


def test_what_is_wrong_is_refused_and_nothing_stored(farm: Farm) -> None:
    folders.set_folder(farm, PROJECTS)
    before = folders.network_folders(farm)
    with pytest.raises(BadParameters, match="absolute"):
        folders.set_folder(farm, replace(PROJECTS, linux="projects"))
    with pytest.raises(Conflict, match="there is a folder PROJECTS already"):
        folders.set_folder(farm, replace(PROJECTS, name="Projects"))
    with pytest.raises(NotFound, match="no network folder 'projects'; did you mean 'PROJECTS'"):
        folders.delete_folder(farm, "projects")
    with pytest.raises(Conflict, match="HQROOT stands in the server's configuration file"):
        folders.delete_folder(farm, "HQROOT")
    assert folders.network_folders(farm) == before
