"""Finds an OpenGL that draws without a display, and makes MuJoCo use it."""

import functools
import importlib
import os
import platform
import subprocess
import sys

from motions.errors import UserError

# In order of preference: EGL runs on a GPU where there is one, OSMesa on any processor.
_HEADLESS = ("egl", "osmesa")
_PROBE = "from mujoco.{backend} import GLContext; context = GLContext(8, 8); context.make_current(); context.free()"
_PROBE_SECONDS = 60
_INSTALL = "install EGL or OSMesa (Debian, Ubuntu: apt-get install libegl1 libegl-mesa0, or: libosmesa6)"


class NoOpenGL(UserError):
    """There is no OpenGL that can draw off screen."""


@functools.cache
def use_offscreen_gl() -> str:
    """Chooses MuJoCo's off-screen OpenGL for this process; returns its name.

    MUJOCO_GL is obeyed where it is set. Otherwise EGL and OSMesa are tried in this order. MuJoCo looks at MUJOCO_GL
    only when it is imported, so the choice is put where its renderer looks for it later; the environment is set
    too, for child processes.

    Raises NoOpenGL, which names the packages to install.
    """
    wanted = os.environ.get("MUJOCO_GL", "").lower().strip()
    if platform.system() != "Linux":
        return wanted or "default"
    if wanted and wanted not in _HEADLESS:
        return wanted
    backend = wanted or _first_working()
    _install_backend(backend)
    os.environ["MUJOCO_GL"] = backend
    return backend


def _first_working() -> str:
    # PyOpenGL settles on one platform for a whole process.
    settled = os.environ.get("PYOPENGL_PLATFORM", "").lower()
    for backend in _HEADLESS:
        if settled in ("", backend) and _works(backend):
            return backend
    raise NoOpenGL(f"cannot draw without a display: neither EGL nor OSMesa works here; {_INSTALL}")


def _works(backend: str) -> bool:
    """Whether a context can be made; tried in a child, because a failed try spoils PyOpenGL for the next one."""
    environment = {**os.environ, "MUJOCO_GL": "disable", "PYOPENGL_PLATFORM": backend}
    try:
        done = subprocess.run(
            [sys.executable, "-c", _PROBE.format(backend=backend)],
            env=environment,
            capture_output=True,
            timeout=_PROBE_SECONDS,
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0


def _install_backend(backend: str) -> None:
    try:
        context = importlib.import_module(f"mujoco.{backend}").GLContext
    except Exception as error:  # PyOpenGL reports a missing library with many exception types
        reason = str(error).split("\n")[0]
        raise NoOpenGL(f"cannot draw with MUJOCO_GL={backend} ({reason}); unset MUJOCO_GL or {_INSTALL}") from None
    importlib.import_module("mujoco.rendering.classic.gl_context").GLContext = context
