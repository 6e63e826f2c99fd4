# SPDX-License-Identifier: Apache-2.0
"""What each limit looks for in a layer: a test gives what it found where that is too much, else None."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from akc.ir.module import Module
from akc.ir.ops.akida import Convolutional, FullyConnected, Learning, SeparableConvolutional
from akc.targets.akida1.layers import LayerFacts
from akc.targets.akida1.np_memory import INPUT_BYTES, filters_fit, map_bytes, weight_bytes
from akc.targets.akida1.tiles import TILE_D0, tiling

Test = Callable[[LayerFacts, Module], object]

WIDTHS = (1, 2, 4)
"""Bits of weights and levels on the mesh."""
REGISTER_BITS = 20
"""Of a threshold, and of an act_step in sixteenths, on the mesh."""
LARGEST_DECODING_STEPS = (2**16, 2**24)
"""act_step where potentials come out: a convolution keeps it in 16.4 bits all the same, a dense layer's goes to the
host as a float."""
KERNELS = {1: (1, 3, 5, 7), 2: (3,)}
"""Kernels of a convolution by stride."""
SEPARABLE_KERNELS = (3, 5, 7)
AVERAGE_ROWS = 3
"""Rows of d1 in front of a global average, at least."""
IMAGE_BITS = 8
IMAGE_REGISTER_BITS = 24
IMAGE_POOLS = (1, 2)
IMAGE_POOLED = 2
"""Columns behind pooling along d1, at least."""
IMAGE_KERNELS = (3, 5, 7)
IMAGE_STRIDES = (1, 2, 3)
IMAGE_SMALLEST, IMAGE_WIDEST = 5, 256
"""Cells of a picture on each axis, at least; along d1, at most."""
IMAGE_FILTERS = {(1, 3): 512, (1, 5): 192, (1, 7): 96, (3, 3): 192, (3, 5): 64, (3, 7): 32}
"""(channels, kernel) and the filters that the weight banks of the image layer hold."""


def size(pair: Iterable[int]) -> str:
    """`3x3`."""
    return "x".join(str(n) for n in pair)


def unless(good: bool, found: object) -> object:
    """What was found, or None if it is good."""
    return None if good else found


def above(number: int, limit: int) -> object:
    """The number, if it is above the limit."""
    return unless(number <= limit, f"{number:,}")


def kernel(*sizes: int) -> Test:
    """A kernel that is not square or of none of these sizes."""
    return lambda f, m: unless(f.kernel[0] == f.kernel[1] and f.kernel[0] in sizes, size(f.kernel))


def conv_stride(f: LayerFacts, module: Module) -> object:
    """A stride that is neither 1 nor, with a 3x3 kernel, 2."""
    strides = [n for n, kernels in KERNELS.items() if n == 1 or f.kernel[0] == f.kernel[1] in kernels]
    good = f.stride[0] == f.stride[1] in strides
    return unless(good, f"{size(f.stride)} with a {size(f.kernel)} kernel")


# -- the image layer ----------------------------------------------------------------------------------


def image_filters(f: LayerFacts, module: Module) -> object:
    """More filters than the weight banks hold."""
    limit = IMAGE_FILTERS.get((f.channels, f.kernel[0]), f.filters)
    return unless(f.filters <= limit, f"{f.filters} at {size(f.kernel)} and {f.channels} channels")


def image_rows(f: LayerFacts, module: Module) -> object:
    """Too few rows (d0)."""
    return unless(f.size[0] >= max(IMAGE_SMALLEST, f.kernel[0]), f.size[0])


def image_columns(f: LayerFacts, module: Module) -> object:
    """Too few or too many columns (d1)."""
    least = f.kernel[1] + f.stride[1] if f.padding == "valid" else IMAGE_SMALLEST
    return unless(max(IMAGE_SMALLEST, least) <= f.size[1] <= IMAGE_WIDEST, f.size[1])


def image_pool(f: LayerFacts, module: Module) -> object:
    """Pooling other than max of 1 or 2 with its own size as stride."""
    good = f.pool == "none" or (
        f.pool == "max" and set(f.pool_size) <= set(IMAGE_POOLS) and f.pool_stride == f.pool_size
    )
    return unless(good, pool_words(f))


def pool_words(f: LayerFacts) -> str:
    """The pooling of a layer in words."""
    return f.pool if f.pool != "max" else f"max of {size(f.pool_size)} with stride {size(f.pool_stride)}"


def image_pooled_columns(f: LayerFacts, module: Module) -> object:
    """A single column behind pooling along d1."""
    columns = f.op.type.shape[1]
    return unless(not f.max_pooled or f.pool_size[1] != 2 or columns >= IMAGE_POOLED, columns)


# -- pools of convolutions ----------------------------------------------------------------------------


def max_pool(f: LayerFacts, module: Module) -> object:
    """A max pool that is not square, or of no size that the chip has."""
    good = f.pool_size[0] == f.pool_size[1] in f.chip.pools and f.pool_stride[0] == f.pool_stride[1] <= f.pool_size[0]
    return unless(not f.max_pooled or good, pool_words(f))


def pool_inside(f: LayerFacts, module: Module) -> object:
    """A map that is smaller than its pooling window."""
    return unless(not f.max_pooled or min(f.size) >= f.pool_size[0], size(f.size))


def pool_neighbour(f: LayerFacts, module: Module) -> object:
    """A max pool with no convolution behind it."""
    if not f.max_pooled or isinstance(f.after, Convolutional | SeparableConvolutional):
        return None
    return "nothing" if f.after is None else f"{f.after.mnemonic} %{f.after.name}"


def tiles(f: LayerFacts) -> int:
    """Tiles that the map is cut into; 0 where it cannot be."""
    cut = tiling(f)
    return 0 if cut is None else cut.count


def _tiled(f: LayerFacts, matters: bool) -> object:
    return unless(not matters or tiles(f) == 1, f"a map in {tiles(f)} tiles")


def overlapping_pool_tiled(f: LayerFacts, module: Module) -> object:
    """An overlapping max pool on a map that needs several NPs."""
    return _tiled(f, f.max_pooled and f.pool_stride[0] < f.pool_size[0])


def strided_pool_tiled(f: LayerFacts, module: Module) -> object:
    """A stride of 2 and a max pool on a map that needs several NPs."""
    return _tiled(f, f.max_pooled and f.stride[0] == 2)


def average_columns(f: LayerFacts, module: Module) -> object:
    """A global average over too long a d0."""
    return unless(f.pool != "average" or f.size[0] <= TILE_D0, f.size[0])


def average_rows(f: LayerFacts, module: Module) -> object:
    """A global average over too short a d1."""
    rows = f.outputs(1)
    return unless(f.pool != "average" or rows >= AVERAGE_ROWS, rows)


def average_map(f: LayerFacts, module: Module) -> object:
    """A global average on a map that is larger than the memory of one NP."""
    whole = map_bytes(*f.size, f.channels, f.input_bits)
    return unless(f.pool != "average" or whole <= INPUT_BYTES, f"a map of {whole:,} bytes")


OUTPUT_ROW_BITS = 20
MOST_DENSE_CHANNELS = 2047
"""Filters or units of a layer whose output may leave as a whole map."""


def output_row(f: LayerFacts, module: Module) -> object:
    """A whole map as output whose rows are longer than the register that counts them."""
    d0, d1, channels = f.op.type.shape
    dense = f.after is None and f.op.activation and channels <= MOST_DENSE_CHANNELS and d0 * d1 > 1
    return above(d1 * channels, (1 << OUTPUT_ROW_BITS) - 1) if dense else None


# -- memory and inputs --------------------------------------------------------------------------------


def one_filter(f: LayerFacts, module: Module) -> object:
    """A single filter that does not fit the filter memory."""
    return unless(filters_fit(f, 1), f"{weight_bytes(f, 1):,} bytes")


def one_tile(f: LayerFacts, module: Module) -> object:
    """A map that no cut makes fit."""
    return unless(tiling(f) is not None, f"{size(f.size)}x{f.channels} at {f.input_bits} bits")


def three_bits(f: LayerFacts, module: Module) -> object:
    """Inputs of three bits."""
    return unless(f.input_bits != 3, "of 3 bits")


# -- learning -----------------------------------------------------------------------------------------


def _learning(f: LayerFacts) -> Learning | None:
    return f.op.learning if isinstance(f.op, FullyConnected) else None


def learning_bits(f: LayerFacts, module: Module) -> object:
    """A learning layer with more than one bit somewhere."""
    good = _learning(f) is None or f.input_bits == f.weight_bits == 1
    return unless(good, f"one with {f.input_bits}-bit inputs and {f.weight_bits}-bit weights")


def learning_weights(f: LayerFacts, module: Module) -> object:
    """num_weights below 1 or above the number of inputs."""
    learning = _learning(f)
    return None if learning is None else unless(1 <= learning.num_weights <= f.inputs, learning.num_weights)


def learning_classes(f: LayerFacts, module: Module) -> object:
    """Classes that do not divide the units."""
    learning = _learning(f)
    if learning is None:
        return None
    good = learning.num_classes >= 1 and f.filters % learning.num_classes == 0
    return unless(good, f"one with {f.filters} units for {learning.num_classes} classes")


def learning_last(f: LayerFacts, module: Module) -> object:
    """A learning layer with a layer behind it."""
    return f"one in front of %{f.after.name}" if _learning(f) is not None and f.after is not None else None
