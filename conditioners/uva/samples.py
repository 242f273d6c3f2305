"""Training samples: windows of a replay buffer, with latents where pictures need not be encoded each time."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from conditioners.uva.config import CHUNK, InputsConfig, UVAConfig
from conditioners.uva.data.augmentation import Augmentation
from conditioners.uva.data.dataset import ReplayWindows, WindowOptions, check_arrays
from conditioners.uva.data.replay_buffer import ReplayBuffer, read_replay
from conditioners.uva.data.windows import split_episodes
from conditioners.uva.draws import Draws
from conditioners.uva.error import UVAError
from conditioners.uva.frames import FUTURE, HISTORY, action_steps, draw_history
from conditioners.uva.inputs import PREDICTED, PROPRIOCEPTION, ModelInput, join_fields
from conditioners.uva.policy import UVAPolicy
from conditioners.uva.training_config import DataConfig

_PICTURES, _LATENTS, _STATE = "img", "latent", "state"
_AT_ONCE = 64


def read_buffer(config: DataConfig, inputs: InputsConfig) -> ReplayBuffer:
    """The buffer with its pictures, actions and, where there is one, state. Raises UVAError where it lacks what a
    model with these inputs learns from.
    """
    if not config.path:
        raise UVAError("data.path is missing: a replay buffer to learn from")
    buffer = read_replay(Path(config.path))
    if len(buffer.episode_ends) < 2:
        raise UVAError(f"{config.path}: at least two episodes are needed, one of them for validation")
    if inputs.proprioception not in ("none", "agent"):
        raise UVAError(f"proprioception {inputs.proprioception} cannot be trained: replay buffers here do not hold it")
    felt = inputs.proprioception == "agent" or _STATE in buffer.arrays
    check_arrays(buffer, [_PICTURES, "action", *([_STATE] if felt else [])])
    found = buffer.arrays["action"].shape[1]
    if found != inputs.action_dim:
        raise UVAError(f"actions have {found} numbers, model.inputs.action_dim is {inputs.action_dim}")
    return buffer


@torch.no_grad()
def with_latents(buffer: ReplayBuffer, policy: UVAPolicy, device: torch.device) -> ReplayBuffer:
    """The buffer with latents (T, C, h, w) float16, the autoencoder's means, in place of pictures."""
    pictures = buffer.arrays[_PICTURES]
    encoder = policy.to(device).eval()
    latents = np.empty((len(pictures), *_latent_shape(policy.config)), np.float16)
    for start in range(0, len(pictures), _AT_ONCE):
        part = slice(start, start + _AT_ONCE)
        latents[part] = encoder.encode(to_pictures(pictures[part])[None].to(device))[0].cpu().numpy()
    arrays = {name: value for name, value in buffer.arrays.items() if name != _PICTURES}
    return replace(buffer, arrays={**arrays, _LATENTS: latents})


def windows_of(
    buffer: ReplayBuffer, config: DataConfig, model: UVAConfig, text: Tensor | None
) -> tuple[ReplayWindows, ReplayWindows]:
    """Samples to train on and samples to validate on."""
    training, held_out = split_episodes(len(buffer.episode_ends), config.held_out)
    earlier = int(model.inputs.history_action)
    options = WindowOptions(
        horizon=model.window,
        pad_before=config.pad_before,
        pad_after=config.pad_after,
        picture=_LATENTS if _LATENTS in buffer.arrays else _PICTURES,
        picture_steps=None if model.random_history else tuple(earlier + step for step in (*HISTORY, *FUTURE)),
        state=_STATE if _STATE in buffer.arrays else None,
        augmentation=Augmentation() if config.augment else None,
    )
    return (
        ReplayWindows(buffer, options, training, text),
        ReplayWindows(buffer, replace(options, augmentation=None), held_out, text),
    )


def model_input(policy: UVAPolicy, batch: dict[str, Tensor], draws: Draws) -> ModelInput:
    """A batch of windows as the model takes it: latents, normalised actions and proprioception."""
    config, inputs = policy.config, policy.config.inputs
    earlier = int(inputs.history_action)
    frames = batch[_LATENTS] if _LATENTS in batch else _encoded(policy, batch["image"], draws)
    felt_steps = torch.arange(CHUNK)
    if config.random_history:
        felt_steps = draw_history(draws)
        frames = frames[:, earlier + torch.cat([felt_steps, torch.tensor(FUTURE)])]
    action = policy.normalise("action", batch["action"])
    wanted = action_steps(config)
    begin = int(not config.shift_action)
    kind = inputs.proprioception
    felt = {name: policy.normalise(name, batch[name])[:, earlier:] for name in PROPRIOCEPTION[kind]}
    past_felt = {name: value[:, felt_steps] for name, value in felt.items()}
    future_felt = {name: value[:, CHUNK : 2 * CHUNK] for name, value in felt.items()}
    return ModelInput(
        history=frames[:, : len(HISTORY)],
        future=frames[:, len(HISTORY) :],
        action=action[:, earlier + wanted.start : earlier + wanted.stop],
        history_action=action[:, begin : begin + CHUNK] if inputs.history_action else None,
        text=batch.get("text"),
        proprioception=join_fields(past_felt, PROPRIOCEPTION[kind]) if felt else None,
        proprioception_future=join_fields(future_felt, PREDICTED[kind]) if felt else None,
    )


def to_pictures(stored: np.ndarray) -> Tensor:
    """Stored pictures (T, H, W, 3) of 0 .. 255 as (T, 3, H, W) in [0, 1]."""
    return torch.from_numpy(stored).movedim(-1, -3).float() / 255.0


@torch.no_grad()
def _encoded(policy: UVAPolicy, pictures: Tensor, draws: Draws) -> Tensor:
    return policy.encode(pictures, draws)


def _latent_shape(config: UVAConfig) -> tuple[int, int, int]:
    return config.autoencoder.channels, config.grid, config.grid
