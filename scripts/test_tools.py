"""The programs of others that tests run: which there are, and how to get those that are missing.

    .venv/bin/python scripts/test_tools.py             installs what is missing, lists what had to be left out
    .venv/bin/python scripts/test_tools.py --missing   prints the names of what is missing, and installs nothing

scripts/test calls it first: libraries that call the server, and what makes a disk fail or sets a clock. Packages of
Debian are installed as root and for the whole machine, those of npm into the environment that runs this. A tool that is
left out costs only the tests that need it, which are skipped; with CI=true they fail, and so does this.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

ENVIRONMENT = Path(sys.prefix)
NODE_MODULES = ENVIRONMENT / "node" / "node_modules"
PATIENCE_SECONDS = 600  # for all downloads, and for another apt that is at work

_LOCKED = re.compile(r"could not get lock|unable to lock|is another process using it", re.IGNORECASE)


@dataclass(frozen=True)
class Tool:
    """One program or library: how tests call it, how people do, and where it comes from.

    It is there when Debian has installed `packages`, or when the command `probe` ends with 0. Of a tool of Node's,
    `modules` are the packages of npm, each with its version.
    """

    name: str
    title: str
    packages: tuple[str, ...]
    probe: tuple[str, ...]
    modules: tuple[str, ...] = ()

    def is_there(self, installed: set[str]) -> bool:
        """Whether tests can use it. `installed` are the names of Debian's packages on this machine."""
        if not all(map(is_module_there, self.modules)):
            return False
        return installed.issuperset(self.packages) or ends_well(self.probe)


TOOLS = (
    Tool("strace", "strace, which lets a disk fail", ("strace",), ("strace", "-V")),
    Tool(
        "gcc",
        "a C compiler, for the clock that tests set",
        ("gcc", "libc6-dev"),
        ("gcc", "-fsyntax-only", "-xc", "-include", "dlfcn.h", "/dev/null"),
    ),
    Tool("rpc-xml", "Perl's RPC::XML", ("librpc-xml-perl",), ("perl", "-MRPC::XML::Client", "-e1")),
    Tool("frontier", "Perl's Frontier::Client", ("libfrontier-rpc-perl",), ("perl", "-MFrontier::Client", "-e1")),
    Tool("ruby", "Ruby's xmlrpc", ("ruby", "ruby-xmlrpc"), ("ruby", "-rxmlrpc/client", "-e1")),
    Tool(
        "php",
        "PHP's xmlrpc",
        ("php-cli", "php-xmlrpc"),
        ("php", "-r", "exit(function_exists('xmlrpc_decode') ? 0 : 1);"),
    ),
    Tool(
        "node",
        "Node's xmlrpc",
        ("nodejs", "npm"),
        ("sh", "-c", "command -v node && command -v npm"),
        ("xmlrpc@1.3.2", "sax@1.2.4", "xmlbuilder@8.2.2"),
    ),
    Tool(
        "xmlrpc-c",
        "the C library xmlrpc-c and its compiler",
        ("gcc", "libc6-dev", "libxmlrpc-core-c3-dev"),
        ("sh", "-c", "command -v gcc && command -v xmlrpc-c-config"),
    ),
    Tool(
        "xmlrpc-api-utils",
        "xml-rpc-api2txt and xml-rpc-api2cpp",
        ("xmlrpc-api-utils", "libfrontier-rpc-perl"),
        ("sh", "-c", "command -v xml-rpc-api2txt && command -v xml-rpc-api2cpp && perl -MFrontier::Client -e1"),
    ),
)


def is_module_there(module: str) -> bool:
    """Whether this package of npm is in the environment, in this version."""
    name, _, version = module.rpartition("@")
    try:
        return bool(json.loads((NODE_MODULES / name / "package.json").read_text("utf-8"))["version"] == version)
    except (OSError, ValueError, KeyError):
        return False


def ends_well(command: Sequence[str]) -> bool:
    """Whether the command can be run and ends with 0."""
    try:
        return subprocess.run(command, capture_output=True, stdin=subprocess.DEVNULL, timeout=30).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False


def installed_packages() -> set[str]:
    """Which of the tools' packages Debian has installed here; empty elsewhere."""
    names = sorted({package for tool in TOOLS for package in tool.packages})
    query = ["dpkg-query", "--show", "--showformat", "${db:Status-Status} ${Package}\n", *names]
    try:
        answer = subprocess.run(query, capture_output=True, text=True, timeout=30).stdout
    except (OSError, subprocess.TimeoutExpired):
        return set()
    return {name for status, _, name in (line.partition(" ") for line in answer.splitlines()) if status == "installed"}


def missing_tools() -> list[Tool]:
    """The tools that are not on this machine."""
    installed = installed_packages()
    return [tool for tool in TOOLS if not tool.is_there(installed)]


class Installer:
    """Runs installers, within `PATIENCE_SECONDS` for all of them, and keeps what they said in a file."""

    def __init__(self, log: Path) -> None:
        self.log = log
        self.said = ""
        self.deadline = time.monotonic() + PATIENCE_SECONDS

    @property
    def seconds_left(self) -> float:
        return max(0.0, self.deadline - time.monotonic())

    def run(self, *command: str) -> str | None:
        """Run a command, and return None where it has done its work, else what it said."""
        try:
            ended = subprocess.run(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                errors="replace",
                env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"},
                timeout=self.seconds_left,
            )
            said, failed = ended.stdout, ended.returncode != 0
        except (OSError, subprocess.TimeoutExpired) as problem:
            said, failed = f"{problem}\n", True
        self.said += f"$ {' '.join(command)}\n{said}"
        self.log.write_text(self.said, "utf-8")
        return said if failed else None

    def apt(self, *words: str) -> bool:
        """Run apt-get, waiting while another apt or dpkg is at work; whether it has done it."""
        while self.seconds_left:
            problem = self.run("apt-get", "--quiet", "-o", f"DPkg::Lock::Timeout={self.seconds_left:.0f}", *words)
            if problem is None:
                return True
            if not _LOCKED.search(problem):
                return False
            time.sleep(min(1.0, self.seconds_left))  # the lists' own lock, for which apt-get does not wait by itself
        return False


def install_packages(installer: Installer, tools: Iterable[Tool]) -> None:
    """Debian's packages of these tools: all at once, and one tool after the other where that cannot be."""
    installed = installed_packages()
    wanted = [
        [package for package in tool.packages if package not in installed]
        for tool in tools
        if not installed.issuperset(tool.packages) and not ends_well(tool.probe)
    ]
    together = sorted({package for packages in wanted for package in packages})
    install = ("install", "--yes", "--no-install-recommends")
    if not together or installer.apt(*install, *together):
        return
    installer.apt("update")  # only now: mostly the lists are good enough
    if not installer.apt(*install, *together):
        for packages in wanted:
            installer.apt(*install, *packages)


def install_modules(installer: Installer, tools: Iterable[Tool]) -> None:
    """The packages of npm that these tools need, into the environment and nowhere else."""
    modules = [module for tool in tools for module in tool.modules]
    if modules and shutil.which("npm"):
        folder = str(NODE_MODULES.parent)
        flags = ("--no-save", "--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error")
        installer.run("npm", "install", "--prefix", folder, *flags, *modules)


def install(installer: Installer) -> list[Tool]:
    """Install what is missing where that can be done; what is missing then."""
    missing = missing_tools()
    if missing and os.geteuid() == 0 and shutil.which("apt-get"):
        install_packages(installer, missing)
    install_modules(installer, missing)
    return missing_tools() if missing else []


def main(words: Sequence[str]) -> int:
    if list(words) == ["--missing"]:
        print("".join(f"{tool.name}\n" for tool in missing_tools()), end="")
        return 0
    if words:
        print("usage: scripts/test_tools.py [--missing]", file=sys.stderr)
        return 2
    if not missing_tools():
        return 0
    installer = Installer(ENVIRONMENT / "test-tools.log")
    with (ENVIRONMENT / ".test-tools.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # another scripts/test of this checkout may be at it
        print("Installing the programs of others that tests need, which may take a minute ...", file=sys.stderr)
        missing = install(installer)
    for tool in missing:
        print(f"left out: {tool.title} (Debian: {', '.join(tool.packages)})", file=sys.stderr)
    if not missing:
        return 0
    if installer.said:
        print(*installer.said.splitlines()[-15:], f"All of it is in {installer.log}.", sep="\n", file=sys.stderr)
    in_ci = os.environ.get("CI") == "true"
    print(f"The tests that need them {'fail' if in_ci else 'are skipped'}.", file=sys.stderr)
    return 1 if in_ci else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
