"""From a wave to the blocks that a network takes."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from asdkit.api import FloatArray, Wave, frame_count
from asdkit_pretrained.description import Description, LogMel, Samples


def block_count(about: Description, n_samples: int) -> int:
    """Return the number of blocks of a wave at the model's rate: at least one; an incomplete last one is left out."""
    block, hop = about.input.block, about.input.hop
    return 1 + max(0, _units(about, n_samples) - block) // hop


def blocks(about: Description, wave: Wave, at_once: int) -> Iterator[FloatArray]:
    """Yield the blocks of a wave at the model's rate, so many at once.

    A wave shorter than a block is followed by zeros.

    Yields
    ------
    batch
        [float32, ``[at most at_once, *block_shape]``]
    """
    given = about.input
    count = block_count(about, len(wave))
    wave = _as_float(wave)
    wave = np.pad(wave, (0, max(0, _shortest(given) - len(wave))))
    units = wave if isinstance(given, Samples) else _log_mel(given, wave, about.sample_rate)
    for first in range(0, count, at_once):
        starts = range(first * given.hop, min(first + at_once, count) * given.hop, given.hop)
        batch = np.stack([units[start : start + given.block] for start in starts])
        if isinstance(given, LogMel) and given.order == "mel-time":
            batch = batch.transpose(0, 2, 1)
        yield np.ascontiguousarray(batch)


def _units(about: Description, n_samples: int) -> int:
    """Samples or frames of a wave."""
    given = about.input
    n_samples = max(n_samples, _shortest(given))
    if isinstance(given, Samples):
        return n_samples
    return frame_count(n_samples + _beside(given), n_fft=given.n_fft, hop_length=given.hop_length, center=given.center)


def _shortest(given: Samples | LogMel) -> int:
    """Samples of a wave that fills one block."""
    if isinstance(given, Samples):
        return given.block
    return (given.block - 1) * given.hop_length + (given.n_fft if given.center else given.window)


def _beside(given: LogMel) -> int:
    """Zeros around a wave, so that the first frame begins where its window does, not where the transform does."""
    return 0 if given.center else given.n_fft - given.window


def _as_float(wave: Wave) -> FloatArray:
    if wave.dtype == np.int16:
        return wave.astype(np.float32) / np.float32(32768)
    return wave.astype(np.float32, copy=False)


def _log_mel(given: LogMel, wave: FloatArray, sample_rate: int) -> FloatArray:
    """Return the spectrogram that a network takes [float32, ``[frames, mels]``]."""
    from asdkit.api import mel_filters, mel_spectrogram  # brings Numba

    beside = _beside(given)
    padded = np.pad(wave, (beside // 2, beside - beside // 2))
    if given.level == "peak":
        padded /= np.float32(max(float(np.abs(padded).max()), 1e-12))
    htk, norm = given.scale == "htk", "slaney" if given.norm == "slaney" else None
    mel = mel_spectrogram(
        padded,
        sample_rate=sample_rate,
        n_fft=given.n_fft,
        hop_length=given.hop_length,
        n_mels=given.n_mels,
        window=np.hanning(given.window + 1)[:-1].astype(np.float32),
        center=given.center,
        pad_mode=given.pad,
        power=given.power,
        fmin=given.fmin,
        fmax=given.fmax,
        htk=htk,
        norm=norm,  # type: ignore[arg-type]
    )
    if given.norm == "sum":
        filters = mel_filters(
            sample_rate=sample_rate, n_fft=given.n_fft, n_mels=given.n_mels, fmin=given.fmin, fmax=given.fmax, htk=htk,
            norm=None,
        )  # fmt: skip
        mel /= np.maximum(filters.sum(axis=1), 1e-12).astype(np.float32)
    argument = np.maximum(np.float32(given.factor) * mel + np.float32(given.offset), np.float32(given.floor))
    level = np.log(argument) if given.log == "ln" else np.log10(argument)
    if given.log == "db":
        level *= 10
    return np.asarray((level - np.float32(given.mean)) / np.float32(given.deviation), np.float32)
