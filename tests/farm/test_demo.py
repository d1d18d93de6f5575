"""scripts/demo: a farm comes up, renders, shows its pictures, and nothing of it stays behind."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.request import urlopen

import psutil
import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "demo_farm.py"
PATIENCE_SECONDS = 90.0

pytestmark = pytest.mark.farm


@dataclass
class Demo:
    """A demo that runs in a folder of its own; its pictures go to `output` and what it says to `said`."""

    folder: Path
    process: subprocess.Popen[bytes]

    @property
    def output(self) -> Path:
        return self.folder / "my pictures"

    @property
    def said(self) -> str:
        return (self.folder / "said.txt").read_text("utf-8")

    def wait_until_said(self, pattern: str) -> re.Match[str]:
        """The first match of `pattern` in what the demo says; fails when it ends without saying it."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            over = self.process.poll() is not None
            found = re.search(pattern, self.said)
            if found:
                return found
            assert not over and time.monotonic() < deadline, self.said
            time.sleep(0.02)

    def end(self) -> int:
        """Wait for the end; answers the exit code."""
        return self.process.wait(PATIENCE_SECONDS)

    def remains(self) -> list[str]:
        """What the demo has left on the machine: temporary files, and processes that carry its mark."""
        left = [str(path) for path in (self.folder / "temporary").iterdir()]
        for process in psutil.process_iter():
            try:
                if str(self.folder) in process.environ().get("HQ_DEMO_FOLDER", ""):
                    left.append(f"{process.pid}: {process.cmdline()}")
            except psutil.Error:
                continue
        return left


@dataclass
class Start:
    """Starts demos and makes sure that they end with the test."""

    folder: Path
    started: list[Demo]

    def __call__(self, *flags: str, path: str = "") -> Demo:
        environment = os.environ | {"TMPDIR": str(self.folder / "temporary")}
        environment["PATH"] = f"{path}{os.pathsep}{environment['PATH']}" if path else environment["PATH"]
        with (self.folder / "said.txt").open("wb") as said:
            process = subprocess.Popen(
                [sys.executable, SCRIPT, "--output", "my pictures", *flags],
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=subprocess.STDOUT,
                cwd=self.folder,
                env=environment,
            )
        demo = Demo(self.folder, process)
        self.started.append(demo)
        return demo


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts a demo in a folder with a space in its name."""
    folder = tmp_path / "some where"
    (folder / "temporary").mkdir(parents=True)
    starts = Start(folder, [])
    yield starts
    for demo in starts.started:
        if demo.process.poll() is None:
            demo.process.terminate()
            demo.process.wait(PATIENCE_SECONDS)


def test_the_demo_ends_with_its_pictures_and_leaves_nothing_else(start: Start) -> None:
    demo = start("--frames", "3")
    assert demo.end() == 0, demo.said
    names = ["animation.png", "frame_0001.png", "frame_0002.png", "frame_0003.png", "index.html"]
    assert sorted(path.name for path in demo.output.iterdir()) == names
    assert (demo.output / "animation.png").read_bytes().count(b"fcTL") == 3
    assert re.search(r"The farm: http://127\.0\.0\.1:\d+/\n", demo.said)
    assert re.search(r"The job:  http://127\.0\.0\.1:\d+/jobs/view/\d+\n", demo.said)
    assert re.search(r"\d+%  \d/3 frames  .*(alpha|beta): frame \d", demo.said)
    assert "100%  3/3 frames" in demo.said
    assert f"3 pictures in {demo.output}:" in demo.said
    assert (demo.output / "index.html").as_uri() in demo.said
    assert not demo.remains()


def test_keep_leaves_the_farm_up_until_it_is_interrupted(start: Start) -> None:
    demo = start("--frames", "1", "--keep")
    url = demo.wait_until_said(r"The farm stays up at (http://\S+/)")[1]
    with urlopen(url, timeout=10) as page:
        assert page.status == 200
    assert demo.process.poll() is None
    demo.process.send_signal(signal.SIGINT)
    assert demo.end() == 130, demo.said
    assert not demo.remains()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP], ids=lambda number: number.name)
def test_an_interrupted_demo_leaves_nothing_running(start: Start, number: signal.Signals) -> None:
    demo = start("--frames", "500")
    demo.wait_until_said(r"[1-9]\d*/500 frames")
    demo.process.send_signal(number)
    assert demo.end() == 130, demo.said
    assert demo.said.endswith("Stopped.\n")
    assert not demo.remains()


def test_an_interrupt_while_the_farm_starts_leaves_nothing_running(start: Start) -> None:
    demo = start()
    demo.wait_until_said("Starting a farm")
    demo.process.send_signal(signal.SIGINT)
    assert demo.end() == 130, demo.said
    assert not demo.remains()


def a_povray(folder: Path, script: str) -> str:
    """A `povray` that runs `script`; answers the folder it is in."""
    programs = folder / "programs"
    programs.mkdir()
    (programs / "povray").write_text(f"#!/bin/sh\n{script}\n")
    (programs / "povray").chmod(0o755)
    return str(programs)


def test_a_frame_that_fails_ends_the_demo_with_its_output(start: Start, tmp_path: Path) -> None:
    path = a_povray(tmp_path, "echo 'No licence for the sun' >&2; exit 3")
    demo = start("--frames", "2", "--renderer", "povray", path=path)
    assert demo.end() == 1
    assert re.search(r"Frame \d failed\. Its output ends:\n(.*\n)*.*No licence for the sun", demo.said)
    assert re.search(r"--- The server said last:\n(.+\n)?listening on", demo.said)
    assert "--- Client alpha said last:\n" in demo.said
    assert "Traceback" not in demo.said
    assert not list(demo.output.iterdir())
    assert not demo.remains()


def test_another_renderer_gets_its_frames_by_clock(start: Start, tmp_path: Path) -> None:
    """This `povray` notes what it was asked for and answers with a picture of the built-in renderer."""
    script = SCRIPT.with_name("render.py")
    path = a_povray(
        tmp_path,
        f'echo "$@" >> "{tmp_path}/asked"; [ -f orbit.pov ] || exit 1\n'
        f'"{sys.executable}" "{script}" --frame 1 --size 8x8 --output "{tmp_path}/$$.png" >&2\n'
        f'cat "{tmp_path}/$$.png"',
    )
    demo = start("--frames", "4", "--renderer", "povray", path=path)
    assert demo.end() == 0, demo.said
    asked = (tmp_path / "asked").read_text()
    assert sorted(re.findall(r"\+K(\S+)", asked)) == ["0.000000", "0.250000", "0.500000", "0.750000"]
    assert len(list(demo.output.glob("frame_*.png"))) == 4


def test_a_renderer_that_is_not_installed_is_one_sentence(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    demo = start("--renderer", "blender")
    assert demo.end() == 2
    assert demo.said == "blender is not installed: install it, or leave --renderer out.\n"


def test_an_output_folder_that_cannot_be_made_is_one_sentence(start: Start) -> None:
    (start.folder / "my pictures").write_text("not a folder")
    demo = start()
    assert demo.end() == 1
    assert demo.said == f"{demo.output} cannot be used for the pictures: File exists.\n"
