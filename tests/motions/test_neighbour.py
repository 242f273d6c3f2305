"""Velocities of key bodies, and the frame a noisy state is nearest to."""

import dataclasses

import torch

from hoigym.motions.formats import load_clips
from hoigym.motions.kinematics import forward_kinematics, key_body_motion
from hoigym.motions.library import MotionLibrary
from hoigym.motions.neighbour import NeighbourSearch, perturb
from hoigym.motions.rotations import exp_to_quat, quat_mul, quat_to_exp
from hoigym.motions.state import MotionState
from tests.motions.clips import blanked, random_clip

NONE: tuple[int, ...] = ()


def library(**changes) -> MotionLibrary:
    return MotionLibrary([random_clip(seed, frames=20 + seed, **changes) for seed in range(3)])


def start(clips: MotionLibrary, clip: torch.Tensor, frame: torch.Tensor) -> MotionState:
    return MotionState.of(clips.reference(clips.frame_index(clip, frame)))


def moved(state: MotionState, dt: float) -> MotionState:
    """The state after dt under its velocities."""
    return dataclasses.replace(
        state,
        root_pos=state.root_pos + dt * state.root_lin_vel,
        root_quat=quat_mul(exp_to_quat(dt * state.root_ang_vel), state.root_quat),
        joint_rot=quat_to_exp(quat_mul(exp_to_quat(state.joint_rot), exp_to_quat(dt * state.joint_vel))),
    )


def test_key_body_velocities_are_the_derivative_of_their_positions() -> None:
    clips = library()
    state = start(clips, torch.tensor([0, 1, 2]), torch.tensor([5, 6, 7]))
    state = MotionState(**{name: value.double() for name, value in vars(state).items()})
    skeleton, dt = clips.skeleton, 1e-6
    pos, vel = key_body_motion(skeleton, state)
    key = list(skeleton.key_bodies)
    body_pos, _ = forward_kinematics(skeleton, state.root_pos, state.root_quat, state.joint_rot)
    assert torch.equal(pos, body_pos[:, key])
    after, _ = key_body_motion(skeleton, moved(state, dt))
    before, _ = key_body_motion(skeleton, moved(state, -dt))
    assert vel.abs().max() > 10.0
    torch.testing.assert_close(vel, (after - before) / (2 * dt), rtol=1e-5, atol=1e-4)


def test_a_reference_state_is_nearest_to_its_own_frame() -> None:
    clips = library()
    clip = torch.tensor([2, 0, 1, 1])
    frame = torch.tensor([7, 2, 19, 9])
    found = NeighbourSearch(clips, 1, NONE).find(clip, start(clips, clip, frame))
    assert torch.equal(found.frame, frame)
    torch.testing.assert_close(found.similarity, torch.ones(4), rtol=0, atol=1e-6)


def test_first_two_and_last_frames_are_never_found() -> None:
    clips = library()
    clip, frame = torch.tensor([0, 0, 0]), torch.tensor([0, 1, 19])
    found = NeighbourSearch(clips, 1, NONE).find(clip, start(clips, clip, frame))
    assert ((found.frame >= 2) & (found.frame <= 18)).all()
    assert (found.similarity < 0.9).all()


def test_missing_and_forbidden_frames_are_never_found() -> None:
    whole = random_clip(0, frames=20)
    clips = MotionLibrary([blanked(whole, [8]), whole])
    allowed = torch.ones(40, dtype=torch.bool)
    allowed[20 + 12] = False
    frame = torch.tensor([8, 8, 12])
    state = start(clips, torch.tensor([1, 1, 1]), frame)
    found = NeighbourSearch(clips, 1, NONE, allowed).find(torch.tensor([0, 1, 1]), state)
    assert found.frame[0] != 8
    assert found.frame[1] == 8
    assert found.frame[2] != 12


def test_a_clip_without_an_allowed_frame_offers_none() -> None:
    clips = library()
    clip, frame = torch.tensor([0, 1]), torch.tensor([5, 5])
    allowed = torch.arange(clips.num_frames) >= clips.clip_length[0]
    found = NeighbourSearch(clips, 1, NONE, allowed).find(clip, start(clips, clip, frame))
    assert found.frame.tolist() == [-1, 5]
    assert found.similarity[0] == 0


def test_objects_do_not_count_where_the_skill_has_none() -> None:
    clips = library()
    clip, frame = torch.tensor([0, 1]), torch.tensor([5, 6])
    state = start(clips, clip, frame)
    far = dataclasses.replace(state, object_pos=state.object_pos + 50.0)
    assert NeighbourSearch(clips, 1, (7,)).find(clip, far).similarity.min() > 1 - 1e-5
    assert NeighbourSearch(clips, 1, (8,)).find(clip, far).similarity.max() < 1e-6


def test_a_scene_with_fewer_objects_than_the_clips() -> None:
    clips = library(objects=2)
    clip, frame = torch.tensor([0, 1]), torch.tensor([5, 6])
    state = start(clips, clip, frame)
    names = ("object_pos", "object_quat", "object_lin_vel", "object_ang_vel")
    for count in (0, 1):
        fewer = dataclasses.replace(state, **{name: getattr(state, name)[:, :count] for name in names})
        assert NeighbourSearch(clips, count, NONE).find(clip, fewer).frame.tolist() == [5, 6]


def test_noise_moves_the_start_by_less_than_a_frame_on_average(shared) -> None:
    clips = MotionLibrary(load_clips(shared / "motions" / "BallPlay"))
    clip = torch.arange(6).repeat_interleave(60)
    frame = torch.arange(2, 62).repeat(6)
    generator = torch.Generator().manual_seed(0)
    noisy = perturb(start(clips, clip, frame), torch.zeros(360, dtype=torch.bool), generator)
    found = NeighbourSearch(clips, 1, (0, 10)).find(clip, noisy)
    away = (found.frame - frame).abs()
    assert away.double().mean() < 1.0
    assert away.max() <= 15
    assert found.similarity.median() > 0.6


def test_searching_without_waiting_finds_the_same() -> None:
    """Clips of several lengths, one without an object, one without an allowed frame; ties and forbidden frames."""
    whole = random_clip(3, frames=30)
    clips = MotionLibrary(
        [random_clip(0, frames=20), random_clip(1, frames=25, skill=0), random_clip(2, frames=9), whole, whole]
    )
    allowed = torch.ones(clips.num_frames, dtype=torch.bool)
    allowed[45:54] = False
    allowed[60:70] = False
    generator = torch.Generator().manual_seed(0)
    clip = torch.randint(5, (200,), generator=generator)
    frame = torch.randint(30, (200,), generator=generator)
    state = perturb(start(clips, clip, frame), torch.zeros(200, dtype=torch.bool), generator)
    plain = NeighbourSearch(clips, 1, (0,), allowed).find(clip, state)
    padded = NeighbourSearch(clips, 1, (0,), allowed, without_waiting=True).find(clip, state)
    assert (plain.frame == -1).sum() == (clip == 2).sum() > 10
    assert torch.equal(plain.frame, padded.frame)
    torch.testing.assert_close(plain.similarity, padded.similarity)
