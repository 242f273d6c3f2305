"""MuJoCo's own window."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from hoigym.viewer.controls import Controls
from hoigym.viewer.native import NativeViewer, NoDisplay

ROOT = Path(__file__).parents[2]


def test_without_a_display_there_is_one_line(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("platform.system", lambda: "Linux")
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    with pytest.raises(
        NoDisplay, match="--viewer native needs a display, and DISPLAY is not set; use --viewer browser"
    ):
        NativeViewer(Controls(), [])


def test_a_display_that_does_not_answer_is_one_line(monkeypatch: pytest.MonkeyPatch):
    pytest.importorskip("glfw")
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    monkeypatch.setenv("DISPLAY", ":987")
    with pytest.raises(NoDisplay, match="the display :987 cannot be opened"):
        NativeViewer(Controls(), [])


@pytest.fixture
def display(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """An X server without a screen; it takes a number that is free, and says it when windows can come."""
    if not (shutil.which("Xvfb") and shutil.which("xdotool")):
        pytest.skip("no display to try: Xvfb and xdotool are not installed (Debian: xvfb xdotool)")
    reads, writes = os.pipe()
    command = ["Xvfb", "-displayfd", str(writes), "-screen", "0", "400x300x24"]
    server = subprocess.Popen(command, pass_fds=[writes], stderr=subprocess.DEVNULL)
    os.close(writes)
    with open(reads, encoding="ascii") as told:
        number = told.readline().strip()
    assert number, "Xvfb has ended"
    monkeypatch.setenv("DISPLAY", f":{number}")
    yield f":{number}"
    server.terminate()
    server.wait()


# Xlib ends a process whose display goes away, so the window has one of its own.
_WINDOW = """
import subprocess, time
from tests.viewer.moments import moment, setup
from hoigym.viewer.controls import Action, Controls
from hoigym.viewer.native import NativeViewer

controls, done = Controls(), []
actions = [Action(key, lambda key=key: done.append(key), key, key != "e") for key in ("w", "e", "arrowleft", "space")]
with NativeViewer(controls, actions) as viewer:
    viewer.begin(setup())
    viewer.show([moment(0)])
    find = ["xdotool", "search", "--sync", "--onlyvisible", "--name", "MuJoCo"]
    window = subprocess.run(find, capture_output=True, text=True, check=True).stdout.split()[0]
    subprocess.run(["xdotool", "windowfocus", "--sync", window], check=True)
    subprocess.run(["xdotool", "key", "--delay", "200", "w", "e", "Left", "space"], check=True)
    end = time.monotonic() + 300
    while len(done) < 3 and time.monotonic() < end:
        controls.carry_out(wait=0.1)
        viewer.show([moment(1)])
    print(*done, viewer.closed)
"""


@pytest.mark.slow
def test_keys_of_the_window_ask_for_actions(display: str):
    run = subprocess.run([sys.executable, "-c", _WINDOW], cwd=ROOT, capture_output=True, text=True, timeout=600)
    assert run.stdout.split() == ["w", "arrowleft", "space", "False"], run.stderr
    assert run.returncode == 0
