# SPDX-License-Identifier: Apache-2.0
"""What the VFIO bus sends against linux/vfio.h: a program compiled with the header prints its numbers and layouts.

Needs g++ and the header of Debian's linux-libc-dev, which comes with it. The fake kernel of the tests is held to the
same numbers.
"""

from __future__ import annotations

import ctypes
import struct
import subprocess
from pathlib import Path

import pytest

from akc.targets.akida1.driver import vfio
from tests.conformance.needs import need_compiler
from tests.targets.akida1.driver import fake_kernel

pytestmark = pytest.mark.conformance

CONSTANTS = {
    "VFIO_API_VERSION": vfio.API_VERSION,
    "VFIO_TYPE1_IOMMU": vfio.TYPE1_IOMMU,
    "VFIO_GROUP_FLAGS_VIABLE": vfio.GROUP_VIABLE,
    "VFIO_DEVICE_FLAGS_PCI": vfio.DEVICE_IS_PCI,
    "VFIO_REGION_INFO_FLAG_MMAP": vfio.REGION_MAPS,
    "VFIO_PCI_BAR0_REGION_INDEX": 0,
    "VFIO_PCI_BAR4_REGION_INDEX": 4,
    "VFIO_PCI_CONFIG_REGION_INDEX": vfio.CONFIG_REGION,
    **vfio.IOCTLS,
}
FIELDS: dict[str, tuple[struct.Struct, type[ctypes.Structure], tuple[str, ...]]] = {
    "vfio_group_status": (vfio.GROUP_STATUS, fake_kernel.GroupStatus, ("argsz", "flags")),
    "vfio_device_info": (
        vfio.DEVICE_INFO,
        fake_kernel.DeviceInfo,
        ("argsz", "flags", "num_regions", "num_irqs"),
    ),
    "vfio_region_info": (
        vfio.REGION_INFO,
        fake_kernel.RegionInfo,
        ("argsz", "flags", "index", "cap_offset", "size", "offset"),
    ),
}


def program() -> str:
    """C++ that prints every constant, and offset and size of every field."""
    lines = [f'  printf("{name} %lld\\n", (long long)({name}));' for name in CONSTANTS]
    lines += [
        f'  printf("{kind}.{name} %zu %zu\\n", offsetof({kind}, {name}), sizeof({kind}::{name}));'
        for kind, (_, _, names) in FIELDS.items()
        for name in names
    ]
    includes = "".join(f"#include <{name}>\n" for name in ("cstddef", "cstdio", "linux/vfio.h", "sys/ioctl.h"))
    return f"{includes}int main() {{\n" + "\n".join(lines) + "\n}\n"


@pytest.fixture(scope="module")
def header(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[int]]:
    """What the compiled program prints, by name."""
    folder: Path = tmp_path_factory.mktemp("header")
    (folder / "print.cpp").write_text(program())
    subprocess.run([need_compiler(), "-o", folder / "print", folder / "print.cpp"], check=True)
    printed = subprocess.run([folder / "print"], check=True, capture_output=True, text=True).stdout
    return {name: [int(n) for n in numbers] for name, *numbers in map(str.split, printed.splitlines())}


@pytest.mark.parametrize("name", CONSTANTS)
def test_constants(header: dict[str, list[int]], name: str) -> None:
    assert header[name] == [CONSTANTS[name]]


def test_the_fake_kernel_knows_the_same_requests(header: dict[str, list[int]]) -> None:
    assert {header[name][0]: name for name in vfio.IOCTLS} == fake_kernel.REQUESTS


@pytest.mark.parametrize("kind", FIELDS)
def test_layouts(header: dict[str, list[int]], kind: str) -> None:
    """Each field alone, packed by our layout, must lie where the header has it."""
    layout, fake, names = FIELDS[kind]
    for number, name in enumerate(names):
        offset, size = header[f"{kind}.{name}"]
        packed = layout.pack(*(int(n == number) for n in range(len(names))))
        assert packed == b"\0" * offset + b"\1".ljust(size, b"\0") + b"\0" * (layout.size - offset - size), name
        found = getattr(fake, name)
        assert (found.offset, found.size) == (offset, size), name
