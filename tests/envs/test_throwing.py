"""Throws of an environment: where boxes come from, where they go, and that they follow from the seed."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from hoigym.core.errors import UserError
from hoigym.envs.config import EpisodeConfig
from hoigym.envs.perturbation import ThrowConfig
from hoigym.envs.vector_env import HOIVectorEnv
from hoigym.sim.scene.config import ProjectileConfig, SceneConfig
from hoigym.sim.scene.projectiles import PARKED_ABOVE

BOXES = SceneConfig(hands="locked", projectiles=ProjectileConfig(count=2, density=200.0))
MakeEnv = Callable[..., HOIVectorEnv]


def standing(env: HOIVectorEnv) -> Tensor:
    return env.reference_actions()


def thrown_from(env: HOIVectorEnv, seed: int) -> Tensor:
    """Positions and speeds (N, 6) of the first throw after a reset."""
    env.reset(seed=seed)
    env.throw()
    return torch.cat((env.sim.state.projectile_pos[:, 0], env.sim.state.projectile_lin_vel[:, 0]), dim=1)


def test_values_are_those_of_the_configuration(make_env: MakeEnv):
    env = make_env(scene=BOXES, num_envs=200)
    found = thrown_from(env, seed=0)
    state = env.sim.state
    away = (found[:, :2] - state.root_pos[:, :2]).norm(dim=1)
    assert 4.0 <= away.min() < 4.1 < 4.9 < away.max() <= 5.0
    assert 0.25 <= found[:, 2].min() < 0.3 < 1.9 < found[:, 2].max() <= 2.0
    speed = found[:, 3:].norm(dim=1)
    assert 29.0 < speed.min() < 31.0 < 39.0 < speed.max() < 41.5
    quarter = torch.atan2(*(found[:, :2] - state.root_pos[:, :2]).unbind(1)).div(torch.pi / 2).floor()
    assert torch.bincount(quarter.long() + 2, minlength=4).min() > 30  # from all around
    target = state.body_pos[:, 1] - found[:, :3]
    off = (found[:, 3:] / speed[:, None] - target / target.norm(dim=1, keepdim=True)).std(dim=0)
    assert ((off > 0.04) & (off < 0.12)).all()


@pytest.mark.parametrize("speed", [8.0, 35.0])
@pytest.mark.parametrize("body", ["", "Head"])
def test_without_spread_a_throw_meets_its_target_although_it_falls(make_env: MakeEnv, speed: float, body: str):
    throw = ThrowConfig(body=body, speed=(speed, speed), spread=0.0)
    env = make_env(scene=BOXES, throw=throw, episode=EpisodeConfig(length=200, stop_at_clip_end=False))
    env.reset(seed=1)
    target = env.sim.state.body_pos[:, env.scene.skeleton.index(body or "L_Hip")].clone()
    env.throw()
    last = env.sim.state.projectile_pos[:, 0].clone()
    nearest = torch.full((4,), torch.inf)
    for _ in range(round(60 * 5.0 / speed) + 2):
        env.step(standing(env))
        now = env.sim.state.projectile_pos[:, 0].clone()
        way = now - last
        share = (((target - last) * way).sum(1) / way.square().sum(1).clamp_min(1e-9)).clamp(0.0, 1.0)
        nearest = nearest.minimum((last + share[:, None] * way - target).norm(dim=1))
        last = now
    # An arm may be in the way; the box itself is 0.15 m from its middle to a face, 0.26 m to a corner.
    assert (nearest < 0.45).all()
    assert nearest.min() < 0.3


def test_a_moving_target_is_led(make_env: MakeEnv):
    env = make_env(scene=BOXES, throw=ThrowConfig(speed=(10.0, 10.0), spread=0.0))
    env.reset(seed=1)
    env.throw()
    still = env.sim.state.projectile_lin_vel[:, 0].clone()
    env.reset(seed=1)
    env.sim.state.body_lin_vel[:, 1] = torch.tensor([1.0, 2.0, 3.0])
    env.throw()
    gained = env.sim.state.projectile_lin_vel[:, 0] - still
    torch.testing.assert_close(gained, torch.tensor([1.0, 2.0, 0.0]).expand(4, 3), atol=1e-5, rtol=0)


def test_throws_follow_from_the_seed_and_differ_between_rows(make_env: MakeEnv):
    env = make_env(scene=BOXES)
    first = thrown_from(env, seed=3)
    assert torch.equal(thrown_from(env, seed=3), first)
    assert torch.equal(thrown_from(make_env(scene=BOXES, seed=9), seed=3), first)
    assert len({tuple(row) for row in first.round(decimals=3).tolist()}) == 4
    assert (thrown_from(env, seed=4) - first).abs().amin() > 1e-4


def test_a_row_is_thrown_at_alike_whoever_else_is(make_env: MakeEnv):
    env = make_env(scene=BOXES)
    together = thrown_from(env, seed=3)
    env.reset(seed=3)
    env.throw(torch.tensor([False, True, False, False]))
    state = env.sim.state
    assert torch.equal(state.projectile_pos[1, 0], together[1, :3])
    assert (state.projectile_pos[[0, 2, 3], :, 2] > PARKED_ABOVE).all()


def test_boxes_take_turns_row_by_row(make_env: MakeEnv):
    env = make_env(scene=BOXES, num_envs=2)
    env.reset(seed=0)
    first_row, both = torch.tensor([True, False]), torch.tensor([True, True])
    seen = []
    for selected in (first_row, both, both):
        before = env.sim.state.projectile_pos.clone()
        env.throw(selected)
        moved = (env.sim.state.projectile_pos != before).any(dim=2)
        seen.append([row.nonzero()[:, 0].tolist() for row in moved])
    assert seen == [[[0], []], [[1], [0]], [[0], [1]]]


def test_an_environment_draws_the_same_with_and_without_throws(make_env: MakeEnv):
    """Episodes are those of an environment without boxes, up to what a hit changes."""
    plain, armed = make_env(), make_env(scene=SceneConfig(projectiles=BOXES.projectiles))
    for env in (plain, armed):
        env.reset(seed=5)
    assert torch.equal(plain.start_frame, armed.start_frame)
    for step in range(45):
        if step == 41:
            armed.throw()
        ours, theirs = (env.step(standing(env)) for env in (plain, armed))
        if step < 41:
            assert torch.equal(ours[0], theirs[0])
            assert torch.equal(ours[1], theirs[1])
    assert plain.single_observation_space == armed.single_observation_space
    assert torch.equal(plain.start_frame, armed.start_frame)
    assert torch.equal(plain.clip, armed.clip)


def test_an_interrupted_run_goes_on_alike(make_env: MakeEnv):
    env, other = make_env(scene=BOXES), make_env(scene=BOXES)
    env.reset(seed=2)
    other.reset(seed=7)
    for _ in range(3):
        env.throw()
        env.step(standing(env))
    other.load_state_dict(env.state_dict())
    for _ in range(8):
        for each in (env, other):
            each.throw(torch.tensor([True, False, True, True]))
        ours, theirs = (each.step(standing(each)) for each in (env, other))
        assert torch.equal(ours[0], theirs[0])
        assert torch.equal(env.sim.state.projectile_pos, other.sim.state.projectile_pos)
    assert torch.equal(ours[1], theirs[1])


def test_nothing_to_throw_is_one_line(make_env: MakeEnv):
    env = make_env()
    with pytest.raises(UserError, match="no projectiles"):
        env.throw()
    assert not [name for name in env.state_dict() if name.startswith("thrower")]


def test_what_cannot_be_thrown(make_env: MakeEnv):
    with pytest.raises(UserError, match="throw.body: no body 'Tail'"):
        make_env(scene=BOXES, throw=ThrowConfig(body="Tail"))
    for wrong in ({"speed": (5.0, 2.0)}, {"distance": (0.0, 1.0)}, {"height": (-1.0, 1.0)}, {"spread": -0.1}):
        with pytest.raises(UserError, match=f"throw.{next(iter(wrong))}"):
            ThrowConfig(**wrong)  # pyright: ignore[reportArgumentType]
