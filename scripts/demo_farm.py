"""Renders an animation on a farm of one server and two clients, all on this machine.

The animation is one HQueue job: a parent that assembles, and a child for each frame, submitted and watched through
Python's own XML-RPC client, as any script would do it. `scripts/demo` makes the environment and starts this.
"""

from __future__ import annotations

import argparse
import re
import shutil
import signal
import sys
import tempfile
import textwrap
import time
from http.client import HTTPException
from pathlib import Path
from typing import Any
from xmlrpc.client import Error as XmlRpcError
from xmlrpc.client import Fault

from demo_processes import DemoFailed, DemoFarm
from demo_renderers import ANIMATION, FRAME_PATTERN, PAGE, RENDERERS, animation_job

WATCH_SECONDS = 0.2
OUTPUT_CHARACTERS = 4000
"""How much of a failing job's output is shown."""
BAR_CELLS = 24
MOST_FRAMES = 9999
JOB_ATTRIBUTES = ["id", "name", "status", "progress", "clients"]
INTERRUPTS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
SUCCEEDED, FAILED, NOT_POSSIBLE, INTERRUPTED = 0, 1, 2, 130


class ProgressLine:
    """Tells how far it is: on a terminal one line, drawn again and again; elsewhere a line for each frame."""

    def __init__(self) -> None:
        self._drawn = sys.stdout.isatty()
        blocks = (sys.stdout.encoding or "").lower().startswith("utf")
        self._full, self._empty = ("█", "░") if blocks else ("#", "-")
        self._told: tuple[int, bool] | None = None

    def show(self, share: float, done: int, frames: int, at_work: str) -> None:
        """`share` is that of the whole job, 0.0 to 1.0; `at_work` says which client does what."""
        text = f"{100 * share:3.0f}%  {done}/{frames} frames  {at_work}".rstrip()
        if self._drawn:
            full = round(BAR_CELLS * share)
            line = f"{self._full * full}{self._empty * (BAR_CELLS - full)} {text}"
            width = shutil.get_terminal_size().columns - 1
            sys.stdout.write(f"\r{line[:width]}\x1b[K")
            sys.stdout.flush()
        elif self._told != (done, share >= 1.0):
            print(text, flush=True)
        self._told = (done, share >= 1.0)

    def end(self) -> None:
        """Leave the line as it is: what is printed next goes below."""
        if self._drawn and self._told:
            print(flush=True)
            self._told = None


def main(arguments: list[str] | None = None) -> int:
    """The command line. Returns the exit code: 0, 1 when something failed, 2 without renderer, 130 on Ctrl-C."""
    parser = argparse.ArgumentParser(prog="demo", description=__doc__)
    parser.add_argument("--renderer", choices=list(RENDERERS), default="builtin", help="default: builtin")
    parser.add_argument("--frames", type=_frame_count, default=24, metavar="N", help="default: 24")
    parser.add_argument("--keep", action="store_true", help="leave the farm up until Ctrl-C")
    parser.add_argument(
        "--output",
        type=Path,
        default=Path("demo-output"),
        metavar="DIR",
        help="for the pictures; default: ./demo-output",
    )
    chosen = parser.parse_args(arguments)
    renderer = RENDERERS[chosen.renderer]
    program = renderer.find()
    if program is None:
        print(f"{renderer.program} is not installed: install it, or leave --renderer out.", file=sys.stderr)
        return NOT_POSSIBLE
    for number in INTERRUPTS:
        if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:  # nohup asked to ignore it
            signal.signal(number, signal.default_int_handler)
    try:
        folder = chosen.output.resolve()
        files = _prepare(folder, chosen.frames)
        job = animation_job(renderer, program, chosen.frames, folder)
        with tempfile.TemporaryDirectory(prefix="hqfarm-demo-", ignore_cleanup_errors=True) as data:
            _run(Path(data), job, files, keep=chosen.keep)
    except KeyboardInterrupt:
        print("\nStopped.")
        return INTERRUPTED
    except DemoFailed as problem:
        print(problem, file=sys.stderr)
        return FAILED
    return SUCCEEDED


def _frame_count(text: str) -> int:
    if not re.fullmatch(r"[0-9]{1,5}", text) or not 1 <= int(text) <= MOST_FRAMES:
        raise argparse.ArgumentTypeError(f"must be from 1 to {MOST_FRAMES}, not {text!r}")
    return int(text)


def _prepare(folder: Path, frames: int) -> list[Path]:
    """Make the folder and answer the files that the demo will leave there; older ones are removed first."""
    files = [folder / (FRAME_PATTERN % number) for number in range(1, frames + 1)]
    files += [folder / ANIMATION, folder / PAGE]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass  # better to learn now than from the first frame that it cannot be written
        for file in files:
            file.unlink(missing_ok=True)
    except OSError as problem:
        raise DemoFailed(f"{folder} cannot be used for the pictures: {problem.strerror}.") from None
    return files


def _run(data: Path, job: dict[str, object], files: list[Path], *, keep: bool) -> None:
    """Start a farm with its data in `data`, have it do the job, tell of its `files`, end it. Raises `DemoFailed`."""
    begun = time.monotonic()
    with DemoFarm(data) as farm:
        try:
            print("Starting a farm: one server, two clients ...", flush=True)
            farm.start()
            root = farm.submit(job)
            print(f"The farm: {farm.url}/\nThe job:  {farm.url}/jobs/view/{root}", flush=True)
            with farm.proxy() as server:
                _watch(farm, server, root)
            _report(files, time.monotonic() - begun)
            if keep:
                print(f"\nThe farm stays up at {farm.url}/ until Ctrl-C.", flush=True)
                while True:
                    farm.check()
                    time.sleep(WATCH_SECONDS)
        except Fault as problem:
            raise DemoFailed(f"The server refused: {problem.faultString}\n{farm.log_tails()}") from None
        except (OSError, HTTPException, XmlRpcError) as problem:
            raise DemoFailed(f"The server does not answer: {problem}\n{farm.log_tails()}") from None
        except DemoFailed as problem:
            raise DemoFailed(f"{problem}\n{farm.log_tails()}") from None
        finally:
            for number in INTERRUPTS:
                signal.signal(number, signal.SIG_IGN)


def _watch(farm: DemoFarm, server: Any, root: int) -> None:
    """Show how the job gets on until it has succeeded. Raises `DemoFailed` when a part of it has not."""
    line = ProgressLine()
    bad = server.getFailedJobStatusNames()
    children = server.getJob(root, ["children"])["children"]
    try:
        while True:
            farm.check()
            pictures = server.getJobs(children, JOB_ATTRIBUTES)
            animation = server.getJob(root, [*JOB_ATTRIBUTES, "overallProgress"])
            for job in (*pictures, animation):
                if job["status"] in bad:
                    line.end()
                    output = server.getJobOutput(job["id"], OUTPUT_CHARACTERS).strip()
                    raise DemoFailed(f"{job['name']} {job['status']}. Its output ends:\n{output}")
            done = sum(picture["status"] == "succeeded" for picture in pictures)
            line.show(animation["overallProgress"], done, len(pictures), _at_work([*pictures, animation]))
            if animation["status"] == "succeeded":
                return
            time.sleep(WATCH_SECONDS)
    finally:
        line.end()


def _at_work(jobs: list[dict[str, Any]]) -> str:
    """Who does what, such as "alpha: frame 7 40%, beta: frame 8 15%"."""
    running = {
        job["clients"][-1]["name"]: f"{job['name'].lower()} {job['progress']:.0%}"
        for job in jobs
        if job["status"] == "running" and job["clients"]
    }
    return ", ".join(f"{client}: {task}" for client, task in sorted(running.items()))


def _report(files: list[Path], seconds: float) -> None:
    """Say where the pictures are. Raises `DemoFailed` when one is not there although its job succeeded."""
    for file in files:
        if not file.is_file():
            raise DemoFailed(f"{file} is missing, although its job succeeded.")
    *pictures, animation, page = files
    names = textwrap.fill(" ".join(file.name for file in pictures), initial_indent="  ", subsequent_indent="  ")
    print(f"\n{len(pictures)} pictures in {animation.parent}:\n{names}")
    print(f"The animation: {animation}\nTo look at it: {page.as_uri()}")
    print(f"Done in {seconds:.1f} seconds.", flush=True)


if __name__ == "__main__":
    sys.exit(main())
