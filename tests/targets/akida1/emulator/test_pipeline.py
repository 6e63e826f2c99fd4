# SPDX-License-Identifier: Apache-2.0
"""Jobs that wait in the emulated pipeline: computed together, and before anything that they would change is seen."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from akc.targets import faults as errors
from akc.targets.akd1000 import AKD1000
from akc.targets.akida1.driver.chip_registers import EVENT_DMA, HRC_DMA
from akc.targets.akida1.driver.driver import Device
from akc.targets.akida1.emulator import network
from akc.targets.akida1.emulator.bus import EmulatorBus
from tests.targets.akida1.driver.networks import networks


def waiting(bus: EmulatorBus, name: str, count: int) -> Device:
    """A device with `count` inputs handed over."""
    built = networks()[name]
    device = Device(bus, AKD1000)
    device.program(built.program)
    device.set_batch_size(count)
    for x in built.inputs[:count]:
        assert device.enqueue(x)
    return device


@pytest.mark.parametrize("name", networks())
def test_a_batch_is_computed_once(bus: EmulatorBus, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: list[int] = []
    values = network.Network.values

    def counted(self: Any, maps: Any) -> Any:
        sizes.append(len(maps))
        return values(self, maps)

    monkeypatch.setattr(network.Network, "values", counted)
    built = networks()[name]
    device = Device(bus, AKD1000)
    device.program(built.program)
    np.testing.assert_array_equal(
        device.forward(np.tile(built.inputs, (3, 1, 1, 1))), np.tile(built.expected, (3, 1, 1, 1))
    )
    assert sizes == [16, 8]


@pytest.mark.parametrize(("name", "controller"), [("dense-levels", EVENT_DMA), ("image-alone", HRC_DMA)])
@pytest.mark.parametrize("offset", [0x10, 0x1C, 0x28, 0x30])
def test_reading_a_status_register_finishes_the_jobs(bus: EmulatorBus, name: str, controller: int, offset: int) -> None:
    waiting(bus, name, 3)
    jobs = bus.chip.controllers[controller]
    assert len(jobs.waiting) == 3
    bus.read32(bus.register_base + controller + offset)
    assert not jobs.waiting and jobs.get("job") == 3


def test_reading_memory_finishes_the_jobs(bus: EmulatorBus) -> None:
    device = waiting(bus, "dense-potentials", 2)
    assert int.from_bytes(bus.read(device._outputs, 4), "little") > 0
    assert not bus.chip.event.waiting


def test_a_new_configuration_comes_after_the_jobs_before_it(bus: EmulatorBus) -> None:
    device = waiting(bus, "dense-levels", 2)
    (place,) = bus.chip.fabric.processors
    device.read_np_registers(place, 50)
    assert not bus.chip.event.waiting
    for expected in networks()["dense-levels"].expected[:2]:
        np.testing.assert_array_equal(device.fetch(), expected)


@pytest.mark.parametrize("name", ["dense-levels", "image-alone"])
def test_a_reset_drops_the_jobs(bus: EmulatorBus, name: str) -> None:
    device = waiting(bus, name, 3)
    device.unprogram()
    assert not bus.chip.event.waiting and not bus.chip.hrc.waiting
    built = networks()[name]
    device.program(built.program)
    np.testing.assert_array_equal(device.forward(built.inputs), built.expected)


def test_a_fault_of_a_waiting_job_ends_them_all(bus: EmulatorBus) -> None:
    device = waiting(bus, "dense-levels", 2)
    bus.chip.event.waiting[1].payload[0] = 4000
    with pytest.raises(errors.BadEvent, match=r"event 0 at \(0, 0, 4000\) is outside"):
        device.fetch()
    assert not device.programmed and not bus.chip.event.waiting


def test_without_pipelining_a_job_is_done_at_once(bus: EmulatorBus) -> None:
    built = networks()["dense-levels"]
    device = Device(bus, AKD1000)
    device.program(built.program)
    device.set_batch_size(2)
    device.event.pipeline(False)
    device.enqueue(built.inputs[1])
    assert not bus.chip.event.waiting and bus.chip.event.get("job") == 1


def test_weights_in_device_memory_that_are_written_over(bus: EmulatorBus) -> None:
    """An FNP2 reads its weights while it works: new ones count from the next job on."""
    built = networks()["dense-external-weights"]
    device = Device(bus, AKD1000)
    device.program(built.program)
    before = device.forward(built.inputs)
    (address, end) = bus.chip.network().outside[0]
    held = bus.read(address, end - address)
    device.set_batch_size(2)
    device.enqueue(built.inputs[1])
    bus.write(address + 4, bytes(64))
    device.enqueue(built.inputs[1])
    first, second = device.fetch(), device.fetch()
    np.testing.assert_array_equal(first, before[1])
    assert second is not None and (second != before[1]).any()
    bus.write(address, held)
    np.testing.assert_array_equal(device.forward(built.inputs), before)


@pytest.mark.parametrize(("rows", "row_bytes"), [(0, 60), (3, 0)])
def test_an_image_without_pixels(bus: EmulatorBus, rows: int, row_bytes: int) -> None:
    device = waiting(bus, "image-alone", 1)
    fields = dict(bus.chip.hrc.waiting[0].fields) | {"rows": rows, "window_rows": rows}
    fields |= {"row_bytes": row_bytes, "row_bytes_high": 0, "window_row_bytes": row_bytes}
    with pytest.raises(errors.BadDescriptor, match=f"an image of {rows} rows of {row_bytes} bytes"):
        bus.chip._take_image(fields)
    assert device.programmed
