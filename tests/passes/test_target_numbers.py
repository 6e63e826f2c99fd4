# SPDX-License-Identifier: Apache-2.0
"""Numbers of the chip come from the target that a pass is given."""

from __future__ import annotations

from typing import Any

import attrs
from attrs import frozen

from akc.ir.module import Module
from akc.ir.ops import nn
from akc.ir.printer import print_module
from akc.passes import PASSES
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
