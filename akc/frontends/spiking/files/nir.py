# SPDX-License-Identifier: Apache-2.0
"""The records of a NIR file: nodes and edges, as nir 1.0 writes them (nir/serialization.py, nir/ir).

The class of a record is named like its node, and its fields like those of the file.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import attrs
import numpy as np
from attrs import frozen

from akc.base.checked import Array, Faults, Numbers, Unfit, Whole, Wholes, Word, checked, record, taken
from akc.base.diagnostics import error
from akc.frontends.spiking.files.hdf5 import read_tree

DEEPEST = 16

PARAMETER = Numbers(dtype=np.float64)
"""A number for each neuron."""
ENDLESS = Numbers(dtype=np.float64, infinite=True)
"""Thresholds that are never reached."""
CONSTANT = Numbers(dtype=np.float64, low=0, above=True, infinite=True)
"""Time constants; an integrator that loses nothing has an infinite one, and an infinite resistance with it."""
FILTERS = Numbers(axes=(3, 4))
SIZES = Wholes((1, 2), low=1, high=1 << 16)
SHAPE = Wholes((1, 2, 3, 4, 5), low=1, high=1 << 24)


@frozen
class _Padding:
    """Cells around a map, or "same" or "valid"."""

    def read(self, value: Any) -> Any:
        """The numbers, or the word."""
        try:
            return Word(("same", "valid")).read(value)
        except Unfit:
            return Wholes((1, 2), low=0, high=1 << 16).read(value)

    def __str__(self) -> str:
        return "1 or 2 whole numbers from 0, or same, or valid"


@frozen(kw_only=True)
class Input:
    """Where values come in."""

    shape: tuple[int, ...] = checked(SHAPE)


@frozen(kw_only=True)
class Output:
    """Where they leave; its shape says nothing that the chain does not say."""


@frozen(kw_only=True)
class Affine:
    """weight [..., out, in], bias [out]."""

    weight: Array = checked(Numbers(axes=(2,)))
    bias: Array | None = checked(Numbers(axes=(1,)), None)


@frozen(kw_only=True)
class Linear:
    """weight [out, in]."""

    weight: Array = checked(Numbers(axes=(2,)))
    bias: Array | None = None


@frozen(kw_only=True)
class Conv2d:
    """weight [out, in / groups, k0, k1], bias [out]."""

    weight: Array = checked(FILTERS)
    bias: Array | None = checked(Numbers(), None)
    stride: tuple[int, ...] = checked(SIZES, (1,))
    padding: Any = checked(_Padding(), (0,))
    dilation: tuple[int, ...] = checked(SIZES, (1,))
    groups: int = checked(Whole(1, 1 << 16), 1)


@frozen(kw_only=True)
class Conv1d(Conv2d):
    """weight [out, in / groups, k]."""


@frozen(kw_only=True)
class SumPool2d:
    """Sums over windows."""

    kernel_size: tuple[int, ...] = checked(SIZES)
    stride: tuple[int, ...] = checked(SIZES)
    padding: tuple[int, ...] = checked(Wholes((1, 2), low=0, high=1 << 16), (0,))


@frozen(kw_only=True)
class AvgPool2d(SumPool2d):
    """Means over windows."""


@frozen(kw_only=True)
class Flatten:
    """All axes of a sample become one."""


@frozen(kw_only=True)
class Scale:
    """Elementwise factors."""

    scale: Array = checked(Numbers(dtype=np.float64))


@frozen(kw_only=True)
class Delay:
    """Steps or seconds of delay."""

    delay: Array = checked(Numbers(dtype=np.float64, empty=True))


@frozen(kw_only=True)
class Threshold:
    """Spikes where the input is above it."""

    threshold: Array = checked(ENDLESS)


@frozen(kw_only=True)
class I:  # noqa: E742
    """An integrator."""

    r: Array = checked(ENDLESS)


@frozen(kw_only=True)
class IF(I):
    """Integrate and fire."""

    v_threshold: Array = checked(ENDLESS)
    v_reset: Array = checked(PARAMETER, np.zeros(()))


@frozen(kw_only=True)
class LI:
    """A leaky integrator."""

    tau: Array = checked(CONSTANT)
    r: Array = checked(ENDLESS)
    v_leak: Array = checked(PARAMETER)


@frozen(kw_only=True)
class LIF(LI):
    """Leaky integrate and fire."""

    v_threshold: Array = checked(ENDLESS)
    v_reset: Array = checked(PARAMETER, np.zeros(()))


@frozen(kw_only=True)
class CubaLI:
    """A leaky integrator behind a synaptic current."""

    tau_syn: Array = checked(CONSTANT)
    tau_mem: Array = checked(CONSTANT)
    r: Array = checked(ENDLESS)
    v_leak: Array = checked(PARAMETER)
    w_in: Array = checked(ENDLESS, np.ones(()))


@frozen(kw_only=True)
class CubaLIF(CubaLI):
    """Leaky integrate and fire behind a synaptic current."""

    v_threshold: Array = checked(ENDLESS)
    v_reset: Array = checked(PARAMETER, np.zeros(()))


@frozen(kw_only=True)
class Unknown:
    """A node of a kind that nobody reads; its class is made for its name."""


NODES: dict[str, type[Any]] = {
    cls.__name__: cls
    for cls in (Input, Output, Affine, Linear, Conv1d, Conv2d, SumPool2d, AvgPool2d, Flatten, Scale, Delay, Threshold,
                I, IF, LI, LIF, CubaLI, CubaLIF)
}  # fmt: skip


@frozen(kw_only=True)
class NIRGraph:
    """Nodes by name, graphs among them, and edges between names."""

    nodes: dict[str, Any]
    edges: tuple[tuple[str, str], ...]


def load(path: str) -> NIRGraph:
    """The graph of a file; raises DiagnosticError AKC0313, AKC0389, AKC0955 to AKC0957, AKC0959."""
    tree, faults = read_tree(path, "NIR file"), Faults(Path(path).name)
    root = tree.get("node")
    if not isinstance(root, Mapping):
        raise error("AKC0389", f"{Path(path).name} is no NIR file: it has no group node", help="nir.write writes one")
    if "type" in root:
        taken(Word(("NIRGraph",)), root["type"], "node/type", faults)
    graph = _graph(root, "node", faults, 0)
    faults.stop()
    return graph


def _graph(raw: Mapping[str, Any], path: str, faults: Faults, depth: int) -> NIRGraph:
    nodes: dict[str, Any] = {}
    found = raw.get("nodes")
    if not isinstance(found, Mapping) or depth > DEEPEST:
        faults.add(f"{path}/nodes", "missing" if found is None else "no group, or too deep", "a group of nodes")
        return NIRGraph(nodes={}, edges=())
    for name, item in found.items():
        nodes[name] = _node(item, f"{path}/nodes/{name}", faults, depth)
    return NIRGraph(nodes=nodes, edges=_edges(raw.get("edges"), nodes, f"{path}/edges", faults))


def _edges(raw: Any, nodes: Mapping[str, Any], path: str, faults: Faults) -> tuple[tuple[str, str], ...]:
    """Pairs of names that there are."""
    array = np.asarray(raw) if isinstance(raw, np.ndarray | list) else np.zeros(0)
    if array.ndim != 2 or array.shape[1:] != (2,) or array.dtype.kind not in "OSU":
        faults.add(path, "missing" if raw is None else "of another shape", "pairs of names of nodes")
        return ()
    known, names = Word(tuple(nodes)), Word()
    pairs = []
    for index, pair in enumerate(array.tolist()):
        ends = [taken(names, end, f"{path}/{index}", faults) for end in pair]
        unknown = next((end for end in ends if end is not None and end not in nodes), None)
        if unknown is not None:
            faults.add(f"{path}/{index}", repr(unknown), str(known))
        pairs.append((str(ends[0]), str(ends[1])))
    return tuple(pairs)


def _node(raw: Any, path: str, faults: Faults, depth: int) -> Any:
    """The record of a node, in the class of its type."""
    if not isinstance(raw, Mapping) or "type" not in raw:
        faults.add(f"{path}/type", "missing", f"one of {', '.join([*NODES, 'NIRGraph'])}")
        return None
    kind = taken(Word(longest=64), raw["type"], f"{path}/type", faults)
    if kind == "NIRGraph":
        return _graph(raw, path, faults, depth + 1)
    if kind not in NODES:
        return None if kind is None else type(str(kind), (Unknown,), {})()
    node = record(NODES[kind], raw, path, faults)
    if node is not None:
        _fits(node, path, faults)
    return node


def _fits(node: Any, path: str, faults: Faults) -> None:
    """The fields of a node against each other."""
    for cls, check in FITS.items():
        if isinstance(node, cls):
            check(node, path, faults)


def _fits_dense(node: Any, path: str, faults: Faults) -> None:
    if node.bias is not None and node.bias.shape != node.weight.shape[:1]:
        faults.add(f"{path}/bias", f"{node.bias.size} numbers", f"{node.weight.shape[0]} numbers, one a unit")


def _fits_conv(node: Conv2d, path: str, faults: Faults) -> None:
    wanted = 3 if type(node) is Conv1d else 4
    if node.weight.ndim != wanted:
        faults.add(f"{path}/weight", f"an array with {node.weight.ndim} axes", f"{wanted} axes")
    if node.bias is not None and node.bias.shape not in ((), node.weight.shape[:1]):
        faults.add(f"{path}/bias", f"{node.bias.size} numbers", f"{node.weight.shape[0]} numbers, one a filter")
    if node.weight.shape[0] % node.groups:
        faults.add(f"{path}/groups", str(node.groups), f"a divisor of the {node.weight.shape[0]} filters")


def _fits_neuron(node: Any, path: str, faults: Faults) -> None:
    """Numbers of one shape; numbers that are all the same may be one number."""
    arrays = {f.name: np.shape(getattr(node, f.name)) for f in attrs.fields(type(node))}
    wide = max(arrays.values(), key=lambda shape: (int(np.prod(shape)), len(shape)))
    for name, shape in arrays.items():
        if shape != wide and int(np.prod(shape)) != 1:
            shown, wanted = ("x".join(map(str, s)) for s in (shape, wide))
            faults.add(f"{path}/{name}", f"{shown} numbers", f"{wanted} numbers, as its other fields, or one")


FITS: dict[type[Any], Callable[[Any, str, Faults], None]] = {
    Affine: _fits_dense,
    Conv2d: _fits_conv,
    **dict.fromkeys((I, LI, CubaLI), _fits_neuron),
}
"""What must fit together in a node."""
