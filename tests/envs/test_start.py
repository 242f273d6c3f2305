"""Starts near the reference and in other skills, the wait they cost, and what is paid meanwhile."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from hoigym.core.errors import UserError
from hoigym.envs.config import EnvConfig, StartConfig
from hoigym.envs.vector_env import HOIVectorEnv
from hoigym.motions.clip import Clip
from hoigym.motions.graph_build import build_graph, published_settings
from hoigym.motions.library import MotionLibrary
from hoigym.motions.rotations import quat_angle, quat_conj, quat_mul

MakeEnv = Callable[..., HOIVectorEnv]


@pytest.fixture
def graph_file(clips: list[Clip], tmp_path: Path) -> str:
    path = tmp_path / "graph.npz"
    build_graph(clips, published_settings("mocap")).save(path)
    return str(path)


def test_noise_moves_states_off_the_reference_and_keeps_quaternions_whole(make_env: MakeEnv) -> None:
    env = make_env(num_envs=64, start=StartConfig(clip=0, noise=1.0))
    env.reset(seed=0)
    state, reference = env.sim.state, env.library.reference(env.library.frame_index(env.clip, env.start_frame))
    assert torch.allclose(state.root_quat.norm(dim=1), torch.ones(64), atol=1e-5)
    turned = quat_angle(quat_mul(quat_conj(reference.root_quat), state.root_quat))
    assert 0.15 < turned.mean() < 0.5
    assert (state.joint_rot - reference.joint_rot).std() == pytest.approx(0.1, abs=0.03)
    assert torch.equal(state.root_pos[:, :2], reference.root_pos[:, :2])


def test_probability_zero_and_one_mean_never_and_always(make_env: MakeEnv) -> None:
    def moved(noise: float) -> float:
        env = make_env(num_envs=200, start=StartConfig(clip=0, noise=noise))
        env.reset(seed=0)
        reference = env.library.reference(env.library.frame_index(env.clip, env.start_frame))
        away = (env.sim.state.joint_vel - reference.joint_vel).abs().amax((1, 2)) > 0.05
        return float(away.float().mean())

    assert moved(0.0) == 0.0
    assert moved(1.0) == 1.0
    assert moved(0.25) == pytest.approx(0.25, abs=0.1)


def test_a_switched_start_has_the_other_skills_pose_but_keeps_clip_and_label(
    make_env: MakeEnv, graph_file: str
) -> None:
    env = make_env(num_envs=32, start=StartConfig(clip=0, switch=1.0, graph_file=graph_file))
    env.reset(seed=0)
    assert (env.skill == 13).all()
    here = env.library.reference(env.library.frame_index(env.clip, env.start_frame))
    assert torch.allclose(env.sim.state.root_pos[:, :2], here.root_pos[:, :2], atol=1e-6)
    # Clip c, the only one of another skill, stands with hanging arms.
    assert env.sim.state.joint_rot.abs().max() < 1e-5
    assert here.joint_rot.abs().amax((1, 2)).max() > 0.1


def test_the_reference_waits_and_the_wait_is_paid_with_the_average(make_env: MakeEnv) -> None:
    env = make_env(num_envs=4, start=StartConfig(clip=0, frame=5))
    env.reset(seed=0)
    env.wait[:] = torch.tensor([0, 0, 3, 0])
    for step in range(1, 5):
        _, reward, _, _, _ = env.step(env.reference_actions())
        frame = env.library.reference(env.library.frame_index(env.clip, torch.full((4,), 5 + step)))
        waiting = env.library.reference(env.library.frame_index(env.clip, torch.full((4,), 5 + max(0, step - 3))))
        assert torch.equal(env.reference().joint_rot[0], frame.joint_rot[0])
        assert torch.equal(env.reference().joint_rot[2], waiting.joint_rot[2])
        others = reward[[0, 1, 3]].mean()
        assert (abs(float(reward[2] - others)) < 1e-6) == (step <= 3)


def test_no_buffer_means_no_wait(make_env: MakeEnv, graph_file: str) -> None:
    def waits(buffer: bool) -> torch.Tensor:
        start = StartConfig(clip=0, switch=1.0, graph_file=graph_file, buffer=buffer)
        env = make_env(num_envs=32, start=start)
        env.reset(seed=0)
        return env.wait

    assert (waits(True) > 0).all()
    assert not waits(False).any()


def test_the_sampler_learns_from_finished_episodes(make_env: MakeEnv) -> None:
    env = make_env(num_envs=16, start=StartConfig(clip=1, adaptive=1.0))
    env.reset(seed=0)
    before = env.state_dict()["sampler.frame_reward"]
    for _ in range(40):
        env.step(env.reference_actions())
    after = env.state_dict()["sampler.frame_reward"]
    assert not before.any()
    assert after[40:70].max() > 0.2
    assert not after[:40].any()


def test_a_graph_of_other_clips_is_refused(clips: list[Clip], graph_file: str) -> None:
    config = EnvConfig(num_envs=2, threads=1, start=StartConfig(switch=0.5, graph_file=graph_file))
    with pytest.raises(UserError, match="trajectory graph"):
        HOIVectorEnv(config, MotionLibrary(clips[::-1]))


def test_without_a_file_the_graph_is_built_from_the_clips(make_env: MakeEnv, graph_file: str) -> None:
    def start(graph: str) -> torch.Tensor:
        env = make_env(num_envs=16, start=StartConfig(switch=1.0, graph_file=graph))
        return env.reset(seed=3)[0]

    assert torch.equal(start(graph_file), start(""))


def test_scattered_objects_lie_within_the_published_ranges(make_env: MakeEnv) -> None:
    def state(**start: object):
        env = make_env(num_envs=300, start=StartConfig(**start))  # pyright: ignore[reportArgumentType]
        env.reset(seed=0)
        reference = env.library.reference(env.library.frame_index(env.clip, env.start_frame))
        return env, env.sim.state, reference

    env, moved, reference = state(clip=0, scatter=1.0)
    beside = moved.object_pos[:, 0, :2] - moved.root_pos[:, :2]
    away, height = beside.norm(dim=1), moved.object_pos[:, 0, 2]
    assert 0.5 <= away.min() < 0.6
    assert 2.9 < away.max() <= 3.0
    radius = env.scene.config.objects[0].radius
    assert radius == height.min()  # none begins inside the ground
    assert 1.0 < height.max() <= 1.1
    assert abs(float(away.mean()) - 1.75) < 0.15
    angle = torch.atan2(beside[:, 1], beside[:, 0])
    assert all(abs(float(((angle > low) & (angle < low + 1.5708)).float().mean()) - 0.25) < 0.1 for low in (-3.1416, 0))
    speed = moved.object_lin_vel[:, 0]
    assert 0.45 < speed.abs().max() <= 0.5
    assert torch.equal(moved.root_pos, reference.root_pos)
    env, near, _ = state(clip=0, scatter=1.0, scatter_distance=(1.0, 1.0))
    torch.testing.assert_close((near.object_pos[:, 0, :2] - near.root_pos[:, :2]).norm(dim=1), torch.ones(300))
    env, some, reference = state(clip=0, scatter=0.3)
    share = (some.object_pos - reference.object_pos).abs().amax((1, 2)) > 0.05
    assert float(share.float().mean()) == pytest.approx(0.3, abs=0.1)
    with pytest.raises(UserError, match=r"start.scatter_distance \(2.0, 1.0\): expected"):
        StartConfig(scatter_distance=(2.0, 1.0))


def test_objects_without_a_role_are_not_scattered_again(make_env: MakeEnv) -> None:
    def places(scatter: float) -> torch.Tensor:
        env = make_env(num_envs=20, start=StartConfig(clip=2, scatter=scatter))  # a skill without an object
        env.reset(seed=0)
        return env.sim.state.object_pos.clone()

    assert torch.equal(places(0.0), places(1.0))
