# SPDX-License-Identifier: Apache-2.0
"""What all spiking frontends share: neurons as graph nodes, the time axis, the read-out.

A spiking frontend describes one time step as a Graph. Its "neuron" nodes carry a `NeuronSpec`; a
"time" node behind the input adds the time axis, "readout" nodes remove it. `build_spiking` makes
the module.
"""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np
from attrs import evolve, field, frozen

from akc.base.budget import fits, refused
from akc.base.diagnostics import Diagnostic, DiagnosticError, error
from akc.frontends.graph.axes import CHANNELS_LAST
from akc.frontends.graph.building import Axes, Builder, build_module
from akc.frontends.graph.emit.kinds import KINDS, emit_affine, emit_conv, emit_dense, emit_opaque
from akc.frontends.graph.graph import Graph, Input, Node, Tensor
from akc.ir.fields import WeightName
from akc.ir.module import Module, Op, Value, fresh_name
from akc.ir.names import text_name
from akc.ir.ops import host, nn, snn

Array = np.ndarray[Any, np.dtype[Any]]

READOUTS = ("count", "membrane", "max", "last", "none")
CODINGS = ("direct", "spikes")


MOST_STEPS = 1 << 15
"""Every step is simulated many times: to prove the import, and to fit rates to what neurons do."""


@frozen(kw_only=True)
class SpikingOptions:
    """What a user may say about a spiking source.

    steps: number of time steps T; dt: length of one in seconds; coding: "direct" (the same input at
    every step) or "spikes" (the input has a time axis); readout: how the answer is read, see READOUTS
    (count: spikes summed; membrane: mean potential; max, last: of the potential; none: the values over
    time); reset: in place of what the file says; producer: which tool wrote a NIR file; topology: a
    chain or a TOML file for weight files; accept: reasons for a refusal that are accepted; notes:
    warnings for the user are appended here.
    """

    steps: int | None = None
    dt: float | None = None
    coding: str | None = None
    readout: str | None = None
    reset: str | None = None
    producer: str = "auto"
    topology: str | None = None
    accept: tuple[str, ...] = ()
    notes: list[Diagnostic] = field(factory=list)

    def note(self, message: str, *origin: str, code: str = "AKC0388", help: str = "") -> None:
        """Warn the user; the same warning is kept once."""
        warning = Diagnostic(code=code, message=message, origin=origin, severity="warning", help=help or ())
        if warning not in self.notes:
            self.notes.append(warning)

    def need_steps(self, what: str, readout: bool = False) -> int:
        """T; raises AKC0380 where the user has not given it, AKC0961 where it is too large, and AKC0379 where a
        read-out is needed and missing too."""
        faults = [] if self.steps is not None else [no_steps(what)]
        if self.steps is not None and self.steps > MOST_STEPS:
            message = f"{self.steps} time steps are more than the {MOST_STEPS} that akc simulates"
            help = f"let a step be longer, so that {MOST_STEPS} or fewer make a sample"
            faults = [Diagnostic(code="AKC0961", message=message, help=help)]
        if readout and self.readout is None:
            faults += ask_for_readout(what).diagnostics
        if self.steps is None or faults:
            raise DiagnosticError(faults)
        return self.steps


def no_steps(what: str) -> Diagnostic:
    """The fault of a network that does not show T."""
    return Diagnostic(code="AKC0380", message=f"{what} does not say how many time steps it runs", help="give --steps T")


@frozen(kw_only=True)
class NeuronSpec:
    """A neuron of the source.

    kind: the operation; parameters: its number_or_weight fields, as numbers or arrays that broadcast
    against the source shape without its batch axis; settings: its other fields; gain: factor on the
    input current; factor: height of a spike (snnTorch's graded_spikes_factor); feedback: a node whose
    operand is the neuron's own spikes, or None; weights: of layers with gates, in the order of the text; touch: what
    code around the neuron does to its membrane, as the fields start, keep, drop ... of snn.Neuron.
    """

    kind: type[snn.Neuron]
    parameters: dict[str, Any] = field(factory=dict)
    settings: dict[str, Any] = field(factory=dict)
    gain: Any = 1.0
    factor: Any = 1.0
    feedback: Node | None = None
    weights: dict[str, Array] = field(factory=dict)
    touch: dict[str, Any] = field(factory=dict)


Shape = tuple[int, ...]


def add_neuron(
    graph: Graph,
    spec: NeuronSpec,
    x: str,
    name: str,
    source: tuple[str, ...] = (),
    shapes: tuple[Shape, Shape] | None = None,
) -> tuple[str, str]:
    """Append a neuron to a graph; gives the names of its spikes and of its membrane, which have these shapes."""
    outputs = (f"{name}:spikes", f"{name}:membrane")
    kinds = [Tensor("float32", shape) for shape in shapes or (graph.shape(x),) * 2]
    graph.add(
        Node(
            kind="neuron", inputs=(x,), outputs=outputs, attributes={"spec": spec}, name=name, source=source or (name,)
        ),
        *kinds,
    )
    return outputs


def build_spiking(graph: Graph, steps: int, coding: str, readout: str | None = None) -> Module:
    """The module of a graph of one step.

    The first node reads of the only input are put behind a "time" node. readout: applied to the graph's
    only output ("none" leaves the values over time); None where the graph has its own readout nodes.
    Raises DiagnosticError with all faults.
    """
    _add_time(graph, steps, coding)
    if readout not in (None, "none"):
        _add_readout(graph, str(readout))
    module = build_module(graph, KINDS | SPIKING_KINDS, emit_opaque)
    return _with_timed_inputs(module, steps) if coding == "spikes" else module


def _add_time(graph: Graph, steps: int, coding: str) -> None:
    for each in graph.inputs:
        timed = f"{each.name}:time"
        graph.rename_inputs({each.name: timed})
        node = Node(
            kind="time",
            inputs=(each.name,),
            outputs=(timed,),
            attributes={"steps": steps, "coding": coding},
            name=f"{each.name}_steps",
        )
        graph.nodes.insert(0, node)
        graph.types[timed] = graph.types[each.name]


def _add_readout(graph: Graph, readout: str) -> None:
    read = f"{graph.outputs[0]}:read"
    node = Node(
        kind="readout",
        inputs=(graph.outputs[0],),
        outputs=(read,),
        attributes={"how": readout},
        name=f"{readout}_readout",
        source=(readout,),
    )
    graph.add(node, graph.types[graph.outputs[0]])
    graph.outputs = [read]


def _with_timed_inputs(module: Module, steps: int) -> Module:
    inputs = tuple(evolve(v, type=evolve(v.type, steps=steps)) for v in module.net.inputs)
    return evolve(module, net=evolve(module.net, inputs=inputs))


# -- emitting ------------------------------------------------------------------------------------


def emit_time(b: Builder, node: Node) -> None:
    """The time axis: the input has one already (spikes), or is repeated at every step (direct)."""
    held = b.held[node.inputs[0]]
    if node["coding"] == "spikes":
        b.types[held.name] = evolve(b.types[held.name], steps=node["steps"])
        name = held.name
    else:
        name = b.op(host.Repeat, node.name, node.source, x=held.name, steps=node["steps"])
    b.hold(node.output, name, held.axes, b.batch[node.inputs[0]])


def emit_readout(b: Builder, node: Node) -> None:
    """The time axis goes; `weights` [T] of a sum say what each step counts."""
    x = node.inputs[0]
    held = b.held[x]
    weights = node.constants.get("weights")
    fields: dict[str, Any] = {} if weights is None else {"weights": b.weight(node.name, "weights", weights)}
    name = b.op(READOUT_OPS[node["how"]], node.name, node.source, x=held.name, **fields)
    b.hold(node.output, name, held.axes, b.batch[x])


READOUT_OPS: dict[str, type[Op]] = {
    "count": host.Sum,
    "sum": host.Sum,
    "membrane": host.Mean,
    "mean": host.Mean,
    "max": host.Max,
    "last": host.Last,
}


def emit_windows(b: Builder, node: Node) -> None:
    """Sums over windows, side by side: [batch, windows * n] from n values over time."""
    x = node.inputs[0]
    name = b.op(host.Window, f"{node.name}_windows", node.source, x=b.in_source_order(x), count=node["count"])
    frames = b.op(host.Frames, f"{node.name}_frames", node.source, x=name)
    flat = b.reshaped(frames, (b.shape(node.output)[1],), node.source, node.name)
    b.hold(node.output, flat, (1,), 0)


def emit_neuron(b: Builder, node: Node) -> None:
    """Spikes and membrane of a neuron, each where it is read; a gain in front, the height of spikes behind."""
    spec: NeuronSpec = node["spec"]
    x = node.inputs[0]
    axes = _neuron_axes(b, x, spec)
    current = b.arranged(x, axes, node.source)
    b.batch |= dict.fromkeys(node.outputs, b.batch[x])
    if np.any(np.asarray(spec.gain) != 1):
        current = _scaled(b, node, current, x, axes, spec.gain, "gain")
    given = {**spec.parameters, **spec.touch}
    numbers = {key: _number(b, node, node.outputs[1], axes, key, value) for key, value in given.items()}
    weights = {key: b.weight(node.name, key, array) for key, array in spec.weights.items()}
    fields = {"x": current, **numbers, **weights, **spec.settings}
    if spec.feedback is not None:
        back = _feedback(b, node, spec, axes)
        if hasattr(spec.kind, "feedback"):
            fields["feedback"] = back
        else:
            fields["x"] = b.op(host.Add, f"{node.name}.total", node.source, x=current, y=back)
    for index, output in enumerate(("spikes", "membrane")):
        if _is_read(b, node.outputs[index]) or (output == "spikes" and spec.feedback is not None):
            _emit_output(b, node, spec, fields, output, axes)


def _emit_output(b: Builder, node: Node, spec: NeuronSpec, fields: dict[str, Any], output: str, axes: Axes) -> None:
    x, wanted = node.inputs[0], node.name if output == "spikes" else f"{node.name}.membrane"
    name = b.op(spec.kind, wanted, node.source, output=output, **fields)
    if spec.feedback is not None and output == "spikes":
        _close_loop(b, node, name)
    if output == "spikes" and np.any(np.asarray(spec.factor) != 1):
        name = _scaled(b, node, name, node.outputs[0], axes, spec.factor, "graded")
    b.hold(node.outputs[0 if output == "spikes" else 1], name, axes, b.batch[x])


def _is_read(b: Builder, value: str) -> bool:
    return value in b.users or value in b.graph.outputs


def _neuron_axes(b: Builder, x: str, spec: NeuronSpec) -> Axes:
    """Channels last for maps, so that parameters of channels are vectors; always for layers with weights."""
    usual = CHANNELS_LAST.get(len(b.shape(x)))
    if spec.weights:
        return usual or (1,)
    if (
        usual is None
        or b.batch[x] != 0
        or all(np.size(v) == 1 for v in (*spec.parameters.values(), *spec.touch.values(), spec.gain, spec.factor))
    ):
        return b.held[x].axes
    return usual


def _number(b: Builder, node: Node, x: str, axes: Axes, role: str, value: Any) -> float | WeightName:
    """A parameter in the order of the text: one number, a vector over the last axis, or a whole tensor."""
    array = np.asarray(value, np.float32)
    if array.size and (array == array.flat[0]).all():
        return float(str(array.flat[0]))
    source = b.source_axes(x)
    try:
        full = np.broadcast_to(array, tuple(b.shape(x)[a] for a in source))
    except ValueError:
        message = (
            f"{role} of '{node.name}' has shape {list(array.shape)}, its neurons {[b.shape(x)[a] for a in source]}"
        )
        raise error("AKC0384", message, origin=node.source) from None
    order = [source.index(a) for a in axes if a is not None]
    laid = full.transpose(order + [i for i in range(full.ndim) if i not in order])
    laid = laid.reshape(tuple(1 if a is None else b.shape(x)[a] for a in axes))
    last = np.ascontiguousarray(laid.reshape(-1, laid.shape[-1])[0])
    return WeightName(b.weight(node.name, role, last if (laid == last).all() else np.ascontiguousarray(laid)))


def _scaled(b: Builder, node: Node, x: str, source: str, axes: Axes, value: Any, role: str) -> str:
    scale = _number(b, node, source, axes, role, value)
    return b.op(nn.Affine, f"{node.name}.{role}", node.source, x=x, scale=scale)


def _feedback(b: Builder, node: Node, spec: NeuronSpec, axes: Axes) -> str:
    """The layer on the spikes of the step before; the loop is closed once the neuron has a name."""
    assert spec.feedback is not None
    x = node.inputs[0]
    before = f"{node.name}:before"
    kind = b.types[b.arranged(x, axes, node.source)]
    name = fresh_name(text_name(f"{node.name}.before"), b.types)
    b.ops.append(host.Previous(x=OPEN_LOOP, result=Value(name, kind), origin=node.source))
    b.types[name] = kind
    b.graph.types[before] = b.graph.types[x]
    b.hold(before, name, axes, b.batch[x])
    inner = evolve(
        spec.feedback,
        inputs=(before,),
        outputs=(f"{node.name}:feedback",),
        name=f"{node.name}.feedback",
        source=node.source,
    )
    b.graph.types[inner.output] = b.graph.types[x]
    {"dense": emit_dense, "conv": emit_conv, "affine": emit_affine}[inner.kind](b, inner)
    return b.arranged(inner.output, axes, node.source)


OPEN_LOOP = ":open"


def _close_loop(b: Builder, node: Node, spikes: str) -> None:
    b.ops = [evolve(op, x=spikes) if isinstance(op, host.Previous) and op.x == OPEN_LOOP else op for op in b.ops]


SPIKING_KINDS = {"time": emit_time, "readout": emit_readout, "windows": emit_windows, "neuron": emit_neuron}


# -- chains --------------------------------------------------------------------------------------


@frozen(kw_only=True)
class Chain:
    """Helper of frontends whose sources are a row of layers: appends nodes to a graph, one after the other.

    The graph's shapes have a batch axis of length 1 in front.
    """

    graph: Graph
    last: list[str]

    @classmethod
    def start(cls, name: str, shape: tuple[int, ...], input_name: str = "input") -> Chain:
        """A graph with one input of this shape (no batch axis)."""
        graph = Graph(name=name, inputs=[Input(input_name, 0)])
        graph.types[input_name] = Tensor("float32", (1, *shape))
        return cls(graph=graph, last=[input_name])

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the last value, with the batch axis."""
        return self.graph.shape(self.last[0])

    def add(
        self, kind: str, name: str, shape: tuple[int, ...], constants: dict[str, Array] | None = None, **attributes: Any
    ) -> None:
        """Append a layer that gives `shape` (with the batch axis); raises AKC0956 where it is too large to compute."""
        if not fits(4 * prod(shape)):
            raise refused(4 * prod(shape), f"layer '{name}', which gives {'x'.join(map(str, shape[1:]))} values,")
        node = Node(
            kind=kind,
            inputs=(self.last[0],),
            outputs=(f"{name}:{kind}",),
            attributes=attributes,
            constants=constants or {},
            name=name,
            source=(name,),
        )
        self.last[0] = self.graph.add(node, Tensor("float32", shape))

    def flatten(self, name: str = "flatten") -> None:
        """All axes but the batch become one; nothing happens to a vector."""
        if len(self.shape) > 2:
            self.add("reshape", name, (1, int(np.prod(self.shape[1:]))))

    def dense(self, name: str, weight: Array, bias: Array | None = None) -> None:
        """A dense layer, weight [units, inputs]; flattens in front; raises AKC0384 if it does not fit."""
        self.flatten(f"{name}.flatten")
        self._need(
            weight.ndim == 2 and weight.shape[1] == self.shape[1], name, weight, f"{self.shape[1]} values come in"
        )
        self.add("dense", name, (1, weight.shape[0]), _parts(name, weight, bias))

    def _need(self, good: bool, name: str, weight: Array, what: str) -> None:
        """Raise AKC0384 unless a layer fits what comes in."""
        if not good:
            message = f"layer '{name}' has weights {list(weight.shape)}, {what}"
            help = "check the order of the layers and the input shape"
            raise error("AKC0384", message, origin=(name,), help=help)

    def conv(
        self,
        name: str,
        weight: Array,
        bias: Array | None = None,
        stride: Any = 1,
        padding: Any = 0,
        dilation: Any = 1,
        groups: int = 1,
    ) -> None:
        """A cross-correlation, weight [filters, channels / groups, k0, k1] or [.., k]; raises AKC0384."""
        axes = weight.ndim - 2
        comes, channels = f"{list(self.shape[1:])} comes in", weight.shape[1] * groups if axes > 0 else 0
        self._need(axes in (1, 2) and len(self.shape) == weight.ndim and channels == self.shape[1], name, weight, comes)
        self._need(groups > 0 and weight.shape[0] % groups == 0, name, weight, f"which {groups} groups do not divide")
        stride, padding, dilation = (pair(value)[-axes:] for value in (stride, padding, dilation))
        spatial = tuple(
            (self.shape[2 + a] + 2 * padding[a] - dilation[a] * (weight.shape[2 + a] - 1) - 1) // stride[a] + 1
            for a in range(axes)
        )
        if min(spatial) < 1:
            raise error(
                "AKC0384",
                f"the kernel of layer '{name}' is larger than its input {list(self.shape[1:])}",
                origin=(name,),
            )
        self.add(
            "conv",
            name,
            (1, weight.shape[0], *spatial),
            _parts(name, weight, bias),
            stride=stride,
            before=padding,
            after=padding,
            dilation=dilation,
            groups=groups,
        )

    def pool(self, name: str, kind: str, size: Any, stride: Any = None, padding: Any = 0) -> None:
        """Max or average pooling (kind "max_pool" or "average_pool")."""
        size, padding = pair(size), pair(padding)
        stride = size if stride is None else pair(stride)
        if len(self.shape) != 4 or any(a + 2 * p < k for a, p, k in zip(self.shape[2:], padding, size)):
            message = f"the windows {list(size)} of '{name}' do not fit {list(self.shape[1:])}, which comes in"
            raise error("AKC0384", message, origin=(name,), help="check the order of the layers and the input shape")
        spatial = tuple((self.shape[2 + a] + 2 * padding[a] - size[a]) // stride[a] + 1 for a in (0, 1))
        self.add(
            kind,
            name,
            (1, self.shape[1], *spatial),
            size=size,
            stride=stride,
            before=padding,
            after=padding,
            ceil_mode=False,
            count_include_pad=True,
            dilation=(1, 1),
        )

    def scale(self, name: str, factor: Any) -> None:
        """x * factor, which broadcasts against [batch, ...]; raises AKC0384 where it does not."""
        scale = np.asarray(factor, np.float32)
        if scale.ndim > len(self.shape) or any(a not in (1, b) for a, b in zip(scale.shape[::-1], self.shape[::-1])):
            message = f"the factors of '{name}' have shape {list(scale.shape)}, {list(self.shape[1:])} comes in"
            raise error("AKC0384", message, origin=(name,), help="one factor, or one for each value")
        constants = {"scale": scale, "shift": np.zeros((), np.float32)}
        self.add("affine", name, self.shape, constants)

    def neuron(
        self, name: str, spec: NeuronSpec, membrane: bool = False, shapes: tuple[Shape, Shape] | None = None
    ) -> None:
        """A neuron; its spikes go on, or its membrane. Raises AKC0384 where its feedback does not fit."""
        if spec.feedback is not None and not _comes_back(spec.feedback, self.shape[1:]):
            message = f"the feedback of '{name}' does not give {list(self.shape[1:])}, what its neurons take"
            raise error("AKC0384", message, origin=(name,), help="its spikes must come back in the shape they have")
        spikes, potential = add_neuron(self.graph, spec, self.last[0], name, shapes=shapes)
        self.last[0] = potential if membrane else spikes

    def finish(self) -> Graph:
        """The graph, its output the last value."""
        self.graph.outputs = [self.last[0]]
        return self.graph


def _comes_back(layer: Node, shape: Shape) -> bool:
    """Whether a layer on the neurons' own spikes gives what they take."""
    weight, cells = layer.constants.get("weight"), prod(shape)
    if weight is None:
        return layer.constants["scale"].size in (1, cells)
    bias = layer.constants.get("bias")
    if bias is not None and bias.shape != weight.shape[:1]:
        return False
    if layer.kind == "dense":
        return weight.shape == (cells, cells)
    groups = layer.attributes["groups"]
    return len(shape) == 3 and weight.shape[0] == weight.shape[1] * groups == shape[0]


def pair(value: Any) -> tuple[int, int]:
    """One number for both axes, or two."""
    numbers = [int(n) for n in np.asarray(value).reshape(-1)]
    return (numbers[0], numbers[0]) if len(numbers) == 1 else (numbers[0], numbers[1])


def _parts(name: str, weight: Array, bias: Array | None) -> dict[str, Array]:
    parts = {"weight": np.asarray(weight, np.float32)}
    if bias is None:
        return parts
    vector = np.asarray(bias, np.float32)
    if vector.ndim and vector.shape != weight.shape[:1]:
        message = f"layer '{name}' has {vector.size} biases, its weights {list(weight.shape)}"
        raise error("AKC0384", message, origin=(name,), help=f"{weight.shape[0]} are needed, one a unit")
    return {**parts, "bias": np.broadcast_to(vector, weight.shape[:1])}


def finish_chain(chain: Chain, options: SpikingOptions, steps: int, coding: str, neuron_is_last: bool = True) -> Module:
    """The module of a chain that ends with a neuron, read the way the user says; raises AKC0379."""
    readout = options.readout
    if readout is None:
        raise ask_for_readout(chain.graph.name)
    graph = chain.finish()
    if readout in ("membrane", "max", "last") and graph.outputs[0].endswith(":spikes"):
        graph.outputs = [graph.outputs[0].removesuffix(":spikes") + ":membrane"]
    return build_spiking(graph, steps, coding, readout)


def ask_for_readout(name: str) -> DiagnosticError:
    """The fault of a network that does not show how it is read."""
    return error(
        "AKC0379",
        f"{name} does not show how its answer is read",
        help=(
            "--readout count: spikes of the last layer, summed over time",
            "--readout membrane: mean potential of the last layer (max, last: its largest, its last)",
            "take the one that the network was trained with; another can cost tens of points of accuracy",
        ),
    )
