"""Select the SIMD kernels where they work, and the plain kernels elsewhere.

The SIMD kernels use the private surface of Numba, so another version of it or another CPU may break them. They are
imported on first use. The first call of each kernel in a process runs it on a fixed signal and compares the result
with a transform by NumPy. If the kernel cannot be imported, cannot be compiled or gives a wrong answer, the rest of the
process uses the plain kernels, after one warning.
"""

from __future__ import annotations

import threading
import warnings
from collections.abc import Callable
from types import ModuleType
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from asdkit.errors import AsdkitWarning
from asdkit.kernels.framing import frame_weights
from asdkit.kernels.mel import mel_bank, mel_filters
from asdkit.text import error_line

KernelName = Literal["spectra", "band_rows", "power_to_db"]

# Half a transform of these sizes ends in a pass of radix 4, 8 and 2: all that there are.
_TEST_SIZES = (64, 128, 256)
_TEST_FRAMES = 20  # a full block of SIMD frames and a part of one
_TEST_MELS = 20
_TEST_RATE = 16000
_SPECTRUM_TOLERANCE = 1e-5  # of the largest value; the kernels are within 1e-6
_DB_TOLERANCE = 0.01


def select_kernel(name: KernelName, dtype: npt.DTypeLike = np.float32) -> Callable[..., Any]:
    """Kernel that works in this process.

    Parameters
    ----------
    name
        Function of `asdkit.kernels.log_mel_simd` and `asdkit.kernels.log_mel_plain`.
    dtype
        Samples of the wave, float32 or int16; each is compiled, and tested, separately.

    Warns
    -----
    AsdkitWarning
        Once per process, if the SIMD kernels do not work.
    """
    return _selector.select(name, np.dtype(dtype))


class KernelSelector:
    """Selection for one process, of plain kernels only if `plain`."""

    def __init__(self, *, plain: bool = False) -> None:
        self._lock = threading.Lock()
        self._selected: dict[tuple[str, str], Callable[..., Any]] = {}
        self._plain = plain

    def select(self, name: KernelName, dtype: np.dtype[Any]) -> Callable[..., Any]:
        """See `select_kernel`."""
        key = name, dtype.char
        if key not in self._selected:  # without the lock, which only the first calls need
            with self._lock:
                if key not in self._selected:
                    self._add(name, dtype)
        return self._selected[key]

    def _add(self, name: KernelName, dtype: np.dtype[Any]) -> None:
        cause = ""
        if not self._plain:
            try:
                simd = _simd_module()
                _TESTS[name](getattr(simd, name), dtype)
            except Exception as error:  # from Numba, LLVM or the test: anything
                self._plain = True
                cause = error_line(error, 200)
            else:
                self._selected[name, dtype.char] = getattr(simd, name)
                return
        from asdkit.kernels import log_mel_plain

        for other, char in self._selected:  # one process uses one kind of kernel
            self._selected[other, char] = getattr(log_mel_plain, other)
        self._selected[name, dtype.char] = getattr(log_mel_plain, name)
        if cause:
            warnings.warn(
                f"the fast SIMD kernels do not work here, so spectra are computed by slower ones ({cause}); "
                "results agree within the documented accuracy",
                AsdkitWarning,
                stacklevel=5,
            )


_selector = KernelSelector()


def _simd_module() -> ModuleType:
    from asdkit.kernels import log_mel_simd

    return log_mel_simd


def _test_spectra(kernel: Callable[..., Any], dtype: np.dtype[Any]) -> None:
    for n_fft in _TEST_SIZES:
        magnitude = n_fft == _TEST_SIZES[-1]
        wave, expected = _test_wave(n_fft, dtype, magnitude)
        spectra = np.empty(expected.shape, np.float32)
        kernel(wave, n_fft // 2, True, n_fft // 2, frame_weights(n_fft, None, dtype == np.int16), magnitude, spectra)
        _compare(spectra, expected, _SPECTRUM_TOLERANCE * expected.max())


def _test_band_rows(kernel: Callable[..., Any], dtype: np.dtype[Any]) -> None:
    for n_fft in _TEST_SIZES:
        magnitude = n_fft == _TEST_SIZES[-1]
        wave, spectra = _test_wave(n_fft, dtype, magnitude)
        filters = mel_filters(sample_rate=_TEST_RATE, n_fft=n_fft, n_mels=_TEST_MELS)
        bank = mel_bank(filters, _TEST_MELS, _TEST_RATE / n_fft, 0.0, _TEST_RATE / 2, False)
        rows = np.empty((_TEST_FRAMES, _TEST_MELS), np.float32)
        window = frame_weights(n_fft, None, dtype == np.int16)
        kernel(wave, n_fft // 2, True, n_fft // 2, window, magnitude, bank, True, rows)
        _compare(rows, _decibels(spectra @ filters.T), _DB_TOLERANCE)


def _test_power_to_db(kernel: Callable[..., Any], dtype: np.dtype[Any]) -> None:
    power = np.logspace(-12, 12, 2 * _TEST_FRAMES, dtype=np.float32)
    _compare(kernel(power), _decibels(power.astype(np.float64)), _DB_TOLERANCE)


_TESTS: dict[str, Callable[[Callable[..., Any], np.dtype[Any]], None]] = {
    "spectra": _test_spectra,
    "band_rows": _test_band_rows,
    "power_to_db": _test_power_to_db,
}


def _test_wave(n_fft: int, dtype: np.dtype[Any], magnitude: bool) -> tuple[Any, npt.NDArray[np.float64]]:
    """Noise of `_TEST_FRAMES` centred frames with a hop of half a frame, and its spectra in float64."""
    hop = n_fft // 2
    wave = np.random.default_rng(0).uniform(-0.5, 0.5, (_TEST_FRAMES - 1) * hop + 1)
    if dtype == np.int16:
        samples: Any = (wave * 32768).astype(np.int16)
        wave = samples / 32768
    else:
        samples = wave.astype(np.float32)
    frames = np.lib.stride_tricks.sliding_window_view(np.pad(wave, hop, mode="reflect"), n_fft)[::hop]
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(n_fft) / n_fft)
    return samples, np.abs(np.fft.rfft(frames * window)) ** (1 if magnitude else 2)


def _decibels(power: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    return 10 * np.log10(np.maximum(power, 1e-10))


def _compare(result: npt.NDArray[np.float32], expected: npt.NDArray[np.float64], tolerance: float) -> None:
    error = np.abs(result - expected).max()
    if not error <= tolerance:  # NaN fails too
        raise ArithmeticError(f"self-test: an error of {error:.3g} where {tolerance:.3g} is allowed")
