# SPDX-License-Identifier: Apache-2.0
"""docs/writing-a-function.md: one row of the table is all that a new function of the host needs."""

from __future__ import annotations

import math
import re
import subprocess
import sys
from pathlib import Path

import numpy as np

from akc.ir.functions import erf

PAGE = Path(__file__).parents[2] / "docs" / "writing-a-function.md"

USE = """
import io, warnings
import numpy as np, torch
warnings.simplefilter("ignore")
import akc
from akc.pages.operations import operations_page
from akc.pages.refused import refused_page
from akc.sim.run import run

class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.last = torch.nn.Linear(6, 5), torch.nn.Linear(5, 3)

    def forward(self, x):
        return self.last(torch.atan(self.first(x)))

torch.manual_seed(0)
net, x = Net().eval(), torch.rand(8, 6)
file = io.BytesIO()
torch.onnx.export(net, (x[:1],), file, dynamo=False)
import onnx
for source, example in ((net, (1, 6)), (onnx.load_from_string(file.getvalue()), None)):
    module = akc.lower(source, pipeline="", example=example)
    assert "nn.apply" in akc.print_module(module) and "arctan" in akc.print_module(module)
    np.testing.assert_allclose(next(iter(run(module, x.numpy()).values())), net(x).detach().numpy(), atol=1e-5)
try:
    akc.lower(net, example=(1, 6), input_range=(0.0, 1.0))
except akc.DiagnosticError as fault:
    assert "arc tangent" in str(fault) and "--host=allow" in str(fault)
akc.build(akc.lower(net, example=(1, 6), input_range=(0.0, 1.0), host="allow"), host="allow")
assert "arctan" in operations_page() and "arc tangent" in refused_page()
print("all of it")
"""


def test_one_row_is_enough() -> None:
    """The page's own row, added before the rest is imported, is read, run, refused by name, built and documented."""
    (row,) = re.findall(r"```python row\n(.*?)```", PAGE.read_text(), re.DOTALL)
    add = f"import numpy as np\nfrom akc.ir.functions import *\nrow = {row}\nFUNCTIONS[row.name] = row\n"
    done = subprocess.run([sys.executable, "-c", add + USE], capture_output=True, text=True, timeout=300, check=False)
    assert done.stdout.strip().endswith("all of it"), done.stderr


def test_the_error_function_is_that_of_the_library() -> None:
    x = np.linspace(-4, 4, 101)
    assert np.abs(erf(x) - np.vectorize(math.erf)(x)).max() < 2e-7
