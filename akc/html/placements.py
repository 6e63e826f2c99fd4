# SPDX-License-Identifier: Apache-2.0
"""The placements of a program's network: its own, and those that the other ways of placing give; each says where its
slowest NP is, which sets the pace of the pipeline."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from attrs import evolve, frozen

from akc.base.diagnostics import DiagnosticError
from akc.compiler.program import Program
from akc.html.mesh import Used, slowest, used_nps
from akc.ir.module import Module, Op
from akc.ir.ops.akida import Layer, Location
from akc.sim.activity import Activity, Cost
from akc.targets import load_target

Facts = dict[str, Any]


@frozen(kw_only=True)
class Mesh:
    """What is on the mesh at a time: one pass of one sequence. used: its NPs; layers: (mark index, facts)."""

    sequence: str
    number: int
    passes: int
    used: list[Used]
    layers: list[Facts]

    @property
    def title(self) -> str:
        """Which it is, in words."""
        return f"sequence @{self.sequence}" + (f", pass {self.number} of {self.passes}" if self.passes > 1 else "")

    @property
    def slowest(self) -> Used | None:
        """The NP that sets the pace."""
        return slowest(self.used)

    @property
    def balance(self) -> float | None:
        """Mean work of an NP beside that of the slowest."""
        most = self.slowest
        return sum(u.work for u in self.used) / len(self.used) / most.work if most is not None and most.work else None


@frozen(kw_only=True)
class Placement:
    """One way of placing. mode: its name, "" for the program's own; fault: why it cannot be."""

    mode: str
    words: str
    meshes: tuple[Mesh, ...] = ()
    fault: str = ""

    @property
    def nps(self) -> int:
        """NPs in use at once, at most."""
        return max((len(mesh.used) for mesh in self.meshes), default=0)

    @property
    def slowest(self) -> Used | None:
        """The slowest NP of all passes."""
        return slowest(mesh.slowest for mesh in self.meshes if mesh.slowest is not None)


def placement_of(
    facts: Facts, work: Mapping[str, tuple[float, ...]] | None, mode: str = "", words: str = ""
) -> Placement:
    """A placement from its report's facts."""
    return Placement(mode=mode, words=words, meshes=tuple(_meshes(facts, work)))


def _meshes(facts: Facts, work: Mapping[str, tuple[float, ...]] | None) -> Iterator[Mesh]:
    for sequence in facts["sequences"]:
        indexed = [layer | {"index": index} for index, layer in enumerate(sequence["layers"])]
        for number in range(1, sequence["passes"] + 1):
            layers = [layer for layer in indexed if layer["pass"] == number]
            yield Mesh(
                sequence=sequence["name"],
                number=number,
                passes=sequence["passes"],
                used=used_nps({"layers": layers}, work),
                layers=layers,
            )


def other_placements(program: Program, activity: Activity | None) -> list[Placement]:
    """What the ways of the target make of the same network, its pins left out."""
    target = load_target(program.target)
    bare = program.module.map_ops(_unplaced)
    found = []
    for mode, words in target.modes.items():
        try:
            module = target.place(bare, mode)
        except DiagnosticError as fault:
            found.append(Placement(mode=mode, words=words, fault=fault.diagnostics[0].message))
            continue
        found.append(placement_of(target.report_facts(module), moved_work(module, activity), mode, words))
    return found


def _unplaced(op: Op) -> Op:
    if not isinstance(op, Layer) or not op.at or op.at[0].kind == "host":
        return op
    return evolve(op, at=())


def moved_work(module: Module, activity: Activity | None) -> dict[str, tuple[float, ...]] | None:
    """The work that was measured, on the places of a module; None without a measurement."""
    if activity is None:
        return None
    found = {}
    for op in module.net.ops:
        layer = activity.of(op.name) if isinstance(op, Layer) else None
        if isinstance(op, Layer) and layer is not None:
            cost = Cost.of(op, module)
            found[op.name] = tuple(_mean(cost, layer.maps, place, activity.samples) for place in op.at)
    return found


def _mean(cost: Cost, maps: Any, place: Location, samples: int) -> float:
    return cost.products(maps, cost.of_place(place)) / max(samples, 1)
