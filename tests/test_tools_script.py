"""scripts/test_tools.py installs what tests need where it can, and lists by name what it has to leave out."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

SCRIPTS = Path(__file__).resolve().parents[1] / "scripts"

DPKG_QUERY = 'for name in "$@"; do [ -e {machine}/$name ] && echo "installed $name"; done; exit 1'
APT_GET = """
echo "$*" >> {machine}/calls
shift 3  # --quiet -o Timeout
case "$1" in
update) touch {machine}/updated ;;
install)
    shift 3
    for name; do case $name in
    gone) echo "E: Unable to locate package gone"; exit 100 ;;
    new) [ -e {machine}/updated ] || { echo "E: Unable to locate package new"; exit 100; } ;;
    held) [ -e {machine}/free ] || { touch {machine}/free; echo "E: Could not get lock /lists/lock"; exit 100; } ;;
    stuck) echo "E: Could not get lock /lists/lock"; exit 100 ;;
    esac; done
    for name; do touch {machine}/$name; done ;;
esac
"""
NPM = """
echo "npm $*" >> {machine}/calls
mkdir -p "$3/node_modules/thing"
echo '{ "version" : "1.2.3" }' > "$3/node_modules/thing/package.json"
"""


class Machine:
    """A machine whose only programs are ours: a dpkg-query, and an apt-get and an npm where there are to be any."""

    def __init__(self, folder: Path, script: Any) -> None:
        self.folder = folder / "machine"
        self.programs = folder / "programs"
        self.script = script
        for made in (self.folder, self.programs):
            made.mkdir()

    def add(self, program: str, text: str) -> None:
        path = self.programs / program
        path.write_text(f"#!/bin/sh\nPATH=/usr/bin:/bin\n{text.replace('{machine}', str(self.folder))}\n")
        path.chmod(0o755)

    def run(self, *packages: str, modules: tuple[str, ...] = ()) -> int:
        """Run the script for a tool of each of these packages; one more of Debian's `node` and these modules."""
        tools = [self.script.Tool(name, f"the {name} tool", (name,), ("false",)) for name in packages]
        if modules:
            tools.append(self.script.Tool("node", "the node tool", ("node",), ("false",), modules))
        self.script.TOOLS = tuple(tools)
        return int(self.script.main([]))

    @property
    def calls(self) -> list[str]:
        """What apt-get and npm were asked to do."""
        try:
            lines = (self.folder / "calls").read_text().splitlines()
        except FileNotFoundError:
            return []
        return [line.partition("Timeout=")[2].partition(" ")[2] or line for line in lines]


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    """A Debian where we are root."""
    monkeypatch.syspath_prepend(SCRIPTS)
    sys.modules.pop("test_tools", None)
    script = importlib.import_module("test_tools")
    found = Machine(tmp_path, script)
    found.add("dpkg-query", DPKG_QUERY)
    found.add("apt-get", APT_GET)
    monkeypatch.setenv("PATH", str(found.programs))
    monkeypatch.delenv("CI", raising=False)
    monkeypatch.setattr("os.geteuid", lambda: 0)
    monkeypatch.setattr(script, "ENVIRONMENT", tmp_path)
    monkeypatch.setattr(script, "NODE_MODULES", tmp_path / "node" / "node_modules")
    return found


Said = Callable[[], str]


@pytest.fixture
def said(capsys: pytest.CaptureFixture[str]) -> Said:
    return lambda: capsys.readouterr().err


def test_where_nothing_is_missing_it_does_and_says_nothing(machine: Machine, said: Said) -> None:
    (machine.folder / "one").touch()
    assert machine.run("one") == 0
    assert (machine.calls, said()) == ([], "")


def test_all_that_is_missing_is_installed_in_one_go_without_an_update(machine: Machine, said: Said) -> None:
    (machine.folder / "one").touch()
    assert machine.run("one", "two", "three") == 0
    assert machine.calls == ["install --yes --no-install-recommends three two"]
    assert "left out" not in said()
    assert machine.run("one", "two", "three") == 0
    assert len(machine.calls) == 1, "it is quick when all is there"


def test_the_lists_are_fetched_only_where_they_are_not_good_enough(machine: Machine) -> None:
    assert machine.run("new") == 0
    install = "install --yes --no-install-recommends new"
    assert machine.calls == [install, "update", install]


def test_a_package_that_is_not_to_be_had_costs_only_its_own_tool(machine: Machine, said: Said) -> None:
    assert machine.run("one", "gone") == 0
    words = said()
    assert "left out: the gone tool (Debian: gone)\n" in words
    assert "the one tool" not in words
    assert "Unable to locate package gone" in words
    assert (machine.folder / "one").exists()


def test_it_waits_while_another_apt_is_at_work(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    assert machine.run("held") == 0
    assert machine.calls == ["install --yes --no-install-recommends held"] * 2
    options = (machine.folder / "calls").read_text()
    assert "-o DPkg::Lock::Timeout=6" in options, "apt-get itself waits for dpkg's lock, ten minutes at most"


def test_it_does_not_wait_for_ever(machine: Machine, said: Said, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine.script, "PATIENCE_SECONDS", 0.1)
    assert machine.run("stuck") == 0
    assert "left out: the stuck tool" in said()


@pytest.mark.parametrize("ci", [False, True])
def test_elsewhere_it_lists_what_is_left_out_and_fails_only_in_ci(
    machine: Machine, said: Said, monkeypatch: pytest.MonkeyPatch, ci: bool
) -> None:
    (machine.programs / "apt-get").unlink()
    (machine.programs / "dpkg-query").unlink()
    if ci:
        monkeypatch.setenv("CI", "true")
    assert machine.run("one", "two") == ci
    words = said()
    assert "left out: the one tool (Debian: one)\nleft out: the two tool (Debian: two)\n" in words
    assert words.endswith(f"The tests that need them {'fail' if ci else 'are skipped'}.\n")


def test_who_is_not_root_installs_no_package(machine: Machine, said: Said, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    assert machine.run("one") == 0
    assert machine.calls == []
    assert "left out: the one tool" in said()


def test_what_debian_did_not_install_counts_where_it_answers(machine: Machine, said: Said) -> None:
    machine.script.TOOLS = (machine.script.Tool("own", "an own tool", ("one",), ("/bin/sh", "-c", "exit 0")),)
    assert machine.script.main([]) == 0
    assert (machine.calls, said()) == ([], "")


def test_modules_of_node_go_into_the_environment_in_their_version(machine: Machine, said: Said) -> None:
    machine.add("npm", NPM)
    assert machine.run(modules=("thing@1.2.3",)) == 0
    assert [call.split()[:2] for call in machine.calls] == [["install", "--yes"], ["npm", "install"]]
    assert machine.calls[1].endswith(" thing@1.2.3")
    assert f"--prefix {machine.script.ENVIRONMENT}/node " in machine.calls[1]
    assert machine.run(modules=("thing@1.2.4",)) == 0
    assert "left out: the node tool" in said(), "npm gave 1.2.3"


def test_missing_tools_are_listed_by_the_names_that_tests_use(
    machine: Machine, capsys: pytest.CaptureFixture[str]
) -> None:
    assert machine.script.main(["--missing"]) == 0
    names = capsys.readouterr().out.splitlines()
    assert names == [tool.name for tool in machine.script.TOOLS]
    assert len(set(names)) == len(names)
    assert machine.calls == []


def test_an_unknown_flag_of_the_tools_is_refused(machine: Machine, said: Said) -> None:
    assert machine.script.main(["--all"]) == 2
    assert said() == "usage: scripts/test_tools.py [--missing]\n"


def test_every_module_of_node_is_named_with_its_version(machine: Machine) -> None:
    modules = [module for tool in machine.script.TOOLS for module in tool.modules]
    assert modules
    assert all(module.rpartition("@")[2][0].isdigit() for module in modules)
