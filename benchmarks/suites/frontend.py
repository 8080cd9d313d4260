"""Log-mel and long spectra of a clip in memory, and what the first one in a process costs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

from benchmarks import peers
from benchmarks.harness import OURS, Case, Result, run, summary

SUITE = "frontend"


def measure(quick: bool) -> Iterator[Result]:
    """Compare with all peers over n_fft, clip length and threads; then the start of a process."""
    samples = 10 if quick else 60
    for n_fft, seconds in ((1024, 10.0), (512, 10.0), (2048, 10.0), (1024, 2.0), (1024, 60.0)):
        yield from _single(n_fft, seconds, samples)
    for n_fft, seconds in ((8192, 10.0), (8192, 60.0), (65536, 60.0)):
        yield from _spectrum(n_fft, seconds, samples)
    yield from _threaded(samples // 5)
    yield from _start(1 if quick else 5)


def _single(n_fft: int, seconds: float, samples: int) -> Iterator[Result]:
    wave = peers.clip(seconds)
    contenders = {name: partial(front_end, wave) for name, front_end in _front_ends(n_fft).items()}
    parameters: dict[str, float | int | str] = {"threads": 1, "n_fft": n_fft, "clip_s": seconds}
    yield from run(Case(SUITE, "log-mel", parameters, contenders, peers.same_decibels, samples=samples))


def _front_ends(n_fft: int) -> dict[str, Callable[[Any], Any]]:
    import numpy as np

    from asdkit.kernels import log_mel

    def ours(wave: Any) -> Any:
        return log_mel(wave, sample_rate=peers.RATE, n_fft=n_fft, hop_length=n_fft // 2, n_mels=peers.BANDS)

    def from_int16(wave: Any) -> Any:
        if id(wave) not in as_int16:
            as_int16[id(wave)] = (wave * 32768).astype(np.int16)
        return ours(as_int16[id(wave)])

    as_int16: dict[int, Any] = {}
    others = {name: factory(n_fft) for name, factory in peers.FRONT_ENDS.items()}
    return {OURS: ours, "asdkit, int16": from_int16, **others}


def _spectrum(n_fft: int, seconds: float, samples: int) -> Iterator[Result]:
    """Long spectra in log-spaced bands beside Welch's method, which does not add up bands."""
    import numpy as np
    from scipy.signal import welch

    from asdkit.kernels import band_spectrum

    wave = peers.clip(seconds)
    as_int16 = (wave * 32768).astype(np.int16)
    ours = partial(band_spectrum, sample_rate=peers.RATE, n_fft=n_fft)
    contenders = {
        OURS: partial(ours, wave),
        "asdkit, int16": partial(ours, as_int16),
        "scipy.signal.welch": partial(welch, wave, peers.RATE, nperseg=n_fft, detrend=False),
    }
    parameters: dict[str, float | int | str] = {"threads": 1, "n_fft": n_fft, "clip_s": seconds}
    yield from run(Case(SUITE, "spectrum", parameters, contenders, peers.same_density, samples=samples))


def _threaded(samples: int) -> Iterator[Result]:
    """Sixteen clips shared by two threads, each library kept to one thread a clip."""
    waves = [peers.clip(10.0, seed) for seed in range(16)]
    with ThreadPoolExecutor(2) as pool:

        def shared(front_end: Callable[[Any], Any]) -> Any:
            return list(pool.map(front_end, waves))

        contenders = {name: partial(shared, front_end) for name, front_end in _front_ends(1024).items()}
        parameters: dict[str, float | int | str] = {"threads": 2, "n_fft": 1024, "clip_s": 10.0, "clips": 16}

        def same(ours: Any, theirs: Any) -> str:
            return "".join(peers.same_decibels(a, b) for a, b in zip(ours, theirs, strict=True))

        yield from run(Case(SUITE, "log-mel", parameters, contenders, same, threads=2, samples=samples))


_FIRST_USE = """
import json, time
def clocked(work):
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin
def numba_itself():
    from numba.core.registry import cpu_target
    cpu_target.typing_context.refresh()
    cpu_target.target_context.refresh()
def log_mel():
    from asdkit.kernels import log_mel
    log_mel(wave)
seconds = {"import numba": clocked(lambda: __import__("numba"))}
import numpy
wave = numpy.zeros(160000, numpy.int16)
%s
print(json.dumps(seconds))
"""
_WHOLE = 'seconds["first use"] = clocked(log_mel); seconds["second use"] = clocked(log_mel)'
_NUMBAS_PART = 'seconds["Numba\'s own part of a first use"] = clocked(numba_itself)'


def _start(times: int) -> Iterator[Result]:
    """First use in a new process: with nothing compiled yet, and with compiled code kept from before."""
    samples: dict[str, list[float]] = defaultdict(list)
    for _ in range(times):
        with tempfile.TemporaryDirectory() as cache:
            compiling, kept, numba = (_seconds(cache, code) for code in (_WHOLE, _WHOLE, _NUMBAS_PART))
        samples["first use, compiling"].append(compiling["first use"])
        samples["first use, compiled before"].append(kept.pop("first use"))
        for name, seconds in (kept | numba).items():
            samples[name].append(seconds)
    for name, values in samples.items():
        yield summary(SUITE, f"start: {name}", {"n_fft": 1024, "clip_s": 10.0}, OURS, values)


def _seconds(cache: str, code: str) -> dict[str, float]:
    env = {**os.environ, "NUMBA_CACHE_DIR": cache}
    done = subprocess.run(
        [sys.executable, "-c", _FIRST_USE % code], env=env, capture_output=True, text=True, check=True
    )
    seconds: dict[str, float] = json.loads(done.stdout)
    return seconds
