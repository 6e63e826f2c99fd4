# SPDX-License-Identifier: Apache-2.0
"""No user's file is ever lost: products against sources and each other, links, modes, all or none."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import numpy as np
import onnx
import pytest

from akc.base import products
from akc.base.diagnostics import DiagnosticError
from akc.base.products import check_products, write_bytes, write_products
from tests.cli import models
from tests.cli.processes import make_folder
from tests.cli.runner import akc


@pytest.fixture(scope="module")
def ready(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sources of several kinds."""
    folder = make_folder(tmp_path_factory.mktemp("products"))
    model = onnx.load(str(models.dense(folder / "m.onnx")))
    onnx.save(model, str(folder / "outside.onnx"), save_as_external_data=True, location="w.data", size_threshold=0)
    np.savez(folder / "s.npz", image=np.random.default_rng(0).uniform(0, 1, (4, 16)).astype(np.float32))
    (folder / "net.py").write_text("def make():\n    raise SystemExit('not run')\n")
    (folder / "t.toml").write_text("input = [784]\n")
    (folder / "link.akd").symlink_to("net.akd")
    os.link(folder / "net.akir", folder / "hard.akir")
    os.link(folder / "s.npz", folder / "hard.npz")
    return folder


LOST = {
    "samples": "lower m.onnx --calibrate s.npz -o s.npz",
    "samples by another name": "lower m.onnx --calibrate s.npz -o hard.npz",
    "samples by another way": "lower m.onnx --calibrate s.npz -o ./sub/../s.npz",
    "topology": "lower w.pt --topology t.toml --steps 3 --readout count -o t.toml",
    "the source": "lower net.akir -o net.akir",
    "the source, linked": "opt net.akir -p place -o hard.akir",
    "a factory's file": "lower net.py:make --example 1,2 -o net.py",
    "weights beside a model": "lower outside.onnx -o w.data",
    "a program": "disasm net.akd -o net.akd",
    "a program behind a link": "disasm net.akd -o link.akd",
    "samples of a run": "run net.akd -i x.npy -o x.npy",
    "the network of a run": "run net.akd -i x.npy -o net.akd",
    "what learns": "learn learning.akd -i labelled.npz --on simulator -o learning.akd",
    "what it learns from": "learn learning.akd -i labelled.npz --on simulator -o labelled.npz",
    "two products in one": "build net.akir -o same.akd --program same.akd",
    "two products in one, by two names": "build net.akir -o same.akd --map ./same.akd",
    "two products on stdout": "build net.akir -o - --program -",
    "a text that is a dump": "opt sub/00-input.akir -p place --dump-dir sub -o new.akir",
}


@pytest.mark.parametrize("case", LOST)
def test_nothing_is_lost(case: str, ready: Path) -> None:
    (ready / "sub").mkdir(exist_ok=True)
    (ready / "sub" / "00-input.akir").write_text((ready / "net.akir").read_text())
    before = {p: (p.read_bytes(), p.stat().st_ino) for p in ready.rglob("*") if p.is_file()}
    outcome = akc(*LOST[case].split(), folder=ready)
    assert outcome.code == 1 and "AKC0916]" in outcome.stderr, outcome.stderr
    assert "another" in outcome.stderr  # the way out
    assert {p: (p.read_bytes(), p.stat().st_ino) for p in ready.rglob("*") if p.is_file()} == before


def test_the_way_out_works(ready: Path) -> None:
    assert akc("lower", "m.onnx", "--calibrate", "s.npz", "-o", "new.akir", folder=ready).code == 0
    assert akc("build", "net.akir", "-o", "a.akd", "--map", "a.json", folder=ready).code == 0
    assert akc("build", "net.akir", "-o", os.devnull, "--map", os.devnull, folder=ready).code == 0


def test_a_kit_spares_a_readme_of_others(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("# mine\n")
    outcome = akc("verify", "--kit", ".", folder=tmp_path)
    assert outcome.code == 1 and "AKC0916" in outcome.stderr and os.listdir(tmp_path) == ["README.md"]


# -- links, modes, names ---------------------------------------------------------------------------


def test_a_link_stays_and_the_file_behind_it_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "real").write_bytes(b"old")
    (tmp_path / "link").symlink_to("deep/real")
    write_bytes(tmp_path / "link", b"new")
    assert (tmp_path / "link").is_symlink() and (tmp_path / "deep" / "real").read_bytes() == b"new"
    (tmp_path / "dangling").symlink_to("deep/later")
    write_bytes(tmp_path / "dangling", b"new")
    assert (tmp_path / "dangling").is_symlink() and (tmp_path / "deep" / "later").read_bytes() == b"new"


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o755])
def test_the_mode_stays(mode: int, tmp_path: Path, ready: Path) -> None:
    path = tmp_path / "net.akir"
    path.write_text((ready / "net.akir").read_text().replace("akir 1.0\n\n", "akir   1.0\n\n\n"))
    path.chmod(mode)
    assert akc("fmt", str(path)).code == 0 and path.read_text().startswith("akir 1.0\n\n")
    assert stat.S_IMODE(path.stat().st_mode) == mode


def test_a_new_file_has_the_mode_of_any_new_file(tmp_path: Path) -> None:
    (tmp_path / "usual").touch()
    write_bytes(tmp_path / "new", b"")
    assert (tmp_path / "new").stat().st_mode == (tmp_path / "usual").stat().st_mode


def test_the_owner_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who may give files away gives it back; who may not is refused."""
    path = tmp_path / "theirs"
    path.write_bytes(b"old")
    real = os.stat(path)
    theirs = os.stat_result((real.st_mode, *real[1:4], real.st_uid + 1, *real[5:]))
    monkeypatch.setattr(products, "stat_of", lambda p: theirs if Path(p) == path else os.stat(p))
    given: list[tuple[int, int]] = []
    monkeypatch.setattr(os, "fchown", lambda handle, user, group: given.append((user, group)))
    write_bytes(path, b"new")
    assert given == [(real.st_uid + 1, real.st_gid)]

    def refuse(*args: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "fchown", refuse)
    with pytest.raises(DiagnosticError, match="belongs to another user"):
        write_bytes(path, b"newer")
    assert path.read_bytes() == b"new" and len(os.listdir(tmp_path)) == 1


def test_long_names(tmp_path: Path) -> None:
    write_bytes(tmp_path / ("n" * 250), b"1")
    assert (tmp_path / ("n" * 250)).read_bytes() == b"1"
    with pytest.raises(DiagnosticError, match="name too long"):
        write_bytes(tmp_path / ("n" * 300), b"1")
    outcome = akc("check", "n" * 300)
    assert outcome.code == 1 and "AKC0901" in outcome.stderr
    with pytest.raises(DiagnosticError, match="AKC0903"):
        write_bytes("nul\0byte", b"1")


# -- all or none -----------------------------------------------------------------------------------


def test_where_one_product_fails_none_appears(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("a").write_bytes(b"old")
    with pytest.raises(DiagnosticError, match="no space left"):
        write_products({"a": b"new", "/dev/full": b"x" * 10, "c": b"1"})
    assert os.listdir() == ["a"] and Path("a").read_bytes() == b"old"


def test_where_the_last_cannot_take_its_place_the_others_come_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("a").write_bytes(b"old")
    real = os.replace

    def replace(source: Path, target: Path) -> None:
        if Path(target).name == "c":
            raise OSError(5, "Input/output error")
        real(source, target)

    monkeypatch.setattr(os, "replace", replace)
    with pytest.raises(DiagnosticError, match="c: input/output error"):
        write_products({"a": b"new", "b": b"new", "c": b"new"})
    assert os.listdir() == ["a"] and Path("a").read_bytes() == b"old"


def test_a_stop_in_the_middle_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the signal handler does while files are staged; the process ends behind it."""
    from akc.base import stopping

    monkeypatch.chdir(tmp_path)

    def stopped(staged: object) -> None:
        assert len(os.listdir()) == 2
        stopping.undo_all()
        assert os.listdir() == []

    monkeypatch.setattr(products, "_take_their_places", stopped)
    write_products({"a": b"1", "b": b"2"})


def test_every_obstacle_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("folder").mkdir()
    with pytest.raises(DiagnosticError) as caught:
        check_products([], ["folder", "gone/net.akd", None, "fine"])
    assert [d.message for d in caught.value.diagnostics] == [
        "folder: is a directory",
        f"gone/net.akd: there is no folder {tmp_path / 'gone'}",
    ]
