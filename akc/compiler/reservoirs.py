# SPDX-License-Identifier: Apache-2.0
"""Echo state networks: a fixed reservoir, and a dense read-out that akc trains by ridge regression.

net = akc.echo_state_network(w_in, w_echo, steps=100, windows=5)    # or a torch module, a file, a text
net = akc.train_readout(net, samples, labels)                       # the only part that is trained
program = akc.build(akc.lower(net, calibrate=samples, host="allow"), host="allow")

The chip computes the weighted sums (input weights, recurrent weights, read-out, an image layer in front), the host
keeps the states.
"""

from __future__ import annotations

from typing import Any

from attrs import evolve

from akc.base.calls import optional, public, whole
from akc.base.diagnostics import Diagnostic, DiagnosticError
from akc.compiler.arguments import RULES, SAMPLES, rules
from akc.compiler.compiler import CONTEXT
from akc.compiler.pipeline import Context
from akc.compiler.python_warnings import told
from akc.compiler.samples import as_array, float_array, samples_for
from akc.compiler.sources import SPIKING, Options, read_source
from akc.ir.module import MODULE, Array, Module, Net, Op, Statement, Value
from akc.ir.ops import host, nn
from akc.ir.signature import Types
from akc.ir.types import TensorType
from akc.ir.weights import Weight
from akc.passes.quantising.train_readout import TrainReadout, framed


@public(
    SPIKING,
    samples=SAMPLES,
    labels=SAMPLES,
    context=CONTEXT,
    example=RULES["example"],
    **rules("windows", "strength", "replace", *SPIKING),
)
def train_readout(
    source: Any,
    samples: Any,
    labels: Any,
    *,
    windows: int = 1,
    strength: float = 1.0,
    replace: bool = False,
    example: Any = (),
    context: Context | None = None,
    **spiking: Any,
) -> Module:
    """A network with a dense read-out behind it, one output a class, trained by ridge regression.

    source: what `akc.lower` takes: a file name, a live torch module (with example), or a Module; a spiking one
    that gives its spikes over time is read with readout="none". samples: inputs, batch axis first, an array or a
    dict by name; labels: class of each. windows: a result over time is summed over so many windows. strength: of
    the ridge; 0 chooses. replace: train a dense layer that ends the network anew. context: its reports
    ["train-readout"] tell the share of right answers on samples held out. Raises DiagnosticError AKC0410.
    """
    with told(context) as collecting:
        module = read_source(source, Options(example=example, spiking=spiking, warn=collecting.warn))
        collecting.samples = samples_for(samples, module.net.inputs, "samples").inputs
        collecting.labels = as_array("labels", labels)
        trained = TrainReadout(windows=windows, strength=strength, replace=replace)
        return trained.run(module, collecting.of_pass(TrainReadout.reads))


@public(steps=whole(1), windows=whole(1), front=optional(MODULE))
def echo_state_network(
    input_weights: Any,
    echo_weights: Any,
    bias: Any = None,
    *,
    steps: int,
    windows: int = 1,
    front: Module | None = None,
) -> Module:
    """A reservoir: state = tanh(input_weights x + echo_weights state + bias) at each of `steps` steps, from zeros.

    input_weights: [units, inputs]; echo_weights: [units, units]; bias: [units] or None. front: a float network
    without time that runs at every step in front (a convolution on pictures: the chip's image layer), whose
    result is flattened to the inputs. The result is [windows, units], sums of the states over windows.
    """
    matrix, echo = float_array("input_weights", input_weights), float_array("echo_weights", echo_weights)
    _check_shapes(matrix, echo, bias)
    units = len(matrix)
    weights = {"in.weight": Weight.of(matrix, "f32"), "echo.weight": Weight.of(echo, "f32")}
    if bias is not None:
        weights["in.bias"] = Weight.of(float_array("bias", bias), "f32")
    inputs, statements, x = _front(front, steps, matrix.shape[1])
    kind = TensorType("f32", (units,), steps)

    def value(name: str) -> Value:
        return Value(name, kind)

    key = "in.bias" if bias is not None else None
    statements += [
        nn.Dense(result=value("drive"), x=x, weight="in.weight", bias=key, origin=("input",)),
        host.Previous(result=value("before"), x="state", origin=("reservoir",)),
        nn.Dense(result=value("echo"), x="before", weight="echo.weight", origin=("reservoir",)),
        host.Add(result=value("sum"), x="drive", y="echo", origin=("reservoir",)),
        host.Tanh(result=value("state"), x="sum", origin=("reservoir",)),
    ]
    weights |= {} if front is None else front.weights
    net = Net(name="reservoir", inputs=inputs, statements=tuple(statements), outputs=("state",), output_types=(kind,))
    return framed(Module(net=net, weights=weights), windows)


def _listed(shape: tuple[object, ...]) -> str:
    return f"[{', '.join(map(str, shape))}]"


def _check_shapes(matrix: Array, echo: Array, bias: Any) -> None:
    """Raise DiagnosticError AKC0202 with every shape that makes no reservoir."""
    units = matrix.shape[0] if matrix.ndim else 0
    found: dict[str, tuple[tuple[int, ...], tuple[object, ...]]] = {"echo_weights": (echo.shape, (units, units))}
    if bias is not None:
        found["bias"] = (float_array("bias", bias).shape, (units,))
    if matrix.ndim != 2:
        found = {"input_weights": (matrix.shape, ("units", "inputs"))}
    faults = [
        Diagnostic(
            code="AKC0202", message=f"{name} has shape {_listed(shape)}", help=f"[{', '.join(map(str, due))}] is due"
        )
        for name, (shape, due) in found.items()
        if shape != due
    ]
    if faults:
        raise DiagnosticError(faults)


def _front(front: Module | None, steps: int, length: int) -> tuple[tuple[Value, ...], list[Statement], str]:
    """Inputs, operations and the vector that they give, with a time axis."""
    if front is None:
        return (Value("signal", TensorType("f32", (length,), steps)),), [], "signal"
    inputs = tuple(evolve(v, type=evolve(v.type, steps=steps)) for v in front.net.inputs)
    kinds = {v.name: v.type for v in inputs}
    weights = {name: w.type for name, w in front.weights.items()}
    made: list[Statement] = []
    for op in front.net.ops:
        timed: Op = evolve(op, result=evolve(op.result, type=op.infer(Types(kinds, weights))))
        kinds[op.name] = timed.type
        made.append(timed)
    last = front.net.outputs[0]
    if len(kinds[last].shape) == 1:
        return inputs, made, last
    flat = Value("front_flat", TensorType("f32", (kinds[last].size,), steps))
    made.append(nn.Reshape(result=flat, x=last, shape=flat.type.shape))
    return inputs, made, flat.name
