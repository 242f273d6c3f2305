"""Receding-horizon control, cloned policies and the published measure."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from hoigym.adapters.learning.learner import FitConfig
from hoigym.adapters.pusht.acting import named_controller
from hoigym.adapters.pusht.clone import CloneConfig, load_clone, train_clone
from hoigym.adapters.pusht.controller import Observation, RecedingHorizon, Still
from hoigym.adapters.pusht.evaluation import evaluate
from hoigym.adapters.pusht.world import PushTWorld
from hoigym.adapters.uva.config import InputsConfig, UVAError
from hoigym.adapters.uva.policy import UVAPolicy
from hoigym.adapters.uva.pretrained import save_pretrained
from hoigym.adapters.uva.replay_buffer import ReplayWriter
from hoigym.core.errors import UserError
from tests.adapters.uva.test_inputs import SMALL


class Recorder:
    """Answers 0, 1, 2 ... for the steps of a chunk, and keeps what it was shown."""

    sees = True

    def __init__(self) -> None:
        self.seen: list[dict[str, Tensor]] = []

    def predict(self, observed: dict[str, Tensor]) -> Tensor:
        self.seen.append(observed)
        return torch.arange(8.0)[:, None].expand(len(observed["state"]), 8, 2)


def observation(step: int, rows: list[int]) -> Observation:
    image = np.full((len(rows), 96, 96, 3), step, np.uint8)
    return Observation(np.array(rows), np.full((len(rows), 5), float(step)), image)


def test_chunks_are_carried_out_one_after_the_other():
    policy = Recorder()
    controller = RecedingHorizon(policy)
    controller.reset(2)
    acted = [controller.act(observation(step, [0, 1]))[0, 0] for step in range(20)]
    assert acted == [*range(8), *range(8), *range(4)]
    assert len(policy.seen) == len(controller.seconds) == 3


def test_the_oldest_observation_stands_for_missing_ones():
    policy = Recorder()
    controller = RecedingHorizon(policy)
    controller.reset(1)
    for step in range(17):
        controller.act(observation(step, [0]))
    first, second, third = (seen["state"][0, :, 0].tolist() for seen in policy.seen)
    assert first == [0.0] * 16
    assert second == [0.0] * 8 + [float(step) for step in range(1, 9)]
    assert third == [float(step) for step in range(1, 17)]
    assert policy.seen[2]["image"].shape == (1, 16, 3, 96, 96)
    assert policy.seen[2]["image"][0, -1].unique().item() == pytest.approx(16 / 255)
    assert policy.seen[2]["agent_pos"].shape == (1, 16, 2)


def test_worlds_that_have_finished_are_left_out():
    policy = Recorder()
    controller = RecedingHorizon(policy)
    controller.reset(3)
    for step in range(9):
        controller.act(observation(step, [0, 1, 2] if step < 4 else [0, 2]))
    assert [len(seen["state"]) for seen in policy.seen] == [3, 2]


def test_a_new_episode_forgets_the_last_one():
    policy = Recorder()
    controller = RecedingHorizon(policy)
    for start in (0, 50):
        controller.reset(1)
        for step in range(3):
            controller.act(observation(start + step, [0]))
    assert policy.seen[1]["state"].unique().item() == 50.0


def test_standing_still_scores_what_the_start_covers():
    seeds = (100_000, 100_001, 100_003)
    result = evaluate(Still(), seeds)
    world = PushTWorld()
    rewards = []
    for seed in seeds:
        world.reset(seed)
        rewards.append(world.reward())
    np.testing.assert_allclose(result.reward, rewards, atol=1e-6)
    assert result.successes == 0
    assert result.steps.tolist() == [300, 300, 300]


def test_the_expert_ends_its_episodes_early():
    result = evaluate(named_controller("expert", 0), (100_004, 100_029), filmed=(100_029,))
    assert result.score == 1.0
    assert result.successes == 2
    assert (result.steps < 60).all()
    assert len(result.film[100_029]) == result.steps[1]
    assert result.plain()["success"] == [True, True]


@pytest.mark.parametrize("sees", [False, True])
def test_a_clone_learns_and_comes_back(sees: bool, tmp_path: Path):
    writer = ReplayWriter(tmp_path / "demos.zarr")
    for seed in range(2):
        rng = np.random.default_rng(seed)
        pictures = rng.integers(0, 256, (40, 96, 96, 3), np.uint8)
        state = rng.uniform(0.0, 512.0, (40, 5)).astype(np.float32)
        writer.append({"img": pictures, "state": state, "action": state[:, :2] + 10.0}, seed)
    fit = FitConfig(steps=25, batch_size=16, validate_every=25, ema=False, device="cpu")
    config = CloneConfig(sees=sees, width=64, held_out=0.5, fit=fit)
    described = {"clone": {"sees": sees, "width": 64}}
    train_clone(config, tmp_path / "demos.zarr", tmp_path / "run", False, described)
    policy = load_clone(tmp_path / "run")
    state = torch.full((2, 16, 5), 100.0)
    observed = {"state": state, "agent_pos": state[..., :2], "image": torch.rand(2, 16, 3, 96, 96)}
    actions = policy.predict(observed)
    assert actions.shape == (2, 8, 2)
    assert 0.0 < float(actions.mean()) < 512.0
    assert torch.equal(load_clone(tmp_path / "run").predict(observed), actions)


def test_what_is_no_policy_is_told(tmp_path: Path):
    with pytest.raises(UVAError, match="no run"):
        named_controller(str(tmp_path), 0)


def test_a_converted_model_is_a_controller_if_its_actions_are(tmp_path: Path):
    for width in (2, 5):
        model = UVAPolicy(replace(SMALL, inputs=InputsConfig(width)))
        save_pretrained(model, tmp_path / f"converted{width}")
    controller = named_controller(str(tmp_path / "converted2"), 0)
    controller.reset(1)
    assert controller.act(observation(0, [0])).shape == (1, 2)
    with pytest.raises(UVAError, match="its actions have 5 numbers"):
        named_controller(str(tmp_path / "converted5"), 0)


@pytest.mark.parametrize(("config", "said"), [("a: [1", "cannot be read"), ("clone: {nope: 1}", "has no checkpoint")])
def test_a_damaged_run_is_told(tmp_path: Path, config: str, said: str):
    (tmp_path / "config.yaml").write_text(config)
    with pytest.raises(UserError, match=said):
        named_controller(str(tmp_path), 0)


def test_clones_learn_from_pusht_alone(tmp_path: Path):
    writer = ReplayWriter(tmp_path / "other.zarr")
    for _ in range(2):
        arrays = {"img": np.zeros((40, 64, 64, 3), np.uint8), "state": np.zeros((40, 5)), "action": np.zeros((40, 2))}
        writer.append(arrays)
    with pytest.raises(UVAError, match=r"img of shape \(64, 64, 3\) a step; that of PushT has \(96, 96, 3\)"):
        train_clone(CloneConfig(sees=True, held_out=0.5), tmp_path / "other.zarr", tmp_path / "run", False, {})
    with pytest.raises(UVAError, match="width must be at least 16"):
        CloneConfig(width=3)
