"""How the demo's pictures are made: for each renderer the commands that its jobs run."""

from __future__ import annotations

import shlex
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

SIZE = (384, 216)
"""Pixels; small enough that the built-in renderer needs little more than a second a frame."""
FRAME_PATTERN = "frame_%04d.png"
ANIMATION = "animation.png"
PAGE = "index.html"

_SCRIPTS = Path(__file__).resolve().parent
_SCENES = _SCRIPTS / "scene"


@dataclass(frozen=True)
class Renderer:
    """A program that renders. `program` is what must be installed, "" for the one that ships with the farm.

    `render` makes the shell command for a frame out of the program's path, the frame's number (from 1), the number
    of frames and the picture's path.
    """

    name: str
    program: str
    render: Callable[[str, int, int, Path], str]

    def find(self) -> str | None:
        """The path of the program, or None where it is not installed."""
        return shutil.which(self.program) if self.program else sys.executable


def animation_job(renderer: Renderer, program: str, frames: int, folder: Path) -> dict[str, object]:
    """The job to submit: an animation that waits for its children, the frames, and then assembles them."""
    children = [
        {"name": f"Frame {n}", "command": renderer.render(program, n, frames, folder / (FRAME_PATTERN % n))}
        for n in range(1, frames + 1)
    ]
    return {"name": "Animation", "command": _assemble(frames, folder), "children": children}


def _assemble(frames: int, folder: Path) -> str:
    script = _SCRIPTS / "render.py"
    pattern, output = folder / FRAME_PATTERN, folder / ANIMATION
    return _command(sys.executable, script, "--assemble", pattern, "--frames", frames, "--output", output)


def _builtin(program: str, frame: int, frames: int, picture: Path) -> str:
    size = f"{SIZE[0]}x{SIZE[1]}"
    script = _SCRIPTS / "render.py"
    return _command(program, script, "--frame", frame, "--frames", frames, "--size", size, "--output", picture)


def _blender(program: str, frame: int, frames: int, picture: Path) -> str:
    # The order counts: Blender carries out its flags from left to right.
    return _command(
        *(program, "--background", "--factory-startup", "--threads", 1, "--python-exit-code", 1),
        *("--python", _SCENES / "orbit_blender.py", "--"),
        *("--frame", frame, "--frames", frames, "--size", f"{SIZE[0]}x{SIZE[1]}", "--output", picture),
    )


def _povray(program: str, frame: int, frames: int, picture: Path) -> str:
    # As distributions ship it, POV-Ray may read and write only below its working folder, so it works in
    # the scene's and gives the picture to the shell (+O-). The picture gets its name when it is complete.
    clock = f"{(frame - 1) / frames:.6f}"
    render = _command(
        program, "+Iorbit.pov", "+O-", "+FN8", f"+W{SIZE[0]}", f"+H{SIZE[1]}", f"+K{clock}", "+A0.2", "+R2",
        "+WT1", "-D",
    )  # fmt: skip
    unfinished = shlex.quote(str(picture.with_name(f".{picture.name}.unfinished")))
    finished = shlex.quote(str(picture))
    return (
        f"cd {shlex.quote(str(_SCENES))} && {render} > {unfinished} && mv -f {unfinished} {finished}"
        f" || {{ rm -f {unfinished}; exit 1; }}"
    )


def _command(*words: object) -> str:
    return shlex.join(map(str, words))


RENDERERS = {
    renderer.name: renderer
    for renderer in (
        Renderer("builtin", "", _builtin),
        Renderer("blender", "blender", _blender),
        Renderer("povray", "povray", _povray),
    )
}
