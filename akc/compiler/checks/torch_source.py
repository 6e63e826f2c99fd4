# SPDX-License-Identifier: Apache-2.0
"""A live PyTorch module as a source: a copy of it is called, in evaluation mode and, where it can, in float64.

The user's module is not touched: what runs is a deep copy, so that hooks, states of neurons and statistics stay as
they are; generators of random numbers are seeded for the run and put back.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from akc.base.diagnostics import DiagnosticError
from akc.compiler.checks.answers import Answers
from akc.compiler.checks.torch_running import copied, leaves, own_instances, quiet, widened
from akc.frontends.torch.users_code import in_users_code
from akc.ir.module import Module
from akc.ir.ops import snn
from akc.sim.registry import Array


class TorchSource:
    """A module and its example, as akc.frontends read them; `imported` says which axes the inputs have.

    spiking: the user's options about spiking sources; name: for messages.
    """

    def __init__(self, model: Any, example: Any, imported: Module, spiking: Mapping[str, Any], name: str = "") -> None:
        self.model, self.name, self.readout = model, name or type(model).__name__, spiking.get("readout")
        self.spiking = spiking
        given, self.values = tensors_of(example), imported.net.inputs
        self.xs, self.states = given[: len(self.values)], given[len(self.values) :]
        self.x, self.value = self.xs[0], self.values[0]
        self.steps = next((v.type.steps for v in imported.net.values.values() if v.type.steps), None)
        self.neurons = {op.origin[0] for op in imported.net.ops if isinstance(op, snn.Neuron) and op.origin}
        self.unbatched = self.value.type.steps is not None and tuple(self.x.shape) == self.value.type.full_shape
        """Whether the module takes the steps of one sample, with no batch axis (sinabs' squeezed layers)."""
        batches = (False,) if self.unbatched else (True, False)
        self.ways = [(doubles, whole) for doubles in (True, False) for whole in batches]
        """Precisions, and whether all samples go in at once, in the order in which they are tried."""

    @property
    def at_once(self) -> bool:
        """Whether all samples go through the module together."""
        return self.ways[0][1]

    def one_by_one(self) -> TorchSource:
        """The same source, each sample by itself: as it was traced."""
        other = object.__new__(TorchSource)
        other.__dict__.update(self.__dict__, ways=[(doubles, whole) for doubles, whole in self.ways if not whole])
        return other

    def run(self, inputs: Mapping[str, Array], keep: str = "") -> Answers:
        """See SourceRunner; raises DiagnosticError AKC0721 where the user's code raises."""
        arrays = [inputs[value.name] for value in self.values]
        while len(self.ways) > 1:
            try:
                return self._run(arrays, keep, *self.ways[0])
            except DiagnosticError:
                raise
            except Exception:
                self.ways = self.ways[1:]
        with in_users_code("AKC0721", f"{self.name} cannot be run on probe inputs", _WAYS_OUT):
            return self._run(arrays, keep, *self.ways[0])

    def _run(self, arrays: list[Array], keep: str, doubles: bool, whole: bool) -> Answers:
        parts = [arrays] if whole else [[a[i : i + 1] for a in arrays] for i in range(len(arrays[0]))]
        with quiet(doubles):
            answers = [self._call(part, keep, doubles) for part in parts]
        if len(answers) == 1:
            return answers[0]
        joined = [np.stack(arrays) for arrays in zip(*(a.outputs for a in answers), strict=True)]
        values = {path: _side_by_side([a.values[path] for a in answers]) for path in answers[0].values}
        return Answers(outputs=joined, values=values, how=answers[0].how)

    def _call(self, arrays: list[Array], keep: str, doubles: bool) -> Answers:
        model = copied(self.model, self.spiking, doubles)
        one_step = self._is_one_step(doubles)
        values: dict[str, list[Array]] = {}
        kept = {path: part for path, part in model.named_modules() if path and (keep == "all" or path in self.neurons)}
        hooks = [_keeper(part, values.setdefault(path, [])) for path, part in kept.items()] if keep else []
        with own_instances(model):
            if one_step:
                outputs = self._steps(model, arrays[0], doubles)
            else:
                outputs = leaves(model(*self._arguments(arrays, doubles)))
        for hook in hooks:
            hook.remove()
        return Answers(outputs=[_array(o) for o in outputs], values=values, how="float64" if doubles else "float32")

    # -- inputs -----------------------------------------------------------------------------------

    def _arguments(self, arrays: list[Array], doubles: bool) -> list[Any]:
        """[batch, ...] as the source takes them: batch and time may be other axes; states as in the example."""
        found = []
        for array, x, value in zip(arrays, self.xs, self.values):
            whole = _laid_out(_tensor(array, doubles), tuple(x.shape), value.type.full_shape)
            found.append(whole[0] if self.unbatched else whole)
        return [*found, *self._start(len(arrays[0]), doubles)]

    def _start(self, batch: int, doubles: bool) -> list[Any]:
        """The states of the example, for so many samples."""
        wide = [widened(s) if doubles else s for s in self.states]
        return [s.expand(batch, *s.shape[1:]) if s.ndim and s.shape[0] == 1 else s for s in wide]

    # -- one step ---------------------------------------------------------------------------------

    def _is_one_step(self, doubles: bool) -> bool:
        """Whether the module is one step of the T that the user asked for: each neuron runs once, on one step."""
        if (
            self.unbatched
            or self.steps in (None, 1)
            or not self.neurons
            or self.x.ndim != len(self.value.type.shape) + 1
        ):
            return False
        model, seen = copied(self.model, self.spiking, doubles), []
        for path, part in model.named_modules():
            if path in self.neurons:
                part.register_forward_pre_hook(lambda m, args: seen.append(tuple(args[0].shape[:1])))
        x = self.x[:1]
        with own_instances(model):
            model(widened(x) if doubles else x, *self._start(1, doubles))
        return len(seen) == len(self.neurons) and (self.steps,) not in seen

    def _steps(self, model: Any, array: Array, doubles: bool) -> list[Any]:
        """The results of T calls, over time; what a module takes as states is what it gave behind its result."""
        import torch

        timed = self.value.type.steps is not None
        states = self._start(len(array), doubles)
        found: list[list[Any]] = []
        for t in range(self.steps or 1):
            results = leaves(model(_tensor(array[:, t] if timed else array, doubles), *states))
            states = results[len(results) - len(states) :]
            found.append(results)
        return [torch.stack(list(series), dim=1) for series in zip(*found, strict=True)]


def _laid_out(tensor: Any, shape: tuple[int, ...], full: tuple[int, ...]) -> Any:
    """[batch, *full] with the axes of an example: the batch second, or the first axis of `full` further back."""
    if shape[1:] == full or len(shape) != len(full) + 1:
        return tensor
    if shape[:1] + shape[2:] == full:
        return tensor.transpose(0, 1).contiguous()
    places = [a for a in range(2, len(shape)) if (shape[a], *shape[1:a], *shape[a + 1 :]) == full]
    return tensor.movedim(1, places[0]).contiguous() if places else tensor


_WAYS_OUT = ("forward must take a batch of inputs, such as the example", "--check=off (check='off') compiles unchecked")


def tensors_of(example: Any) -> tuple[Any, ...]:
    """The input and the states of an example: tensors, or the shape of one."""
    import torch

    if isinstance(example, tuple | list) and example and all(isinstance(n, int) for n in example):
        return (torch.zeros(*example),)
    if isinstance(example, tuple | list):
        return tuple(part for one in example for part in tensors_of(one))
    return (torch.as_tensor(example),)


def _keeper(part: Any, calls: list[Array]) -> Any:
    """A hook that keeps the first result of each call."""
    return part.register_forward_hook(lambda m, args, result: calls.extend(_array(r) for r in leaves(result)[:1]))


def _side_by_side(parts: list[list[Array]]) -> list[Array]:
    """What single samples gave, call by call, as one batch; the batch may be the second axis."""
    calls = zip(*parts, strict=True)
    return [np.concatenate(arrays, axis=int(arrays[0].ndim > 1 and arrays[0].shape[0] != 1)) for arrays in calls]


def _tensor(array: Array, doubles: bool) -> Any:
    import torch

    tensor = torch.from_numpy(np.ascontiguousarray(array))
    return widened(tensor) if doubles else tensor


def _array(tensor: Any) -> Array:
    return np.asarray(tensor.detach().cpu().resolve_conj().resolve_neg().numpy())
