"""What the machine allows: arithmetic and copying of one core, and how much of it each part of log-mel takes."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numba import njit

from asdkit.kernels import fft
from asdkit.kernels.framing import frame_weights
from asdkit.kernels.log_mel_simd import _work, filter_bands
from asdkit.kernels.mel import mel_bank, mel_filters
from asdkit.kernels.simd import LANES, TILE, load, load_tile, spread, store
from benchmarks.harness import OURS, Result, confined, summary

SUITE = "limits"
TURNS = 1000
N_FFT, HOP, BANDS = 1024, 512, 128

# Operations on one frame of N_FFT samples: window; eight-point butterflies (52 additions, 5 multiplications, in all
# but the last pass 7 complex factors of 6); unpacking (24 a pair of bins); mel (4 a bin); decibels (22 a band).
_BUTTERFLIES = N_FFT // 16
OPERATIONS = {
    "load, window, first pass": N_FFT + _BUTTERFLIES * (57 + 42),
    "second and third pass, unpacking": _BUTTERFLIES * (57 + 42) + _BUTTERFLIES * 57 + (N_FFT // 4 + 1) * 24,
    "mel": (N_FFT // 2 + 1) * 4,
    "mel and decibels": (N_FFT // 2 + 1) * 4 + BANDS * 22,
}


def measure(quick: bool) -> Iterator[Result]:
    """Peak arithmetic, copy bandwidth near and far, then the parts of a block of frames."""
    samples = 5 if quick else 40
    with confined(1):
        yield from _arithmetic(samples)
        yield from _copying(samples)
        yield from _parts(samples)


@njit(nogil=True, fastmath=False)
def _multiply_and_add(rows: Any, turns: int) -> None:
    """Eight independent chains of fused multiplications and additions: two operations a lane each."""
    a, b, c, d = load(rows, 0), load(rows, 1), load(rows, 2), load(rows, 3)
    e, f, g, h = load(rows, 4), load(rows, 5), load(rows, 6), load(rows, 7)
    by, plus = spread(np.float32(0.999)), spread(np.float32(1e-3))
    for _ in range(turns):
        a, b, c, d = a * by + plus, b * by + plus, c * by + plus, d * by + plus
        e, f, g, h = e * by + plus, f * by + plus, g * by + plus, h * by + plus
    store(rows, 0, a + b + c + d + e + f + g + h)


def _seconds(work: Callable[[], Any], samples: int) -> list[float]:
    work()
    times = []
    for _ in range(samples):
        begin = time.process_time()
        work()
        times.append(time.process_time() - begin)
    return times


def _arithmetic(samples: int) -> Iterator[Result]:
    turns, rows = 200_000, np.ones((8, LANES), np.float32)
    times = _seconds(lambda: _multiply_and_add(rows, turns), samples)
    rates = [turns * 8 * 2 * LANES / 1e9 / t for t in times]
    yield summary(SUITE, "fused multiplications and additions", {"threads": 1}, OURS, rates, unit="GFLOP/s")


def _copying(samples: int) -> Iterator[Result]:
    for name, size, turns in (("second cache", 2**18, 200), ("memory", 2**28, 1)):
        source, target = np.ones(size, np.uint8), np.ones(size, np.uint8)

        def copy(source: Any = source, target: Any = target, turns: int = turns) -> None:
            for _ in range(turns):
                np.copyto(target, source)

        rates = [size * turns / 1e9 / t for t in _seconds(copy, samples)]
        yield summary(SUITE, f"copying within the {name}", {"threads": 1, "bytes": size}, OURS, rates, unit="GB/s")


@njit(nogil=True, fastmath=False)
def _load(wave: Any, work: Any, turns: int) -> None:
    """Load and transpose the tiles of a block, each sample twice as frames overlap by half."""
    for i in range(turns):
        for at in range(0, N_FFT, TILE):
            load_tile(wave, (i % 8) * LANES * HOP + at, HOP, work, at % (8 * TILE))


@njit(nogil=True, fastmath=False)
def _first(wave: Any, window: Any, tables: Any, work: Any, turns: int) -> None:
    for i in range(turns):
        fft.first_pass(wave, (i % 8) * LANES * HOP, HOP, window, tables.twiddles, work)


@njit(nogil=True, fastmath=False)
def _others(work: Any, tables: Any, power: Any, turns: int) -> None:
    for _ in range(turns):
        fft.remaining_passes(work, tables, False, power)


@njit(nogil=True, fastmath=False)
def _mel(power: Any, bank: Any, decibels: bool, bands: Any, turns: int) -> None:
    for _ in range(turns):
        filter_bands(power, bank, decibels, bands)


@njit(nogil=True, fastmath=False)
def _store(bands: Any, out: Any, turns: int) -> None:
    for i in range(turns):
        fft.store_frames(bands, out.shape[1], out, (i % 8) * LANES)


def _parts(samples: int) -> Iterator[Result]:
    """Each part of a block of `LANES` frames alone, its data where the part before has left them."""
    rng = np.random.default_rng(0)
    float_wave = rng.standard_normal(10 * LANES * HOP + N_FFT).astype(np.float32)
    int_wave = (float_wave * 3000).astype(np.int16)
    window, tables = frame_weights(N_FFT, None, False), fft.fft_tables(N_FFT)
    filters = mel_filters(sample_rate=16000, n_fft=N_FFT, n_mels=BANDS)
    bank = mel_bank(filters, BANDS, 16000 / N_FFT, 0.0, 8000.0, False)
    work = _work(N_FFT, BANDS)
    power = work[fft.WORK_ROWS + N_FFT :]
    bands = power[N_FFT // 2 + 1 :]
    out = np.empty((8 * LANES, BANDS), np.float32)
    first, others = list(OPERATIONS)[:2]
    parts: dict[str, tuple[str, Callable[[], Any]]] = {
        "load (float32)": ("", lambda: _load(float_wave, work, TURNS)),
        "load (int16)": ("", lambda: _load(int_wave, work, TURNS)),
        f"{first} (float32)": (first, lambda: _first(float_wave, window, tables, work, TURNS)),
        f"{first} (int16)": (first, lambda: _first(int_wave, window, tables, work, TURNS)),
        others: (others, lambda: _others(work, tables, power, TURNS)),
        "mel": ("mel", lambda: _mel(power, bank, False, bands, TURNS)),
        "mel and decibels": ("mel and decibels", lambda: _mel(power, bank, True, bands, TURNS)),
        "transpose into rows": ("", lambda: _store(bands, out, TURNS)),
    }
    for name, (operations, work_of) in parts.items():
        times = [t / TURNS for t in _seconds(work_of, samples)]
        parameters: dict[str, float | int | str] = {"n_fft": N_FFT, "frames": LANES}
        yield summary(SUITE, f"part: {name}", parameters, OURS, times)
        if operations:
            rates = [OPERATIONS[operations] * LANES / 1e9 / t for t in times]
            yield summary(SUITE, f"rate: {name}", parameters, OURS, rates, unit="GFLOP/s")
