# SPDX-License-Identifier: Apache-2.0
"""Writes the text of every stage again, after a change of the compiler: examples/<name>/akir.

python examples/stages.py            # all networks, about a minute
python examples/stages.py mnist_snn  # one of them
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[1]))

from examples import roads
from examples.networks import NETWORKS, folder_of

if __name__ == "__main__":
    for name in sys.argv[1:] or NETWORKS:
        roads.compile_case(NETWORKS[name](1), roads.CALIBRATED, folder_of(name, "akir"))
        print(name, flush=True)
