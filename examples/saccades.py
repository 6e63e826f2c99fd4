# SPDX-License-Identifier: Apache-2.0
"""Events of a moving digit, as the N-MNIST recordings have them, made from MNIST pictures.

A 34x34 event camera looks at a 28x28 digit and makes three quick eye movements of 100 ms along a triangle
(Orchard et al., "Converting static image datasets to spiking neuromorphic datasets using saccades", 2015).
A pixel sends an ON or OFF event whenever the logarithm of its brightness has moved by a threshold since its
last event. This is a stand-in for the recordings, not a copy of them.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from examples.data import Bytes, Floats, cached, mnist

SENSOR = 34
SACCADES = 3
SACCADE_STEPS = 100
STEPS = SACCADES * SACCADE_STEPS
AMPLITUDE = 4.0
BACKGROUND = 0.08
CONTRAST = 0.35
CONTRAST_SPREAD = 0.05


def saccade_path(amplitude: float = AMPLITUDE) -> Floats:
    """Where the digit's corner stands at each millisecond, f32 [301, 2], in pixels of the sensor."""
    corners = np.array([[0, 0], [amplitude, amplitude / 2], [0, amplitude], [0, 0]]) + (SENSOR - 28 - amplitude) / 2
    t = np.arange(1, SACCADE_STEPS + 1) / SACCADE_STEPS
    # the speed sin^2(pi t) has this integral
    travelled = (t - np.sin(2 * np.pi * t) / (2 * np.pi))[:, None]
    legs = [start + travelled * (end - start) for start, end in pairwise(corners)]
    return np.concatenate([corners[:1], *legs]).astype(np.float32)


def events(images: Bytes, frames: int, seed: int = 0) -> Bytes:
    """Event counts of a batch of digits: u8 [n, frames, 2, 34, 34], channel 0 OFF and 1 ON.

    images is u8 [n, 28, 28]; the 300 steps of 1 ms are counted into `frames` equal frames, which must divide 300.
    The seed draws each pixel's own threshold.
    """
    if STEPS % frames:
        raise ValueError(f"{STEPS} steps do not divide into {frames} frames")
    threshold = _thresholds(len(images), seed)
    path = saccade_path()
    memory = _brightness(images, path[0])
    counts = np.zeros((len(images), frames, 2, SENSOR, SENSOR), np.uint8)
    for step in range(STEPS):
        moved = _brightness(images, path[step + 1]) - memory
        for channel, fired in enumerate((moved < -threshold, moved > threshold)):
            counts[:, step * frames // STEPS, channel] += fired
            memory = np.where(fired, memory + moved, memory)
    return counts


def event_digits(part: str, count: int, frames: int) -> tuple[Bytes, NDArray[np.uint8]]:
    """The first digits of MNIST's "train" or "test" part as events, with labels; cached."""

    def make() -> dict[str, Bytes]:
        digits = mnist()
        images = (digits.train if part == "train" else digits.test)[:count]
        labels = (digits.train_labels if part == "train" else digits.test_labels)[:count]
        blocks = [events(images[i : i + 200], frames, seed=i) for i in range(0, count, 200)]
        return {"events": np.concatenate(blocks), "labels": labels}

    arrays = cached(f"saccades_{part}_{count}_{frames}", make)
    return arrays["events"].astype(np.uint8, copy=False), arrays["labels"].astype(np.uint8, copy=False)


def _thresholds(count: int, seed: int) -> Floats:
    noise = np.random.default_rng(seed).standard_normal((count, SENSOR, SENSOR), np.float32)
    return np.float32(CONTRAST) * (1 + np.float32(CONTRAST_SPREAD) * noise)


def _brightness(images: Bytes, corner: Floats) -> Floats:
    """log(background + intensity) on the sensor, the digit placed at a sub-pixel corner (bilinear)."""
    whole = np.floor(corner).astype(int)
    d0, d1 = corner - whole
    canvas = np.zeros((len(images), SENSOR + 1, SENSOR + 1), np.float32)
    picture = images.astype(np.float32) / 255
    for shift0, weight0 in ((0, 1 - d0), (1, d0)):
        for shift1, weight1 in ((0, 1 - d1), (1, d1)):
            top, left = whole[0] + shift0, whole[1] + shift1
            canvas[:, top : top + 28, left : left + 28] += weight0 * weight1 * picture
    brightness: Floats = np.log(np.float32(BACKGROUND) + canvas[:, :SENSOR, :SENSOR])
    return brightness
