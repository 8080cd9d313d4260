"""Fourier transform of `LANES` frames at once, in place.

A real frame of N samples is taken as N/2 complex numbers, even samples real, odd ones imaginary; its spectrum is
unpacked from their transform Z by

    X[k] = E[k] + W^k O[k],   E = (Z[k] + Z*[N/2 - k]) / 2,   O = (Z[k] - Z*[N/2 - k]) / 2i,   W = exp(-2 pi i / N)

(Sorensen et al., Real-valued fast Fourier transform algorithms, IEEE Trans. ASSP 35, 1987). Z is computed by
decimation in frequency, eight at a time: passes over transforms of n = r m numbers replace, for i < m,

    z[i + m k] <- exp(-2 pi i i k / n) sum_j exp(-2 pi i j k / r) z[i + m j],   k < r

and leave r transforms of m numbers each. Each number is a whole row of lanes, so that reading the result in the
permuted order in which this leaves it costs nothing, and no pass needs to sort (as Stockham's do). Row ``2 i`` of
the buffer is the real part of number i, row ``2 i + 1`` the imaginary part.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from asdkit.kernels.jit import inline, kernel
from asdkit.kernels.lanes import load, spread, store

FloatArray = npt.NDArray[np.float32]
IntArray = npt.NDArray[np.int64]

_HALF_ROOT = np.float32(np.sqrt(0.5))


class Transform(NamedTuple):
    """Tables for frames of one length.

    Attributes
    ----------
    twiddles
        [float32] Real and imaginary parts of ``exp(-2 pi i i k / n)`` for each pass but the last, each i < m,
        and k = 1 to 7.
    places
        [int64, ``[n_fft / 2 + 1]``] Where the transform leaves number k; the last is number 0 again.
    turns
        [float32, ``[n_fft / 4 + 1, 2]`` flat] Real and imaginary part of ``W^k``.
    """

    twiddles: FloatArray
    places: IntArray
    turns: FloatArray


def transform(n_fft: int) -> Transform:
    """Tables for frames of `n_fft` samples, a power of two from 64."""
    half = n_fft // 2
    twiddles = []
    n = half
    while n > 8:
        i, k = np.arange(n // 8)[:, None], np.arange(1, 8)
        twiddles.append(_parts(np.exp(-2j * np.pi * i * k / n)))
        n //= 8
    places = _places(half)
    turns = _parts(np.exp(-2j * np.pi * np.arange(half // 2 + 1) / n_fft))
    return Transform(np.concatenate(twiddles), np.append(places, places[0]), turns)


def _parts(numbers: npt.NDArray[np.complex128]) -> FloatArray:
    return numbers.astype(np.complex64).ravel().view(np.float32)


def _places(n: int) -> IntArray:
    """Where decimation in frequency leaves number k: transform ``k mod r`` of the first pass, then so within it."""
    if n == 1:
        return np.zeros(1, np.int64)
    radix = min(n, 8)
    k = np.arange(n)
    return np.asarray(k % radix * (n // radix) + _places(n // radix)[k // radix])


@inline
def _sum_and_difference(ar: Any, ai: Any, br: Any, bi: Any) -> Any:
    return ar + br, ai + bi, ar - br, ai - bi


@inline
def _four(ar: Any, ai: Any, br: Any, bi: Any, cr: Any, ci: Any, dr: Any, di: Any) -> Any:
    """Transform of four numbers."""
    er, ei, fr, fi = _sum_and_difference(ar, ai, cr, ci)
    gr, gi, hr, hi = _sum_and_difference(br, bi, dr, di)
    return er + gr, ei + gi, fr + hi, fi - hr, er - gr, ei - gi, fr - hi, fi + hr


@inline
def _eight(
    ar: Any, ai: Any, br: Any, bi: Any, cr: Any, ci: Any, dr: Any, di: Any,
    er: Any, ei: Any, fr: Any, fi: Any, gr: Any, gi: Any, hr: Any, hi: Any,
) -> Any:  # fmt: skip
    """Transform of eight numbers: that of sums gives the even ones, that of turned differences the odd ones."""
    ar, ai, er, ei = _sum_and_difference(ar, ai, er, ei)
    br, bi, fr, fi = _sum_and_difference(br, bi, fr, fi)
    cr, ci, gr, gi = _sum_and_difference(cr, ci, gr, gi)
    dr, di, hr, hi = _sum_and_difference(dr, di, hr, hi)
    y0r, y0i, y2r, y2i, y4r, y4i, y6r, y6i = _four(ar, ai, br, bi, cr, ci, dr, di)
    fr, fi = (fr + fi) * _HALF_ROOT, (fi - fr) * _HALF_ROOT
    hr, hi = (hi - hr) * _HALF_ROOT, (hr + hi) * -_HALF_ROOT
    y1r, y1i, y3r, y3i, y5r, y5i, y7r, y7i = _four(er, ei, fr, fi, gi, gr * np.float32(-1.0), hr, hi)
    return y0r, y0i, y1r, y1i, y2r, y2i, y3r, y3i, y4r, y4i, y5r, y5i, y6r, y6i, y7r, y7i


@inline
def store_turned(z: FloatArray, row: int, re: Any, im: Any, twiddles: FloatArray, at: int) -> None:
    """Multiply by the twiddle factor at `at` and store as number ``row / 2``."""
    wr, wi = spread(twiddles[at]), spread(twiddles[at + 1])
    store(z, row, re * wr - im * wi)
    store(z, row + 1, re * wi + im * wr)


@inline
def _load_weighted(x: FloatArray, row: int, weights: FloatArray, at: int) -> Any:
    return load(x, row) * spread(weights[at]), load(x, row + 1) * spread(weights[at + 1])


@inline
def first_butterfly(
    x: FloatArray, row: int, step: int, window: FloatArray, z: FloatArray, i: int, m: int, twiddles: FloatArray
) -> None:
    """Butterfly i of the first pass, from samples in rows of `x` as they were loaded, windowed on the way."""
    ar, ai = _load_weighted(x, row, window, 2 * i)
    br, bi = _load_weighted(x, row + step, window, 2 * (i + m))
    cr, ci = _load_weighted(x, row + 2 * step, window, 2 * (i + 2 * m))
    dr, di = _load_weighted(x, row + 3 * step, window, 2 * (i + 3 * m))
    er, ei = _load_weighted(x, row + 4 * step, window, 2 * (i + 4 * m))
    fr, fi = _load_weighted(x, row + 5 * step, window, 2 * (i + 5 * m))
    gr, gi = _load_weighted(x, row + 6 * step, window, 2 * (i + 6 * m))
    hr, hi = _load_weighted(x, row + 7 * step, window, 2 * (i + 7 * m))
    ar, ai, br, bi, cr, ci, dr, di, er, ei, fr, fi, gr, gi, hr, hi = _eight(
        ar, ai, br, bi, cr, ci, dr, di, er, ei, fr, fi, gr, gi, hr, hi
    )
    at = 14 * i
    store(z, 2 * i, ar)
    store(z, 2 * i + 1, ai)
    store_turned(z, 2 * (i + m), br, bi, twiddles, at)
    store_turned(z, 2 * (i + 2 * m), cr, ci, twiddles, at + 2)
    store_turned(z, 2 * (i + 3 * m), dr, di, twiddles, at + 4)
    store_turned(z, 2 * (i + 4 * m), er, ei, twiddles, at + 6)
    store_turned(z, 2 * (i + 5 * m), fr, fi, twiddles, at + 8)
    store_turned(z, 2 * (i + 6 * m), gr, gi, twiddles, at + 10)
    store_turned(z, 2 * (i + 7 * m), hr, hi, twiddles, at + 12)


@inline
def _load_number(z: FloatArray, i: int) -> Any:
    return load(z, 2 * i), load(z, 2 * i + 1)


@inline
def _store_number(z: FloatArray, i: int, re: Any, im: Any) -> None:
    store(z, 2 * i, re)
    store(z, 2 * i + 1, im)


@inline
def _load_eight(z: FloatArray, i: int, m: int) -> Any:
    ar, ai = _load_number(z, i)
    br, bi = _load_number(z, i + m)
    cr, ci = _load_number(z, i + 2 * m)
    dr, di = _load_number(z, i + 3 * m)
    er, ei = _load_number(z, i + 4 * m)
    fr, fi = _load_number(z, i + 5 * m)
    gr, gi = _load_number(z, i + 6 * m)
    hr, hi = _load_number(z, i + 7 * m)
    return _eight(ar, ai, br, bi, cr, ci, dr, di, er, ei, fr, fi, gr, gi, hr, hi)


@kernel
def pass_of_eight(z: FloatArray, first: int, n: int, twiddles: FloatArray, begin: int) -> None:
    """One pass over the transform of `n` numbers that begins at `first`; its twiddle factors begin at `begin`."""
    m = n // 8
    for i in range(m):
        j = first + i
        at = begin + 14 * i
        ar, ai, br, bi, cr, ci, dr, di, er, ei, fr, fi, gr, gi, hr, hi = _load_eight(z, j, m)
        _store_number(z, j, ar, ai)
        store_turned(z, 2 * (j + m), br, bi, twiddles, at)
        store_turned(z, 2 * (j + 2 * m), cr, ci, twiddles, at + 2)
        store_turned(z, 2 * (j + 3 * m), dr, di, twiddles, at + 4)
        store_turned(z, 2 * (j + 4 * m), er, ei, twiddles, at + 6)
        store_turned(z, 2 * (j + 5 * m), fr, fi, twiddles, at + 8)
        store_turned(z, 2 * (j + 6 * m), gr, gi, twiddles, at + 10)
        store_turned(z, 2 * (j + 7 * m), hr, hi, twiddles, at + 12)


@kernel
def last_pass(z: FloatArray, first: int, last: int, radix: int) -> None:
    """Transforms of `radix` (8, 4 or 2) numbers each, those from `first` up to `last`."""
    if radix == 8:
        for j in range(first, last, 8):
            ar, ai, br, bi, cr, ci, dr, di, er, ei, fr, fi, gr, gi, hr, hi = _load_eight(z, j, 1)
            _store_number(z, j, ar, ai)
            _store_number(z, j + 1, br, bi)
            _store_number(z, j + 2, cr, ci)
            _store_number(z, j + 3, dr, di)
            _store_number(z, j + 4, er, ei)
            _store_number(z, j + 5, fr, fi)
            _store_number(z, j + 6, gr, gi)
            _store_number(z, j + 7, hr, hi)
    elif radix == 4:
        for j in range(first, last, 4):
            ar, ai = _load_number(z, j)
            br, bi = _load_number(z, j + 1)
            cr, ci = _load_number(z, j + 2)
            dr, di = _load_number(z, j + 3)
            ar, ai, br, bi, cr, ci, dr, di = _four(ar, ai, br, bi, cr, ci, dr, di)
            _store_number(z, j, ar, ai)
            _store_number(z, j + 1, br, bi)
            _store_number(z, j + 2, cr, ci)
            _store_number(z, j + 3, dr, di)
    else:
        for j in range(first, last, 2):
            ar, ai = _load_number(z, j)
            br, bi = _load_number(z, j + 1)
            ar, ai, br, bi = _sum_and_difference(ar, ai, br, bi)
            _store_number(z, j, ar, ai)
            _store_number(z, j + 1, br, bi)
