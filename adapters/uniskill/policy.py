"""Skill-conditioned diffusion policy: a chunk of actions from the last observations and z.

Source: Diffusion Policy (arXiv 2303.04137) as in repository kang-jaehyun/UniSkill-Policy; its weights load key for key.

Source: robomimic's encoder as repository kang-jaehyun/UniSkill-Policy configures it; its weights load key for key,
with the second names under which they hold backbone and pooling again.

Source: arXiv 2505.08787 (section on policies) and repository kang-jaehyun/UniSkill-Policy.
"""

import collections
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from hoigym.adapters.learning.state import load_weights, trained_weights
from hoigym.adapters.uniskill.config import PolicyConfig, PolicyTraining
from hoigym.adapters.uniskill.isd import RESNET_CHANNELS, resnet18
from hoigym.adapters.uniskill.pretrained import run_config
from hoigym.core.checkpoint import load_latest
from hoigym.core.errors import UserError


class _ConvBlock(nn.Module):
    def __init__(self, inputs: int, outputs: int, kernel: int, groups: int) -> None:
        super().__init__()
        self.block = nn.Sequential(
            nn.Conv1d(inputs, outputs, kernel, padding=kernel // 2), nn.GroupNorm(groups, outputs), nn.Mish()
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.block(x)


class _ResidualBlock(nn.Module):
    """Two convolutions over time; the condition scales and shifts what comes between them."""

    def __init__(self, inputs: int, outputs: int, condition: int, kernel: int, groups: int) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(
            [_ConvBlock(inputs, outputs, kernel, groups), _ConvBlock(outputs, outputs, kernel, groups)]
        )
        self.cond_encoder = nn.Sequential(nn.Mish(), nn.Linear(condition, 2 * outputs))
        self.residual_conv = nn.Conv1d(inputs, outputs, 1) if inputs != outputs else nn.Identity()

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        scale, shift = self.cond_encoder(condition)[..., None].chunk(2, 1)
        return self.blocks[1](scale * self.blocks[0](x) + shift) + self.residual_conv(x)


class _Shrink(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv = nn.Conv1d(width, width, 3, 2, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(x)


class _Grow(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv = nn.ConvTranspose1d(width, width, 4, 2, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(x)


class _StepEncoding(nn.Module):
    """Sines, then cosines, of the diffusion step at geometric frequencies from 1 down to 1 / 10000."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self._half = width // 2

    def forward(self, step: Tensor) -> Tensor:
        rate = torch.arange(self._half, device=step.device) * (-math.log(10_000) / (self._half - 1))
        angle = step[:, None] * rate.exp()
        return torch.cat([angle.sin(), angle.cos()], -1)


class NoisePredictor(nn.Module):
    """A U-shaped network over time.

    Args:
        actions: numbers an action. condition: numbers of the global condition. step_width: of the encoded diffusion
        step. widths: of the levels; the length of the chunk must be divisible by 2 ** (levels - 1).
    """

    def __init__(
        self,
        actions: int,
        condition: int,
        step_width: int = 256,
        widths: tuple[int, ...] = (256, 512, 1024),
        kernel: int = 5,
        groups: int = 8,
    ) -> None:
        super().__init__()
        whole = step_width + condition

        def block(inputs: int, outputs: int) -> _ResidualBlock:
            return _ResidualBlock(inputs, outputs, whole, kernel, groups)

        self.diffusion_step_encoder = nn.Sequential(
            _StepEncoding(step_width),
            nn.Linear(step_width, 4 * step_width),
            nn.Mish(),
            nn.Linear(4 * step_width, step_width),
        )
        self.mid_modules = nn.ModuleList([block(widths[-1], widths[-1]) for _ in range(2)])
        self.down_modules, self.up_modules = nn.ModuleList(), nn.ModuleList()
        inputs = actions
        for level, width in enumerate(widths):
            last = level == len(widths) - 1
            shrink = nn.Identity() if last else _Shrink(width)
            self.down_modules.append(nn.ModuleList([block(inputs, width), block(width, width), shrink]))
            inputs = width
        for below, width in zip(reversed(widths[:-1]), reversed(widths[1:]), strict=True):
            self.up_modules.append(nn.ModuleList([block(2 * width, below), block(below, below), _Grow(below)]))
        self.final_conv = nn.Sequential(
            _ConvBlock(widths[0], widths[0], kernel, groups), nn.Conv1d(widths[0], actions, 1)
        )

    def forward(self, chunk: Tensor, step: Tensor, condition: Tensor) -> Tensor:
        """Predicted noise (B, T, A) of noisy chunks (B, T, A) at steps (B,) under conditions (B, C)."""
        whole = torch.cat([self.diffusion_step_encoder(step), condition], -1)
        x = chunk.transpose(1, 2)
        passed: list[Tensor] = []
        for first, second, shrink in self.down_modules:  # pyright: ignore[reportGeneralTypeIssues]
            x = second(first(x, whole), whole)
            passed.append(x)
            x = shrink(x)
        for block in self.mid_modules:
            x = block(x, whole)
        for first, second, grow in self.up_modules:  # pyright: ignore[reportGeneralTypeIssues]
            x = grow(second(first(torch.cat([x, passed.pop()], 1), whole), whole))
        return self.final_conv(x).transpose(1, 2)


# --- The published policy's eyes: a picture of each camera becomes 64 numbers ---------------------------------------


CAMERAS = ("agentview_rgb", "eye_in_hand_rgb")
LOW_DIM = {"ee_ori": 3, "ee_pos": 3, "gripper_states": 2, "joint_states": 7}
CROP = 116
"""Side of the part of a 128 pixel picture that is seen."""
_KEYPOINTS, _FEATURES, _CHANNELS_A_GROUP = 32, 64, 16


class _Backbone(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.nets = resnet18(lambda channels: nn.GroupNorm(channels // _CHANNELS_A_GROUP, channels))

    def forward(self, x: Tensor) -> Tensor:
        return self.nets(x)


class _Keypoints(nn.Module):
    """Where each of 32 maps is brightest on average, in -1 .. 1: (N, 512, 4, 4) to (N, 32, 2)."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.nets = nn.Conv2d(RESNET_CHANNELS, _KEYPOINTS, 1)
        across = torch.linspace(-1, 1, size)
        rows, columns = torch.meshgrid(across, across, indexing="ij")
        self.register_buffer("temperature", torch.ones(1))
        self.register_buffer("pos_x", columns.reshape(1, -1))
        self.register_buffer("pos_y", rows.reshape(1, -1))

    def forward(self, x: Tensor) -> Tensor:
        weight = (self.nets(x).flatten(2) / self.get_buffer("temperature")).softmax(-1)
        return torch.stack([(weight * self.get_buffer(name)).sum(-1) for name in ("pos_x", "pos_y")], -1)


class _Camera(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.backbone = _Backbone()
        self.pool = _Keypoints((CROP + 31) // 32)
        self.nets = nn.Sequential(self.backbone, self.pool, nn.Flatten(), nn.Linear(2 * _KEYPOINTS, _FEATURES))

    def forward(self, images: Tensor) -> Tensor:
        return self.nets(images)


class ImageObservations(nn.Module):
    """Observations of one moment as one vector: pictures encoded, the rest as it is, in the order of their names."""

    def __init__(self, cameras: Sequence[str] = CAMERAS, low_dim: Mapping[str, int] = LOW_DIM) -> None:
        super().__init__()
        self.width = len(cameras) * _FEATURES + sum(low_dim.values())
        self._names = sorted([*cameras, *low_dim])
        self.obs_nets = nn.ModuleDict({name: _Camera() for name in cameras})

    def forward(self, moment: Mapping[str, Tensor]) -> Tensor:
        """moment: pictures (N, 3, 128, 128) in 0 .. 1 by camera, of which the middle is seen; other values (N, .)."""
        parts = []
        for name in self._names:
            value = moment[name]
            if name in self.obs_nets:
                rows, columns = ((length - CROP) // 2 for length in value.shape[-2:])
                value = self.obs_nets[name](value[..., rows : rows + CROP, columns : columns + CROP])
            parts.append(value)
        return torch.cat(parts, -1)


# --- The skill-conditioned diffusion policy: a chunk of actions from the last observations and z --------------------


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


# --- The trained skill-conditioned policy at work -------------------------------------------------------------------


def load_policy(run_dir: Path) -> SkillPolicy:
    """The policy of a run of `uniskill policy`, averaged weights where it kept some; in evaluation mode.

    Raises PretrainedError or CheckpointError for anything else.
    """
    config = run_config(run_dir, PolicyTraining).policy
    checkpoint, _ = load_latest(run_dir)
    weights = trained_weights(checkpoint)
    sizes = PolicySizes(*(len(weights[f"{name}_mean"]) for name in ("obs", "action", "skill")))
    policy = SkillPolicy(config, sizes)
    load_weights(policy, weights, str(checkpoint.path))
    return policy.eval().requires_grad_(False)


class RecedingHorizon:
    """Plans with a policy, carries out the next actions of the plan, and plans anew; for rows that began together.

    seed: of the noise from which plans are made.
    """

    def __init__(self, policy: SkillPolicy, seed: int) -> None:
        self._policy = policy
        self._seen: collections.deque[Tensor] = collections.deque(maxlen=policy.config.observations)
        self._plan: list[Tensor] = []
        self._generator = torch.Generator(policy.get_buffer("obs_mean").device).manual_seed(seed)

    def __call__(self, obs: Tensor, skill: Tensor) -> Tensor:
        """The next actions (N, A) after observations (N, O); z (N, Z) is looked at where a plan is due.

        The first observations stand for those before them too.
        """
        self._seen.extend([obs] * (1 if self._seen else self._policy.config.observations))
        if not self._plan:
            seen = torch.stack(tuple(self._seen), 1)
            self._plan = list(self._policy.act(seen, skill, self._generator).unbind(1))
        return self._plan.pop(0)
