"""From samples to rows of a matrix: spectra, mel bands, decibels."""

from __future__ import annotations

import threading
from functools import lru_cache
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from asdkit.features import frame_count
from asdkit.kernels.decibel import power_to_db
from asdkit.kernels.fft import FloatArray, Transform, transform
from asdkit.kernels.jit import kernel
from asdkit.kernels.lanes import LANES, TILE
from asdkit.kernels.mel import MelBank, Norm, mel_bands, mel_bank, mel_filters
from asdkit.kernels.spectra import WORK_ROWS, block, first_pass, other_passes, spectra, store_block

Wave = npt.NDArray[np.float32] | npt.NDArray[np.int16]
PadMode = Literal["constant", "reflect"]

OWN_SIZES = tuple(2**i for i in range(6, 14))
"""Frame lengths of our own transform, 64 to 8192; others go through `scipy.fft`."""

_INT16 = np.float32(1 / 32768)


def stft(
    wave: Wave,
    *,
    n_fft: int = 1024,
    hop_length: int = 512,
    window: FloatArray | None = None,
    center: bool = True,
    pad_mode: PadMode = "constant",
    power: Literal[1, 2] = 2,
    out: FloatArray | None = None,
) -> FloatArray:
    """Power or magnitude of the short-time Fourier transform: ``abs(librosa.stft(...)).T ** power``.

    Parameters
    ----------
    wave, n_fft, hop_length, window, center, pad_mode, power, out
        As in `log_mel`.

    Returns
    -------
    spectra
        [float32, ``[frames, 1 + n_fft // 2]``] `out`, or a new array. NaN or Inf in a frame's samples are NaN or Inf
        in its spectrum.

    Raises
    ------
    ValueError
        As `log_mel`.
    """
    wave, out = _checked(wave, out, 1 + n_fft // 2, n_fft, hop_length, center, pad_mode, power)
    weights = _window(n_fft, None if window is None else _key(window), wave.dtype == np.int16)
    lead = n_fft // 2 if center else 0
    if n_fft not in OWN_SIZES:
        return _other_spectra(wave, lead, pad_mode, hop_length, weights, power, out)
    work = _work(WORK_ROWS + n_fft + n_fft // 2 + LANES)
    spectra(wave, lead, pad_mode == "reflect", hop_length, weights, _transform(n_fft), power == 1, work, out)
    return out


def mel_spectrogram(
    wave: Wave,
    *,
    sample_rate: float = 16000,
    n_fft: int = 1024,
    hop_length: int = 512,
    n_mels: int = 128,
    window: FloatArray | None = None,
    center: bool = True,
    pad_mode: PadMode = "constant",
    power: Literal[1, 2] = 2,
    fmin: float = 0.0,
    fmax: float | None = None,
    htk: bool = False,
    norm: Norm = "slaney",
    out: FloatArray | None = None,
) -> FloatArray:
    """Mel spectrogram: ``librosa.feature.melspectrogram(...).T``.

    Parameters
    ----------
    wave, sample_rate, n_fft, hop_length, n_mels, window, center, pad_mode, power, fmin, fmax, htk, norm, out
        As in `log_mel`.

    Returns
    -------
    mel
        [float32, ``[frames, n_mels]``] `out`, or a new array: power, or with ``power=1`` magnitude.

    Raises
    ------
    ValueError
        As `log_mel`.
    """
    wave, out = _checked(wave, out, n_mels, n_fft, hop_length, center, pad_mode, power)
    mel = (float(sample_rate), n_fft, n_mels, float(fmin), None if fmax is None else float(fmax), htk, norm)
    return _mel(wave, mel, hop_length, window, center, pad_mode, power, False, out)


def log_mel(
    wave: Wave,
    *,
    sample_rate: float = 16000,
    n_fft: int = 1024,
    hop_length: int = 512,
    n_mels: int = 128,
    window: FloatArray | None = None,
    center: bool = True,
    pad_mode: PadMode = "constant",
    power: Literal[1, 2] = 2,
    fmin: float = 0.0,
    fmax: float | None = None,
    htk: bool = False,
    norm: Norm = "slaney",
    out: FloatArray | None = None,
) -> FloatArray:
    """Log-mel spectrogram: ``librosa.power_to_db(librosa.feature.melspectrogram(...), top_db=None).T``.

    Releases the GIL; several threads may call it at once.

    Parameters
    ----------
    wave
        [float32 or int16, ``[samples]``] Mono; int16 means sample / 32768, and is scaled as it is loaded.
    sample_rate
        Samples a second.
    n_fft
        Samples of a frame. Powers of two from 64 to 8192 are fastest.
    hop_length
        Samples from one frame to the next.
    n_mels
        Mel bands. Where they are narrower than the spacing of bins, a band may hold none: it is silent, as in librosa.
    window
        [float, ``[at most n_fft]``] Weights of a frame's samples, centred in the frame; default: periodic Hann.
    center
        Frame t is centred on sample ``t * hop_length``, the wave being padded by half a frame at both ends; else it
        begins there.
    pad_mode
        What to pad with: ``"constant"`` zeros, or ``"reflect"``, the wave mirrored at its ends.
    power
        Exponent of the magnitude: 2 for power, 1 for magnitude.
    fmin, fmax
        Lowest and highest frequency, Hz; `fmax` defaults to half the sample rate.
    htk
        HTK's mel scale instead of Slaney's.
    norm
        ``"slaney"`` divides each mel triangle by its width in Hz; None leaves its peak at one.
    out
        [float32, ``[frames, n_mels]``, C-contiguous] Where to write; a new array by default.

    Returns
    -------
    db
        [float32, ``[frames, n_mels]``] `out`, or the new array: ``10 log10(max(mel, 1e-10))``, so at least -100 dB.
        NaN or Inf in a frame's samples are NaN or Inf in the bands that they reach.

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
    wave, out = _checked(wave, out, n_mels, n_fft, hop_length, center, pad_mode, power)
    mel = (float(sample_rate), n_fft, n_mels, float(fmin), None if fmax is None else float(fmax), htk, norm)
    return _mel(wave, mel, hop_length, window, center, pad_mode, power, True, out)


def _mel(
    wave: Wave,
    mel: tuple[float, int, int, float, float | None, bool, Norm],
    hop: int,
    window: FloatArray | None,
    center: bool,
    pad_mode: PadMode,
    power: Literal[1, 2],
    decibels: bool,
    out: FloatArray,
) -> FloatArray:
    n_fft, n_mels = mel[1], mel[2]
    filters, bank = _filters(*mel)
    weights = _window(n_fft, None if window is None else _key(window), wave.dtype == np.int16)
    lead = n_fft // 2 if center else 0
    if n_fft not in OWN_SIZES:
        spectrum = np.empty((len(out), 1 + n_fft // 2), np.float32)
        _other_spectra(wave, lead, pad_mode, hop, weights, power, spectrum)
        with np.errstate(invalid="ignore", over="ignore"):
            np.matmul(spectrum, filters, out=out)
        if decibels:
            out[:] = power_to_db(out)
        return out
    work = _work(WORK_ROWS + n_fft + n_fft // 2 + n_mels + LANES)
    _mel_rows(wave, lead, pad_mode == "reflect", hop, weights, _transform(n_fft), power == 1, bank, decibels, work, out)
    return out


@kernel
def _mel_rows(
    wave: Any, lead: int, reflect: bool, hop: int, window: FloatArray, tables: Transform, magnitude: bool,
    bank: MelBank, decibels: bool, work: FloatArray, out: FloatArray,
) -> None:  # fmt: skip
    """Mel bands of all frames; the first begins `lead` samples before the wave. All of a block stays in cache."""
    length = (LANES - 1) * hop + len(window) + TILE
    stage = np.empty(length, wave.dtype)
    power = work[WORK_ROWS + len(window) :]
    bands = power[len(window) // 2 + 1 :]
    for first in range(0, len(out), LANES):
        samples, start = block(wave, first * hop - lead, length, reflect, stage)
        first_pass(samples, start, hop, window, tables.twiddles, work)
        other_passes(work, tables, magnitude, power)
        mel_bands(power, bank, decibels, bands)
        store_block(bands, out.shape[1], out, first)


def _checked(
    wave: Wave,
    out: FloatArray | None,
    bands: int,
    n_fft: int,
    hop_length: int,
    center: bool,
    pad_mode: PadMode,
    power: Literal[1, 2],
) -> tuple[Wave, FloatArray]:
    """Wave and out as the kernels take them."""
    if n_fft < 2 or hop_length < 1 or bands < 1:
        raise ValueError(f"n_fft ({n_fft}) must be at least 2, hop_length ({hop_length}) and the bands ({bands}) 1")
    if pad_mode not in ("constant", "reflect") or power not in (1, 2):
        raise ValueError(f'pad_mode must be "constant" or "reflect", power 1 or 2; not {pad_mode!r} and {power!r}')
    given = np.asarray(wave)
    if given.ndim != 1 or not (given.dtype == np.int16 or np.issubdtype(given.dtype, np.floating)):
        raise ValueError(f"wave must be [samples] of float32 or int16, not {list(given.shape)} of {given.dtype}")
    if center and pad_mode == "reflect" and len(given) == 0:
        raise ValueError("an empty wave cannot be reflected")
    # One layout for the compiler: writable, C-contiguous. Others are copied; that costs less than compiling again.
    wave = np.require(given, np.int16 if given.dtype == np.int16 else np.float32, ["C", "W"])
    shape = (frame_count(len(wave), n_fft=n_fft, hop_length=hop_length, center=center), bands)
    if out is None:
        out = np.empty(shape, np.float32)
    elif out.shape != shape or out.dtype != np.float32 or not (out.flags.c_contiguous and out.flags.writeable):
        raise ValueError(
            f"out must be writable, C-contiguous {list(shape)} of float32, not {list(out.shape)} of {out.dtype}"
        )
    return wave, out


def _key(window: FloatArray) -> bytes:
    return np.asarray(window, np.float64).tobytes()


@lru_cache(maxsize=32)
def _window(n_fft: int, given: bytes | None, scaled: bool) -> FloatArray:
    """Half the weights of a frame's samples, in our own sizes (see `first_pass`), else all; int16's scale included."""
    if given is None:
        weights = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(n_fft) / n_fft)
    else:
        window = np.frombuffer(given)
        if not 1 <= len(window) <= n_fft:
            raise ValueError(f"a window of {len(window)} samples does not fit a frame of {n_fft}")
        weights = np.zeros(n_fft)
        begin = (n_fft - len(window)) // 2
        weights[begin : begin + len(window)] = window
    if n_fft in OWN_SIZES:
        weights *= 0.5
    return (weights * _INT16 if scaled else weights).astype(np.float32)


@lru_cache(maxsize=32)
def _filters(
    sample_rate: float, n_fft: int, n_mels: int, fmin: float, fmax: float | None, htk: bool, norm: Norm
) -> tuple[FloatArray, MelBank]:
    """Mel filters as a matrix [float32, ``[bins, n_mels]``], and as the kernel takes them."""
    fmax = sample_rate / 2 if fmax is None else fmax
    if not 0 <= fmin < fmax:
        raise ValueError(f"fmin ({fmin:g} Hz) must be at least 0 and below fmax ({fmax:g} Hz)")
    filters = mel_filters(sample_rate=sample_rate, n_fft=n_fft, n_mels=n_mels, fmin=fmin, fmax=fmax, htk=htk, norm=norm)
    bank = mel_bank(filters, n_mels, sample_rate / n_fft, fmin, fmax, htk)
    return np.ascontiguousarray(filters.T, np.float32), bank


_transform = lru_cache(maxsize=16)(transform)

_scratch = threading.local()


def _work(rows: int) -> FloatArray:
    """Work space of this thread [float32, ``[at least rows, LANES]``], each row within one cache line."""
    held: FloatArray | None = getattr(_scratch, "rows", None)
    if held is None or len(held) < rows:
        width = 4 * LANES
        memory = np.zeros(rows * width + 64, np.uint8)
        begin = -memory.ctypes.data % 64
        held = memory[begin : begin + rows * width].view(np.float32).reshape(rows, LANES)
        _scratch.rows = held
    return held


def _other_spectra(
    wave: Wave, lead: int, pad_mode: PadMode, hop: int, weights: FloatArray, power: Literal[1, 2], out: FloatArray
) -> FloatArray:
    """Spectra in frame lengths that our own transform does not have, some frames at a time."""
    from scipy.fft import rfft

    padded = np.pad(wave, lead, mode=pad_mode)
    if len(out) == 0:
        return out
    frames = np.lib.stride_tricks.sliding_window_view(padded, len(weights))[::hop]
    with np.errstate(invalid="ignore", over="ignore"):  # NaN and Inf pass through
        for first in range(0, len(out), 4 * LANES):
            spectrum = rfft(frames[first : first + 4 * LANES] * weights)
            rows = out[first : first + 4 * LANES]
            np.add(spectrum.real**2, spectrum.imag**2, out=rows)
            if power == 1:
                np.sqrt(rows, out=rows)
    return out
