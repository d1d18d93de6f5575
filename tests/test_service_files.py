"""The systemd units: they start what is there, and end it so that no command on a client dies of it (PROMISES 4, 5)."""

from __future__ import annotations

import shlex
import shutil
import subprocess
from collections import defaultdict
from pathlib import Path

import pytest

from hqclient.daemon import agent
from hqclient.daemon import cli as client_cli
from hqserver import cli as server_cli

ROOT = Path(__file__).resolve().parent.parent
UNITS = ("hqserver", "hqclient")
CHECKOUT = "/opt/hqfarm"


def service(name: str) -> dict[str, list[str]]:
    """What the unit says, by key; a key may stand there more than once."""
    found: dict[str, list[str]] = defaultdict(list)
    for line in (ROOT / "config" / f"{name}.service").read_text("utf-8").splitlines():
        key, equals, value = line.partition("=")
        if equals and not line.startswith(("#", "[")):
            found[key].append(value)
    return found


@pytest.mark.parametrize("name", UNITS)
def test_systemd_takes_the_unit(name: str, tmp_path: Path) -> None:
    if not shutil.which("systemd-analyze"):
        pytest.skip("systemd-analyze is not here")
    program = tmp_path / ".venv" / "bin" / name
    program.parent.mkdir(parents=True)
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    text = (ROOT / "config" / f"{name}.service").read_text("utf-8")
    unit = tmp_path / f"{name}.service"
    unit.write_text(text.replace(CHECKOUT, str(tmp_path)), encoding="utf-8")
    done = subprocess.run(["systemd-analyze", "verify", str(unit)], capture_output=True, text=True, check=False)
    complaints = [line for line in done.stderr.splitlines() if name in line]
    assert (done.returncode, complaints) == (0, [])


@pytest.mark.parametrize("name", UNITS)
def test_a_unit_starts_our_program_with_flags_it_knows(name: str) -> None:
    said = service(name)
    ((program, *flags),) = [shlex.split(line) for line in said["ExecStart"]]
    assert program == f"{CHECKOUT}/.venv/bin/{name}"
    parser = server_cli._parser() if name == "hqserver" else client_cli._parser()
    options = parser.parse_args(flags)
    assert options.config == f"/etc/hqfarm/{name}.ini"
    assert options.data == f"/var/lib/{said['StateDirectory'][0]}"


@pytest.mark.parametrize("name", UNITS)
def test_what_ended_by_a_fault_is_started_again_for_ever(name: str) -> None:
    """75, after a failed disk, is among them; a wrong configuration is not."""
    said = service(name)
    assert said["Restart"] == ["on-failure"]
    assert said["StartLimitIntervalSec"] == ["0"]
    never = {int(status) for status in said["RestartPreventExitStatus"][0].split()}
    assert never == ({2} if name == "hqserver" else {client_cli.EXIT_WRONG_USE, agent.EXIT_DUPLICATE})


def test_the_end_of_a_daemon_is_not_the_end_of_its_commands() -> None:
    """P6."""
    said = service("hqclient")
    assert (said["KillMode"], said["Delegate"], said["OOMPolicy"]) == (["process"], ["yes"], ["continue"])


def test_nothing_is_taken_from_the_commands_of_jobs() -> None:
    hardening = ("Protect", "Private", "NoNew", "Restrict", "Capability", "SystemCall", "ReadOnly", "Lock", "UMask")
    assert [key for key in service("hqclient") if key.startswith(hardening) and key != "RestartPreventExitStatus"] == []
    assert [key for key in service("hqserver") if key.startswith(hardening)] != []
