# SPDX-License-Identifier: Apache-2.0
"""The records of a lava-dl network file: layout and names of lava-dl 0.6.0 (lava/lib/dl/netx/hdf5.py)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from attrs import evolve, frozen

from akc.base.budget import promise
from akc.base.checked import Array, Faults, Flag, Numbers, Record, Whole, Wholes, Word, checked, record, taken
from akc.base.diagnostics import error
from akc.frontends.spiking.files.hdf5 import read_tree

INTEGERS = 2.0**31
SIZES = Wholes((1, 2), low=1, high=1 << 16)
BORDERS = Wholes((1, 2), low=0, high=1 << 16)


@frozen(kw_only=True)
class Neuron:
    """The group `neuron` of a layer; decays in 1/4096 of a step. Those of other models than CUBA have fewer fields."""

    type: str = checked(Word(longest=64), "")
    iDecay: int | None = checked(Whole(0, 4096), None)
    vDecay: int | None = checked(Whole(0, 4096), None)
    vThMant: int | None = checked(Whole(0, INTEGERS - 1), None)
    refDelay: int = checked(Whole(0, 1 << 20), 1)
    gradedSpike: bool = checked(Flag(), False)
    messageBits: int = checked(Whole(0, 64), 0)
    sigma_output: bool = checked(Flag(), False)
    activation: str = checked(Word(longest=64), "relu")


@frozen(kw_only=True)
class Layer:
    """A group of `layer`. weight: as the file lays it out; complex: whether the weights are complex numbers."""

    type: str = checked(Word(longest=64))
    shape: tuple[int, ...] = checked(Wholes((1, 2, 3), low=1, high=1 << 24), ())
    weight: Array | None = checked(Numbers(low=-INTEGERS, high=INTEGERS), None)
    weight_rec: Array | None = checked(Numbers(low=-INTEGERS, high=INTEGERS), None)
    bias: Array | None = checked(Numbers(low=-INTEGERS, high=INTEGERS), None)
    delay: Array | None = checked(Numbers(infinite=True, empty=True), None)
    outFeatures: int | None = checked(Whole(1, 1 << 24), None)
    groups: int = checked(Whole(1, 1 << 16), 1)
    kernelSize: tuple[int, ...] = checked(SIZES, ())
    stride: tuple[int, ...] = checked(SIZES, (1,))
    padding: tuple[int, ...] = checked(BORDERS, (0,))
    dilation: tuple[int, ...] = checked(SIZES, (1,))
    neuron: Neuron | None = checked(Record(Neuron), None)
    complex: bool = False

    @property
    def model(self) -> str:
        """The class of the neuron, "" where there is none."""
        return "" if self.neuron is None else self.neuron.type

    @property
    def rows(self) -> int:
        """Units of a dense layer."""
        return self.outFeatures or int(np.prod(self.shape))


@frozen(kw_only=True)
class File:
    """layers: in order; steps: of a sample, where the file says it."""

    layers: tuple[Layer, ...]
    steps: int | None = None


def load(path: str) -> File:
    """The records of a file; raises DiagnosticError AKC0313, AKC0389, AKC0955 to AKC0957, AKC0959."""
    tree, faults = read_tree(path, "lava network file"), Faults(Path(path).name)
    groups = tree.get("layer")
    if not isinstance(groups, Mapping) or not groups or not all(key.isdecimal() and len(key) < 9 for key in groups):
        what = "has no layers" if not groups else "its layers are no groups 0, 1, 2 ..."
        raise error("AKC0389", f"{Path(path).name} is no lava network file: {what}", help="give a file of netx")
    layers = [_layer(groups[key], f"layer/{key}", faults) for key in sorted(groups, key=int)]
    simulation, steps = tree.get("simulation"), None
    if isinstance(simulation, Mapping) and "tSample" in simulation:
        steps = taken(Whole(1, 1 << 15), simulation["tSample"], "simulation/tSample", faults)
    faults.stop()
    return File(layers=tuple(layer for layer in layers if layer is not None), steps=steps)


def _layer(raw: Any, path: str, faults: Faults) -> Layer | None:
    """One layer; complex weights are a group of two arrays, which nothing reads."""
    complex_weights = isinstance(raw, Mapping) and isinstance(raw.get("weight"), Mapping)
    if complex_weights:
        raw = {key: value for key, value in raw.items() if key != "weight"}
    layer = record(Layer, raw, path, faults)
    return None if layer is None else evolve(layer, complex=complex_weights)


# -- what must fit together --------------------------------------------------------------------------


def check(index: int, layer: Layer, faults: Faults) -> None:
    """The fields of a layer against each other; for kinds of layers and neurons that are read."""
    path = f"layer/{index}"
    if layer.model in ("CUBA", "LOIHI") and layer.neuron is not None:
        for key in ("iDecay", "vDecay", "vThMant"):
            if getattr(layer.neuron, key) is None:
                faults.add(f"{path}/neuron/{key}", "missing", "a whole number")
    lacking = [
        key for key in NEEDS.get(layer.type, ()) if not np.size(getattr(layer, key)) or getattr(layer, key) is None
    ]
    if lacking:
        origin = (f"layer{index}",)
        lacks = " and no ".join(lacking)
        raise error("AKC0389", f"'layer{index}' ({layer.type}) has no {lacks}", origin=origin, help="export it again")
    fits = FITS.get(layer.type)
    if fits is not None:
        fits(layer, path, faults)


def _fits_dense(layer: Layer, path: str, faults: Faults) -> None:
    assert layer.weight is not None
    if not layer.outFeatures and not layer.shape:
        faults.add(f"{path}/shape", "missing", "the number of units")
        return
    rows = layer.rows
    if layer.weight.size % rows:
        faults.add(f"{path}/weight", f"{layer.weight.size} numbers", f"a multiple of {rows}, the number of units")
    back = layer.weight_rec
    if layer.type == "dense_rec" and back is None:
        faults.add(f"{path}/weight_rec", "missing", "the weights of the feedback")
    elif back is not None and back.size != rows * rows:
        faults.add(f"{path}/weight_rec", f"{back.size} numbers", f"{rows} x {rows} numbers, units by units")
    _fits_bias(layer, rows, path, faults)


def _fits_conv(layer: Layer, path: str, faults: Faults) -> None:
    weight = layer.weight
    assert weight is not None
    if weight.ndim not in (4, 5) or (weight.ndim == 5 and weight.shape[4] != 1):
        shape = "x".join(map(str, weight.shape))
        faults.add(f"{path}/weight", f"an array {shape}", "filters, channels, two sizes of the kernel, and 1")
        return
    if weight.shape[0] % layer.groups:
        faults.add(f"{path}/groups", str(layer.groups), f"a divisor of the {weight.shape[0]} filters")
    _fits_bias(layer, weight.shape[0], path, faults)


def _fits_pool(layer: Layer, path: str, faults: Faults) -> None:
    assert layer.weight is not None
    cells = layer.kernelSize[0] * layer.kernelSize[-1]
    if layer.weight.size != cells:
        faults.add(f"{path}/weight", f"{layer.weight.size} numbers", f"{cells}, the cells of the kernel")
    if layer.bias is not None and layer.bias.size != 1:
        faults.add(f"{path}/bias", f"{layer.bias.size} numbers", "one number")


def _fits_bias(layer: Layer, units: int, path: str, faults: Faults) -> None:
    if layer.bias is not None and layer.bias.size not in (1, units):
        faults.add(f"{path}/bias", f"{layer.bias.size} numbers", f"{units} numbers, one a unit")


def _fits_average(layer: Layer, path: str, faults: Faults) -> None:
    groups = int(np.prod(layer.shape))
    promise(4 * groups * groups, f"{faults.file}: {path} with {groups} groups")


NEEDS: dict[str, tuple[str, ...]] = {
    "input": ("shape",),
    "dense": ("weight",),
    "dense_rec": ("weight",),
    "conv": ("weight",),
    "pool": ("weight", "kernelSize"),
    "average": ("shape",),
}
"""What a kind of layer must have."""

FITS: dict[str, Callable[[Layer, str, Faults], None]] = {
    "dense": _fits_dense,
    "dense_rec": _fits_dense,
    "conv": _fits_conv,
    "pool": _fits_pool,
    "average": _fits_average,
}
