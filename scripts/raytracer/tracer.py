"""Rays: what light comes along a line through the scene."""

from __future__ import annotations

from math import floor, sqrt

from .scene import Colour, Scene

SKY, FLOOR = -2, -1
"""What a ray hits, where it is not the index of a sphere."""

SUNLIGHT: Colour = (1.75, 1.32, 0.86)
SKYLIGHT: Colour = (0.17, 0.22, 0.34)
HORIZON: Colour = (0.74, 0.42, 0.28)
ZENITH: Colour = (0.035, 0.10, 0.32)
LIGHT_TILE: Colour = (0.62, 0.57, 0.50)
DARK_TILE: Colour = (0.035, 0.055, 0.10)
PENUMBRA = 0.11  # how fast a shadow's edge widens with its distance from what casts it
DEEPEST = 3  # reflections of reflections followed
FAINTEST = 0.025  # a reflection that adds less than this share is not worth a ray


class Tracer:
    """Follows rays through a scene.

    The vectors are spelled out as single numbers: in pure Python a vector type would cost most of the time.
    """

    def __init__(self, scene: Scene, pixel_angle: float) -> None:
        """`pixel_angle` is the width of a pixel at distance 1: finer tiles are blurred, not aliased."""
        self.spheres = scene.spheres
        self.sun = scene.sun
        self.pixel_angle = pixel_angle
        self._bounds = [
            (*sphere.centre, sphere.radius * sphere.radius, sphere.radius, number)
            for number, sphere in enumerate(scene.spheres)
        ]

    def trace(
        self,
        ox: float,
        oy: float,
        oz: float,
        dx: float,
        dy: float,
        dz: float,
        skip: int = SKY,
        depth: int = 0,
        travelled: float = 0.0,
        share: float = 1.0,
    ) -> tuple[float, float, float, int]:
        """The light that comes along a ray (red, green, blue) and what the ray hit: a sphere, SKY or FLOOR.

        `o` is where the ray starts, `d` its direction, of length 1. `skip` is what it starts on, if anything.
        `depth` counts the reflections so far, `travelled` is their way, `share` what they leave of the light.
        """
        nearest = -oy / dy if dy < -1e-6 else 1e9
        hit = FLOOR if nearest < 1e9 and skip != FLOOR else SKY
        if hit == SKY:
            nearest = 1e9
        for cx, cy, cz, squared, _, number in self._bounds:
            lx = cx - ox
            ly = cy - oy
            lz = cz - oz
            along = lx * dx + ly * dy + lz * dz
            if along > 0.0:
                inside = along * along - lx * lx - ly * ly - lz * lz + squared
                if inside > 0.0:
                    distance = along - sqrt(inside)
                    if distance < nearest and number != skip:
                        nearest = distance
                        hit = number
        if hit == SKY:
            return (*self._sky(dx, dy, dz), SKY)
        px = ox + nearest * dx
        py = oy + nearest * dy
        pz = oz + nearest * dz
        travelled += nearest
        if hit == FLOOR:
            return (*self._floor(px, pz, dx, dy, dz, depth, travelled, share), FLOOR)
        return (*self._sphere(hit, px, py, pz, dx, dy, dz, depth, travelled, share), hit)

    def _sky(self, dx: float, dy: float, dz: float) -> Colour:
        """The evening sky: warm at the horizon, blue above, with a glow around the sun."""
        height = min(1.0, 1.5 * sqrt(dy)) if dy > 0.0 else 0.0
        haze = 1.0 - height
        sx, sy, sz = self.sun
        glow = dx * sx + dy * sy + dz * sz
        if glow > 0.0:
            glow *= glow
            glow *= glow
            wide = 0.30 * glow * glow
            glow **= 90
            warm = wide + 6.0 * glow
        else:
            warm = 0.0
        return (
            HORIZON[0] * haze + ZENITH[0] * height + warm,
            HORIZON[1] * haze + ZENITH[1] * height + 0.72 * warm,
            HORIZON[2] * haze + ZENITH[2] * height + 0.42 * warm,
        )

    def _light(
        self, px: float, py: float, pz: float, nx: float, ny: float, nz: float, skip: int
    ) -> tuple[float, float]:
        """How much the balls let through, 0 to 1: of the sun (soft shadows), of the sky (ambient occlusion).

        Both are formulas for a ball, not samples: a soft shadow costs no more than a hard one.
        """
        sx, sy, sz = self.sun
        sun = sky = 1.0
        for cx, cy, cz, squared, radius, number in self._bounds:
            if number == skip:
                continue
            lx = cx - px
            ly = cy - py
            lz = cz - pz
            away = lx * lx + ly * ly + lz * lz
            above = lx * nx + ly * ny + lz * nz
            if above > 0.0:
                sky *= 1.0 - above * squared / (away * sqrt(away))
            along = lx * sx + ly * sy + lz * sz
            if along > 0.0:
                blur = PENUMBRA * along
                reach = radius + blur
                aside = away - along * along
                if aside < reach * reach:
                    clear = (sqrt(aside) - radius + blur) / (2.0 * blur) if aside > 0.0 else 0.0
                    if clear <= 0.0:
                        sun = 0.0
                    else:
                        sun *= clear * clear * (3.0 - 2.0 * clear)
        return sun, sky

    def _floor(
        self,
        px: float,
        pz: float,
        dx: float,
        dy: float,
        dz: float,
        depth: int,
        travelled: float,
        share: float,
    ) -> Colour:
        """The polished, tiled floor, fading into the haze."""
        haze = 1.0 - 1.0 / (1.0 + 0.0011 * travelled * travelled)
        # Two waves with flat tops, multiplied, are the tiles; their flanks are as wide as a pixel is here.
        flank = 0.75 * self.pixel_angle * travelled
        wave_x = _tile(px, flank)
        wave_z = _tile(pz, flank / -dy)
        tile = 0.5 + 0.5 * wave_x * wave_z
        dark = 1.0 - tile
        if haze > 0.9:
            sun = sky = 1.0
        else:
            sun, sky = self._light(px, 0.0, pz, 0.0, 1.0, 0.0, FLOOR)
        sun *= self.sun[1]
        red = (LIGHT_TILE[0] * tile + DARK_TILE[0] * dark) * (SUNLIGHT[0] * sun + SKYLIGHT[0] * sky)
        green = (LIGHT_TILE[1] * tile + DARK_TILE[1] * dark) * (SUNLIGHT[1] * sun + SKYLIGHT[1] * sky)
        blue = (LIGHT_TILE[2] * tile + DARK_TILE[2] * dark) * (SUNLIGHT[2] * sun + SKYLIGHT[2] * sky)
        grazing = 1.0 + dy
        grazing *= grazing
        mirror = 0.07 + 0.55 * grazing * grazing * grazing
        clear = 1.0 - haze
        if depth < DEEPEST and mirror * share * clear > FAINTEST:
            r, g, b, _ = self.trace(px, 0.0, pz, dx, -dy, dz, FLOOR, depth + 1, travelled, mirror * share * clear)
            red += mirror * (r - red)
            green += mirror * (g - green)
            blue += mirror * (b - blue)
        return (
            red * clear + HORIZON[0] * haze,
            green * clear + HORIZON[1] * haze,
            blue * clear + HORIZON[2] * haze,
        )

    def _sphere(
        self,
        number: int,
        px: float,
        py: float,
        pz: float,
        dx: float,
        dy: float,
        dz: float,
        depth: int,
        travelled: float,
        share: float,
    ) -> Colour:
        """A ball: metal where `mirror` is high (it tints what it reflects), varnished where it is low."""
        (cx, cy, cz), radius, (red, green, blue), mirror = self.spheres[number]
        nx = (px - cx) / radius
        ny = (py - cy) / radius
        nz = (pz - cz) / radius
        facing = -(dx * nx + dy * ny + dz * nz)
        metal = mirror > 0.5
        grazing = 1.0 - facing if facing > 0.0 else 1.0
        squared = grazing * grazing
        mirror += (1.0 - mirror) * squared * squared * grazing
        sun, sky = self._light(px, py, pz, nx, ny, nz, number)
        sx, sy, sz = self.sun
        towards = nx * sx + ny * sy + nz * sz
        sun = sun * towards if towards > 0.0 else 0.0
        # From above comes skylight, from below what the sunlit floor throws back.
        over = sky * (0.5 + 0.5 * ny)
        under = 0.5 - 0.5 * ny
        matt = 1.0 - mirror
        r = red * matt * (SUNLIGHT[0] * sun + SKYLIGHT[0] * over + 0.22 * under)
        g = green * matt * (SUNLIGHT[1] * sun + SKYLIGHT[1] * over + 0.17 * under)
        b = blue * matt * (SUNLIGHT[2] * sun + SKYLIGHT[2] * over + 0.13 * under)
        dot = 2.0 * facing
        rx = dx + dot * nx
        ry = dy + dot * ny
        rz = dz + dot * nz
        if sun > 0.0:
            gleam = rx * sx + ry * sy + rz * sz
            if gleam > 0.8:
                gleam **= 160
                r += 2.4 * gleam
                g += 2.1 * gleam
                b += 1.6 * gleam
        if depth < DEEPEST and mirror * share > FAINTEST:
            seen = self.trace(px, py, pz, rx, ry, rz, number, depth + 1, travelled, mirror * share)
            if metal:
                r += mirror * red * seen[0]
                g += mirror * green * seen[1]
                b += mirror * blue * seen[2]
            else:
                r += mirror * seen[0]
                g += mirror * seen[1]
                b += mirror * seen[2]
        return r, g, b


def _tile(place: float, flank: float) -> float:
    """A square wave, -1 to 1, of period 2, whose edges are `flank` (above 0) wide: it fades as they widen."""
    place *= 0.5
    wave = (0.5 - 2.0 * abs(place - floor(place) - 0.5)) / flank
    return 1.0 if wave > 1.0 else -1.0 if wave < -1.0 else wave
