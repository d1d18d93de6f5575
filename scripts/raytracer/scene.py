"""What there is to see: a mirror ball in the evening sun, with coloured balls bouncing around it."""

from __future__ import annotations

from math import cos, pi, sin, sqrt
from typing import NamedTuple

Vector = tuple[float, float, float]
Colour = tuple[float, float, float]
"""Linear light, red, green and blue; 1.0 is about as bright as white paper in the sun."""


class Sphere(NamedTuple):
    """A ball. `mirror` is the share of light it reflects when seen head-on: 0.04 is plastic, 0.8 is metal."""

    centre: Vector
    radius: float
    colour: Colour
    mirror: float


BALLS: tuple[tuple[Colour, float], ...] = (
    ((0.90, 0.16, 0.09), 0.05),  # red plastic
    ((1.00, 0.60, 0.17), 0.55),  # gold
    ((0.93, 0.74, 0.10), 0.05),  # yellow plastic
    ((0.10, 0.55, 0.22), 0.05),  # green plastic
    ((0.95, 0.52, 0.38), 0.55),  # copper
    ((0.06, 0.33, 0.80), 0.05),  # blue plastic
    ((0.48, 0.12, 0.62), 0.05),  # violet plastic
)
"""Colour and `mirror` of the balls that go round, in their order on the circle."""

BOUNCES = 2  # per round: a whole number, or the loop would jump
ORBIT, BALL_RADIUS, BOUNCE_HEIGHT = 2.15, 0.42, 0.95


class Scene(NamedTuple):
    """Everything there is to see at one moment: balls, where the sun stands, where the camera is."""

    spheres: tuple[Sphere, ...]
    sun: Vector
    eye: Vector
    right: Vector
    up: Vector
    forward: Vector

    @classmethod
    def at(cls, moment: float) -> Scene:
        """The scene at `moment`, in rounds: at 1.0 all is where it was at 0.0, so the animation loops."""
        turn = 2 * pi * moment
        spheres = [Sphere((0.0, 1.22 + 0.08 * sin(turn), 0.0), 1.05, (0.92, 0.94, 0.97), 0.82)]
        for number, (colour, mirror) in enumerate(BALLS):
            angle = turn + 2 * pi * number / len(BALLS)
            flight = (BOUNCES * moment + 0.41 * number) % 1.0
            height = BALL_RADIUS + BOUNCE_HEIGHT * 4 * flight * (1 - flight)
            centre = (ORBIT * cos(angle), height, ORBIT * sin(angle))
            spheres.append(Sphere(centre, BALL_RADIUS, colour, mirror))
        sun = _unit((-0.80 + 0.10 * sin(turn), 0.56, 0.22))
        eye = (0.35 * sin(turn), 2.75 + 0.12 * cos(turn), -6.5)
        forward = _unit((0.0 - eye[0], 1.06 - eye[1], 0.0 - eye[2]))
        right = _unit(_cross((0.0, 1.0, 0.0), forward))
        return cls(tuple(spheres), sun, eye, right, _cross(forward, right), forward)


def _unit(vector: Vector) -> Vector:
    x, y, z = vector
    length = sqrt(x * x + y * y + z * z)
    return x / length, y / length, z / length


def _cross(a: Vector, b: Vector) -> Vector:
    return a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]
