"""Which OpenGL is taken, and what the user reads where there is none."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from hoigym.core.errors import UserError
from hoigym.rendering import gl
from hoigym.rendering.gl import NoOpenGL, find_offscreen_gl

ROOT = Path(__file__).parents[3]
DRAW_LATE = """
import os, sys
import mujoco
os.environ.update(MUJOCO_GL=sys.argv[1])
from hoigym.rendering.gl import NoOpenGL, offscreen_renderer
model = mujoco.MjModel.from_xml_string("<mujoco><worldbody><geom size='1'/></worldbody></mujoco>")
try:
    renderer = offscreen_renderer(model, 64, 48)
except NoOpenGL as error:
    sys.exit(f"NoOpenGL: {error}")
renderer.update_scene(mujoco.MjData(model))
print(renderer.render().shape)
renderer.close()
"""


@pytest.fixture
def unset(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """No choice made by the environment."""
    monkeypatch.setattr(gl.platform, "system", lambda: "Linux")
    monkeypatch.delenv("MUJOCO_GL", raising=False)
    monkeypatch.delenv("PYOPENGL_PLATFORM", raising=False)
    return monkeypatch


def tried(monkeypatch: pytest.MonkeyPatch, working: str) -> list[str]:
    """The back ends that are tried, as they are tried; only `working` works."""
    seen: list[str] = []

    def works(backend: str) -> bool:
        seen.append(backend)
        return backend == working

    monkeypatch.setattr(gl, "_works", works)
    return seen


def draw_in_a_new_process(backend: str) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if name != "MUJOCO_GL"}
    environment.pop("PYOPENGL_PLATFORM", None)
    return subprocess.run(
        [sys.executable, "-c", DRAW_LATE, backend],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
    )


def test_egl_is_tried_before_osmesa(unset: pytest.MonkeyPatch):
    seen = tried(unset, working="osmesa")
    assert gl._first_working() == "osmesa"
    assert seen == ["egl", "osmesa"]


def test_a_platform_that_pyopengl_has_settled_on_is_kept(unset: pytest.MonkeyPatch):
    unset.setenv("PYOPENGL_PLATFORM", "osmesa")
    seen = tried(unset, working="osmesa")
    assert gl._first_working() == "osmesa"
    assert seen == ["osmesa"]


def test_without_any_opengl_one_line_names_the_packages(unset: pytest.MonkeyPatch):
    tried(unset, working="none")
    with pytest.raises(NoOpenGL) as caught:
        find_offscreen_gl.__wrapped__()
    line = str(caught.value)
    assert isinstance(caught.value, UserError)
    assert "\n" not in line
    assert "libegl1" in line
    assert "libosmesa6" in line


def test_a_choice_of_the_user_is_not_questioned(unset: pytest.MonkeyPatch):
    seen = tried(unset, working="egl")
    unset.setenv("MUJOCO_GL", "glfw")
    assert find_offscreen_gl.__wrapped__() == "glfw"
    assert seen == []


def test_other_systems_use_what_they_bring(unset: pytest.MonkeyPatch):
    seen = tried(unset, working="egl")
    unset.setattr(gl.platform, "system", lambda: "Darwin")
    assert find_offscreen_gl.__wrapped__() == "default"
    assert seen == []


@pytest.mark.parametrize("backend", ["egl", "osmesa"])
def test_draws_although_mujoco_was_imported_before(backend: str):
    if not gl._works(backend):
        pytest.skip(f"no {backend} here")
    run = draw_in_a_new_process(backend)
    assert run.stdout == "(48, 64, 3)\n", run.stderr


def test_an_opengl_that_cannot_draw_is_one_line():
    run = draw_in_a_new_process("disable")
    assert run.returncode == 1
    assert run.stderr.startswith("NoOpenGL: cannot draw with OpenGL 'disable'")
    assert len(run.stderr.splitlines()) == 1
