# SPDX-License-Identifier: Apache-2.0
"""Makes the folder `examples` importable, wherever pytest is started from."""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = str(Path(__file__).resolve().parents[2])
if ROOT not in sys.path:
    sys.path.append(ROOT)
