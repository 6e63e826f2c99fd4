# SPDX-License-Identifier: Apache-2.0
"""aten operators, one row each.

Signatures: https://pytorch.org/docs/stable/ and aten/src/ATen/native/native_functions.yaml of PyTorch 2.13.
"""

from __future__ import annotations

from akc.frontends.torch import layers, ops, quantised
from akc.frontends.torch.host import HOST_ROWS, extreme
from akc.frontends.torch.reader import Handler
from akc.frontends.torch.recurrent import recurrent
from akc.ir.functions import REDUCTIONS

ONE_RESULT = (
    *(f"{kind}{n}d" for kind in ("max_pool", "adaptive_max_pool") for n in (1, 2, 3)),
    *(f"{kind}{n}d_with_indices" for kind in ("max_pool", "adaptive_max_pool") for n in (1, 2, 3)),
    "max",
    "min",
)
"""Operators whose indices nothing in the language gives."""

_SAME = """contiguous clone alias detach lift_fresh_copy lift_fresh identity positive data detach_copy native_dropout"""
_SHAPES = """view reshape flatten unflatten unsafe_view view_copy reshape_as view_as atleast_2d atleast_3d"""
_WORDS = "relu sigmoid neg pow mul where"
_AXES = (1, 2, 3)

_ROWS: tuple[tuple[Handler, str], ...] = (
    (layers.linear, "linear"),
    (layers.matmul, "matmul mm bmm"),
    (layers.addmm, "addmm"),
    (layers.conv, "conv1d conv2d conv3d"),
    (layers.convolution, "convolution"),
    (layers.batch_norm, "batch_norm native_batch_norm_legit_no_training"),
    *((layers.pool("max_pool", n), f"max_pool{n}d max_pool{n}d_with_indices") for n in _AXES),
    *((layers.pool("average_pool", n), f"avg_pool{n}d") for n in _AXES),
    *((layers.adaptive_pool("average_pool", n), f"adaptive_avg_pool{n}d") for n in _AXES),
    *((layers.adaptive_pool("max_pool", n), f"adaptive_max_pool{n}d") for n in _AXES),
    (recurrent("lstm"), "lstm"),
    (recurrent("gru"), "gru"),
    (recurrent("rnn", "tanh"), "rnn_tanh"),
    (recurrent("rnn", "relu"), "rnn_relu"),
    *((ops.word(kind), kind) for kind in _WORDS.split()),
    (ops.word("greater"), "gt"),
    (ops.word("less"), "lt"),
    (ops.word("greater_equal"), "ge"),
    (ops.word("less_equal"), "le"),
    *((ops.reduce(row.name), row.aten) for row in REDUCTIONS.values() if row.aten),
    (ops.largest("max"), "max"),
    (ops.largest("min"), "min"),
    (ops.norm, "linalg_vector_norm norm"),
    (ops.spread(root=False), "var"),
    (ops.spread(root=True), "std"),
    (ops.split, "split split_with_sizes chunk tensor_split"),
    (ops.unbind, "unbind"),
    (ops.repeat, "repeat tile"),
    (ops.flip, "flip"),
    (ops.roll, "roll"),
    (ops.index, "index"),
    (ops.index_select, "index_select"),
    (ops.moved("gather", 0), "gather take take_along_dim diagonal unfold repeat_interleave as_strided tril triu"),
    (ops.moved("patches", 0), "im2col"),
    (ops.moved("scatter", 0, 1), "slice_scatter select_scatter diagonal_scatter copy"),
    (ops.moved("scatter", 0, 2), "index_put"),
    (ops.moved("scatter", 0, 3), "scatter index_copy"),
    (ops.fill, "masked_fill"),
    (ops.shuffle("depth_to_space"), "pixel_shuffle"),
    (ops.shuffle("space_to_depth"), "pixel_unshuffle"),
    (ops.channel_shuffle, "channel_shuffle"),
    (ops.einsum, "einsum"),
    (ops.binary("add"), "add"),
    (ops.word("mul"), "multiply"),
    (ops.binary("sub"), "sub subtract"),
    (ops.binary("div"), "div divide true_divide"),
    (ops.reversed_sub, "rsub"),
    (ops.clip, "clamp clip"),
    (ops.hardtanh, "hardtanh"),
    (ops.relu6, "relu6"),
    (ops.one_end("low"), "clamp_min"),
    (ops.one_end("high"), "clamp_max"),
    (extreme("maximum", ops.one_end("low")), "maximum"),
    (extreme("minimum", ops.one_end("high")), "minimum"),
    (ops.dropout, "dropout feature_dropout alpha_dropout feature_alpha_dropout"),
    (ops.same, _SAME),
    (ops.cast, "to to_copy type_as float"),
    (ops.reshape, _SHAPES),
    (ops.unsqueeze, "unsqueeze unsqueeze_copy"),
    (ops.squeeze, "squeeze squeeze_copy"),
    (ops.permute, "permute permute_copy"),
    (ops.transpose, "transpose swapaxes t numpy_T"),
    (ops.mean, "mean"),
    (ops.softmax("softmax"), "softmax"),
    (ops.softmax("log_softmax"), "log_softmax special_log_softmax"),
    (ops.argmax, "argmax"),
    (ops.pad, "pad constant_pad_nd"),
    (ops.select, "select"),
    (ops.slice_, "slice"),
    (ops.expand, "expand expand_as"),
    (ops.concat, "cat concat"),
    (ops.embedding, "embedding"),
    (quantised.fake_quantize, "fake_quantize_per_tensor_affine fake_quantize_per_tensor_affine_cachemask"),
    (quantised.quantize, "quantize_per_tensor"),
    (quantised.dequantize, "dequantize_per_tensor"),
    (quantised.levels, "levels"),
    *HOST_ROWS,
    (ops.checked, "assert_tensor_metadata assert_scalar sym_constrain_range_for_size"),
)

HANDLERS: dict[str, Handler] = {name: handler for handler, names in _ROWS for name in names.split()}

_OPAQUE = {
    "attention": "native_multi_head_attention transformer_encoder_layer_fwd",
    "local response normalization": "local_response_norm",
    "RReLU": "rrelu rrelu_with_noise",
    "transposed convolution": "conv_transpose3d",
    "upsampling": "upsample_nearest3d upsample_trilinear3d",
    "Lp pooling": "lp_pool2d",
    "top k": "topk",
    "running sum": "cumsum",
    "Fourier transform": "fft_rfft fft_fft stft",
    "control flow": "cond while_loop scan",
    "bilinear layer": "bilinear",
}

OPAQUE_NAMES: dict[str, str] = {name: what for what, names in _OPAQUE.items() for name in names.split()}
"""What operators without a row are called; the rest keep aten's name."""
