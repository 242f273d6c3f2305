"""Changes to the pictures of a clip, the same for all of its frames."""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

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
