# SPDX-License-Identifier: Apache-2.0
"""What placement and limits need to know of a layer, in one flat record."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from attrs import field, frozen

from akc.ir.module import Module, Op, Sequence
from akc.ir.ops.akida import Convolutional, FullyConnected, InputConvolutional, Layer, SeparableConvolutional
from akc.ir.types import TensorType
from akc.targets.akida1.chip import Chip

KIND_NAMES = {
    "image": "image layer",
    "conv": "convolution",
    "separable": "separable convolution",
    "dense": "fully connected layer",
}
"""Kind of layer and the words for it."""

KINDS: dict[type[Op], str] = {
    InputConvolutional: "image",
    Convolutional: "conv",
    SeparableConvolutional: "separable",
    FullyConnected: "dense",
}


@frozen(kw_only=True)
class LayerFacts:
    """The numbers of one layer that legality and placement rest on.

    kind: a key of KIND_NAMES; size, channels, input_bits: of the input map, [d0, d1, channels];
    filters: filters or units; before, after: neighbours in the same sequence; chip: which it is for.
    """

    op: Layer = field(repr=False)
    chip: Chip = field(repr=False)
    kind: str
    size: tuple[int, int]
    channels: int
    input_bits: int
    filters: int
    weight_bits: int
    kernel: tuple[int, int] = (1, 1)
    stride: tuple[int, int] = (1, 1)
    padding: str = "same"
    pool: str = "none"
    pool_size: tuple[int, int] = (1, 1)
    pool_stride: tuple[int, int] = (1, 1)
    from_host: bool = True
    before: Op | None = field(default=None, repr=False)
    after: Op | None = field(default=None, repr=False)

    @property
    def inputs(self) -> int:
        """Number of input values."""
        return self.size[0] * self.size[1] * self.channels

    @property
    def halo(self) -> int:
        """Rows and columns that a share reads beyond its own edge."""
        return self.kernel[0] // 2

    @property
    def max_pooled(self) -> bool:
        """Whether max pooling does anything."""
        return self.pool == "max"

    @property
    def splittable(self) -> bool:
        """Whether the layer may be cut over several NPs."""
        return self.kind in ("conv", "separable")

    @property
    def needs_follower(self) -> bool:
        """Whether it is a max pool of the mesh, which only a convolution can follow."""
        return self.splittable and self.max_pooled

    def pool_before(self, axis: int) -> int:
        """Cells that the first max pooling window reads in front of the map along an axis; 0 for windows of 2."""
        if not self.max_pooled or self.padding != "same":
            return 0
        convolved, step = self.outputs(axis), self.pool_stride[axis]
        over = (-(-convolved // step) - 1) * step + self.pool_size[axis] - convolved
        return max(over, 0) // 2

    def outputs(self, axis: int) -> int:
        """Outputs of the convolution along an axis, before pooling."""
        size, stride = self.size[axis], self.stride[axis]
        return -(-size // stride) if self.padding == "same" else (size - self.kernel[axis]) // stride + 1


def facts_of(
    op: Layer,
    types: Mapping[str, TensorType],
    weights: Mapping[str, TensorType],
    chip: Chip,
    before: Op | None = None,
    after: Op | None = None,
) -> LayerFacts:
    """The facts of a layer; types and weights as in the module, neighbours as in its sequence."""
    x, w = types[op.x], weights[op.weights]
    spatial = {
        name: getattr(op, name)
        for name in ("stride", "padding", "pool", "pool_size", "pool_stride")
        if hasattr(op, name)
    }
    if op.mnemonic != FullyConnected.mnemonic:
        spatial["kernel"] = (w.shape[1], w.shape[2])
    d0, d1, channels = x.shape
    return LayerFacts(
        op=op,
        chip=chip,
        kind=KINDS[type(op)],
        size=(d0, d1),
        channels=channels,
        input_bits=x.element.bits,
        filters=op.type.shape[2],
        weight_bits=w.element.bits,
        from_host=before is None,
        before=before,
        after=after,
        **spatial,
    )


def layers_of(module: Module, sequence: Sequence, chip: Chip) -> tuple[LayerFacts, ...]:
    """The facts of every layer of a sequence, in order."""
    return chain_facts(module, sequence.ops, chip)


def chain_facts(module: Module, ops: Iterable[Op], chip: Chip) -> tuple[LayerFacts, ...]:
    """The facts of layers that stand one behind the other in one sequence."""
    chain = [op for op in ops if isinstance(op, Layer)]
    types = module.net.types
    weights = {name: w.type for name, w in module.weights.items()}
    neighbours = zip([None, *chain[:-1]], chain, [*chain[1:], None], strict=True)
    return tuple(facts_of(op, types, weights, chip, before, after) for before, op, after in neighbours)
