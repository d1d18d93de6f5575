"""Renders one frame of the demo's animation in Blender (2.93 or later), with Cycles on the CPU:

    blender --background --factory-startup --threads 1 --python-exit-code 1 --python orbit_blender.py -- \
        --frame 7 --frames 24 --size 384x216 --samples 32 --output pictures/frame_0007.png

Where the balls are, `raytracer/scene.py` says, as it does for the built-in renderer.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

import bpy
from mathutils import Matrix, Vector

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from raytracer import scene as orbit
from raytracer import tracer

SUN_WATTS = 4.0  # per square metre
SUN_ANGLE = 0.12  # radians: how wide the sun is, and so how soft its shadows are
SKY_STRENGTH = 0.9
FIELD_OF_VIEW = 62.0  # degrees, across


def upright(vector: orbit.Vector) -> Vector:
    """The vector as Blender counts: there z points up and y away, here y points up and z away."""
    x, y, z = vector
    return Vector((x, z, y))


def material(name: str, colour: orbit.Colour, metallic: float, roughness: float) -> bpy.types.Material:
    """A material of Blender's standard shader. `colour` is linear."""
    made = bpy.data.materials.new(name)
    made.use_nodes = True
    shader = made.node_tree.nodes["Principled BSDF"]
    shader.inputs["Base Color"].default_value = (*colour, 1.0)
    shader.inputs["Metallic"].default_value = metallic
    shader.inputs["Roughness"].default_value = roughness
    return made


def add_floor() -> None:
    """A tiled floor, wide enough to meet the sky."""
    tiles = material("Tiles", tracer.DARK_TILE, metallic=0.0, roughness=0.15)
    nodes, links = tiles.node_tree.nodes, tiles.node_tree.links
    place = nodes.new("ShaderNodeTexCoord")
    checker = nodes.new("ShaderNodeTexChecker")
    checker.inputs["Color1"].default_value = (*tracer.LIGHT_TILE, 1.0)
    checker.inputs["Color2"].default_value = (*tracer.DARK_TILE, 1.0)
    checker.inputs["Scale"].default_value = 1.0
    links.new(place.outputs["Object"], checker.inputs["Vector"])
    links.new(checker.outputs["Color"], nodes["Principled BSDF"].inputs["Base Color"])
    # A hair below zero: at exactly zero the checker's cells would flicker between two layers.
    bpy.ops.mesh.primitive_plane_add(size=400.0, location=(0.0, 0.0, 0.0))
    floor = bpy.context.object
    floor.data.materials.append(tiles)
    floor.data.transform(Matrix.Translation((0.0, 0.0, -0.001)))


def add_sphere(sphere: orbit.Sphere, number: int) -> None:
    """One ball, metal or varnished as its `mirror` says."""
    metal = sphere.mirror > 0.5
    bpy.ops.mesh.primitive_uv_sphere_add(
        segments=96, ring_count=48, radius=sphere.radius, location=upright(sphere.centre)
    )
    ball = bpy.context.object
    for polygon in ball.data.polygons:
        polygon.use_smooth = True
    paint = material(f"Ball {number}", sphere.colour, metallic=float(metal), roughness=0.03 if metal else 0.1)
    ball.data.materials.append(paint)


def add_light(sun: orbit.Vector) -> None:
    """The evening sun and the sky."""
    light = bpy.data.lights.new("Sun", "SUN")
    light.energy = SUN_WATTS
    light.angle = SUN_ANGLE
    light.color = tuple(share / max(tracer.SUNLIGHT) for share in tracer.SUNLIGHT)
    lamp = bpy.data.objects.new("Sun", light)
    lamp.rotation_euler = upright(sun).to_track_quat("Z", "Y").to_euler()
    bpy.context.collection.objects.link(lamp)
    world = bpy.data.worlds.new("Sky")
    world.use_nodes = True
    background = world.node_tree.nodes["Background"]
    sky = tuple((low + high) / 2 for low, high in zip(tracer.HORIZON, tracer.ZENITH))  # noqa: B905
    background.inputs["Color"].default_value = (*sky, 1.0)
    background.inputs["Strength"].default_value = SKY_STRENGTH
    bpy.context.scene.world = world


def add_camera(seen: orbit.Scene) -> None:
    """The camera, looking where the scene's camera looks."""
    lens = bpy.data.cameras.new("Camera")
    lens.angle = FIELD_OF_VIEW * 3.141592653589793 / 180.0
    camera = bpy.data.objects.new("Camera", lens)
    camera.location = upright(seen.eye)
    camera.rotation_euler = upright(seen.forward).to_track_quat("-Z", "Y").to_euler()
    bpy.context.collection.objects.link(camera)
    bpy.context.scene.camera = camera


def render(width: int, height: int, samples: int, output: Path) -> None:
    """Render what was built to `output`, which appears only when it is complete."""
    scene = bpy.context.scene
    scene.render.engine = "CYCLES"
    scene.cycles.device = "CPU"
    scene.cycles.samples = samples
    scene.cycles.use_denoising = False  # not every build has a denoiser
    scene.render.resolution_x, scene.render.resolution_y = width, height
    scene.render.resolution_percentage = 100
    scene.render.image_settings.file_format = "PNG"
    scene.render.image_settings.color_mode = "RGB"
    scene.render.image_settings.color_depth = "8"
    unfinished = output.with_name(f".{output.stem}.{os.getpid()}.png")
    scene.render.filepath = str(unfinished)
    bpy.ops.render.render(write_still=True)
    unfinished.replace(output)


def main() -> None:
    """Read the flags behind `--`, build the scene, render it."""
    parser = argparse.ArgumentParser(prog="orbit_blender.py")
    parser.add_argument("--frame", type=int, required=True)
    parser.add_argument("--frames", type=int, required=True)
    parser.add_argument("--size", required=True)
    parser.add_argument("--samples", type=int, default=32)
    parser.add_argument("--output", type=Path, required=True)
    chosen = parser.parse_args(sys.argv[sys.argv.index("--") + 1 :])
    width, height = map(int, chosen.size.split("x"))
    for thing in list(bpy.data.objects):  # the factory's cube, lamp and camera
        bpy.data.objects.remove(thing)
    seen = orbit.Scene.at((chosen.frame - 1) / chosen.frames)
    add_floor()
    for number, sphere in enumerate(seen.spheres):
        add_sphere(sphere, number)
    add_light(seen.sun)
    add_camera(seen)
    render(width, height, chosen.samples, chosen.output.resolve())


main()
