"""Finds an OpenGL that draws without a display, and makes MuJoCo use it."""

import functools
import importlib
import os
import platform
import subprocess
import sys
import warnings

import mujoco
from mujoco.rendering.classic import gl_context

from hoigym.core.errors import UserError

# In order of preference: EGL draws on a GPU where there is one, OSMesa on any processor.
_HEADLESS = ("egl", "osmesa")
_PROBE = "from mujoco.{} import GLContext; context = GLContext(8, 8); context.make_current(); context.free()"
_PROBE_SECONDS = 60
_ADVICE = "install EGL (Debian, Ubuntu: apt-get install libegl1 libegl-mesa0) or OSMesa (libosmesa6)"


class NoOpenGL(UserError):
    """There is no OpenGL that can draw off screen."""


def offscreen_renderer(model: mujoco.MjModel, width: int, height: int) -> mujoco.Renderer:
    """A renderer [pixels] that needs no display; to be closed by the caller. Makes the model's buffer as large.

    MUJOCO_GL is obeyed where it is set; otherwise EGL, then OSMesa is taken. Raises NoOpenGL, which names the
    packages to install.
    """
    backend = find_offscreen_gl()
    model.vis.global_.offwidth, model.vis.global_.offheight = width, height
    try:
        with warnings.catch_warnings(action="ignore"):
            return mujoco.Renderer(model, height=height, width=width)
    except Exception as error:  # every OpenGL reports its failures with other exception types
        raise _failure(backend, error) from None


@functools.cache
def find_offscreen_gl() -> str:
    """Chooses MuJoCo's OpenGL for this process and returns its name; raises NoOpenGL.

    MuJoCo looks at MUJOCO_GL only while it is imported, which may be long ago, so the choice is put where its
    renderer finds it.
    """
    wanted = os.environ.get("MUJOCO_GL", "").lower().strip()
    if platform.system() != "Linux" or (wanted and wanted not in _HEADLESS):
        return wanted or "default"
    backend = wanted or _first_working()
    try:
        context = importlib.import_module(f"mujoco.{backend}").GLContext
    except Exception as error:  # PyOpenGL reports a missing library with many exception types
        raise _failure(backend, error) from None
    gl_context.GLContext = context
    return backend


def _first_working() -> str:
    # PyOpenGL settles on one platform for a whole process.
    settled = os.environ.get("PYOPENGL_PLATFORM", "").lower()
    for backend in _HEADLESS:
        if settled in ("", backend) and _works(backend):
            return backend
    raise NoOpenGL(f"cannot draw without a display: neither EGL nor OSMesa works here; {_ADVICE}")


def _works(backend: str) -> bool:
    """Whether a context can be made, tried in a child: a failed try spoils PyOpenGL for the next one."""
    environment = {**os.environ, "MUJOCO_GL": "disable", "PYOPENGL_PLATFORM": backend}
    command = [sys.executable, "-c", _PROBE.format(backend)]
    try:
        return subprocess.run(command, env=environment, capture_output=True, timeout=_PROBE_SECONDS).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False


def _failure(backend: str, error: Exception) -> NoOpenGL:
    reason = " ".join(str(error).split()) or type(error).__name__
    return NoOpenGL(f"cannot draw with OpenGL '{backend}' ({reason:.120}); unset MUJOCO_GL, or {_ADVICE}")
