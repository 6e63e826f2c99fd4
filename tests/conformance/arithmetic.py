# SPDX-License-Identifier: Apache-2.0
"""The simulator beside the SDK's, on one network or on many:

python -m tests.conformance.arithmetic --count 5000 --seed 1
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Iterator
from typing import Any

import numpy as np

from akc.ir.module import Module, Value
from akc.ir.ops.akida import Layer
from akc.ir.ops.host import Decode
from akc.ir.types import TensorType
from akc.sim.run import run
from tests.conformance import random_networks, software_networks, vendor
from tests.conformance.random_networks import samples

BACKENDS = ("numpy", "onnxruntime")


def decoded(module: Module) -> Module:
    """The network with host.decode at its end."""
    last = list(module.net.ops)[-1]
    assert isinstance(last, Layer)
    result = Value("decoded", TensorType("f32", last.type.shape))
    op = Decode(result=result, x=last.name, threshold=last.threshold, act_step=last.act_step)
    return module.with_statements([*module.net.statements, op], outputs=("decoded",), output_types=(result.type,))


def check_forward(module: Module, seed: int, model: Any) -> None:
    x = samples(module, seed)
    expected = model.forward(x)
    for backend in BACKENDS[1:]:
        found = run(module, x, backend=backend)[module.net.outputs[0]]
        assert found.dtype == (np.uint8 if expected.dtype == np.uint8 else np.int32)
        np.testing.assert_array_equal(found, expected, err_msg=f"seed {seed} {backend}")
        alone = run(module, x[:1], backend=backend)[module.net.outputs[0]]
        np.testing.assert_array_equal(alone, expected[:1], err_msg=f"seed {seed} {backend}, a batch of one")


def check_predict(module: Module, seed: int, model: Any) -> None:
    last = list(module.net.ops)[-1]
    assert isinstance(last, Layer)
    if not last.activation:
        x = samples(module, seed)
        np.testing.assert_array_equal(
            run(decoded(module), x)["decoded"].reshape(len(x), -1),
            model.predict(x).reshape(len(x), -1),
            err_msg=f"seed {seed}",
        )


def networks(seed: int, count: int) -> Iterator[tuple[str, int, Module]]:
    """`count` networks that only simulators run, each also with its last activation off, and as many for the chip."""
    for number, module in software_networks.networks(seed, count):
        yield "software", number, module
        bare = software_networks.without_activation(module)
        if bare is not None:
            yield "software, last activation off", number, bare
    share = -(-count // len(random_networks.CLASSES))
    for kind in random_networks.CLASSES:
        for number, module in random_networks.networks(kind, seed, share):
            yield kind, number, module


def main() -> None:
    """Compare many networks and print the counts; a difference is an AssertionError with its seed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=500)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    equal: Counter[str] = Counter()
    for kind, number, module in networks(options.seed, options.count):
        try:
            model = vendor.to_akida(module)
        except ValueError:
            equal["not built by the SDK"] += 1
            continue
        check_forward(module, number, model)
        check_predict(module, number, model)
        equal[kind] += 1
    for kind, count in equal.items():
        print(f"{count:7}  {kind}")
    print(
        f"{equal.total() - equal['not built by the SDK']:7}  networks, all bit for bit equal in numpy and ONNX Runtime"
    )


if __name__ == "__main__":
    main()
