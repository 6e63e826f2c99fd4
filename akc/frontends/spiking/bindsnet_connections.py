# SPDX-License-Identifier: Apache-2.0
"""BindsNET's connections as layers: dense matrices, convolutions, unshared kernels, pipelines of features.

The equations are those of BindsNET 0.3.4 (bindsnet/network/topology.py, topology_features.py).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from attrs import evolve, frozen

from akc.base.budget import promise
from akc.base.diagnostics import Diagnostic, DiagnosticError, error
from akc.frontends.spiking.reader import Chain, pair
from akc.frontends.spiking.refusals import REFUSALS
from akc.frontends.spiking.timeloop import NeuronRow

Array = np.ndarray[Any, np.dtype[Any]]


@frozen(kw_only=True)
class Connection:
    """A connection between two populations."""

    kind: str
    source: str
    target: str
    values: dict[str, Any]

    @property
    def name(self) -> str:
        """As BindsNET's state_dict calls it."""
        return f"{self.source}_to_{self.target}"


FEATURES = {"Weight": "mul", "Mask": "mul", "Intensity": "mul", "Bias": "add"}
"""What the features of a pipeline do to the matrix of a MulticompartmentConnection."""

FEATURE_REFUSALS = {
    "Probability": "stochastic",
    "AdaptationBaseSynapsHistory": "kernel-memory",
    "AdaptationBaseOtherSynaps": "kernel-memory",
}
IDLE_FEATURES = ("Normalization", "Updating")
"""Features that only learning needs."""

REFUSED = {
    "MaxPool1dConnection": "rate-pooling", "MaxPool2dConnection": "rate-pooling", "MaxPoo3dConnection": "rate-pooling",
    "LocalConnection3D": "unshared-weights", "Conv3dConnection": "no-such-layer",
    "MeanFieldConnection": "no-such-layer",
}  # fmt: skip
"""Connections by the reason they are refused."""


def is_read(kind: str) -> bool:
    """Whether connections of a class become a layer, some of them only where the user accepts what is lost."""
    return kind in APPENDERS


def refused(c: Connection, accept: tuple[str, ...]) -> list[Diagnostic]:
    """Why a connection cannot be read, by the rows of the table of refusals."""
    reason = REFUSED.get(c.kind) if c.kind in REFUSED or c.kind in APPENDERS else "no-such-layer"
    if reason == "rate-pooling" and "rate-pooling" in accept and c.kind == "MaxPool2dConnection":
        reason = None
    found = [] if reason is None else [REFUSALS[reason].diagnostic(c.name, c.kind)]
    return found + [
        REFUSALS[FEATURE_REFUSALS.get(feature.kind, "no-such-layer")].diagnostic(c.name, feature.kind)
        for feature in c.values.get("pipeline") or ()
        if feature.kind not in (*FEATURES, *IDLE_FEATURES)
    ]


def from_state(source: str, target: str, values: dict[str, Any], shapes: dict[str, tuple[int, ...]]) -> Connection:
    """A connection of a state_dict, which holds neither its class nor the strides and borders of kernels.

    A convolution with stride 1 whose border makes the shapes fit is taken; raises AKC0385 for other kernels.
    """
    weight = values.get("w", values.get("value"))
    made = Connection(kind="Connection", source=source, target=target, values={**values, "w": weight})
    if weight is None or weight.ndim == 2:
        return made
    sizes = [shapes.get(name, ())[1:] for name in (source, target)]
    fits = weight.ndim == 4 and all(len(size) == 2 for size in sizes)
    borders = [(b - a + k - 1) // 2 for a, b, k in zip(*sizes, weight.shape[2:])] if fits else []
    exact = [b - a + k - 1 == 2 * border >= 0 for a, b, k, border in zip(*sizes, weight.shape[2:], borders)]
    if not exact or not all(exact):
        raise error(
            "AKC0385",
            f"the state_dict does not hold the windows of '{made.name}', whose weights are {list(weight.shape)}",
            origin=(made.name,),
            help="give the file of Network.save",
        )
    return evolve(made, kind="Conv2dConnection", values={**made.values, "padding": borders})


def append(chain: Chain, c: Connection) -> None:
    """Add the layer of a connection that is not refused."""
    APPENDERS[c.kind](chain, c)


def _dense(chain: Chain, c: Connection) -> None:
    """w is [in, out], or [*in shape, *out shape]."""
    values, w = int(np.prod(chain.shape[1:])), c.values["w"]
    if w.size % values:
        raise _misfit(c, f"has weights {list(w.shape)}, {values} values come in")
    chain.dense(c.name, w.reshape(values, -1).T, c.values.get("b"))


def _misfit(c: Connection, what: str) -> DiagnosticError:
    return error("AKC0384", f"'{c.name}' {what}", origin=(c.name,), help="check the shapes of the populations")


def _convolution(chain: Chain, c: Connection) -> None:
    v = c.values
    numbers_of = (v.get(key, default) for key, default in (("stride", 1), ("padding", 0), ("dilation", 1)))
    chain.conv(c.name, v["w"], v.get("b"), *numbers_of)


def _pipeline(chain: Chain, c: Connection) -> None:
    """The product of the factors; what is added to every synapse is a current of its own."""
    matrix: Array | None = None
    added: Array | None = None
    for feature in c.values["pipeline"]:
        does, value = FEATURES.get(feature.kind), feature.value
        if does is None:
            continue
        shapes = [x.shape for x in (value, matrix, added) if x is not None]
        if value is None or not _broadcast(shapes):
            raise _misfit(c, f"has a {feature.kind} that does not fit its other features")
        if does == "add":
            added = value if added is None else added + value
        else:
            matrix = value if matrix is None else matrix * value
            added = None if added is None else added * value
    if matrix is None:
        matrix = np.ones_like(added) if added is not None else np.ones((1, 1), np.float32)
    if matrix.ndim != 2 or (added is not None and np.broadcast_shapes(added.shape, matrix.shape) != matrix.shape):
        raise _misfit(c, f"has a pipeline that makes weights {list(matrix.shape)}; inputs by outputs are needed")
    chain.dense(c.name, matrix.T, None if added is None else np.broadcast_to(added, matrix.shape).sum(axis=0))


def _broadcast(shapes: list[tuple[int, ...]]) -> bool:
    try:
        np.broadcast_shapes(*shapes)
    except ValueError:
        return False
    return True


def _local(axes: int) -> Callable[[Chain, Connection], None]:
    """Kernels that are not shared, w [channels, filters * places, cells], as one dense matrix."""

    def add(chain: Chain, c: Connection) -> None:
        w, shape = c.values["w"], chain.shape[1:]
        size, stride = (pair(c.values[key])[-axes:] for key in ("kernel_size", "stride"))
        fits = w.ndim == 3 and len(shape) == axes + 1 and len(size) == len(stride) == axes and w.shape[0] == shape[0]
        if not fits or any(k > n for k, n in zip(size, shape[1:])):
            raise _misfit(c, f"has kernels {list(w.shape)} of {list(size)} cells, {list(shape)} comes in")
        cells = _cells(shape, size, stride)
        filters = w.shape[1] // cells.shape[0]
        if filters * cells.shape[0] != w.shape[1] or w.shape[2] != cells.shape[1]:
            raise _misfit(
                c, f"has kernels {list(w.shape)}, its map has {cells.shape[0]} places of {cells.shape[1]} cells"
            )
        promise(8 * w.shape[1] * int(np.prod(shape)), f"'{c.name}' as one matrix")
        matrix = np.zeros((w.shape[1], int(np.prod(shape))), np.float32)
        for channel, kernels in enumerate(w):
            flat = cells + channel * int(np.prod(shape[1:]))
            rows = np.repeat(np.arange(w.shape[1])[:, None], cells.shape[1], axis=1)
            matrix[rows, np.tile(flat, (filters, 1))] += kernels
        chain.dense(c.name, matrix)

    return add


def _cells(shape: tuple[int, ...], size: tuple[int, ...], stride: tuple[int, ...]) -> Array:
    """Index in a map of each cell of the window at each place, [places, cells]."""
    index = np.arange(int(np.prod(shape[1:]))).reshape(shape[1:])
    windows = np.lib.stride_tricks.sliding_window_view(index, size)
    picked = windows[tuple(slice(None, None, step) for step in stride)]
    return picked.reshape(-1, int(np.prod(size)))


def _max_pool(chain: Chain, c: Connection) -> None:
    v = c.values
    if "kernel_size" not in v or "stride" not in v:
        raise _misfit(c, "has no kernel_size or no stride")
    chain.pool(c.name, "max_pool", v["kernel_size"], v["stride"], v.get("padding", 0))


APPENDERS: dict[str, Callable[[Chain, Connection], None]] = {
    "Connection": _dense,
    "SparseConnection": _dense,
    "MulticompartmentConnection": _pipeline,
    "Conv1dConnection": _convolution,
    "Conv2dConnection": _convolution,
    "LocalConnection": _dense,
    "LocalConnection1D": _local(1),
    "LocalConnection2D": _local(2),
    "MaxPool2dConnection": _max_pool,
}
"""What adds the layer of each class of connection."""

_HOW = {
    "LocalConnection": "as a dense layer",
    "LocalConnection1D": "as a dense layer",
    "LocalConnection2D": "as a dense layer",
    "Conv1dConnection": "as a map of one row",
}

ROWS: dict[str, NeuronRow] = {
    row.name: row
    for row in (
        *(NeuronRow(name=name, verdict="exact", how=_HOW.get(name, "")) for name in APPENDERS if name not in REFUSED),
        *(NeuronRow(name=f"feature {name}", verdict="exact", how="folded into the matrix") for name in FEATURES),
        *(NeuronRow(name=name, verdict="refused", refusal=reason) for name, reason in REFUSED.items()),
        *(
            NeuronRow(name=f"feature {name}", verdict="refused", refusal=reason)
            for name, reason in FEATURE_REFUSALS.items()
        ),
    )
}
