"""The skill-conditioned diffusion policy: a chunk of actions from the last observations and z.

Source: arXiv 2505.08787 (section on policies) and repository kang-jaehyun/UniSkill-Policy.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from conditioners.uniskill.policy_config import PolicyConfig
from conditioners.uniskill.policy_network import NoisePredictor
from motions.errors import UserError

try:
    from diffusers.schedulers.scheduling_ddim import DDIMScheduler
except ImportError:
    raise UserError("the diffusion policy needs diffusers: pip install hoigym[uniskill]") from None

_STEPS = 100
_LEAST_SCALE = 1e-3
# Share of the data outside of -1 .. 1 at either end of a component.
_OUTSIDE = 0.01


@dataclass(frozen=True)
class PolicySizes:
    """What the data fixes: numbers of an observation, an action and a skill vector."""

    observation: int
    action: int
    skill: int


class SkillPolicy(nn.Module):
    """Denoises chunks of actions in -1 .. 1; observations and z are standardised by what it was trained on."""

    def __init__(self, config: PolicyConfig, sizes: PolicySizes) -> None:
        super().__init__()
        self.config, self.sizes = config, sizes
        for name, width in (("obs", sizes.observation), ("skill", sizes.skill)):
            self.register_buffer(f"{name}_mean", torch.zeros(width))
            self.register_buffer(f"{name}_scale", torch.ones(width))
        width = min(config.components, sizes.action) or sizes.action
        self.register_buffer("action_mean", torch.zeros(sizes.action))
        self.register_buffer("action_basis", torch.eye(width, sizes.action))
        self.obs_encoder = nn.Sequential(
            nn.Linear(sizes.observation, 4 * config.encoded), nn.Mish(), nn.Linear(4 * config.encoded, config.encoded)
        )
        condition = config.observations * config.encoded + sizes.skill
        self.noise_pred_net = NoisePredictor(width, condition, config.step_width, config.widths)
        self._noise = noise_schedule()

    def standardise(self, obs: Tensor, skills: Tensor, actions: Tensor) -> None:
        """Takes mean and scale of observations (N, O) and z (M, Z), and the components of actions (N, A)."""
        for name, values in (("obs", obs), ("skill", skills)):
            self.get_buffer(f"{name}_mean").copy_(values.mean(0))
            self.get_buffer(f"{name}_scale").copy_(values.std(0).clamp_min(_LEAST_SCALE))
        if not self.config.components:
            return
        mean = actions.mean(0)
        directions = torch.linalg.svd(actions - mean, full_matrices=False)[2][: self.config.components]
        # torch.quantile takes 16 million numbers at most.
        ends = np.quantile(((actions - mean) @ directions.T).numpy(), (_OUTSIDE, 1 - _OUTSIDE), axis=0)
        reach = torch.from_numpy(ends).float().abs().amax(0).clamp_min(_LEAST_SCALE)
        self.get_buffer("action_mean").copy_(mean)
        self.get_buffer("action_basis").copy_(directions * reach[:, None])

    def loss(self, obs: Tensor, skill: Tensor, actions: Tensor, generator: torch.Generator) -> Tensor:
        """Mean squared error of the predicted noise.

        obs: (B, observations, O). skill: (B, Z). actions: (B, horizon, A) in -1 .. 1.
        """
        batch, device = len(obs), obs.device
        step = torch.randint(_STEPS, (batch,), generator=generator, device=device)
        wanted = self.components(actions)
        noise = torch.randn(wanted.shape, generator=generator, device=device)
        noisy = self._noise.add_noise(wanted, noise, step)  # pyright: ignore[reportArgumentType]
        return functional.mse_loss(self.noise_pred_net(noisy, step, self._condition(obs, skill)), noise)

    @torch.no_grad()
    def act(self, obs: Tensor, skill: Tensor, generator: torch.Generator) -> Tensor:
        """Actions to carry out next, (B, executed, A), from observations (B, observations, O) and z (B, Z)."""
        config, steps = self.config, noise_schedule()
        steps.set_timesteps(config.inference_steps, device=obs.device)
        condition = self._condition(obs, skill)
        shape = (len(obs), config.horizon, len(self.get_buffer("action_basis")))
        chunk = torch.randn(shape, generator=generator, device=obs.device)
        for step in steps.timesteps:
            noise = self.noise_pred_net(chunk, step.expand(len(obs)), condition)
            chunk = steps.step(noise, step, chunk).prev_sample  # pyright: ignore
        first = config.observations - 1
        mean, basis = self.get_buffer("action_mean"), self.get_buffer("action_basis")
        return (chunk[:, first : first + config.executed] @ basis + mean).clamp(-1, 1)

    def components(self, actions: Tensor) -> Tensor:
        """Actions (..., A) as the network has them, (..., C)."""
        basis = self.get_buffer("action_basis")
        lengths = basis.square().sum(1)
        return ((actions - self.get_buffer("action_mean")) @ basis.T / lengths).clamp(-1, 1)

    def _condition(self, obs: Tensor, skill: Tensor) -> Tensor:
        standard = (obs - self.get_buffer("obs_mean")) / self.get_buffer("obs_scale")
        encoded = self.obs_encoder(standard.clamp(-5, 5)).flatten(1)
        z = (skill - self.get_buffer("skill_mean")) / self.get_buffer("skill_scale")
        return torch.cat([encoded, z], -1)


def noise_schedule() -> DDIMScheduler:
    """The published noise: squared cosine, 100 steps."""
    return DDIMScheduler(
        num_train_timesteps=_STEPS,
        beta_schedule="squaredcos_cap_v2",
        clip_sample=True,
        set_alpha_to_one=True,
        steps_offset=0,
        prediction_type="epsilon",
    )
