# SPDX-License-Identifier: Apache-2.0
"""Networks as PyTorch users write them, with the example shapes they are traced with."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F


def randomised(module: nn.Module, seed: int = 0) -> nn.Module:
    """The module in evaluation mode, with batch statistics that are not those of a fresh module."""
    torch.manual_seed(seed)
    for part in module.modules():
        if isinstance(part, nn.modules.batchnorm._BatchNorm):
            part.running_mean.normal_(0, 0.5)
            part.running_var.uniform_(0.5, 2)
            nn.init.uniform_(part.weight, 0.5, 1.5)
            nn.init.normal_(part.bias, 0, 0.3)
    return module.eval()


class Mlp(nn.Module):
    """Dense layers with batch normalisation and dropout, normalised input, flattened inside."""

    def __init__(self) -> None:
        super().__init__()
        self.fc1, self.bn1 = nn.Linear(784, 32), nn.BatchNorm1d(32)
        self.fc2, self.bn2 = nn.Linear(32, 16), nn.BatchNorm1d(16)
        self.fc3 = nn.Linear(16, 10)
        self.drop = nn.Dropout(0.3)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.flatten((x - 0.1307) / 0.3081, 1)
        x = self.drop(torch.relu(self.bn1(self.fc1(x))))
        x = F.relu6(self.bn2(self.fc2(x)))
        return torch.log_softmax(self.fc3(x), dim=1)


class LeNet(nn.Module):
    """LeNet-5 with max pools and view."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, 6, 5, padding=2)
        self.conv2 = nn.Conv2d(6, 16, 5)
        self.fc1, self.fc2, self.fc3 = nn.Linear(400, 120), nn.Linear(120, 84), nn.Linear(84, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = F.max_pool2d(F.relu(self.conv1(x)), 2)
        x = F.max_pool2d(F.relu(self.conv2(x)), (2, 2))
        x = x.view(x.size(0), -1)
        return self.fc3(F.relu(self.fc2(F.relu(self.fc1(x)))))


def vgg() -> nn.Module:
    """Blocks of 3x3 convolutions with batch normalisation, one flattened end."""
    layers: list[nn.Module] = []
    channels = 3
    for width, count in ((8, 2), (12, 2), (16, 1)):
        for _ in range(count):
            layers += [
                nn.Conv2d(channels, width, 3, padding=1, bias=False),
                nn.BatchNorm2d(width),
                nn.ReLU(inplace=True),
            ]
            channels = width
        layers.append(nn.MaxPool2d(2, 2))
    return nn.Sequential(
        nn.Sequential(*layers), nn.Flatten(), nn.Dropout(), nn.Linear(16 * 4 * 4, 10), nn.Softmax(dim=1)
    )


def depthwise_block(channels: int, width: int, stride: int = 1) -> nn.Sequential:
    """Depthwise and pointwise convolution, each with batch normalisation and ReLU."""
    return nn.Sequential(
        nn.Conv2d(channels, channels, 3, stride, 1, groups=channels, bias=False),
        nn.BatchNorm2d(channels),
        nn.ReLU(),
        nn.Conv2d(channels, width, 1, bias=False),
        nn.BatchNorm2d(width),
        nn.ReLU(),
    )


class DsCnn(nn.Module):
    """The keyword network of "Hello Edge", small: 49 x 10 features, asymmetric padding in front."""

    def __init__(self) -> None:
        super().__init__()
        self.pad = nn.ZeroPad2d((1, 1, 4, 5))
        self.first = nn.Sequential(nn.Conv2d(1, 8, (10, 4), 2, bias=False), nn.BatchNorm2d(8), nn.ReLU())
        self.blocks = nn.Sequential(*[depthwise_block(8, 8) for _ in range(2)])
        self.pool = nn.AvgPool2d((25, 5))
        self.fc = nn.Linear(8, 12)

    def forward(self, x: Tensor) -> Tensor:
        x = self.pool(self.blocks(self.first(self.pad(x))))
        return self.fc(x.squeeze(3).squeeze(2))


class MobileNet(nn.Module):
    """MobileNetV1 with few channels, ReLU6 in front, mean over the map at the end."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1, bias=False), nn.BatchNorm2d(8), nn.ReLU6())
        self.body = nn.Sequential(depthwise_block(8, 12), depthwise_block(12, 16, 2), depthwise_block(16, 16))
        self.head = nn.Linear(16, 10)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.body(self.stem(x)).mean(dim=(2, 3)))


class AkidaNet(nn.Module):
    """AkidaNet-like: convolutions, then separable layers without an activation in between, global pool."""

    def __init__(self) -> None:
        super().__init__()
        mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
        self.register_buffer("mean", mean.view(1, 3, 1, 1))
        self.register_buffer("std", std.view(1, 3, 1, 1))
        self.conv0 = nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1, bias=False), nn.BatchNorm2d(8), nn.ReLU())
        self.dw1 = nn.Conv2d(8, 8, 3, padding=1, groups=8, bias=False)
        self.pw1 = nn.Sequential(nn.Conv2d(8, 16, 1, bias=False), nn.BatchNorm2d(16), nn.ReLU())
        self.dw2 = nn.Conv2d(16, 16, 3, padding=1, groups=16, bias=False)
        self.pw2 = nn.Sequential(nn.Conv2d(16, 20, 1, bias=False), nn.BatchNorm2d(20), nn.ReLU())
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Linear(20, 5)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv0((x - self.mean) / self.std)
        x = self.pw2(self.dw2(self.pw1(self.dw1(x))))
        return self.classifier(self.pool(x).flatten(1))


class Recurrent(nn.Module):
    """A recurrent layer of any kind; reads the last step, or the final state, or every step."""

    def __init__(self, kind: str = "LSTM", batch_first: bool = True, read: str = "last", **options: object) -> None:
        super().__init__()
        self.layer = getattr(nn, kind)(4, 6, batch_first=batch_first, **options)
        self.fc = nn.Linear(6, 3)
        self.read = read

    def forward(self, x: Tensor) -> Tensor:
        y, state = self.layer(x)
        if self.read == "state":
            return self.fc((state[0] if isinstance(state, tuple) else state)[-1])
        if self.read == "all":
            return self.fc(torch.relu(y))
        return self.fc(y[:, -1, :] if self.layer.batch_first else y[-1])


class Signal(nn.Module):
    """One-dimensional convolutions over [channels, length], dilated and strided."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.bn1 = nn.Conv1d(2, 6, 5, stride=2, padding=2), nn.BatchNorm1d(6)
        self.conv2 = nn.Conv1d(6, 8, 3, padding=2, dilation=2, groups=2)
        self.pool = nn.MaxPool1d(2)
        self.fc = nn.Linear(8 * 8, 4)

    def forward(self, x: Tensor) -> Tensor:
        x = self.pool(F.relu(self.conv2(F.relu(self.bn1(self.conv1(x))))))
        return self.fc(x.flatten(1)).argmax(1)


class Odd(nn.Module):
    """Rare spellings: channels-last input, same padding, ceil_mode, clamp, a mean picture, stray norms."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("picture", torch.rand(1, 3, 9, 11))
        self.bn0 = nn.BatchNorm2d(3)
        self.conv = nn.Conv2d(3, 4, 3, padding="same", dilation=2)
        self.pool = nn.MaxPool2d(3, 2, 1, ceil_mode=True)
        self.average = nn.AvgPool2d(2, 1, 1, count_include_pad=False)
        self.bn = nn.BatchNorm2d(4)
        self.fc = nn.Linear(4 * 6 * 7, 5, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        x = self.bn0(x.permute(0, 3, 1, 2) - self.picture)
        x = self.bn(self.average(self.pool(torch.clamp(self.conv(x), 0.0, 2.5))))
        return torch.sigmoid(self.fc(torch.clamp(x, min=0.0).reshape(-1, 4 * 6 * 7)) * 0.5 + 1)


NETWORKS: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...]]] = {
    "mlp": (Mlp, (1, 1, 28, 28)),
    "lenet": (LeNet, (1, 1, 28, 28)),
    "vgg": (vgg, (1, 3, 32, 32)),
    "ds_cnn": (DsCnn, (1, 1, 49, 10)),
    "mobilenet": (MobileNet, (1, 3, 32, 32)),
    "akidanet": (AkidaNet, (1, 3, 24, 24)),
    "signal": (Signal, (1, 2, 32)),
    "odd": (Odd, (1, 9, 11, 3)),
    "lstm": (Recurrent, (1, 7, 4)),
    "lstm_time_first": (lambda: Recurrent(batch_first=False), (7, 1, 4)),
    "lstm_state": (lambda: Recurrent(read="state"), (1, 7, 4)),
    "lstm_all": (lambda: Recurrent(read="all"), (1, 7, 4)),
    "lstm_stacked": (lambda: Recurrent(num_layers=2), (1, 7, 4)),
    "gru": (lambda: Recurrent("GRU", bias=False), (1, 7, 4)),
    "rnn": (lambda: Recurrent("RNN", nonlinearity="relu"), (1, 7, 4)),
    "rnn_tanh": (lambda: Recurrent("RNN", read="state"), (1, 7, 4)),
    "rnn_all": (lambda: Recurrent("RNN", read="all", bias=False), (1, 7, 4)),
}
