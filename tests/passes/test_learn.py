# SPDX-License-Identifier: Apache-2.0
"""learn: a last dense layer becomes a learning one, and what cannot is refused."""

from __future__ import annotations

import numpy as np
import pytest
from syrupy.assertion import SnapshotAssertion

import akc
from akc.base.diagnostics import DiagnosticError
from akc.ir.module import Module
from akc.ir.ops.akida import FullyConnected, Layer
from akc.passes.quantising.learn import Learn
from akc.targets.akd1000 import TARGET
from tests.passes.building import context

TEXT = """akir 1.0

net @net(%x: f32[6, 6, 2]) -> f32[4] {
  %levels = host.quantize(%x, scale=0.1, bits=4) : u4[6, 6, 2]
  sequence @s0 {
    %a = akida.convolutional(%levels, weights=#a, act_step=#a.step, act_bits=4) : u4[6, 6, 3] from "conv"
    %p = akida.fully_connected(%a,
      weights=#p,
      threshold=#p.threshold,
      act_step=#p.step,
      activation=false,
    ) : i32[1, 1, 4] from "fc"
  }
  %y = host.decode(%p, threshold=#p.threshold, act_step=#p.step) : f32[4]
  return %y
}

weights {
  #a : i4[3, 3, 3, 2] = splat "1"
  #a.step : f32[3] = splat "7.5"
  #p : i4[4, 108] = splat "2"
  #p.threshold : i32[4] = splat "3"
  #p.step : f32[4] = splat "2.5"
}
"""


def learned(text: str = TEXT, **options: object) -> Module:
    return Learn(**{"num_weights": 12, "num_classes": 2, **options}).run(akc.parse(text), context())  # type: ignore[arg-type]


def test_text(akir_snapshot: SnapshotAssertion) -> None:
    assert learned() == akir_snapshot


def test_the_result_is_placed_and_assembled() -> None:
    module = learned()
    ops = [op for op in module.net.ops if isinstance(op, Layer)]
    assert [op.act_bits for op in ops] == [1, 1] and isinstance(ops[-1], FullyConnected)
    assert (module.array(ops[-1].weights).sum(axis=1) == 12).all()
    assert not TARGET.check(module) and akc.build(module).size
    assert Learn().run(module, context()) is module


def test_weights_of_one_bit_are_kept_where_they_have_the_ones() -> None:
    text = TEXT.replace("i4[4, 108]", "u1[4, 108]").replace('splat "2"', 'splat "1"')
    for count, kept in ((108, True), (12, False)):
        module = learned(text, num_weights=count)
        op = [op for op in module.net.ops if isinstance(op, FullyConnected)][-1]
        assert (module.array(op.weights).sum(axis=1) == count).all()
        assert op.threshold == ("p.threshold" if kept else None)


def test_the_seed_draws_the_weights() -> None:
    assert learned(seed=1) == learned(seed=1) != learned(seed=2)
    assert np.array_equal(learned(seed=1).array("p"), learned(seed=1, num_classes=4).array("p"))


FAULTS = {
    "num_weights is 109, it has 108 inputs": {"num_weights": 109},
    "its 4 units cannot be shared out to 3 classes": {"num_classes": 3},
}


@pytest.mark.parametrize("words", FAULTS)
def test_faults(words: str) -> None:
    with pytest.raises(DiagnosticError, match=f"AKC0516.*%p cannot learn: {words}"):
        learned(**FAULTS[words])


def test_an_input_of_more_bits_without_a_layer_in_front() -> None:
    lines = TEXT.replace("%p = akida.fully_connected(%a,", "%p = akida.fully_connected(%levels,").splitlines()
    text = "\n".join(line for line in lines if "akida.convolutional" not in line).replace("4, 108", "4, 72")
    with pytest.raises(DiagnosticError, match=r"its input %levels is u4\[6, 6, 2\], and no layer of its own gives it"):
        learned(text)


def test_a_network_that_ends_in_a_convolution() -> None:
    lines = TEXT[: TEXT.index("    %p =")] + "  }\n  return %a\n}\n\n" + TEXT[TEXT.index("weights {") :]
    text = lines.replace("-> f32[4]", "-> u4[6, 6, 3]")
    with pytest.raises(DiagnosticError, match=r"AKC0519.*the last one is akida.convolutional %a"):
        learned(text)
