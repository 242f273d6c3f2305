"""The viewer in MuJoCo's own window, where there is a display."""

import os
import platform
import threading
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import mujoco

from hoigym.core.errors import UserError
from hoigym.rendering.camera import FollowCamera
from hoigym.rendering.stage import GHOST, MAIN, Stage
from hoigym.viewer.base import Moment, Setup, Viewer
from hoigym.viewer.controls import Action, Controls, Pacer

# What the keys are called by GLFW; letters and digits are their characters.
_GLFW_KEYS = {32: "space", 259: "backspace", 262: "arrowright", 263: "arrowleft", 264: "arrowdown", 265: "arrowup"}

_PATIENCE = 10.0  # for a window to close [s]


class NoDisplay(UserError):
    """There is no display to open a window on."""


class NativeViewer(Viewer):
    """Shows the first figure in a window, and does on its keys what a page does on its own.

    The keys that MuJoCo's window has for itself are undone, because they are those of the actions. Raises NoDisplay.
    """

    def __init__(self, controls: Controls, actions: Sequence[Action]):
        _require_display()
        self._controls = controls
        self._keys = {action.key: action for action in actions if action.key and action.enabled}
        self._window: Any = None
        self._threads: list[threading.Thread] = []
        self._pacer = Pacer(1.0)
        self._plain = mujoco.MjvOption()

    def begin(self, setup: Setup) -> None:
        self.close()
        self._stage = Stage(setup.skeleton, setup.objects, setup.ghost, projectiles=setup.projectiles)
        self._ghost, self._dt = setup.ghost, setup.dt
        self._camera = FollowCamera(setup.skeleton, aspect=1.6)
        self._pacer = Pacer(setup.dt)
        self._window, self._threads = _open_window(self._stage, self._on_key)
        self._flags = self._window.user_scn.flags.copy()
        self._aimed = False

    def show(self, moments: Sequence[Moment]) -> None:
        moment = moments[0]
        with self._window.lock():
            self._stage.place(MAIN, moment.pose)
            if self._ghost:
                self._stage.place(GHOST, moment.ghost)
            self._stage.update()
            self._follow(moment)
            self._undo_own_keys()
        self._window.set_texts((None, None, *self._texts(moment)))
        self._window.sync()
        self._pacer.wait()

    def idle(self) -> None:
        self._pacer.rest()
        with self._window.lock():
            self._undo_own_keys()
        self._window.sync()

    @property
    def closed(self) -> bool:
        return self._window is not None and not self._window.is_running()

    def close(self) -> None:
        if self._window is None:
            return
        self._window.close()
        for thread in self._threads:
            thread.join(_PATIENCE)
        self._window = None

    def _on_key(self, code: int) -> None:
        action = self._keys.get(_GLFW_KEYS.get(code, chr(code).lower() if code < 128 else ""))
        if action is not None:
            self._controls.ask(action.do)

    def _follow(self, moment: Moment) -> None:
        """Moves the point that the camera looks at; the mouse decides from where."""
        view, camera = self._camera.follow(moment.pose, self._dt), self._window.cam
        if not self._aimed:
            camera.azimuth, camera.elevation, camera.distance = view.azimuth, view.elevation, view.distance
            self._aimed = True
        camera.lookat[:] = view.lookat

    def _undo_own_keys(self) -> None:
        options, scene = self._window.opt, self._window.user_scn
        options.flags[:], options.geomgroup[:] = self._plain.flags, self._plain.geomgroup
        options.frame, options.label = self._plain.frame, self._plain.label
        scene.flags[:] = self._flags

    def _texts(self, moment: Moment) -> tuple[str, str]:
        keys = "\n".join(f"{key.removeprefix('arrow')}  {action.label}" for key, action in self._keys.items())
        reward = "" if moment.reward is None else f"\nreward {moment.reward:.3f}"
        late = f"\nfalls behind: {self._pacer.rate:.2f} of real time" if self._pacer.late else ""
        return f"{moment.skill}\n{moment.caption}\n{moment.time:.2f} s{reward}{late}\n\n{keys}", ""


def _require_display() -> None:
    advice = "use --viewer browser, which needs none"
    if platform.system() == "Linux" and not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        raise NoDisplay(f"--viewer native needs a display, and DISPLAY is not set; {advice}")
    import glfw

    with warnings.catch_warnings(action="ignore"):
        if not glfw.init():
            raise NoDisplay(f"--viewer native: the display {os.environ.get('DISPLAY', '')} cannot be opened; {advice}")


def _open_window(stage: Stage, on_key: Callable[[int], None]) -> tuple[Any, list[threading.Thread]]:
    """The window, and what draws it: to be waited for, because the end of Python would crash it."""
    import mujoco.viewer

    others = set(threading.enumerate())
    window = mujoco.viewer.launch_passive(
        stage.model, stage.data, key_callback=on_key, show_left_ui=False, show_right_ui=False
    )
    return window, [thread for thread in threading.enumerate() if thread not in others]
