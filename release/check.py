# SPDX-License-Identifier: Apache-2.0
"""Build wheel and sdist, look at them, install each into an empty environment, and run what the pages promise there.

    python release/check.py [--publish]

The wheel runs the README's commands and its Python, the sdist the first page of the docs, which needs no extra.
--publish also refuses links that lead nowhere yet.
"""

from __future__ import annotations

import email
import re
import subprocess
import sys
import tempfile
import venv
import zipfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
LARGEST = 2_000_000
"""Bytes of a wheel, at most."""

ENDINGS = (".py", ".lark", ".json", ".html", ".css", ".js", "/py.typed")
"""What a wheel may hold: nothing that was compiled."""

BLOCK = re.compile(r'^```(python|console)(?: title="([\w.]+)")?\n(.*?)^```', re.MULTILINE | re.DOTALL)


def run(*command: str | Path, folder: Path = ROOT, path: str = "") -> str:
    """The output of a command; ends the check if it fails."""
    environment = {"PATH": f"{path}:/usr/bin:/bin", "HOME": str(folder), **_pip_settings()}
    done = subprocess.run([str(c) for c in command], cwd=folder, env=environment, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{' '.join(map(str, command))}\n{done.stdout}{done.stderr}")
    return done.stdout


def _pip_settings() -> dict[str, str]:
    """What says where pip finds packages; nothing of Python's own settings gets into the empty environment."""
    import os

    wanted = ("PIP_", "HTTP", "http", "SSL_", "REQUESTS_", "no_proxy", "NO_PROXY")
    return {name: value for name, value in os.environ.items() if name.startswith(wanted)}


def build(folder: Path) -> tuple[Path, Path]:
    """Wheel and sdist, the wheel built from the sdist."""
    run(sys.executable, "-m", "build", "--outdir", folder)
    (wheel,), (sdist,) = folder.glob("*.whl"), folder.glob("*.tar.gz")
    return wheel, sdist


def look(wheel: Path, publish: bool) -> None:
    """Size, purity, content and metadata of the wheel."""
    assert wheel.stat().st_size < LARGEST, f"{wheel.name} has {wheel.stat().st_size:,} bytes"
    assert wheel.name.endswith("-py3-none-any.whl"), wheel.name
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        (metadata,) = [name for name in names if name.endswith(".dist-info/METADATA")]
        facts = email.message_from_bytes(archive.read(metadata))
    inside = [name for name in names if ".dist-info/" not in name]
    strange = [n for n in inside if not n.startswith("akc/") or not n.endswith(ENDINGS)]
    assert not strange, strange
    extras = facts.get_all("Provides-Extra") or []
    assert facts["License-Expression"] == "Apache-2.0" and facts.get_all("Classifier"), facts
    links = facts.get_all("Project-URL") or []
    assert links
    assert not (publish and any(".example/" in link for link in links)), "set [project.urls] to where akc is published"
    print(f"{wheel.name}: {wheel.stat().st_size:,} bytes, {len(inside)} files, pure Python, extras {', '.join(extras)}")


def environment(folder: Path, package: str) -> Path:
    """An empty environment with a package in it; gives its folder of programs."""
    venv.create(folder, with_pip=True)
    run(folder / "bin" / "python", "-m", "pip", "install", "--quiet", package, folder=folder)
    return folder / "bin"


def follow(page: str, programs: Path, folder: Path) -> int:
    """Run the commands and the Python of a page; gives how many there were."""
    count = 0
    for language, title, code in BLOCK.findall((ROOT / page).read_text()):
        if title:
            (folder / title).write_text(code)
        elif language == "python":
            (folder / "page.py").write_text(code)
            run(programs / "python", "page.py", folder=folder, path=str(programs))
            count += 1
        else:
            for line in code.splitlines():
                if line.startswith("$ "):
                    run("bash", "-c", line[2:], folder=folder, path=str(programs))
                    count += 1
    return count


def main() -> None:
    """All of it; prints a line for each step."""
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        wheel, sdist = build(work / "dist")
        look(wheel, "--publish" in sys.argv)
        for what, package, page in (("wheel", f"{wheel}[onnx]", "README.md"), ("sdist", str(sdist), "docs/start.md")):
            programs = environment(work / what, package)
            folder = work / f"{what}-run"
            folder.mkdir()
            if page == "README.md":
                run(programs / "python", ROOT / "examples" / "first_steps.py", folder=folder)
            version = run(programs / "akc", "--version", folder=folder).strip()
            print(f"{what}: {version} in an empty environment, {follow(page, programs, folder)} commands of {page} run")


if __name__ == "__main__":
    main()
