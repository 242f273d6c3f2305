"""What validation says of predicted video."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from hoigym.adapters.uva import validation
from hoigym.adapters.uva.autoencoder import PatchAutoencoder
from hoigym.adapters.uva.model import ModelInput
from hoigym.adapters.uva.policy import UVAPolicy
from hoigym.adapters.uva.sampling import Sample
from hoigym.commands.uva import recipe_config
from tests.adapters.uva.test_inputs import SMALL

pytest.importorskip("accelerate")


@pytest.fixture
def policy() -> UVAPolicy:
    """Random weights; its pictures are grey with little contrast, so that decoding cuts nothing off."""
    made = UVAPolicy(replace(SMALL, temperature=0.7)).eval()
    assert isinstance(made.vae_model, PatchAutoencoder)
    made.vae_model.fit(0.5 + 0.02 * torch.rand(20, 3, 64, 64, generator=torch.Generator().manual_seed(0)))
    return made


def test_the_forecast_is_the_mean_of_draws_at_the_models_temperature(
    policy: UVAPolicy, monkeypatch: pytest.MonkeyPatch
):
    """Draws that lie as far to one side of the truth as to the other: only their mean is right."""
    shape = (2, 4, 8, 4, 4)
    future = torch.randn(shape, generator=torch.Generator().manual_seed(1))
    given = ModelInput(torch.zeros(shape), future=future)
    heats = []

    def sample(model, given, mode, draws, iterations, temperature):
        heats.append(temperature)
        return Sample(None, future + (1.0 if len(heats) % 2 else -1.0), None)

    monkeypatch.setattr(validation, "sample", sample)
    drawn = validation.predict_videos(policy, given, "video_model")
    assert set(heats) == {0.7}
    assert validation.video_errors(policy, given, drawn).ratio == pytest.approx(0.0, abs=1e-6)
    alone = (policy.decode(future + 1.0) - policy.decode(future)).square().mean()
    assert validation.video_errors(policy, given, drawn[:1]).error == pytest.approx(float(alone))
    assert float(alone) > 0.0


@pytest.mark.parametrize("recipe", ["tiny", "mini"])
def test_small_recipes_do_not_cut_pictures_off(recipe: str):
    """Most patches are background: those of the block lie many deviations out, and a limit there erases them."""
    pytest.importorskip("gym_pusht")
    from hoigym.adapters.pusht.world import PushTWorld

    world, seen = PushTWorld(), []
    for seed in range(60):
        world.reset(seed)
        seen.append(world.image())
    config = recipe_config(recipe).model
    policy = UVAPolicy(config).eval()
    pictures = torch.from_numpy(np.stack(seen)).movedim(-1, 1) / 255.0
    assert isinstance(policy.vae_model, PatchAutoencoder)
    policy.vae_model.fit(pictures)
    latents = policy.encode(pictures[None])
    whole = policy.decode(latents)
    limited = policy.decode(latents.clamp(-config.video_limit, config.video_limit))
    # Beside an empty picture.
    lost = (limited - whole).square().mean() / (whole.amax() - whole).square().mean()
    assert float(lost) < 0.01
    # A head as narrow as a token cannot tell the noise in it from what is there.
    assert config.video_head.width >= 8 * config.autoencoder.channels
