# SPDX-License-Identifier: Apache-2.0
"""A quantised module as a torch.nn.Module that trains in the chip's integers, and the way back into the text."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

import numpy as np
from attrs import evolve, frozen

from akc.base.calls import instance, optional, public
from akc.base.diagnostics import Diagnostic, DiagnosticError, error
from akc.ir.levels import level_of, reaches
from akc.ir.module import MODULE, Module, Op
from akc.ir.ops import akida, host
from akc.ir.weights import Weight
from akc.sim.integer import float_levels_are_exact, layer_numbers, pooled_bound
from akc.targets import load_target
from akc.tuning import forward

NEIGHBOURHOOD = 0.49
"""How far from the integer, in integers, the float weight that training starts from may lie."""


@frozen(eq=False, kw_only=True)
class LayerState:
    """The constants of one layer while it trains.

    op: the layer; low, high: its smallest and largest weight; steps: S0 [filters]; unit: threshold widths [filters];
    bound: no potential is larger; wide: whether float64 is needed to be exact; registers: bits of T and S.
    """

    op: akida.Layer
    low: int
    high: int
    steps: Any
    unit: Any
    bound: int
    wide: bool
    most: tuple[int, int]


def import_torch() -> Any:
    """The torch package, or a diagnostic that says how to install it."""
    try:
        import torch
    except ImportError:
        raise error("AKC0455", "tuning needs torch", help='pip install "akc[torch]"') from None
    return torch


def _state(op: akida.Layer, module: Module, chip: Any) -> LayerState:
    numbers, element = layer_numbers(op, module), module.weights[op.weights].type.element
    high = 127 if element.name == "i8" else int(element.high or 0)
    act_step = np.ones(op.type.shape[-1]) if op.act_step is None else module.array(op.act_step).astype(np.float64)
    unit = numbers.steps / numbers.levels if op.activation else act_step
    wide_weights = {"i8": 127, "i4": 7, "i2": 1, "u1": 1}[element.name]
    largest = _largest_sum(op, module, wide_weights)
    behind = pooled_bound(op, largest) if isinstance(op, akida._Spatial) else min(largest, 2**19)
    registers = chip.image.registers if isinstance(op, akida.InputConvolutional) else chip.registers
    exact = largest < 2**23 and behind + registers.threshold < 2**24 and float_levels_are_exact(numbers, behind)
    return LayerState(
        op=op,
        low=-high if element.low else 0,
        high=high,
        steps=np.asarray(numbers.steps, np.float64),
        unit=np.asarray(unit, np.float64),
        bound=largest,
        wide=not exact,
        most=(registers.threshold, registers.sixteenths),
    )


def _largest_sum(op: akida.Layer, module: Module, weight: int) -> int:
    """The largest potential that weights of this size can make."""
    count = int(np.prod(module.weights[op.weights].type.shape[1:]))
    if isinstance(op, akida.SeparableConvolutional):
        count *= module.weights[op.pointwise].type.shape[1] * weight
    return count * weight * int(module.net.types[op.x].element.high or 0)


@public(module=MODULE, start=optional(instance(Module, help="give the float text in front of lower-int4")))
def trainable(module: Module, start: Module | None = None) -> Any:
    """A torch.nn.Module of a quantised module: net(x) takes the net's float inputs and gives its outputs.

    Forwards it computes the simulator's integers, backwards straight through them. start: the float network in front
    of lower-int4, whose weights tell which neighbour each integer is closest to. net.groups(rate) are groups of
    parameters for an optimizer, net.project() is called after every step, net.levels(x) gives every value by name,
    akc.trained(net) the module. Raises DiagnosticError AKC0455 (no torch) or AKC0456 (a network that cannot train).
    """
    import_torch()
    if not reaches(level_of(module), "quantised"):
        raise error("AKC0456", f"a network that trains is quantised, this one is {level_of(module)}",
                    help="akc lower makes one; --tune in one go")  # fmt: skip
    _refuse(module)
    return _network_class()(module, start)


def _refuse(module: Module) -> None:
    """Raise DiagnosticError with every operation behind the chip that has no gradient here."""
    behind: set[str] = set()
    faults: list[tuple[Op, str]] = []
    for op in module.net.ops:
        if isinstance(op, akida.Layer):
            behind.add(op.name)
            if getattr(op, "learning", None) is not None:
                faults.append((op, "learns on the chip"))
        elif behind.intersection(op.operands):
            behind.add(op.name)
            known = isinstance(op, host.Decode) or forward.rule_of(op) is not None or type(op) in forward.OVER_TIME
            faults += [] if known else [(op, f"({op.mnemonic}) has no gradient in akc")]
    if faults:
        raise DiagnosticError(
            [
                Diagnostic(code="AKC0456", message=f"%{op.name} {why}", span=op.span(), origin=op.origin,
                           help="tune the part of the network in front of it")
                for op, why in faults
            ]
        )  # fmt: skip


def trained(net: Any) -> Module:
    """The module with the numbers that a network of akc.trainable has now; everything else stays as it is."""
    module: Module = net.module
    weights = dict(module.weights)
    for name, array in net.numbers().items():
        old = weights[name]
        weights[name] = Weight.of(array, old.type.dtype, old.comments)
    return evolve(module, weights=weights)


# -- starting from floats ----------------------------------------------------------------------------


def latent(whole: Any, floats: Any | None) -> Any:
    """Latent weights in integers: the float weights over their filter's scale, cut to the integers' neighbourhood."""
    if floats is None:
        return whole
    rows, wanted = whole.reshape(len(whole), -1), floats.reshape(len(whole), -1)
    scale = (wanted * rows).sum(axis=1) / np.maximum((rows * rows).sum(axis=1), 1)
    scale = np.where(scale == 0, 1.0, scale)[:, None]
    near = np.clip(wanted / scale, rows - NEIGHBOURHOOD, rows + NEIGHBOURHOOD)
    return near.reshape(whole.shape)


def float_weights(op: akida.Layer, key: str, start: Module | None) -> Any | None:
    """The float weights that a layer's integers were made of, by their name and size."""
    name = getattr(op, key)
    if start is None or (isinstance(op, akida.SeparableConvolutional) and key == "weights"):
        return None
    found = start.weights.get(f"{name.rpartition('.')[0]}.weight")
    return None if found is None or found.elided else found.array.astype(np.float64)


@cache
def _network_class() -> Any:
    """The class, made when torch is there."""
    import torch

    class Network(torch.nn.Module):
        """See akc.trainable."""

        def __init__(self, module: Module, start: Module | None) -> None:
            super().__init__()
            self.module = module
            chip = load_target("akd1000").numbers
            layers = [op for op in module.net.ops if isinstance(op, akida.Layer)]
            self.states = {op.name: _state(op, module, chip) for op in layers}
            self.latents, self.thresholds, self.gains = (torch.nn.ParameterList() for _ in range(3))
            self.index: dict[str, int] = {}
            self.owner: dict[str, LayerState] = {}
            for state in self.states.values():
                self._add(state, start)

        def _add(self, state: LayerState, start: Module | None) -> None:
            op, array = state.op, self.module.array
            for key in ("weights", "pointwise"):
                name = getattr(op, key, None)
                if name is not None and name not in self.index:
                    whole = array(name).astype(np.float64)
                    floats = float_weights(op, key, start)
                    floats = floats if floats is not None and floats.size == whole.size else None
                    self._keep(name, self.latents, latent(whole, floats) / state.high, torch.float32, state)
            if op.threshold is not None and op.threshold not in self.index:
                self._keep(op.threshold, self.thresholds, array(op.threshold) / state.unit, torch.float64, state)
            if op.act_step is not None and op.act_step not in self.index:
                self._keep(op.act_step, self.gains, np.zeros(len(state.steps)), torch.float64, state)

        def _keep(self, name: str, where: Any, numbers: Any, dtype: Any, state: LayerState) -> None:
            self.index[name] = len(where)
            self.owner[name] = state
            where.append(torch.nn.Parameter(torch.from_numpy(np.array(numbers)).to(dtype)))

        # -- parameters as the chip has them ---------------------------------------------------

        def weight(self, name: str) -> Any:
            """Whole weights."""
            state, v = self.owner[name], self.latents[self.index[name]]
            whole = torch.round(torch.clamp(v.detach() * state.high, state.low, state.high))
            return forward.through(whole, v * state.high)

        def threshold(self, state: LayerState) -> Any:
            """Whole thresholds [filters], within their register."""
            if state.op.threshold is None:
                return torch.zeros(len(state.unit), dtype=torch.float64)
            t = self.thresholds[self.index[state.op.threshold]] * torch.from_numpy(self.owner[state.op.threshold].unit)
            most = state.most[0] if state.op.activation else 2**31 - 1
            return forward.clipped(forward.rounded(t), -most, most)

        def gain(self, state: LayerState) -> Any:
            """What the steps have grown by [filters]."""
            if state.op.act_step is None:
                return torch.ones(len(state.steps), dtype=torch.float64)
            return torch.exp(self.gains[self.index[state.op.act_step]])

        def sixteenths(self, state: LayerState) -> Any:
            """S [filters], within its register."""
            size = torch.from_numpy(state.steps) * self.gain(state)
            return forward.clipped(forward.rounded(size), 1, state.most[1])

        # -- running ----------------------------------------------------------------------------

        def forward(self, *given: Any, **named: Any) -> Any:
            """The net's outputs [batch, ...] for its inputs, in order or by name; one tensor where there is one."""
            values = self.levels(*given, **named)
            found = [values[name] for name in self.module.net.outputs]
            return found[0] if len(found) == 1 else tuple(found)

        def levels(self, *given: Any, **named: Any) -> dict[str, Any]:
            """Every value of the network by name."""
            inputs = dict(zip((v.name for v in self.module.net.inputs), given)) | named
            values = {name: torch.as_tensor(x) for name, x in inputs.items()}
            for op in self.module.net.ops:
                values[op.name] = self._one(op, values)
            return values

        def _one(self, op: Op, values: Mapping[str, Any]) -> Any:
            operands = [values[name] for name in op.operands]
            if isinstance(op, akida.Layer):
                return self._layer(self.states[op.name], operands[0])
            if isinstance(op, host.Decode):
                return self._decoded(op, operands[0])
            rule, over_time = forward.rule_of(op), forward.OVER_TIME.get(type(op))
            steps = self.module.net.types[op.operands[0]].steps if op.operands else None
            if not any(x.requires_grad for x in operands) and not isinstance(op, host.Quantize):
                return self._by_numpy(op, operands)
            if over_time is not None and getattr(op, "weights", None) is None:
                return over_time(op, operands[0])
            assert rule is not None, op.mnemonic
            flat = [x if steps is None else x.reshape(-1, *x.shape[2:]) for x in operands]
            result = rule(op, self.module, flat)
            return result if steps is None else result.reshape(-1, steps, *result.shape[1:])

        def _by_numpy(self, op: Op, operands: list[Any]) -> Any:
            from akc.passes.shared.numbers.evaluate import evaluate_alone

            arrays = [x.detach().numpy() for x in operands]
            return torch.from_numpy(np.ascontiguousarray(evaluate_alone(op, arrays, self.module)))

        def _layer(self, state: LayerState, x: Any) -> Any:
            op, kind = state.op, torch.float64 if state.wide else torch.float32
            flat, axes = forward.folded(x.to(kind), self.module.net.types[op.x])
            pointwise = getattr(op, "pointwise", None)
            weights = self.weight(op.weights).to(kind)
            mixed = None if pointwise is None else self.weight(pointwise).to(kind)
            sums = forward.potentials(op, flat, weights, mixed, state.bound)
            if op.activation:
                levels = 2**op.act_bits
                step = (self.sixteenths(state) / levels).to(kind)
                sums = forward.staircase((sums - self.threshold(state).to(kind)) / step, levels - 1)
            return sums.reshape(*axes, *sums.shape[1:])

        def _decoded(self, op: host.Decode, x: Any) -> Any:
            state = self.states.get(op.x)
            if state is None or state.op.threshold != op.threshold or state.op.act_step != op.act_step:
                return self._by_numpy(op, [x.to(torch.int32)])
            steps = torch.from_numpy(state.unit) * self.gain(state)
            flat, axes = forward.folded(x, self.module.net.types[op.x])
            found = (flat.double() - self.threshold(state)).float() / steps.float() * op.factor
            return found.reshape(*axes, *op.type.shape)

        # -- training ---------------------------------------------------------------------------

        def groups(self, rate: float) -> list[dict[str, Any]]:
            """Groups of parameters for an optimizer: thresholds learn five times as fast as weights and steps."""
            return [
                {"params": list(self.latents), "lr": rate},
                {"params": list(self.gains), "lr": rate},
                {"params": list(self.thresholds), "lr": 5 * rate},
            ]

        def project(self) -> None:
            """Cut latent weights to what their integers can be."""
            with torch.no_grad():
                for name, at in self.index.items():
                    state = self.owner[name]
                    if name in (state.op.weights, getattr(state.op, "pointwise", None)):
                        self.latents[at].clamp_(state.low / state.high, 1.0)

        def numbers(self) -> dict[str, Any]:
            """The text's numbers by the names of its weights."""
            found: dict[str, Any] = {}
            with torch.no_grad():
                for name in self.index:
                    state, op = self.owner[name], self.owner[name].op
                    if name == op.threshold:
                        found[name] = self.threshold(state).numpy().astype(np.int64)
                    elif name == op.act_step:
                        grown = self.sixteenths(state) / 16 if op.activation else self._decoding_steps(state)
                        found[name] = grown.numpy()
                    else:
                        found[name] = self.weight(name).numpy()
            return found

        def _decoding_steps(self, state: LayerState) -> Any:
            return (torch.from_numpy(state.unit) * self.gain(state)).float()

    return Network
