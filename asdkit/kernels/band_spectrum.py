"""Power spectra of long frames in log-spaced bands."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from asdkit.kernels.filter_bank import FilterBank
from asdkit.kernels.log_bands import band_bank, band_filters
from asdkit.kernels.rows import FloatArray, Framing, Wave, checked, fill_bands


def band_spectrum(
    wave: Wave, *, sample_rate: float = 16000, n_fft: int = 8192, n_bands: int = 96, fmin: float = 10.0,
    fmax: float | None = None, out: FloatArray | None = None,
) -> FloatArray:  # fmt: skip
    """Power spectral density of long frames in log-spaced bands, in dB.

    Frame t is the one-sided density of `scipy.signal.welch` over the samples from ``t * n_fft / 2`` on, with a
    periodic Hann window w and no detrending: ``2 |X[k]|**2 / (sample_rate * sum(w**2))``, not doubled at 0 and half the
    rate. A band is the mean of the bins in ``[edge, next edge)``, or the bin nearest to its centre if it holds none.
    Releases the GIL.

    Parameters
    ----------
    wave
        [float32 or int16, ``[samples]``] Mono; an int16 sample means sample / 32768. One shorter than `n_fft` is
        followed by zeros, up to one frame.
    sample_rate
        Samples per second.
    n_fft
        Samples of a frame; frames overlap by half. Powers of two from 64 to 8192 are fastest.
    n_bands
        Bands.
    fmin, fmax
        Lowest and highest edge of the bands, Hz; `fmax` defaults to 0.99 times half the sample rate.
    out
        [float32, ``[frames, n_bands]``, C-contiguous] Array to write to; a new one by default.

    Returns
    -------
    db
        [float32, ``[frames, n_bands]``] `out`, or the new array, in dB relative to (full scale)**2 / Hz. Silence is
        finite: ``|X|**2`` counts as at least 1e-10.

    Raises
    ------
    ValueError
        If an argument is out of range, or `wave` or `out` has the wrong shape or dtype.

    Examples
    --------
    >>> import numpy as np
    >>> from asdkit.kernels import band_spectrum
    >>> noise = np.random.default_rng(0).standard_normal(160_000).astype(np.float32)
    >>> spectrum = band_spectrum(noise, sample_rate=16000)
    >>> spectrum.shape
    (38, 96)
    >>> float(spectrum[:, 48:].mean().round())  # 10 log10(1 / 8000 Hz)
    -39.0
    """
    if np.ndim(wave) == 1 and len(wave) < n_fft:
        padded = np.zeros(n_fft, np.asarray(wave).dtype)
        padded[: len(wave)] = wave
        wave = padded
    framing = Framing(n_fft, n_fft // 2, None, False, "constant")
    wave, out = checked(wave, out, n_bands, framing, 2)
    filters, bank = _filters(float(sample_rate), n_fft, n_bands, float(fmin), None if fmax is None else float(fmax))
    fill_bands(wave, framing, 2, filters, bank, True, out)
    out -= np.float32(10 * np.log10(sample_rate * 3 / 8 * n_fft))  # the squares of a Hann window sum to 3/8 n_fft
    return out


@lru_cache(maxsize=32)
def _filters(
    sample_rate: float, n_fft: int, n_bands: int, fmin: float, fmax: float | None
) -> tuple[FloatArray, FilterBank]:
    """Filters as a matrix [float32, ``[bins, n_bands]``], and in the form that the kernels take."""
    filters = band_filters(n_bands, sample_rate=sample_rate, n_fft=n_fft, fmin=fmin, fmax=fmax)
    return np.ascontiguousarray(filters.T, np.float32), band_bank(filters)
