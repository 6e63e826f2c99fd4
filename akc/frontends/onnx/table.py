# SPDX-License-Identifier: Apache-2.0
"""ONNX operators, one row each; the meaning of each: https://onnx.ai/onnx/operators/ (opsets 11 to 26)."""

from __future__ import annotations

from akc.frontends.onnx import layers, ops, quantised
from akc.frontends.onnx.host import HOST_ROWS
from akc.frontends.onnx.reader import Handler
from akc.frontends.onnx.recurrent import recurrent
from akc.ir.functions import REDUCTIONS

_WORDS = "Relu Sigmoid Add Sub Mul Div Neg Pow Greater Less Where Not And Or Equal"

_ROWS: tuple[tuple[Handler, str], ...] = (
    (layers.gemm, "Gemm"),
    (layers.matmul, "MatMul"),
    (layers.conv, "Conv"),
    (layers.batch_norm, "BatchNormalization"),
    (layers.pool("max_pool"), "MaxPool"),
    (layers.pool("average_pool"), "AveragePool"),
    (layers.global_pool("max_pool"), "GlobalMaxPool"),
    (layers.global_pool("average_pool"), "GlobalAveragePool"),
    (recurrent, "LSTM GRU RNN"),
    *((ops.word(name.lower()), name) for name in _WORDS.split()),
    (ops.word("greater_equal"), "GreaterOrEqual"),
    (ops.word("less_equal"), "LessOrEqual"),
    *((ops.reduce(f"reduce_{row.name}"), row.onnx) for row in REDUCTIONS.values()),
    (ops.einsum, "Einsum"),
    (ops.tile, "Tile"),
    (ops.shuffle("depth_to_space"), "DepthToSpace"),
    (ops.shuffle("space_to_depth"), "SpaceToDepth"),
    (ops.clip, "Clip"),
    (ops.extreme("low"), "Max"),
    (ops.extreme("high"), "Min"),
    (ops.softmax("softmax"), "Softmax"),
    (ops.softmax("log_softmax"), "LogSoftmax"),
    (ops.argmax, "ArgMax"),
    (ops.reshape, "Reshape Flatten"),
    (ops.ones("removed"), "Squeeze"),
    (ops.ones("added"), "Unsqueeze"),
    (ops.transpose, "Transpose"),
    (ops.reduce("mean"), "ReduceMean"),
    (ops.pad, "Pad"),
    (ops.gather, "Gather"),
    (ops.moved("gather", 0), "GatherND GatherElements"),
    (ops.moved("scatter", 0, 2), "ScatterND ScatterElements"),
    (ops.moved("diagonal half", 0), "Trilu"),
    (ops.slice_, "Slice"),
    (ops.split, "Split"),
    (ops.expand, "Expand"),
    (ops.concat, "Concat"),
    (ops.sum_, "Sum"),
    (ops.same, "Identity"),
    (ops.dropout, "Dropout"),
    (ops.cast, "Cast"),
    (quantised.quantize, "QuantizeLinear"),
    (quantised.dequantize, "DequantizeLinear"),
    *HOST_ROWS,
)

_OPAQUE = {
    "attention": "Attention MultiHeadAttention",
    "LayerNorm": "SkipLayerNormalization",
    "InstanceNorm": "MeanVarianceNormalization",
    "Lp normalization": "LpNormalization",
    "deformable convolution": "DeformConv",
    "Lp pooling": "LpPool GlobalLpPool",
    "max unpooling": "MaxUnpool",
    "region pooling": "MaxRoiPool RoiAlign",
    "control flow": "Loop Scan If",
    "quantization in the file": "DynamicQuantizeLinear QLinearConv QLinearMatMul ConvInteger MatMulInteger",
    "top k": "TopK",
    "running sum": "CumSum",
    "Fourier transform": "DFT STFT",
}

HANDLERS: dict[str, Handler] = {name: handler for handler, names in _ROWS for name in names.split()} | {
    name: ops.named(what) for what, names in _OPAQUE.items() for name in names.split()
}
