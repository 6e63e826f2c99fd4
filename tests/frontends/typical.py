# SPDX-License-Identifier: Apache-2.0
"""Whole networks in the sizes that people use, as PyTorch users write them, for `akc lower` and `akc build`."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

import akc
from akc.ir.module import Module
from examples.fashion_cnn.train import lenet
from tests.frontends.zoo import randomised

Shape = tuple[int, ...]


def conv(channels: int, filters: int, kernel: int = 3, stride: int = 1, groups: int = 1) -> list[nn.Module]:
    """Convolution without bias, batch normalisation, ReLU."""
    layer = nn.Conv2d(channels, filters, kernel, stride, kernel // 2, groups=groups, bias=False)
    return [layer, nn.BatchNorm2d(filters), nn.ReLU()]


def separable(channels: int, filters: int, stride: int = 1) -> list[nn.Module]:
    """Depthwise and 1x1 convolution, an activation behind each."""
    return [*conv(channels, channels, 3, stride, channels), *conv(channels, filters, 1)]


def fused_separable(channels: int, filters: int, stride: int = 1) -> list[nn.Module]:
    """Depthwise and 1x1 convolution, an activation behind both, as in AkidaNet."""
    return [
        nn.Conv2d(channels, channels, 3, stride, 1, groups=channels, bias=False),
        nn.Conv2d(channels, filters, 1, bias=False),
        nn.BatchNorm2d(filters),
        nn.ReLU(),
    ]


def vgg() -> nn.Module:
    """A small VGG for pictures of 32x32."""
    layers: list[nn.Module] = []
    channels = 3
    for filters in (32, 64, 128):
        layers += [*conv(channels, filters), *conv(filters, filters), nn.MaxPool2d(2)]
        channels = filters
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(128 * 16, 128), nn.ReLU(), nn.Dropout(), nn.Linear(128, 10))


class DsCnn(nn.Module):
    """DS-CNN S of "Hello Edge" (Zhang et al., 2017): a 10x4 kernel with stride 2 on 49x10 features."""

    def __init__(self) -> None:
        super().__init__()
        self.pad = nn.ZeroPad2d((1, 1, 4, 5))
        self.first = nn.Sequential(nn.Conv2d(1, 64, (10, 4), 2, bias=False), nn.BatchNorm2d(64), nn.ReLU())
        self.blocks = nn.Sequential(*(layer for _ in range(4) for layer in separable(64, 64)))
        self.pool, self.last = nn.AvgPool2d((25, 5)), nn.Linear(64, 12)

    def forward(self, x: Tensor) -> Tensor:
        """[n, 1, 49, 10] to [n, 12]."""
        return self.last(self.pool(self.blocks(self.first(self.pad(x)))).flatten(1))


WIDTHS = ((64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), *((512, 1),) * 5, (1024, 2), (1024, 1))
"""Filters and stride of the 13 separable blocks of MobileNetV1 (Howard et al., 2017)."""


class MobileNet(nn.Module):
    """MobileNetV1 on pictures that are normalised inside."""

    def __init__(self, alpha: float, classes: int = 1000) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1))
        self.register_buffer("deviation", torch.tensor([0.229, 0.224, 0.225]).view(1, 3, 1, 1))
        channels = int(32 * alpha)
        layers = conv(3, channels, stride=2)
        for filters, stride in WIDTHS:
            layers += separable(channels, int(filters * alpha), stride)
            channels = int(filters * alpha)
        self.body, self.head = nn.Sequential(*layers), nn.Linear(channels, classes)

    def forward(self, x: Tensor) -> Tensor:
        """[n, 3, size, size] to [n, classes]."""
        return self.head(self.body((x - self.mean) / self.deviation).mean(dim=(2, 3)))


def akidanet(alpha: float, classes: int = 1000) -> nn.Module:
    """AkidaNet-like: MobileNetV1 whose first blocks are full convolutions, the others without an inner activation."""
    channels = int(32 * alpha)
    layers = conv(3, channels, stride=2)
    for number, (filters, stride) in enumerate(WIDTHS):
        make = conv if number < 3 else fused_separable
        width = int(filters * alpha)
        layers += make(channels, width, stride=stride)
        channels = width
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, classes))


def ecg() -> nn.Module:
    """A 1-D network on one lead of 187 samples, strided in front and inside."""
    return nn.Sequential(
        nn.Conv1d(1, 16, 7, 2, 3),
        nn.BatchNorm1d(16),
        nn.ReLU(),
        nn.Conv1d(16, 32, 5, 2, 2),
        nn.BatchNorm1d(32),
        nn.ReLU(),
        nn.Conv1d(32, 32, 3, 2, 1),
        nn.ReLU(),
        nn.Conv1d(32, 32, 3, padding=2, dilation=2),
        nn.ReLU(),
        nn.AdaptiveAvgPool1d(1),
        nn.Flatten(),
        nn.Linear(32, 5),
    )


def ecg_with_pools() -> nn.Module:
    """A 1-D network with max pools and no padding."""
    return nn.Sequential(
        nn.Conv1d(1, 16, 5),
        nn.ReLU(),
        nn.MaxPool1d(2),
        nn.Conv1d(16, 32, 5),
        nn.ReLU(),
        nn.MaxPool1d(2),
        nn.Flatten(),
        nn.Linear(32 * 43, 32),
        nn.ReLU(),
        nn.Linear(32, 5),
    )


def raw_audio() -> nn.Module:
    """A keyword network on 8,000 samples of sound: a kernel of 80 with stride 16, then strides of 4 and 2."""
    return nn.Sequential(
        nn.Conv1d(1, 32, 80, 16, 32),
        nn.BatchNorm1d(32),
        nn.ReLU(),
        nn.Conv1d(32, 32, 3, 4, 1),
        nn.BatchNorm1d(32),
        nn.ReLU(),
        nn.Conv1d(32, 64, 3, 2, 1),
        nn.ReLU(),
        nn.AdaptiveAvgPool1d(1),
        nn.Flatten(),
        nn.Linear(64, 12),
    )


class Frames(nn.Module):
    """Dense layers over 49 frames of 10 features, their mean, and a dense layer."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second, self.last = nn.Linear(10, 64), nn.Linear(64, 64), nn.Linear(64, 12)

    def forward(self, x: Tensor) -> Tensor:
        """[n, 49, 10] to [n, 12]."""
        return self.last(torch.relu(self.second(torch.relu(self.first(x)))).mean(dim=1))


def strided(kernel: int = 3) -> nn.Module:
    """Convolutions with stride 2 and padding kernel // 2 on even sizes, no pool."""
    return nn.Sequential(
        *conv(3, 16, kernel, 2),
        *conv(16, 32, kernel, 2),
        *conv(32, 64, kernel, 2),
        nn.Flatten(),
        nn.Linear(64 * 16, 10),
    )


def grouped() -> nn.Module:
    """Grouped and dilated convolutions."""
    return nn.Sequential(
        *conv(3, 16),
        nn.MaxPool2d(2),
        nn.Conv2d(16, 32, 3, padding=1, groups=4),
        nn.ReLU6(),
        nn.Conv2d(32, 32, 3, padding=2, dilation=2),
        nn.ReLU(),
        nn.Conv2d(32, 32, 3, padding=3, dilation=3, groups=2),
        nn.ReLU(),
        nn.AvgPool2d(2),
        nn.Flatten(),
        nn.Linear(32 * 64, 10),
    )


def mlp() -> nn.Module:
    """Dense layers on a picture."""
    return nn.Sequential(nn.Flatten(), nn.Linear(784, 128), nn.ReLU(), nn.Linear(128, 10))


TYPICAL: dict[str, tuple[Callable[[], nn.Module], Shape]] = {
    "MLP 784-128-10": (mlp, (1, 1, 28, 28)),
    "LeNet-5": (lenet, (1, 1, 28, 28)),
    "VGG-like": (vgg, (1, 3, 32, 32)),
    "DS-CNN S": (DsCnn, (1, 1, 49, 10)),
    "dense on frames": (Frames, (1, 49, 10)),
    "1-D, ECG": (ecg, (1, 1, 187)),
    "1-D, ECG, max pools": (ecg_with_pools, (1, 1, 187)),
    "1-D, raw audio": (raw_audio, (1, 1, 8000)),
    "3x3 strides on even sizes": (strided, (1, 3, 32, 32)),
    "5x5 strides on even sizes": (lambda: strided(5), (1, 3, 32, 32)),
    "grouped and dilated": (grouped, (1, 3, 32, 32)),
    **{
        f"MobileNetV1 {alpha}, {size}": ((lambda alpha=alpha: MobileNet(alpha)), (1, 3, size, size))
        for alpha, size in ((0.25, 96), (0.25, 160), (0.25, 224), (0.5, 160))
    },
    **{
        f"AkidaNet-like {alpha}, {size}": ((lambda alpha=alpha: akidanet(alpha)), (1, 3, size, size))
        for alpha in (0.25, 0.5, 1.0)
        for size in (96, 160, 224)
    },
}
"""Networks with the shape of their input and its batch axis."""


def network(name: str) -> nn.Module:
    """The network with random weights and statistics, the same ones each time."""
    torch.manual_seed(0)
    return randomised(TYPICAL[name][0]())


def row(name: str, lowered: Module) -> str:
    """Layers, sequences, and NPs of each sequence besides the image layer, as a line of docs/networks.md."""
    counts = [_counts(lowered, place) for place in ("vendor", "compact")]
    layers = sum(len(s.ops) for s in lowered.net.sequences)
    return f"| {name} | {layers} | {len(counts[0])} | " + " | ".join(", ".join(map(str, c)) for c in counts) + " |"


def _counts(lowered: Module, place: str) -> list[int]:
    """NPs of each sequence."""
    placed = akc.build(lowered, place=place, host="allow").module
    return [sum(at.kind != "hrc" for op in s.ops for at in op.at) for s in placed.net.sequences]


def main() -> None:
    """Prints the rows of all networks."""
    for name, (_, shape) in TYPICAL.items():
        print(row(name, akc.lower(network(name), example=shape, input_range=(0.0, 1.0), host="allow")), flush=True)


if __name__ == "__main__":
    main()
