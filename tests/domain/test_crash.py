"""The places at which tests end processes (PROMISES 7, T2)."""

import ast
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from hqserver.domain import crash
from hqserver.domain.crash import CLIENT_POINTS, EXIT_CRASHED, POINTS, SERVER_POINTS, VARIABLE, crash_point

ROOT = Path(crash.__file__).parents[2]


def passing(point: str, times: int, **environ: str) -> subprocess.CompletedProcess[str]:
    """A process that passes a point so many times and then says so; what it prints is not flushed before."""
    code = (
        "from hqserver.domain.crash import crash_point\nprint('begun')\n"
        f"for _ in range({times}): crash_point({point!r})\nprint('done')"
    )
    words = [sys.executable, "-c", code]
    return subprocess.run(words, env={"PYTHONPATH": str(ROOT), **environ}, capture_output=True, text=True, check=False)


def test_a_process_ends_at_the_point_that_the_environment_names_with_nothing_flushed() -> None:
    ended = passing("order_kept", 1, **{VARIABLE: "order_kept"})
    assert (ended.returncode, ended.stdout, ended.stderr) == (EXIT_CRASHED, "", "")


def test_it_ends_when_it_passes_for_the_nth_time() -> None:
    assert passing("order_kept", 2, **{VARIABLE: "order_kept:3"}).stdout == "begun\ndone\n"
    assert passing("order_kept", 3, **{VARIABLE: "order_kept:3"}).returncode == EXIT_CRASHED


@pytest.mark.parametrize("environ", [{}, {VARIABLE: ""}, {VARIABLE: "run_settled"}])
def test_it_passes_every_other_point(environ: dict[str, str]) -> None:
    assert passing("order_kept", 5, **environ).returncode == 0


@pytest.mark.slow
@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ("order_keptt", "there is no such point; did you mean 'order_kept'?"),
        (":2", "there is no such point"),
        ("order_kept:0", "the point is followed by a colon and a count from 1 on, or by nothing"),
        ("order_kept:x", "the point is followed by a colon and a count from 1 on, or by nothing"),
    ],
)
@pytest.mark.parametrize("program", ["hqserver.cli", "hqclient.daemon.cli"])
def test_a_point_that_there_is_not_is_refused_at_the_start(program: str, asked: str, said: str, tmp_path: Path) -> None:
    """A crash that never comes would prove nothing."""
    words = [sys.executable, "-c", f"import sys; from {program} import main; sys.exit(main())", "--data", str(tmp_path)]
    environ = {"PYTHONPATH": str(ROOT), VARIABLE: asked}
    ended = subprocess.run(words, env=environ, capture_output=True, text=True, check=False, timeout=60)
    name = "hqserver" if program.startswith("hqserver") else "hqclient"
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr == f"{name}: {VARIABLE}={asked!r}: {said}\n"
    assert list(tmp_path.iterdir()) == []


def test_in_a_process_that_is_to_go_on_a_point_does_nothing() -> None:
    crash_point("order_kept")


@pytest.mark.parametrize(("package", "points"), [("hqclient", CLIENT_POINTS), ("hqserver", SERVER_POINTS)])
def test_every_point_is_somewhere_and_only_registered_ones_are(package: str, points: tuple[str, ...]) -> None:
    """The tests that crash visit what is registered: what is missing there, nobody would visit."""
    used: Counter[str] = Counter()
    for path in sorted((ROOT / package).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "crash_point":
                (name,) = node.args
                assert isinstance(name, ast.Constant), f"{path}, line {node.lineno}"
                used[name.value] += 1
    assert sorted(used) == sorted(points)
    assert len(set(POINTS)) == len(POINTS)
