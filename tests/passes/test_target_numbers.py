# SPDX-License-Identifier: Apache-2.0
"""Numbers of the chip come from the target that a pass is given."""

from __future__ import annotations

import ast
from itertools import chain
from pathlib import Path
from typing import Any

import attrs
import numpy as np
import pytest
from attrs import frozen

import akc
import akc.passes
from akc.base.diagnostics import DiagnosticError
from akc.compiler.pipeline import Context, run_pipeline
from akc.ir.module import Module
from akc.ir.ops import nn
from akc.ir.printer import print_module
from akc.passes import LOWER, PASSES
from akc.passes.shared.contract import PassContext
from akc.targets.akd1000 import TARGET
from tests.passes.building import Building


@frozen
class Smaller:
    """The AKD1000 with other numbers."""

    changes: dict[str, Any]

    @property
    def numbers(self) -> Any:
        """Those of the chip, some changed."""
        return attrs.evolve(TARGET.numbers, **self.changes)

    def __getattr__(self, name: str) -> Any:
        return getattr(TARGET, name)


def _after(name: str, module: Module, **changes: Any) -> str:
    return print_module(PASSES[name]().run(module, PassContext(target=Smaller(changes))))


def test_numbers_of_the_chip_are_the_targets() -> None:
    """The same network on chips with other memories: 448 channels of a filter, 43,008 bytes of a dense layer."""
    wide = Building(4, 4, 32).conv(16, 1).relu().conv(8, 1).relu().module()
    assert "groups" not in _after("separate-pointwise", wide)
    assert "groups=16" in _after("separate-pointwise", wide, filter_channels={(1, 4): 15})
    mean = Building(4, 4, 8).conv(8, 3, pad=(1, 1, 1, 1)).relu().add(nn.Mean, axes=(0, 1)).dense(10).module()
    assert "nn.mean" not in _after("fold-global-average", mean)
    assert "nn.mean" in _after("fold-global-average", mean, dense_memory=100)
    assert "nn.mean" not in _after("fold-global-average", mean, dense_memory=100, average=(5, 32))


def _lowered(module: Module, *, samples: Any = None, pipeline: str = LOWER, **changes: Any) -> Module:
    """What the default passes make of a network for a chip that has other numbers."""
    return run_pipeline(module, pipeline, _on(Smaller(changes), samples))


def _on(chip: Any, samples: Any) -> Context:
    """A context whose target is no row of the table."""

    class Other(Context):
        target = chip

    return Other(samples=samples)


def _layers(module: Module) -> list[str]:
    return [op.mnemonic for op in module.net.ops if op.mnemonic.startswith("akida.")]


def _picture(channels: int = 3, kernel: int = 3, filters: int = 8) -> Module:
    border = (kernel // 2,) * 4
    net = Building(12, 12, channels).conv(filters, kernel, pad=border).relu().conv(6, 3, pad=(1, 1, 1, 1)).relu()
    return net.dense(5).module()


def _refused(module: Module, **changes: Any) -> str:
    with pytest.raises(DiagnosticError) as refused:
        _lowered(module, **changes)
    return str(refused.value)


def test_a_chip_without_image_layer_takes_pictures_on_its_mesh() -> None:
    """The same picture network, with and without an image layer: another first layer, and an input of 4 bits."""
    with_one, without = _lowered(_picture()), _lowered(_picture(), image=None)
    assert _layers(with_one)[0] == "akida.input_convolutional"
    assert _layers(without)[0] == "akida.convolutional"
    assert "bits=8" in print_module(with_one) and "bits=8" not in print_module(without)


def test_an_image_layer_of_other_numbers() -> None:
    """Another smallest kernel, fewer filters, a narrower picture."""
    image = TARGET.numbers.image
    assert image is not None
    larger = _lowered(_picture(), image=attrs.evolve(image, kernels=(5, 7), filters={(3, 5): 64}))
    assert _layers(larger)[0] == "akida.input_convolutional" and "i8[8, 5, 5, 3]" in print_module(larger)
    for changed in ({"filters": {(3, 3): 7}}, {"widest": 11}, {"strides": (2, 3)}, {"smallest": 15}):
        assert _layers(_lowered(_picture(), image=attrs.evolve(image, **changed)))[0] == "akida.convolutional", changed


def test_kernels_of_another_chip() -> None:
    """Kernels of 5 and 9: a 3x3 kernel grows to 5x5, a 9x9 one is taken as it is, one of 11x11 is refused by name."""
    changed = {"kernels": {1: (5, 9), 2: (5,)}, "image": None}
    assert "[4, 3, 3, 4]" in print_module(_fitted(3))
    assert "[4, 5, 5, 4]" in print_module(_fitted(3, **changed))
    assert "[4, 9, 9, 4]" in print_module(_fitted(9, **changed))
    words = _refused(Building(24, 24, 4).conv(4, 11, pad=(5, 5, 5, 5)).relu().dense(3).module(), **changed)
    assert "the 11x11 convolution kernel is not 5x5 or 9x9" in words and "kernels of at most 9" in words


def _fitted(kernel: int, **changes: Any) -> Module:
    """A convolution on the way to the chip, in real numbers."""
    net = Building(24, 24, 4).conv(4, kernel, pad=(kernel // 2,) * 4).relu()
    return _lowered(net.module(), pipeline="insert-identity,fit-windows,legalize", **changes)


def test_strides_of_another_chip() -> None:
    """No stride of 2, or one with 5x5 kernels: split-stride has nothing to split into, or nothing to split."""
    five = Building(16, 16, 8).conv(8, 3, pad=(1, 1, 1, 1)).relu().conv(8, 5, stride=(2, 2), pad=(1, 1, 2, 2)).relu()
    module = five.module()
    assert "_all" in _after("split-stride", module)
    assert "_all" not in _after("split-stride", module, kernels={1: (1, 3, 5, 7), 2: (3, 5)})
    assert "_all" not in _after("split-stride", module, kernels={1: (1, 3, 5, 7)})


def test_pools_of_another_chip() -> None:
    """Pools of 3x3 where the chip has them; where there are no pools, those of four cells stay and are refused."""
    three = Building(12, 12, 4).conv(4, 3, pad=(1, 1, 1, 1)).relu().max_pool(3).conv(4, 1).relu().dense(3).module()
    assert "3x3 max pool" in _refused(three, image=None)
    assert "3x3 max pool" not in _refusal(three, image=None, pools=(1, 2, 3))
    four = Building(16, 16, 4).conv(4, 3, pad=(1, 1, 1, 1)).relu().max_pool(4).conv(4, 1).relu().dense(3).module()
    assert "_half" in _after("halve-pools", four)
    assert "_half" not in _after("halve-pools", four, pools=(1, 3))


def _refusal(module: Module, **changes: Any) -> str:
    """What legalize says, or nothing."""
    try:
        _lowered(module, pipeline="fit-windows,legalize", **changes)
    except DiagnosticError as refused:
        return str(refused)
    return ""


def test_bits_of_another_chip() -> None:
    """A chip of two bits: weights, levels and the input have two; four are refused by name."""
    module = Building(1, 1, 16).dense(8).relu().dense(4).module()
    samples = {"image": np.random.default_rng(0).uniform(0, 1, (32, 1, 1, 16)).astype(np.float32)}
    usual, two = _lowered(module, samples=samples), _lowered(module, samples=samples, widths=(1, 2), filter_channels={})
    assert ": i4[" in print_module(usual) and "u4" in print_module(usual)
    assert ": i2[" in print_module(two) and "i4" not in print_module(two) and "u4" not in print_module(two)
    pipeline = "fold-layout,legalize,calibrate,lower-int4{weights=4 activations=4 input=4}"
    words = _refused(module, pipeline=pipeline, widths=(1, 2))
    assert words.count("AKD1000 has 1 or 2 bits") == 2 and "input=4: AKD1000 has 1 or 2 or 8 bits" in words


def test_registers_of_another_chip() -> None:
    """Thresholds stay inside the registers of the chip."""
    module = Building(1, 1, 16).dense(8).relu().dense(4).module()
    for bits in (20, 8):
        text = _lowered(module, registers=akc.targets.Registers(bits))
        tops = [np.abs(text.array(op.threshold)).max() for op in text.net.ops if getattr(op, "activation", False)]
        assert all(top < 2 ** (bits - 1) for top in tops)


def test_the_global_average_of_another_chip() -> None:
    """Another shortest row of a map in front of an average is the one that the refusal names."""
    net = Building(8, 8, 4).conv(4, 3, pad=(1, 1, 1, 1)).add(nn.Mean, axes=(0, 1)).module()
    words = _refused(net, pipeline="legalize", average=(9, 32), image=None)
    assert "d0 is at most 32, d1 at least 9" in words


CHIP_NAMES = ("KERNELS", "IMAGE_", "LARGEST", "STRIDED", "WIDTHS", "MESH", "BITS")


def test_no_pass_names_a_number_of_the_chip() -> None:
    """Tables of kernels, filters, bits and registers stand with the target: no pass has one under such a name.

    Numbers that only a chip has (504 filters, 57,334 inputs, registers of 2**19 and 2**23) stand nowhere in them.
    """
    chips = {2**19 - 1, 2**19, 2**20 - 1, 2**20, 2**23 - 1, 2**23, 2**24 - 1, 2**24, 43008, 57334, 81920, 504, 512, 192}
    found = []
    for path in sorted(Path(akc.passes.__file__).parent.rglob("*.py")):
        tree = ast.parse(path.read_text())
        names = [n.id for n in ast.walk(tree) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)]
        found += [f"{path.name}: {name}" for name in names if name.startswith(CHIP_NAMES) and name != "BITS"]
        parts = (ast.walk(node) for node in tree.body)
        numbers = {number for node in chain.from_iterable(parts) if (number := _whole(node)) is not None}
        found += [f"{path.name}: {number}" for number in sorted(numbers & chips)]
    allowed = {"lower_int4.py: 512"}
    assert set(found) == allowed, "how many samples lower-int4 takes"


def _whole(node: ast.AST) -> int | None:
    """The whole number that an expression of numbers alone is worth; None for anything else."""
    if not isinstance(node, ast.Constant | ast.BinOp) or any(
        isinstance(n, ast.Name | ast.Call) for n in ast.walk(node)
    ):
        return None
    try:
        value = eval(compile(ast.Expression(node), "", "eval"), {})
    except (TypeError, SyntaxError, ZeroDivisionError):
        return None
    return value if isinstance(value, int) and not isinstance(value, bool) else None
