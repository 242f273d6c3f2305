"""A recorded video in a real browser."""

from pathlib import Path
from typing import Any

import pytest

from hoigym.viewer.picture import PictureConfig
from hoigym.viewer.recorder import VideoRecorder
from tests.viewer.moments import moment, setup
from tests.viewer.tabs import until

pytestmark = pytest.mark.slow


def test_a_recorded_video_plays_in_a_browser(browser: Any, tmp_path: Path):
    path = tmp_path / "video.mp4"
    with VideoRecorder(path, PictureConfig(width=160, height=120), fps=30.0) as viewer:
        viewer.begin(setup(steps=60))
        for step in range(60):
            viewer.show([moment(step % 12)])
    page = tmp_path / "page.html"
    page.write_text('<!doctype html><video id="v" src="video.mp4" muted autoplay></video>')
    browser.get(page.as_uri())
    element = "const v = document.getElementById('v'); "
    until(lambda: browser.execute_script(element + "return v.readyState") == 4)
    assert browser.execute_script(element + "return v.error") is None
    assert browser.execute_script(element + "return v.duration") == pytest.approx(1.0, abs=0.05)
    assert browser.execute_script(element + "return [v.videoWidth, v.videoHeight]") == [160, 120]
    until(lambda: browser.execute_script(element + "return v.currentTime") > 0.2, "it does not play")


def test_a_video_can_start_before_it_is_loaded(tmp_path: Path):
    path = tmp_path / "video.mp4"
    with VideoRecorder(path, PictureConfig(width=96, height=64, text=False)) as viewer:
        viewer.begin(setup())
        viewer.show([moment(0)])
    data = path.read_bytes()
    assert 0 < data.index(b"moov") < data.index(b"mdat")
