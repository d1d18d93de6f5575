"""The ray tracer behind `scripts/render.py`: a scene, rays through it, pictures of it, PNG files."""
