"""Convolutional trunks: pictures to a grid of features."""

from collections.abc import Callable, Mapping

from torch import Tensor, nn
from torch.nn import functional

RESNET_CHANNELS = 512
_STAGES = (64, 128, 256, RESNET_CHANNELS)
# Places of the ResNet's parts in a plain sequence: convolution, norm, ReLU, pooling, four stages.
_PLACES = {"conv1": "0", "bn1": "1", "layer1": "4", "layer2": "5", "layer3": "6", "layer4": "7"}


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions around a shortcut, the basic block of ResNet-18 (arXiv 1512.03385)."""

    def __init__(self, inputs: int, outputs: int, stride: int, norm: Callable[[int], nn.Module]) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.bn1 = norm(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.bn2 = norm(outputs)
        self.downsample: nn.Module | None = None
        if stride != 1 or inputs != outputs:
            self.downsample = nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), norm(outputs))

    def forward(self, x: Tensor) -> Tensor:
        shortcut = x if self.downsample is None else self.downsample(x)
        y = functional.relu(self.bn1(self.conv1(x)))
        return functional.relu(self.bn2(self.conv2(y)) + shortcut)


def resnet18(norm: Callable[[int], nn.Module] = nn.BatchNorm2d) -> nn.Sequential:
    """ResNet-18 without its pooling and classifier: (N, 3, H, W) to (N, 512, H/32, W/32)."""
    layers: list[nn.Module] = [nn.Conv2d(3, 64, 7, 2, 3, bias=False), norm(64), nn.ReLU(), nn.MaxPool2d(3, 2, 1)]
    inputs = 64
    for stage, outputs in enumerate(_STAGES):
        blocks = [ResidualBlock(inputs, outputs, 1 + (stage > 0), norm), ResidualBlock(outputs, outputs, 1, norm)]
        layers.append(nn.Sequential(*blocks))
        inputs = outputs
    return nn.Sequential(*layers)


def small_trunk(channels: int) -> nn.Sequential:
    """Four convolutions with stride 2, for small pictures: (N, 3, H, W) to (N, channels, H/16, W/16)."""
    layers: list[nn.Module] = []
    inputs = 3
    for outputs in (channels // 4, channels // 2, channels, channels):
        layers += [nn.Conv2d(inputs, outputs, 3, 2, 1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU()]
        inputs = outputs
    return nn.Sequential(*layers)


def in_sequence(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Weights of an image classifier's ResNet-18 (conv1, bn1, layer1 ...) under the names of `resnet18`."""
    renamed = {}
    for name, value in weights.items():
        part, _, rest = name.partition(".")
        if part in _PLACES:
            renamed[f"{_PLACES[part]}.{rest}"] = value
    return renamed
