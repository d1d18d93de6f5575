from __future__ import annotations

import io
import zipfile

import pytest

from hqserver.domain import package
from hqserver.domain.package import BadPackage, belongs, pack, unpack, version_of

FILES = {
    "hqclient/__init__.py": b"",
    "hqclient/daemon/cli.py": b"def main():\n    pass\n",
    "hqclient/requirements.txt": b"h11>=0.16\n",
    "hqserver/__init__.py": b"",
    "hqserver/domain/job.py": b"x = 1\n",
}


def a_zip(entries: dict[str, bytes], compression: int = zipfile.ZIP_STORED) -> bytes:
    """A zip with any names; `\\` and NUL are put in behind the back of `ZipInfo`, which changes them."""
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w", compression) as file:
        for name, content in entries.items():
            entry = zipfile.ZipInfo()
            entry.filename = name
            file.writestr(entry, content, compression)
    return written.getvalue()


def test_equal_code_is_an_equal_package() -> None:
    """9.28: order of files and line ends do not matter."""
    backwards = {name: FILES[name].replace(b"\n", b"\r\n") for name in reversed(FILES)}
    assert pack(backwards) == pack(FILES)
    assert version_of(pack(FILES)) == version_of(pack(backwards))
    assert version_of(pack({**FILES, "hqclient/x.py": b""})) != version_of(pack(FILES))


def test_a_package_is_unpacked_to_what_was_packed() -> None:
    assert unpack(pack(FILES)) == FILES


def test_only_the_client_and_the_domain_are_in_it() -> None:
    others = ("hqserver/app.py", "hqserver/store/jobs.py", "webui/pages.py", "hqclient/daemon/PROTOCOL.md", "x.py")
    assert set(unpack(pack({**FILES, **dict.fromkeys(others, b"")}))) == set(FILES)
    assert not any(belongs(name) for name in (*others, "hqclient/daemon/__pycache__/cli.cpython-311.pyc"))


@pytest.mark.parametrize(
    "name",
    [
        *("../evil.py", "hqclient/../evil.py", "hqclient/../../evil.py", "/etc/evil.py", "//host/share/evil.py"),
        *("C:/evil.py", "C:evil.py", "hqclient/C:evil.py", "hqclient\\..\\..\\evil.py", "..\\evil.py"),
        *("hqclient//evil.py", "hqclient/./evil.py", "hqclient/ok.py\0/../evil", "hqclient", "evil.py", "webui/x.py"),
    ],
)
def test_a_name_that_leads_elsewhere_is_refused(name: str) -> None:
    with pytest.raises(BadPackage, match="holds a file"):
        unpack(a_zip({**FILES, name: b"evil"}))


def test_a_name_that_stands_twice_is_refused() -> None:
    double = a_zip({"hqclient/a.py": b"1", "hqclient/b.py": b"2"}).replace(b"hqclient/b.py", b"hqclient/a.py")
    with pytest.raises(BadPackage, match=r"hqclient/a\.py"):
        unpack(double)


def test_a_bomb_is_refused_before_it_is_unpacked(monkeypatch: pytest.MonkeyPatch) -> None:
    bomb = a_zip({"hqclient/a.py": bytes(100_000), "hqclient/b.py": bytes(100_000)}, zipfile.ZIP_DEFLATED)
    assert len(unpack(bomb)) == 2
    monkeypatch.setattr(package, "_UNPACKED_LIMIT", 150_000)
    with pytest.raises(BadPackage, match="more than 150000 bytes"):
        unpack(bomb)


@pytest.mark.parametrize("damage", ["empty", "no zip", "cut", "flipped", "lzma"])
def test_what_is_no_whole_zip_is_refused(damage: str) -> None:
    whole = pack(FILES)
    spoilt = {
        "empty": b"",
        "no zip": b"<html>not found</html>",
        "cut": whole[: len(whole) // 2],
        "flipped": whole.replace(b"def main", b"DEF MAIN"),
        "lzma": a_zip(FILES, zipfile.ZIP_LZMA),
    }[damage]
    with pytest.raises(BadPackage):
        unpack(spoilt)
