"""Windows of a replay buffer as training samples."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from hoigym.adapters.uva.config import CHUNK, DataConfig, InputsConfig, UVAConfig, UVAError
from hoigym.adapters.uva.draws import Draws
from hoigym.adapters.uva.model import (
    FUTURE,
    HISTORY,
    PREDICTED,
    PROPRIOCEPTION,
    ModelInput,
    action_steps,
    draw_history,
    join_fields,
)
from hoigym.adapters.uva.policy import UVAPolicy
from hoigym.adapters.uva.replay_buffer import ReplayBuffer, read_replay

Indices = NDArray[np.int64]


def windows(
    episode_ends: Indices, horizon: int, pad_before: int, pad_after: int, episodes: Indices | None = None
) -> Indices:
    """Every window of every episode: start, first step and end of its episode, (N, 3).

    A window is `horizon` steps long, starts at most `pad_before` steps before its episode and ends at most
    `pad_after` steps after it (Diffusion Policy's sequence sampler). episodes: which to use; all by default.
    """
    ends = np.asarray(episode_ends, dtype=np.int64)
    begins = np.concatenate([[0], ends[:-1]])
    rows = [np.empty((0, 3), np.int64)]
    for index in range(len(ends)) if episodes is None else episodes:
        begin, end = begins[index], ends[index]
        starts = np.arange(begin - pad_before, end - horizon + pad_after + 1)
        rows.append(np.stack([starts, np.full_like(starts, begin), np.full_like(starts, end)], axis=1))
    return np.concatenate(rows)


def window_steps(window: Indices, horizon: int) -> Indices:
    """The steps of one window (3,), (horizon,): outside its episode the first or last one is repeated."""
    start, begin, end = window
    return np.clip(np.arange(start, start + horizon), begin, end - 1)


def split_episodes(count: int, held_out: float, seed: int = 42) -> tuple[Indices, Indices]:
    """Episodes to train on and at least one to validate on, as the published code draws them.

    The numbers held out are those of numpy's default_rng(seed), without replacement; none where the share is 0.
    Raises UVAError for a share that is none.
    """
    if not 0.0 <= held_out < 1.0:
        raise UVAError(f"the share of episodes held out must lie in 0 .. 1, not {held_out:g}")
    if held_out == 0.0:
        return np.arange(count), np.empty(0, np.int64)
    number = min(max(1, round(count * held_out)), count - 1)
    chosen = np.random.default_rng(seed).choice(count, size=number, replace=False)
    mask = np.zeros(count, dtype=bool)
    mask[chosen] = True
    return np.flatnonzero(~mask), np.flatnonzero(mask)


# --- Changes to the pictures of a clip, the same for all of its frames ----------------------------------------------


_BLUR_SIZE = 5


@dataclass(frozen=True)
class Augmentation:
    """What may happen to a clip. The defaults are those published for PushT."""

    crop: float = 0.95
    """Side that is left by a random crop, as a share; then resized back. 1: never."""
    crop_chance: float = 0.5
    blur: tuple[float, float] = (0.1, 2.0)
    """Width of a Gaussian blur of 5 x 5 pixels [pixels]."""
    blur_chance: float = 0.5


def augment(clip: Tensor, options: Augmentation, generator: torch.Generator) -> Tensor:
    """A changed clip, (T, 3, H, W) in [0, 1]. Draws from the generator alone, never from a global one."""

    def uniform(low: float, high: float) -> float:
        return low + (high - low) * float(torch.rand((), generator=generator))

    height, width = clip.shape[-2:]
    if options.crop < 1 and uniform(0, 1) < options.crop_chance:
        size = int(options.crop * height), int(options.crop * width)
        top, left = (int(uniform(0, full - part + 1)) for full, part in zip((height, width), size, strict=True))
        part = clip[..., top : top + size[0], left : left + size[1]]
        clip = functional.interpolate(part, (height, width), mode="bilinear", align_corners=False)
    if options.blur_chance and uniform(0, 1) < options.blur_chance:
        clip = _blurred(clip, uniform(*options.blur))
    return clip.clamp(0, 1)


def _blurred(clip: Tensor, width: float) -> Tensor:
    """Gaussian blur; the border is mirrored."""
    place = torch.arange(_BLUR_SIZE, dtype=clip.dtype, device=clip.device) - _BLUR_SIZE // 2
    kernel = torch.exp(-(place**2) / (2 * width**2))
    kernel = (kernel / kernel.sum()).repeat(clip.shape[1], 1, 1, 1)
    half = _BLUR_SIZE // 2
    padded = functional.pad(clip, (half, half, half, half), mode="reflect")
    across = functional.conv2d(padded, kernel, groups=clip.shape[1])
    return functional.conv2d(across, kernel.transpose(-1, -2), groups=clip.shape[1])


# --- Windows of a replay buffer as training samples -----------------------------------------------------------------


_AGENT = 2


@dataclass(frozen=True)
class WindowOptions:
    """What a sample holds."""

    horizon: int = 32
    """Steps: 16 of the past, the last of them now, and 16 of the future."""
    pad_before: int = 15
    """Windows may begin so many steps before the episode, as the history does when acting (published: 1)."""
    pad_after: int = 15
    """Windows may end so many steps after the episode (published: 7)."""
    picture: str | None = "img"
    """Array of pictures or of latents; None for samples without any."""
    picture_steps: tuple[int, ...] | None = None
    """Steps of the window whose pictures are given; all by default."""
    state: str | None = "state"
    """Array whose first two numbers are the agent's position; None where there is no such array."""
    augmentation: Augmentation | None = None


class ReplayWindows:
    """Samples of a replay buffer, for training.

    A sample: "image" (P, 3, H, W) in [0, 1] where pictures are wanted (uint8 pictures (T, H, W, 3) in the buffer), or
    "latent" (P, C, h, w) where the array holds floating point frames (T, C, h, w); "action" (T, A) raw; "state"
    (T, S) and "agent_pos" (T, 2) raw, where there is a state; "text" (W,) where one is given.

    Args:
        buffer: the episodes.
        options: what a sample holds.
        episodes: which to use; all by default.
        text: embeddings of the instructions (E, W), one for each episode of the buffer, or one for all (W,).

    Raises UVAError where an array is missing or has another shape.
    """

    def __init__(
        self,
        buffer: ReplayBuffer,
        options: WindowOptions,
        episodes: Indices | None = None,
        text: Tensor | None = None,
    ) -> None:
        wanted = ["action", *(name for name in (options.picture, options.state) if name)]
        check_arrays(buffer, wanted)
        self._buffer, self._options, self._text = buffer, options, text
        self._windows = windows(buffer.episode_ends, options.horizon, options.pad_before, options.pad_after, episodes)

    def __len__(self) -> int:
        return len(self._windows)

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        return self._sample(index, None)

    def draw(self, index: int, seed: int) -> dict[str, Tensor]:
        """A sample, augmented with draws of a seed."""
        return self._sample(index, torch.Generator().manual_seed(seed))

    def _sample(self, index: int, generator: torch.Generator | None) -> dict[str, Tensor]:
        options, arrays = self._options, self._buffer.arrays
        steps = window_steps(self._windows[index], options.horizon)
        sample = {"action": torch.from_numpy(np.asarray(arrays["action"][steps], dtype=np.float32))}
        if options.picture:
            chosen = steps if options.picture_steps is None else steps[list(options.picture_steps)]
            sample |= _frames(torch.from_numpy(arrays[options.picture][chosen]))
            if "image" in sample and options.augmentation and generator is not None:
                sample["image"] = augment(sample["image"], options.augmentation, generator)
        if options.state:
            sample["state"] = torch.from_numpy(np.asarray(arrays[options.state][steps], dtype=np.float32))
            sample["agent_pos"] = sample["state"][:, :_AGENT]
        if self._text is not None:
            episode = np.searchsorted(self._buffer.episode_ends, steps[0], side="right")
            sample["text"] = self._text[int(episode)] if self._text.ndim == 2 else self._text
        return sample


def check_arrays(buffer: ReplayBuffer, names: Sequence[str]) -> None:
    """Raises UVAError where an array is missing, is not of pictures (T, H, W, 3), if it should be, or not of rows of
    numbers (T, W).
    """
    for name in names:
        if name not in buffer.arrays:
            raise UVAError(f"the replay buffer has no array '{name}' (it has {', '.join(buffer.arrays) or 'none'})")
        shape = buffer.arrays[name].shape
        if name == _PICTURES and (len(shape) != 4 or shape[-1] != 3):
            raise UVAError(f"the replay buffer's {name} has shape {shape}; expected pictures (T, H, W, 3)")
        if name in ("action", "state") and len(shape) != 2:
            raise UVAError(f"the replay buffer's {name} has shape {shape}; expected rows of numbers (T, W)")


def fit_arrays(buffer: ReplayBuffer, names: Sequence[str] = ("action", "agent_pos")) -> dict[str, Tensor]:
    """What a normaliser is fitted to: field -> (N, W) over all steps."""
    arrays = dict(buffer.arrays)
    if "state" in arrays:
        arrays.setdefault("agent_pos", arrays["state"][:, :_AGENT])
    return {name: torch.from_numpy(np.asarray(arrays[name], dtype=np.float32)) for name in names if name in arrays}


def _frames(stored: Tensor) -> dict[str, Tensor]:
    """Pictures (H, W, 3) of 0 .. 255 become "image" in [0, 1]; anything else is latents.

    The published PushT buffer keeps its pictures as floating point numbers up to 255.
    """
    if stored.shape[-1] == 3:
        return {"image": stored.movedim(-1, -3).float() / 255.0}
    return {"latent": stored.float()}


# --- Training samples: windows of a replay buffer, with latents where pictures need not be encoded each time --------


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
