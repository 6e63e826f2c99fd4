# SPDX-License-Identifier: Apache-2.0
"""Tuning: training in the chip's integers on samples, by labels or by what the source answers."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from attrs import field, frozen

from akc.base.diagnostics import error
from akc.ir.module import Module
from akc.passes.spiking.fit_rate import Score
from akc.tuning.network import import_torch, trainable, trained

Array = Any
BATCH, LEAST_STEPS, MOST_HELD = 128, 900, 2000
WARM = 0.05
"""The share of the steps in which the rate rises."""


@frozen(kw_only=True)
class Recipe:
    """How to train; rate None: 2e-3 where all weights have 4 bits or more, else 5e-3; epochs None: 900 steps, 6 or
    more."""

    epochs: int | None = None
    rate: float | None = None
    seed: int = 0
    hold: float = 0.1
    minutes: float | None = None


@frozen(kw_only=True)
class Tuned:
    """What tuning came to: same answers (or right ones, by labels) on samples held out, by epoch, and the one kept.

    before: of the network as it was; kept: the epoch, 0 for the network as it was.
    """

    module: Module
    before: Score
    epochs: tuple[float, ...] = field(factory=tuple)
    kept: int = 0
    held: int = 0
    words: str = "same answers"

    def __str__(self) -> str:
        best = self.epochs[self.kept - 1] if self.kept else self.before.same
        what = f"epoch {self.kept}" if self.kept else "the network as it was"
        return f"{self.words} on {self.held} held out {self.before.same:.1%} -> {best:.1%}; kept: {what}"


def tune(
    module: Module,
    inputs: Mapping[str, Array],
    *,
    labels: Array | None = None,
    teacher: Array | None = None,
    start: Module | None = None,
    recipe: Recipe | None = None,
    classes: bool = True,
    say: Callable[[str], None] = lambda line: None,
    progress: Callable[[int, int, str], None] = lambda done, total, what: None,
) -> Tuned:
    """Train a quantised module; the untuned one is kept unless another is better by more than a standard error.

    inputs: samples by name; teacher: the source's results on them [samples, classes]; labels: classes, taken where
    there is no teacher; classes: whether the largest result is the answer, else the results are values. Ctrl-C keeps
    the best so far. Raises DiagnosticError AKC0455 to AKC0457.
    """
    torch = import_torch()
    recipe = recipe or Recipe()
    count = len(next(iter(inputs.values())))
    held = min(max(1, int(count * recipe.hold)), MOST_HELD)
    if labels is None and teacher is None:
        raise error("AKC0457", "nothing says what the network is to answer",
                    help=("--distill model.onnx: what the source answers", "or `labels` in the samples"))  # fmt: skip
    if count - held < 1:
        raise error("AKC0457", f"{count} samples are too few to train on", help="give some hundreds")
    torch.manual_seed(recipe.seed)
    net = trainable(module, start)
    return _Training(torch, net, inputs, labels, teacher, held, recipe, classes, say, progress).run(module)


class _Training:
    """The state of one training."""

    def __init__(
        self, torch: Any, net: Any, inputs: Any, labels: Any, teacher: Any, held: int, recipe: Recipe, classes: bool,
        say: Any, progress: Any,
    ) -> None:  # fmt: skip
        self.torch, self.net, self.recipe, self.say, self.progress = torch, net, recipe, say, progress
        self.inputs = {name: torch.from_numpy(np.ascontiguousarray(array)) for name, array in inputs.items()}
        count = len(next(iter(inputs.values())))
        self.train, self.held = count - held, held
        target = labels if teacher is None else teacher.reshape(count, -1)
        self.distils, self.classes = teacher is not None, classes
        self.target = torch.from_numpy(np.ascontiguousarray(target))
        self.words = "same answers" if self.distils else "right answers"
        if not classes:
            self.words = "variance of the results given again"
            self.target = self.target.reshape(count, -1)
        self.tau = 1.0

    def run(self, module: Module) -> Tuned:
        """Train, and give the best."""
        before, outputs = self.score()
        spread = self.target if self.distils or not self.classes else outputs
        centred = spread.double() - spread.double().mean(dim=1, keepdim=True)
        self.tau = max(1e-6, float(centred.square().mean().sqrt()) / 2)
        optimizer = self.torch.optim.Adam(self.net.groups(self.rate(module)))
        per_epoch = max(1, self.train // BATCH)
        epochs = self.recipe.epochs or max(6, -(-LEAST_STEPS // per_epoch))
        rates = [group["lr"] for group in optimizer.param_groups]
        order = np.random.default_rng(self.recipe.seed)
        found: list[float] = []
        best, state, kept = before.same + before.error, None, 0
        began = time.monotonic()
        try:
            for epoch in range(1, epochs + 1):
                loss = self.epoch(optimizer, rates, order.permutation(self.train), epoch - 1, epochs, per_epoch)
                score, _ = self.score()
                found.append(score.same)
                self.say(
                    f"epoch {epoch}/{epochs}: loss {loss:.3f}, {self.words} on {self.held} held out {score.same:.1%}"
                )
                if score.same > best:
                    best, state, kept = score.same, copy.deepcopy(self.net.state_dict()), epoch
                if self.recipe.minutes is not None and time.monotonic() - began > 60 * self.recipe.minutes:
                    break
        except KeyboardInterrupt:
            self.say("stopped: the best so far is kept")
        if state is not None:
            self.net.load_state_dict(state)
        result = module if state is None else trained(self.net)
        return Tuned(module=result, before=before, epochs=tuple(found), kept=kept, held=self.held, words=self.words)

    def rate(self, module: Module) -> float:
        """The learning rate of weights and steps."""
        if self.recipe.rate is not None:
            return self.recipe.rate
        narrow = any(state.high < 7 for state in self.net.states.values())
        return 5e-3 if narrow or any(state.op.act_bits < 4 for state in self._hidden()) else 2e-3

    def _hidden(self) -> list[Any]:
        return [state for state in self.net.states.values() if state.op.activation]

    def epoch(self, optimizer: Any, rates: Any, order: Any, number: int, epochs: int, per_epoch: int) -> float:
        """One pass over the training samples; the mean loss."""
        total, lost = epochs * per_epoch, 0.0
        for batch in range(per_epoch):
            step = number * per_epoch + batch
            warm = max(1, int(WARM * total))
            share = (step + 1) / warm if step < warm else 0.5 * (1 + np.cos(np.pi * (step - warm) / (total - warm)))
            for group, rate in zip(optimizer.param_groups, rates):
                group["lr"] = rate * share
            rows = self.torch.from_numpy(order[batch * BATCH : (batch + 1) * BATCH])
            optimizer.zero_grad()
            with self.torch.enable_grad():
                loss = self.loss(self.outputs(rows), self.target[rows])
                loss.backward()
            optimizer.step()
            self.net.project()
            lost += float(loss.detach())
            self.progress(step + 1, total, f"tuning, loss {float(loss.detach()):.3f}")
        return lost / per_epoch

    def outputs(self, rows: Any) -> Any:
        found = self.net(**{name: array[rows] for name, array in self.inputs.items()})
        return found.reshape(len(rows), -1)

    def loss(self, found: Any, target: Any) -> Any:
        """KL divergence from the source's answers, or cross entropy of the labels, both at one temperature."""
        functional = self.torch.nn.functional
        if not self.classes:
            return functional.mse_loss(found / self.tau, target.float() / self.tau)
        if not self.distils:
            return functional.cross_entropy(found / self.tau, target.long())
        wanted = functional.log_softmax(target.float() / self.tau, dim=1)
        ours = functional.log_softmax(found / self.tau, dim=1)
        return functional.kl_div(ours, wanted, reduction="batchmean", log_target=True)

    def score(self) -> tuple[Score, Any]:
        """The samples held out: how many answers are as wanted, and the outputs."""
        with self.torch.no_grad():
            parts = [
                self.outputs(self.torch.arange(a, min(a + 250, self.train + self.held)))
                for a in range(self.train, self.train + self.held, 250)
            ]
        found, target = self.torch.cat(parts), self.target[self.train :]
        if not self.classes:
            spread = (target.double() - target.double().mean(dim=0)).square().sum()
            share = 1 - float((found.double() - target.double()).square().sum() / spread)
            return Score(max(0.0, share), 0.0, 1.0), found
        wanted = target.argmax(dim=1) if self.distils else target
        same = float((found.argmax(dim=1) == wanted).double().mean())
        return Score(same, float(np.sqrt(same * (1 - same) / self.held)), 1.0), found
