"""Depth of real pictures, from a network; simulated pictures bring theirs along (`store.disparity`)."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from hoigym.core.errors import UserError, first_line


@dataclass(frozen=True)
class DepthInput:
    """How a depth network wants its pictures: the image processor's settings.

    side: that the picture is scaled to, by as little as keeps its shape [pixels]. multiple: of which sides are.
    mean, std: of the colours, in 0 .. 1.
    """

    side: int = 518
    multiple: int = 14
    mean: tuple[float, ...] = (0.485, 0.456, 0.406)
    std: tuple[float, ...] = (0.229, 0.224, 0.225)

    def __call__(self, images: np.ndarray, rescale: bool = True) -> Tensor:
        """Pixel values (N, 3, h, w) of pictures (N, H, W, 3) uint8, bicubic as the processor's default backend."""
        small = functional.interpolate(
            torch.from_numpy(np.array(images)).permute(0, 3, 1, 2),
            self.size(*images.shape[1:3]),
            mode="bicubic",
            antialias=True,
        ).float()
        mean, std = (torch.tensor(values).view(3, 1, 1) for values in (self.mean, self.std))
        return ((small / 255 if rescale else small) - mean) / std

    def size(self, height: int, width: int) -> tuple[int, int]:
        """Height and width that a picture is brought to."""
        scale = min(self.side / height, self.side / width, key=lambda factor: abs(1 - factor))
        rows, columns = (round(scale * length / self.multiple) * self.multiple for length in (height, width))
        return rows, columns


class DepthEstimator:
    """Relative inverse depth of single pictures.

    Args:
        prepare: gives the network its input.
        network: gives `predicted_depth` (N, h, w) for pixel values (N, 3, h, w).
        batch_size: pictures at once.
    """

    def __init__(self, prepare: DepthInput, network: Any, batch_size: int = 16) -> None:
        self._prepare, self._network, self._batch_size = prepare, network, batch_size

    @torch.no_grad()
    def __call__(self, images: np.ndarray, rescale: bool = True) -> Tensor:
        """Depth (N, h, w) of pictures (N, H, W, 3) uint8; larger is nearer, in no unit.

        rescale: bring pixels to 0 .. 1 first. The released extraction script leaves that out, so that its depth
        network sees numbers 255 times too large.
        """
        chunks = [images[at : at + self._batch_size] for at in range(0, len(images), self._batch_size)]
        return torch.cat([self._depth(self._prepare(chunk, rescale)) for chunk in chunks])

    def _depth(self, pixel_values: Tensor) -> Tensor:
        device = getattr(self._network, "device", pixel_values.device)
        return self._network(pixel_values.to(device)).predicted_depth


def load_depth_estimator(source: str, device: str | torch.device) -> DepthEstimator:
    """A depth network of the transformers library, from a folder or a hub id.

    Raises UserError where the library or the network is not there.
    """
    try:
        from transformers import AutoModelForDepthEstimation, ImageProcessingMixin
    except ImportError:
        raise UserError("depth of videos needs transformers: pip install hoigym[uniskill]") from None
    try:
        settings, _ = ImageProcessingMixin.get_image_processor_dict(source)
        prepare = DepthInput(
            settings["size"]["height"],
            settings.get("ensure_multiple_of", 1),
            tuple(settings["image_mean"]),
            tuple(settings["image_std"]),
        )
        network = AutoModelForDepthEstimation.from_pretrained(source, use_safetensors=True)
    except (OSError, ValueError) as error:
        raise UserError(f"depth model {source}: cannot be loaded ({first_line(error)})") from None
    except KeyError as error:
        raise UserError(f"depth model {source}: its image processor says nothing of {error}") from None
    return DepthEstimator(prepare, network.eval().to(device))


def resized(images: Tensor, size: int, antialias: bool = True) -> Tensor:
    """Pictures (N, C, H, W), or maps (N, H, W), brought to size x size by bilinear interpolation."""
    if images.shape[-2:] == (size, size):
        return images
    four = images if images.ndim == 4 else images[:, None]
    four = functional.interpolate(four, (size, size), mode="bilinear", align_corners=False, antialias=antialias)
    return four if images.ndim == 4 else four[:, 0]


def as_images(rgb: np.ndarray) -> Tensor:
    """Pictures (N, H, W, 3) uint8 as (N, 3, H, W) in 0 .. 1."""
    return torch.from_numpy(np.array(rgb)).permute(0, 3, 1, 2).float() / 255


def as_pixels(images: Tensor) -> np.ndarray:
    """Pictures (N, 3, H, W) in 0 .. 1 as (N, H, W, 3) uint8."""
    return (images * 255).round().byte().permute(0, 2, 3, 1).cpu().numpy()
