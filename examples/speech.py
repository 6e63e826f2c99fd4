# SPDX-License-Identifier: Apache-2.0
"""Spoken words from a speech synthesiser, as cochlea spikes and as log-mel pictures.

espeak-ng (the wheel espeakng-loader brings it) speaks each word in several voices, pitches and speeds; the
sounds stand in for the recordings SHD (Cramer et al. 2020), N-TIDIGITS (Anumula et al. 2018) and Speech
Commands (Warden 2018), which are not copied. Each set is split by voice: the test voices are never heard in
training. Everything is drawn from seeds and cached.
"""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from examples.data import Bytes, DataError, Floats, cached

SOUND_RATE = 22_050
ENGLISH = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
GERMAN = ("null", "eins", "zwei", "drei", "vier", "fünf", "sechs", "sieben", "acht", "neun")
COMMANDS = ("yes", "no", "up", "down", "left", "right", "on", "off", "stop", "go")
FILLERS = ("house", "bird", "happy", "marvin", "tree", "wow", "visual", "learn")
TRAIN_VOICES = ("m1", "m2", "m3", "m4", "m5", "m6", "f1", "f2", "f3", "f4")
TEST_VOICES = ("m7", "f5")
TEST_FACTOR = 3
"""How much more often each test voice says a word than a training voice does."""


class Utterance(NamedTuple):
    """One word to be spoken, its class, and how often each voice says it."""

    word: str
    language: str
    label: int
    repeats: int


class Spoken(NamedTuple):
    """A data set of sounds as the listener hears them: u8 [n, time, channels], labels u8 [n]."""

    train: Bytes
    train_labels: Bytes
    test: Bytes
    test_labels: Bytes


Listener = Callable[[Floats, np.random.Generator], Bytes]


class Speaker:
    """A speech synthesiser that has not spoken yet: the same words in the same order sound the same.

    Raises: DataError when the package espeakng-loader is missing or does not work.
    """

    def __init__(self) -> None:
        if importlib.util.find_spec("espeakng_loader") is None:
            raise DataError("speaking needs the package espeakng-loader; get it with: pip install 'akc[examples]'")
        command = [sys.executable, str(Path(__file__).with_name("speaker.py"))]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def speak(self, word: str, language: str, voice: str, pitch: int, speed: int) -> Floats:
        """The sound of one word, f32 in -1..1 at 22,050 samples a second; pitch 0..99, speed in words a minute."""
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(json.dumps([word, f"{language}+{voice}", pitch, speed]).encode() + b"\n")
        self._process.stdin.flush()
        size = int(self._process.stdout.readline() or 0)
        if not size:
            raise DataError(f"espeak-ng could not speak '{word}' as {language}+{voice}")
        return np.frombuffer(self._process.stdout.read(size), "<i2").astype(np.float32) / np.float32(32768)

    def __enter__(self) -> Speaker:
        return self

    def __exit__(self, *fault: object) -> None:
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.close()
        self._process.stdout.close()
        self._process.wait()


def speak(word: str, language: str, voice: str, pitch: int, speed: int) -> Floats:
    """The sound of one word from a fresh `Speaker`."""
    with Speaker() as speaker:
        return speaker.speak(word, language, voice, pitch, speed)


def shd_like() -> Spoken:
    """Ten digits in English and German, 20 classes: spikes u8 [n, 140 steps of 5 ms, 140 channels]."""
    words = [Utterance(word, "en", k, 6) for k, word in enumerate(ENGLISH)]
    words += [Utterance(word, "de", 10 + k, 6) for k, word in enumerate(GERMAN)]
    return _spoken("spoken_shd_152", words, lambda sound, _: cochlea_spikes(sound, 140, 140))


def tidigits_like() -> Spoken:
    """Eleven English digits (zero and oh): spike counts u8 [n, 64 bins of 12.5 ms, 64 channels]."""
    words = [Utterance(word, "en", k, 12) for k, word in enumerate((*ENGLISH, "oh"))]

    def listen(sound: Floats, _: np.random.Generator) -> Bytes:
        spikes = cochlea_spikes(sound, 320, 64, step=0.0025)
        counts: Bytes = spikes.reshape(64, 5, 64).sum(axis=1, dtype=np.uint8)
        return counts

    return _spoken("spoken_tidigits_152", words, listen)


def keywords() -> Spoken:
    """Ten commands, "unknown" and "silence" in noise: log-mel pictures u8 [n, 50 steps of 20 ms, 20 bands]."""
    words = [Utterance(word, "en", k, 24) for k, word in enumerate(COMMANDS)]
    words += [Utterance(word, "en", len(COMMANDS), 4) for word in FILLERS]
    words += [Utterance("", "en", len(COMMANDS) + 1, 24)]
    return _spoken("keywords_152", words, log_mel)


def cochlea_spikes(sound: Floats, steps: int, channels: int, step: float = 0.005) -> Bytes:
    """Spikes of leaky integrate-and-fire cells behind a gammatone-shaped filterbank, u8 0/1 [steps, channels].

    Centre frequencies are ERB-spaced from 80 Hz to 8 kHz (Glasberg and Moore 1990), loudness is the cube root
    of the band's energy; a cell forgets 20 % a step and subtracts its threshold when it fires.
    """
    centres = _erb_spaced(80.0, 8_000.0, channels)
    drive = np.cbrt(_frames(sound, steps, step, 0.020) @ _gammatone(centres, _bins(0.020)))
    drive /= max(float(drive.max()), 1e-9)
    membrane = np.zeros(channels, np.float32)
    spikes = np.zeros((steps, channels), np.uint8)
    for t in range(steps):
        membrane = 0.8 * membrane + 1.5 * drive[t]
        spikes[t] = membrane > 1
        membrane -= spikes[t]
    return spikes


def log_mel(sound: Floats, generator: np.random.Generator) -> Bytes:
    """Log-mel energies of one second, u8 [50, 20], with background noise at a random level and a random start."""
    second = np.zeros(SOUND_RATE, np.float32)
    start = int(generator.integers(0, max(SOUND_RATE - len(sound), 1)))
    clipped = sound[:SOUND_RATE]
    second[start : start + len(clipped)] += clipped
    second += generator.standard_normal(SOUND_RATE).astype(np.float32) * np.float32(10 ** generator.uniform(-2.5, -0.3))
    energy = _frames(second, 50, 0.020, 0.040) @ _mel(20, _bins(0.040))
    decibel = 10 * np.log10(np.maximum(energy, 1e-9))
    picture: Bytes = np.clip((decibel + 40) / 80 * 255, 0, 255).astype(np.uint8)
    return picture


def _spoken(name: str, words: Sequence[Utterance], listen: Listener) -> Spoken:
    def make() -> dict[str, Bytes]:
        train = _record(words, TRAIN_VOICES, listen, 1, seed=1)
        test = _record(words, TEST_VOICES, listen, TEST_FACTOR, seed=2)
        return dict(zip(Spoken._fields, (*train, *test)))

    arrays = cached(name, make)
    return Spoken(*(arrays[field].astype(np.uint8, copy=False) for field in Spoken._fields))


def _record(
    words: Sequence[Utterance], voices: Sequence[str], listen: Listener, factor: int, seed: int
) -> tuple[Bytes, Bytes]:
    """Every word in every voice, in shuffled order."""
    generator = np.random.default_rng(seed)
    heard, labels = [], []
    with Speaker() as speaker:
        for utterance in words:
            for voice in voices:
                for _ in range(utterance.repeats * factor):
                    heard.append(listen(_perform(speaker, utterance, voice, generator), generator))
                    labels.append(utterance.label)
    order = generator.permutation(len(labels))
    return np.stack(heard)[order], np.array(labels, np.uint8)[order]


def _perform(speaker: Speaker, utterance: Utterance, voice: str, generator: np.random.Generator) -> Floats:
    pitch, speed = int(generator.integers(25, 76)), int(generator.integers(130, 211))
    if not utterance.word:
        return np.zeros(0, np.float32)
    return speaker.speak(utterance.word, utterance.language, voice, pitch, speed)


def _bins(width: float) -> Floats:
    """Frequencies of a spectrum over windows of `width` seconds, in Hz."""
    return np.fft.rfftfreq(round(width * SOUND_RATE), 1 / SOUND_RATE).astype(np.float32)


def _frames(sound: Floats, steps: int, step: float, width: float) -> Floats:
    """Power spectra of Hann windows, f32 [steps, bins]; silence follows a sound that is too short."""
    hop, size = step * SOUND_RATE, round(width * SOUND_RATE)
    padded = np.zeros(round(steps * hop) + size, np.float32)
    kept = min(len(sound), len(padded))
    padded[:kept] = sound[:kept]
    starts = np.round(np.arange(steps) * hop).astype(int)
    windows = padded[starts[:, None] + np.arange(size)] * np.hanning(size).astype(np.float32)
    return (np.abs(np.fft.rfft(windows, axis=1)) ** 2).astype(np.float32)


def _erb_spaced(low: float, high: float, count: int) -> Floats:
    """Frequencies at equal distances on the ERB-rate scale 21.4 log10(1 + 0.00437 f)."""
    rates = np.linspace(np.log10(1 + 0.00437 * low), np.log10(1 + 0.00437 * high), count)
    return ((10**rates - 1) / 0.00437).astype(np.float32)


def _gammatone(centres: Floats, frequencies: Floats) -> Floats:
    """Power response of 4th-order gammatone filters, f32 [bins, channels]."""
    bandwidth = 1.019 * 24.7 * (4.37e-3 * centres + 1)
    distance = (frequencies[:, None] - centres) / bandwidth
    response: Floats = (1 + distance**2) ** -4
    return response


def _mel(bands: int, frequencies: Floats) -> Floats:
    """Triangular filters on the mel scale 2595 log10(1 + f / 700) from 60 Hz to 7.6 kHz, f32 [bins, bands]."""
    low, high = (2595 * np.log10(1 + f / 700) for f in (60.0, 7_600.0))
    edges = 700 * (10 ** (np.linspace(low, high, bands + 2) / 2595) - 1)
    rising = (frequencies[:, None] - edges[:-2]) / (edges[1:-1] - edges[:-2])
    falling = (edges[2:] - frequencies[:, None]) / (edges[2:] - edges[1:-1])
    return np.maximum(0, np.minimum(rising, falling)).astype(np.float32)
