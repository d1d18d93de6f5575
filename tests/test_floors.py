"""A floor imports only floors below it (DESIGN, Tree and floors). Read from the source, never by running it."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("hqserver", "hqclient", "webui")

FLOORS = {
    "hqserver.domain": (),
    "hqserver.store": ("hqserver.domain",),
    "hqserver.services": ("hqserver.domain", "hqserver.store"),
    "hqserver.rpc": ("hqserver.domain", "hqserver.services", "hqserver.spool"),
    "hqserver.spool": (),
    "hqserver.web": ("hqserver.spool",),
    "hqserver.http": ("hqserver.domain", "hqserver.services", "hqserver.rpc", "hqserver.spool", "hqserver.web"),
    "hqserver.clock": (),
    "hqserver.config": ("hqserver.domain", "hqserver.services", "hqserver.mail_settings"),
    "hqserver.mail_settings": ("hqserver.domain",),
    "hqserver.safeguards": ("hqserver.domain", "hqserver.store", "hqserver.services", "hqserver.config"),
    "hqserver.smtp": ("hqserver.domain", "hqserver.services"),
    "hqserver.ticks": ("hqserver.domain", "hqserver.services"),
    "hqserver.waker": ("hqserver.domain", "hqserver.services"),
    "hqserver.webhooks": ("hqserver.domain", "hqserver.services"),
    "webui": ("hqserver.domain", "hqserver.services", "hqserver.rpc", "hqserver.web"),
    "hqclient": ("hqserver.domain",),
}
"""What each part of the tree may import of the others. The most specific name decides."""

ROOMS = ("events", "work", "dispatch", "intake", "control", "clients", "queries", "care")
"""The rooms of the services, each of which may import the rooms before it and the subjects outside the rooms."""

WIRING = ("hqserver.app", "hqserver.admin", "hqserver.cli", "hqserver.__main__")
"""These put everything together; nobody imports them but each other."""

STANDARD_LIBRARY_ONLY = ("hqserver.domain",)


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


SOURCES = {module_name(path): path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))}


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


@cache
def imports(name: str, path: Path) -> tuple[tuple[int, str], ...]:
    """Each import anywhere in the module, with its line: in functions and under TYPE_CHECKING too."""
    return tuple(_imports(name, path))


def _imports(name: str, path: Path) -> Iterator[tuple[int, str]]:
    package = name if path.name == "__init__.py" else name.rpartition(".")[0]
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            start = package
            for _ in range(node.level - 1):
                start = start.rpartition(".")[0]
            module = ".".join(part for part in (start if node.level else "", node.module or "") if part)
            for alias in node.names:
                # `from . import x` may name a module: the longest name that is one counts.
                whole = f"{module}.{alias.name}"
                yield node.lineno, whole if whole in SOURCES else module


def part_of(name: str) -> str:
    """The part of the tree a module belongs to, "" for the wiring and for what is not ours."""
    found = [part for part in FLOORS if name == part or name.startswith(part + ".")]
    return max(found, key=len, default="")


def is_ours(name: str) -> bool:
    return name.partition(".")[0] in PACKAGES


def test_every_module_stands_on_a_floor() -> None:
    assert len(SOURCES) > 50
    homeless = [name for name in SOURCES if not part_of(name) and name not in WIRING and name != "hqserver"]
    assert homeless == []


@pytest.mark.parametrize("name", sorted(SOURCES))
def test_a_module_imports_only_floors_below_its_own(name: str) -> None:
    own = part_of(name)
    wrong = []
    for line, imported in imports(name, SOURCES[name]):
        if not is_ours(imported) or imported == "hqserver":
            continue
        if imported in WIRING:
            allowed = name in WIRING
        elif name in WIRING:
            allowed = True
        else:
            allowed = bool(own) and part_of(imported) in (own, *FLOORS[own])
        if not allowed:
            wrong.append(f"line {line} imports {imported}")
    assert wrong == []


def room_of(name: str) -> str:
    """The room of a service, "" for what is no service or stands outside the rooms."""
    found = name.removeprefix("hqserver.services.").partition(".")[0]
    return found if name.startswith("hqserver.services.") and found in ROOMS else ""


@pytest.mark.parametrize("name", sorted(name for name in SOURCES if room_of(name)))
def test_a_service_imports_only_rooms_before_its_own(name: str) -> None:
    allowed = ("", *ROOMS[: ROOMS.index(room_of(name)) + 1])
    wrong = [
        f"line {line} imports {found}" for line, found in imports(name, SOURCES[name]) if room_of(found) not in allowed
    ]
    assert wrong == []


@pytest.mark.parametrize("name", sorted(name for name in SOURCES if part_of(name) in STANDARD_LIBRARY_ONLY))
def test_the_domain_imports_the_standard_library_only(name: str) -> None:
    foreign = [
        f"line {line} imports {imported}"
        for line, imported in imports(name, SOURCES[name])
        if not is_ours(imported) and imported.partition(".")[0] not in sys.stdlib_module_names
    ]
    assert foreign == []


IMPURE = {"time", "socket", "threading", "subprocess", "os", "pathlib", "sqlite3", "asyncio", "logging", "random"}


ENDS_THE_PROCESS = "hqserver.domain.crash"
"""For tests it reads one variable and ends the process; it is in the domain because client and server both need it."""


@pytest.mark.parametrize(
    "name", sorted(name for name in SOURCES if part_of(name) == "hqserver.domain" and name != ENDS_THE_PROCESS)
)
def test_the_domain_has_no_clock_and_no_input_or_output(name: str) -> None:
    found = {imported.partition(".")[0] for _, imported in imports(name, SOURCES[name])}
    assert name == "hqserver.domain.crash" or not found & IMPURE  # its one effect is the process's end


def test_only_the_store_speaks_sql() -> None:
    """`sqlite3` is imported above the store for the names of its types and errors only."""
    for name, path in SOURCES.items():
        if part_of(name) in ("hqserver.store", "hqclient"):  # a client keeps no database
            continue
        for node in ast.walk(tree(path)):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                assert node.func.attr not in ("execute", "executemany", "executescript"), f"{name}, line {node.lineno}"


def test_no_module_bends_the_floors_with_type_checking() -> None:
    """An import under TYPE_CHECKING that points upward is a circle admitted; there are none of any kind."""
    found = [
        name
        for name, path in SOURCES.items()
        for node in ast.walk(tree(path))
        if isinstance(node, ast.Name | ast.Attribute)
        and (node.id if isinstance(node, ast.Name) else node.attr) == "TYPE_CHECKING"
    ]
    assert found == []


def test_an_import_that_points_upward_is_seen(tmp_path: Path) -> None:
    """The reader of imports itself: nested, relative and conditional ones are found."""
    text = (
        "from __future__ import annotations\n"
        "if TYPE_CHECKING:\n    from ..services.farm import Farm\n"
        "def f():\n    import hqserver.app\n    from . import runs\n"
    )
    path = tmp_path / "jobs.py"
    path.write_text(text, encoding="utf-8")
    found = dict(imports("hqserver.store.jobs", path))
    assert found[3] == "hqserver.services.farm"
    assert found[5] == "hqserver.app"
    assert found[6] == "hqserver.store.runs"
