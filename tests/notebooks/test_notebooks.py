# SPDX-License-Identifier: Apache-2.0
"""The notebooks of examples/notebooks, run as a reader runs them: `make notebooks`."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

from tests.html.checked import Checked

FOLDER = Path(__file__).parents[2] / "examples" / "notebooks"
NOTEBOOKS = sorted(path.stem for path in FOLDER.glob("*.ipynb"))


@pytest.fixture(scope="module", params=NOTEBOOKS)
def notebook(request: pytest.FixtureRequest) -> Iterator[tuple[str, Any]]:
    """A notebook after its cells have run; raises CellExecutionError where one fails."""
    found = nbformat.read(FOLDER / f"{request.param}.ipynb", as_version=4)
    start = time.perf_counter()
    NotebookClient(found, timeout=300, kernel_name="python3", resources={"metadata": {"path": str(FOLDER)}}).execute()
    print(f"{request.param}: {time.perf_counter() - start:.1f} s")
    yield request.param, found
    (FOLDER / "report.html").unlink(missing_ok=True)


def _outputs(notebook: Any, kind: str) -> list[str]:
    """What cells showed, of a kind such as text/html."""
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", ())]
    return [output["data"][kind] for output in outputs if kind in output.get("data", {})]


SHOWN = {
    "cnn": ["@fashion_lenet", "same answer as the source", "The mesh", "synaptic operations"],
    "spiking": ["snn.", "warning AKC", "error AKC0912", "Activity"],
    "editing": ["%image", "same answer as the source", "did you mean akida.fully_connected?"],
}


def test_there_are_three() -> None:
    assert set(SHOWN) == set(NOTEBOOKS)


def test_it_runs_and_shows_what_it_says(notebook: tuple[str, Any]) -> None:
    name, found = notebook
    pages = [Checked(html) for html in _outputs(found, "text/html") if 'class="akc' in html]
    assert len(pages) > 2 and [page.faults for page in pages] == [[]] * len(pages)
    ids = [one for page in pages for one in page.ids]
    assert len(ids) == len(set(ids)), "what two cells show has ids of its own"
    text = "\n".join(page.text for page in pages)
    for words in SHOWN[name]:
        assert words in text, words
    assert _outputs(found, "text/plain")


def test_it_is_kept_without_what_a_run_left() -> None:
    for name in NOTEBOOKS:
        kept = nbformat.read(FOLDER / f"{name}.ipynb", as_version=4)
        nbformat.validate(kept)
        assert not any(cell.get("outputs") or cell.get("execution_count") for cell in kept.cells)
