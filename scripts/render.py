#!/usr/bin/env python3
"""A small ray tracer: one frame of a looping animation as a PNG, or its frames as one animated PNG.

    render.py --frame 7 --frames 24 --output pictures/frame_0007.png
    render.py --assemble pictures/frame_%04d.png --frames 24 --output pictures/animation.png

The second also writes `index.html`, a page that shows the animation and its frames. Nothing but Python's
standard library is needed. Progress is printed the way renderers in the Alfred tradition do it
(`ALF_PROGRESS 37%`), so that a farm can follow it. A file appears under its name only when it is complete.
"""

from __future__ import annotations

import argparse
import os
import re
import sys
import time
from collections.abc import Callable
from pathlib import Path
from string import Template
from urllib.parse import quote

from raytracer import picture, png
from raytracer.scene import Scene

DEFAULT_SIZE = "384x216"
LARGEST = 16384  # pixels a side
MOST_SAMPLES = 256
PAGE = Path(__file__).resolve().parent / "raytracer" / "page.html"


class Failure(Exception):
    """Something the person at the terminal is told in one sentence."""


def render_frame(frame: int, frames: int, width: int, height: int, samples: int, output: Path) -> None:
    """Render frame `frame` of `frames` (from 1) to the PNG file `output`. Raises `Failure`."""
    print(f"render.py: frame {frame} of {frames}, {width}x{height}, {samples} samples at edges", flush=True)
    begun = time.perf_counter()
    scene = Scene.at((frame - 1) / frames)
    rows = picture.render(scene, width, height, samples, _progress_printer())
    file = png.encode(width, height, rows)
    _write(output, file)
    print(f"{output}: {len(file):,} bytes in {time.perf_counter() - begun:.2f} s", flush=True)


def assemble(pattern: str, frames: int, frames_per_second: int, output: Path) -> None:
    """Join frames 1 to `frames` into the animated PNG `output`, with `index.html` beside it.

    `pattern` is the frames' path with the number's place: `pictures/frame_%04d.png`. Raises `Failure` when a
    frame is missing, damaged or of another size than the first.
    """
    print(f"render.py: assembling {frames} frames, {frames_per_second} a second", flush=True)
    progress = _progress_printer()
    paths = [Path(numbered(pattern, number)) for number in range(1, frames + 1)]
    stills = []
    for number, path in enumerate(paths, 1):
        try:
            stills.append(png.parse(path.read_bytes()))
        except OSError as problem:
            raise Failure(f"{path} cannot be read: {problem.strerror}") from None
        except png.BadPicture as problem:
            raise Failure(f"{path} {problem}") from None
        progress(0.9 * number / frames)
    try:
        file = png.animate(stills, frames_per_second)
    except png.BadPicture as problem:
        raise Failure(str(problem)) from None
    _write(output, file)
    _write(output.with_name("index.html"), page(output, paths).encode())
    progress(1.0)
    print(f"{output}: {len(file):,} bytes", flush=True)


def numbered(pattern: str, number: int) -> str:
    """The path that `pattern` means for `number`. Only the last name of the path holds the number's place."""
    folder, name = os.path.split(pattern)
    place = re.search(r"%0?(\d*)d", name)
    if place is None:
        raise Failure(f"{pattern} has no place for the frame's number, such as %04d")
    return str(Path(folder, f"{name[: place.start()]}{number:0{place[1] or 1}d}{name[place.end() :]}"))


def page(animation: Path, frames: list[Path]) -> str:
    """An HTML page that shows the animation and, small, its frames; all are named relative to its folder."""
    links = [quote(os.path.relpath(frame, animation.parent)) for frame in frames]
    pictures = "\n".join(
        f'<a href="{link}"><img src="{link}" alt="Frame {number}" loading="lazy"></a>'
        for number, link in enumerate(links, 1)
    )
    return Template(PAGE.read_text("utf-8")).substitute(
        animation=quote(animation.name), count=len(frames), pictures=pictures
    )


def _progress_printer() -> Callable[[float], None]:
    """A function that prints the share it is told (0.0 to 1.0), a line for each new percent."""
    shown = -1

    def show(share: float) -> None:
        nonlocal shown
        percent = int(100 * share)
        if percent > shown:
            shown = percent
            print(f"ALF_PROGRESS {percent}%", flush=True)

    return show


def _write(path: Path, content: bytes) -> None:
    """Write the file so that it is there whole or not at all. Two processes may write the same one."""
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        unfinished.write_bytes(content)
        unfinished.replace(path)
    except OSError as problem:
        unfinished.unlink(missing_ok=True)
        raise Failure(f"{path} cannot be written: {problem.strerror}") from None


def _size(text: str) -> tuple[int, int]:
    match = re.fullmatch(r"([0-9]{1,5})x([0-9]{1,5})", text)
    if not match or not all(1 <= int(side) <= LARGEST for side in match.groups()):
        raise argparse.ArgumentTypeError(f"must be WIDTHxHEIGHT, each from 1 to {LARGEST}, not {text!r}")
    return int(match[1]), int(match[2])


def _number(lowest: int, highest: int) -> Callable[[str], int]:
    def whole_number(text: str) -> int:
        if not re.fullmatch(r"[0-9]{1,9}", text) or not lowest <= int(text) <= highest:
            raise argparse.ArgumentTypeError(f"must be from {lowest} to {highest}, not {text!r}")
        return int(text)

    return whole_number


def main(arguments: list[str] | None = None) -> int:
    """The command line. Returns the exit code: 0, or 1 with one sentence on standard error (2: bad flag)."""
    parser = argparse.ArgumentParser(description="Render a frame of a looping animation, or assemble its frames.")
    task = parser.add_mutually_exclusive_group(required=True)
    task.add_argument("--frame", type=_number(1, 99999), metavar="N", help="render this frame, counted from 1")
    task.add_argument("--assemble", metavar="PATTERN", help="join frames such as pictures/frame_%%04d.png")
    parser.add_argument("--frames", type=_number(1, 99999), default=24, metavar="COUNT", help="frames in the loop")
    parser.add_argument("--size", type=_size, default=DEFAULT_SIZE, metavar="WxH", help=f"default {DEFAULT_SIZE}")
    parser.add_argument(
        "--samples", type=_number(1, MOST_SAMPLES), default=4, metavar="S", help="rays per pixel along edges"
    )
    parser.add_argument("--fps", type=_number(1, 240), default=12, metavar="F", help="frames a second")
    parser.add_argument("--output", type=Path, required=True, metavar="FILE.png", help="the file to write")
    chosen = parser.parse_args(arguments)
    if chosen.frame is not None and chosen.frame > chosen.frames:
        parser.error(f"argument --frame: there are only {chosen.frames} frames, not {chosen.frame}")
    try:
        if chosen.assemble is not None:
            assemble(chosen.assemble, chosen.frames, chosen.fps, chosen.output)
        else:
            width, height = chosen.size
            render_frame(chosen.frame, chosen.frames, width, height, chosen.samples, chosen.output)
    except Failure as problem:
        print(f"render.py: {problem}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
