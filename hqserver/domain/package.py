"""The client's package: its code as one zip whose bytes depend on nothing but that code (CONTRACT 9.28). Pure.

The server builds it from the code it has, a client from the code it runs: equal code is an equal package, and the
SHA-256 of the package is the code's `version`. Line ends, times, owners and permissions of the files do not matter.
"""

from __future__ import annotations

import hashlib
import io
import re
import zipfile
import zlib
from collections.abc import Mapping

PACKAGE_LIMIT = 16 << 20
"""Bytes that a package may have."""
REQUIREMENTS = "hqclient/requirements.txt"
"""The file that says what must be installed for the code to run, one requirement a line."""
TOP_FOLDERS = ("hqclient", "hqserver")
"""The Python packages of which there are files in a package."""

_UNPACKED_LIMIT = 4 * PACKAGE_LIMIT
_SEGMENT = re.compile(r"[A-Za-z0-9_+-][A-Za-z0-9_.+-]{0,99}")
_UNIX, _PLAIN_FILE = 3, 0o100644


class BadPackage(Exception):
    """A package that must not be unpacked; the message is half a sentence: "holds ..."."""


def belongs(name: str) -> bool:
    """Whether the file of this name (`hqclient/daemon/cli.py`) is part of the client's package."""
    if name.endswith(".py"):
        return name == "hqserver/__init__.py" or name.startswith(("hqclient/", "hqserver/domain/"))
    return name == REQUIREMENTS


def pack(files: Mapping[str, bytes]) -> bytes:
    """The package of these files, contents by name, those left out that do not belong.

    Stored rather than compressed: compressors differ between machines.
    """
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w", zipfile.ZIP_STORED) as package:
        for name in sorted(files):
            if belongs(name):
                entry = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
                entry.create_system, entry.external_attr = _UNIX, _PLAIN_FILE << 16
                package.writestr(entry, files[name].replace(b"\r\n", b"\n"))
    return written.getvalue()


def version_of(package: bytes) -> str:
    """The version that a package is: 64 hex digits."""
    return hashlib.sha256(package).hexdigest()


def unpack(package: bytes) -> dict[str, bytes]:
    """The files of a package, contents by name. Each name is relative and stays below the folder it is put into.

    Raises `BadPackage`.
    """
    files: dict[str, bytes] = {}
    try:
        with zipfile.ZipFile(io.BytesIO(package)) as opened:
            entries = [entry for entry in opened.infolist() if not entry.is_dir()]
            if sum(entry.file_size for entry in entries) > _UNPACKED_LIMIT:
                raise BadPackage(f"holds more than {_UNPACKED_LIMIT} bytes")
            for entry in entries:
                # `orig_filename`: what was written; `filename` has been made harmless in part.
                name = entry.orig_filename
                if not _is_safe(name) or name in files:
                    raise BadPackage(f"holds a file {name[:100]!r}")
                if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                    raise BadPackage(f"holds {name!r} in a compression that is not read here")
                files[name] = opened.read(entry)
    except (zipfile.BadZipFile, zlib.error, RuntimeError, EOFError, ValueError) as problem:
        raise BadPackage(f"is not a zip that can be read: {problem}") from None
    return files


def _is_safe(name: str) -> bool:
    """Whether the name leads to a file below one of our packages, whatever the operating system."""
    first, *others = name.split("/")
    return first in TOP_FOLDERS and bool(others) and all(_SEGMENT.fullmatch(other) for other in others)
