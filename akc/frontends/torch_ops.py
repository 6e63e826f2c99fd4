# SPDX-License-Identifier: Apache-2.0
"""aten operators, one row each: how a node of a torch.export graph becomes nodes of the common form.

Signatures: https://pytorch.org/docs/stable/ and aten/src/ATen/native/native_functions.yaml of PyTorch 2.13.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from akc.frontends.torch_graph import TorchReader, is_part, part
from akc.frontends.torch_recurrent import recurrent
from akc.frontends.windows import adaptive_same_padding, no_padding

Handler = Callable[..., None]
"""handler(reader, node, *arguments, **keywords) with the operator's own arguments."""


def handle(r: TorchReader, node: Any) -> None:
    """Read one call: by its row, or under its own name."""
    if is_part(node):
        part(r, node)
        return
    name = str(node.target).removeprefix("aten.").split(".")[0].strip("_<>")
    row = HANDLERS.get(name)
    if row is None:
        r.opaque(node, OPAQUE_NAMES.get(name, name))
    else:
        row(r, node, *node.args, **node.kwargs)


def _all(values: Any, axes: int) -> tuple[int, ...]:
    """A number for each axis, from a list or one number."""
    listed = tuple(values) if isinstance(values, Sequence) else (values,)
    return tuple(int(v) for v in (listed * axes if len(listed) == 1 else listed))


# -- layers ---------------------------------------------------------------------------------------


def linear(r: TorchReader, node: Any, x: Any, weight: Any, bias: Any = None) -> None:
    """x @ weight.T + bias."""
    w = r.array(weight)
    if w is None or w.ndim != 2 or (bias is not None and r.array(bias) is None):
        r.opaque(node, "matrix product")
    else:
        r.emit(node, "dense", [r.name(x)], {"weight": w, "bias": r.array(bias)})


def matmul(r: TorchReader, node: Any, x: Any, other: Any) -> None:
    """A product with a constant matrix is a dense layer."""
    w = r.array(other)
    if w is None or w.ndim != 2 or r.array(x) is not None:
        r.emit(node, "matmul", [r.name(x), r.name(other)])
    else:
        r.emit(node, "dense", [r.name(x)], {"weight": w.T})


def addmm(r: TorchReader, node: Any, bias: Any, x: Any, weight: Any, beta: float = 1, alpha: float = 1) -> None:
    """beta * bias + alpha * x @ weight."""
    w, v = r.array(weight), r.array(bias)
    if w is None or v is None or v.ndim > 1:
        r.opaque(node, "matrix product")
        return
    v = np.broadcast_to(v, (w.shape[1],))
    constants = {"weight": w.T if alpha == 1 else w.T * np.float32(alpha), "bias": v if beta == 1 else v * np.float32(beta)}
    r.emit(node, "dense", [r.name(x)], constants)


def conv(
    r: TorchReader, node: Any, x: Any, weight: Any, bias: Any = None, stride: Any = 1, padding: Any = 0, dilation: Any = 1,
    groups: int = 1,
) -> None:
    """conv1d, conv2d and conv3d; padding may be "same" or "valid"."""
    w = r.array(weight)
    if w is None or (bias is not None and r.array(bias) is None):
        r.opaque(node, "convolution with computed weights")
        return
    axes = w.ndim - 2
    stride, dilation = _all(stride, axes), _all(dilation, axes)
    if padding == "same":
        before, after = adaptive_same_padding(r.shape(x)[-axes:], w.shape[2:], (1,) * axes, dilation)
    elif padding == "valid":
        before, after = no_padding(axes)
    else:
        before = after = _all(padding, axes)
    r.emit(node, "conv", [_batched(r, node, x, axes)], {"weight": w, "bias": r.array(bias)},
           stride=stride, dilation=dilation, before=before, after=after, groups=groups)


def convolution(
    r: TorchReader, node: Any, x: Any, weight: Any, bias: Any, stride: Any, padding: Any, dilation: Any, transposed: bool,
    output_padding: Any, groups: int, *_: Any,
) -> None:
    """The general form, transposed or not."""
    if transposed:
        r.opaque(node, "transposed convolution")
    else:
        conv(r, node, x, weight, bias, stride, padding, dilation, groups)


def _batched(r: TorchReader, node: Any, x: Any, axes: int) -> str:
    """The operand; spatial layers take it without a batch axis too."""
    return r.name(x)


def pool(kind: str, axes: int) -> Handler:
    """A row for max_pool or avg_pool over so many axes."""

    def max_pool(r: TorchReader, node: Any, x: Any, size: Any, stride: Any = (), padding: Any = 0, dilation: Any = 1,
                 ceil_mode: bool = False) -> None:
        pads = _all(padding, axes)
        r.emit(node, kind, [r.name(x)], outputs=r.parts.get(node.name, (node.name,))[:1], size=_all(size, axes),
               stride=_all(stride or size, axes), before=pads, after=pads, dilation=_all(dilation, axes), ceil_mode=ceil_mode)

    def average_pool(r: TorchReader, node: Any, x: Any, size: Any, stride: Any = (), padding: Any = 0, ceil_mode: bool = False,
                     count_include_pad: bool = True, divisor_override: int | None = None) -> None:
        if divisor_override is not None:
            r.opaque(node, "average pooling with its own divisor")
            return
        pads = _all(padding, axes)
        r.emit(node, kind, [r.name(x)], size=_all(size, axes), stride=_all(stride or size, axes), before=pads, after=pads,
               dilation=(1,) * axes, ceil_mode=ceil_mode, count_include_pad=count_include_pad)

    return max_pool if kind == "max_pool" else average_pool


def adaptive_pool(kind: str, axes: int) -> Handler:
    """A row for adaptive pools; windows are equal where the output size divides the map."""

    def handle_pool(r: TorchReader, node: Any, x: Any, output_size: Any) -> None:
        sizes = r.shape(x)[-axes:]
        wanted = [n if w is None else w for n, w in zip(sizes, _all(output_size, axes))]
        if any(n % w for n, w in zip(sizes, wanted)):
            r.opaque(node, "adaptive pooling with windows of several sizes")
            return
        window = tuple(n // w for n, w in zip(sizes, wanted))
        zeros = (0,) * axes
        r.emit(node, kind, [r.name(x)], outputs=r.parts.get(node.name, (node.name,))[:1], size=window, stride=window,
               before=zeros, after=zeros, dilation=(1,) * axes, ceil_mode=False, count_include_pad=True)

    return handle_pool


def batch_norm(r: TorchReader, node: Any, x: Any, weight: Any, bias: Any, mean: Any, var: Any, training: bool = False, *rest: Any) -> None:
    """Batch normalisation with stored statistics; without gamma and beta they are 1 and 0."""
    m, v = r.array(mean), r.array(var)
    if training or m is None or v is None:
        r.opaque(node, "BatchNorm in training mode")
        return
    epsilon = next(float(number) for number in rest[1:] if isinstance(number, float))
    scale = r.array(weight) if weight is not None else np.ones_like(m)
    shift = r.array(bias) if bias is not None else np.zeros_like(m)
    r.emit(node, "batch_norm", [r.name(x)], {"scale": scale, "shift": shift, "mean": m, "variance": v},
           outputs=r.parts.get(node.name, (node.name,))[:1], epsilon=float(np.float32(epsilon)))


# -- elementwise ----------------------------------------------------------------------------------


def same(r: TorchReader, node: Any, x: Any, *_: Any, **__: Any) -> None:
    """Nothing happens to the numbers."""
    r.aliases[node.name] = r.name(x)


def word(kind: str) -> Handler:
    """A row for an operator that keeps its operands and has no attributes of interest."""

    def handle_word(r: TorchReader, node: Any, *arguments: Any, **_: Any) -> None:
        r.emit(node, kind, [r.operand(a, node) for a in arguments if a is not None])

    return handle_word


def binary(kind: str) -> Handler:
    """A row for add or sub, where `alpha` multiplies the second operand."""

    def handle_binary(r: TorchReader, node: Any, x: Any, y: Any, alpha: float = 1, rounding_mode: Any = None) -> None:
        right = r.operand(y, node)
        if rounding_mode is not None:
            r.opaque(node, "integer division")
            return
        if alpha != 1:
            scaled = r.made(f"{node.name}:scaled", node, r.graph.shape(right))
            r.emit(node, "mul", [right, r.operand(alpha, node)], outputs=(scaled,))
            right = scaled
        r.emit(node, kind, [r.operand(x, node), right])

    return handle_binary


def reversed_sub(r: TorchReader, node: Any, x: Any, y: Any, alpha: float = 1) -> None:
    """y - alpha * x."""
    if alpha != 1:
        r.opaque(node, "rsub")
    else:
        r.emit(node, "sub", [r.operand(y, node), r.operand(x, node)])


def clip(r: TorchReader, node: Any, x: Any, low: Any = None, high: Any = None) -> None:
    """clamp, hardtanh with constant ends."""
    if any(hasattr(end, "name") for end in (low, high)):
        r.opaque(node, "clamp with computed ends")
        return
    ends = [None if end is None or np.isinf(end) else float(end) for end in (low, high)]
    r.emit(node, "clip", [r.name(x)], low=ends[0], high=ends[1])


def hardtanh(r: TorchReader, node: Any, x: Any, low: float = -1.0, high: float = 1.0) -> None:
    """A clamp from -1 to 1 unless said otherwise."""
    clip(r, node, x, low, high)


def relu6(r: TorchReader, node: Any, x: Any) -> None:
    """A clamp from 0 to 6."""
    clip(r, node, x, 0.0, 6.0)


def one_end(end: str) -> Handler:
    """A row for clamp_min, clamp_max and for maximum, minimum with a constant."""

    def handle_end(r: TorchReader, node: Any, x: Any, limit: Any) -> None:
        array = r.array(limit)
        number = float(array.reshape(-1)[0]) if array is not None and array.size == 1 else limit
        if hasattr(number, "name"):
            r.opaque(node, "elementwise maximum" if end == "low" else "elementwise minimum")
        else:
            clip(r, node, x, **{end: number})

    return handle_end


def cast(r: TorchReader, node: Any, x: Any, *_: Any, **__: Any) -> None:
    """Float to float changes nothing here."""
    kinds = [r.graph.types[r.name(x)].dtype, r.graph.types[node.name].dtype]
    if all("float" in kind for kind in kinds):
        r.aliases[node.name] = r.name(x)
    else:
        r.emit(node, "cast", [r.name(x)])


def dropout(r: TorchReader, node: Any, x: Any, p: float = 0.5, train: bool = False) -> None:
    """Nothing outside of training."""
    if train:
        r.opaque(node, "Dropout in training mode")
    else:
        same(r, node, x)


# -- shapes and axes ------------------------------------------------------------------------------


def reshape(r: TorchReader, node: Any, x: Any, *_: Any) -> None:
    """view, flatten, squeeze and the like: the traced shape says it all."""
    r.emit(node, "reshape", [r.name(x)])


def permute(r: TorchReader, node: Any, x: Any, order: Sequence[int]) -> None:
    """Axes in another order."""
    r.emit(node, "transpose", [r.name(x)], order=tuple(a % len(order) for a in order))


def transpose(r: TorchReader, node: Any, x: Any, first: int = 0, second: int = 1) -> None:
    """Two axes swapped; `t` swaps the only two."""
    order = list(range(len(r.shape(x))))
    if len(order) > 1:
        order[first], order[second] = order[second], order[first]
    r.emit(node, "transpose", [r.name(x)], order=tuple(order))


def mean(r: TorchReader, node: Any, x: Any, axes: Any = None, keep: bool = False, **_: Any) -> None:
    """Mean over axes; all of them where none is named."""
    rank = len(r.shape(x))
    listed = range(rank) if axes is None or axes == [] else _all(axes, 1)
    r.emit(node, "mean", [r.name(x)], axes=tuple(a % rank for a in listed), keep=keep)


def softmax(kind: str) -> Handler:
    """A row for softmax or log_softmax."""

    def handle_softmax(r: TorchReader, node: Any, x: Any, axis: int, *_: Any) -> None:
        r.emit(node, kind, [r.name(x)], axis=axis % len(r.shape(x)))

    return handle_softmax


def argmax(r: TorchReader, node: Any, x: Any, axis: int | None = None, keep: bool = False) -> None:
    """Index of the largest value; without an axis, of the flattened value."""
    value = r.name(x)
    if axis is None:
        flat = r.made(f"{node.name}:flat", x, (r.graph.types[value].size,))
        r.emit(node, "reshape", [value], outputs=(flat,))
        value, axis, keep = flat, 0, False
    r.emit(node, "argmax", [value], axis=axis % len(r.graph.shape(value)), keep=keep)


def pad(r: TorchReader, node: Any, x: Any, widths: Sequence[int], mode: Any = "constant", value: float | None = None) -> None:
    """pad and constant_pad_nd; widths go from the last axis to the first."""
    if not isinstance(mode, str):
        mode, value = "constant", mode
    rank = len(r.shape(x))
    both = np.zeros((2, rank), int)
    for i in range(len(widths) // 2):
        both[:, rank - 1 - i] = widths[2 * i : 2 * i + 2]
    r.emit(node, "pad", [r.name(x)], before=tuple(both[0].tolist()), after=tuple(both[1].tolist()), mode=mode, value=float(value or 0))


def select(r: TorchReader, node: Any, x: Any, axis: int, index: int) -> None:
    """One index along an axis, which goes."""
    r.emit(node, "select", [r.name(x)], axis=axis % len(r.shape(x)), index=index)


def slice_(r: TorchReader, node: Any, x: Any, axis: int = 0, start: int | None = None, end: Any = None, step: int = 1) -> None:
    """Part of an axis; all of it changes nothing, one element is a selection."""
    before, after = r.shape(x), r.graph.types[node.name].shape
    axis %= len(before)
    if before == after:
        same(r, node, x)
    elif after[axis] == 1:
        r.emit(node, "select", [r.name(x)], axis=axis, index=start or 0)
    else:
        r.emit(node, "slice", [r.name(x)], axes=(axis,))


def expand(r: TorchReader, node: Any, x: Any, shape: Any, **_: Any) -> None:
    """Nothing where the shape stays, new axes of length 1 are a reshape; else a repetition."""
    before, after = r.shape(x), r.graph.types[node.name].shape
    if before == after:
        same(r, node, x)
    elif int(np.prod(before)) == int(np.prod(after)):
        reshape(r, node, x)
    else:
        r.emit(node, "expand", [r.name(x)])


def concat(r: TorchReader, node: Any, values: Sequence[Any], axis: int = 0) -> None:
    """Values side by side."""
    if len(values) == 1:
        same(r, node, values[0])
    else:
        r.emit(node, "concat", [r.name(v) for v in values], axis=axis)


def embedding(r: TorchReader, node: Any, *_: Any) -> None:
    """Rows of a table."""
    r.opaque(node, "embedding")


def checked(r: TorchReader, node: Any, *_: Any, **__: Any) -> None:
    """Assertions and profiling marks of the tracer: nothing."""


HANDLERS: dict[str, Handler] = {
    "linear": linear, "matmul": matmul, "mm": matmul, "bmm": matmul, "addmm": addmm,
    "conv1d": conv, "conv2d": conv, "conv3d": conv, "convolution": convolution,
    "batch_norm": batch_norm, "native_batch_norm_legit_no_training": batch_norm,
    **{f"max_pool{n}d": pool("max_pool", n) for n in (1, 2, 3)},
    **{f"max_pool{n}d_with_indices": pool("max_pool", n) for n in (1, 2, 3)},
    **{f"avg_pool{n}d": pool("average_pool", n) for n in (1, 2, 3)},
    **{f"adaptive_avg_pool{n}d": adaptive_pool("average_pool", n) for n in (1, 2, 3)},
    **{f"adaptive_max_pool{n}d": adaptive_pool("max_pool", n) for n in (1, 2, 3)},
    "lstm": recurrent("lstm"), "gru": recurrent("gru"), "rnn_tanh": recurrent("rnn", "tanh"), "rnn_relu": recurrent("rnn", "relu"),
    **{op: word(op.rstrip("_")) for op in (
        "relu", "sigmoid", "neg", "pow", "sqrt", "rsqrt", "reciprocal", "exp", "log", "erf", "tanh", "softplus", "abs",
        "mul", "maximum", "minimum", "where", "var", "bmm",
    )},
    "gt": word("greater"), "lt": word("less"), "ge": word("greater_equal"), "le": word("less_equal"), "sum": word("reduce_sum"),
    "hardsigmoid": word("hard_sigmoid"), "add": binary("add"), "sub": binary("sub"), "div": binary("div"), "rsub": reversed_sub,
    "mul": word("mul"), "true_divide": binary("div"),
    "clamp": clip, "clip": clip, "hardtanh": hardtanh, "relu6": relu6, "clamp_min": one_end("low"), "clamp_max": one_end("high"),
    "maximum": one_end("low"), "minimum": one_end("high"),
    "dropout": dropout, "feature_dropout": dropout, "alpha_dropout": dropout, "feature_alpha_dropout": dropout,
    **{op: same for op in (
        "contiguous", "clone", "alias", "detach", "lift_fresh_copy", "lift_fresh", "identity", "positive", "data", "detach_copy",
    )},
    "to": cast, "to_copy": cast, "type_as": cast, "float": cast, "native_dropout": same,
    **{op: reshape for op in (
        "view", "reshape", "flatten", "unflatten", "squeeze", "unsqueeze", "unsafe_view", "view_copy", "reshape_as", "view_as",
        "squeeze_copy", "unsqueeze_copy", "atleast_2d", "atleast_3d",
    )},
    "permute": permute, "permute_copy": permute, "transpose": transpose, "swapaxes": transpose, "t": transpose, "numpy_T": transpose,
    "mean": mean, "softmax": softmax("softmax"), "log_softmax": softmax("log_softmax"), "special_log_softmax": softmax("log_softmax"),
    "argmax": argmax, "pad": pad, "constant_pad_nd": pad, "select": select, "slice": slice_, "expand": expand, "expand_as": expand,
    "cat": concat, "concat": concat, "split": word("split"), "split_with_sizes": word("split"), "chunk": word("split"),
    "unbind": word("split"), "embedding": embedding,
    "assert_tensor_metadata": checked, "assert_scalar": checked, "sym_constrain_range_for_size": checked,
}

OPAQUE_NAMES = {
    "scaled_dot_product_attention": "attention", "native_multi_head_attention": "attention",
    "transformer_encoder_layer_fwd": "attention", "layer_norm": "LayerNorm", "native_layer_norm": "LayerNorm",
    "group_norm": "GroupNorm", "native_group_norm": "GroupNorm", "instance_norm": "InstanceNorm", "rms_norm": "RMSNorm",
    "local_response_norm": "local response normalization", "gelu": "GELU", "silu": "SiLU", "hardswish": "HardSwish", "mish": "Mish",
    "leaky_relu": "LeakyReLU", "prelu": "PReLU", "prelu_kernel": "PReLU", "elu": "ELU", "selu": "SELU", "celu": "CELU", "glu": "GLU",
    "softsign": "Softsign", "threshold": "thresholded ReLU", "rrelu": "RReLU", "log_sigmoid": "LogSigmoid",
    "conv_transpose1d": "transposed convolution", "conv_transpose2d": "transposed convolution",
    "conv_transpose3d": "transposed convolution", "upsample_nearest1d": "upsampling", "upsample_nearest2d": "upsampling",
    "upsample_nearest3d": "upsampling", "upsample_bilinear2d": "upsampling", "upsample_linear1d": "upsampling",
    "upsample_bicubic2d": "upsampling", "upsample_trilinear3d": "upsampling", "pixel_shuffle": "pixel shuffle",
    "pixel_unshuffle": "pixel unshuffle", "channel_shuffle": "channel shuffle", "lp_pool2d": "Lp pooling",
    "stack": "concat", "index": "gather", "gather": "gather", "index_select": "gather", "topk": "top k", "cumsum": "running sum",
    "max": "maximum over an axis", "min": "minimum over an axis", "amax": "maximum over an axis", "amin": "minimum over an axis",
    "repeat": "repetition", "tile": "repetition", "einsum": "matrix product", "fft_rfft": "Fourier transform", "stft": "Fourier transform",
    "cond": "control flow", "while_loop": "control flow", "scan": "control flow", "bilinear": "bilinear layer",
    "linalg_vector_norm": "norm", "norm": "norm",
}
