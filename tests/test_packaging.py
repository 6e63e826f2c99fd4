# SPDX-License-Identifier: Apache-2.0
"""The package list equals the folders, imports go one way, and the command line starts light."""

from __future__ import annotations

import ast
import graphlib
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SETTINGS = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
PLACES = {"akc": "akc", "passes": "akc.passes", "targets": "akc.targets", "grammar": "akc.grammar"}


def _packages_on_disk() -> set[str]:
    found = set()
    for folder, package in PLACES.items():
        for init in (ROOT / folder).rglob("__init__.py"):
            parts = init.parent.relative_to(ROOT / folder).parts
            found.add(".".join([package, *parts]))
    return found


def test_the_package_list_equals_the_folders() -> None:
    assert set(SETTINGS["packages"]) == _packages_on_disk()
    assert SETTINGS["package-dir"] == {package: folder for folder, package in PLACES.items()}


def test_files_that_are_no_code_are_packaged() -> None:
    globs = SETTINGS["package-data"]
    for folder, package in PLACES.items():
        for path in (ROOT / folder).rglob("*"):
            if path.is_file() and path.suffix not in (".py", ".pyc"):
                inner = ".".join([package, *path.parent.relative_to(ROOT / folder).parts])
                assert any(path.match(glob) for glob in globs.get(inner, ())), path


BELOW = {
    "akc.base": "",
    "akc.grammar": "base",
    "akc.ir": "base grammar",
    "akc.sim": "base ir",
    "akc.targets": "base ir sim",
    "akc.fbz": "base ir",
    "akc.passes": "base ir sim targets",
    "akc.frontends": "base ir sim fbz targets",
    "akc.tuning": "base ir sim targets passes",
    "akc.compiler": "base grammar ir sim fbz targets passes frontends tuning",
    "akc.devices": "base ir sim targets compiler",
    "akc.lsp": "base ir targets passes compiler pages",
    "akc.html": "base ir sim targets compiler",
    "akc.cli": "tuning base ir sim fbz targets passes frontends compiler devices lsp html",
    "akc.pages": "base ir sim targets passes frontends compiler",
}
"""What the files of a room may import from other rooms."""

SOURCES = sorted(p for folder in PLACES for p in (ROOT / folder).rglob("*.py"))


def _module_of(path: Path) -> str:
    folder, *rest = path.relative_to(ROOT).with_suffix("").parts
    return ".".join([PLACES[folder], *rest]).removesuffix(".__init__")


MODULES = {_module_of(path): path for path in SOURCES}


def _imports(path: Path) -> set[str]:
    """Every module that a file imports, at its top, in a function or for the type checker only."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            inner = {f"{node.module}.{alias.name}" for alias in node.names}
            names |= (inner & MODULES.keys()) or {node.module}
    return names


ROOMED = [path for path in SOURCES if _module_of(path) not in ("akc", "akc.__main__")]


@pytest.mark.parametrize("path", ROOMED, ids=_module_of)
def test_imports_go_one_way(path: Path) -> None:
    room = ".".join(_module_of(path).split(".")[:2])
    below = {room, *(f"akc.{name}" for name in BELOW[room].split())}
    ours = {".".join(name.split(".")[:2]) for name in _imports(path) if name.startswith("akc.")}
    assert ours <= below


CHIPS = {path.parent.name for path in (ROOT / "targets").glob("*/chip.py")} - {"akida1"}


@pytest.mark.parametrize("path", [p for p in SOURCES if "akida1" in p.parts], ids=_module_of)
def test_what_chips_share_knows_no_chip(path: Path) -> None:
    """A chip's folder imports akida1, never the other way round."""
    assert CHIPS and not {name for name in _imports(path) if any(name.startswith(f"akc.targets.{c}") for c in CHIPS)}


EMULATOR = [path for path in SOURCES if path.parent.name == "emulator"]


@pytest.mark.parametrize("path", EMULATOR, ids=_module_of)
def test_the_emulator_shares_no_arithmetic_with_the_simulator(path: Path) -> None:
    """So that their agreement proves both."""
    assert not {name for name in _imports(path) if name.startswith("akc.sim")}


ONLY_TARGETS = [p for p in SOURCES if _module_of(p).split(".")[1:2] in (["cli"], ["compiler"], ["devices"], ["passes"])]


@pytest.mark.parametrize("path", ONLY_TARGETS, ids=_module_of)
def test_chips_are_asked_through_their_target(path: Path) -> None:
    """Command line, compiler, devices and passes know akc.targets, and nothing of a chip or a family of chips."""
    assert not {name for name in _imports(path) if name.startswith("akc.targets.") and name != "akc.targets.faults"}


def test_no_module_imports_itself_by_way_of_others() -> None:
    """Also where the import that closes the circle stands in a function."""
    below = {name: _imports(path) & MODULES.keys() - {name} for name, path in MODULES.items()}
    graphlib.TopologicalSorter(below).prepare()


HEAVY = {"torch", "jinja2", "onnx", "onnxruntime", "numpy", "snntorch", "norse", "nir", "h5py", "lark", "akida"}


@pytest.mark.parametrize("path", SOURCES, ids=_module_of)
def test_frameworks_load_lazily(path: Path) -> None:
    """No file imports a framework at its top."""
    top = [n for n in ast.parse(path.read_text()).body if isinstance(n, ast.Import | ast.ImportFrom)]
    names = {alias.name for n in top if isinstance(n, ast.Import) for alias in n.names}
    names |= {n.module or "" for n in top if isinstance(n, ast.ImportFrom)}
    assert not {n.split(".")[0] for n in names} & (HEAVY - {"numpy", "lark", "jinja2"})


def test_help_loads_no_framework_and_no_numpy() -> None:
    code = "import sys; from akc.cli.main import cli; from click.testing import CliRunner\n"
    code += "r = CliRunner().invoke(cli, ['--help'])\n"
    code += f"assert r.exit_code == 0 and 'lower' in r.output; print(sorted({HEAVY!r} & set(sys.modules)))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"


def test_every_file_names_its_licence() -> None:
    for path in SOURCES:
        assert path.read_text().startswith("# SPDX-License-Identifier: Apache-2.0"), path
