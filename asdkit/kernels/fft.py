"""Power spectra of `LANES` frames at once, by an in-place Fourier transform.

A real frame of N samples is treated as N/2 complex numbers: even samples are real parts, odd samples imaginary parts.
Its spectrum is unpacked from their transform Z by

    X[k] = E[k] + W^k O[k],   E = (Z[k] + Z*[N/2 - k]) / 2,   O = (Z[k] - Z*[N/2 - k]) / 2i,   W = exp(-2 pi i / N)

(Sorensen et al., Real-valued fast Fourier transform algorithms, IEEE Trans. ASSP 35, 1987). Z is computed by
decimation in frequency with radix 8. A pass over a transform of n = r m numbers replaces, for i < m,

    z[i + m k] <- exp(-2 pi i i k / n) sum_j exp(-2 pi i j k / r) z[i + m j],   k < r

and leaves r transforms of m numbers each. Each number is a whole row of lanes, so reading the result in the permuted
order costs nothing, and no pass needs to sort (as Stockham's do). Row ``2 i`` of the buffer is the real part of
number i, row ``2 i + 1`` the imaginary part.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from asdkit.kernels.jit import inline, kernel
from asdkit.kernels.simd import LANES, TILE, load, load_tile, root, spread, store, store_tile

FloatArray = npt.NDArray[np.float32]
IntArray = npt.NDArray[np.int64]

WORK_ROWS = 8 * TILE
"""Rows of work space that a transform needs, besides two for each complex number."""

_SQRT_HALF = np.float32(np.sqrt(0.5))


class FftTables(NamedTuple):
    """Tables for frames of one length.

    Attributes
    ----------
    twiddles
        [float32] Real and imaginary parts of ``exp(-2 pi i i k / n)`` for each pass but the last, each i < m,
        and k = 1 to 7.
    positions
        [int64, ``[n_fft / 2 + 1]``] Where the transform leaves number k; the last is number 0 again.
    roots
        [float32, ``[n_fft / 4 + 1, 2]`` flat] Real and imaginary parts of ``W^k``, to unpack the spectrum.
    """

    twiddles: FloatArray
    positions: IntArray
    roots: FloatArray


def fft_tables(n_fft: int) -> FftTables:
    """Tables for frames of `n_fft` samples, a power of two from 64."""
    half = n_fft // 2
    twiddles = []
    n = half
    while n > 8:
        i, k = np.arange(n // 8)[:, None], np.arange(1, 8)
        twiddles.append(_real_and_imaginary(np.exp(-2j * np.pi * i * k / n)))
        n //= 8
    positions = _output_positions(half)
    roots = _real_and_imaginary(np.exp(-2j * np.pi * np.arange(half // 2 + 1) / n_fft))
    return FftTables(np.concatenate(twiddles), np.append(positions, positions[0]), roots)


def _real_and_imaginary(numbers: npt.NDArray[np.complex128]) -> FloatArray:
    return numbers.astype(np.complex64).ravel().view(np.float32)


def _output_positions(n: int) -> IntArray:
    """Where decimation in frequency leaves number k: in transform ``k mod r`` of the first pass, then recursively."""
    if n == 1:
        return np.zeros(1, np.int64)
    radix = min(n, 8)
    k = np.arange(n)
    return np.asarray(k % radix * (n // radix) + _output_positions(n // radix)[k // radix])


@kernel
def first_pass(samples: Any, start: int, hop: int, window: FloatArray, twiddles: FloatArray, work: FloatArray) -> None:
    """First pass over `LANES` frames, the first at sample `start`; reads up to `TILE` samples beyond the last.

    `window` holds half the weights, because unpacking leaves out its factor 1/2. Butterflies are computed in small
    groups, so that their samples stay in the first-level cache.
    """
    half = len(window) // 2
    m = half // 8
    x, z = work[:WORK_ROWS], work[WORK_ROWS:]
    chunk = min(m, LANES)
    for i in range(0, m, chunk):
        for j in range(8):
            load_tile(samples, start + 2 * (i + m * j), hop, x, j * TILE)
        for k in range(chunk):
            _first_butterfly(x, 2 * k, TILE, window, z, i + k, m, twiddles)


@kernel
def remaining_passes(work: FloatArray, tables: FftTables, magnitude: bool, power: FloatArray) -> None:
    """Finish the transform and unpack spectra into rows ``0`` to ``n_fft / 2`` of `power`."""
    z = work[WORK_ROWS:]
    half = len(tables.positions) - 1
    n, begin = half // 8, 14 * (half // 8)
    while n > 8:
        for first in range(0, half, n):
            _radix8_pass(z, first, n, tables.twiddles, begin)
        n //= 8
        begin += 14 * n
    _last_pass(z, 0, half, n)
    _unpack_power(z, tables, power)
    if magnitude:
        for k in range(half + 1):
            store(power, k, root(load(power, k)))


@kernel
def store_frames(rows: FloatArray, bands: int, out: FloatArray, first: int) -> None:
    """Write rows ``0`` to ``bands - 1`` as frames of `out` from `first` on; omit frames beyond its end."""
    frames = min(LANES, len(out) - first)
    whole = bands // LANES * LANES if frames == LANES else 0
    for band in range(0, whole, LANES):
        store_tile(rows, band, out, first, band)
    for lane in range(frames):
        for band in range(whole, bands):
            out[first + lane, band] = rows[band, lane]


@inline
def _unpack_power(z: FloatArray, tables: FftTables, power: FloatArray) -> None:
    """Power of bins k and n_fft / 2 - k together, which need the same two numbers."""
    positions, roots = tables.positions, tables.roots
    half = len(positions) - 1
    for k in range(half // 2 + 1):
        a, b = 2 * positions[k], 2 * positions[half - k]
        ar, ai, br, bi = load(z, a), load(z, a + 1), load(z, b), load(z, b + 1)
        er, ei, dr, di = ar + br, ai - bi, ar - br, ai + bi
        c, s = spread(roots[2 * k]), spread(roots[2 * k + 1])
        tr, ti = di * c + dr * s, di * s - dr * c
        ur, ui, vr, vi = er + tr, ei + ti, er - tr, ei - ti
        store(power, k, ur * ur + ui * ui)
        store(power, half - k, vr * vr + vi * vi)


@inline
def _sum_and_difference(ar: Any, ai: Any, br: Any, bi: Any) -> Any:
    return ar + br, ai + bi, ar - br, ai - bi


@inline
def _dft4(ar: Any, ai: Any, br: Any, bi: Any, cr: Any, ci: Any, dr: Any, di: Any) -> Any:
    """Transform of four numbers."""
    er, ei, fr, fi = _sum_and_difference(ar, ai, cr, ci)
    gr, gi, hr, hi = _sum_and_difference(br, bi, dr, di)
    return er + gr, ei + gi, fr + hi, fi - hr, er - gr, ei - gi, fr - hi, fi + hr


@inline
def _dft8(
    ar: Any, ai: Any, br: Any, bi: Any, cr: Any, ci: Any, dr: Any, di: Any,
    er: Any, ei: Any, fr: Any, fi: Any, gr: Any, gi: Any, hr: Any, hi: Any,
) -> Any:  # fmt: skip
    """Transform of eight numbers: sums give the even outputs, rotated differences the odd ones."""
    ar, ai, er, ei = _sum_and_difference(ar, ai, er, ei)
    br, bi, fr, fi = _sum_and_difference(br, bi, fr, fi)
    cr, ci, gr, gi = _sum_and_difference(cr, ci, gr, gi)
    dr, di, hr, hi = _sum_and_difference(dr, di, hr, hi)
    y0r, y0i, y2r, y2i, y4r, y4i, y6r, y6i = _dft4(ar, ai, br, bi, cr, ci, dr, di)
    fr, fi = (fr + fi) * _SQRT_HALF, (fi - fr) * _SQRT_HALF
    hr, hi = (hi - hr) * _SQRT_HALF, (hr + hi) * -_SQRT_HALF
    y1r, y1i, y3r, y3i, y5r, y5i, y7r, y7i = _dft4(er, ei, fr, fi, gi, gr * np.float32(-1.0), hr, hi)
    return y0r, y0i, y1r, y1i, y2r, y2i, y3r, y3i, y4r, y4i, y5r, y5i, y6r, y6i, y7r, y7i


@inline
def _load_number(z: FloatArray, i: int) -> Any:
    return load(z, 2 * i), load(z, 2 * i + 1)


@inline
def _store_number(z: FloatArray, i: int, re: Any, im: Any) -> None:
    store(z, 2 * i, re)
    store(z, 2 * i + 1, im)


@inline
def _store_rotated(z: FloatArray, i: int, re: Any, im: Any, twiddles: FloatArray, at: int) -> None:
    """Multiply by the twiddle factor at `at` and store as number i."""
    wr, wi = spread(twiddles[at]), spread(twiddles[at + 1])
    store(z, 2 * i, re * wr - im * wi)
    store(z, 2 * i + 1, re * wi + im * wr)


@inline
def _load_weighted(x: FloatArray, row: int, weights: FloatArray, at: int) -> Any:
    return load(x, row) * spread(weights[at]), load(x, row + 1) * spread(weights[at + 1])


@inline
def _first_butterfly(
    x: FloatArray, row: int, step: int, window: FloatArray, z: FloatArray, i: int, m: int, twiddles: FloatArray
) -> None:
    """Butterfly i of the first pass: reads samples from rows of `x` and applies the window."""
    ar, ai = _load_weighted(x, row, window, 2 * i)
    br, bi = _load_weighted(x, row + step, window, 2 * (i + m))
    cr, ci = _load_weighted(x, row + 2 * step, window, 2 * (i + 2 * m))
    dr, di = _load_weighted(x, row + 3 * step, window, 2 * (i + 3 * m))
    er, ei = _load_weighted(x, row + 4 * step, window, 2 * (i + 4 * m))
    fr, fi = _load_weighted(x, row + 5 * step, window, 2 * (i + 5 * m))
    gr, gi = _load_weighted(x, row + 6 * step, window, 2 * (i + 6 * m))
    hr, hi = _load_weighted(x, row + 7 * step, window, 2 * (i + 7 * m))
    ar, ai, br, bi, cr, ci, dr, di, er, ei, fr, fi, gr, gi, hr, hi = _dft8(
        ar, ai, br, bi, cr, ci, dr, di, er, ei, fr, fi, gr, gi, hr, hi
    )
    at = 14 * i
    _store_number(z, i, ar, ai)
    _store_rotated(z, i + m, br, bi, twiddles, at)
    _store_rotated(z, i + 2 * m, cr, ci, twiddles, at + 2)
    _store_rotated(z, i + 3 * m, dr, di, twiddles, at + 4)
    _store_rotated(z, i + 4 * m, er, ei, twiddles, at + 6)
    _store_rotated(z, i + 5 * m, fr, fi, twiddles, at + 8)
    _store_rotated(z, i + 6 * m, gr, gi, twiddles, at + 10)
    _store_rotated(z, i + 7 * m, hr, hi, twiddles, at + 12)


@inline
def _dft8_of(z: FloatArray, i: int, m: int) -> Any:
    """Transform of the eight numbers i, i + m, ..., i + 7 m."""
    ar, ai = _load_number(z, i)
    br, bi = _load_number(z, i + m)
    cr, ci = _load_number(z, i + 2 * m)
    dr, di = _load_number(z, i + 3 * m)
    er, ei = _load_number(z, i + 4 * m)
    fr, fi = _load_number(z, i + 5 * m)
    gr, gi = _load_number(z, i + 6 * m)
    hr, hi = _load_number(z, i + 7 * m)
    return _dft8(ar, ai, br, bi, cr, ci, dr, di, er, ei, fr, fi, gr, gi, hr, hi)


@kernel
def _radix8_pass(z: FloatArray, first: int, n: int, twiddles: FloatArray, begin: int) -> None:
    """One pass over the transform of `n` numbers that begins at `first`; its twiddle factors begin at `begin`."""
    m = n // 8
    for i in range(m):
        j = first + i
        at = begin + 14 * i
        ar, ai, br, bi, cr, ci, dr, di, er, ei, fr, fi, gr, gi, hr, hi = _dft8_of(z, j, m)
        _store_number(z, j, ar, ai)
        _store_rotated(z, j + m, br, bi, twiddles, at)
        _store_rotated(z, j + 2 * m, cr, ci, twiddles, at + 2)
        _store_rotated(z, j + 3 * m, dr, di, twiddles, at + 4)
        _store_rotated(z, j + 4 * m, er, ei, twiddles, at + 6)
        _store_rotated(z, j + 5 * m, fr, fi, twiddles, at + 8)
        _store_rotated(z, j + 6 * m, gr, gi, twiddles, at + 10)
        _store_rotated(z, j + 7 * m, hr, hi, twiddles, at + 12)


@kernel
def _last_pass(z: FloatArray, first: int, last: int, radix: int) -> None:
    """Transforms of `radix` (8, 4 or 2) numbers each, from `first` up to `last`."""
    if radix == 8:
        for j in range(first, last, 8):
            ar, ai, br, bi, cr, ci, dr, di, er, ei, fr, fi, gr, gi, hr, hi = _dft8_of(z, j, 1)
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
            ar, ai, br, bi, cr, ci, dr, di = _dft4(ar, ai, br, bi, cr, ci, dr, di)
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
