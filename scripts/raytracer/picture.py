"""Pictures: a ray or more for every pixel, and the light developed into 8-bit colours."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import sqrt

from .scene import Scene
from .tracer import Tracer

Pixels = list[tuple[int, int, int, int]]
"""One row: 8-bit red, green and blue, and what is seen there (a sphere's index, SKY or FLOOR)."""

FIELD = 0.60  # half the picture's width at distance 1
EDGE = 26  # neighbours that differ by more of 255 are sampled again


def _developing_table() -> bytes:
    """8-bit values for linear light from 0 to 8 in steps of 1/512.

    A film's shoulder (Narkowicz's fit of the ACES curve) keeps highlights coloured, then comes sRGB's gamma.
    """
    table = bytearray()
    for step in range(8 * 512 + 1):
        light = 0.92 * step / 512
        film = light * (2.51 * light + 0.03) / (light * (2.43 * light + 0.59) + 0.14)
        film = min(1.0, film)
        table.append(round(255 * (1.055 * film ** (1 / 2.4) - 0.055 if film > 0.0031308 else 12.92 * film)))
    return bytes(table)


_DEVELOPED = _developing_table()


def _offsets(samples: int) -> list[tuple[float, float]]:
    """Places within a pixel (-0.5 to 0.5) for `samples` rays, spread evenly whatever their number."""
    # The R2 sequence: steps by the plastic number's powers, which never line up with the pixel grid.
    return [
        ((0.5 + 0.7548776662466927 * n) % 1 - 0.5, (0.5 + 0.5698402909980532 * n) % 1 - 0.5) for n in range(samples)
    ]


def render(scene: Scene, width: int, height: int, samples: int, progress: Callable[[float], None]) -> list[bytes]:
    """The picture of `scene` as rows of 8-bit RGB.

    Every pixel gets one ray; pixels that differ from a neighbour get `samples` in all, for smooth edges.
    `progress` is told the share that is done, from 0.0 to 1.0, after each row that is complete.
    """
    step = 2 * FIELD / width
    tracer = Tracer(scene, step)
    trace, developed, last = tracer.trace, _DEVELOPED, len(_DEVELOPED) - 1
    ex, ey, ez = scene.eye
    (rx, ry, rz), (ux, uy, uz), (fx, fy, fz) = scene.right, scene.up, scene.forward

    def look(x: float, y: float) -> tuple[int, int, int, int]:
        """The developed colour of the point (x, y) of the picture, in pixels, and what is seen there."""
        across = (x + 0.5 - width / 2) * step
        upwards = (height / 2 - y - 0.5) * step
        dx = fx + across * rx + upwards * ux
        dy = fy + across * ry + upwards * uy
        dz = fz + across * rz + upwards * uz
        scale = 1.0 / sqrt(dx * dx + dy * dy + dz * dz)
        r, g, b, hit = trace(ex, ey, ez, dx * scale, dy * scale, dz * scale)
        return (
            developed[min(last, int(512 * r))],
            developed[min(last, int(512 * g))],
            developed[min(last, int(512 * b))],
            hit,
        )

    offsets = _offsets(samples)[1:]

    def refined(y: int, above: Pixels, row: Pixels, below: Pixels) -> bytes:
        """The row with its edge pixels sampled again."""
        line = bytearray()
        for x, pixel in enumerate(row):
            red, green, blue, _ = pixel
            if offsets and _is_edge(
                pixel, (above[x], below[x], row[x - 1 if x else 0], row[x + 1 if x + 1 < width else x])
            ):
                for right, down in offsets:
                    r, g, b, _ = look(x + right, y + down)
                    red += r
                    green += g
                    blue += b
                line += bytes((red // samples, green // samples, blue // samples))
            else:
                line += bytes((red, green, blue))
        return bytes(line)

    rows: list[bytes] = []
    recent: list[Pixels] = []
    for y in range(height):
        recent.append([look(x, y) for x in range(width)])
        if len(recent) > 1:
            rows.append(refined(y - 1, recent[0], recent[-2], recent[-1]))
            del recent[:-2]
            progress(len(rows) / height)
    rows.append(refined(height - 1, recent[0], recent[-1], recent[-1]))
    progress(1.0)
    return rows


def _is_edge(pixel: tuple[int, int, int, int], neighbours: Sequence[tuple[int, int, int, int]]) -> bool:
    """Whether the pixel's colour jumps, other than between the tiles, which are smooth already."""
    red, green, blue, hit = pixel
    for r, g, b, other in neighbours:
        if (hit >= 0 or hit != other) and (abs(r - red) > EDGE or abs(g - green) > EDGE or abs(b - blue) > EDGE):
            return True
    return False
