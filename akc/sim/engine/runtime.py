# SPDX-License-Identifier: Apache-2.0
"""Sessions of ONNX Runtime for parts of a text, and what is decided about them by measurement."""

from __future__ import annotations

import json
import os
import platform
import time
from collections.abc import Sequence
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from attrs import define, field

from akc.ir.module import Module, Op
from akc.sim.engine.model import fragment
from akc.sim.registry import Array


def is_installed() -> bool:
    """Whether the packages of the extra `fast` are there."""
    return all(find_spec(name) is not None for name in ("onnx", "onnxruntime"))


def threads() -> int:
    """Threads of one session: AKC_THREADS, else OMP_NUM_THREADS, else every processor that this process may use."""
    for name in ("AKC_THREADS", "OMP_NUM_THREADS"):
        if os.environ.get(name, "").isdigit():
            return max(1, int(os.environ[name]))
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def session(data: bytes) -> Any:
    """A session of ONNX Runtime on the CPU; its warnings stay off the user's stderr."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads()
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])


@define(eq=False)
class Part:
    """Operations of a module as one session, made when it is first run.

    inputs, outputs: names of values, [n, *shape] or [n, T, *shape] in the numpy types of their element types.
    """

    module: Module
    ops: Sequence[Op]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    _session: Any = field(default=None, init=False)

    def run(self, values: dict[str, Array]) -> dict[str, Array]:
        """The outputs for these inputs."""
        if self._session is None:
            data = fragment(self.module, self.ops, self.inputs, self.outputs, bytes_are_fast())
            self._session = session(data)
        results = self._session.run(None, {name: values[name] for name in self.inputs})
        return dict(zip(self.outputs, results, strict=True))


# -- bytes or floats ---------------------------------------------------------------------------------


@cache
def bytes_are_fast() -> bool:
    """Whether products of bytes (MatMulInteger) are faster here than those of float32; measured once a machine.

    The answer is kept in the cache folder (XDG_CACHE_HOME, else ~/.cache) by processor and version of the runtime.
    It changes the speed and never a number.
    """
    import onnxruntime

    file, key = _cache_folder() / "akc" / "engine.json", f"{_processor()}, onnxruntime {onnxruntime.__version__}"
    known = _read(file)
    if key not in known:
        known[key] = _measured("MatMulInteger") < _measured("MatMul")
        _write(file, known)
    return known[key]


def _cache_folder() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")


def _processor() -> str:
    """The processor's name where the system tells it, and its kind."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    name = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")
    return f"{platform.machine()} {name or platform.processor()}".strip()


def _read(file: Path) -> dict[str, bool]:
    try:
        known = json.loads(file.read_text())
    except (OSError, ValueError):
        return {}
    return {k: v for k, v in known.items() if isinstance(v, bool)} if isinstance(known, dict) else {}


def _write(file: Path, known: dict[str, bool]) -> None:
    """Keep the answers; a folder that cannot be written to only costs a new measurement."""
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        draft = file.with_name(f"{file.name}.{os.getpid()}")
        draft.write_text(json.dumps(known))
        draft.replace(file)
    except OSError:
        pass


def _measured(kind: str) -> float:
    """Least seconds of a product [64, 512] x [512, 128] in one thread."""
    from onnx import TensorProto, helper, numpy_helper

    narrow = kind == "MatMulInteger"
    matrix = np.ones((512, 128), np.int8 if narrow else np.float32)
    ends = (TensorProto.UINT8, TensorProto.INT32) if narrow else (TensorProto.FLOAT, TensorProto.FLOAT)
    x, y = (helper.make_tensor_value_info(name, end, ["n", "m"]) for name, end in zip("xy", ends))
    node = helper.make_node(kind, ["x", "w"], ["y"])
    graph = helper.make_graph([node], "product", [x], [y], [numpy_helper.from_array(matrix, "w")])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    run, rows = session(model.SerializeToString()), np.ones((64, 512), np.uint8 if narrow else np.float32)
    seconds = []
    for _ in range(20):
        start = time.perf_counter()
        run.run(None, {"x": rows})
        seconds.append(time.perf_counter() - start)
    return min(seconds)
