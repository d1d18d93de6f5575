"""Network folders: what every client sees, and where."""

from __future__ import annotations

from typing import Any

from hqserver.domain.folder import NetworkFolder
from hqserver.rpc.method import rpc
from hqserver.services.clients import folders
from hqserver.services.farm import Farm


class Folders:
    """Folders that every client sees, each platform under a path of its own.

    Commands find each in the variable of its name, and the main one in HQROOT too. As long as none that is registered
    here is the main one, that of the configuration file (`hqserver.sharedNetwork...`) is, under the name HQROOT.
    """

    subject = "Network folders"

    def __init__(self, farm: Farm):
        self._farm = farm

    @rpc("getNetworkFolders", since="19.5")
    def get_network_folders(self) -> list[dict[str, Any]]:
        """All network folders, the main one first: `{name, host, linux, windows, macos, main}`.

        `linux`, `windows` and `macos` are the paths clients see, "" where they do not see the folder.
        """
        return folders.network_folders(self._farm)

    @rpc("setNetworkFolder")
    def set_network_folder(
        self,
        name: str,
        host: str | None,
        linux: str | None,
        windows: str | None,
        macos: str | None,
        main: bool = False,
    ) -> None:
        r"""Register a network folder, or change the one of this name. Commands that start afterwards see it.

        `name` is the variable in which commands find the path; `host` says for people who shares it. The paths are
        absolute, "" or None where clients do not see the folder; for Windows `\\host\share` or `P:\projects`. As
        `main` folder it takes the place of the one that was. Fault -32602 for a name that cannot be such a variable
        or a path that is not absolute; 409 for a name that differs from another's in case only, and for another main
        folder while one called HQROOT is registered.
        """
        folder = NetworkFolder(name.strip(), host or "", linux or "", windows or "", macos or "", main)
        folders.set_folder(self._farm, folder)

    @rpc("deleteNetworkFolder")
    def delete_network_folder(self, name: str) -> None:
        """Forget a network folder.

        Fault 404 when there is none of this name, 409 for that of the configuration file.
        """
        folders.delete_folder(self._farm, name.strip())

    @rpc("getHQRoot", "getEnvRoot", deprecated="getNetworkFolders", since="12")
    def get_hq_root(self, platform: str, is_client: bool = True) -> str | None:
        """The value of HQROOT on machines of `platform`: `linux`, `windows` or `macosx`; None for any other.

        None too where the main folder is not seen on that platform. On Windows it is the UNC path, where the folder
        has one; for the configured folder, and `is_client` false, it is the mapped drive.
        """
        return folders.root(self._farm, platform, is_client)
