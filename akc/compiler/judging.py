# SPDX-License-Identifier: Apache-2.0
"""How near a compiled network is to its source, by what its results are: classes, populations of them, or values."""

from __future__ import annotations

import numpy as np
from attrs import frozen

from akc.ir.module import Module
from akc.passes.spiking.fit_rate import Score
from akc.sim.registry import Array


@frozen
class Judge:
    """classes: whether the largest result is the answer, else the results are values; group: neighbours that vote for
    one class together."""

    classes: bool
    group: int = 1

    @property
    def words(self) -> str:
        """What is counted, for messages."""
        return "same answers" if self.classes else "variance of the results given again"

    def score(self, found: Array, wanted: Array) -> Score:
        """Compare results [n, ...] with the source's; a share from 0 to 1 in `same`."""
        found, wanted = (x.reshape(len(x), -1).astype(np.float64) for x in (found, wanted))
        return self._answers(found, wanted) if self.classes else _values(found, wanted)

    def _answers(self, found: Array, wanted: Array) -> Score:
        return Score.of(self._votes(found), self._votes(wanted))

    def _votes(self, x: Array) -> Array:
        return np.asarray(x.reshape(len(x), -1, self.group).sum(axis=2))


def _values(found: Array, wanted: Array) -> Score:
    """1 less the square of the normalised error: the share of the variance that is given again; 0 at the least."""
    spread = float(np.square(wanted - wanted.mean(axis=0)).sum())
    missed = float(np.square(found - wanted).sum())
    a, b = (found - found.mean()).reshape(-1), (wanted - wanted.mean()).reshape(-1)
    length = float(np.sqrt((a @ a) * (b @ b)))
    share = max(0.0, 1 - missed / spread) if spread else float(missed == 0)
    return Score(share, 0.0, float(a @ b) / length if length else 1.0)


def judge_of(module: Module, results: Array, labels: Array | None) -> Judge:
    """How the only result of a source is judged.

    results: the source's, [n, ...]; labels: classes of the same samples, or None. One output, a result in the shape of
    the input (an autoencoder) or in several axes, and results that the labels do not index are values. Where the labels
    name fewer classes than there are outputs, and groups of neighbours are right more often than single outputs are,
    the outputs are populations.
    """
    kind = module.net.output_types[0]
    like_input = any(v.type.shape == kind.shape for v in module.net.inputs)
    if len(kind.shape) != 1 or kind.size == 1 or like_input:
        return Judge(classes=False)
    if labels is None:
        return Judge(classes=True)
    if labels.dtype.kind not in "iub" or labels.min() < 0 or labels.max() >= kind.size:
        return Judge(classes=False)
    count = int(labels.max()) + 1
    if count < 2 or kind.size == count or kind.size % count:
        return Judge(classes=True)
    grouped = Judge(classes=True, group=kind.size // count)
    flat = results.reshape(len(results), -1)
    right = [float((x.argmax(axis=1) == labels).mean()) for x in (flat, grouped._votes(flat))]
    return grouped if right[1] > right[0] else Judge(classes=True)
