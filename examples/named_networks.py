# SPDX-License-Identifier: Apache-2.0
"""Networks that people know by name: written after their papers, or in torchvision and timm."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

Shape = tuple[int, ...]
Make = Callable[[], nn.Module]


def conv(inputs: int, filters: int, kernel: int = 3, stride: int = 1, groups: int = 1) -> list[nn.Module]:
    """Convolution without bias, batch normalisation, ReLU."""
    layer = nn.Conv2d(inputs, filters, kernel, stride, kernel // 2, groups=groups, bias=False)
    return [layer, nn.BatchNorm2d(filters), nn.ReLU()]


def separable(inputs: int, filters: int, stride: int = 1) -> list[nn.Module]:
    """Depthwise and 1x1 convolution, an activation behind each."""
    return [*conv(inputs, inputs, 3, stride, inputs), *conv(inputs, filters, 1)]


# -- MLPerf Tiny (Banbury et al., 2021) --------------------------------------------------------------------------------


class Block(nn.Module):
    """A basic block of a ResNet (He et al., 2015); a 1x1 convolution is the shortcut where shapes differ."""

    def __init__(self, inputs: int, filters: int, stride: int) -> None:
        super().__init__()
        second = nn.Conv2d(filters, filters, 3, padding=1, bias=False)
        self.branch = nn.Sequential(*conv(inputs, filters, 3, stride), second, nn.BatchNorm2d(filters))
        same = stride == 1 and inputs == filters
        self.shortcut = nn.Identity() if same else nn.Conv2d(inputs, filters, 1, stride)

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(self.branch(x) + self.shortcut(x))


def resnet8() -> nn.Module:
    """Image classification: pictures of 32x32."""
    blocks = [Block(16, 16, 1), Block(16, 32, 2), Block(32, 64, 2)]
    return nn.Sequential(*conv(3, 16), *blocks, nn.AvgPool2d(8), nn.Flatten(), nn.Linear(64, 10))


def ds_cnn() -> nn.Module:
    """Keyword spotting: 49 frames of 10 features (Zhang et al., 2017)."""
    first = [nn.ZeroPad2d((1, 1, 4, 5)), nn.Conv2d(1, 64, (10, 4), 2, bias=False), nn.BatchNorm2d(64), nn.ReLU()]
    blocks = [layer for _ in range(4) for layer in separable(64, 64)]
    return nn.Sequential(
        *first, nn.Dropout(0.2), *blocks, nn.Dropout(0.4), nn.AvgPool2d((25, 5)), nn.Flatten(), nn.Linear(64, 12)
    )


def mobilenet_v1() -> nn.Module:
    """Visual wake words: MobileNetV1 0.25 (Howard et al., 2017) on pictures of 96x96."""
    layers, inputs = conv(3, 8, stride=2), 8
    widths = ((16, 1), (32, 2), (32, 1), (64, 2), (64, 1), (128, 2), *((128, 1),) * 5, (256, 2), (256, 1))
    for filters, stride in widths:
        layers += separable(inputs, filters, stride)
        inputs = filters
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(256, 2))


def autoencoder() -> nn.Module:
    """Anomaly detection: 5 frames of 128 mel bands, as they were."""
    layers: list[nn.Module] = []
    widths = (640, 128, 128, 128, 128, 8, 128, 128, 128, 128)
    for inputs, filters in pairwise(widths):
        layers += [nn.Linear(inputs, filters), nn.BatchNorm1d(filters), nn.ReLU()]
    return nn.Sequential(*layers, nn.Linear(128, 640))


# -- signals -----------------------------------------------------------------------------------------------------------


def eegnet(act: Make) -> nn.Module:
    """EEGNet-8,2 (Lawhern et al., 2018) on 64 electrodes and 128 samples."""
    return nn.Sequential(
        nn.Conv2d(1, 8, (1, 64), padding="same", bias=False),
        nn.BatchNorm2d(8),
        nn.Conv2d(8, 16, (64, 1), groups=8, bias=False),
        nn.BatchNorm2d(16),
        act(),
        nn.AvgPool2d((1, 4)),
        nn.Dropout(0.5),
        nn.Conv2d(16, 16, (1, 16), padding="same", groups=16, bias=False),
        nn.Conv2d(16, 16, 1, bias=False),
        nn.BatchNorm2d(16),
        act(),
        nn.AvgPool2d((1, 8)),
        nn.Dropout(0.5),
        nn.Flatten(),
        nn.Linear(64, 4),
    )


class Beat(nn.Module):
    """A residual block on time, and a max pool of 5 with stride 2."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Conv1d(32, 32, 5, padding=2), nn.Conv1d(32, 32, 5, padding=2)

    def forward(self, x: Tensor) -> Tensor:
        return F.max_pool1d(torch.relu(self.second(torch.relu(self.first(x))) + x), 5, 2)


def heartbeats() -> nn.Module:
    """Heartbeats of 187 samples in five kinds (Kachuee et al., 2018)."""
    blocks = [Beat() for _ in range(5)]
    dense = [nn.Flatten(), nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 32), nn.ReLU(), nn.Linear(32, 5)]
    return nn.Sequential(nn.Conv1d(1, 32, 5, padding=2), *blocks, *dense)


def short_heartbeats() -> nn.Module:
    """The same heartbeats through three convolutions and pools of 2."""
    layers: list[nn.Module] = []
    for inputs, filters in ((1, 16), (16, 32), (32, 32)):
        layers += [nn.Conv1d(inputs, filters, 5, padding=2), nn.BatchNorm1d(filters), nn.ReLU(), nn.MaxPool1d(2)]
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(32 * 23, 5))


# -- pictures ----------------------------------------------------------------------------------------------------------


class UNet(nn.Module):
    """U-Net (Ronneberger et al., 2015) with padding, a quarter as wide and one scale less, for 64x64."""

    def __init__(self) -> None:
        super().__init__()
        widths = (16, 32, 64, 128)
        pairs = list(zip((3, *widths), widths))
        self.down = nn.ModuleList(nn.Sequential(*conv(i, o), *conv(o, o)) for i, o in pairs)
        back = list(zip(widths[:0:-1], widths[-2::-1]))
        self.up = nn.ModuleList(nn.ConvTranspose2d(i, o, 2, 2) for i, o in back)
        self.join = nn.ModuleList(nn.Sequential(*conv(i, o), *conv(o, o)) for i, o in back)
        self.last = nn.Conv2d(widths[0], 2, 1)

    def forward(self, x: Tensor) -> Tensor:
        kept = []
        for number, down in enumerate(self.down):
            x = down(F.max_pool2d(x, 2) if number else x)
            kept.append(x)
        for up, join, other in zip(self.up, self.join, kept[-2::-1]):
            x = join(torch.cat([other, up(x)], 1))
        return self.last(x)


class YoloHead(nn.Module):
    """YOLOv3-tiny (Redmon and Farhadi, 2018), a quarter as wide: boxes at two scales."""

    def __init__(self, act: Make) -> None:
        super().__init__()

        def block(inputs: int, filters: int, kernel: int = 3) -> nn.Sequential:
            layer = nn.Conv2d(inputs, filters, kernel, padding=kernel // 2, bias=False)
            return nn.Sequential(layer, nn.BatchNorm2d(filters), act())

        layers: list[nn.Module] = []
        widths = (3, 4, 8, 16, 32, 64)
        for inputs, filters in pairwise(widths):
            layers += [block(inputs, filters), nn.MaxPool2d(2)]
        self.body = nn.Sequential(*layers[:-1])
        self.deep = nn.Sequential(nn.MaxPool2d(2), block(64, 128), block(128, 64, 1))
        self.large = nn.Sequential(block(64, 128), nn.Conv2d(128, 3 * 25, 1))
        self.small = nn.Sequential(block(96, 64), nn.Conv2d(64, 3 * 25, 1))
        self.up = nn.Sequential(block(64, 32, 1), nn.Upsample(scale_factor=2))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        x = self.body(x)
        deep = self.deep(x)
        return self.large(deep), self.small(torch.cat([self.up(deep), x], 1))


PAPERS: dict[str, tuple[Make, Shape]] = {
    "MLPerf Tiny: ResNet-8": (resnet8, (3, 32, 32)),
    "MLPerf Tiny: DS-CNN": (ds_cnn, (1, 49, 10)),
    "MLPerf Tiny: MobileNetV1 0.25": (mobilenet_v1, (3, 96, 96)),
    "MLPerf Tiny: autoencoder": (autoencoder, (640,)),
    "EEGNet": (partial(eegnet, nn.ELU), (1, 64, 128)),
    "EEGNet with ReLU": (partial(eegnet, nn.ReLU), (1, 64, 128)),
    "ECG, residual": (heartbeats, (1, 187)),
    "ECG, pools of 2": (short_heartbeats, (1, 187)),
    "U-Net": (UNet, (3, 64, 64)),
    "YOLOv3-tiny, leaky": (partial(YoloHead, partial(nn.LeakyReLU, 0.1)), (3, 96, 96)),
    "YOLOv3-tiny with ReLU": (partial(YoloHead, nn.ReLU), (3, 96, 96)),
}
"""Networks after their papers, with the shape of their input without batch axis."""

TORCHVISION: dict[str, tuple[str, Shape]] = {
    "MobileNetV2": ("mobilenet_v2", (3, 96, 96)),
    "MobileNetV3 small": ("mobilenet_v3_small", (3, 96, 96)),
    "SqueezeNet 1.1": ("squeezenet1_1", (3, 96, 96)),
    "ResNet-18": ("resnet18", (3, 64, 64)),
    "ConvNeXt-tiny": ("convnext_tiny", (3, 64, 64)),
    "VGG-11 with BN": ("vgg11_bn", (3, 32, 32)),
}
"""Names in torchvision.models."""

TIMM: dict[str, tuple[str, Shape]] = {"EfficientNet-lite0": ("efficientnet_lite0", (3, 96, 96))}
"""Names in timm."""


def cifar_resnet18() -> nn.Module:
    """torchvision's ResNet-18 as it is used on CIFAR: a 3x3 stem without stride and without pool."""
    net = of_torchvision("resnet18", num_classes=10)
    net.conv1, net.maxpool = nn.Conv2d(3, 64, 3, padding=1, bias=False), nn.Identity()
    return net


def of_torchvision(name: str, **options: int) -> nn.Module:
    """A network of torchvision without trained weights.

    The CPU build of torch lacks two operators that torchvision names while it is imported.
    """
    for operator in ("nms", "qnms"):
        if not hasattr(torch.ops.torchvision, operator):
            library = torch.library.Library("torchvision", "FRAGMENT")
            library.define(f"{operator}(Tensor boxes, Tensor scores, float threshold) -> Tensor")
            KEPT.append(library)
    from torchvision import models

    return getattr(models, name)(weights=None, **options)


KEPT: list[torch.library.Library] = []
"""Libraries of operators last as long as their objects."""


def of_timm(name: str) -> nn.Module:
    """A network of timm without trained weights."""
    of_torchvision("squeezenet1_1")
    import timm

    return timm.create_model(name, pretrained=False)


NETWORKS: dict[str, tuple[Make, Shape]] = {
    **PAPERS,
    **{name: (partial(of_torchvision, of), shape) for name, (of, shape) in TORCHVISION.items()},
    "ResNet-18, CIFAR": (cifar_resnet18, (3, 32, 32)),
    **{name: (partial(of_timm, of), shape) for name, (of, shape) in TIMM.items()},
}
"""All of them."""


def network(name: str, seed: int = 0) -> nn.Module:
    """A network with random weights and batch statistics, the same ones each time."""
    torch.manual_seed(seed)
    net = NETWORKS[name][0]()
    for part in net.modules():
        if isinstance(part, nn.modules.batchnorm._BatchNorm):
            part.running_mean.normal_(0, 0.1)
            part.running_var.uniform_(0.5, 1.5)
            nn.init.uniform_(part.weight, 0.5, 1.5)
            nn.init.normal_(part.bias, 0, 0.1)
    return net.eval()
