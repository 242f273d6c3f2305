"""Success during training."""

import pytest
import torch

from hoigym.core.errors import UserError
from hoigym.envs.config import EnvConfig
from hoigym.envs.make import task_config
from hoigym.evaluation.held_out import HeldOut
from hoigym.motions.skeleton import load_skeleton


@pytest.fixture(scope="module")
def config() -> EnvConfig:
    return task_config("ballplay", threads=1, scene={"hands": "locked"}, episode={"length": 20})


def test_the_same_policy_is_measured_alike_and_leaves_random_states_alone(config: EnvConfig):
    with HeldOut(config, trials=2, horizon=0.2) as held_out:
        size = 3 * load_skeleton("mocap").num_joints
        state = torch.random.get_rng_state()
        still = held_out.measure(lambda obs: torch.zeros(len(obs), size))
        assert torch.equal(torch.random.get_rng_state(), state)
        waving = held_out.measure(lambda obs: 0.5 * torch.ones(len(obs), size))
        assert held_out.measure(lambda obs: torch.zeros(len(obs), size)) == still
    names = ["success/dribble_forward", "success/dribble_on_the_spot", "success/pickup", "success/mean", "success/nr"]
    assert list(still) == names
    assert 0.0 < waving["success/nr"] < still["success/nr"] < 1.0
    assert still["success/mean"] == 0.0


def test_trials_without_length_are_refused(config: EnvConfig):
    with pytest.raises(UserError, match="eval_horizon 0: expected seconds above 0"):
        HeldOut(config, trials=2, horizon=0)
