# SPDX-License-Identifier: Apache-2.0
"""Programs that the vendor's SDK made are disassembled, recovered and rebuilt; weights stand in the right place."""

from __future__ import annotations

import akida
import numpy as np
import pytest
from attrs import evolve

from akc.base.diagnostics import DiagnosticError
from akc.ir.module import Array, Module
from akc.ir.weights import Weight
from akc.sim.run import run
from akc.targets.akd1000 import TARGET
from akc.targets.akida1.program.container import CNP_SPARSE, read
from akc.targets.akida1.reading.register_lines import hex_row
from tests.conformance import random_networks, vendor
from tests.conformance.random_networks import NetBuilder

pytestmark = pytest.mark.conformance

PROGRAMS = dict.fromkeys(random_networks.CLASSES, 45) | {"near_capacity": 20, "wide": 20, "spoiled": 20}
"""Programs of each class, 330 in all."""
FIRST_SEED = 40000


def _vendor_programs(kind: str, count: int, whole: bool = False) -> list[tuple[Module, bytes]]:
    """Programs that the SDK made, with their networks. whole: none that are one sequence of several."""
    found: list[tuple[Module, bytes]] = []
    for seed, module in random_networks.networks(kind, FIRST_SEED, 10 * count):
        try:
            model = vendor.to_akida(module)
            vendor.map_on_akd1000(model, hw_only=whole or bool(seed % 2), minimal=bool(seed % 3))
        except (RuntimeError, ValueError):
            continue
        found += [(module, info + data) for info, data in vendor.programs(model) if len(info + data) < 3_000_000]
        if len(found) >= count:
            return found[:count]
    raise AssertionError("there are enough networks")


@pytest.mark.parametrize("kind", PROGRAMS)
def test_vendor_programs_are_recovered_and_rebuilt(kind: str) -> None:
    for _, program in _vendor_programs(kind, PROGRAMS[kind]):
        assert TARGET.disassemble(program).count("not decoded") == 0
        (rebuilt,) = TARGET.assemble(TARGET.recover(program))
        assert rebuilt.bytes == program


def test_the_later_half_of_a_network_is_recovered() -> None:
    """A dense layer that takes spatial events of a 1x1 map, since a convolution on the host made them."""
    net = NetBuilder(np.random.default_rng(4), (4, 4, 3), "u4")
    net.convolution(6, 9, "i4", pool="average", act_bits=2)
    net.dense(5, "i4", act_bits=4)
    model = vendor.to_akida(net.module())
    vendor.map_on_akd1000(model, hw_only=False)
    ((info, data),) = vendor.programs(model)
    module = TARGET.recover(info + data)
    assert read(info + data).header.input_type == CNP_SPARSE
    assert len(module.net.sequences) == 2
    assert TARGET.assemble(module)[0].bytes == info + data
    x = np.random.default_rng(5).integers(0, 4, (50, 1, 1, 6)).astype(np.uint8)
    assert np.array_equal(run(module, {"x": x}, keep=True)["spatial"], x)


@pytest.mark.parametrize("kind", ["conv", "separable", "image"])
def test_disassembly_shows_the_weights_that_were_set(kind: str) -> None:
    for module, program in _vendor_programs(kind, 6, whole=True):
        op = random_networks.layers(module)[0]
        bits = module.weights[op.weights].type.element.bits
        rows = [hex_row(row, bits) for row in module.array(op.weights)]
        assert all(f" = {row}\n" in TARGET.disassemble(program) for row in rows[:5])


def test_our_program_info_passes_the_sdk_s_own_check() -> None:
    for seed in range(20):
        module = random_networks.in_one_sequence(random_networks.network("mixed", seed))
        try:
            program = TARGET.assemble(TARGET.place(module))[0]
        except DiagnosticError:
            continue
        assert akida.get_program_memory_infos(program.bytes) is not None


# -- orientation -----------------------------------------------------------------------------------


def _single(net: NetBuilder, name: str, *index: int) -> Module:
    """The network with one weight of 1 and nothing else, no threshold, step 1."""
    module = net.module()
    values = np.zeros(module.weights[name].type.shape, np.int8)
    values[index] = 1
    kind = module.weights[name].type.dtype
    changed = module.map_ops(lambda op: evolve(op, threshold=None, act_step=None))
    return changed.with_statements(changed.net.statements, {**module.weights, name: Weight.of(values, kind)})


def _forward(module: Module, x: Array) -> Array:
    return np.asarray(vendor.to_akida(module).forward(x[None]))[0]


@pytest.mark.parametrize(("k0", "k1"), [(0, 0), (0, 2), (2, 1), (1, 2)])
def test_a_kernel_is_a_cross_correlation(k0: int, k1: int) -> None:
    net = NetBuilder(np.random.default_rng(1), (6, 5, 2), "u4")
    net.convolution(1, 3, "i4", activation=False, act_bits=4)
    x = np.random.default_rng(2).integers(0, 16, (6, 5, 2)).astype(np.uint8)
    out = _forward(_single(net, "n1.weights", 0, k0, k1, 1), x)
    padded = np.pad(x[:, :, 1], 1)
    assert np.array_equal(out[:, :, 0], padded[k0 : k0 + 6, k1 : k1 + 5])


@pytest.mark.parametrize(("d0", "d1", "channel"), [(0, 0, 1), (3, 1, 0), (1, 4, 1)])
def test_dense_inputs_are_in_the_order_of_the_text(d0: int, d1: int, channel: int) -> None:
    net = NetBuilder(np.random.default_rng(1), (6, 5, 2), "u4")
    net.dense(1, "i4", activation=False, act_bits=4)
    x = np.random.default_rng(2).integers(0, 16, (6, 5, 2)).astype(np.uint8)
    out = _forward(_single(net, "n1.weights", 0, (d0 * 5 + d1) * 2 + channel), x)
    assert out.reshape(-1).tolist() == [x[d0, d1, channel]]


def test_an_image_kernel_is_a_cross_correlation() -> None:
    net = NetBuilder(np.random.default_rng(1), (7, 8, 3), "u8")
    net.image(1, 3, act_bits=4)
    x = np.random.default_rng(2).integers(0, 8, (7, 8, 3)).astype(np.uint8)
    out = _forward(_single(net, "n1.weights", 0, 0, 2, 1), x)
    padded = np.pad(x[:, :, 1], 1)
    assert np.array_equal(out[:, :, 0], np.minimum(padded[0:7, 2:10], 15))
