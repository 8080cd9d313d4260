"""Log-spaced bands: means of the bins between edges of equal ratio. NumPy only, free of Numba."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import numpy.typing as npt

from asdkit.kernels.filter_bank import FilterBank

_BELOW_NYQUIST = 0.99  # highest edge by default, in half the sample rate: above, anti-aliasing filters fall off


def band_edges(n_bands: int, sample_rate: float, fmin: float, fmax: float | None) -> npt.NDArray[np.float64]:
    """Edges of the bands in Hz [float64, ``[n_bands + 1]``], in geometric progression.

    Raises
    ------
    ValueError
        If `fmin` and `fmax` are not in order between 0 and half the sample rate.
    """
    nyquist = sample_rate / 2
    highest = nyquist * _BELOW_NYQUIST if fmax is None else fmax
    if not 0 < fmin < highest <= nyquist:
        raise ValueError(
            f"bands must lie above 0 and at or below half the sample rate ({nyquist:g} Hz), fmin below fmax; "
            f"not fmin = {fmin:g} Hz, fmax = {highest:g} Hz"
        )
    return np.geomspace(fmin, highest, n_bands + 1)


def band_centres(
    n_bands: int, *, sample_rate: float, fmin: float = 10.0, fmax: float | None = None
) -> npt.NDArray[np.float64]:
    """Geometric mean of each band's edges in Hz [float64, ``[n_bands]``]; parameters as in `band_spectrum`.

    Examples
    --------
    >>> from asdkit.kernels import band_centres
    >>> band_centres(2, sample_rate=16000, fmin=100, fmax=1600).round()
    array([200., 800.])
    """
    edges = band_edges(n_bands, sample_rate, fmin, fmax)
    return np.asarray(np.sqrt(edges[:-1] * edges[1:]))


def band_filters(
    n_bands: int, *, sample_rate: float, n_fft: int, fmin: float, fmax: float | None
) -> npt.NDArray[np.float64]:
    """Weights of the bins of a two-sided power spectrum in each band's mean one-sided power.

    A band is the mean of the bins in ``[edge, next edge)``, or the bin nearest to its geometric centre if it holds
    none. Bins other than 0 and ``n_fft / 2`` count twice, for the negative frequencies.

    Returns
    -------
    filters
        [float64, ``[n_bands, 1 + n_fft // 2]``]
    """
    bins = np.arange(1 + n_fft // 2) * (sample_rate / n_fft)
    first = np.searchsorted(bins, band_edges(n_bands, sample_rate, fmin, fmax))
    centres = band_centres(n_bands, sample_rate=sample_rate, fmin=fmin, fmax=fmax)
    filters = np.zeros((n_bands, len(bins)))
    for band, (begin, end) in enumerate(pairwise(first)):
        if begin < end:
            filters[band, begin:end] = 1 / (end - begin)
        else:
            filters[band, np.abs(bins - centres[band]).argmin()] = 1
    filters[:, 1 : (n_fft + 1) // 2] *= 2
    return filters


def band_bank(filters: npt.NDArray[np.float64]) -> FilterBank:
    """Convert the matrix of `band_filters`: all weights rise, none falls."""
    bands, bins = np.nonzero(filters)
    weights = np.zeros((len(bins), 2), np.float32)
    weights[:, 0] = filters[bands, bins]
    begins = np.searchsorted(bands, np.arange(len(filters) + 2))
    return FilterBank(begins, bins, weights)
