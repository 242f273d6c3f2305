"""The vector environment: spaces, episodes, rewards, exact continuation."""

import dataclasses
import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from gymnasium.vector import AutoresetMode

from hoigym.core.errors import UserError
from hoigym.envs.config import EnvConfig, EpisodeConfig, RewardConfig, StartConfig
from hoigym.envs.termination import EndReason
from hoigym.envs.vector_env import HOIVectorEnv
from hoigym.motions.library import MotionLibrary
from hoigym.sim.scene.config import SceneConfig

MakeEnv = Callable[..., HOIVectorEnv]
NO_BALL = SceneConfig(hands="locked", objects=())


def test_spaces_have_the_published_widths(make_env: MakeEnv) -> None:
    env = make_env()
    assert env.single_observation_space.shape == (823 + 15 + 64,)
    assert env.single_action_space.shape == (156,)
    assert env.observation_space.shape == (4, 902)
    assert env.metadata["autoreset_mode"] is AutoresetMode.SAME_STEP


def test_a_task_without_ball_and_fingers_keeps_both_widths(make_env: MakeEnv) -> None:
    env = make_env(scene=NO_BALL)
    obs, _ = env.reset(seed=0)
    assert obs.shape == (4, 902)
    assert env.single_action_space.shape == (156,)
    assert torch.equal(obs[:, 823:838], torch.zeros(4, 15))


def test_only_actions_of_free_joints_move_something(make_env: MakeEnv) -> None:
    env = make_env(scene=NO_BALL)
    assert len(make_env(scene=SceneConfig(hands="full")).moving_actions) == 156

    def moved(columns: torch.Tensor) -> torch.Tensor:
        env.reset(seed=0)
        actions = env.reference_actions()
        actions[:, columns] += 0.3
        env.step(actions)
        return env.sim.state.joint_rot.clone()

    moving = env.moving_actions
    others = torch.tensor(sorted(set(range(156)) - set(moving.tolist())))
    assert len(others) == 90  # thirty finger joints
    still = moved(others[:0])
    assert torch.equal(moved(others), still)
    for column in moving[::11].tolist():
        assert not torch.equal(moved(torch.tensor([column])), still)


def test_actions_may_carry_gradients(make_env: MakeEnv) -> None:
    """They leave no graph behind that would grow from step to step."""
    env = make_env(scene=NO_BALL)
    env.reset(seed=0)
    env.step(torch.zeros(4, 156, requires_grad=True))
    held = [value for value in vars(env).values() if isinstance(value, torch.Tensor)]
    assert len(held) > 6
    assert not any(value.requires_grad for value in held)


def test_the_label_names_the_skill_of_the_row(make_env: MakeEnv) -> None:
    env = make_env(num_envs=16)
    obs, _ = env.reset(seed=0)
    assert torch.equal(obs[:, 838:].argmax(1), env.skill)
    assert torch.equal(obs[:, 838:].sum(1), torch.ones(16))
    assert set(env.skill.tolist()) == {10, 13}


def test_a_reset_row_stands_on_its_reference_frame(make_env: MakeEnv) -> None:
    env = make_env(num_envs=16)
    env.reset(seed=3)
    reference, state = env.reference(), env.sim.state
    assert torch.allclose(state.root_pos, reference.root_pos, atol=1e-6)
    assert torch.allclose(state.joint_rot, reference.joint_rot, atol=1e-5)
    assert torch.allclose(state.body_pos, reference.body_pos, atol=1e-4)
    assert env.start_frame.min() >= 2
    assert (env.start_frame <= env.library.clip_length[env.clip] - 2).all()


def test_objects_of_a_skill_without_one_start_above_the_ground(make_env: MakeEnv) -> None:
    env = make_env(num_envs=64, start=StartConfig(clip=2))
    env.reset(seed=0)
    height = env.sim.state.object_pos[:, 0, 2]
    assert height.min() >= 0.12 - 1e-6
    assert height.std() > 0.5
    assert torch.allclose(env.sim.state.object_quat.norm(dim=-1), torch.ones(64, 1), atol=1e-5)


def test_actions_are_joint_targets_over_pi(make_env: MakeEnv) -> None:
    env = make_env(scene=SceneConfig(objects=()), start=StartConfig(clip=2, frame=2))
    env.reset(seed=0)
    neck = 12  # joint of the neck
    actions = torch.zeros(4, 156)
    actions[:, 3 * neck] = 0.2 / math.pi
    for _ in range(25):
        env.step(actions)
    assert torch.allclose(env.sim.state.joint_rot[:, neck, 0], torch.full((4,), 0.2), atol=0.06)


def test_reward_compares_with_the_frame_that_the_step_led_to(make_env: MakeEnv) -> None:
    env = make_env(start=StartConfig(clip=0, frame=5), scene=SceneConfig(objects=()))
    env.reset(seed=0)
    env.step(env.reference_actions())
    frame = env.library.reference(env.library.frame_index(env.clip, torch.full((4,), 6)))
    assert torch.equal(env.reference().joint_rot, frame.joint_rot)


def test_following_the_reference_pays_more_than_going_limp(make_env: MakeEnv) -> None:
    def mean_reward(follow: bool) -> float:
        env = make_env(num_envs=8, start=StartConfig(clip=0), seed=1)
        env.reset(seed=1)
        total = 0.0
        for _ in range(15):
            actions = env.reference_actions() if follow else torch.full((8, 156), 0.3)
            total += env.step(actions)[1].mean().item() / 15
        return total

    assert mean_reward(follow=True) > 0.5
    assert mean_reward(follow=False) < 0.2


def test_the_window_truncates_and_the_row_restarts_in_the_same_step(make_env: MakeEnv) -> None:
    env = make_env(start=StartConfig(clip=0, frame=2), episode=EpisodeConfig(length=10))
    env.reset(seed=0)
    for step in range(1, 10):
        obs, _, terminated, truncated, info = env.step(env.reference_actions())
        assert not terminated.any()
        assert truncated.all() == (step == 9)
    assert torch.equal(env.progress, torch.zeros(4, dtype=torch.long))
    assert (info["end_reason"] == int(EndReason.WINDOW)).all()
    assert not torch.allclose(obs, info["final_obs"])


def test_the_last_frame_of_a_clip_ends_the_episode_unless_told_otherwise(make_env: MakeEnv) -> None:
    start = StartConfig(clip=1, frame=25)
    env = make_env(start=start)
    env.reset(seed=0)
    ended = [bool(env.step(env.reference_actions())[3].all()) for _ in range(4)]
    assert ended == [False, False, False, True]
    env = make_env(start=start, episode=EpisodeConfig(stop_at_clip_end=False))
    env.reset(seed=0)
    assert not any(env.step(env.reference_actions())[3].any() for _ in range(8))
    assert torch.equal(env.reference().root_pos, env.library.reference(torch.full((4,), 69)).root_pos)


def test_a_fall_terminates_but_not_a_lying_skill(make_env: MakeEnv) -> None:
    def falls(lying: tuple[int, ...]) -> bool:
        episode = EpisodeConfig(fall_height=1.2, lying_skills=lying)
        env = make_env(start=StartConfig(clip=0, frame=2), episode=episode)
        env.reset(seed=0)
        return any(bool(env.step(torch.full((4, 156), 0.5))[2].any()) for _ in range(30))

    assert falls(lying=(0,))
    assert not falls(lying=(13,))


def test_losing_the_ball_terminates_where_asked(make_env: MakeEnv) -> None:
    env = make_env(start=StartConfig(clip=0, frame=2), episode=EpisodeConfig(max_object_error=1e-7))
    env.reset(seed=0)
    reasons = [env.step(env.reference_actions())[4]["end_reason"] for _ in range(3)]
    assert all((reason == int(EndReason.OBJECT_LOST)).all() for reason in reasons[:1])


def test_a_continued_environment_equals_the_uninterrupted_one_bit_for_bit(make_env: MakeEnv) -> None:
    def rollout(env: HOIVectorEnv, steps: int, seed: int) -> list[torch.Tensor]:
        noise = torch.Generator().manual_seed(seed)
        return [env.step(0.2 * torch.randn(4, 156, generator=noise))[0] for _ in range(steps)]

    env = make_env(episode=EpisodeConfig(length=8))
    env.reset(seed=5)
    rollout(env, 12, seed=0)
    stored = {name: value.clone() for name, value in env.state_dict().items()}
    expected = rollout(env, 20, seed=1)
    other = make_env(episode=EpisodeConfig(length=8))
    other.reset(seed=99)
    other.load_state_dict(stored)
    for mine, wanted in zip(rollout(other, 20, seed=1), expected, strict=True):
        assert torch.equal(mine, wanted)


def test_the_same_seed_gives_the_same_episode_and_another_does_not(make_env: MakeEnv) -> None:
    first, second = make_env(), make_env()
    assert torch.equal(first.reset(seed=7)[0], second.reset(seed=7)[0])
    assert not torch.equal(first.reset(seed=7)[0], second.reset(seed=8)[0])


def test_a_diverged_world_is_reset_counted_and_pays_nothing(make_env: MakeEnv) -> None:
    env = make_env(start=StartConfig(clip=0))
    env.reset(seed=0)
    actions = env.reference_actions()
    actions[1, 7] = math.nan
    obs, reward, terminated, _, info = env.step(actions)
    assert info["diverged"].tolist() == [False, True, False, False]
    assert terminated.tolist() == [False, True, False, False]
    assert reward[1] == 0.0
    assert torch.isfinite(obs).all()
    assert env.progress[1] == 0
    assert not env.step(env.reference_actions())[4]["diverged"].any()


def test_forces_can_stand_in_for_contact_pairs(make_env: MakeEnv) -> None:
    env = make_env(start=StartConfig(clip=0), reward=RewardConfig(contact="forces"))
    env.reset(seed=0)
    terms = env.step(env.reference_actions())[4]["reward_terms"]
    assert torch.allclose(terms["r_cg_object"], torch.ones(4), atol=1e-3)


def test_numpy_actions_are_taken(make_env: MakeEnv) -> None:
    env = make_env()
    env.reset(seed=0)
    assert torch.isfinite(env.step(np.zeros((4, 156), np.float32))[0]).all()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"scene": SceneConfig(control_hz=30)}, "control_hz is 30"),
        ({"scene": SceneConfig(skeleton="parahome")}, "scene.skeleton is parahome"),
        ({"object_slots": 0}, "object_slots 0"),
        ({"start": StartConfig(clip=3)}, "clips 0 to 2"),
        ({"start": StartConfig(frame=1)}, "first usable frame is 2"),
        ({"start": StartConfig(max_penetration=-5.0)}, "no start frame is left"),
    ],
)
def test_what_does_not_fit_is_one_clear_line(library: MotionLibrary, settings: dict[str, object], message: str) -> None:
    config = dataclasses.replace(EnvConfig(num_envs=2, threads=1), **settings)
    with pytest.raises(UserError, match=message) as error:
        HOIVectorEnv(config, library)
    assert "\n" not in str(error.value)
