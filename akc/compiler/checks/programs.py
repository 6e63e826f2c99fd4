# SPDX-License-Identifier: Apache-2.0
"""Check 3: the program's bytes on the emulator give the simulator's integers."""

from __future__ import annotations

import numpy as np

from akc.base.diagnostics import DiagnosticError
from akc.compiler.checks.disproved import Disproved
from akc.compiler.checks.probes import make_probes, products_of
from akc.compiler.checks.record import Checks, Effort
from akc.compiler.program import Program
from akc.ir.module import Module, Sequence
from akc.ir.ops.host import Quantize
from akc.ir.printer import print_module
from akc.sim.registry import Array
from akc.sim.run import Runner
from akc.targets import Target, load_target
from akc.targets.faults import SeveralPasses

EFFORTS = {"quick": Effort(probes=8, products=20_000_000), "full": Effort(probes=64, products=4_000_000_000)}
"""The emulator takes longer for each product than the simulator."""


def prove_program(program: Program, checks: Checks) -> None:
    """Check 3, as far as the level of `checks` goes; what it found is noted there. Raises Disproved."""
    if checks.level not in EFFORTS or not program.sequences:
        return
    module, effort = program.module, EFFORTS[checks.level]
    probes = make_probes(module, effort, limits=quantised_range(module))
    values = Runner(module).run(probes.inputs, keep=True)
    chip = load_target(program.target)
    bytes_of = {s.sequence: s.bytes for s in program.sequences}
    compared, unrun = 0, []
    for sequence in module.net.sequences:
        if sequence.name in bytes_of:
            try:
                compared += _compared(module, sequence, bytes_of[sequence.name], values, effort, chip)
            except SeveralPasses as fault:
                unrun.append(f"program of @{sequence.name} not run: {fault.diagnostics[0].message}")
    fewer = f" ({probes.fewer})" if probes.fewer else ""
    told = [f"program = text on {probes.count} inputs{fewer}, {compared:,} integers"] if compared else []
    checks.program = "; ".join([*told, *unrun])


def quantised_range(module: Module) -> tuple[float, float] | None:
    """The range of inputs that fill all levels of the chip's input; None where nothing is quantised in front of it."""
    for op in module.net.ops:
        if isinstance(op, Quantize) and isinstance(op.scale, float):
            return -op.zero_point * op.scale, (2**op.bits - 1 - op.zero_point) * op.scale
    return None


def _compared(
    module: Module, sequence: Sequence, raw: bytes, values: dict[str, Array], effort: Effort, chip: Target
) -> int:
    """How many integers of a sequence agree: those that leave it."""
    first, last = sequence.ops[0].operands[0], sequence.ops[-1].name
    most = max(effort.probes, effort.products // max(products_of(module), 1))
    entering, expected = (_flat(values[name], module, name)[:most] for name in (first, last))
    said = f"// akc build crash.akir --check=full\n{print_module(module)}"
    try:
        device = chip.emulate()
        device.program(raw)
        found = device.forward(entering)
    except SeveralPasses:
        raise
    except DiagnosticError as fault:
        raise Disproved(f"the emulator does not run the program of @{sequence.name}: {fault}", said) from fault
    wrong = np.argwhere(found != expected.astype(np.int64))
    if len(wrong):
        at = tuple(int(n) for n in wrong[0])
        raise Disproved(
            f"the program of @{sequence.name} gives {found[at]} where %{last} is {expected[at]}"
            f" (input {at[0] + 1}, place {list(at[1:])}; {len(wrong)} of {expected.size} integers differ)",
            said,
        )
    return int(expected.size)


def _flat(array: Array, module: Module, name: str) -> Array:
    """Time steps as samples."""
    return array.reshape(-1, *module.net.types[name].shape)
