"""Clips as moments."""

from pathlib import Path

import numpy as np
import pytest
import torch

from hoigym.motions.clip import Clip
from hoigym.motions.formats import load_clip, load_clips
from hoigym.motions.library import derive_frames
from hoigym.motions.skeleton import load_skeleton
from hoigym.sim.scene.config import BallConfig
from hoigym.viewer.base import NullViewer
from hoigym.viewer.replay import clip_moments, clip_setup, looks_of_clip, replay, touching_hands
from tests.motions.clips import blanked, random_clip


def test_every_frame_is_shown_as_it_stands_in_the_file():
    clip = random_clip(frames=9, skill=13)
    moments = clip_moments(clip)
    expected = derive_frames(clip, load_skeleton("mocap"), stored_bodies=False)
    assert len(moments) == 9
    for frame, moment in enumerate(moments):
        np.testing.assert_allclose(moment.pose.body_pos, expected["body_pos"][frame], atol=1e-5)
        np.testing.assert_allclose(moment.pose.object_pos, clip.object_pos[frame])
        assert moment.time == pytest.approx(frame / 60)
        assert moment.label == bool(clip.contact[frame, 0])
        assert moment.pose.object_touch.tolist() == [bool(clip.contact[frame, 0])]
    assert moments[3].skill == "dribble forward"
    assert moments[3].caption == "random_0  frame 3"


def test_a_missing_frame_shows_the_last_one_that_is_there():
    clip = blanked(random_clip(frames=8), [0, 4, 5])
    moments = clip_moments(clip)
    for shown, source in ((0, 1), (4, 3), (5, 3)):
        np.testing.assert_array_equal(moments[shown].pose.body_pos, moments[source].pose.body_pos)
        np.testing.assert_array_equal(moments[shown].pose.object_pos, clip.object_pos[source])
        assert moments[shown].caption.endswith("(missing)")
    assert not moments[6].caption.endswith("(missing)")


def test_clips_follow_one_another_until_the_audience_leaves():
    clips = [random_clip(0, frames=6), random_clip(1, frames=5)]
    viewer = NullViewer()
    replay(clips, viewer)
    assert [setup.steps for setup in viewer.setups] == [6, 5]
    assert len(viewer.shown) == 11
    early = NullViewer(limit=8)
    replay(clips, early)
    assert len(early.shown) == 8


def test_household_objects_are_boxes_one_for_each():
    kettle_and_cup = random_clip(skeleton="parahome", objects=2, skill=10)
    unknown = random_clip(skeleton="parahome", objects=3, skill=10)
    assert [look.shape for look in looks_of_clip(kettle_and_cup)] == ["box", "box"]
    assert len(looks_of_clip(unknown)) == 3
    assert len(clip_setup(kettle_and_cup).objects) == 2
    assert not any(moment.touch for moment in clip_moments(kettle_and_cup))


def test_a_hand_touches_a_ball_whose_surface_it_is_at():
    skeleton = load_skeleton("mocap")
    wrist = skeleton.index("L_Wrist")
    body_pos = torch.zeros(3, skeleton.num_bodies, 3)
    body_pos[:, :, 2] = 5.0
    body_pos[:, wrist] = 0.0
    body_quat = torch.zeros(3, skeleton.num_bodies, 4)
    body_quat[..., 0] = 1.0
    # The wrist is a capsule of radius 0.0103 from its origin along x to 0.06: a ball above its middle.
    gaps = torch.tensor([-0.03, 0.015, 0.025])
    ball = torch.stack([torch.tensor([0.03, 0.0, 0.12 + 0.0103 + float(gap)]) for gap in gaps])
    touching = touching_hands(skeleton, body_pos, body_quat, ball, radius=0.12)
    assert touching[:, wrist].tolist() == [True, True, False]
    assert touching.sum() == 2


def test_demo_labels_agree_with_touch(demo_clips: dict[str, Clip]):
    for clip in demo_clips.values():
        moments = clip_moments(clip)
        labelled = [moment for moment in moments if moment.label]
        assert all(moment.touch for moment in labelled), clip.name


@pytest.mark.parametrize("folder", ["BallPlay", "BallPlay-noisy", "Locomotion", "ParaHome"])
def test_published_clips_can_be_shown(shared: Path, folder: str):
    for clip in load_clips(shared / "motions" / folder):
        moments = clip_moments(clip)
        assert len(moments) == clip.num_frames
        assert len(clip_setup(clip).objects) == clip.num_objects
        lowest = min(float(moment.pose.body_pos[:, 2].min()) for moment in moments)
        assert lowest > -0.08, clip.name
        # The published labels and hands agree to within a few frames and centimetres.
        if clip.contact.any() and clip.skeleton == "mocap":
            agree = np.mean([moment.label == moment.touch for moment in moments])
            assert agree > 0.8, clip.name


def test_the_ball_is_in_the_hand_where_the_label_says_so(shared: Path):
    clip = load_clip(next((shared / "motions/BallPlay/layup").glob("*.pt")))
    hands = list(load_skeleton("mocap").hands)
    moments = clip_moments(clip)
    for moment in moments:
        reach = np.linalg.norm(moment.pose.body_pos[hands] - moment.pose.object_pos, axis=1).min()
        if moment.label:
            assert reach < BallConfig().radius + 0.06
    assert any(not moment.label for moment in moments)
