"""The UVA transformer: pictures of the past, actions and text in; one latent for each token of the future out."""

import torch
from torch import Tensor, nn

from conditioners.uva.block import Block
from conditioners.uva.config import LATENT_FRAMES, TEXT_TOKENS, TEXT_WIDTH, Mode, UVAConfig
from conditioners.uva.error import UVAError
from conditioners.uva.heads import ChunkHead, DiffusionHead
from conditioners.uva.inputs import PREDICTED, PROPRIOCEPTION, Hidden, ModelInput
from conditioners.uva.modes import MODES


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
