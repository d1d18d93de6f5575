"""The demo's renderer: its pictures are PNGs, its frames loop, its animation holds them all."""

from __future__ import annotations

import importlib
import re
import struct
import subprocess
import sys
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import pytest

SCRIPTS = Path(__file__).resolve().parents[1] / "scripts"
SCRIPT = SCRIPTS / "render.py"


@pytest.fixture
def load(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], ModuleType]:
    """Imports a module of the scripts, which are no package of the project."""
    monkeypatch.syspath_prepend(SCRIPTS)
    return importlib.import_module


def render(*flags: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, SCRIPT, *map(str, flags)], capture_output=True, text=True, timeout=60)


def render_frame(output: Path, *, frame: int = 1, frames: int = 4, size: str = "40x24") -> str:
    ended = render("--frame", frame, "--frames", frames, "--size", size, "--output", output)
    assert (ended.returncode, ended.stderr) == (0, "")
    return ended.stdout


def chunks(file: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Kind and body of each chunk of a PNG, as a reader that trusts nothing finds them."""
    assert file[:8] == b"\x89PNG\r\n\x1a\n"
    place = 8
    while place < len(file):
        (length,) = struct.unpack_from(">I", file, place)
        kind, body = file[place + 4 : place + 8], file[place + 8 : place + 8 + length]
        assert struct.unpack_from(">I", file, place + 8 + length) == (zlib.crc32(kind + body),)
        yield kind, body
        place += 12 + length


def pixels(width: int, height: int, data: bytes) -> list[bytes]:
    """The rows of a PNG of 8-bit RGB with the filters none, sub and up undone."""
    packed = zlib.decompress(data)
    stride = 3 * width
    assert len(packed) == height * (stride + 1)
    rows = [bytes(stride)]
    for y in range(height):
        kind, row = packed[y * (stride + 1)], bytearray(packed[y * (stride + 1) + 1 : (y + 1) * (stride + 1)])
        assert kind in (0, 1, 2)
        for x in range(stride):
            left = row[x - 3] if x >= 3 else 0
            row[x] = (row[x] + (0, left, rows[-1][x])[kind]) & 255
        rows.append(bytes(row))
    return rows[1:]


def test_a_frame_is_a_png_of_the_size_asked_for(tmp_path: Path) -> None:
    render_frame(tmp_path / "frame.png", size="40x24")
    (first, header), (kind, data), (last, _) = chunks((tmp_path / "frame.png").read_bytes())
    assert (first, kind, last) == (b"IHDR", b"IDAT", b"IEND")
    assert struct.unpack(">IIBBBBB", header) == (40, 24, 8, 2, 0, 0, 0)
    rows = pixels(40, 24, data)
    colours = {row[x : x + 3] for row in rows for x in range(0, 120, 3)}
    assert len(colours) > 200, "a picture, not a plain sheet"


def test_the_file_holds_what_was_rendered(load: Callable[[str], ModuleType]) -> None:
    png = load("raytracer.png")
    rows = [bytes((7 * x * y + x) % 256 for x in range(3 * 9)) for y in range(5)]
    still = png.parse(png.encode(9, 5, rows))
    assert pixels(9, 5, still.data) == rows


@pytest.mark.parametrize("size", ["1x1", "1x7", "7x1"])
def test_the_smallest_pictures_can_be_rendered(tmp_path: Path, size: str) -> None:
    render_frame(tmp_path / "frame.png", size=size)
    header = dict(chunks((tmp_path / "frame.png").read_bytes()))[b"IHDR"]
    assert "{}x{}".format(*struct.unpack_from(">II", header)) == size


def test_progress_is_told_line_by_line_up_to_all_of_it(tmp_path: Path) -> None:
    said = render_frame(tmp_path / "frame.png", frame=2, size="16x40").splitlines()
    assert said[0] == "render.py: frame 2 of 4, 16x40, 4 samples at edges"
    told = [int(found[1]) for line in said if (found := re.fullmatch(r"ALF_PROGRESS (\d+)%", line))]
    assert len(told) == len(said) - 2
    assert told == sorted(set(told)) and len(told) >= 40
    assert told[-1] == 100
    assert said[-1].startswith(f"{tmp_path / 'frame.png'}: ")


def test_a_frame_rendered_twice_is_the_same(tmp_path: Path) -> None:
    for name in ("once.png", "again.png"):
        render_frame(tmp_path / name, frame=3)
    assert (tmp_path / "once.png").read_bytes() == (tmp_path / "again.png").read_bytes()


def test_the_animation_loops_without_a_jump(load: Callable[[str], ModuleType]) -> None:
    scene = load("raytracer.scene").Scene
    first, after_a_round = scene.at(0.0), scene.at(1.0)
    for here, there in zip(first.spheres, after_a_round.spheres, strict=True):
        assert here.centre == pytest.approx(there.centre, abs=1e-9)
    for view in ("sun", "eye", "right", "up", "forward"):
        assert getattr(first, view) == pytest.approx(getattr(after_a_round, view), abs=1e-9)


def test_the_balls_never_touch_each_other_or_the_floor(load: Callable[[str], ModuleType]) -> None:
    scene = load("raytracer.scene").Scene
    for step in range(96):
        spheres = scene.at(step / 96).spheres
        for number, one in enumerate(spheres):
            assert one.centre[1] >= one.radius - 1e-9
            for other in spheres[:number]:
                apart = sum((a - b) ** 2 for a, b in zip(one.centre, other.centre, strict=True)) ** 0.5
                assert apart > one.radius + other.radius


def test_edges_are_smoother_with_more_samples(load: Callable[[str], ModuleType]) -> None:
    """Against a picture with 16 times the pixels, averaged: the samples must bring it nearer."""
    picture, scene = load("raytracer.picture"), load("raytracer.scene").Scene.at(0.3)

    def rendered(width: int, height: int, samples: int) -> list[bytes]:
        rows: list[bytes] = picture.render(scene, width, height, samples, lambda share: None)
        return rows

    fine = rendered(4 * 48, 4 * 27, 1)

    def error(rows: list[bytes]) -> int:
        total = 0
        for y, row in enumerate(rows):
            for x, value in enumerate(row):
                left = 4 * (x // 3) * 3 + x % 3
                exact = sum(fine[4 * y + down][left + 3 * right] for down in range(4) for right in range(4)) / 16
                total += round((value - exact) ** 2)
        return total

    # More than half of the error is in the tiles, which a formula smooths whatever the samples.
    assert error(rendered(48, 27, 8)) < 0.75 * error(rendered(48, 27, 1))


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder, with a space in its name, that holds the three frames of an animation."""
    folder = tmp_path_factory.mktemp("the pictures")
    for frame in (1, 2, 3):
        render_frame(folder / f"frame_{frame:04d}.png", frame=frame, frames=3)
    return folder


def assemble(pictures: Path, output: Path, *flags: object) -> subprocess.CompletedProcess[str]:
    pattern = pictures / "frame_%04d.png"
    return render("--assemble", pattern, "--frames", 3, "--fps", 10, "--output", output, *flags)


def test_an_animation_holds_every_frame_as_it_was(pictures: Path, tmp_path: Path) -> None:
    ended = assemble(pictures, tmp_path / "animation.png")
    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout.splitlines()[-2] == "ALF_PROGRESS 100%"
    found = list(chunks((tmp_path / "animation.png").read_bytes()))
    kinds = [kind for kind, _ in found]
    assert kinds == [b"IHDR", b"acTL", b"fcTL", b"IDAT", b"fcTL", b"fdAT", b"fcTL", b"fdAT", b"IEND"]
    assert found[1][1] == struct.pack(">II", 3, 0), "three frames, for ever"
    numbers, shown = [], []
    for kind, body in found:
        if kind == b"fcTL":
            numbers.append(struct.unpack_from(">I", body)[0])
            assert struct.unpack_from(">IIIIHH", body, 4) == (40, 24, 0, 0, 1, 10)
        elif kind == b"fdAT":
            numbers.append(struct.unpack_from(">I", body)[0])
            shown.append(body[4:])
        elif kind == b"IDAT":
            shown.append(body)
    assert numbers == [0, 1, 2, 3, 4], "one sequence over both kinds of chunk"
    stills = [dict(chunks((pictures / f"frame_{n:04d}.png").read_bytes())) for n in (1, 2, 3)]
    assert shown == [still[b"IDAT"] for still in stills]
    assert len(set(shown)) == 3


def test_a_page_shows_the_animation_and_its_frames(pictures: Path, tmp_path: Path) -> None:
    assert assemble(pictures, tmp_path / "my animation.png").returncode == 0
    page = (tmp_path / "index.html").read_text("utf-8")
    shown = re.findall(r'<img src="([^"]+)"', page)
    assert shown[0] == "my%20animation.png"
    assert len(shown) == 4
    assert all((tmp_path / name.replace("%20", " ")).is_file() for name in shown)


def test_a_missing_frame_is_named_and_nothing_is_left(pictures: Path, tmp_path: Path) -> None:
    ended = assemble(pictures, tmp_path / "animation.png", "--frames", 4)
    assert ended.returncode == 1
    assert "frame_0004.png cannot be read: No such file" in ended.stderr
    assert "Traceback" not in ended.stderr
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("spoil", "sentence"),
    [
        (lambda good: b"GIF89a" + good, "is not a PNG"),
        (lambda good: b"", "is not a PNG"),
        (lambda good: good[:-20], "is cut short"),
        (lambda good: good[:-12], "is cut short"),
        (lambda good: good[:60] + bytes([good[60] ^ 1]) + good[61:], "is damaged"),
    ],
)
def test_a_spoilt_frame_is_named(
    pictures: Path, tmp_path: Path, spoil: Callable[[bytes], bytes], sentence: str
) -> None:
    for name in ("frame_0001.png", "frame_0002.png", "frame_0003.png"):
        (tmp_path / name).write_bytes((pictures / name).read_bytes())
    victim = tmp_path / "frame_0002.png"
    victim.write_bytes(spoil(victim.read_bytes()))
    ended = assemble(tmp_path, tmp_path / "animation.png")
    assert ended.returncode == 1
    assert ended.stderr == f"render.py: {victim} {sentence}\n"
    assert not (tmp_path / "animation.png").exists()


def test_frames_of_different_sizes_are_refused(pictures: Path, tmp_path: Path) -> None:
    for name in ("frame_0001.png", "frame_0002.png"):
        (tmp_path / name).write_bytes((pictures / name).read_bytes())
    render_frame(tmp_path / "frame_0003.png", size="20x24")
    ended = assemble(tmp_path, tmp_path / "animation.png")
    assert ended.returncode == 1
    assert ended.stderr == "render.py: frame 3 differs from frame 1 in its size or kind of colours\n"


def test_a_picture_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    ended = render("--frame", 1, "--size", "4x4", "--output", tmp_path / "nowhere" / "frame.png")
    assert ended.returncode == 1
    assert ended.stderr == (
        f"render.py: {tmp_path / 'nowhere' / 'frame.png'} cannot be written: No such file or directory\n"
    )


@pytest.mark.parametrize(
    ("flags", "sentence"),
    [
        (["--frame", "5", "--frames", "4"], "there are only 4 frames, not 5"),
        (["--frame", "0"], "must be from 1 to 99999, not '0'"),
        (["--frame", "1", "--size", "320"], "must be WIDTHxHEIGHT"),
        (["--frame", "1", "--size", "0x10"], "must be WIDTHxHEIGHT"),
        (["--frame", "1", "--samples", "many"], "must be from 1 to 256, not 'many'"),
        ([], "one of the arguments --frame --assemble is required"),
    ],
)
def test_flags_out_of_range_are_refused(tmp_path: Path, flags: list[str], sentence: str) -> None:
    ended = render(*flags, "--output", tmp_path / "frame.png")
    assert ended.returncode == 2
    assert sentence in ended.stderr


def test_a_renderer_that_is_killed_leaves_no_half_a_picture(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, SCRIPT, "--frame", "1", "--size", "1600x900", "--output", tmp_path / "frame.png"],
        stdout=subprocess.PIPE,
    ) as process:
        assert process.stdout
        while not process.stdout.readline().startswith(b"ALF_PROGRESS"):
            assert process.poll() is None
        process.kill()
    assert not list(tmp_path.iterdir())
