# SPDX-License-Identifier: Apache-2.0
"""Echo state networks from reservoir to program: ridge regression, images in front, torch modules, cut networks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import snntorch
import torch
from click.testing import CliRunner

import akc
from akc.base.diagnostics import DiagnosticError
from akc.cli.main import cli
from akc.compiler.pipeline import Context
from akc.ir.module import Module
from akc.ir.ops import akida
from akc.passes.quantising.train_readout import TrainReadout, ridge
from akc.sim.run import run
from tests.passes.building import Building

STEPS = 20


def echo(units: int, seed: int = 1) -> np.ndarray:
    """Sparse random recurrent weights that forget after a few steps."""
    rng = np.random.default_rng(seed)
    weights = rng.normal(size=(units, units)) * (rng.random((units, units)) < 0.2)
    return weights * 0.8 / np.abs(np.linalg.eigvals(weights)).max()


def reservoir() -> Module:
    """A fixed random echo state network of 40 neurons on six channels."""
    weights = np.random.default_rng(2).normal(0, 0.5, (40, 6))
    return akc.echo_state_network(weights, echo(40), np.zeros(40), steps=STEPS, windows=4)


def signals(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Sequences of three classes: which channel is loud first."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 3, count)
    x = rng.normal(0, 0.3, (count, STEPS, 6)).astype(np.float32)
    for i, label in enumerate(labels):
        x[i, 3:9, label] += 1.0
        x[i, 11:17, (label + 1) % 3] += 1.0
    return x, labels


def films(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Pictures over time, 12x12, 0 to 255, in which a bar moves right, left, down or up."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 4, count)
    x = rng.integers(0, 40, (count, 8, 12, 12, 1)).astype(np.float32)
    for i, label in enumerate(labels):
        for t in range(8):
            place = 2 + t if label % 2 == 0 else 9 - t
            x[(i, t, slice(None), place) if label < 2 else (i, t, place)] += 200
    return x, labels


def test_ridge_is_the_closed_form_either_way_round() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(30, 12)), rng.normal(size=(30, 2))
    tall, bias = ridge(x, y, 0.5)
    centred = x - x.mean(0)
    wanted = np.linalg.solve(centred.T @ centred + 0.5 * np.eye(12), centred.T @ y).T
    np.testing.assert_allclose(tall, wanted, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(x @ tall.T + bias, (x - x.mean(0)) @ wanted.T + y.mean(0), rtol=1e-3, atol=1e-4)
    wide, _ = ridge(x[:8], y[:8], 0.5)
    centred = x[:8] - x[:8].mean(0)
    np.testing.assert_allclose(
        wide, np.linalg.solve(centred.T @ centred + 0.5 * np.eye(12), centred.T @ y[:8]).T, rtol=1e-3, atol=1e-5
    )


def test_echo_state_network_to_a_program() -> None:
    x, labels = signals(300, 1)
    test, wanted = signals(200, 2)
    context = Context()
    network = akc.train_readout(reservoir(), x, labels, context=context)
    assert context.reports["train-readout"].right > 0.95
    assert "held out" in str(context.reports["train-readout"])
    answers = run(network, test)["readout"].argmax(1)
    assert (answers == wanted).mean() > 0.95
    with pytest.raises(DiagnosticError, match="--host=allow"):
        akc.lower(network)
    program = akc.build(akc.lower(network, calibrate=x, host="allow"), host="allow")
    assert len(program.sequences) == 3
    assert (program.run(test).argmax(1) == answers).mean() > 0.95


def test_pictures_by_the_image_layer_in_front() -> None:
    """InputConvolutional on each picture, the reservoir on its maps, a read-out: all three on the chip."""
    x, labels = films(300, 1)
    test, wanted = films(150, 2)
    front = Building(12, 12, 1).conv(4, 3, stride=(2, 2), pad=(1, 1, 1, 1)).relu().module()
    front = akc.parse(akc.print_module(front).replace("image: f32", "film: f32").replace("%image", "%film"))
    inputs = front.net.types[front.net.outputs[0]].size
    weights = np.random.default_rng(4).normal(0, 0.5 / 2500, (64, inputs))
    network = akc.echo_state_network(weights, echo(64), steps=8, windows=2, front=front)
    network = akc.train_readout(network, x, labels)
    answers = run(network, test)["readout"].argmax(1)
    assert (answers == wanted).mean() > 0.9
    lowered = akc.lower(network, calibrate=x, host="allow")
    kinds = [type(op) for op in lowered.net.ops if isinstance(op, akida.Layer)]
    assert kinds[0] is akida.InputConvolutional
    assert kinds.count(akida.FullyConnected) == 3
    program = akc.build(lowered, host="allow")
    assert (program.run(test).argmax(1) == answers).mean() > 0.9


class Spiking(torch.nn.Module):
    """A reservoir of snn.RLeaky neurons that gives its spikes over time."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(5)
        self.input = torch.nn.Linear(6, 50)
        self.neurons = snntorch.RLeaky(beta=0.9, linear_features=50, learn_recurrent=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """[batch, T, 6] to [T, batch, 50]."""
        spikes, membrane = self.neurons.reset_mem()
        found = []
        for step in range(STEPS):
            spikes, membrane = self.neurons(self.input(x[:, step]), spikes, membrane)
            found.append(spikes)
        return torch.stack(found)


def test_from_a_torch_module() -> None:
    x, labels = signals(300, 1)
    test, wanted = signals(100, 2)
    network = akc.train_readout(Spiking(), x, labels, windows=4, strength=0, example=(1, STEPS, 6), readout="none")
    answers = next(iter(run(network, test).values())).argmax(1)
    assert (answers == wanted).mean() > 0.9
    lowered = akc.lower(network, calibrate=x, host="allow")
    found = next(iter(run(lowered, test).values())).argmax(1)
    assert (found == answers).mean() > 0.85


def test_the_command_line_trains_it(tmp_path: Path) -> None:
    x, labels = signals(300, 1)
    source, samples, product = (tmp_path / name for name in ("echo.akir", "x.npz", "net.akir"))
    source.write_text(akc.print_module(reservoir()))
    np.savez(samples, signal=x, labels=labels)
    words = ["opt", source, "-p", "train-readout{strength=0}", "--calibrate", samples, "-o", product]
    result = CliRunner().invoke(cli, [str(word) for word in words])
    assert result.exit_code == 0
    assert "right on 75 of 300 samples" in result.stderr
    assert akc.parse(product.read_text()).net.output_types[0].shape == (3,)


def cut(module: Module) -> Module:
    """A network whose last dense layer was trained for something else."""
    weights = {"weight": np.zeros((5, 160), np.float32), "bias": np.zeros(5, np.float32)}
    from akc.passes.quantising.train_readout import with_dense

    return with_dense(module, weights["weight"], weights["bias"], "old")


def test_a_new_end_for_a_network() -> None:
    x, labels = signals(200, 1)
    network = akc.train_readout(cut(reservoir()), x, labels, replace=True)
    assert "old" not in network.net.values
    assert network.net.output_types[0].shape == (3,)
    np.testing.assert_array_equal(
        run(network, x)["readout"], run(akc.train_readout(reservoir(), x, labels), x)["readout"]
    )


@pytest.mark.parametrize(
    ("labels", "options", "message"),
    [
        (np.zeros(4, np.int64), {}, "5 samples and 4 labels"),
        (None, {}, "needs samples with their classes"),
        (np.zeros(5, np.int64), {"replace": True}, "no dense layer leads to"),
    ],
)
def test_faults(labels: Any, options: dict[str, Any], message: str) -> None:
    context = Context(samples={"signal": signals(5, 1)[0]}, labels=labels)
    module = reservoir()
    if options:
        module = akc.parse(
            "akir 1.0\n\nnet @n(%signal: f32[T=20, 6]) -> f32[6] {\n  %y = host.sum(%signal) : f32[6]\n  return %y\n}\n"
        )
    with pytest.raises(DiagnosticError, match=message):
        TrainReadout(**options).run(module, context)


class Gated(torch.nn.Module):
    """Leaky neurons, then snn.SLSTM of another size, then a read-out."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(7)
        self.input, self.leaky = torch.nn.Linear(6, 30), snntorch.Leaky(beta=0.9, threshold=0.5)
        self.slstm, self.output = snntorch.SLSTM(30, 12, threshold=0.05), torch.nn.Linear(12, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """[batch, T, 6] to [batch, 3]."""
        membrane, (cell, hidden) = self.leaky.reset_mem(), self.slstm.reset_mem()
        found = []
        for step in range(STEPS):
            spikes, membrane = self.leaky(self.input(x[:, step]), membrane)
            spikes, cell, hidden = self.slstm(spikes, cell, hidden)
            found.append(self.output(spikes))
        return torch.stack(found).sum(0)


@pytest.mark.parametrize("windows", [1, 4])
def test_an_lstm_is_cut_off_and_the_read_out_trained_again(windows: int) -> None:
    """What is in front of the LSTM goes onto the chip by rates, with a new read-out of its counts."""
    x, labels = signals(400, 1)
    test, wanted = signals(200, 2)
    context = Context()
    cut_off = akc.lower(Gated(), example=(1, STEPS, 6), pipeline="drop-lstm{by=cut}", context=context)
    assert "ends in front of SLSTM" in context.warnings[-1].message
    network = akc.train_readout(cut_off, x, labels, windows=windows)
    answers = run(network, test)["readout"].argmax(1)
    lowered = akc.lower(network, calibrate=x, spikes="rate", host="allow" if windows > 1 else "refuse", least=0)
    layers = [op for op in lowered.net.ops if isinstance(op, akida.Layer)]
    assert [op.activation for op in layers] == [True, False]
    found = next(iter(run(lowered, test).values())).argmax(1)
    if windows > 1:
        assert (answers == wanted).mean() > 0.8
        assert (found == wanted).mean() > 0.7
    assert (found == answers).mean() > 0.6
