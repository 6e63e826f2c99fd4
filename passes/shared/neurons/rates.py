# SPDX-License-Identifier: Apache-2.0
"""A spiking network as rate sees it: which neurons become staircases, which stay in front on the host, what ends it."""

from __future__ import annotations

from collections.abc import Iterator

from attrs import evolve

from akc.ir.module import Module, Op
from akc.ir.ops import host, nn, snn, snn_gated
from akc.passes.shared.numbers.evaluate import Array
from akc.sim.run import Runner

READOUTS = (host.Sum, host.Mean, host.Max, host.Last)
"""Operations that end a network over time."""


def inputs_of(module: Module) -> set[str]:
    """Names of the net's inputs."""
    return {value.name for value in module.net.inputs}


def layers_behind(op: Op, module: Module) -> Iterator[Op]:
    """Layers with weights that read a value, or what becomes of it."""
    for reader in module.net.uses(op.name):
        if isinstance(reader, nn.Dense | nn.Conv):
            yield reader
        else:
            yield from layers_behind(reader, module)


def encoders(module: Module) -> list[Op]:
    """Neurons that read the input with no layer in between, and what leads to them: the host runs these."""
    net = module.net
    made = {op.name: op for op in net.ops}
    found: list[Op] = []
    for neuron in net.ops:
        path, name = [neuron], neuron.operands[0] if neuron.operands else ""
        while name in made and isinstance(made[name], nn.Affine | nn.Reshape | nn.Permute | host.Repeat):
            path.append(made[name])
            name = made[name].operands[0]
        usual = isinstance(neuron, snn.Neuron) and neuron.fires and not isinstance(neuron, snn_gated.Gated)
        if usual and name not in made:
            found += [op for op in path if op not in found]
    return found


def is_last(op: host.Sum | host.Mean | host.Max | host.Last, module: Module) -> bool:
    """Whether a read-out is of neurons, and no layer reads its sums or means again."""
    again = isinstance(op, host.Sum | host.Mean) and any(True for _ in layers_behind(op, module))
    return isinstance(module.net.producer(op.x), snn.Neuron) and not again


def feeds_layers(op: snn.Neuron, module: Module) -> bool:
    """Whether something other than a last read-out reads a neuron."""
    return any(not (isinstance(u, READOUTS) and is_last(u, module)) for u in module.net.uses(op.name))


def stairs(module: Module) -> dict[str, snn.Neuron]:
    """Neurons that become levels, by the name that the source's layer has for them."""
    front = encoders(module)
    found = [op for op in module.net.ops if isinstance(op, snn.Neuron) and op not in front]
    fire = [op for op in found if op.fires and op.output != "membrane" and feeds_layers(op, module)]
    return {(op.origin or (op.name,))[0]: op for op in fire}


def outputs(module: Module, inputs: dict[str, Array]) -> Array:
    """The net's first result for each sample, [n, elements]."""
    result = next(iter(Runner(module).run(inputs).values()))
    return result.reshape(len(result), -1)


def as_source(module: Module) -> Module:
    """A module as it stands in `source { ... }` of another."""
    return evolve(module, comments=(), trailing_comments=())
