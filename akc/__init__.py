# SPDX-License-Identifier: Apache-2.0
"""akc: the open compiler for Akida. The whole Python API on one screen.

    module = akc.lower("model.onnx", calibrate="samples.npz")    # or a live torch.nn.Module, example=x
    module = akc.parse(open("net.akir").read())                  # text, at any level
    module = akc.dense_network([w1, w2], [b1, b2], (784,))       # from plain matrices
    module = akc.train_readout(reservoir, x, labels)             # a read-out by ridge regression (echo states)
    print(akc.print_module(module))                              # the text, ready to edit
    module = akc.fit(module, x, labels)                          # edge learning, where the last layer learns
    net = akc.trainable(module)                                  # a torch.nn.Module in the chip's integers
    module = akc.trained(net)                                    # back into the text, after your own training loop
    program = akc.build(module)                                  # place and assemble
    program.info, program.data, program.bytes                    # what the chip takes
    program.save("net.akd"); program = akc.load("net.akd")
    y = program.run(x)                                           # the integer simulator
    y = akc.run(module, x)                                       # a module of any level, also one just imported
    akc.compare(module, "model.onnx", "samples.npz")             # how near it comes to its source
    akc.report(program, inputs="samples.npz").save("r.html")     # what stands where, and how well it does
    with akc.open_device("emulator") as device:                  # or "/dev/akida0"
        device.program(program); y = device.predict(x)

Faults of the input and of the call raise akc.DiagnosticError; `str` of it is the text that the command line
prints. Warnings are Python's, of the class akc.DiagnosticWarning with the diagnostic in `.diagnostic`; a call with
context=akc.Context() collects them there instead.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from akc.base.diagnostics import Diagnostic, DiagnosticError, DiagnosticWarning
    from akc.compiler.arrays import dense_network
    from akc.compiler.comparing import compare
    from akc.compiler.compiler import build, lower
    from akc.compiler.pipeline import Context, run_pipeline
    from akc.compiler.program import Program, load
    from akc.compiler.reservoirs import echo_state_network, train_readout
    from akc.compiler.running import fit, run
    from akc.devices.opening import open_device
    from akc.html.report import report
    from akc.ir.module import Module
    from akc.ir.parser import parse
    from akc.ir.printer import print_module
    from akc.sim.engine.model import to_onnx
    from akc.tuning.network import trainable, trained

_HOMES = {
    "build": "akc.compiler.compiler",
    "compare": "akc.compiler.comparing",
    "Context": "akc.compiler.pipeline",
    "dense_network": "akc.compiler.arrays",
    "Diagnostic": "akc.base.diagnostics",
    "DiagnosticError": "akc.base.diagnostics",
    "DiagnosticWarning": "akc.base.diagnostics",
    "fit": "akc.compiler.running",
    "load": "akc.compiler.program",
    "echo_state_network": "akc.compiler.reservoirs",
    "lower": "akc.compiler.compiler",
    "Module": "akc.ir.module",
    "open_device": "akc.devices.opening",
    "parse": "akc.ir.parser",
    "print_module": "akc.ir.printer",
    "Program": "akc.compiler.program",
    "report": "akc.html.report",
    "run": "akc.compiler.running",
    "run_pipeline": "akc.compiler.pipeline",
    "to_onnx": "akc.sim.engine.model",
    "train_readout": "akc.compiler.reservoirs",
    "trainable": "akc.tuning.network",
    "trained": "akc.tuning.network",
}
"""Where each public name lives: they load on first use, so that `akc --help` stays fast."""

__all__ = [
    "Context",
    "Diagnostic",
    "DiagnosticError",
    "DiagnosticWarning",
    "Module",
    "Program",
    "build",
    "compare",
    "dense_network",
    "echo_state_network",
    "fit",
    "load",
    "lower",
    "open_device",
    "parse",
    "print_module",
    "report",
    "run",
    "run_pipeline",
    "to_onnx",
    "train_readout",
    "trainable",
    "trained",
]

__version__ = "0.2.0"


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module akc has no attribute {name}")
    return getattr(import_module(_HOMES[name]), name)
