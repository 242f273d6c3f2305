"""Depth of real pictures, from a network; simulated pictures bring theirs along (`store.disparity`)."""

from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from motions.errors import UserError

DEFAULT_MODEL = "depth-anything/Depth-Anything-V2-Small-hf"


class DepthEstimator:
    """Relative inverse depth of single pictures.

    Args:
        processor: image processor of the transformers library.
        network: gives `predicted_depth` (N, h, w) for pixel values (N, 3, h, w).
        batch_size: pictures at once.
    """

    def __init__(self, processor: Any, network: Any, batch_size: int = 16) -> None:
        self._processor, self._network, self._batch_size = processor, network, batch_size

    @torch.no_grad()
    def __call__(self, images: np.ndarray, rescale: bool = True) -> Tensor:
        """Depth (N, h, w) of pictures (N, H, W, 3) uint8; larger is nearer, in no unit.

        rescale: bring pixels to 0 .. 1 first. The released extraction script leaves that out, so that its depth
        network sees numbers 255 times too large.
        """
        chunks = [images[at : at + self._batch_size] for at in range(0, len(images), self._batch_size)]
        return torch.cat([self._network(self.pixel_values(chunk, rescale)).predicted_depth for chunk in chunks])

    def pixel_values(self, images: np.ndarray, rescale: bool = True) -> Tensor:
        """What the network gets, (N, 3, h, w), on its device."""
        values = self._processor(images=list(images), do_rescale=rescale, return_tensors="pt")["pixel_values"]
        device = getattr(self._network, "device", values.device)
        return values.to(device)


def load_depth_estimator(source: str = DEFAULT_MODEL, device: str | torch.device = "cpu") -> DepthEstimator:
    """A depth network of the transformers library, from a folder or a hub id.

    Raises UserError where the library or the network is not there.
    """
    try:
        from transformers import AutoImageProcessor, AutoModelForDepthEstimation
    except ImportError:
        raise UserError("depth of videos needs transformers: pip install hoigym[uniskill]") from None
    try:
        processor = AutoImageProcessor.from_pretrained(source)
        network = AutoModelForDepthEstimation.from_pretrained(source, use_safetensors=True)
    except (OSError, ValueError) as error:
        raise UserError(f"depth model {source}: cannot be loaded ({str(error).splitlines()[0]})") from None
    return DepthEstimator(processor, network.eval().to(device))


def resized(images: Tensor, size: int, antialias: bool = True) -> Tensor:
    """Pictures (N, C, H, W), or maps (N, H, W), brought to size x size by bilinear interpolation."""
    if images.shape[-2:] == (size, size):
        return images
    four = images if images.ndim == 4 else images[:, None]
    four = functional.interpolate(four, (size, size), mode="bilinear", align_corners=False, antialias=antialias)
    return four if images.ndim == 4 else four[:, 0]


def as_images(rgb: np.ndarray) -> Tensor:
    """Pictures (N, H, W, 3) uint8 as (N, 3, H, W) in 0 .. 1."""
    return torch.from_numpy(np.ascontiguousarray(rgb)).permute(0, 3, 1, 2).float() / 255
