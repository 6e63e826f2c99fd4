# SPDX-License-Identifier: Apache-2.0
"""Every limit of the chip as a row of one table: the row refuses, words the message and makes docs/supported.md.

The limits are those that the vendor's SDK 2.19.3 enforces for `akida.AKD1000()`; the conformance
tests compare the verdicts (docs/akd1000/limits.md).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from attrs import field, frozen

from akc.diagnostics import Diagnostic
from akc.ir.module import Module, Op
from akc.ir.ops.akida import Convolutional, SeparableConvolutional
from akc.targets.akd1000 import weight_values as values
from akc.targets.akd1000.layers import KIND_NAMES, LayerFacts, layers_of
from akc.targets.akd1000.memory import INPUT_BYTES, WEIGHT_BYTES, WEIGHT_LINES, cdiv, filters_fit, weight_bytes
from akc.targets.akd1000.tiles import TILE_D0, TILE_D1, tiling

Test = Callable[[LayerFacts, Module], object]

STAGES = {
    "layer": "seen on the layer alone",
    "memory": "seen on the layer alone, once its geometry is legal",
    "sequence": "seen on the layer and its neighbours in the sequence",
    "placement": "seen while neural processors are given out",
}
"""When a limit is tested."""

MESH_LAYERS = ("conv", "separable", "dense")
CONVS = ("conv", "separable")


@frozen(kw_only=True)
class Limit:
    """One limit.

    what: the quantity, as the message and the page name it; ops: kinds of layer it holds for;
    limit: what the chip takes, in words; test: what was found where it is too much, else None (a row
    of stage "placement" has no test, the placer finds the fault); key: the attribute at fault; help: ways out.
    """

    code: str
    what: str
    ops: tuple[str, ...]
    limit: str
    test: Test | None = field(repr=False)
    key: str = "op"
    help: tuple[str, ...] = field(default=(), converter=lambda h: (h,) if isinstance(h, str) else tuple(h))
    stage: str = "layer"
    severity: str = "error"

    def fault(self, op: Op, found: object) -> Diagnostic:
        """The diagnostic for a layer that breaks the limit."""
        return Diagnostic(
            code=self.code, severity=self.severity, span=op.span(self.key), label=str(found), help=self.help, origin=op.origin,
            message=f"{op.mnemonic} %{op.name}: {self.what} is {found}; the chip takes {self.limit}",
        )


def _size(pair: Iterable[int]) -> str:
    return "x".join(str(n) for n in pair)


def _unless(good: bool, found: object) -> object:
    return None if good else found


def _above(number: int, limit: int) -> object:
    return _unless(number <= limit, f"{number:,}")


IMAGE_FILTERS = {(1, 3): 512, (1, 5): 192, (1, 7): 96, (3, 3): 192, (3, 5): 64, (3, 7): 32}
"""(channels, kernel) and the filters that the weight banks of the image layer hold."""

LARGEST_CHANNELS = 2048
LARGEST_DENSE_INPUTS = 57334
LARGEST_DENSE_SIDE = 2047
LARGEST_UNITS = 2**17 - 1
LARGEST_INPUT_SIDE = 4096


def _kernel(*sizes: int) -> Test:
    return lambda f, m: _unless(f.kernel[0] == f.kernel[1] and f.kernel[0] in sizes, _size(f.kernel))


def _conv_stride(f: LayerFacts, module: Module) -> object:
    good = f.stride == (1, 1) or (f.stride == (2, 2) and f.kernel == (3, 3))
    return _unless(good, f"{_size(f.stride)} with a {_size(f.kernel)} kernel")


def _image_filters(f: LayerFacts, module: Module) -> object:
    limit = IMAGE_FILTERS.get((f.channels, f.kernel[0]))
    return None if limit is None or f.filters <= limit else f"{f.filters} at {_size(f.kernel)} and {f.channels} channels"


def _image_rows(f: LayerFacts, module: Module) -> object:
    return _unless(f.size[0] >= max(5, f.kernel[0]), f.size[0])


def _image_columns(f: LayerFacts, module: Module) -> object:
    least = f.kernel[1] + f.stride[1] if f.padding == "valid" else f.kernel[1]
    return _unless(max(5, least) <= f.size[1] <= 256, f.size[1])


def _image_pool(f: LayerFacts, module: Module) -> object:
    good = f.pool == "none" or (f.pool == "max" and set(f.pool_size) <= {1, 2} and f.pool_stride == f.pool_size)
    return _unless(good, _pool_words(f))


def _pool_words(f: LayerFacts) -> str:
    return f.pool if f.pool != "max" else f"max of {_size(f.pool_size)} with stride {_size(f.pool_stride)}"


def _image_pooled_columns(f: LayerFacts, module: Module) -> object:
    columns = f.op.type.shape[1]
    return _unless(not f.max_pooled or f.pool_size[1] != 2 or columns >= 2, columns)


def _max_pool(f: LayerFacts, module: Module) -> object:
    good = f.pool_size in ((1, 1), (2, 2)) and f.pool_stride[0] == f.pool_stride[1] <= f.pool_size[0]
    return _unless(not f.max_pooled or good, _pool_words(f))


def _pool_inside(f: LayerFacts, module: Module) -> object:
    return _unless(not f.max_pooled or min(f.size) >= f.pool_size[0], _size(f.size))


def _pool_neighbour(f: LayerFacts, module: Module) -> object:
    if not f.max_pooled or isinstance(f.after, Convolutional | SeparableConvolutional):
        return None
    return "nothing" if f.after is None else f"{f.after.mnemonic} %{f.after.name}"


def _tiles(f: LayerFacts) -> int:
    cut = tiling(f)
    return 0 if cut is None else cut.count


def _overlapping_pool_tiled(f: LayerFacts, module: Module) -> object:
    overlapping = f.max_pooled and f.pool_stride[0] < f.pool_size[0]
    return _unless(not overlapping or _tiles(f) == 1, f"a map in {_tiles(f)} tiles")


def _strided_pool_tiled(f: LayerFacts, module: Module) -> object:
    both = f.max_pooled and f.stride[0] == 2
    return _unless(not both or _tiles(f) == 1, f"a map in {_tiles(f)} tiles")


def _average_columns(f: LayerFacts, module: Module) -> object:
    return _unless(f.pool != "average" or f.size[0] <= TILE_D0, f.size[0])


def _average_rows(f: LayerFacts, module: Module) -> object:
    rows = f.outputs(1)
    return _unless(f.pool != "average" or rows >= 3, rows)


def _average_tiles(f: LayerFacts, module: Module) -> object:
    whole = f.pool != "average" or f.size[0] > TILE_D0 or _tiles(f) == cdiv(f.size[1], TILE_D1)
    return _unless(whole, f"a map in {_tiles(f)} tiles")


def _one_filter(f: LayerFacts, module: Module) -> object:
    return _unless(filters_fit(f, 1), f"{weight_bytes(f, 1):,} bytes")


def _one_tile(f: LayerFacts, module: Module) -> object:
    return _unless(tiling(f) is not None, f"{_size(f.size)}x{f.channels} at {f.input_bits} bits")


def _dense_bits(f: LayerFacts, module: Module) -> object:
    return _unless(f.input_bits != 3, "3")


def _three_bits(f: LayerFacts, module: Module) -> object:
    return _unless(f.input_bits != 3, "3 bits")


def _learning_bits(f: LayerFacts, module: Module) -> object:
    good = getattr(f.op, "learning", None) is None or f.input_bits == f.weight_bits == 1
    return _unless(good, f"{f.input_bits}-bit inputs, {f.weight_bits}-bit weights")


def _learning_weights(f: LayerFacts, module: Module) -> object:
    learning = getattr(f.op, "learning", None)
    return _unless(learning is None or 1 <= learning.num_weights <= f.inputs, learning and learning.num_weights)


def _learning_classes(f: LayerFacts, module: Module) -> object:
    learning = getattr(f.op, "learning", None)
    good = learning is None or (learning.num_classes >= 1 and f.filters % learning.num_classes == 0)
    return _unless(good, f"{f.filters} units for {learning and learning.num_classes} classes")


def _learning_last(f: LayerFacts, module: Module) -> object:
    return _unless(getattr(f.op, "learning", None) is None or f.after is None, f"followed by %{f.after and f.after.name}")


LIMITS: tuple[Limit, ...] = (
    # -- the image layer --------------------------------------------------------------------------
    Limit(code="AKC0511", what="the place in the sequence", ops=("image",), limit="an image layer first of all",
          test=lambda f, m: _unless(f.from_host, "behind another layer"), stage="sequence",
          help="start another sequence at the image layer"),
    Limit(code="AKC0501", what="the kernel", ops=("image",), limit="3x3, 5x5 and 7x7", test=_kernel(3, 5, 7), key="weights",
          help="pad the kernel with zeros to the next odd square (pass legalize does)"),
    Limit(code="AKC0507", what="the number of channels", ops=("image",), limit="1 or 3", key="x",
          test=lambda f, m: _unless(f.channels in (1, 3), f.channels),
          help="turn the picture to grey or colour in front, or use akida.convolutional on 4-bit levels"),
    Limit(code="AKC0507", what="the number of filters", ops=("image",), test=_image_filters, key="weights",
          limit="512, 192 and 96 filters of 3x3, 5x5 and 7x7 at 1 channel; 192, 64 and 32 at 3 channels",
          help="use fewer filters or a smaller kernel"),
    Limit(code="AKC0502", what="the stride", ops=("image",), limit="1, 2 or 3 on each axis", key="stride",
          test=lambda f, m: _unless(max(f.stride) <= 3, _size(f.stride)), help="resize the picture on the host"),
    Limit(code="AKC0508", what="d0 of the picture", ops=("image",), limit="5 and more, and no less than the kernel", key="x",
          test=_image_rows, help="pad the picture on the host"),
    Limit(code="AKC0508", what="d1 of the picture", ops=("image",), key="x", test=_image_columns,
          limit="5 to 256, no less than the kernel, with padding=valid no less than kernel and stride together",
          help="transpose the picture if d0 is the shorter axis, or resize it on the host"),
    Limit(code="AKC0509", what="the pooling", ops=("image",), limit="max of 1 or 2 on each axis, its stride the same",
          test=_image_pool, key="pool", help="pool in the next layer, a convolution"),
    Limit(code="AKC0509", what="d1 behind the pooling", ops=("image",), limit="2 and more", test=_image_pooled_columns,
          key="pool_size", help="pool along d0 only"),
    Limit(code="AKC0505", what="activation", ops=("image",), limit="activation=true in the image layer", key="activation",
          test=lambda f, m: _unless(f.op.activation, "false"), help="let the layer give levels"),
    # -- convolutions -----------------------------------------------------------------------------
    Limit(code="AKC0501", what="the kernel", ops=("conv",), limit="1x1, 3x3, 5x5 and 7x7", test=_kernel(1, 3, 5, 7),
          key="weights", help=("pad the kernel with zeros to the next odd square (pass legalize does)",
                               "a kernel above 7 can be two smaller ones behind each other: train it so")),
    Limit(code="AKC0501", what="the kernel", ops=("separable",), limit="3x3, 5x5 and 7x7", test=_kernel(3, 5, 7),
          key="weights", help=("pad the kernel with zeros to the next odd square (pass legalize does)",
                               "1x1 is akida.convolutional")),
    Limit(code="AKC0502", what="the stride", ops=CONVS, limit="1, and 2 with 3x3, the same on both axes", test=_conv_stride,
          key="stride", help="stride 1 and a max pool of 2 give the same size"),
    Limit(code="AKC0503", what="the padding", ops=CONVS, limit="same", key="padding",
          test=lambda f, m: _unless(f.padding == "same", f.padding),
          help="take padding=same and give the border's weights in the next dense layer 0 (pass legalize does)"),
    Limit(code="AKC0504", what="the type of the weights", ops=("conv", "dense"), limit="u1, i2 and i4", key="weights",
          test=lambda f, m: _unless(f.weight_bits in (1, 2, 4), "i8"), help="lower with weights=4"),
    Limit(code="AKC0504", what="the type of the weights", ops=("separable",), limit="i2 and i4", key="weights",
          test=lambda f, m: _unless(f.weight_bits in (2, 4), "i8" if f.weight_bits == 8 else "u1"),
          help="lower with weights=4 or weights=2"),
    Limit(code="AKC0507", what="the number of channels", ops=CONVS, limit=f"up to {LARGEST_CHANNELS:,}", key="x",
          test=lambda f, m: _above(f.channels, LARGEST_CHANNELS), help="make the layer before narrower"),
    Limit(code="AKC0507", what="the number of filters", ops=CONVS, limit=f"up to {LARGEST_CHANNELS:,}", key="weights",
          test=lambda f, m: _above(f.filters, LARGEST_CHANNELS), help="make the layer narrower"),
    Limit(code="AKC0508", what="the longer side of the map", ops=CONVS, limit=f"up to {LARGEST_INPUT_SIDE:,}", key="x",
          test=lambda f, m: _above(max(f.size), LARGEST_INPUT_SIDE), help="cut the input into windows on the host"),
    Limit(code="AKC0509", what="the pooling", ops=CONVS, limit="max of 2x2 with stride 1x1 or 2x2", test=_max_pool,
          key="pool_size", help="two max pools of 2 behind two convolutions, or a convolution of stride 2"),
    Limit(code="AKC0509", what="the pooled map", ops=CONVS, limit="maps no smaller than the window", test=_pool_inside,
          key="pool_size", help="leave the pooling out"),
    Limit(code="AKC0510", what="the layer behind a max pool", ops=CONVS, test=_pool_neighbour, stage="sequence", key="pool",
          limit="a convolution or separable convolution of the same sequence there",
          help=("put an identity 1x1 akida.convolutional behind it (pass legalize does)",
                "an image layer may pool in front of anything")),
    Limit(code="AKC0509", what="d0 under a global average", ops=CONVS, limit=f"up to {TILE_D0}", test=_average_columns,
          key="pool", help="pool or stride in an earlier layer; or transpose if d1 is the shorter side"),
    Limit(code="AKC0509", what="d1 in front of a global average", ops=CONVS, limit="3 rows and more", test=_average_rows,
          key="pool", help="sum in the next dense layer: give every pixel the same weights"),
    Limit(code="AKC0509", what="the input of a global average", ops=CONVS, stage="memory", test=_average_tiles, key="pool",
          limit=f"maps that are cut only along d1, at every {TILE_D1} rows; this one is too large for one NP",
          help="fewer channels or bits, or a smaller map"),
    Limit(code="AKC0509", what="the input of an overlapping max pool", ops=CONVS, stage="memory", test=_overlapping_pool_tiled,
          limit="maps that one NP holds whole", key="pool_stride", help="pool_stride=[2, 2], fewer channels or a smaller map"),
    Limit(code="AKC0509", what="the input of a stride of 2 with a max pool", ops=("conv",), stage="memory",
          test=_strided_pool_tiled, limit="maps that one NP holds whole", key="stride",
          help="use two layers, or a separable convolution"),
    Limit(code="AKC0506", what="the memory of a single filter", ops=CONVS, stage="memory", test=_one_filter, key="weights",
          limit=f"{WEIGHT_BYTES:,} bytes and {WEIGHT_LINES} lines", help="fewer channels, a smaller kernel or fewer weight bits"),
    Limit(code="AKC0506", what="the input map", ops=CONVS, stage="memory", test=_one_tile, key="x",
          limit=f"maps that can be cut into tiles of {INPUT_BYTES:,} bytes for at most 78 NPs",
          help="fewer channels, fewer bits or a smaller map"),
    Limit(code="AKC0518", what="the input", ops=CONVS, limit="1, 2 and 4 bits; of 3 it says in one register that they are 2",
          test=_three_bits, key="x", severity="warning", help="quantize the input to 4 bits"),
    # -- fully connected layers -------------------------------------------------------------------
    Limit(code="AKC0518", what="the number of bits of the input", ops=("dense",), limit="1, 2 and 4", test=_dense_bits,
          key="x", help="quantize the input to 4 bits"),
    Limit(code="AKC0507", what="the number of inputs", ops=("dense",), limit=f"up to {LARGEST_DENSE_INPUTS:,}", key="weights",
          test=lambda f, m: _above(f.inputs, LARGEST_DENSE_INPUTS),
          help="pool or stride in an earlier layer, or split the layer and add the parts on the host"),
    Limit(code="AKC0508", what="the longer side of the map", ops=("dense",), limit=f"up to {LARGEST_DENSE_SIDE:,}", key="x",
          test=lambda f, m: _above(max(f.size), LARGEST_DENSE_SIDE),
          help="reshape the input: a dense layer on [1, 1, inputs] has no such limit"),
    Limit(code="AKC0507", what="the number of channels of a spatial network input", ops=("dense",),
          limit=f"up to {LARGEST_CHANNELS:,}", key="x",
          test=lambda f, m: _unless(not f.from_host or f.size == (1, 1) or f.channels <= LARGEST_CHANNELS, f"{f.channels:,}"),
          help="reshape the input to [1, 1, inputs]"),
    Limit(code="AKC0507", what="the number of units", ops=("dense",), limit=f"up to {LARGEST_UNITS:,}", key="weights",
          test=lambda f, m: _above(f.filters, LARGEST_UNITS), help="split the layer"),
    # -- learning ---------------------------------------------------------------------------------
    Limit(code="AKC0516", what="a learning layer", ops=("dense",), limit="1-bit inputs and 1-bit weights", test=_learning_bits,
          key="learning", help="act_bits=1 in the layer before, u1 weights here"),
    Limit(code="AKC0516", what="num_weights", ops=("dense",), limit="1 up to the number of inputs", test=_learning_weights,
          key="learning"),
    Limit(code="AKC0516", what="a learning layer", ops=("dense",), limit="the same number of units for every class",
          test=_learning_classes, key="learning", help="make the units a multiple of num_classes"),
    Limit(code="AKC0516", what="a learning layer", ops=("dense",), limit="learning in the last layer only", test=_learning_last,
          key="learning", stage="sequence", help="leave `learning` out here"),
    # -- numbers ----------------------------------------------------------------------------------
    Limit(code="AKC0512", what="every weight", ops=("image", "separable"), limit="a layer with at least one weight that is not 0",
          test=values.all_zero, key="weights", help="the layer gives a constant: leave it out"),
    Limit(code="AKC0513", what="a threshold", ops=("image",), limit="-8,388,608 to 8,388,607 (24 bits)",
          test=values.threshold_outside(24), key="threshold", help="scale weights, threshold and act_step of the layer down"),
    Limit(code="AKC0513", what="a threshold", ops=MESH_LAYERS, limit="-524,288 to 524,287 (20 bits)",
          test=values.threshold_outside(20), key="threshold", help="scale weights, threshold and act_step of the layer down"),
    Limit(code="AKC0514", what="an act_step", ops=(*MESH_LAYERS, "image"), limit="1/16 and more",
          test=values.step_too_small, key="act_step", help="scale weights, threshold and act_step of the layer up"),
    Limit(code="AKC0514", what="an act_step", ops=("image",), limit="less than 1,048,576", test=values.step_too_large(24),
          key="act_step", help="scale weights, threshold and act_step of the layer down"),
    Limit(code="AKC0514", what="an act_step", ops=MESH_LAYERS, limit="less than 65,536", test=values.step_too_large(20),
          key="act_step", help="scale weights, threshold and act_step of the layer down"),
    Limit(code="AKC0517", what="the largest potential", ops=(*MESH_LAYERS, "image"), severity="warning", key="weights",
          limit="-524,288 to 524,287 (20 bits) for certain; beyond, simulator and chip may differ",
          test=values.potential_beyond(20), stage="memory",
          help="fewer weights per filter, or fewer bits; harmless if real inputs stay below"),
)
"""All limits that `check` tests, in the order of the page."""

# -- limits that only the placer can test -----------------------------------------------------------

NO_ROOM = Limit(code="AKC0520", what="the number of NPs it needs", ops=CONVS, limit="78 in a sequence", test=None,
                stage="placement", help=("--place=compact needs fewer NPs",
                                         "--host=allow cuts the network into several sequences"))
NO_FNP = Limit(code="AKC0521", what="its need", ops=("dense",), test=None, stage="placement",
               limit="18 dense layers of up to 43,008 bytes (FNP3) and 4 of any size (FNP2) in a sequence, less what convolutions use",
               help=("--place=compact keeps FNPs free for dense layers", "--host=allow cuts the network into several sequences"))
ONE_CHANNEL = Limit(code="AKC0515", what="the share of a one-channel layer", ops=("conv",), test=None, stage="placement",
                    limit="with more than 16 filters an even number of groups of 8 filters on every NP",
                    help=("--place=compact looks for such a cut", "16 filters or fewer, or a multiple of 16"))
PLACEMENT_LIMITS = (NO_ROOM, NO_FNP, ONE_CHANNEL)


def check(module: Module) -> list[Diagnostic]:
    """Every fault and warning of a module's chip layers that can be found without placing them.

    The module must be well formed (`akc.ir.verifier`); weights that are elided are not looked into.
    """
    return [d for sequence in module.net.sequences for layer in layers_of(module, sequence) for d in layer_faults(layer, module)]


def layer_faults(layer: LayerFacts, module: Module, stages: Iterable[str] = ("layer", "sequence", "memory")) -> list[Diagnostic]:
    """The faults of one layer; memory is only looked at where the geometry is legal."""
    found: list[Diagnostic] = []
    for stage in stages:
        if stage == "memory" and any(d.severity == "error" for d in found):
            break
        found += [row.fault(layer.op, value) for row, value in _findings(layer, module, stage)]
    return found


def _findings(layer: LayerFacts, module: Module, stage: str) -> Iterable[tuple[Limit, object]]:
    for row in LIMITS:
        if row.stage == stage and layer.kind in row.ops and row.test is not None:
            found = row.test(layer, module)
            if found is not None:
                yield row, found


def supported_page() -> str:
    """The text of docs/supported.md: one table a kind of layer."""
    parts = [_PAGE_HEAD]
    for kind, words in KIND_NAMES.items():
        rows = [row for row in (*LIMITS, *PLACEMENT_LIMITS) if kind in row.ops]
        lines = [f"| {row.what} | {row.limit} | {row.severity} | {row.code} |" for row in rows]
        parts.append(f"\n## {words.capitalize()}\n\n| what | the chip takes | else | code |\n| --- | --- | --- | --- |\n")
        parts.append("\n".join(lines) + "\n")
    return "".join(parts)


_PAGE_HEAD = """# What the AKD1000 takes

This page is written by the table of limits in `targets/akd1000/limits.py`, the one that refuses
networks; `python -m akc.targets.akd1000.limits > docs/supported.md` writes it anew. Sizes are
[d0, d1, channels]. The limits are those of the vendor's SDK 2.19.3; docs/akd1000/limits.md explains them.
"""

if __name__ == "__main__":
    print(supported_page(), end="")
