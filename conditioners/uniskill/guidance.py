"""Noise, its removal and guidance of the diffusion forward model.

Source: InstructPix2Pix (arXiv 2211.09800) as used by repository KimHanjung/UniSkill.
"""

from collections.abc import Callable
from typing import Any, Literal

import torch
from torch import Tensor

from motions.errors import UserError

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
