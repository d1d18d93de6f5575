"""The package of client code that this server gives to its daemons (CONTRACT 5.1, 9.28)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from hqserver.domain.package import TOP_FOLDERS, belongs, pack, version_of


@dataclass(frozen=True)
class ClientPackage:
    """`data` is the zip, `version` its SHA-256: the version of the client code that belongs to this server."""

    version: str
    data: bytes

    @property
    def path(self) -> str:
        """Where the server gives it: an address for ever bound to this content."""
        return f"/client/{self.version}.zip"


@cache
def client_package() -> ClientPackage:
    """The package of the code that is installed beside the server's, made once in the life of the process.

    Raises `OSError` where the code cannot be read.
    """
    data = pack(_installed_files())
    return ClientPackage(version_of(data), data)


def _installed_files() -> dict[str, bytes]:
    """The client is found, not imported: what the server is made of does not include it (DESIGN, floors)."""
    files: dict[str, bytes] = {}
    for package in TOP_FOLDERS:
        spec = find_spec(package)
        for place in (spec.submodule_search_locations if spec else None) or ():
            folder = Path(place)
            for path in folder.rglob("*"):
                name = path.relative_to(folder.parent).as_posix()
                if belongs(name):
                    files[name] = path.read_bytes()
    return files
