# SPDX-License-Identifier: Apache-2.0
"""docs/writing-a-pass.md: its example runs as a script, as another package's pass, and inside akc's own tree."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import akc
from akc.base.diagnostics import DiagnosticError
from akc.compiler.pipeline import parse_pipeline
from akc.passes import known_passes
from akc.passes.shared.contract import lacks
from tests.cli.runner import akc as run_akc

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "writing-a-pass.md").read_text()
FILES = dict(re.findall(r"^```python (\w+\.py)\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL))
TEXT = """akir 1.0

net @n(%x: f32[4]) -> f32[3] {
  %a = nn.dense(%x, weight=#a) : f32[4] from "a"
  %r = nn.relu(%a) : f32[4] from "r"
  %y = nn.dense(%r, weight=#y) : f32[3] from "y"
  return %y
}

weights {
  #a : f32[4, 4] = dec "
    1 -2 3 0.5
    0.5 1 -1 2
    2 2 -0.5 1
    1 1 1 -3"
  #y : f32[3, 4] = dec "
    1 -1 2 0.5
    -0.5 1 1 2
    1 0.5 -1 1"
}
"""


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The example as an installed distribution with its entry point."""
    (tmp_path / "clip_relu.py").write_text(FILES["clip_relu.py"])
    info = tmp_path / "clip_relu-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: clip-relu\nVersion: 1.0\n")
    toml = re.search(r'^\[project\.entry-points\."(.*)"\]\n(.*) = "(.*)"$', PAGE, re.MULTILINE)
    assert toml is not None
    (info / "entry_points.txt").write_text(f"[{toml[1]}]\n{toml[2]} = {toml[3]}\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "net.akir").write_text(TEXT)
    yield tmp_path
    sys.modules.pop("clip_relu", None)


def test_another_packages_pass_is_as_good_as_ours(package: Path) -> None:
    assert list(known_passes())[-1] == "clip-relu"
    (one,) = parse_pipeline("clip-relu{high=4.0}")
    assert one.high == 4.0
    described = run_akc("passes", "clip-relu", folder=package)
    assert "preserves: approximation (measured by the share of same answers on samples)" in described.stdout
    outcome = run_akc("opt", "net.akir", "-p", "clip-relu{high=4.0}", "-o", "clipped.akir", folder=package)
    assert outcome.code == 0, outcome.stderr
    assert "nn.clip(%a, high=4.0)" in (package / "clipped.akir").read_text()
    wrong = run_akc("opt", "net.akir", "-p", "clip-relu{high=-1.0}", "-o", "clipped.akir", folder=package)
    assert wrong.code == 1 and "AKC0404" in wrong.stderr


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('    preserves: ClassVar[str] = "approximation"\n', "", "it has no preserves"),
        ('"approximation"', '"everything"', "values or levels or approximation is needed"),
        ('    measure: ClassVar[str] = "the share of same answers on samples"\n', "", "has no measure"),
        ("= ()", '= ("weather",)', "it reads weather; there are samples, labels, input_range, host"),
        ('"clip-relu"', '"clip"', "it calls itself clip"),
        ("@frozen\n", "", "it is no attrs class"),
        ("from akc.ir", "from akc.nowhere", "ModuleNotFoundError"),
    ],
)
def test_what_is_no_pass_is_told(package: Path, old: str, new: str, words: str) -> None:
    text = (package / "clip_relu.py").read_text()
    assert old in text
    (package / "clip_relu.py").write_text(text.replace(old, new))
    outcome = run_akc("passes", folder=package)
    assert outcome.code == 1
    assert "error[AKC0433]" in outcome.stderr and words in outcome.stderr and "clip_relu:ClipRelu" in outcome.stderr


def test_an_object_that_is_no_pass_is_refused() -> None:
    class Half:
        name = "half"

    with pytest.raises(DiagnosticError, match="Half is no pass: it has no requires"):
        akc.run_pipeline(akc.parse(TEXT), [Half()], akc.Context())  # type: ignore[list-item]
    assert not lacks(known_passes()["place"])


def test_the_script_runs(tmp_path: Path) -> None:
    """The page's second block, with a text in the place of the ONNX file."""
    for name, text in FILES.items():
        (tmp_path / name).write_text(text.replace("model.onnx", "model.akir"))
    (tmp_path / "model.akir").write_text(TEXT)
    np.savez(tmp_path / "samples.npz", x=np.random.default_rng(0).uniform(0, 1, (40, 4)).astype(np.float32))
    result = subprocess.run([sys.executable, "use.py"], cwd=tmp_path, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    assert "akida.fully_connected" in result.stdout


INSIDE = """
import sys
root, text = sys.argv[1:]
sys.path.insert(0, root)
sys.meta_path[:] = [finder for finder in sys.meta_path if "editable" not in str(finder)]
import akc, akc.passes, pytest
assert akc.passes.__file__.startswith(root)
names = list(akc.passes.PASSES)
assert names.index("clip-relu") < names.index("legalize")
assert "nn.clip" in akc.print_module(akc.lower(akc.parse(text), pipeline="clip-relu"))
keys = "itself or go_one_way or says_what or leans or declares or one_pass or licence"
sys.exit(pytest.main(["-q", "-x", "-p", "no:cacheprovider", "-k", keys, "tests"]))
"""


def _with_row(table: Path) -> None:
    first, row = "from akc.passes.fitting.e", "        Legalize,\n"
    text = table.read_text().replace(row, f"        ClipRelu,\n{row}", 1)
    table.write_text(text.replace(first, f"from akc.passes.fitting.clip_relu import ClipRelu\n{first}", 1))


def test_inside_the_tree(tmp_path: Path) -> None:
    """The steps of the last section in a copy of the tree: no circle, an attribute test, a row, a run."""
    for folder in ("akc", "grammar", "passes", "targets"):
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__"))
    for file in ("__init__.py", "test_packaging.py", "passes/__init__.py", "passes/test_contract.py"):
        (tmp_path / "tests" / file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / "tests" / file, tmp_path / "tests" / file)
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    head = "# SPDX-License-Identifier: Apache-2.0\n"
    (tmp_path / "passes" / "fitting" / "clip_relu.py").write_text(head + FILES["clip_relu.py"])
    _with_row(tmp_path / "passes" / "__init__.py")
    for folder in ("grammar", "passes", "targets"):
        (tmp_path / "akc" / folder).symlink_to(tmp_path / folder)
    command = [sys.executable, "-c", INSIDE, str(tmp_path), TEXT]
    environment = {**os.environ, "PYTEST_ADDOPTS": ""}
    result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, env=environment)
    assert result.returncode == 0, result.stdout + result.stderr
