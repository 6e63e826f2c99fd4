# SPDX-License-Identifier: Apache-2.0
"""Reading the image layer from the front end's registers and memories."""

from __future__ import annotations

from akc.ir.ops.akida import InputConvolutional
from akc.targets.akida1.emulator.arithmetic import border
from akc.targets.akida1.emulator.layer import DecodedLayer, Registers, Size, check, vectors
from akc.targets.akida1.emulator.processors import ImageFrontEnd
from akc.targets.akida1.program import hrc
from akc.targets.akida1.program.registers import (
    BITS_OF_CODE,
    HRC_CHANNELS,
    HRC_CONFIGURATION,
    HRC_MODE,
    HRC_OUTPUT,
    RegisterBlock,
)
from akc.targets.faults import BadGeometry

KERNELS = {code: size for size, code in hrc.KERNEL_CODES.items()}
WHERE = "the image front end"


def _read(image: ImageFrontEnd, block: RegisterBlock, later: bool = False) -> Registers:
    words = [image.registers.get(block.address + n, 0) for n in range(block.length)]
    unnamed = block.unnamed(words)
    if unnamed:
        raise BadGeometry(f"{WHERE} has bits set that no register row knows: {unnamed}")
    values = block.decode(words)
    check(WHERE, ((row.name, values[row.name], 0) for row in block.fields if row.later and not later))
    return values


def read_mode(image: ImageFrontEnd, dense: bool) -> Registers:
    """bypass, convolve, to_dma, dense_output. Raises BadGeometry.

    dense: the chip takes whole maps, which go through the front end with and without image layer.
    """
    mode = _read(image, HRC_MODE, dense)
    known = mode["convolve"] if dense else mode["bypass"] + mode["convolve"] == 1
    if not known or (mode["bypass"] and mode["to_dma"]):
        raise BadGeometry(f"{WHERE} is in no known mode: {dict(mode)}")
    return mode


def read_channels(image: ImageFrontEnd) -> int:
    """Channels of the input, image or not. Raises BadGeometry."""
    channels = _read(image, HRC_CHANNELS)["channels"]
    if not channels:
        raise BadGeometry(f"{WHERE} takes inputs of no channels")
    return channels


def check_output(image: ImageFrontEnd, shape: tuple[int, ...]) -> None:
    """The strides of a dense output must be those of its map [d0, d1, channels]. Raises BadGeometry."""
    d0, d1, channels = shape
    strides = _read(image, HRC_OUTPUT, later=True)
    spatial = d0 * d1 > 1
    expected = (("cell", channels * spatial), ("row", channels * d1 * spatial))
    check(f"{WHERE}, an output of {d0}x{d1}x{channels}", ((name, strides[name], value) for name, value in expected))


def decode_image(image: ImageFrontEnd) -> DecodedLayer:
    """The image layer; its input's size comes with each job. Raises BadGeometry."""
    r = _read(image, HRC_CONFIGURATION)
    channels = 1 if r["one_channel"] else 3
    check(
        WHERE,
        (
            ("loading", r["loading"], 0),
            ("channels", _read(image, HRC_CHANNELS)["channels"], channels),
            ("valid_2", r["valid_2"], 3 * r["valid"]),
            *((f"padding_value_{n}", r[f"padding_value_{n}"], r["padding_value_0"]) for n in (1, 2)),
        ),
    )
    if not r["stride_d0"] or not r["stride_d1"]:
        raise BadGeometry(f"{WHERE} has a stride of 0")
    if r["kernel"] not in KERNELS or r["act_bits"] not in BITS_OF_CODE:
        raise BadGeometry(f"{WHERE} has kernel code {r['kernel']} and act_bits code {r['act_bits']}")
    if "thresholds" not in image.memories:
        raise BadGeometry(f"{WHERE} has no thresholds")
    filters = r["last_filter"] + 1
    banks = {int(name): words for name, words in image.memories.items() if name != "thresholds"}
    weights = hrc.decode_banks(banks, KERNELS[r["kernel"]], channels, filters)
    thresholds, steps = hrc.decode_thresholds(image.memories["thresholds"])
    check(WHERE, (("the number of thresholds", len(thresholds), filters),))
    pool = (1 + r["pool_d0"], 1 + r["pool_d1"])
    return DecodedLayer(
        name="image",
        kind=InputConvolutional,
        places=(),
        registers=r,
        size=None,
        channels=channels,
        input_bits=(8,),
        filters=filters,
        fields={
            "stride": (r["stride_d0"], r["stride_d1"]),
            "padding": "valid" if r["valid"] else "same",
            "padding_value": r["padding_value_0"],
            "act_bits": BITS_OF_CODE[r["act_bits"]],
            **({"pool": "max", "pool_size": pool, "pool_stride": pool} if max(pool) > 1 else {}),
        },
        weights={"weights": (weights, "i8"), **vectors(thresholds, steps)},
    )


def check_image(layer: DecodedLayer, size: Size) -> None:
    """The paddings in the registers must go with the size of the image that is sent. Raises BadGeometry."""
    r = layer.registers
    kernel = KERNELS[r["kernel"]]
    for axis, name in enumerate(("d0", "d1")):
        before, after = (0, 0) if r["valid"] else border(size[axis], kernel, r[f"stride_{name}"])
        check(
            f"{WHERE}, an image of {size[0]}x{size[1]}",
            (
                (f"before_{name}", r[f"before_{name}"], before),
                (f"after_{name}", r[f"after_{name}"], after),
            ),
        )
