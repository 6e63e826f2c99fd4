# SPDX-License-Identifier: Apache-2.0
"""Run quantised networks on the simulator, beside the same float networks in torch; batch 64, one thread.

The simulator takes floats and gives floats, so quantising the input and decoding the output count.

    python benchmarks/simulator.py [ROUNDS]
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import torch
from timing import medians, table
from torch import nn

import akc
from akc.sim.run import Runner

BATCH = 64


def mlp() -> tuple[nn.Module, tuple[int, ...]]:
    """784-256-10."""
    return nn.Sequential(nn.Linear(784, 256), nn.ReLU(), nn.Linear(256, 10)), (784,)


def cnn() -> tuple[nn.Module, tuple[int, ...]]:
    """Two convolutions with pooling and a dense layer on 28 x 28."""
    layers = [nn.Conv2d(1, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)]
    layers += [nn.Conv2d(16, 32, 3, stride=1, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(32 * 14 * 14, 10)]
    return nn.Sequential(*layers), (1, 28, 28)


def compare(name: str, make: Any, rounds: int) -> None:
    """Print the table of one network."""
    torch.manual_seed(0)
    network, shape = make()
    network.eval()
    x = torch.rand(BATCH, *shape)
    module = akc.lower(network, example=x[:1], calibrate=x.numpy())
    runners = {backend: Runner(module, backend) for backend in ("torch", "numpy")}
    array = np.ascontiguousarray(x.numpy())
    tasks: dict[str, Any] = {"float network in torch": lambda: network(x)}
    tasks |= {f"simulator, {b}": lambda runner=runner: runner.run(array) for b, runner in runners.items()}
    print(f"{name}, batch {BATCH}, median of {rounds}")
    with torch.inference_mode():
        print(table(medians(tasks, rounds), next(iter(tasks))))


def main(rounds: int) -> None:
    """Print both tables."""
    torch.set_num_threads(1)
    compare("MLP 784-256-10", mlp, rounds)
    compare("CNN 28x28", cnn, rounds)


if __name__ == "__main__":
    main(int(sys.argv[1]) if sys.argv[1:] else 200)
