# SPDX-License-Identifier: Apache-2.0
"""Models that nobody here wrote: the whole networks and single operators that come with the onnx package.

They are of opsets 6 to 11.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import numpy_helper
from onnx.backend.test.case.node import collect_testcases
from syrupy.assertion import SnapshotAssertion

from akc.base.diagnostics import DiagnosticError
from akc.compiler.pipeline import Context, run_pipeline
from akc.frontends.onnx.importer import read_onnx
from akc.ir.module import Module
from akc.ir.opaque import OPAQUE_KINDS
from akc.ir.ops.nn import Opaque
from akc.ir.ops.nn_host import Concat
from akc.ir.verifier import verify
from akc.passes import LEGALISE
from akc.passes.shared.rewriting.legal_chain import legal_chain
from akc.passes.shared.rewriting.named_groups import with_named_groups
from akc.sim.run import run

DATA = Path(onnx.__file__).parent / "backend" / "test" / "data"
WHOLE = sorted((DATA / "light").glob("*.onnx"))
SINGLE = sorted(
    path.parent for folder in ("pytorch-converted", "pytorch-operator") for path in DATA.glob(f"{folder}/*/model.onnx")
)
DOUBLE = {"test_operator_addconstant"}
"""Models whose numbers are too large for float32."""


def read(path: Path) -> Module:
    """A model of the package."""
    module = read_onnx(path, path.stem)
    assert not verify(module)
    return module


def opaque_counts(module: Module) -> dict[str, int]:
    """How often each name of an opaque operation occurs."""
    return dict(sorted(Counter(op.op for op in module.net.ops if isinstance(op, Opaque)).items()))


def refused_counts(module: Module) -> dict[str, int]:
    """The same of what is refused by name, alone or as a group, unless the host may run it."""
    return opaque_counts(with_named_groups(module))


def test_the_package_still_has_them() -> None:
    """An empty folder would make the tests below pass for nothing."""
    assert len(WHOLE) == 9
    assert len(SINGLE) == 117


def test_whole_networks(text_snapshot: SnapshotAssertion) -> None:
    """Each is imported whole; what it holds that the chip cannot do has the name that people know, and advice."""
    lines = []
    for path in WHOLE:
        module = read(path)
        found, kinds = refused_counts(module), Counter(op.mnemonic for op in module.net.ops)
        assert set(found) <= set(OPAQUE_KINDS)
        assert not opaque_counts(module)
        shapes = f"{module.net.inputs[0].type} -> {module.net.output_types[0]}"
        lines.append(f"{path.stem}: {shapes}: {dict(sorted(kinds.items()))}, for the host {found}")
    assert "\n".join(lines) + "\n" == text_snapshot


@pytest.mark.parametrize(("name", "segments", "layers"), [("light_squeezenet", 25, 29), ("light_inception_v2", 38, 78)])
def test_host_and_chip(name: str, segments: int, layers: int) -> None:
    """Networks of branches are refused by the names of their joins, and accepted where the host may compute them.

    squeezenet has 26 convolutions, and gets an identity that takes the mean at its end and two that take a half of
    a 3x3 pool; its Fire modules could be merged.
    """
    apart = LEGALISE.replace("merge-branches", "merge-branches{to=host}")
    module = read(DATA / "light" / f"{name}.onnx")
    with pytest.raises(DiagnosticError) as fault:
        run_pipeline(module, apart, Context())
    names = {d.message.split(" (%")[0] for d in fault.value.diagnostics if d.code == "AKC0420"}
    assert names == set(refused_counts(module)) == {"concat"}
    chain = legal_chain(run_pipeline(module, apart, Context(host="allow")), Context().target.numbers)
    assert (len(chain.segments), len(chain.groups)) == (segments, layers)


def test_fire_modules_on_the_chip() -> None:
    """Only the pools over 3 cells are left between the sequences: no concatenation is."""
    module = run_pipeline(read(DATA / "light" / "light_squeezenet.onnx"), LEGALISE, Context(host="allow"))
    chain = legal_chain(module, Context().target.numbers)
    assert (len(chain.segments), len(chain.groups)) == (5, 19)
    assert not [op for op in module.net.ops if isinstance(op, Concat)]


def _verdict(folder: Path) -> str:
    try:
        module = read(folder / "model.onnx")
    except DiagnosticError as refused:
        return f"refused: {', '.join(sorted({d.code for d in refused.diagnostics}))}"
    if opaque_counts(module):
        return f"opaque: {', '.join(opaque_counts(module))}"
    found = refused_counts(module)
    return f"for the host: {', '.join(found)}" if found else "imported"


def test_single_operators(text_snapshot: SnapshotAssertion) -> None:
    """The table of what becomes of each operator."""
    assert "".join(f"{folder.name}: {_verdict(folder)}\n" for folder in SINGLE) == text_snapshot


def test_every_node_case_of_the_standard() -> None:
    """Each of the cases that define the operators is imported well-formed, or refused with diagnostics."""
    verdicts: Counter[str] = Counter()
    for case in collect_testcases(None):
        try:
            module = read_onnx(case.model)
        except DiagnosticError:
            verdicts["refused"] += 1
        else:
            assert not verify(module), case.name
            verdicts["opaque" if opaque_counts(module) else "imported"] += 1
            if not opaque_counts(module) and not case.name.startswith(UNLIKE):
                verdicts["equal"] += _gives_the_standards_numbers(module, case)
    assert verdicts["imported"] > 130
    assert verdicts["opaque"] > 250
    assert verdicts["equal"] > 110


UNLIKE = (
    "test_transpose",
    "test_celu_bfloat16",
    *(f"test_layer_normalization_{n}d_axis{axis}" for n in (2, 3, 4) for axis in ("0", f"_negative_{n}")),
)
"""Cases that move the batch axis or mix samples, or count in other numbers."""


def _gives_the_standards_numbers(module: Module, case: Any) -> int:
    """How many data sets of a case were compared."""
    names = [value.name for value in module.net.inputs]
    sets = [(ins, outs[0]) for ins, outs in case.data_sets if all(isinstance(x, np.ndarray) for x in ins)]
    for given, wanted in sets:
        arrays = {n: x if x.dtype in (np.uint8, np.int8) else x.astype(np.float32) for n, x in zip(names, given)}
        (got,) = list(run(module, arrays).values())[:1]
        np.testing.assert_allclose(got.reshape(wanted.shape), wanted, rtol=1e-3, atol=1e-4, err_msg=case.name)
    return len(sets)


@pytest.mark.parametrize("folder", SINGLE, ids=lambda folder: folder.name)
def test_numbers_of_single_operators(folder: Path) -> None:
    """Whatever is imported without an opaque operation gives the numbers that come with the model."""
    if _verdict(folder).startswith(("opaque", "refused")) or folder.name in DOUBLE:
        return
    module, data = read(folder / "model.onnx"), folder / "test_data_set_0"
    wanted = _numbers(data / "output_0.pb")
    given = {value.name: _numbers(data / f"input_{i}.pb") for i, value in enumerate(module.net.inputs)}
    if any(len(array) != 1 for array in given.values()) and len(given) > 1:
        return
    got = next(iter(run(module, given).values()))
    np.testing.assert_allclose(got.reshape(wanted.shape), wanted, rtol=1e-5, atol=1e-5)


def _numbers(path: Path) -> np.ndarray[Any, Any]:
    return numpy_helper.to_array(onnx.load_tensor(path))
