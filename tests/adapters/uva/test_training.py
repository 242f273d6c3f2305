"""Training in two stages, resumed, loaded again."""

from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
import torch

from hoigym.adapters.learning.learner import FitConfig
from hoigym.adapters.uva.config import DataConfig, UVAError, UVATrainConfig
from hoigym.adapters.uva.policy import UVAPolicy
from hoigym.adapters.uva.pretrained import load_pretrained, save_pretrained
from hoigym.adapters.uva.training import UVALearner
from hoigym.commands.uva import recipe_config
from hoigym.core.checkpoint import load_latest
from tests.adapters.uva.test_inputs import SMALL

pytest.importorskip("accelerate")
zarr = pytest.importorskip("zarr")

SIZE = 64


@pytest.fixture(scope="module")
def buffer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Episodes of a dot that walks to where its action says."""
    from hoigym.adapters.uva.replay_buffer import ReplayWriter

    path = tmp_path_factory.mktemp("data") / "dots.zarr"
    writer = ReplayWriter(path)
    rng = np.random.default_rng(0)
    rows, columns = np.mgrid[0:SIZE, 0:SIZE]
    for _ in range(6):
        place, goal = rng.uniform(8, 56, 2), rng.uniform(8, 56, 2)
        pictures, states = [], []
        for step in range(40):
            goal = rng.uniform(8, 56, 2) if step % 12 == 0 else goal
            place = place + 0.2 * (goal - place)
            near = (columns - place[0]) ** 2 + (rows - place[1]) ** 2 < 30
            pictures.append(np.where(near[..., None], [40, 80, 250], [250, 250, 250]).astype(np.uint8))
            states.append(place.astype(np.float32))
        writer.append({"img": np.stack(pictures), "state": np.stack(states), "action": np.stack(states)})
    return path


def config(buffer: Path, **changes) -> UVATrainConfig:
    fit = FitConfig(
        steps=6, batch_size=4, save_every=3, validate_every=6, seed=1, ema=True, grad_clip=0.0, device="cpu"
    )
    base = UVATrainConfig(model=SMALL, data=DataConfig(str(buffer), held_out=0.2), fit=fit, warm_up=2)
    return replace(base, **changes)


def train(config: UVATrainConfig, run_dir: Path, resume: bool = False) -> None:
    from hoigym.adapters.uva.training import train as run

    run(config, run_dir, resume, asdict(config.for_stage()))


@pytest.mark.slow
def test_two_stages_train_and_load_again(buffer: Path, tmp_path: Path):
    first, second = tmp_path / "video", tmp_path / "joint"
    train(config(buffer, stage="video"), first)
    video = load_pretrained(first)
    assert not hasattr(video.model, "diffactloss")
    with pytest.raises(UVAError, match="no action head"):
        video.predict_action({"image": torch.rand(1, 16, 3, SIZE, SIZE)}, torch.Generator())
    train(config(buffer, start_from=str(first)), second)
    policy = load_pretrained(second)
    assert torch.equal(policy.vae_model.get_buffer("components"), video.vae_model.get_buffer("components"))
    # Averaged weights are what is used.
    averaged = load_latest(second)[0].section("ema")
    assert torch.equal(policy.model.z_proj.weight, averaged["model.z_proj.weight"])
    names = {path.name for path in (second / "pictures").iterdir()}
    # The full dynamic model sees what the video model sees: its video would be the same.
    assert names == {f"video_{mode}_000006.png" for mode in ("video", "dynamic")}
    obs = {"image": torch.rand(1, 16, 3, SIZE, SIZE)}
    action = policy.predict_action(obs, torch.Generator().manual_seed(0))["action"]
    save_pretrained(policy, tmp_path / "kept")
    again = load_pretrained(tmp_path / "kept").predict_action(obs, torch.Generator().manual_seed(0))["action"]
    assert torch.equal(action, again)
    assert float(action.min()) >= 8
    assert float(action.max()) <= 56


@pytest.mark.slow
def test_a_resumed_run_equals_one_that_was_not_stopped(buffer: Path, tmp_path: Path):
    whole = config(buffer, warm_up=6)
    whole = replace(whole, fit=replace(whole.fit, validate_every=0))
    train(whole, tmp_path / "whole")
    one, two = load_latest(tmp_path / "whole")[0].tensors, tmp_path / "parts"
    train(replace(whole, fit=replace(whole.fit, steps=3)), two)
    train(whole, two, resume=True)
    resumed = load_latest(two)[0].tensors
    assert set(resumed) == set(one)
    differing = [name for name, value in one.items() if not torch.equal(value, resumed[name])]
    assert differing == []


@pytest.mark.slow
def test_a_batch_is_learnt(buffer: Path):
    from torch.utils.data import default_collate

    from hoigym.adapters.uva.training import _prepare
    from hoigym.adapters.uva.windows import read_buffer, windows_of, with_latents

    settings = config(buffer, learning_rate=3e-3, warm_up=1, fit=FitConfig(steps=100000))
    torch.manual_seed(0)
    policy = UVAPolicy(settings.model)
    stored = read_buffer(settings.data, SMALL.inputs)
    _prepare(policy, settings, stored)
    samples, _ = windows_of(with_latents(stored, policy, torch.device("cpu")), settings.data, settings.model, None)
    batch = default_collate([samples[index] for index in range(0, 96, 6)])
    learner = UVALearner(policy.train(), settings, batch)
    optimizer, generator = learner.optimizer(), torch.Generator().manual_seed(0)
    losses: dict[str, list[float]] = {"video": [], "action": []}
    for _ in range(150):
        loss, parts = learner.loss(batch, generator)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        for name, value in parts.items():
            losses[name].append(value.item())
    for name, values in losses.items():
        assert np.mean(values[-10:]) < 0.75 * np.mean(values[:5]), name


def test_only_matrices_decay_and_the_rate_rises_and_falls():
    settings = UVATrainConfig(model=SMALL, warm_up=10, fit=FitConfig(steps=110))
    learner = UVALearner(UVAPolicy(SMALL), settings, {})
    decaying, free = learner.optimizer().param_groups
    assert (decaying["weight_decay"], free["weight_decay"]) == (0.02, 0.0)
    assert {value.ndim for value in free["params"]} == {1}
    count = sum(1 for _ in learner.module.model.parameters())
    assert len(decaying["params"]) + len(free["params"]) == count
    rates = [learner.schedule(step) for step in (0, 4, 9, 10, 60, 110)]
    assert rates == pytest.approx([0.1, 0.5, 1.0, 1.0, 0.5, 0.0])


def test_wrong_settings_are_refused_in_one_line(buffer: Path, tmp_path: Path):
    with pytest.raises(UVAError, match=r"data\.path is missing"):
        train(replace(config(buffer), data=DataConfig()), tmp_path / "a")
    wrong = replace(SMALL, inputs=replace(SMALL.inputs, action_dim=3))
    with pytest.raises(UVAError, match="actions have 2 numbers"):
        train(config(buffer, model=wrong), tmp_path / "b")
    with pytest.raises(UVAError, match=r"needs data\.cache false"):
        DataConfig(augment=True)
    with pytest.raises(UVAError, match="holds no UVA model"):
        load_pretrained(tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["pusht", "mini", "tiny"])
def test_recipes_describe_models(name: str):
    pytest.importorskip("diffusers")
    recipe = recipe_config(name)
    with torch.device("meta"):
        policy = UVAPolicy(recipe.model)
    weights = sum(value.numel() for value in policy.parameters())
    if name == "pusht":
        # The released model, whose normaliser is not counted here.
        assert weights == 327_535_175
        assert recipe.learning_rate == 1e-4
        assert recipe.fit.ema
    assert recipe.fit.grad_clip == (0.0 if name == "pusht" else 1.0)
