"""Simulators: the engine seam, its engines, and the scene that they simulate."""
