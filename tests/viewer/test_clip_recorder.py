"""Clips of what is shown."""

from pathlib import Path

import numpy as np
import pytest

from hoigym.envs.config import EnvConfig, EpisodeConfig
from hoigym.envs.vector_env import HOIVectorEnv
from hoigym.motions.clip import Clip
from hoigym.motions.formats import load_clip
from hoigym.motions.library import MotionLibrary
from hoigym.viewer.base import NullViewer, Setup
from hoigym.viewer.recorder import ClipRecorder
from hoigym.viewer.replay import clip_moments, replay
from hoigym.viewer.rollout import watch
from tests.motions.clips import random_clip


class _Both(NullViewer):
    """Shows everything to another viewer too."""

    def __init__(self, other: ClipRecorder):
        super().__init__()
        self.other = other

    def begin(self, setup: Setup) -> None:
        super().begin(setup)
        self.other.begin(setup)

    def show(self, moments) -> None:
        super().show(moments)
        self.other.show(moments)

    @property
    def closed(self) -> bool:
        return self.other.closed


def test_a_clip_shown_is_the_clip_again(tmp_path: Path) -> None:
    clip = random_clip(3, frames=9, skill=13)
    with ClipRecorder(tmp_path / "made" / "again.npz") as viewer:
        replay([clip], viewer)
    again = load_clip(tmp_path / "made" / "again.npz")
    assert (again.name, again.skill, again.skeleton, again.fps) == ("again", 13, clip.skeleton, clip.fps)
    for name in ("root_pos", "root_rot", "joint_rot", "object_pos", "object_rot"):
        np.testing.assert_allclose(getattr(again, name), getattr(clip, name), atol=2e-5, err_msg=name)
    held = [[moment.touch and bool(moment.label)] for moment in clip_moments(clip)]
    np.testing.assert_array_equal(again.contact > 0, held)


def test_it_ends_with_the_episode(tmp_path: Path, demo_clips: dict[str, Clip]) -> None:
    config = EnvConfig(num_envs=1, threads=1, episode=EpisodeConfig(length=7))
    env = HOIVectorEnv(config, MotionLibrary(list(demo_clips.values())))
    with ClipRecorder(tmp_path / "acted.npz") as recorder:
        seen = _Both(recorder)
        steps, _ = watch(env, lambda _: env.reference_actions(), seen, steps=20)
    env.close()
    clip = load_clip(tmp_path / "acted.npz")
    assert (steps, clip.num_frames) == (6, 5)  # the sixth step ended it, and what is seen then is the next start
    shown = [moments[0] for moments in seen.shown[:5]]
    assert clip.skill == shown[0].skill_id
    for frame, moment in zip(clip_moments(clip), shown, strict=True):
        np.testing.assert_allclose(frame.pose.body_pos, moment.pose.body_pos, atol=2e-5)
        np.testing.assert_allclose(frame.pose.object_pos, moment.pose.object_pos, atol=1e-6)
        close = np.abs((frame.pose.body_quat * moment.pose.body_quat).sum(-1))
        np.testing.assert_allclose(close, 1.0, atol=1e-5)


def test_an_exception_leaves_no_file(tmp_path: Path) -> None:
    def interrupted(viewer: ClipRecorder) -> None:
        replay([random_clip(frames=6)], viewer)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), ClipRecorder(tmp_path / "out.npz") as viewer:
        interrupted(viewer)
    assert list(tmp_path.iterdir()) == []
