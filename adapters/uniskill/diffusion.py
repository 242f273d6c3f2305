"""Diffusion forward model, as published: a network that edits the current picture as z says.

Source: InstructPix2Pix (arXiv 2211.09800) as used by repository KimHanjung/UniSkill.

Source: arXiv 2505.08787, repository KimHanjung/UniSkill; the network and its noise are InstructPix2Pix's.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor
from torch.nn import functional

from hoigym.adapters.uniskill.forward import DiffusionConfig, ForwardDynamics, stage_kwargs
from hoigym.core.errors import UserError, first_line

try:
    from diffusers.schedulers.scheduling_ddim import DDIMScheduler
    from diffusers.schedulers.scheduling_ddpm import DDPMScheduler
except ImportError:
    raise UserError("this forward model needs diffusers: pip install hoigym[uniskill]") from None

DROP = 0.05
"""Probability of each of: no context, neither, no condition."""
Denoiser = Callable[[Tensor, Tensor, Tensor], Tensor]
"""Noisy latents with the condition on channels, timesteps (B,), context (B, 1, C) -> predicted noise."""
_NOISE: dict[str, Any] = {
    "num_train_timesteps": 1000,
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "clip_sample": False,
    "steps_offset": 1,
    "prediction_type": "epsilon",
    "timestep_spacing": "leading",
}


def scheduler(kind: Literal["ddpm", "ddim"]) -> DDPMScheduler | DDIMScheduler:
    """Scheduler with the published noise."""
    if kind == "ddpm":
        return DDPMScheduler(**_NOISE)
    return DDIMScheduler(**_NOISE, set_alpha_to_one=False)


def guidance_masks(draws: Tensor) -> tuple[Tensor, Tensor]:
    """What each sample keeps, as factors: of the context (B, 1, 1), of the condition (B, 1, 1, 1).

    draws: (B,) uniform in 0 .. 1. Below 0.05 the context goes, below 0.10 both, below 0.15 the condition.
    """
    context = (draws >= 2 * DROP).float()
    condition = 1.0 - ((draws >= DROP) & (draws < 3 * DROP)).float()
    return context[:, None, None], condition[:, None, None, None]


@torch.no_grad()
def sample(
    denoiser: Denoiser,
    steps: DDPMScheduler | DDIMScheduler,
    context: Tensor,
    condition: Tensor,
    noise: Tensor,
    guidance: float = 7.5,
    image_guidance: float = 1.5,
    generator: torch.Generator | None = None,
) -> Tensor:
    """Latents (B, L, h, w) by removing noise step by step.

    denoiser: the network. steps: scheduler whose timesteps are set. context: (B, 1, C). condition: (B, L', h, w)
    unscaled latents of the current picture. noise: (B, L, h, w) to begin with. guidance, image_guidance: pull
    towards the context and towards the picture, used where guidance > 1 and image_guidance >= 1.
    """
    guided = guidance > 1.0 and image_guidance >= 1.0
    if guided:
        nothing = torch.zeros_like(context)
        context = torch.cat([context, nothing, nothing])
        condition = torch.cat([condition, condition, torch.zeros_like(condition)])
    latents = noise * steps.init_noise_sigma
    for time in steps.timesteps:
        inputs = torch.cat([latents] * 3) if guided else latents
        inputs = torch.cat([steps.scale_model_input(inputs, time), condition], 1)  # pyright: ignore[reportArgumentType]
        predicted = denoiser(inputs, time.to(latents.device).expand(len(inputs)), context)
        if guided:
            both, picture, neither = predicted.chunk(3)
            predicted = neither + guidance * (both - picture) + image_guidance * (picture - neither)
        latents = steps.step(predicted, time, latents, generator=generator).prev_sample  # pyright: ignore
    return latents


# --- The published forward model: a diffusion network that edits the current picture as z says ----------------------


try:
    from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
    from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
except ImportError:
    raise UserError("this forward model needs diffusers: pip install hoigym[uniskill]") from None

SCALING = 0.18215
"""Factor of the latents of Stable Diffusion 1.x; the condition's latents are not scaled."""
_REDUCTION = 8
_LATENT_CHANNELS = 4
_VALIDATION_STEPS = 10
# Pull towards z and towards the current picture in validation pictures.
_GUIDANCE, _IMAGE_GUIDANCE = 7.5, 2.5


@dataclass(frozen=True)
class Draws:
    """What is random in a step, for B samples. times: (B,) long. noise: like the latents. keep: (B,) uniform, see
    `guidance_masks`.
    """

    times: Tensor
    noise: Tensor
    keep: Tensor


class DiffusionForward(ForwardDynamics):
    """The FSD: denoises the next picture's latents beside the current one's, under the context token.

    unet: trained. The autoencoder is frozen and no part of the state; without one the latents are the pixels.
    """

    def __init__(self, config: DiffusionConfig, resolution: int, context_dim: int) -> None:
        super().__init__()
        self._frozen = [load_autoencoder(config.autoencoder)] if config.autoencoder else []
        channels, reduction = (_LATENT_CHANNELS, _REDUCTION) if self._frozen else (3, 1)
        self.unet = make_unet(config, context_dim, channels, resolution // reduction)
        self._noise = scheduler("ddpm")

    def loss(
        self, now: Tensor, following: Tensor, context: Tensor, generator: torch.Generator
    ) -> tuple[Tensor, dict[str, Tensor]]:
        latents, condition = self.encode(following, generator), self.encode_condition(now)
        batch, device = len(now), now.device
        draws = Draws(
            torch.randint(len(self._noise.alphas_cumprod), (batch,), generator=generator, device=device),
            torch.randn(latents.shape, generator=generator, device=device),
            torch.rand(batch, generator=generator, device=device),
        )
        return functional.mse_loss(self.predict_noise(latents, condition, context, draws), draws.noise), {}

    def predict_noise(self, latents: Tensor, condition: Tensor, context: Tensor, draws: Draws) -> Tensor:
        """The network's guess of the noise in training, with the masks of the guidance."""
        noisy = self._noise.add_noise(latents, draws.noise, draws.times)  # pyright: ignore[reportArgumentType]
        keep_context, keep_condition = guidance_masks(draws.keep)
        return self._denoise(torch.cat([noisy, condition * keep_condition], 1), draws.times, context * keep_context)

    def predict(self, now: Tensor, context: Tensor, generator: torch.Generator) -> Tensor:
        steps = scheduler("ddim")
        steps.set_timesteps(_VALIDATION_STEPS, device=now.device)
        condition = self.encode_condition(now)
        noise = torch.randn(condition.shape, generator=generator, device=now.device)
        latents = sample(self._denoise, steps, context, condition, noise, _GUIDANCE, _IMAGE_GUIDANCE)
        return self.decode(latents)

    @torch.no_grad()
    def encode(self, images: Tensor, generator: torch.Generator) -> Tensor:
        """Scaled latents of pictures in 0 .. 1, drawn from the autoencoder's distribution."""
        if not self._frozen:
            return 2 * images - 1
        posterior = self._autoencoder(images).encode(2 * images - 1).latent_dist  # pyright: ignore
        eps = torch.randn(posterior.mean.shape, generator=generator, device=images.device)
        return (posterior.mean + posterior.std * eps) * SCALING

    @torch.no_grad()
    def encode_condition(self, images: Tensor) -> Tensor:
        """Likeliest latents of pictures in 0 .. 1, not scaled: the convention of InstructPix2Pix."""
        if not self._frozen:
            return 2 * images - 1
        return self._autoencoder(images).encode(2 * images - 1).latent_dist.mode()  # pyright: ignore

    @torch.no_grad()
    def decode(self, latents: Tensor) -> Tensor:
        """Pictures in 0 .. 1 of scaled latents."""
        images = self._autoencoder(latents).decode(latents / SCALING).sample if self._frozen else latents  # pyright: ignore
        return (images / 2 + 0.5).clamp(0, 1)

    def _denoise(self, inputs: Tensor, times: Tensor, context: Tensor) -> Tensor:
        return self.unet(inputs, times, context, return_dict=False)[0]

    def _autoencoder(self, like: Tensor) -> AutoencoderKL:
        return self._frozen[0].to(like.device)  # pyright: ignore[reportArgumentType]


def make_unet(config: DiffusionConfig, context_dim: int, latent_channels: int, size: int) -> UNet2DConditionModel:
    """The network with new weights; for latents (B, latent_channels, size, size)."""
    return UNet2DConditionModel(
        sample_size=size,
        in_channels=2 * latent_channels,
        out_channels=latent_channels,
        cross_attention_dim=context_dim,
        attention_head_dim=config.heads,
        block_out_channels=config.channels,
        layers_per_block=config.layers_per_block,
        norm_num_groups=config.norm_groups,
        **stage_kwargs(config),
    )


def make_autoencoder(
    channels: tuple[int, ...] = (128, 256, 512, 512), layers_per_block: int = 2, norm_groups: int = 32
) -> AutoencoderKL:
    """The autoencoder with new weights; by default as Stable Diffusion 1.x has it."""
    return AutoencoderKL(
        block_out_channels=channels,  # pyright: ignore[reportArgumentType]
        layers_per_block=layers_per_block,
        norm_num_groups=norm_groups,
        latent_channels=_LATENT_CHANNELS,
        down_block_types=("DownEncoderBlock2D",) * len(channels),  # pyright: ignore[reportArgumentType]
        up_block_types=("UpDecoderBlock2D",) * len(channels),  # pyright: ignore[reportArgumentType]
        scaling_factor=SCALING,
    )


def load_autoencoder(source: str) -> AutoencoderKL:
    """A frozen autoencoder from a folder (itself or its `vae`) or a hub id. Raises UserError where it is not there."""
    subfolder = "vae" if not Path(source).is_dir() or (Path(source) / "vae").is_dir() else None
    try:
        model = AutoencoderKL.from_pretrained(source, subfolder=subfolder, use_safetensors=True)
    except (OSError, ValueError) as error:
        raise UserError(f"autoencoder {source}: cannot be loaded ({first_line(error)})") from None
    return model.eval().requires_grad_(False)
