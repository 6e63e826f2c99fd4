# SPDX-License-Identifier: Apache-2.0
"""Small networks with branches, briefly trained on digits: what chip and host compute together."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from akc.ir.module import Array

torch.set_num_threads(1)
SHAPE = (1, 1, 16, 16)
TRAINED_ON = 140
STEPS = 60


def layer(
    inputs: int, filters: int, kernel: int, act: Callable[[], nn.Module] | None = nn.ReLU, **options: int
) -> nn.Module:
    """Convolution, batch normalisation, activation."""
    conv = nn.Conv2d(inputs, filters, kernel, padding=kernel // 2, bias=False, **options)
    return nn.Sequential(conv, nn.BatchNorm2d(filters, momentum=0.5), *([act()] if act else []))


class Block(nn.Module):
    """A basic block of a ResNet."""

    def __init__(self, inputs: int, filters: int, stride: int) -> None:
        super().__init__()
        self.first = layer(inputs, filters, 3, stride=stride)
        self.second = layer(filters, filters, 3, None)
        same = stride == 1 and inputs == filters
        self.shortcut = nn.Identity() if same else layer(inputs, filters, 1, None, stride=stride)

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(self.second(self.first(x)) + self.shortcut(x))


class ResNet(nn.Module):
    """The ResNet-8 of CIFAR style, at half the width."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = layer(1, 8, 3)
        self.blocks = nn.Sequential(Block(8, 8, 1), Block(8, 16, 2), Block(16, 32, 2))
        self.fc = nn.Linear(32, 10)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.blocks(self.stem(x)).mean((2, 3)))


class Fire(nn.Module):
    """A fire module of SqueezeNet: a narrow layer, and two wide ones side by side."""

    def __init__(self, inputs: int, narrow: int, wide: int) -> None:
        super().__init__()
        self.squeeze = layer(inputs, narrow, 1)
        self.one, self.three = layer(narrow, wide, 1), layer(narrow, wide, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.squeeze(x)
        return torch.cat([self.one(x), self.three(x)], 1)


class SqueezeNet(nn.Module):
    """Fire modules and pools between them."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.fire1, self.fire2 = layer(1, 16, 3), Fire(16, 8, 8), Fire(16, 8, 16)
        self.head = nn.Conv2d(32, 10, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = F.max_pool2d(self.stem(x), 2)
        x = F.max_pool2d(self.fire1(x), 2)
        return F.adaptive_avg_pool2d(self.head(self.fire2(x)), 1).flatten(1)


class UNet(nn.Module):
    """Two scales down and up again, by transposed convolutions or by enlarging; each pixel gets a number."""

    def __init__(self, transposed: bool) -> None:
        super().__init__()
        self.down1, self.down2, self.middle = layer(1, 8, 3), layer(8, 16, 3), layer(16, 16, 3)
        if transposed:
            self.up2, self.up1 = nn.ConvTranspose2d(16, 16, 2, 2), nn.ConvTranspose2d(16, 8, 4, 2, 1)
        else:
            self.up2 = nn.Sequential(nn.Upsample(scale_factor=2, mode="bilinear"), nn.Conv2d(16, 16, 1))
            self.up1 = nn.Sequential(nn.Upsample(scale_factor=2), nn.Conv2d(16, 8, 1))
        self.join2, self.join1, self.out = layer(32, 16, 3), layer(16, 8, 3), nn.Conv2d(8, 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        one = self.down1(x)
        two = self.down2(F.max_pool2d(one, 2))
        y = self.up2(self.middle(F.max_pool2d(two, 2)))
        y = self.up1(self.join2(torch.cat([y, two], 1)))
        return self.out(self.join1(torch.cat([y, one], 1)))


class Excite(nn.Module):
    """Squeeze-excite."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.down, self.up = nn.Conv2d(channels, channels // 4, 1), nn.Conv2d(channels // 4, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        return x * F.hardsigmoid(self.up(torch.relu(self.down(F.adaptive_avg_pool2d(x, 1)))))


class Inverted(nn.Module):
    """An inverted residual of MobileNetV3."""

    def __init__(
        self, inputs: int, wide: int, filters: int, kernel: int, stride: int, act: Callable[[], nn.Module]
    ) -> None:
        super().__init__()
        self.expand = layer(inputs, wide, 1, act)
        self.depthwise = layer(wide, wide, kernel, act, stride=stride, groups=wide)
        self.excite, self.project = Excite(wide), layer(wide, filters, 1, None)
        self.skip = stride == 1 and inputs == filters

    def forward(self, x: Tensor) -> Tensor:
        y = self.project(self.excite(self.depthwise(self.expand(x))))
        return x + y if self.skip else y


class MobileNet(nn.Module):
    """Inverted residuals with squeeze-excite and HardSwish."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = layer(1, 8, 3, nn.Hardswish)
        self.blocks = nn.Sequential(Inverted(8, 16, 8, 3, 1, nn.ReLU), Inverted(8, 24, 16, 5, 2, nn.Hardswish))
        self.head, self.fc = layer(16, 32, 1, nn.Hardswish), nn.Linear(32, 10)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.head(self.blocks(self.stem(x))).mean((2, 3)))


NETWORKS: dict[str, Callable[[], nn.Module]] = {
    "resnet": ResNet,
    "squeezenet": SqueezeNet,
    "unet": lambda: UNet(True),
    "unet_enlarging": lambda: UNet(False),
    "mobilenet": MobileNet,
}


@cache
def digits() -> tuple[Array, Array]:
    """200 digits [200, 1, 16, 16] from 0 to 1, and what they are."""
    with np.load(Path(__file__).parents[1] / "data" / "mnist_200.npz") as data:
        halves = data["image"].reshape(-1, 14, 2, 14, 2).mean(axis=(2, 4), dtype=np.float32) / 255
        return np.pad(halves, ((0, 0), (1, 1), (1, 1)))[:, None], data["labels"].astype(np.int64)


@cache
def trained(name: str) -> nn.Module:
    """A network after a few steps on the first digits; maps learn the gradient of the picture."""
    torch.manual_seed(0)
    network = NETWORKS[name]().train()
    x, labels = (torch.tensor(array[:TRAINED_ON]) for array in digits())
    edges = (x - F.avg_pool2d(x, 3, 1, 1)).abs()
    optimizer = torch.optim.Adam(network.parameters(), 0.01)
    for _ in range(STEPS):
        y = network(x)
        loss = F.cross_entropy(y, labels) if y.ndim == 2 else F.mse_loss(y, 4 * edges)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return network.eval()
