# SPDX-License-Identifier: Apache-2.0
"""All example networks by name: what emulate.py, stages.py and the tests run through."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

from examples.fashion_cnn.run import NETWORKS as FASHION
from examples.fashion_cnn.run import case as fashion_cnn
from examples.keyword_cnn.run import case as keyword_cnn
from examples.mnist_mlp.run import case as mnist_mlp
from examples.mnist_snn.run import case as mnist_snn
from examples.nmnist_conv_snn.run import case as nmnist_conv_snn
from examples.roads import Case
from examples.spoken_digits_esn.run import case as spoken_digits_esn
from examples.spoken_digits_lstm.run import retrained_case as spoken_digits_lstm

NETWORKS: dict[str, Callable[..., Case]] = {
    "mnist_mlp": mnist_mlp,
    **{f"fashion_cnn/{name}": partial(fashion_cnn, name) for name in FASHION},
    "keyword_cnn": keyword_cnn,
    "mnist_snn": mnist_snn,
    "nmnist_conv_snn": nmnist_conv_snn,
    "spoken_digits_esn": spoken_digits_esn,
    "spoken_digits_lstm": spoken_digits_lstm,
}
"""Folder (and network in it) to a function of the number of test samples; all of them without one."""


def folder_of(name: str, kind: str) -> Path:
    """Where a network's files of one kind are: its stages ("akir"), or what emulate.py makes ("build")."""
    folder, _, network = name.partition("/")
    return Path(__file__).parent / folder / kind / network
