# SPDX-License-Identifier: Apache-2.0
"""Devices for the command line and the Python API: which there are, what keeps them from working, and opening one.

with akc.open_device("emulator") as device:        # or "/dev/akida0", "vfio:0000:01:00.0"
    device.program(program)
    y = device.predict(x)
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Self

from attrs import frozen

from akc.base.calls import CALLBACK, WORD, one_of, optional, public, whole
from akc.base.progress import shown_in_notebooks
from akc.compiler.arguments import SAMPLES
from akc.compiler.program import Program, load
from akc.compiler.samples import as_array
from akc.devices.learned import with_learned
from akc.devices.runner import DeviceRunner, also_told, run_on
from akc.targets import LARGEST_BATCH, Progress, load_target, target_names
from akc.targets.faults import WrongState

__all__ = ["DeviceRow", "OpenDevice", "list_devices", "open_device", "run_on"]

VENDOR = "0x1e7c"
PRODUCTS = {"0xbca1": "AKD1000", "0xa500": "AKD1500"}
"""PCI device ids of BrainChip's cards."""
KERNEL_DRIVER, VFIO_DRIVER = "akida", "vfio-pci"
MODULE_HELP = (
    "build and load the vendor's open kernel module (Linux 5.4 to 6.8): https://github.com/Brainchip-Inc/akida_dw_edma"
)


class OpenDevice:
    """A device that takes whole networks: host operations run here, sequences on the chip.

    driver: the chip behind it, as its target gives it; what is not said here is asked of that.
    """

    def __init__(self, driver: Any) -> None:
        self.driver = driver
        self._network: DeviceRunner | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self.driver, name)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *fault: object) -> None:
        self.driver.close()

    def program(self, program: Any, learning: bool = False) -> None:
        """Put a program on the chip.

        program: an `akc.Program` or the path of a .akd file (`predict` then takes and gives the source
        network's own units, and runs networks of several sequences too), or the bytes of one sequence
        (`predict` then takes levels). learning: switch edge learning on, see `fit`.
        Raises WrongProgram, WrongState where nothing learns, and what `akc.load` raises.
        """
        self._network = None
        if isinstance(program, str | os.PathLike):
            program = load(program)
        if isinstance(program, Program):
            runner = DeviceRunner(self.driver, program)
            if program.sequences:
                runner.load(program.sequences[0].sequence)
            self._network = runner
        else:
            self.driver.program(program)
        if learning:
            self.set_learning(True)

    @public(inputs=SAMPLES, batch=whole(1))
    def predict(self, inputs: Any, batch: int = LARGEST_BATCH) -> Any:
        """Outputs for inputs with a batch axis: an array, or a dict where the network has several outputs."""
        if self._network is None:
            return self.driver.predict(inputs, batch)
        self._network.batch = batch
        with shown_in_notebooks() as show, also_told(self.driver, show):
            return _only(self._network.run(_arrays(inputs)))

    # -- learning ----------------------------------------------------------------------------------

    def set_learning(self, enabled: bool) -> None:
        """Switch edge learning on or off. Raises WrongState where nothing learns or inputs wait."""
        if self._network is not None:
            self._network.load_learner()
            self._network.learning = enabled
        self.driver.set_learning(enabled)

    @public(inputs=SAMPLES, labels=optional(SAMPLES))
    def fit(self, inputs: Any, labels: Any = None) -> Any:
        """Learn from inputs one by one; gives their outputs from before each step, as `predict` would.

        labels: a class for each input, whole numbers, or None for learning without. Raises WrongState
        unless learning is on, BadInput.
        """
        if self._network is None:
            return self.driver.fit(inputs, labels)
        self._network.load_learner()
        return _only(self._network.fit(_arrays(inputs), labels))

    def read_learned(self) -> bytes:
        """The learning layer's memory as the chip holds it; see `learned` for the network with it."""
        if self._network is not None:
            self._network.load_learner()
        return bytes(self.driver.read_learned())

    def write_learned(self, data: bytes) -> None:
        """Put back what `read_learned` gave. Raises BadInput."""
        if self._network is not None:
            self._network.load_learner()
        self.driver.write_learned(data)

    def learned(self) -> Program:
        """The network that was programmed, with the weights that the chip has learned; raises WrongState."""
        if self._network is None:
            raise WrongState(
                "bare bytes were programmed, there is no network", "program an akc.Program, or read_learned()"
            )
        return with_learned(self._network.program, self.read_learned())


def _only(outputs: dict[str, Any]) -> Any:
    return next(iter(outputs.values())) if len(outputs) == 1 else outputs


def _arrays(inputs: Any) -> Any:
    """Arrays by name, or a lone one; raises DiagnosticError AKC0703 for what is no array."""
    if isinstance(inputs, Mapping):
        return {name: as_array(str(name), values) for name, values in inputs.items()}
    return as_array("", inputs)


@public(name=WORD, progress=optional(CALLBACK), note=optional(CALLBACK), target=one_of(target_names))
def open_device(
    name: str = "emulator",
    progress: Progress | None = None,
    note: Callable[[str], None] | None = None,
    target: str = "akd1000",
) -> OpenDevice:
    """Open and identify a device of a target: "emulator", "/dev/akida0" or "vfio:0000:01:00.0".

    progress: called with (done, total) on long work; note: called with a line for every access, if given.
    Raises CannotOpen, DeviceBusy, WrongIdentification.
    """
    chip = load_target(target)
    return OpenDevice(chip.emulate(progress, note) if name == "emulator" else chip.open(name, progress, note))


# -- what there is ---------------------------------------------------------------------------------


@frozen(kw_only=True)
class DeviceRow:
    """One line of `akc devices`.

    on: what --on takes, empty if it cannot be used yet; what: the chip; where: PCI address or node;
    driver: the Linux driver bound to it; problem: what keeps it from working; help: what to do.
    """

    on: str
    what: str
    where: str = ""
    driver: str = ""
    problem: str = ""
    help: str = ""


EMULATOR = DeviceRow(on="emulator", what="AKD1000 (emulated)", where="this process")


def list_devices(pci: Path = Path("/sys/bus/pci/devices"), dev: Path = Path("/dev")) -> list[DeviceRow]:
    """The emulator, BrainChip's cards on the PCI bus, and nodes of the kernel module without a card in sight."""
    rows = [EMULATOR]
    nodes = sorted(dev.glob("akida[0-9]*"))
    for card in sorted(pci.glob("*")):
        product = _read(card / "device")
        if _read(card / "vendor") == VENDOR:
            rows.append(_card_row(card, PRODUCTS.get(product, f"unknown card {product}"), nodes, dev))
    used = {row.on for row in rows}
    rows += [_node_row(node, "AKD1000", "") for node in nodes if str(node) not in used]
    return rows


def _read(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return ""


def _where(card: Path) -> str:
    """The PCI address and ids of a card."""
    return f"{card.name} [{VENDOR[2:]}:{_read(card / 'device')[2:]}]"


def _card_row(card: Path, what: str, nodes: list[Path], dev: Path) -> DeviceRow:
    driver = (card / "driver").resolve().name if (card / "driver").exists() else ""
    if what != "AKD1000":
        return DeviceRow(
            on="",
            what=what,
            where=_where(card),
            driver=driver,
            problem="akc does not drive this chip",
            help="it is recognised and nothing more",
        )
    if driver == VFIO_DRIVER:
        return _vfio_row(card, what, dev)
    if driver.startswith(KERNEL_DRIVER) and (node := _node_of(card, nodes)) is not None:
        return _node_row(node, what, driver, _where(card))
    return DeviceRow(
        on="",
        what=what,
        where=_where(card),
        driver=driver,
        problem=f"driver {driver} made no node" if driver else "no driver is bound",
        help=MODULE_HELP,
    )


def _node_of(card: Path, nodes: list[Path]) -> Path | None:
    """The card's node, taken out of those that are left: the one that the module names, else the next."""
    named = {path.name for path in (card / "misc").glob("akida[0-9]*")}
    found = next((node for node in nodes if node.name in named), None if named or not nodes else nodes[0])
    if found is not None:
        nodes.remove(found)
    return found


def _node_row(node: Path, what: str, driver: str, where: str = "") -> DeviceRow:
    usable = os.access(node, os.R_OK | os.W_OK)
    return DeviceRow(
        on=str(node) if usable else "",
        what=what,
        where=f"{where} {node}".strip(),
        driver=driver,
        problem="" if usable else "this user may not read and write it",
        help="" if usable else f"sudo chmod 666 {node}, or install the module's udev rule",
    )


def _vfio_row(card: Path, what: str, dev: Path) -> DeviceRow:
    group = (card / "iommu_group").resolve().name if (card / "iommu_group").exists() else ""
    node = dev / "vfio" / group
    usable = bool(group) and os.access(node, os.R_OK | os.W_OK)
    problem = f"{node} is not yours" if group else "it is in no IOMMU group"
    help = f"sudo chown $USER {node}" if group else "turn the IOMMU on in the firmware"
    return DeviceRow(
        on=f"vfio:{card.name}" if usable else "",
        what=f"{what} (experimental)",
        where=_where(card),
        driver=VFIO_DRIVER,
        problem="" if usable else problem,
        help="" if usable else help,
    )
