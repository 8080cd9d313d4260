"""Short-time Fourier transform: spectra of a wave's frames, a block of `LANES` frames at a time."""

from __future__ import annotations

from typing import Any

import numpy as np

from asdkit.kernels.fft import FloatArray, Transform, first_butterfly, last_pass, pass_of_eight
from asdkit.kernels.jit import inline, kernel
from asdkit.kernels.lanes import LANES, TILE, load, load_tile, root, spread, store, store_tile

WORK_ROWS = 8 * TILE
"""Rows of work space that a transform needs besides two for each complex number."""


@kernel
def block(wave: Any, begin: int, length: int, reflect: bool, stage: Any) -> tuple[Any, int]:
    """Where to read `length` samples from number `begin` of the wave on: the wave itself, or `stage` with padding."""
    samples = len(wave)
    if begin >= 0 and begin + length <= samples:
        return wave, begin
    period = max(2 * (samples - 1), 1)
    for i in range(length):
        at = begin + i
        if reflect:
            at = at % period
            at = min(at, period - at)
        stage[i] = wave[at] if 0 <= at < samples else 0
    return stage, 0


@kernel
def first_pass(samples: Any, start: int, hop: int, window: FloatArray, twiddles: FloatArray, work: FloatArray) -> None:
    """First pass over `LANES` frames, the first at sample `start`; reads up to `TILE` samples beyond the last.

    `window` must hold half the weights, as unpacking leaves out its factor 1/2. A few butterflies are made at a time,
    so that samples reach them through the nearest cache.
    """
    half = len(window) // 2
    m = half // 8
    x, z = work[:WORK_ROWS], work[WORK_ROWS:]
    chunk = min(m, LANES)
    for i in range(0, m, chunk):
        for j in range(8):
            load_tile(samples, start + 2 * (i + m * j), hop, x, j * TILE)
        for k in range(chunk):
            first_butterfly(x, 2 * k, TILE, window, z, i + k, m, twiddles)


@kernel
def other_passes(work: FloatArray, tables: Transform, magnitude: bool, power: FloatArray) -> None:
    """Finish the transform and unpack spectra into rows ``0`` to ``n_fft / 2`` of `power`."""
    z = work[WORK_ROWS:]
    half = len(tables.places) - 1
    n, begin = half // 8, 14 * (half // 8)
    while n > 8:
        for first in range(0, half, n):
            pass_of_eight(z, first, n, tables.twiddles, begin)
        n //= 8
        begin += 14 * n
    last_pass(z, 0, half, n)
    _unpack(z, tables, power)
    if magnitude:
        for k in range(half + 1):
            store(power, k, root(load(power, k)))


@inline
def _unpack(z: FloatArray, tables: Transform, power: FloatArray) -> None:
    """Power of bins k and n_fft / 2 - k together, which need the same two numbers."""
    places, turns = tables.places, tables.turns
    half = len(places) - 1
    for k in range(half // 2 + 1):
        a, b = 2 * places[k], 2 * places[half - k]
        ar, ai, br, bi = load(z, a), load(z, a + 1), load(z, b), load(z, b + 1)
        er, ei, dr, di = ar + br, ai - bi, ar - br, ai + bi
        c, s = spread(turns[2 * k]), spread(turns[2 * k + 1])
        tr, ti = di * c + dr * s, di * s - dr * c
        ur, ui, vr, vi = er + tr, ei + ti, er - tr, ei - ti
        store(power, k, ur * ur + ui * ui)
        store(power, half - k, vr * vr + vi * vi)


@kernel
def store_block(rows: FloatArray, bands: int, out: FloatArray, first: int) -> None:
    """Write rows ``0`` to ``bands - 1`` as frames of `out` from `first` on; frames beyond its end are left out."""
    frames = min(LANES, len(out) - first)
    whole = bands // LANES * LANES if frames == LANES else 0
    for band in range(0, whole, LANES):
        store_tile(rows, band, out, first, band)
    for lane in range(frames):
        for band in range(whole, bands):
            out[first + lane, band] = rows[band, lane]


@kernel
def spectra(
    wave: Any, lead: int, reflect: bool, hop: int, window: FloatArray, tables: Transform, magnitude: bool,
    work: FloatArray, out: FloatArray,
) -> None:  # fmt: skip
    """Spectra of all frames; the first begins `lead` samples before the wave."""
    length = (LANES - 1) * hop + len(window) + TILE
    stage = np.empty(length, wave.dtype)
    power = work[WORK_ROWS + len(window) :]
    for first in range(0, len(out), LANES):
        samples, start = block(wave, first * hop - lead, length, reflect, stage)
        first_pass(samples, start, hop, window, tables.twiddles, work)
        other_passes(work, tables, magnitude, power)
        store_block(power, len(window) // 2 + 1, out, first)
