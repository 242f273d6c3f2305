"""UVA transformer: pictures of the past, actions and text in; one latent for each token of the future out."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from hoigym.adapters.uva.config import (
    CHUNK,
    LATENT_FRAMES,
    MODE_NAMES,
    TEXT_TOKENS,
    TEXT_WIDTH,
    Mode,
    UVAConfig,
    UVAError,
)
from hoigym.adapters.uva.draws import Draws
from hoigym.adapters.uva.heads import ChunkHead, DiffusionHead


@dataclass(frozen=True)
class ModeSpec:
    """One task mode. future: hidden, masked (some tokens shown) or shown in full."""

    history: bool
    future: Literal["hidden", "masked", "shown"]
    action: bool
    predicts_video: bool
    predicts_action: bool


MODES: dict[Mode, ModeSpec] = {
    "policy_model": ModeSpec(True, "hidden", False, False, True),
    "video_model": ModeSpec(True, "masked", False, True, False),
    "dynamic_model": ModeSpec(True, "masked", True, True, False),
    # The published inverse model hides the past: it sees nothing but the four future frames.
    "inverse_model": ModeSpec(False, "shown", False, False, True),
    "full_dynamic_model": ModeSpec(True, "masked", False, True, True),
}
assert tuple(MODES) == MODE_NAMES


# --- Which time steps of a window a model sees ----------------------------------------------------------------------


_EVERY = CHUNK // LATENT_FRAMES
HISTORY = tuple(range(_EVERY - 1, CHUNK, _EVERY))
"""Past observations that are seen, out of 16: 3, 7, 11, 15. The last is now."""
FUTURE = tuple(index + CHUNK for index in HISTORY)
"""Future observations that are predicted, counted from the same start: 19, 23, 27, 31."""


def action_steps(config: UVAConfig) -> range:
    """Steps whose actions are predicted, counted from the first observation seen."""
    start = CHUNK - 1 if config.shift_action else CHUNK
    return range(start, start + CHUNK)


def draw_history(draws: Draws) -> Tensor:
    """Four past observations, not decreasing, the last now: one of 816, each as likely, (4,) long."""
    steps = torch.arange(CHUNK)
    three = torch.combinations(steps, LATENT_FRAMES - 1, with_replacement=True)
    chosen = three[int(draws.integers(len(three), 1))]
    return torch.cat([chosen, steps[-1:]])


# --- What a model is given for one batch ----------------------------------------------------------------------------


PROPRIOCEPTION: dict[str, dict[str, int]] = {
    "none": {},
    "agent": {"agent_pos": 2},
    "umi": {
        "robot0_eef_pos": 3,
        "robot0_eef_rot_axis_angle": 6,
        "robot0_gripper_width": 1,
        "robot0_eef_rot_axis_angle_wrt_start": 6,
    },
    "toolhang": {"robot0_eef_pos": 3, "robot0_eef_quat": 4, "robot0_gripper_qpos": 2},
}
"""Fields of each kind of proprioception in the order in which they are joined, and their widths."""
PREDICTED: dict[str, tuple[str, ...]] = {
    "none": (),
    "agent": ("agent_pos",),
    "umi": ("robot0_eef_rot_axis_angle_wrt_start",),
    "toolhang": ("robot0_eef_pos", "robot0_eef_quat", "robot0_gripper_qpos"),
}
"""Fields whose future a proprioception head predicts."""


@dataclass(frozen=True)
class ModelInput:
    """One batch of B samples: 4 latent frames (B, 4, C, h, w) before and after now, and what goes with them.

    history, future: the main camera; wrist_history, wrist_future: the second one. action, history_action
    (B, 16, A): normalised. proprioception (B, 16 or 4, P). proprioception_future (B, 16, Q). text (B, 512).
    A mode takes what it needs and ignores the rest.
    """

    history: Tensor
    future: Tensor | None = None
    action: Tensor | None = None
    history_action: Tensor | None = None
    text: Tensor | None = None
    proprioception: Tensor | None = None
    proprioception_future: Tensor | None = None
    wrist_history: Tensor | None = None
    wrist_future: Tensor | None = None


@dataclass(frozen=True)
class Hidden:
    """What is hidden from a batch. tokens (B, S) bool, the same in all frames; text (B,) and history_action
    (B, 16) bool, None for nothing.
    """

    tokens: Tensor
    text: Tensor | None = None
    history_action: Tensor | None = None


def draw_hidden(config: UVAConfig, batch: int, draws: Draws) -> Hidden:
    """What training hides: a share of tokens from 0.7 up, denser toward all, at random places."""
    tokens = config.grid**2
    share = _share(draws.uniform(1).item())
    order = draws.uniform(batch, tokens).argsort(1)
    text = draws.uniform(batch) < config.inputs.text_drop if config.inputs.text else None
    keep = config.inputs.history_action_keep
    actions = draws.uniform(batch, CHUNK) >= keep if config.inputs.history_action else None
    return Hidden(first_of(order, math.ceil(share * tokens)), text, actions)


def first_of(order: Tensor, count: int) -> Tensor:
    """True at the first `count` places that each row of order (B, S) names, (B, S) bool."""
    mask = torch.zeros_like(order, dtype=torch.bool)
    return mask.scatter(1, order[:, :count], True)


def _share(uniform: float) -> float:
    """A uniform number as one of a normal distribution about 1 with deviation 0.25, cut to 0.7 .. 1."""
    least = 0.5 * (1.0 + math.erf((0.7 - 1.0) / 0.25 / math.sqrt(2.0)))
    point = torch.tensor(least + uniform * (0.5 - least), dtype=torch.float64)
    return min(1.0, 1.0 + 0.25 * float(torch.special.ndtri(point)))


def join_fields(values: Mapping[str, Tensor], names: Mapping[str, int] | tuple[str, ...], suffix: str = "") -> Tensor:
    """The named fields (B, R, w) side by side, (B, R, sum of w)."""
    return torch.cat([values[name + suffix] for name in names], dim=-1)


# --- One block of the transformer -----------------------------------------------------------------------------------


MLP_RATIO = 4


class Block(nn.Module):
    """Pre-norm attention over all tokens, then an MLP (Dosovitskiy et al. 2021); names as in released files."""

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(width, eps=1e-6)
        self.attn = _Attention(width, heads, dropout)
        self.norm2 = nn.LayerNorm(width, eps=1e-6)
        self.mlp = _MLP(width, dropout)

    def forward(self, x: Tensor) -> Tensor:
        """x (B, N, D) -> (B, N, D)."""
        x = x + self.attn(self.norm1(x))
        return x + self.mlp(self.norm2(x))


class _Attention(nn.Module):
    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads, self.dropout = heads, dropout
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        query, key, value = self.qkv(x).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        dropout = self.dropout if self.training else 0.0
        mixed = functional.scaled_dot_product_attention(query, key, value, dropout_p=dropout)
        return functional.dropout(self.proj(mixed.transpose(1, 2).flatten(2)), self.dropout, self.training)


class _MLP(nn.Module):
    def __init__(self, width: int, dropout: float) -> None:
        super().__init__()
        self.dropout = dropout
        self.fc1 = nn.Linear(width, MLP_RATIO * width)
        self.fc2 = nn.Linear(MLP_RATIO * width, width)

    def forward(self, x: Tensor) -> Tensor:
        hidden = functional.dropout(functional.gelu(self.fc1(x)), self.dropout, self.training)
        return functional.dropout(self.fc2(hidden), self.dropout, self.training)


# --- The UVA transformer: pictures of the past, actions and text in; one latent for each token of the future out


class UVAModel(nn.Module):
    """Trunk and diffusion heads (Li et al. 2025, arXiv 2503.00200; base: Li et al. 2024, arXiv 2406.11838).

    S = grid^2 tokens a frame, N = 4 S tokens, D the width. Every position carries, side by side, the future
    token, the past token, the action and so on at that position; what is hidden is a learned vector.
    Names of parameters are those of released files.
    """

    temporal_pos_embed: nn.Parameter
    spatial_pos_embed: nn.Parameter
    text_pos_embed: nn.Parameter
    decoder_temporal_pos_embed: nn.Parameter
    decoder_spatial_pos_embed: nn.Parameter
    decoder_text_pos_embed: nn.Parameter

    def __init__(self, config: UVAConfig) -> None:
        super().__init__()
        self.config = config
        self.tokens = LATENT_FRAMES * config.grid**2
        self._add_inputs()
        self._add_positions()
        trunk = config.trunk
        width = trunk.width
        self.z_proj_ln = nn.LayerNorm(width, eps=1e-6)
        self.encoder_blocks = _blocks(trunk.encoder_depth, width, trunk.encoder_heads, trunk.dropout)
        self.encoder_norm = nn.LayerNorm(width, eps=1e-6)
        self.decoder_embed = nn.Linear(width, width)
        self.decoder_blocks = _blocks(trunk.decoder_depth, width, trunk.decoder_heads, trunk.dropout)
        self.decoder_norm = nn.LayerNorm(width, eps=1e-6)
        self._initialise()
        self._add_heads()

    def forward(self, given: ModelInput, mode: Mode, hidden: Hidden) -> Tensor:
        """The joint latent of video and action, (B, N, D), frames first."""
        return self.decode(self.encode(given, mode, hidden))

    def encode(self, given: ModelInput, mode: Mode, hidden: Hidden) -> Tensor:
        """Tokens after the encoder, (B, [64 +] N, D). Raises UVAError where an input is missing."""
        parts = self._parts(given, mode, hidden.tokens, hidden.history_action)
        x = self.proj_cond_x_layer(torch.cat(parts, dim=-1))
        x = x + self._positions(self.temporal_pos_embed, self.spatial_pos_embed)
        if self.config.inputs.text:
            x = torch.cat([self._text(given, hidden.text), x], dim=1)
        x = self.z_proj_ln(x)
        for block in self.encoder_blocks:
            x = block(x)
        return self.encoder_norm(x)

    def decode(self, encoded: Tensor) -> Tensor:
        """The joint latent (B, N, D) of encoded tokens."""
        x = self.decoder_embed(encoded)
        places = self._positions(self.decoder_temporal_pos_embed, self.decoder_spatial_pos_embed)
        if self.config.inputs.text:
            places = torch.cat([self.decoder_text_pos_embed, places], dim=1)
        x = x + places
        for block in self.decoder_blocks:
            x = block(x)
        x = self.decoder_norm(x)[:, -self.tokens :]
        return x + self._positions(self.diffusion_temporal_embed, self.diffusion_spatial_embed)

    def to_grid(self, z: Tensor) -> Tensor:
        """Tokens (B, N, D) by frame and place, (B, 4, S, S, D)."""
        grid = self.config.grid
        return z.unflatten(1, (LATENT_FRAMES, grid, grid))

    def to_tokens(self, latents: Tensor) -> Tensor:
        """Latent frames (B, 4, C, h, w) as tokens (B, N, C), row by row."""
        expected = (LATENT_FRAMES, self.config.autoencoder.channels, self.config.grid, self.config.grid)
        if tuple(latents.shape[1:]) != expected:
            raise UVAError(f"latent frames of shape {tuple(latents.shape[1:])}; the model has {expected}")
        return latents.flatten(3).mT.flatten(1, 2)

    def to_latents(self, tokens: Tensor) -> Tensor:
        """Tokens (B, N, C) as latent frames (B, 4, C, h, w)."""
        return self.to_grid(tokens).permute(0, 1, 4, 2, 3)

    def _parts(self, given: ModelInput, mode: Mode, masked: Tensor, lost: Tensor | None) -> list[Tensor]:
        """What stands side by side at every position, each (B, N, D), in the published order."""
        spec, inputs = MODES[mode], self.config.inputs
        batch = len(given.history)
        fake = self.fake_latent_x.expand(batch, self.tokens, -1)
        mask = masked.repeat(1, LATENT_FRAMES)
        parts = [self._future(spec.future, given.future, mask, self.fake_latent_x, self.z_proj)]
        if inputs.predict_wrist:
            hidden_as = self.fake_latent_wrist_x
            parts.append(self._future(spec.future, given.wrist_future, mask, hidden_as, self.z_proj_wrist))
        parts.append(self.z_proj_cond(self.to_tokens(given.history)) if spec.history else fake)
        if inputs.history_action:
            past = self.history_action_proj_cond(_given(given.history_action, "history_action"))
            parts.append(self._spread(_hide(past, lost, self.fake_latent_history_action)))
        if spec.action:
            parts.append(self._spread(self.action_proj_cond(_given(given.action, "action"))))
        else:
            parts.append(self.fake_action_latent.expand(batch, self.tokens, -1))
        if inputs.proprioception == "toolhang":
            camera = self.to_tokens(_given(given.wrist_history, "wrist_history"))
            parts.append(self.proprioception_image_proj_cond(camera))
        if inputs.proprioception != "none":
            felt = _given(given.proprioception, "proprioception")
            parts.append(self._spread(self.proprioception_proj_cond(felt)))
        return parts

    def _future(self, shown: str, future: Tensor | None, mask: Tensor, fake: Tensor, project: nn.Module) -> Tensor:
        if shown == "hidden":
            return fake.expand(len(mask), self.tokens, -1)
        tokens = project(self.to_tokens(_given(future, "future")))
        return tokens if shown == "shown" else _hide(tokens, mask, fake)

    def _spread(self, values: Tensor) -> Tensor:
        """Values over time (B, R, D) repeated over the tokens of their time, (B, N, D)."""
        return values.repeat_interleave(self.tokens // values.shape[1], dim=1)

    def _text(self, given: ModelInput, lost: Tensor | None) -> Tensor:
        text = _hide(self.text_proj_cond(_given(given.text, "text")), lost, self.fake_latent)
        return text[:, None].expand(-1, TEXT_TOKENS, -1) + self.text_pos_embed

    def _positions(self, temporal: Tensor, spatial: Tensor) -> Tensor:
        return (temporal[:, :, None] + spatial[:, None]).flatten(1, 2)

    def _add_inputs(self) -> None:
        inputs, width, channels = self.config.inputs, self.config.trunk.width, self.config.autoencoder.channels
        self.fake_latent_x = _parameter(1, width)
        self.fake_action_latent = _parameter(1, width)
        self.z_proj = nn.Linear(channels, width)
        self.z_proj_cond = nn.Linear(channels, width)
        self.action_proj_cond = nn.Linear(inputs.action_dim, width)
        sides = 3
        if inputs.predict_wrist:
            self.fake_latent_wrist_x = _parameter(1, width)
            self.z_proj_wrist = nn.Linear(channels, width)
            sides += 1
        if inputs.history_action:
            self.fake_latent_history_action = _parameter(1, width)
            self.history_action_proj_cond = nn.Linear(inputs.action_dim, width)
            sides += 1
        if inputs.text:
            self.fake_latent = _parameter(1, width)
            self.text_proj_cond = nn.Linear(TEXT_WIDTH, width)
        if inputs.proprioception != "none":
            self.proprioception_proj_cond = nn.Linear(sum(PROPRIOCEPTION[inputs.proprioception].values()), width)
            # Released files hold this layer also where there is no second camera to use it.
            self.proprioception_image_proj_cond = nn.Linear(channels, width)
            sides += 2 if inputs.proprioception == "toolhang" else 1
        self.proj_cond_x_layer = nn.Linear(sides * width, width)

    def _add_positions(self) -> None:
        width, tokens = self.config.trunk.width, self.config.grid**2
        for prefix in ("", "decoder_"):
            setattr(self, f"{prefix}temporal_pos_embed", _parameter(1, LATENT_FRAMES, width))
            setattr(self, f"{prefix}spatial_pos_embed", _parameter(1, tokens, width))
            if self.config.inputs.text:
                setattr(self, f"{prefix}text_pos_embed", _parameter(1, TEXT_TOKENS, width))
        self.diffusion_temporal_embed = _parameter(1, LATENT_FRAMES, width)
        self.diffusion_spatial_embed = _parameter(1, tokens, width)

    def _add_heads(self) -> None:
        config, inputs, width = self.config, self.config.inputs, self.config.trunk.width
        channels = config.autoencoder.channels
        self.diffloss = DiffusionHead(channels, width, config.video_head, config.video_limit)
        if inputs.predict_wrist:
            self.diffloss_wrist = DiffusionHead(channels, width, config.video_head, config.video_limit)
        if inputs.predict_action:
            self.diffactloss = ChunkHead(inputs.action_dim, width, config.action_head)
            if inputs.predict_proprioception:
                kind = inputs.proprioception
                felt = sum(PROPRIOCEPTION[kind][name] for name in PREDICTED[kind])
                self.diffproploss = ChunkHead(felt, width, config.action_head)

    def _initialise(self) -> None:
        for parameter in self.parameters(recurse=False):
            nn.init.normal_(parameter, std=0.02)
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.xavier_uniform_(module.weight)
                nn.init.zeros_(module.bias)


def _blocks(depth: int, width: int, heads: int, dropout: float) -> nn.ModuleList:
    return nn.ModuleList(Block(width, heads, dropout) for _ in range(depth))


def _parameter(*shape: int) -> nn.Parameter:
    return nn.Parameter(torch.empty(shape))


def _given(value: Tensor | None, name: str) -> Tensor:
    if value is None:
        raise UVAError(f"this UVA model needs {name}, which is missing")
    return value


def _hide(values: Tensor, hidden: Tensor | None, fake: Tensor) -> Tensor:
    """values (..., D) with the learned vector (1, D) where hidden (...) is True."""
    return values if hidden is None else torch.where(hidden[..., None], fake, values)
