"""The library's look-ups and what it derives from poses."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from hoigym.motions.clip import Clip, ClipError
from hoigym.motions.formats import load_clips
from hoigym.motions.kinematics import forward_kinematics
from hoigym.motions.library import MotionLibrary, derive_frames
from hoigym.motions.rotations import exp_to_quat, quat_conj, quat_mul, quat_rotate, quat_to_exp
from hoigym.motions.skeleton import load_skeleton
from hoigym.motions.state import FrameLayout, Frames
from tests.motions.clips import blanked, random_clip

QUANTITIES = tuple(FrameLayout(bodies=53, objects=1).shapes)
FPS = 60.0


def whole(clip: Clip) -> Frames:
    """Every frame of a library of one clip."""
    return MotionLibrary([clip]).reference(torch.arange(clip.num_frames))


def moving_clip(frames: int = 30) -> tuple[Clip, dict[str, Tensor]]:
    """A clip with constant velocities, and these: root and object spin about oblique axes, an elbow bends."""
    time = np.arange(frames)[:, None] / FPS
    velocity = {
        "root_lin_vel": np.array([1.0, -2.0, 0.5]),
        "root_ang_vel": np.array([0.8, -1.2, 2.0]),
        "elbow": np.array([0.0, -3.0, 1.0]),
        "object_lin_vel": np.array([-0.5, 0.3, 2.0]),
        "object_ang_vel": np.array([4.0, 1.0, -2.0]),
    }
    lying = torch.tensor([math.pi / 2, 0.3, 0.0], dtype=torch.float64)

    def spun(rate: np.ndarray, start: Tensor) -> np.ndarray:
        turn = exp_to_quat(torch.from_numpy(time * rate))
        return quat_to_exp(quat_mul(turn, exp_to_quat(start).expand_as(turn))).numpy().astype(np.float32)

    joint_rot = np.zeros((frames, 52, 3), np.float32)
    joint_rot[:, 16] = 0.2 * velocity["elbow"] + time * velocity["elbow"]
    clip = random_clip(
        frames=frames,
        body_pos=None,
        root_pos=(np.array([3.0, 4.0, 1.0]) + time * velocity["root_lin_vel"]).astype(np.float32),
        root_rot=spun(velocity["root_ang_vel"], lying),
        joint_rot=joint_rot,
        object_pos=(time * velocity["object_lin_vel"])[:, None].astype(np.float32),
        object_rot=spun(velocity["object_ang_vel"], -lying)[:, None],
    )
    return clip, {name: torch.from_numpy(value).float() for name, value in velocity.items()}


class TestLookUp:
    def test_sizes(self) -> None:
        library = MotionLibrary([random_clip(0, 5, skill=3), random_clip(1, 9, skill=1), random_clip(2, 4)])
        assert (library.num_clips, library.num_frames, library.num_objects, library.fps) == (3, 18, 1, 60.0)
        assert library.clip_start.tolist() == [0, 5, 14]
        assert library.clip_length.tolist() == [5, 9, 4]
        assert library.clip_skill.tolist() == [3, 1, 7]
        assert library.clip_names == ("random_0", "random_1", "random_2")
        assert library.valid.all()

    def test_frames_are_clamped_into_their_clip(self) -> None:
        library = MotionLibrary([random_clip(0, 5), random_clip(1, 9)])
        frame = torch.tensor([-3, 0, 4, 5, 8, 100])
        assert library.frame_index(torch.tensor(0), frame).tolist() == [0, 0, 4, 4, 4, 4]
        assert library.frame_index(torch.tensor(1), frame).tolist() == [5, 5, 9, 10, 13, 13]
        windows = library.frame_index(torch.tensor([[0], [1]]), torch.tensor([1, 6]))
        assert windows.tolist() == [[1, 4], [6, 11]]

    @pytest.mark.parametrize("objects", [0, 1, 2])
    @pytest.mark.parametrize("stored", [True, False])
    def test_any_batch_equals_the_clips_one_by_one(self, objects: int, stored: bool) -> None:
        clips = [blanked(random_clip(seed, 6 + seed, objects=objects), [seed]) for seed in range(5)]
        library = MotionLibrary(clips, body_positions="stored" if stored else "kinematics")
        naive = [derive_frames(clip, library.skeleton, stored) for clip in clips]
        generator = torch.Generator().manual_seed(0)
        clip = torch.randint(5, (4, 7), generator=generator)
        frame = torch.randint(-2, 14, (4, 7), generator=generator)
        frames = library.reference(library.frame_index(clip, frame))
        for name in QUANTITIES:
            got = getattr(frames, name)
            for place in np.ndindex(4, 7):
                of_clip = naive[int(clip[place])][name]
                want = of_clip[min(max(int(frame[place]), 0), len(of_clip) - 1)]
                assert torch.equal(got[place], want.float()), name

    def test_a_single_row_and_an_empty_batch(self) -> None:
        library = MotionLibrary([random_clip()])
        assert library.reference(torch.tensor(3)).body_pos.shape == (53, 3)
        assert library.reference(torch.zeros(0, dtype=torch.long)).joint_rot.shape == (0, 52, 3)

    def test_a_look_up_owns_its_rows(self) -> None:
        library = MotionLibrary([random_clip()])
        frames = library.reference(torch.tensor([2]))
        frames.root_pos[:] = 9.0
        assert (library.reference(torch.tensor([2])).root_pos != 9.0).all()


class TestVelocities:
    def test_constant_motion_is_exact(self) -> None:
        clip, velocity = moving_clip()
        frames = whole(clip)
        for name in ("root_lin_vel", "root_ang_vel"):
            torch.testing.assert_close(getattr(frames, name)[1:], velocity[name].expand(29, 3), rtol=0.0, atol=1e-4)
        for name in ("object_lin_vel", "object_ang_vel"):
            torch.testing.assert_close(getattr(frames, name)[1:, 0], velocity[name].expand(29, 3), rtol=0.0, atol=1e-4)
        torch.testing.assert_close(frames.joint_vel[1:, 16], velocity["elbow"].expand(29, 3), rtol=0.0, atol=1e-4)
        others = [joint for joint in range(52) if joint != 16]
        assert (frames.joint_vel[:, others] == 0).all()

    def test_first_frame_rests(self) -> None:
        frames = whole(moving_clip()[0])
        for name in QUANTITIES:
            if name.endswith("_vel"):
                assert (getattr(frames, name)[0] == 0).all()

    def test_body_velocities_are_differences_of_positions(self) -> None:
        clip, velocity = moving_clip()
        frames = whole(clip)
        root = frames.body_lin_vel[1:, 0]
        torch.testing.assert_close(root, velocity["root_lin_vel"].expand(29, 3), rtol=0.0, atol=1e-4)
        step = (frames.body_pos[1:] - frames.body_pos[:-1]) * FPS
        torch.testing.assert_close(frames.body_lin_vel[1:], step, rtol=0.0, atol=1e-4)

    def test_joint_velocity_turns_the_child_in_its_own_frame(self) -> None:
        clip = random_clip(frames=6)
        frames = whole(clip)
        quat = exp_to_quat(frames.joint_rot)
        turned = quat_mul(quat[:-1], exp_to_quat(frames.joint_vel[1:] / FPS))
        same = (turned * quat[1:]).sum(-1).abs()
        torch.testing.assert_close(same, torch.ones_like(same))

    def test_root_angular_velocity_is_in_the_world_frame(self) -> None:
        frames = whole(random_clip(frames=6))
        turned = quat_mul(exp_to_quat(frames.root_ang_vel[1:] / FPS), frames.root_quat[:-1])
        same = (turned * frames.root_quat[1:]).sum(-1).abs()
        torch.testing.assert_close(same, torch.ones_like(same))

    def test_missing_frames_carry_the_velocity_on(self) -> None:
        clip, velocity = moving_clip()
        frames = whole(blanked(clip, [10, 11, 20]))
        for name in ("root_lin_vel", "root_ang_vel"):
            torch.testing.assert_close(getattr(frames, name)[1:], velocity[name].expand(29, 3), rtol=0.0, atol=1e-4)
        torch.testing.assert_close(frames.joint_vel[1:, 16], velocity["elbow"].expand(29, 3), rtol=0.0, atol=1e-4)

    def test_a_missing_start_rests(self) -> None:
        clip, velocity = moving_clip()
        speed = whole(blanked(clip, [0, 1])).root_lin_vel
        assert (speed[:3] == 0).all()
        torch.testing.assert_close(speed[3], velocity["root_lin_vel"], rtol=0.0, atol=1e-4)


class TestPoses:
    def test_orientations_stay_on_one_hemisphere(self) -> None:
        frames = whole(moving_clip(frames=200)[0])
        for quat in (frames.root_quat, frames.object_quat[:, 0]):
            assert ((quat[1:] * quat[:-1]).sum(-1) > 0.9).all()
        assert frames.object_quat[:, 0, 0].min() < -0.5  # several turns: the sign cannot be the exp-map's

    def test_bodies_by_kinematics_or_as_stored(self) -> None:
        clip = random_clip()
        assert clip.body_pos is not None
        skeleton = load_skeleton("mocap")
        pose = [torch.tensor(array).double() for array in (clip.root_pos, clip.root_rot, clip.joint_rot)]
        expected, _ = forward_kinematics(skeleton, pose[0], exp_to_quat(pose[1]), pose[2])
        index = torch.arange(clip.num_frames)
        computed = MotionLibrary([clip]).reference(index).body_pos
        stored = MotionLibrary([clip], body_positions="stored").reference(index).body_pos
        torch.testing.assert_close(computed, expected.float())
        assert torch.equal(stored, torch.tensor(clip.body_pos))

    @pytest.mark.parametrize("stored", ["stored", "kinematics"])
    def test_missing_frames_keep_their_zeros(self, stored: str) -> None:
        library = MotionLibrary([blanked(random_clip(), [4])], body_positions=stored)  # pyright: ignore
        frames = library.reference(torch.tensor([4]))
        assert (frames.body_pos == 0).all()
        assert (frames.joint_rot == 0).all()
        assert frames.root_quat.tolist() == [[1.0, 0.0, 0.0, 0.0]]
        assert library.valid.tolist() == [True] * 4 + [False] + [True] * 7


class TestRefused:
    @pytest.mark.parametrize(
        ("changes", "message"),
        [
            (
                {"fps": 30.0},
                "clip 'random_1': fps 30.0, but 'random_0' has 60.0; expected one fps in a library",
            ),
            ({"skeleton": "parahome"}, "skeleton parahome, but 'random_0' has mocap"),
            ({"objects": 2}, "num_objects 2, but 'random_0' has 1"),
        ],
    )
    def test_mixed_clips(self, changes: dict, message: str) -> None:
        with pytest.raises(ClipError, match=message):
            MotionLibrary([random_clip(0), random_clip(1, **changes)])

    def test_no_clip(self) -> None:
        with pytest.raises(ClipError, match="no clip; expected at least one"):
            MotionLibrary([])

    def test_stored_positions_that_are_not_there(self) -> None:
        with pytest.raises(ClipError, match="clip 'random_0': stores no body positions"):
            MotionLibrary([random_clip(body_pos=None)], body_positions="stored")


class TestContentHash:
    def test_names_do_not_count(self) -> None:
        one, other = (MotionLibrary([random_clip(0), random_clip(1, name=name)]) for name in ("a", "b"))
        assert one.content_hash == other.content_hash
        assert len(one.content_hash) == 64

    @pytest.mark.parametrize("changes", [{"skill": 8}, {"fps": 50.0}, {"body_pos": None}, {"frames": 11}])
    def test_everything_else_does(self, changes: dict) -> None:
        assert MotionLibrary([random_clip(**changes)]).content_hash != MotionLibrary([random_clip()]).content_hash

    def test_one_bit_does(self) -> None:
        moved = np.array(random_clip().object_pos)
        moved[5, 0, 1] = np.nextafter(moved[5, 0, 1], np.float32(9))
        changed = MotionLibrary([random_clip(object_pos=moved)])
        assert changed.content_hash != MotionLibrary([random_clip()]).content_hash

    def test_order_does(self) -> None:
        clips = [random_clip(0), random_clip(1)]
        assert MotionLibrary(clips).content_hash != MotionLibrary(clips[::-1]).content_hash


def test_published_clips_move_as_their_positions_say(shared: Path) -> None:
    """Root angular velocity turns the hips' left-right axis as the body positions do."""
    library = MotionLibrary(load_clips(shared / "motions/BallPlay"))
    index = torch.arange(library.num_frames)
    frames, before = library.reference(index), library.reference((index - 1).clamp_min(0))
    moving = ~torch.isin(index, library.clip_start)
    left, right = library.skeleton.index("L_Hip"), library.skeleton.index("R_Hip")
    across = frames.body_pos[:, left] - frames.body_pos[:, right]
    across_before = before.body_pos[:, left] - before.body_pos[:, right]
    turned = quat_rotate(exp_to_quat(frames.root_ang_vel / library.fps), across_before)
    torch.testing.assert_close(turned[moving], across[moving], rtol=0.0, atol=1e-5)
    in_body_frame = quat_rotate(quat_conj(frames.root_quat), frames.root_ang_vel)
    wrong = quat_rotate(exp_to_quat(in_body_frame / library.fps), across_before)
    assert (wrong - across)[moving].abs().max() > 1e-3
