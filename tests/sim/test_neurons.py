# SPDX-License-Identifier: Apache-2.0
"""The float neurons against the frameworks' own cells: same currents, same spikes, bit for bit."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import norse.torch as norse
import numpy as np
import pytest
import snntorch as snntorch_
import torch
from norse.torch.functional.izhikevich import tonic_spiking
from norse.torch.functional.reset import reset_subtract

from akc.ir.fields import WeightName
from akc.ir.module import Module, Net, Value
from akc.ir.ops import snn, snn_gated, snn_inclusive, snn_models
from akc.ir.types import TensorType
from akc.ir.weights import Weight
from akc.sim.neurons import NEURONS, scan

STEPS, BATCH, UNITS = 40, 5, 32
TYPE = TensorType("f32", (UNITS,), STEPS)


def currents(seed: int, scale: float = 0.6) -> np.ndarray:
    """Random currents [T, batch, units], often enough above threshold."""
    return (np.random.default_rng(seed).normal(0.2, scale, (STEPS, BATCH, UNITS))).astype(np.float32)


def run(
    cls: type[snn.Neuron], x: np.ndarray, weights: dict[str, np.ndarray] | None = None, **fields: Any
) -> np.ndarray:
    """Spikes and membranes of one neuron op, [2, T, batch, units]."""
    pool = {name: Weight.of(array, "f32") for name, array in (weights or {}).items()}
    net = Net(name="n", inputs=(Value("x", TYPE),), statements=(), outputs=(), output_types=())
    module = Module(net=net, weights=pool)
    feedback = fields.pop("feedback_values", None)
    ops = [cls(x="x", result=Value("s", TYPE), output=output, **fields) for output in ("spikes", "membrane")]
    return np.stack([scan(op, x, module, feedback) for op in ops])


def step_all(cell: Callable[..., Any], x: np.ndarray, states: int = 1) -> np.ndarray:
    """Spikes and membranes of a snnTorch cell with explicit states."""
    state: tuple[Any, ...] = ()
    out = []
    with torch.no_grad():
        for current in torch.from_numpy(x):
            spikes, *rest = cell(current, *state)
            state = tuple(rest)
            out.append(torch.stack([spikes, state[-1]]))
    return torch.stack(out, 1).numpy()


def norse_all(cell: Callable[..., Any], x: np.ndarray, spikes_first: bool = True) -> np.ndarray:
    """Spikes (zeros for integrators) and voltages of a norse cell."""
    state, out = None, []
    with torch.no_grad():
        for current in torch.from_numpy(x):
            result, state = cell(current, state)
            spikes = result if spikes_first else torch.zeros_like(result)
            out.append(torch.stack([spikes, state.v.expand_as(result)]))
    return torch.stack(out, 1).numpy()


BETA = np.linspace(-0.1, 1.1, UNITS).astype(np.float32)
THETA = np.linspace(0.3, 1.5, UNITS).astype(np.float32)


@pytest.mark.parametrize("reset", ["subtract", "zero", "none"])
@pytest.mark.parametrize("delay", [True, False])
def test_leaky(reset: str, delay: bool) -> None:
    x = currents(1)
    cell = snntorch_.Leaky(
        torch.from_numpy(BETA), threshold=torch.from_numpy(THETA), reset_mechanism=reset, reset_delay=delay
    )
    ours = run(
        snn.Leaky,
        x,
        {"b": BETA, "t": THETA},
        beta=WeightName("b"),
        threshold=WeightName("t"),
        reset=reset,
        reset_delay=delay,
    )
    theirs = step_all(cell, x)
    assert 0.05 < theirs[0].mean() < 0.95
    np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("reset", ["subtract", "zero", "none"])
@pytest.mark.parametrize("delay", [True, False])
def test_synaptic(reset: str, delay: bool) -> None:
    x = currents(2, 0.3)
    cell = snntorch_.Synaptic(alpha=0.8, beta=0.7, threshold=0.9, reset_mechanism=reset, reset_delay=delay)
    ours = run(snn.Synaptic, x, alpha=0.8, beta=0.7, threshold=0.9, reset=reset, reset_delay=delay)
    np.testing.assert_array_equal(ours, step_all(cell, x))


@pytest.mark.parametrize("reset", ["subtract", "zero", "none"])
def test_lapicque(reset: str) -> None:
    x = currents(3, 1.5)
    cell = snntorch_.Lapicque(R=5.1, C=1.9, time_step=0.7, threshold=0.5, reset_mechanism=reset)
    ours = run(
        snn.Lapicque,
        x,
        resistance=float(cell.R),
        capacitance=float(cell.C),
        time_step=float(cell.time_step),
        threshold=0.5,
        reset=reset,
    )
    np.testing.assert_array_equal(ours, step_all(cell, x))


@pytest.mark.parametrize("reset", ["subtract", "zero", "none"])
@pytest.mark.parametrize("delay", [True, False])
def test_rleaky_with_its_own_feedback(reset: str, delay: bool) -> None:
    x = currents(4)
    cell = snntorch_.RLeaky(beta=0.8, V=-0.4, all_to_all=False, reset_mechanism=reset, reset_delay=delay)
    spikes, membranes = [], []
    with torch.no_grad():
        s = m = torch.zeros(BATCH, UNITS)
        for current in torch.from_numpy(x):
            s, m = cell(current, s, m)
            spikes.append(s)
            membranes.append(m)
    theirs = torch.stack([torch.stack(spikes), torch.stack(membranes)]).numpy()
    before = np.concatenate([np.zeros_like(theirs[0][:1]), theirs[0][:-1]])
    ours = run(
        snn.RLeaky, x, feedback="f", feedback_values=before * np.float32(-0.4), beta=0.8, reset=reset, reset_delay=delay
    )
    np.testing.assert_array_equal(ours, theirs)


def test_leaky_parallel() -> None:
    x = np.round(currents(5) * 64) / 64
    cell = snntorch_.LeakyParallel(UNITS, UNITS, beta=0.5)
    with torch.no_grad():
        cell.rnn.weight_ih_l0.copy_(torch.eye(UNITS))
        cell.rnn.bias_ih_l0.zero_()
        cell.rnn.bias_hh_l0.fill_(0.25)
        theirs = cell(torch.from_numpy(x)).numpy()
        membranes = cell.rnn(torch.from_numpy(x))[0].numpy()
    ours = run(snn.LeakyParallel, x, beta=0.5, bias=0.25)
    np.testing.assert_array_equal(ours[0], theirs)
    np.testing.assert_allclose(ours[1], membranes, rtol=1e-6)


def test_state_leaky() -> None:
    x = currents(6)
    cell = snntorch_.StateLeaky(beta=0.9, channels=UNITS)
    with torch.no_grad():
        spikes, membrane = cell(torch.from_numpy(x))
    ours = run(snn.StateLeaky, x, tau=float(cell.tau))
    np.testing.assert_allclose(ours[1], membrane.numpy(), atol=1e-5)
    assert (ours[0] == spikes.numpy()).mean() > 0.999


@pytest.mark.parametrize("reset", ["subtract", "zero", "none"])
def test_alpha(reset: str) -> None:
    x = currents(12)
    cell = snntorch_.Alpha(alpha=0.9, beta=0.8, threshold=0.7, reset_mechanism=reset)
    theirs = step_all(cell, x, 3)
    ours = run(snn.Alpha, x, alpha=0.9, beta=0.8, threshold=0.7, reset=reset)
    assert 0.02 < theirs[0].mean() < 0.95
    np.testing.assert_allclose(ours[1], theirs[1], rtol=1e-4, atol=2e-5)
    assert (ours[0] == theirs[0]).mean() > 0.999


def test_norse_lsnn() -> None:
    p = norse.LSNNParameters(
        tau_syn_inv=torch.tensor(180.0),
        tau_mem_inv=torch.tensor(250.0),
        tau_adapt_inv=torch.tensor(20.0),
        v_leak=torch.tensor(0.05),
        v_th=torch.tensor(0.3),
        v_reset=torch.tensor(-0.1),
        beta=torch.tensor(0.2),
    )
    x = currents(13, 0.4)
    theirs = norse_all(norse.LSNNCell(p), x)
    fields = {key: float(getattr(p, key)) for key in p._fields if key not in ("method", "alpha")}
    assert 0.05 < theirs[0].mean() < 0.9
    np.testing.assert_array_equal(run(snn.Lsnn, x, **fields), theirs)


EX: dict[str, Any] = {
    "tau_syn_inv": 180.0, "tau_mem_inv": 200.0, "v_leak": 0.05, "v_th": 0.5, "v_reset": -0.1, "delta_T": 0.3
}  # fmt: skip
ADAPTS = {"tau_ada_inv": 40.0, "adaptation_current": 1.5, "adaptation_spike": 0.3}


@pytest.mark.parametrize("adapts", [False, True])
def test_norse_exponential(adapts: bool) -> None:
    fields = {**EX, **(ADAPTS if adapts else {})}
    numbers = {key: torch.tensor(value) for key, value in fields.items()}
    x = currents(14, 0.4)
    if adapts:
        theirs = norse_all(norse.LIFAdExCell(norse.LIFAdExParameters(**numbers)), x)
    else:
        theirs = norse_all(norse.LIFExCell(norse.LIFExParameters(**numbers)), x)
    ours = run(
        snn_models.LifAdex if adapts else snn_models.LifEx,
        x,
        **{key.lower(): float(value) for key, value in numbers.items()},
    )
    assert 0.03 < theirs[0].mean() < 0.9
    assert (ours[0] == theirs[0]).mean() > 0.998
    close = np.isclose(ours[1], theirs[1], rtol=1e-4, atol=1e-5).mean()
    assert close > 0.99


def test_norse_izhikevich() -> None:
    x = currents(15, 20.0) + 10
    theirs = norse_all(norse.IzhikevichCell(tonic_spiking), x)
    p, s = tonic_spiking.p, tonic_spiking.s
    ours = run(
        snn_models.Izhikevich,
        x,
        **{key: float(getattr(p, key)) for key in ("a", "b", "c", "d", "sq", "mn", "bias", "v_th", "tau_inv")},
        v_start=float(s.v.detach()),
        u_start=float(s.u.detach()),
    )
    assert 0.02 < theirs[0].mean() < 0.9
    assert (ours[0] == theirs[0]).mean() > 0.995


def test_norse_lif() -> None:
    p = norse.LIFParameters(
        tau_syn_inv=torch.tensor(180.0),
        tau_mem_inv=torch.tensor(150.0),
        v_leak=torch.tensor(0.05),
        v_th=torch.tensor(0.4),
        v_reset=torch.tensor(-0.1),
    )
    x = currents(7)
    theirs = norse_all(norse.LIFCell(p), x)
    ours = run(
        snn.Lif,
        x,
        tau_syn_inv=180.0,
        tau_mem_inv=150.0,
        v_leak=float(p.v_leak),
        v_th=float(p.v_th),
        v_reset=float(p.v_reset),
    )
    assert theirs[0].any()
    np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("reset", ["value", "subtract"])
def test_norse_lif_box(reset: str) -> None:
    p = norse.LIFBoxParameters(tau_mem_inv=torch.tensor(400.0), v_th=torch.tensor(0.5), v_reset=torch.tensor(0.1))
    if reset == "subtract":
        p = p._replace(reset_method=reset_subtract)
    x = currents(8, 1.5)
    ours = run(snn.LifBox, x, tau_mem_inv=400.0, v_th=0.5, v_reset=float(p.v_reset), reset=reset)
    np.testing.assert_array_equal(ours, norse_all(norse.LIFBoxCell(p), x))


def test_norse_iaf() -> None:
    x = currents(9)
    np.testing.assert_array_equal(run(snn.Iaf, x), norse_all(norse.IAFCell(), x))


@pytest.mark.parametrize(("cls", "cell"), [(snn.Li, norse.LICell), (snn.LiBox, norse.LIBoxCell)])
def test_norse_integrators(cls: type[snn.Neuron], cell: Callable[[], Any]) -> None:
    x = currents(10)
    np.testing.assert_array_equal(run(cls, x), norse_all(cell(), x, spikes_first=False))


def bindsnet_nodes(kind: str, x: np.ndarray, refrac: float = 5.0) -> np.ndarray:
    """BindsNET's equations as its documentation gives them, in torch, one step after the other."""
    rest, reset, thresh, decay, i_decay = -65.0, -64.0, -62.0, np.exp(-1 / 20.0), np.exp(-1 / 2.0)
    decay, i_decay = torch.tensor(decay, dtype=torch.float32), torch.tensor(i_decay, dtype=torch.float32)
    v = torch.full(x.shape[1:], reset if kind == "if" else rest)
    i, wait, out = torch.zeros_like(v), torch.zeros_like(v), []
    for current in torch.from_numpy(x):
        if kind != "if":
            v = (v - rest) * decay + rest
        if kind == "current":
            i, wait = i * i_decay + current, wait - 1
            v = v + (wait <= 0).float() * i
        else:
            v, wait = v + (wait <= 0).float() * current, wait - 1
        s = v >= thresh
        wait, v = wait.masked_fill(s, refrac), v.masked_fill(s, reset)
        out.append(torch.stack([s.float(), v]))
    return torch.stack(out, 1).numpy()


NODES = [("if", snn.IfNodes), ("lif", snn.LifNodes), ("current", snn.CurrentLifNodes)]


@pytest.mark.parametrize(("kind", "cls"), NODES)
def test_bindsnet_nodes(kind: str, cls: type[snn.Neuron]) -> None:
    x = currents(11, 2.0)
    fields: dict[str, Any] = {"thresh": -62.0, "reset": -64.0}
    if kind != "if":
        fields |= {"rest": -65.0, "decay": float(np.float32(np.exp(-1 / 20.0)))}
    if kind == "current":
        fields["i_decay"] = float(np.float32(np.exp(-1 / 2.0)))
    theirs = bindsnet_nodes(kind, x)
    ours = run(cls, x, **fields)
    assert theirs[0].any()
    assert theirs[0].sum(0).max() <= -(-STEPS // 5)
    np.testing.assert_array_equal(ours, theirs)


def test_mcculloch_pitts_fires_at_the_threshold() -> None:
    x = np.zeros((STEPS, BATCH, UNITS), np.float32)
    x[3] = 1.0
    assert run(snn.McCullochPitts, x, thresh=1.0)[0].sum() == BATCH * UNITS


def test_cuba_is_loihis_integer_neuron() -> None:
    """One neuron by hand: currents of 64 x, decays cut towards zero, hard reset, strict threshold."""
    x = np.zeros((4, 1, 1), np.float32)
    x[:, 0, 0] = [3, -1, 10, 0]
    ours = run_small(x, current_decay=1024, voltage_decay=512, threshold=9)
    # u: 192, 144-64=80, 60+640=700, 525; v: 192, 168+80=248, 217+700=917 > 576 fires, 525
    np.testing.assert_array_equal(ours[0].ravel(), [0, 0, 1, 0])
    np.testing.assert_array_equal(ours[1].ravel(), [192, 248, 0, 525])


def run_small(x: np.ndarray, **fields: Any) -> np.ndarray:
    kind = TensorType("f32", (1,), len(x))
    module = Module(net=Net(name="n", inputs=(Value("x", kind),), statements=(), outputs=(), output_types=()))
    return np.stack(
        [scan(snn.Cuba(x="x", result=Value("s", kind), output=o, **fields), x, module) for o in ("spikes", "membrane")]
    )


def test_cuba_refractory_time_holds_the_neuron() -> None:
    x = np.full((9, 1, 1), 100, np.float32)
    spikes = run_small(x, current_decay=4096, voltage_decay=0, threshold=50, refractory=3)[0].ravel()
    np.testing.assert_array_equal(spikes, [1, 0, 0, 1, 0, 0, 1, 0, 0])


def test_every_neuron_has_equations() -> None:
    files = (*vars(snn).values(), *vars(snn_models).values(), *vars(snn_inclusive).values())
    kinds = {k for k in files if isinstance(k, type) and issubclass(k, snn.Neuron) and k.mnemonic}
    assert {k for k in kinds if not issubclass(k, snn_gated.Gated)} == set(NEURONS)
