"""Spectra and mel bands of short frames, by librosa's conventions, and decibels."""

from __future__ import annotations

from functools import lru_cache
from typing import Literal

import numpy as np

from asdkit.kernels.fallback import select_kernel
from asdkit.kernels.filter_bank import FilterBank
from asdkit.kernels.mel import Norm, mel_bank, mel_filters
from asdkit.kernels.rows import FloatArray, Framing, PadMode, Wave, checked, fill_bands, fill_spectra

# sample_rate, n_fft, n_mels, fmin, fmax, htk, norm
_MelOptions = tuple[float, int, int, float, float | None, bool, Norm]


def log_mel(
    wave: Wave, *, sample_rate: float = 16000, n_fft: int = 1024, hop_length: int = 512, n_mels: int = 128,
    window: FloatArray | None = None, center: bool = True, pad_mode: PadMode = "constant", power: Literal[1, 2] = 2,
    fmin: float = 0.0, fmax: float | None = None, htk: bool = False, norm: Norm = "slaney",
    out: FloatArray | None = None,
) -> FloatArray:  # fmt: skip
    """Log-mel spectrogram: ``librosa.power_to_db(librosa.feature.melspectrogram(...), top_db=None).T``.

    Releases the GIL; several threads may call it at once.

    Parameters
    ----------
    wave
        [float32 or int16, ``[samples]``] Mono; an int16 sample means sample / 32768.
    sample_rate
        Samples per second.
    n_fft, hop_length
        Samples of a frame, and from one frame to the next. Powers of two from 64 to 8192 are fastest for `n_fft`.
    n_mels
        Mel bands. A band narrower than the spacing of bins may contain none and is then silent, as in librosa.
    window
        [float, ``[at most n_fft]``] Weights of a frame's samples, centred in the frame; default: periodic Hann.
    center
        Frame t is centred on sample ``t * hop_length``, with half a frame of padding at both ends of the wave;
        otherwise it begins there.
    pad_mode
        Padding: ``"constant"`` zeros, or ``"reflect"``, the wave mirrored at its ends.
    power
        Exponent of the magnitude: 2 for power, 1 for magnitude.
    fmin, fmax, htk, norm
        As in `mel_filters`.
    out
        [float32, ``[frames, n_mels]``, C-contiguous] Array to write to; a new one by default.

    Returns
    -------
    db
        [float32, ``[frames, n_mels]``] `out`, or the new array: ``10 log10(max(mel, 1e-10))``, so at least -100 dB.
        NaN or Inf in a frame's samples give NaN or Inf in the bands that depend on them.

    Raises
    ------
    ValueError
        If an argument is out of range, or `wave` or `out` has the wrong shape or dtype.

    Examples
    --------
    >>> import numpy as np
    >>> from asdkit.kernels import log_mel
    >>> tone = np.sin(2 * np.pi * 1000 * np.arange(160_000) / 16_000).astype(np.float32)
    >>> log_mel(tone, sample_rate=16000, n_fft=1024, hop_length=512, n_mels=128).shape
    (313, 128)
    """
    mel = (sample_rate, n_fft, n_mels, fmin, fmax, htk, norm)
    return _mel(wave, mel, hop_length, window, center, pad_mode, power, out, decibels=True)


def mel_spectrogram(
    wave: Wave, *, sample_rate: float = 16000, n_fft: int = 1024, hop_length: int = 512, n_mels: int = 128,
    window: FloatArray | None = None, center: bool = True, pad_mode: PadMode = "constant", power: Literal[1, 2] = 2,
    fmin: float = 0.0, fmax: float | None = None, htk: bool = False, norm: Norm = "slaney",
    out: FloatArray | None = None,
) -> FloatArray:  # fmt: skip
    """Mel spectrogram: ``librosa.feature.melspectrogram(...).T``.

    Parameters and errors as in `log_mel`.

    Returns
    -------
    mel
        [float32, ``[frames, n_mels]``] `out`, or a new array: power, or with ``power=1`` magnitude.

    Examples
    --------
    >>> import numpy as np
    >>> from asdkit.kernels import mel_spectrogram
    >>> mel_spectrogram(np.zeros(16_000, np.float32), n_mels=40).shape
    (32, 40)
    """
    mel = (sample_rate, n_fft, n_mels, fmin, fmax, htk, norm)
    return _mel(wave, mel, hop_length, window, center, pad_mode, power, out, decibels=False)


def stft(
    wave: Wave, *, n_fft: int = 1024, hop_length: int = 512, window: FloatArray | None = None, center: bool = True,
    pad_mode: PadMode = "constant", power: Literal[1, 2] = 2, out: FloatArray | None = None,
) -> FloatArray:  # fmt: skip
    """Power or magnitude of the short-time Fourier transform: ``abs(librosa.stft(...)).T ** power``.

    Parameters and errors as in `log_mel`.

    Returns
    -------
    spectra
        [float32, ``[frames, 1 + n_fft // 2]``] `out`, or a new array. NaN or Inf in a frame's samples give NaN or Inf
        in its spectrum.

    Examples
    --------
    >>> import numpy as np
    >>> from asdkit.kernels import stft
    >>> tone = np.sin(2 * np.pi * 1000 * np.arange(16_000) / 16_000).astype(np.float32)
    >>> int(stft(tone, n_fft=1024)[10].argmax())  # 1000 Hz is bin 64 of 15.625 Hz
    64
    """
    framing = Framing(n_fft, hop_length, window, center, pad_mode)
    wave, out = checked(wave, out, 1 + n_fft // 2, framing, power)
    fill_spectra(wave, framing, power, out)
    return out


def power_to_db(power: FloatArray) -> FloatArray:
    """Decibels of power, ``10 log10(max(power, 1e-10))``, like `librosa.power_to_db` with ``top_db=None``.

    Parameters
    ----------
    power
        [float32, any shape] NaN and Inf stay.

    Returns
    -------
    db
        [float32, shape of `power`] Within 1e-5 dB.

    Examples
    --------
    >>> import numpy as np
    >>> from asdkit.kernels import power_to_db
    >>> power_to_db(np.array([0, 1, 100], np.float32)).round(3)
    array([-100.,    0.,   20.], dtype=float32)
    """
    return np.asarray(select_kernel("power_to_db")(power))


def _mel(
    wave: Wave,
    mel: _MelOptions,
    hop: int,
    window: FloatArray | None,
    center: bool,
    pad_mode: PadMode,
    power: Literal[1, 2],
    out: FloatArray | None,
    decibels: bool,
) -> FloatArray:
    sample_rate, n_fft, n_mels, fmin, fmax, htk, norm = mel
    framing = Framing(n_fft, hop, window, center, pad_mode)
    wave, out = checked(wave, out, n_mels, framing, power)
    fmax = float(sample_rate / 2 if fmax is None else fmax)
    filters, bank = _filters(float(sample_rate), n_fft, n_mels, float(fmin), fmax, htk, norm)
    fill_bands(wave, framing, power, filters, bank, decibels, out)
    return out


@lru_cache(maxsize=32)
def _filters(
    sample_rate: float, n_fft: int, n_mels: int, fmin: float, fmax: float, htk: bool, norm: Norm
) -> tuple[FloatArray, FilterBank]:
    """Mel filters as a matrix [float32, ``[bins, n_mels]``], and in the form that the kernels take."""
    if not 0 <= fmin < fmax:
        raise ValueError(f"fmin ({fmin:g} Hz) must be at least 0 and below fmax ({fmax:g} Hz)")
    filters = mel_filters(sample_rate=sample_rate, n_fft=n_fft, n_mels=n_mels, fmin=fmin, fmax=fmax, htk=htk, norm=norm)
    bank = mel_bank(filters, n_mels, sample_rate / n_fft, fmin, fmax, htk)
    return np.ascontiguousarray(filters.T, np.float32), bank
