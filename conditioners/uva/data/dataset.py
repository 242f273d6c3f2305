"""Windows of a replay buffer as training samples."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from conditioners.uva.data.augmentation import Augmentation, augment
from conditioners.uva.data.replay_buffer import ReplayBuffer
from conditioners.uva.data.windows import Indices, window_steps, windows
from conditioners.uva.error import UVAError

_AGENT = 2
_PICTURES = "img"


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
