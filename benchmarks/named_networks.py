# SPDX-License-Identifier: Apache-2.0
"""What runs where: rows of docs/networks.md for networks that people know by name.

python -m benchmarks.named_networks           # all; needs torchvision and timm
python -m benchmarks.named_networks EEGNet    # some
python -m benchmarks.named_networks --write   # all, and put the table into docs/networks.md
"""

from __future__ import annotations

import sys
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import torch
from attrs import frozen
from torch import nn

import akc
from akc.ir.module import Module
from akc.passes import LEGALISE
from akc.sim.run import run
from examples.named_networks import NETWORKS, network

PAGE = Path(__file__).parents[1] / "docs" / "networks.md"
OPTIONS: dict[str, Any] = {"input_range": (0.0, 1.0), "host": "allow"}
CLOSE = 1e-4
"""Difference that 32-bit arithmetic in another order leaves, as a share of the largest number of an output."""
HEAD = """\
| network | input | float | layers on chip | host operations | sequences | NPs | seconds |
|---|---|---|---|---|---|---|---|"""


@frozen
class Row:
    """One line of the table. float: the largest difference of the network after all rewrites, as a share of the
    largest number; nps: of each sequence, besides the image layer; seconds: to lower and build."""

    name: str
    shape: tuple[int, ...]
    float: float
    layers: int
    host: int
    nps: tuple[int, ...]
    seconds: float

    def __str__(self) -> str:
        equal = "yes" if self.float <= CLOSE else f"{self.float:.1e}"
        shape, nps = "x".join(map(str, self.shape)), ", ".join(map(str, self.nps))
        cells = (self.name, shape, equal, self.layers, self.host, len(self.nps), nps, f"{self.seconds:.0f}")
        return f"| {' | '.join(map(str, cells))} |"


def measured(name: str, net: nn.Module, shape: tuple[int, ...]) -> Row:
    """The row of one network; raises DiagnosticError where it is refused."""
    example = (1, *shape)
    start = time.perf_counter()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", akc.DiagnosticWarning)
        lowered = akc.lower(net, example=example, **OPTIONS)
        placed = akc.build(lowered, place="compact", host="allow").module
        seconds = time.perf_counter() - start
        rewritten = akc.lower(net, example=example, pipeline=LEGALISE, check="off", **OPTIONS)
    nps = tuple(sum(at.kind != "hrc" for op in s.ops for at in op.at) for s in placed.net.sequences)
    layers = sum(len(s.ops) for s in placed.net.sequences)
    return Row(name, shape, difference(net, rewritten, shape), layers, len(host_operations(placed)), nps, seconds)


def host_operations(placed: Module) -> list[str]:
    """What the host computes besides rounding, unrounding and the order of axes."""
    inside = {op.name for s in placed.net.sequences for op in s.ops}
    trivial = ("host.", "nn.reshape", "nn.permute")
    return [op.mnemonic for op in placed.net.ops if op.name not in inside and not op.mnemonic.startswith(trivial)]


def difference(net: nn.Module, module: Module, shape: tuple[int, ...], count: int = 2) -> float:
    """The largest difference of a float module's results from PyTorch's, as a share of each result's largest number."""
    x = torch.rand(count, *shape, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        wanted = net(x)
    pairs = zip(wanted if isinstance(wanted, tuple) else (wanted,), run(module, x.numpy()).values(), strict=True)
    return max(float(np.abs(g.reshape(w.shape) - w.numpy()).max() / w.abs().max()) for w, g in pairs)


def main(names: list[str]) -> None:
    """Print the rows of networks, of all where none is named."""
    torch.set_num_threads(1)
    rows = [HEAD]
    print(HEAD)
    for name in [name for name in names if name != "--write"] or NETWORKS:
        rows.append(str(measured(name, network(name), NETWORKS[name][1])))
        print(rows[-1], flush=True)
    if "--write" in names:
        write(rows)


def write(rows: list[str]) -> None:
    """Put a table in the place of the one in docs/networks.md."""
    before, rest = PAGE.read_text(encoding="utf-8").split(HEAD.splitlines()[0], 1)
    after = rest.split("\n\n", 1)[1]
    PAGE.write_text("\n".join((before + rows[0], *rows[1:])) + "\n\n" + after, encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
