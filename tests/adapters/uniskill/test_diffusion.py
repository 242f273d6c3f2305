import json
from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from hoigym.adapters.uniskill.diffusion import (
    SCALING,
    DiffusionForward,
    Draws,
    guidance_masks,
    make_autoencoder,
    make_unet,
    sample,
    scheduler,
)
from hoigym.adapters.uniskill.forward import DiffusionConfig
from hoigym.adapters.uniskill.isd import InverseDynamics, IsdConfig
from tests.adapters.uniskill.oracles import CLOSE, apart, arrays, far, key_list, own_keys

TINY = DiffusionConfig(channels=(32, 64), layers_per_block=1, heads=4, norm_groups=8, attention_levels=1)
ISD = IsdConfig(layers=2, heads=2, width=32, skill_dim=8, context_dim=16, resolution=64)
TOLERANCE = 1e-4


def test_official_keys(shared: Path) -> None:
    with torch.device("meta"):
        unet, autoencoder = make_unet(DiffusionConfig(), 768, 4, 64), make_autoencoder()
    assert own_keys(unet) == key_list(shared, "fsd_unet")
    assert sum(value.numel() for value in unet.parameters()) == 859_532_484
    assert own_keys(autoencoder) == key_list(shared, "fsd_vae")


def tiny_forward(shared: Path) -> DiffusionForward:
    forward = DiffusionForward(TINY, 8, ISD.context_dim)
    forward.unet = make_unet(TINY, ISD.context_dim, 4, 8)
    forward.unet.load_state_dict(arrays(shared, "fsd_tiny_unet_weights"))
    autoencoder = make_autoencoder((16, 32, 32, 32), 1, 8)
    autoencoder.load_state_dict(arrays(shared, "fsd_tiny_vae_weights"))
    forward._frozen = [autoencoder.eval().requires_grad_(False)]
    return forward.eval()


def test_tiny_config_is_the_oracles(shared: Path) -> None:
    config = json.loads((shared / "oracle" / "uniskill_fsd_tiny_config.json").read_text())
    unet = make_unet(TINY, ISD.context_dim, 4, 8)
    for key, value in config["unet"].items():
        own = unet.config[key]
        assert (list(own) if isinstance(own, tuple) else own) == value, key
    for key in ("beta_start", "beta_end", "beta_schedule", "clip_sample", "steps_offset", "prediction_type"):
        assert scheduler("ddpm").config[key] == config["scheduler"][key]
    assert config["vae"]["scaling_factor"] == SCALING


def test_one_training_step(shared: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    io, forward = arrays(shared, "fsd_tiny_io"), tiny_forward(shared)
    isd = InverseDynamics(ISD)
    isd.load_state_dict(arrays(shared, "isd_small_weights"))
    isd.eval()
    condition = forward.encode_condition(io["curr_image01"])
    assert apart(condition, io["curr_latents"]) < CLOSE
    monkeypatch.setattr(torch, "randn", lambda *_, **__: io["eps_vae"])
    latents = forward.encode(io["next_image01"], torch.Generator())
    assert apart(latents, io["latents"]) < CLOSE
    keep_context, keep_condition = guidance_masks(io["random_p"])
    assert torch.equal(keep_condition, io["image_mask"])
    assert torch.equal(keep_context.bool(), io["prompt_mask"])

    raw = io["depth_raw"]
    low = raw.amin((1, 2), keepdim=True)
    scaled = (raw - low) / (raw.amax((1, 2), keepdim=True) - low)
    pair = functional.interpolate(torch.stack(scaled.chunk(2), 1), (64, 64), mode="bilinear", align_corners=False)
    assert apart(pair, io["depth_pair"]) < CLOSE
    images = torch.stack([io["curr_image01"], io["next_image01"]], 1)
    context = isd.context(isd.skill(pair, images))
    assert apart(context, io["latent_action"]) < CLOSE
    draws = Draws(io["timesteps"], io["noise"], io["random_p"])
    predicted = forward.predict_noise(latents, condition, context, draws)
    assert apart(predicted, io["model_pred"]) < CLOSE
    loss = functional.mse_loss(predicted, io["noise"])
    assert loss.item() == pytest.approx(io["loss"].item(), rel=1e-5)
    loss.backward()
    for gradient, known in (
        (isd.skill_proj.weight.grad, io["grad_skill_proj_weight"]),
        (forward.unet.conv_in.weight.grad, io["grad_unet_conv_in"]),
    ):
        assert isinstance(gradient, Tensor)
        assert apart(gradient, known) < CLOSE


@pytest.mark.parametrize(("name", "guidance", "image_guidance"), [("cfg", 7.5, 2.5), ("nocfg", 0.0, 2.5)])
def test_sampling_with_and_without_guidance(shared: Path, name: str, guidance: float, image_guidance: float) -> None:
    io, forward = arrays(shared, "fsd_tiny_pipeline_io"), tiny_forward(shared)
    steps = scheduler("ddim")
    steps.set_timesteps(5)
    assert steps.timesteps.tolist() == io["timesteps"].tolist()
    picture = io["image_uint8"].permute(2, 0, 1)[None] / 255
    condition = forward.encode_condition(picture)
    latents = sample(
        forward._denoise, steps, io["prompt_embeds"], condition, io["init_latents"], guidance, image_guidance
    )
    assert far(latents, io[f"{name}_latent"]) < TOLERANCE * max(1.0, float(io[f"{name}_latent"].abs().mean()))
    assert far(forward.decode(latents).permute(0, 2, 3, 1), io[f"{name}_image"]) < TOLERANCE


def test_masks_have_their_probabilities() -> None:
    context, condition = guidance_masks(torch.linspace(0, 0.9999, 2000))
    assert context.mean().item() == pytest.approx(0.90, abs=1e-3)
    assert condition.mean().item() == pytest.approx(0.90, abs=1e-3)
    assert (context.flatten() + condition.flatten() == 0).float().mean().item() == pytest.approx(0.05, abs=1e-3)


def test_on_pixels_it_learns_a_little() -> None:
    torch.manual_seed(0)
    forward = DiffusionForward(TINY, 8, 16)
    now = torch.rand(8, 3, 8, 8, generator=torch.Generator().manual_seed(1))
    following, context = now.flip(-1), torch.zeros(8, 1, 16)
    optimizer = torch.optim.AdamW(forward.parameters(), 2e-3)
    generator = torch.Generator().manual_seed(0)
    losses = []
    for _ in range(40):
        loss, _ = forward.loss(now, following, context, generator)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert sum(losses[-5:]) < 0.6 * sum(losses[:5])
    assert forward.predict(now, context, generator).shape == now.shape
