"""From the samples of a wave to rows of a matrix: spectra, or bands of them.

Frames of `FFT_SIZES` samples are processed by the kernels that `asdkit.kernels.fallback` selects, others by
`scipy.fft`.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from asdkit.kernels.fallback import select_kernel
from asdkit.kernels.filter_bank import FilterBank
from asdkit.kernels.framing import FFT_SIZES, frame_count, frame_weights

FloatArray = npt.NDArray[np.float32]
Wave = npt.NDArray[np.float32] | npt.NDArray[np.int16]
PadMode = Literal["constant", "reflect"]

_FRAMES_AT_ONCE = 64  # of the transform by scipy


class Framing(NamedTuple):
    """How a wave is cut into frames; as in `asdkit.kernels.log_mel`."""

    n_fft: int
    hop: int
    window: FloatArray | None
    center: bool
    pad_mode: PadMode

    @property
    def lead(self) -> int:
        """Samples of padding before the wave, where the first frame begins."""
        return self.n_fft // 2 if self.center else 0

    def weights(self, wave: Wave) -> FloatArray:
        """Weights of a frame's samples, as the kernels take them."""
        window = None if self.window is None else np.asarray(self.window, np.float64).tobytes()
        return frame_weights(self.n_fft, window, wave.dtype == np.int16)


def checked(
    wave: Wave, out: FloatArray | None, bands: int, framing: Framing, power: Literal[1, 2]
) -> tuple[Wave, FloatArray]:
    """Return `wave` and `out` in the layout that the kernels take.

    Raises
    ------
    ValueError
        If an argument is out of range, or `wave` or `out` has the wrong shape or dtype.
    """
    n_fft, hop_length, _, center, pad_mode = framing
    if n_fft < 2 or hop_length < 1 or bands < 1:
        raise ValueError(
            f"n_fft must be at least 2, hop_length and the number of bands at least 1; "
            f"not {n_fft}, {hop_length} and {bands}"
        )
    if pad_mode not in ("constant", "reflect") or power not in (1, 2):
        raise ValueError(f'pad_mode must be "constant" or "reflect", power 1 or 2; not {pad_mode!r} and {power!r}')
    samples = np.asarray(wave)
    if samples.ndim != 1 or not (samples.dtype == np.int16 or np.issubdtype(samples.dtype, np.floating)):
        raise ValueError(f"wave must be [samples] of float32 or int16, not {list(samples.shape)} of {samples.dtype}")
    if center and pad_mode == "reflect" and len(samples) == 0:
        raise ValueError("an empty wave cannot be reflected")
    # One layout for the compiler: writable, C-contiguous. Copying other arrays costs less than compiling again.
    wave = np.require(samples, np.int16 if samples.dtype == np.int16 else np.float32, ["C", "W"])
    shape = (frame_count(len(wave), n_fft=n_fft, hop_length=hop_length, center=center), bands)
    if out is None:
        out = np.empty(shape, np.float32)
    elif out.shape != shape or out.dtype != np.float32 or not (out.flags.c_contiguous and out.flags.writeable):
        raise ValueError(
            f"out must be writable, C-contiguous {list(shape)} of float32, not {list(out.shape)} of {out.dtype}"
        )
    return wave, out


def fill_spectra(wave: Wave, framing: Framing, power: Literal[1, 2], out: FloatArray) -> None:
    """Write the spectra of all frames to `out` [float32, ``[frames, 1 + n_fft // 2]``]."""
    weights = framing.weights(wave)
    if framing.n_fft in FFT_SIZES:
        spectra = select_kernel("spectra", wave.dtype)
        spectra(wave, framing.lead, framing.pad_mode == "reflect", framing.hop, weights, power == 1, out)
    else:
        _scipy_spectra(wave, framing, weights, power, out)


def fill_bands(
    wave: Wave, framing: Framing, power: Literal[1, 2], filters: FloatArray, bank: FilterBank, decibels: bool,
    out: FloatArray,
) -> None:  # fmt: skip
    """Write the bands of all frames to `out` [float32, ``[frames, bands]``], in dB if `decibels`.

    `filters` [float32, ``[bins, bands]``] and `bank` are the same filters.
    """
    if framing.n_fft in FFT_SIZES:
        rows = select_kernel("band_rows", wave.dtype)
        weights = framing.weights(wave)
        rows(wave, framing.lead, framing.pad_mode == "reflect", framing.hop, weights, power == 1, bank, decibels, out)
        return
    spectra = np.empty((len(out), len(filters)), np.float32)
    fill_spectra(wave, framing, power, spectra)
    with np.errstate(invalid="ignore", over="ignore"):
        np.matmul(spectra, filters, out=out)
    if decibels:
        out[:] = select_kernel("power_to_db")(out)


def _scipy_spectra(wave: Wave, framing: Framing, weights: FloatArray, power: Literal[1, 2], out: FloatArray) -> None:
    """Spectra of frames whose length is not in `FFT_SIZES`, some frames at a time."""
    from scipy.fft import rfft

    if len(out) == 0:
        return
    padded = np.pad(wave, framing.lead, mode=framing.pad_mode)
    frames = np.lib.stride_tricks.sliding_window_view(padded, len(weights))[:: framing.hop]
    with np.errstate(invalid="ignore", over="ignore"):  # NaN and Inf propagate
        for first in range(0, len(out), _FRAMES_AT_ONCE):
            spectra = rfft(frames[first : first + _FRAMES_AT_ONCE] * weights)
            rows = out[first : first + _FRAMES_AT_ONCE]
            np.add(spectra.real**2, spectra.imag**2, out=rows)
            if power == 1:
                np.sqrt(rows, out=rows)
