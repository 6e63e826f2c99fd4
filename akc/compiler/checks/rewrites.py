# SPDX-License-Identifier: Apache-2.0
"""Check 2: what a pass says that it preserves is the same before it and behind it, on probe inputs.

Passes that follow each other and promise the same are proved together, by running the first text and the last; where
those differ the texts between say which pass it was.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
from attrs import define, field, frozen

from akc.compiler.checks.disproved import Disproved
from akc.compiler.checks.imports import opaque_layers
from akc.compiler.checks.probes import Probes, make_probes
from akc.compiler.checks.programs import quantised_range
from akc.compiler.checks.record import Effort
from akc.compiler.checks.reducing import reduced
from akc.compiler.checks.rounding import gap, rounding_bound, tight_bound
from akc.compiler.pipeline import Context, describe
from akc.ir.module import Module
from akc.ir.printer import print_module
from akc.passes.shared.contract import Pass
from akc.sim.registry import Array
from akc.sim.run import Runner, Values

EFFORTS = {"quick": Effort(probes=4, products=20_000_000), "full": Effort(probes=64, products=4_000_000_000)}


@frozen
class Step:
    """A pass and the texts around it."""

    before: Module
    one: Pass
    after: Module


@define
class Rewrites:
    """Collects the passes of a pipeline and proves them."""

    context: Context
    effort: Effort
    chain: list[Step] = field(factory=list)

    def __call__(self, before: Module, one: Pass, after: Module) -> None:
        """A pass has changed a module."""
        if self.chain and (self.chain[-1].one.preserves != one.preserves or self.chain[-1].after is not before):
            self.finish()
        if one.preserves in PROMISES:
            self.chain.append(Step(before, one, after))
        else:
            self.finish()
            self.context.checks.measures += self._moved(before, one, after)

    def _moved(self, before: Module, one: Pass, after: Module) -> list[str]:
        """How far an approximation moves the results, where both sides can be run."""
        if opaque_layers(before):
            return []
        probes = self._probes(before)
        first, second = Runner(before).run(probes.inputs), Runner(after).run(probes.inputs)
        pairs = [(first[x], second[y]) for x, y in zip(before.net.outputs, after.net.outputs)]
        squares = [(np.square(x - y).sum(), np.square(x).sum()) for x, y in pairs if x.shape == y.shape]
        size = sum(float(s) for _, s in squares)
        return [f"{one.name} moves results by {np.sqrt(sum(float(d) for d, _ in squares) / size):.1%}"] if size else []

    def finish(self) -> None:
        """Prove the passes that were collected; raises Disproved."""
        chain, self.chain = self.chain, []
        if not chain or opaque_layers(chain[0].before):
            return
        promise = PROMISES[chain[0].one.preserves]
        probes = self._probes(chain[0].before)
        if not promise.holds(chain[0].before, chain[-1].after, probes):
            raise self._refusal(next((s for s in chain if not promise.holds(s.before, s.after, probes)), None), chain)
        counts = self.context.checks.rewrites
        counts[chain[0].one.preserves] = counts.get(chain[0].one.preserves, 0) + len(chain)

    def _probes(self, module: Module) -> Probes:
        limits = self.context.input_range or quantised_range(module)
        return make_probes(module, self.effort, self.context.samples, limits)

    def _refusal(self, step: Step | None, chain: list[Step]) -> Disproved:
        """The fault of one pass, or of all together, with the smallest text that still shows it."""
        one = chain[-1] if step is None else step
        promise = PROMISES[one.one.preserves]

        def fails(module: Module) -> bool:
            after = one.one.run(module, self.context.of_pass(one.one.reads))
            return after is not module and not promise.holds(module, after, self._probes(module))

        small = reduced(one.before, fails)
        after = one.one.run(small, self.context.of_pass(one.one.reads))
        probes = self._probes(small)
        name = one.one.name if step is not None else f"{chain[0].one.name} to {one.one.name}"
        return Disproved(
            f"pass {name} says that it keeps {promise.word}, and does not: {promise.shown(small, after, probes)}",
            f"// akc opt crash.akir --check=full -p {shlex.quote(describe(one.one))}\n"
            f"{_probe_text(probes)}{print_module(small)}",
        )


def _probe_text(probes: Probes) -> str:
    """The first probe, for the head of a crash file; of a long one its beginning."""
    lines = [f"// probe %{name}: {np.array2string(array[0], threshold=64)}" for name, array in probes.inputs.items()]
    return "".join(f"{line}\n" for text in lines for line in text.replace("\n", "\n//   ").splitlines())


@contextmanager
def proved(context: Context) -> Iterator[None]:
    """Prove what a pipeline does inside, as far as the level of the context's checks goes; raises Disproved."""
    effort = EFFORTS.get(context.checks.level)
    if effort is None:
        yield
        return
    kept, rewrites = context.check, Rewrites(context, effort)
    context.check = rewrites
    try:
        yield
    finally:
        context.check = kept
    rewrites.finish()


# -- promises ------------------------------------------------------------------------------------


@frozen
class Promise:
    """A word of akc.passes.shared.contract.PRESERVES that can be proved.

    word: for messages; doubles: whether real numbers count, which are computed in float64.
    """

    word: str
    doubles: bool

    def holds(self, before: Module, after: Module, probes: Probes) -> bool:
        """Whether every result is the same, up to what rounding explains."""
        if before.net.outputs and len(before.net.outputs) != len(after.net.outputs):
            return False
        results, gaps = self._gaps(before, after, probes)
        if not self.doubles:
            return not any(g.any() for g in gaps.values())
        bounds = tight_bound(before, results)
        if not _within(gaps, bounds):
            bounds = rounding_bound(before, probes.inputs, results)
        return _within(gaps, bounds)

    def shown(self, before: Module, after: Module, probes: Probes) -> str:
        """The largest difference in words."""
        _, gaps = self._gaps(before, after, probes)
        return ", ".join(f"%{name} moves by {g.max():.3g}" for name, g in gaps.items())

    def _gaps(self, before: Module, after: Module, probes: Probes) -> tuple[Values, dict[str, Array]]:
        first = Runner(before, doubles=self.doubles).run(probes.inputs)
        second = Runner(after, doubles=self.doubles).run(
            {w.name: probes.inputs[v.name] for v, w in zip(before.net.inputs, after.net.inputs)}
        )
        pairs = zip(before.net.outputs, after.net.outputs)
        return first, {x: gap(first[x], second[y].reshape(first[x].shape)) for x, y in pairs}


def _within(gaps: dict[str, Array], bounds: dict[str, Array]) -> bool:
    return all((g <= bounds[name]).all() for name, g in gaps.items())


PROMISES: dict[str, Promise] = {
    "values": Promise("every value", doubles=True),
    "levels": Promise("every level", doubles=False),
}

__all__ = ["PROMISES", "Rewrites", "proved"]
