"""The published policy's eyes: a picture of each camera becomes 64 numbers.

Source: robomimic's encoder as repository kang-jaehyun/UniSkill-Policy configures it; its weights load key for key,
with the second names under which they hold backbone and pooling again.
"""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from conditioners.uniskill.trunk import RESNET_CHANNELS, resnet18

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
