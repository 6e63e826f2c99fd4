# SPDX-License-Identifier: Apache-2.0
"""Groups that a refusal names: the same names from torch.export and from both exporters, old and new opsets.

What akc has operations for computes what PyTorch does; the rest stays opaque.
"""

from __future__ import annotations

import numpy as np
import pytest
import torch
from syrupy.assertion import SnapshotAssertion

from akc.base.diagnostics import DiagnosticError
from akc.compiler.pipeline import Context, run_pipeline
from akc.frontends.onnx.importer import read_onnx
from akc.frontends.torch.export import read_torch
from akc.ir.module import Module
from akc.ir.opaque import OPAQUE_KINDS
from akc.ir.ops.nn import Opaque
from akc.ir.verifier import verify
from akc.passes import LEGALISE
from akc.passes.shared.rewriting.named_groups import with_named_groups
from akc.sim.run import run
from tests.frontends.groups import GROUPS, TOKENS, SharesOfAttention
from tests.frontends.ways import exported

OTHERWISE_IN_OTHER_OPSETS = ("encoder_gelu", "multihead_attention", "layer_norm", "group_norm", "gelu_tanh", "mish")
"""Groups that got an operator of their own between opsets 14 and 20."""


NO_OPERATION = ("local_response", "conv3d", "dilated_pool")
"""Groups that stay opaque, and are refused also where the host may run what the chip does not."""


def opaque_names(module: Module) -> set[str]:
    """The names of a module's opaque operations."""
    assert not verify(module)
    return {op.op for op in module.net.ops if isinstance(op, Opaque)}


@pytest.mark.parametrize("name", GROUPS)
def test_group(name: str) -> None:
    """Each way of reading gives exactly the expected names, and each name has advice."""
    make, shape, wanted = GROUPS[name]
    torch.manual_seed(0)
    module, example = make().eval(), torch.rand(shape)
    found = {
        "torch": read_torch(module, example),
        "dynamo": read_onnx(exported(module, example, True)),
        "older 14": read_onnx(exported(module, example, False, opset_version=14)),
    }
    if name in OTHERWISE_IN_OTHER_OPSETS:
        found["dynamo 18"] = read_onnx(exported(module, example, True, opset_version=18))
        found["older"] = read_onnx(exported(module, example, False))
    assert {way: opaque_names(with_named_groups(m)) for way, m in found.items()} == dict.fromkeys(found, wanted)
    expected = module(example).detach().numpy()
    for way, imported in found.items():
        assert opaque_names(imported) == (wanted if name in NO_OPERATION else set()), way
        if name not in NO_OPERATION:
            (result,) = run(imported, example.numpy()).values()
            np.testing.assert_allclose(result, expected, rtol=2e-5, atol=2e-5, err_msg=way)
    assert wanted <= set(OPAQUE_KINDS)


@pytest.mark.parametrize("name", ["multihead_attention", "branches"])
def test_text(name: str, text_snapshot: SnapshotAssertion) -> None:
    """What users of such a network read."""
    make, shape, _ = GROUPS[name]
    torch.manual_seed(0)
    with pytest.raises(DiagnosticError) as refused:
        run_pipeline(read_torch(make().eval(), torch.rand(shape)), LEGALISE, Context())
    assert str(refused.value) == text_snapshot(name=name)


def test_attention_with_the_batch_among_its_heads() -> None:
    """PyTorch multiplies so where it averages the shares of the heads: one name, and its numbers."""
    torch.manual_seed(0)
    source, example = SharesOfAttention().eval(), torch.rand(TOKENS)
    module = read_torch(source, example)
    assert opaque_names(module) == set()
    assert opaque_names(with_named_groups(module)) == {"attention"}
    (result,) = run(module, example.numpy()).values()
    np.testing.assert_allclose(result, source(example).detach().numpy(), rtol=2e-5, atol=2e-5)
