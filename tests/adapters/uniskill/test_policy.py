from dataclasses import replace
from pathlib import Path

import pytest
import torch

from hoigym.adapters.learning.learner import FitConfig
from hoigym.adapters.uniskill.config import PolicyConfig, PolicyTraining
from hoigym.adapters.uniskill.policy import ImageObservations, NoisePredictor, PolicySizes, SkillPolicy
from hoigym.adapters.uniskill.policy_training import (
    RolloutError,
    Rollouts,
    Windows,
    load_rollouts,
    save_rollouts,
    train_policy,
)
from hoigym.conditioners.table import ConditionTable, save_table
from tests.adapters.uniskill.oracles import CLOSE, apart, arrays, key_list, own_keys

SMALL = PolicyConfig(widths=(16, 32), step_width=16, encoded=8, inference_steps=5)


def test_network_is_the_oracles(shared: Path) -> None:
    network = NoisePredictor(7, 22, step_width=16, widths=(16, 32, 64))
    network.load_state_dict(arrays(shared, "policy_unet1d_tiny_weights"))
    io = arrays(shared, "policy_unet1d_tiny_io")
    assert apart(network(io["sample"], io["timestep"], io["global_cond"]), io["out"]) < CLOSE


def test_official_keys(shared: Path) -> None:
    with torch.device("meta"):
        eyes = ImageObservations()
        network = NoisePredictor(7, 2 * eyes.width + 64)
    own = {f"policy.noise_pred_net.{name}": shape for name, shape in own_keys(network).items()}
    own |= {f"policy.obs_encoder.nets.obs.{name}": shape for name, shape in own_keys(eyes).items()}
    assert own == key_list(shared, "policy_nets")
    assert len(own) == 412
    assert sum(value.numel() for value in network.parameters()) == 70_236_423
    assert sum(value.numel() for value in eyes.parameters()) == 22_394_176


def test_keypoints_are_where_the_maps_are_bright() -> None:
    eyes = ImageObservations(("camera",), {"hand": 2}).eval()
    moment = {"camera": torch.rand(3, 3, 128, 128), "hand": torch.ones(3, 2)}
    assert eyes(moment).shape == (3, 66)
    points = eyes.get_submodule("obs_nets.camera.pool")
    torch.nn.init.zeros_(points.get_parameter("nets.weight"))
    torch.nn.init.zeros_(points.get_parameter("nets.bias"))
    assert torch.allclose(points(torch.rand(1, 512, 4, 4)), torch.zeros(1, 32, 2), atol=1e-6)
    torch.nn.init.constant_(points.get_parameter("nets.weight"), 1.0)
    bright = torch.zeros(1, 512, 4, 4)
    bright[..., 0, 3] = 1.0
    assert torch.allclose(points(bright)[0, 0], torch.tensor([1.0, -1.0]), atol=1e-3)


def rollouts(episodes: int = 16, steps: int = 24) -> Rollouts:
    """The actions are what the row's z says, whatever is seen."""
    rows = torch.arange(steps).repeat(episodes)
    obs = torch.randn(episodes * steps, 5, generator=torch.Generator().manual_seed(0))
    actions = torch.stack([(rows % 7 < 3).float() - 0.5, torch.zeros(len(rows))], 1)
    return Rollouts(obs, actions, rows, torch.arange(1, episodes + 1) * steps, "abc")


def table() -> ConditionTable:
    values = (torch.arange(24) % 7).float()[None, :, None] / 7 + torch.zeros(2, 1, 1)
    return ConditionTable(torch.cat([values, values * 0], 2), 60.0, "abc")


def test_windows_stay_in_their_episode_and_name_the_skill_of_the_last_observation() -> None:
    data, z = rollouts(), table()
    parts = [Windows(data, z, SMALL, held_out) for held_out in (False, True)]
    assert [len(part) for part in parts] == [14 * 9, 2 * 9]
    first = parts[1][1]
    start = 7 * 24 + 1
    assert torch.equal(first["obs"], data.obs[start : start + 2])
    assert torch.equal(first["actions"], data.actions[start : start + 16])
    assert torch.equal(first["skill"], z.values[0, data.rows[start + 1]])
    with pytest.raises(RolloutError, match="too few episodes"):
        Windows(rollouts(steps=15), z, SMALL, held_out=False)


def test_acting_gives_the_chunk_from_the_last_observation_on() -> None:
    policy = SkillPolicy(SMALL, PolicySizes(5, 2, 3))
    policy.standardise(torch.randn(20, 5) * 4 + 1, torch.randn(20, 3), torch.zeros(20, 2))
    generator = torch.Generator().manual_seed(0)
    actions = policy.act(torch.randn(4, 2, 5), torch.randn(4, 3), generator)
    assert actions.shape == (4, 8, 2)
    assert actions.abs().max() <= 1


def test_components_stand_for_actions_that_move_together() -> None:
    actions = torch.randn(500, 2, generator=torch.Generator().manual_seed(0)) @ torch.randn(2, 9) * 0.1 + 0.2
    policy = SkillPolicy(replace(SMALL, components=2), PolicySizes(5, 9, 3))
    policy.standardise(torch.randn(20, 5), torch.randn(20, 3), actions)
    inside = policy.components(actions)
    assert inside.shape == (500, 2)
    assert (inside.abs() == 1).float().mean() < 0.05
    back = inside @ policy.get_buffer("action_basis") + policy.get_buffer("action_mean")
    kept = (inside.abs() < 1).all(1)
    assert torch.allclose(back[kept], actions[kept], atol=1e-5)
    assert policy.act(torch.randn(4, 2, 5), torch.randn(4, 3), torch.Generator()).shape == (4, 8, 9)


def test_components_of_few_joints_and_of_many_steps() -> None:
    policy = SkillPolicy(replace(SMALL, components=24), PolicySizes(5, 2, 3))
    # More numbers than torch takes a quantile of.
    actions = torch.rand(8_500_000, 2, generator=torch.Generator().manual_seed(0)) - 0.5
    policy.standardise(torch.randn(20, 5), torch.randn(20, 3), actions)
    assert (policy.components(actions[:10_000]).abs() == 1).float().mean() == pytest.approx(0.02, abs=0.005)


@pytest.mark.slow
def test_it_learns_to_follow_z(tmp_path: Path) -> None:
    save_rollouts(rollouts(), tmp_path / "rollouts.npz")
    save_table(table(), tmp_path / "z.npz")
    fit = FitConfig(steps=400, batch_size=32, validate_every=400, save_every=400, ema=True, device="cpu")
    config = PolicyTraining(str(tmp_path / "rollouts.npz"), str(tmp_path / "z.npz"), SMALL, fit, 2e-3)
    train_policy(config, tmp_path / "run", False, {})
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    curves = EventAccumulator(str(tmp_path / "run" / "summaries")).Reload()
    error, shuffled = (curves.Scalars(f"validation/action_error{end}")[-1].value for end in ("", "_shuffled"))
    # Noise is still left after so few steps, but z decides what is done.
    assert error < 0.8 * shuffled


def test_files_that_do_not_fit_are_one_line(tmp_path: Path) -> None:
    save_rollouts(rollouts(), tmp_path / "rollouts.npz")
    save_table(replace(table(), library_hash="other"), tmp_path / "z.npz")
    config = PolicyTraining(str(tmp_path / "rollouts.npz"), str(tmp_path / "z.npz"), SMALL)
    with pytest.raises(RolloutError, match="other clips"):
        train_policy(config, tmp_path / "run", False, {})
    with pytest.raises(RolloutError, match="expected hoigym-rollouts-1"):
        load_rollouts(tmp_path / "z.npz")
    assert torch.equal(load_rollouts(tmp_path / "rollouts.npz").ends, rollouts().ends)
    for wrong in (
        {"ends": torch.tensor([23])},
        {"rows": torch.arange(3)},
        {"obs": torch.zeros(3)},
        {"ends": torch.tensor(1)},
    ):
        save_rollouts(replace(rollouts(), **wrong), tmp_path / "rollouts.npz")
        with pytest.raises(RolloutError, match="do not fit each other"):
            load_rollouts(tmp_path / "rollouts.npz")
