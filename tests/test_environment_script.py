"""scripts/environment says in one sentence why it cannot make an environment."""

from __future__ import annotations

import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[1]


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout with a space in its path that holds only what the script needs."""
    folder = tmp_path / "a checkout"
    (folder / "scripts").mkdir(parents=True)
    shutil.copy(CHECKOUT / "scripts" / "environment", folder / "scripts")
    shutil.copy(CHECKOUT / "pyproject.toml", folder)
    return folder


def run(checkout: Path, programs: Path, *flags: str) -> subprocess.CompletedProcess[str]:
    """Run the script with the folder `programs` before the system's own tools, which hold no Python there."""
    programs.mkdir(exist_ok=True)
    for tool in ("bash", "cat", "cksum", "dirname", "find", "mkdir", "mv", "rm", "sed", "tail"):
        found = shutil.which(tool)
        assert found, tool
        (programs / tool).symlink_to(found)
    return subprocess.run(
        [programs / "bash", checkout / "scripts" / "environment", *flags],
        env={"PATH": str(programs)},
        cwd="/",
        capture_output=True,
        text=True,
        timeout=60,
    )


def a_python(programs: Path, script: str) -> None:
    """A `python3` that runs `script` where it is asked something with -c, and else is this Python."""
    programs.mkdir()
    python = programs / "python3"
    python.write_text(
        f'#!/bin/sh\nif [ "$1" = -c ]; then case "$2" in\n{script}\nesac; fi\nexec {shlex.quote(sys.executable)} "$@"\n'
    )
    python.chmod(0o755)


def test_without_a_python_it_says_what_to_install(checkout: Path, tmp_path: Path) -> None:
    ended = run(checkout, tmp_path / "programs")
    assert ended.returncode == 1
    assert ended.stderr.startswith("No Python 3.11 or later was found: install one")
    assert ended.stderr.count("\n") == 1


def test_a_python_that_is_too_old_is_not_used(checkout: Path, tmp_path: Path) -> None:
    a_python(tmp_path / "programs", "*version_info*) exit 1;;")
    ended = run(checkout, tmp_path / "programs")
    assert ended.returncode == 1
    assert "No Python 3.11 or later" in ended.stderr


def test_a_python_without_its_venv_module_is_named_with_the_package(checkout: Path, tmp_path: Path) -> None:
    a_python(tmp_path / "programs", "*ensurepip*) exit 1;;")
    ended = run(checkout, tmp_path / "programs")
    version = "{}.{}".format(*sys.version_info)
    assert ended.returncode == 1
    assert ended.stderr == (
        "python3 cannot make environments: install its venv module"
        f" (Debian, Ubuntu: apt install python{version}-venv).\n"
    )


def test_an_environment_that_could_not_be_made_is_tried_again(checkout: Path, tmp_path: Path) -> None:
    programs = tmp_path / "programs"
    a_python(programs, "none) ;;")
    (checkout / "pyproject.toml").write_text("[")
    for python in ("python", "pip"):  # an environment whose installer always fails: nothing is downloaded here
        path = checkout / ".venv" / "bin" / python
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text('#!/bin/sh\n[ "$1" = -c ] && exit\necho no network; exit 1\n')
        path.chmod(0o755)
    ended = run(checkout, programs)
    assert ended.returncode == 1
    assert "no network" in ended.stderr
    assert "could not be made" in ended.stderr
    assert not (checkout / ".venv" / ".installed").exists()


def test_an_unknown_flag_is_refused(checkout: Path, tmp_path: Path) -> None:
    ended = run(checkout, tmp_path / "programs", "--prod")
    assert (ended.returncode, ended.stderr) == (2, "usage: scripts/environment [--dev]\n")
