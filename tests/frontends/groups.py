# SPDX-License-Identifier: Apache-2.0
"""Networks that hold what the chip cannot do, each with the names that a refusal must say."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class SqueezeExcite(nn.Module):
    """A squeeze-excite block behind a convolution, with dense layers or 1x1 convolutions."""

    def __init__(self, dense: bool, hard: bool) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3)
        self.dense = dense
        self.down = nn.Linear(8, 2) if dense else nn.Conv2d(8, 2, 1)
        self.up = nn.Linear(2, 8) if dense else nn.Conv2d(2, 8, 1)
        self.gate = nn.Hardsigmoid() if hard else nn.Sigmoid()

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv(x)
        s = x.mean((2, 3)) if self.dense else F.adaptive_avg_pool2d(x, 1)
        s = self.gate(self.up(torch.relu(self.down(s))))
        return x * (s.view(-1, 8, 1, 1) if self.dense else s)


class Residual(nn.Module):
    """A basic block of a ResNet."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(3, 3, 3, padding=1, bias=False), nn.BatchNorm2d(3)
        self.conv2, self.bn2 = nn.Conv2d(3, 3, 3, padding=1, bias=False), nn.BatchNorm2d(3)

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(x + self.bn2(self.conv2(torch.relu(self.bn1(self.conv1(x))))))


class SelfAttention(nn.Module):
    """nn.MultiheadAttention on one sequence."""

    def __init__(self) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(8, 2, batch_first=True)

    def forward(self, x: Tensor) -> Tensor:
        return self.attention(x, x, x, need_weights=False)[0]


class SharesOfAttention(SelfAttention):
    """The same by the slower way, which also gives the shares."""

    def forward(self, x: Tensor) -> Tensor:
        return self.attention(x, x, x)[0]


class Encoder(nn.Module):
    """One layer of a transformer encoder, its steps averaged."""

    def __init__(self, **options: object) -> None:
        super().__init__()
        self.layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True, **options)

    def forward(self, x: Tensor) -> Tensor:
        return self.layer(x).mean(1)


class PlainAttention(nn.Module):
    """Attention with one head, in plain arithmetic."""

    def __init__(self) -> None:
        super().__init__()
        self.q, self.k, self.v = nn.Linear(8, 8), nn.Linear(8, 8), nn.Linear(8, 8)

    def forward(self, x: Tensor) -> Tensor:
        scores = self.q(x) @ self.k(x).transpose(1, 2) / 8**0.5
        return torch.softmax(scores, dim=-1) @ self.v(x)


class Spelled(nn.Module):
    """Normalisations and activations spelled out by hand."""

    def __init__(self, function: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.fc = nn.Linear(8, 8)
        self.function = function

    def forward(self, x: Tensor) -> Tensor:
        return self.function(self.fc(x))


class Branches(nn.Module):
    """Two branches side by side, enlarged at the end."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Conv2d(3, 4, 1), nn.Conv2d(3, 4, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return F.interpolate(torch.cat([self.a(x), self.b(x)], 1), scale_factor=2)


def spelled_layer_norm(x: Tensor) -> Tensor:
    """LayerNorm without nn.LayerNorm."""
    centred = x - x.mean(-1, keepdim=True)
    return centred / torch.sqrt((centred**2).mean(-1, keepdim=True) + 1e-5)


def spelled_rms_norm(x: Tensor) -> Tensor:
    """RMSNorm as language models spell it."""
    return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-6)


def spelled_gelu(x: Tensor) -> Tensor:
    """The tanh form of GELU, as GPT-2 spells it."""
    return 0.5 * x * (1 + torch.tanh((2 / torch.pi) ** 0.5 * (x + 0.044715 * torch.pow(x, 3))))


def conv_then(*layers: nn.Module) -> Callable[[], nn.Module]:
    """A convolution with these layers behind it."""
    return lambda: nn.Sequential(nn.Conv2d(3, 8, 3), *layers)


IMAGE, ROW, TOKENS = (1, 3, 10, 10), (1, 8), (1, 5, 8)

GROUPS: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...], set[str]]] = {
    "encoder_relu": (Encoder, TOKENS, {"attention", "residual add", "LayerNorm"}),
    "encoder_gelu": (
        lambda: Encoder(activation="gelu", norm_first=True),
        TOKENS,
        {"attention", "residual add", "LayerNorm", "GELU"},
    ),
    "multihead_attention": (SelfAttention, TOKENS, {"attention"}),
    "plain_attention": (PlainAttention, TOKENS, {"attention"}),
    "layer_norm": (conv_then(nn.LayerNorm(8)), IMAGE, {"LayerNorm"}),
    "group_norm": (conv_then(nn.GroupNorm(2, 8)), IMAGE, {"GroupNorm"}),
    "instance_norm": (conv_then(nn.InstanceNorm2d(8, affine=True)), IMAGE, {"InstanceNorm"}),
    "local_response": (conv_then(nn.LocalResponseNorm(3)), IMAGE, {"local response normalization"}),
    "gelu": (conv_then(nn.GELU()), IMAGE, {"GELU"}),
    "gelu_tanh": (conv_then(nn.GELU(approximate="tanh")), IMAGE, {"GELU"}),
    "silu": (conv_then(nn.SiLU()), IMAGE, {"SiLU"}),
    "hardswish": (conv_then(nn.Hardswish()), IMAGE, {"HardSwish"}),
    "mish": (conv_then(nn.Mish()), IMAGE, {"Mish"}),
    "tanh": (conv_then(nn.Tanh()), IMAGE, {"Tanh"}),
    "leaky_relu": (conv_then(nn.LeakyReLU()), IMAGE, {"LeakyReLU"}),
    "prelu": (conv_then(nn.PReLU()), IMAGE, {"PReLU"}),
    "elu": (conv_then(nn.ELU()), IMAGE, {"ELU"}),
    "glu": (lambda: nn.Sequential(nn.Linear(8, 8), nn.GLU()), ROW, {"GLU"}),
    "squeeze_excite": (lambda: SqueezeExcite(False, False), IMAGE, {"squeeze-excite"}),
    "squeeze_excite_dense": (lambda: SqueezeExcite(True, False), IMAGE, {"squeeze-excite"}),
    "squeeze_excite_hard": (lambda: SqueezeExcite(False, True), IMAGE, {"squeeze-excite"}),
    "residual": (Residual, IMAGE, {"residual add"}),
    "branches": (Branches, IMAGE, {"concat", "upsampling"}),
    "transposed": (lambda: nn.ConvTranspose2d(3, 4, 2, 2), IMAGE, {"transposed convolution"}),
    "conv3d": (lambda: nn.Conv3d(1, 2, 3), (1, 1, 5, 5, 5), {"3-D convolution"}),
    "dilated_pool": (lambda: nn.MaxPool2d(2, 1, dilation=2), IMAGE, {"dilated max pooling"}),
    "reflect": (conv_then(nn.ReflectionPad2d(1)), IMAGE, set()),
    "spelled_layer_norm": (lambda: Spelled(spelled_layer_norm), ROW, {"LayerNorm"}),
    "spelled_rms_norm": (lambda: Spelled(spelled_rms_norm), ROW, {"RMSNorm"}),
    "spelled_gelu": (lambda: Spelled(spelled_gelu), ROW, {"GELU"}),
    "spelled_silu": (lambda: Spelled(lambda x: x * torch.sigmoid(x)), ROW, {"SiLU"}),
    "spelled_hardswish": (lambda: Spelled(lambda x: x * F.relu6(x + 3) / 6), ROW, {"HardSwish"}),
}
