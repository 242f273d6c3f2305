"""The demo clips are what the code computes, and look like the motions they are named after."""

from pathlib import Path

import numpy as np
import pytest
import torch

from hoigym.motions.clip import Clip
from hoigym.motions.demo import CLIP_DIR, synthesise
from hoigym.motions.demo.curves import quintic, ramp, spline
from hoigym.motions.demo.dribble import GRAVITY, RESTITUTION, Dribble
from hoigym.motions.demo.figure import BALL_RADIUS, quat_from_matrix, two_bone
from hoigym.motions.formats import save_clip
from hoigym.motions.library import MotionLibrary
from hoigym.motions.rotations import exp_to_quat, quat_mul, quat_rotate
from tests.motions.bodies import MOCAP, centre_of_mass, hand_gap, lowest_point, sole_corners

WALK, SPOT, DRIBBLE, PICK_UP, GET_UP = (
    "010_demo_walk_1",
    "014_demo_dribble_spot_2",
    "013_demo_dribble_walk_3",
    "001_demo_pickup_4",
    "000_demo_getup_5",
)
NAMES = (WALK, SPOT, DRIBBLE, PICK_UP, GET_UP)
WITH_BALL = (SPOT, DRIBBLE, PICK_UP)


@pytest.fixture(params=NAMES)
def clip(request: pytest.FixtureRequest, demo_clips: dict[str, Clip]) -> Clip:
    return demo_clips[request.param]


@pytest.fixture(params=WITH_BALL)
def ball_clip(request: pytest.FixtureRequest, demo_clips: dict[str, Clip]) -> Clip:
    return demo_clips[request.param]


def free_flight(clip: Clip) -> np.ndarray:
    """Frames whose neighbours, too, have a flying ball: no hand, no floor between them. (T,) bool"""
    height = clip.object_pos[:, 0, 2]
    speed = np.gradient(height)
    flying = (clip.contact[:, 0] == 0) & (height > BALL_RADIUS + np.abs(speed) + 0.02)
    free = flying.copy()
    free[1:-1] &= flying[:-2] & flying[2:]
    free[[0, -1]] = False
    return free


class TestFiles:
    def test_names_skills_and_rate(self, demo_clips: dict[str, Clip]) -> None:
        assert tuple(demo_clips) == NAMES
        assert [clip.skill for clip in demo_clips.values()] == [10, 14, 13, 1, 0]
        assert {(clip.skeleton, clip.fps, clip.num_objects) for clip in demo_clips.values()} == {("mocap", 60.0, 1)}

    def test_they_are_small_and_short(self, demo_clips: dict[str, Clip]) -> None:
        for name, clip in demo_clips.items():
            assert (CLIP_DIR / f"{name}.npz").stat().st_size < 100_000
            assert 1.5 < clip.num_frames / clip.fps < 4.0

    def test_the_code_computes_the_committed_clips(self, demo_clips: dict[str, Clip], tmp_path: Path) -> None:
        computed = synthesise()
        assert [clip.name for clip in computed] == list(NAMES)
        for clip in computed:
            save_clip(clip, tmp_path / f"{clip.name}.npz")
            committed = demo_clips[clip.name].arrays()
            assert clip.arrays().keys() == committed.keys()
            for name, array in clip.arrays().items():
                np.testing.assert_allclose(array, committed[name], rtol=0.0, atol=1e-5)


class TestBody:
    def test_feet_neither_sink_nor_float(self, clip: Clip) -> None:
        lowest = torch.stack([sole_corners(clip, side)[..., 2].amin(1) for side in "LR"])
        assert lowest.min() > -0.002
        assert lowest.amin(0).max() < 0.002

    def test_planted_feet_do_not_slide(self, clip: Clip) -> None:
        for side in "LR":
            corners = sole_corners(clip, side)
            down = (corners[1:, :, 2] < 0.0005) & (corners[:-1, :, 2] < 0.0005)
            slip = (corners[1:] - corners[:-1])[..., :2].norm(dim=-1)[down] * clip.fps
            assert len(slip) > 0
            assert slip.max() < 0.06  # [m/s], as the heel rolls onto the sole

    def test_swinging_feet_clear_the_floor(self, demo_clips: dict[str, Clip]) -> None:
        for name in (WALK, DRIBBLE):
            heights = sole_corners(demo_clips[name], "L")[..., 2].amin(1)
            assert heights.max() > 0.04

    def test_nothing_sinks_into_the_floor(self, clip: Clip) -> None:
        assert lowest_point(clip) > -0.005

    def test_joints_move_smoothly(self, clip: Clip) -> None:
        frames = MotionLibrary([clip]).reference(torch.arange(clip.num_frames))
        speed = frames.joint_vel.norm(dim=-1)
        assert speed.max() < 25
        assert ((frames.joint_vel[2:] - frames.joint_vel[1:-1]) * clip.fps).norm(dim=-1).max() < 500
        assert (frames.joint_rot[1:] - frames.joint_rot[:-1]).abs().max() < 0.5
        assert frames.joint_rot.norm(dim=-1).max() < 2.9

    @pytest.mark.parametrize(("name", "first"), [(SPOT, 0), (PICK_UP, 0), (GET_UP, 110)])
    def test_standing_clips_are_balanced(self, demo_clips: dict[str, Clip], name: str, first: int) -> None:
        """The centre of mass stays over the soles, 2 cm from the edges of their bounding box."""
        clip = demo_clips[name]
        centre = centre_of_mass(clip)[first:, :2]
        soles = torch.cat([sole_corners(clip, side)[first:, :, :2] for side in "LR"], dim=1)
        assert (centre > soles.amin(1) + 0.02).all()
        assert (centre < soles.amax(1) - 0.02).all()

    def test_head_is_above_pelvis_except_when_lying(self, demo_clips: dict[str, Clip]) -> None:
        library = MotionLibrary(list(demo_clips.values()))
        frames = library.reference(torch.arange(library.num_frames))
        above = frames.body_pos[:, MOCAP.index("Head"), 2] - frames.root_pos[:, 2]
        lying = torch.arange(library.num_frames) >= library.clip_start[-1]
        assert above[~lying].min() > 0.1
        assert above[lying][0] < 0.05
        assert above[lying][-1] > 0.6


class TestBall:
    def test_flies_like_a_ball(self, demo_clips: dict[str, Clip]) -> None:
        for name in (SPOT, DRIBBLE):
            clip = demo_clips[name]
            height = clip.object_pos[:, 0, 2].astype(np.float64)
            acceleration = np.zeros_like(height)
            acceleration[1:-1] = (height[2:] - 2 * height[1:-1] + height[:-2]) * clip.fps**2
            free = free_flight(clip)
            assert free.sum() > 80
            np.testing.assert_allclose(acceleration[free], -GRAVITY, atol=0.02)

    def test_bounces_with_the_ball_s_restitution(self, demo_clips: dict[str, Clip]) -> None:
        for name in (SPOT, DRIBBLE):
            clip = demo_clips[name]
            height = clip.object_pos[:, 0, 2].astype(np.float64)
            speed = np.gradient(height) * clip.fps
            energy = np.where(free_flight(clip), speed**2 / 2 + GRAVITY * (height - BALL_RADIUS), np.nan)
            bounces = np.flatnonzero((height[1:-1] <= height[:-2]) & (height[1:-1] < height[2:])) + 1
            assert len(bounces) == 5
            for frame in bounces:
                before, after = (
                    np.nanmean(energy[frame - 5 : frame]),
                    np.nanmean(energy[frame + 1 : frame + 6]),
                )
                assert np.sqrt(after / before) == pytest.approx(RESTITUTION, abs=0.005)

    def test_never_sinks_into_the_floor(self, clip: Clip) -> None:
        assert clip.object_pos[..., 2].min() > BALL_RADIUS - 1e-6

    def test_hand_is_on_the_ball_exactly_when_labelled(self, ball_clip: Clip) -> None:
        gap = hand_gap(ball_clip, BALL_RADIUS)
        held = torch.tensor(ball_clip.contact[:, 0]) == 1
        assert gap[held].abs().max() < 0.003
        assert gap.min() > -0.003
        assert gap[~held].max() > 0.1
        assert 0.2 < held.double().mean() < 0.8

    def test_the_ball_moves_only_when_held_in_the_pick_up(self, demo_clips: dict[str, Clip]) -> None:
        clip = demo_clips[PICK_UP]
        held = clip.contact[:, 0] == 1
        first = int(held.argmax())
        assert held[first:].all()
        assert (clip.object_pos[: first + 1] == clip.object_pos[0]).all()
        assert clip.object_pos[-1, 0, 2] > 1.0

    def test_lies_still_in_clips_without_it(self, demo_clips: dict[str, Clip]) -> None:
        for name in (WALK, GET_UP):
            clip = demo_clips[name]
            assert (clip.object_pos == clip.object_pos[0]).all()
            assert not clip.contact.any()

    def test_walks_advance_with_the_ball(self, demo_clips: dict[str, Clip]) -> None:
        for name in (WALK, DRIBBLE):
            clip = demo_clips[name]
            way = clip.root_pos[-1] - clip.root_pos[0]
            assert -way[1] / (clip.num_frames / clip.fps) == pytest.approx(0.98, abs=0.05)
            assert abs(way[0]) < 0.06
        beside = demo_clips[DRIBBLE].object_pos[:, 0] - demo_clips[DRIBBLE].root_pos
        assert np.ptp(beside[:, 1]) < 0.3


class TestParts:
    def test_quintic_meets_both_states(self) -> None:
        time = torch.tensor([0.0, 1e-4, 2e-4, 0.6998, 0.6999, 0.7], dtype=torch.float64)
        value = quintic((1.0, -2.0, 3.0), (0.5, 4.0, -6.0), 0.7, time)
        speed = value.diff()[[0, 1, 3, 4]] / 1e-4
        assert value[0] == pytest.approx(1.0)
        assert value[-1] == pytest.approx(0.5)
        assert speed[0] == pytest.approx(-2.0, abs=1e-3)
        assert speed[3] == pytest.approx(4.0, abs=1e-3)
        assert (speed[1] - speed[0]) / 1e-4 == pytest.approx(3.0, abs=0.1)
        assert (speed[3] - speed[2]) / 1e-4 == pytest.approx(-6.0, abs=0.1)

    def test_spline_passes_its_keys_and_rests_at_the_ends(self) -> None:
        keys = [(0.0, 1.0), (0.5, 3.0), (0.7, -1.0), (2.0, 0.0)]
        at = torch.tensor([key for key, _ in keys], dtype=torch.float64)
        torch.testing.assert_close(spline(keys, at), torch.tensor([1.0, 3.0, -1.0, 0.0], dtype=torch.float64))
        outside = spline(keys, torch.tensor([-1.0, 1e-5, 2.0 - 1e-5, 5.0], dtype=torch.float64))
        torch.testing.assert_close(outside, torch.tensor([1.0, 1.0, 0.0, 0.0], dtype=torch.float64), atol=1e-6, rtol=0)
        fine = spline(keys, torch.linspace(0.4999, 0.5001, 5, dtype=torch.float64))
        bend = fine.diff().diff() / 5e-5**2
        assert bend[0] == pytest.approx(float(bend[-1]), rel=0.05)  # the acceleration does not jump at a key

    def test_ramp(self) -> None:
        value = ramp(1.0, 2.0, torch.tensor([0.0, 1.0, 1.5, 2.0, 9.0], dtype=torch.float64))
        torch.testing.assert_close(value, torch.tensor([0.0, 0.0, 0.5, 1.0, 1.0], dtype=torch.float64))

    def test_two_bones_reach_their_target(self) -> None:
        generator = torch.Generator().manual_seed(0)
        first = torch.tensor([0.0, -0.46, 0.026], dtype=torch.float64)
        second = torch.tensor([0.0, -0.36, -0.026], dtype=torch.float64)
        hinge = torch.tensor([1.0, 0.0, 0.0], dtype=torch.float64)
        target = torch.randn(50, 3, generator=generator, dtype=torch.float64)
        target *= torch.linspace(0.2, 0.8, 50)[:, None] / target.norm(dim=-1, keepdim=True)
        pole = torch.randn(50, 3, generator=generator, dtype=torch.float64)
        upper, angle = two_bone(first, second, hinge, target, pole)
        knee = quat_rotate(upper, first.expand(50, 3))
        lower = quat_mul(upper, exp_to_quat(angle[:, None] * hinge))
        torch.testing.assert_close(knee + quat_rotate(lower, second.expand(50, 3)), target)
        sideways = pole - (pole * target).sum(-1, keepdim=True) / (target**2).sum(-1, keepdim=True) * target
        assert (knee * sideways).sum(-1).min() > 0

    def test_out_of_reach_points_at_the_target(self) -> None:
        bone = torch.tensor([0.25, 0.0, 0.0], dtype=torch.float64)
        hinge = torch.tensor([0.0, -1.0, 0.0], dtype=torch.float64)
        target = torch.tensor([[0.0, 0.0, 3.0]], dtype=torch.float64)
        upper, angle = two_bone(bone, bone, hinge, target, torch.tensor([1.0, 0.0, 0.0], dtype=torch.float64))
        end = quat_rotate(upper, bone[None]) + quat_rotate(
            quat_mul(upper, exp_to_quat(angle[:, None] * hinge)), bone[None]
        )
        torch.testing.assert_close(end / end.norm(), target / 3)
        assert 0.499 < end.norm() < 0.5

    def test_matrix_to_quaternion(self) -> None:
        quat = exp_to_quat(3.1 * torch.randn(200, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64))
        columns = [quat_rotate(quat, axis.expand(200, 3)) for axis in torch.eye(3, dtype=torch.float64)]
        again = quat_from_matrix(torch.stack(columns, dim=-1))
        torch.testing.assert_close((again * quat).sum(-1).abs(), torch.ones(200, dtype=torch.float64))

    @pytest.mark.parametrize("advance", [0.0, 1.5])
    def test_dribble_repeats_without_a_jump(self, advance: float) -> None:
        dribble = Dribble(catch_height=0.9, catch_speed=0.4, touch=0.14, advance=advance)
        seams = [0.0, dribble.touch, dribble.touch + dribble.fall]
        for curve in (dribble.ball_height, dribble.palm_height, dribble.ball_ahead, dribble.palm_ahead):
            for seam in seams:
                either_side = torch.tensor([seam - 1e-9, seam + 1e-9], dtype=torch.float64) + dribble.period
                assert float(curve(either_side).diff().abs()) < 1e-6
        time = torch.linspace(0, dribble.period, 400, dtype=torch.float64)
        assert (dribble.palm_height(time) - dribble.ball_height(time) - BALL_RADIUS).min() > -1e-6
        way = dribble.ball_ahead(torch.tensor([0.01, 0.01 + dribble.period], dtype=torch.float64)).diff()
        assert float(way) == pytest.approx(advance * dribble.period)
