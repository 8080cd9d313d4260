"""Decode samples: bytes to numbers of full scale 1, and to int16 where that is what the bytes hold."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any, Final

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float32]

WIDTHS: Final = {"u8": 1, "s16le": 2, "s24le": 3, "s24_32le": 4, "s32le": 4, "f32le": 4, "f64le": 8}
"""Sample formats of streams, and their bytes per sample.

The names are those of ffmpeg; ``"s24_32le"``, as GStreamer calls it, is ALSA's S24_LE: 24 bits in the low 3 of 4 bytes.
"""


_STEPS: Final = {
    **dict.fromkeys(("PCM_U8", "PCM_S8", "u8"), 2.0**-7),
    **dict.fromkeys(("PCM_16", "s16le"), 2.0**-15),
    **dict.fromkeys(("FLOAT", "DOUBLE", "f32le", "f64le", ""), 0.0),
    "ALAW": 2.0**-11,
    "ULAW": 2.0**-12,
}


def silent_span(subtype: str) -> float:
    """Return how far the samples of digital silence may lie apart, full scale 1: a step either way, as dither does.

    Parameters
    ----------
    subtype
        Sample format, as libsndfile names it, or a key of `WIDTHS`. Floats and an empty name have no step, because they
        may be in any unit; unknown formats have that of 24 bits.

    Examples
    --------
    >>> silent_span("PCM_16") * 32768
    2.0
    """
    return 2 * _STEPS.get(subtype, 2.0**-23)


def _s24(data: bytes) -> FloatArray:
    raw = np.frombuffer(data, np.uint8).reshape(-1, 3)
    wide = np.zeros((len(raw), 4), np.uint8)
    wide[:, 1:] = raw
    return _scaled(wide.view("<i4")[:, 0])


def _s24_low(data: bytes) -> FloatArray:
    return _scaled(np.frombuffer(data, "<i4") << 8)


def _scaled(integers: npt.NDArray[np.int32]) -> FloatArray:
    """Return 32-bit integers as float32: rounded once, then divided by a power of two."""
    samples = integers.astype(np.float32)
    samples *= np.float32(2.0**-31)
    return samples


def _f64(data: bytes) -> FloatArray:
    with np.errstate(over="ignore", invalid="ignore", under="ignore"):  # the caller reports values that are not finite
        return np.frombuffer(data, "<f8").astype(np.float32)


@lru_cache
def _g711(law: str) -> FloatArray:
    """Values of the 256 codes of A-law or mu-law [float32, ``[256]``] (ITU-T G.711)."""
    codes = np.arange(256) ^ (0x55 if law == "alaw" else 0xFF)
    exponents, mantissas = codes >> 4 & 7, codes & 15
    if law == "alaw":
        sizes = np.where(exponents > 0, (16 * mantissas + 264) << np.maximum(exponents - 1, 0), 16 * mantissas + 8)
        signs = np.where(codes & 0x80, 1, -1)
    else:
        sizes = ((8 * mantissas + 132) << exponents) - 132
        signs = np.where(codes & 0x80, -1, 1)
    return (signs * sizes / 32768).astype(np.float32)


DECODERS: Final[dict[str, Callable[[bytes], npt.NDArray[Any]]]] = {
    "u8": lambda data: ((np.frombuffer(data, np.uint8).astype(np.float32) - 128) / 128).astype(np.float32),
    "s16le": lambda data: np.frombuffer(data, "<i2").astype(np.int16, copy=False),
    "s24le": _s24,
    "s24_32le": _s24_low,
    "s32le": lambda data: _scaled(np.frombuffer(data, "<i4")),
    "f32le": lambda data: np.frombuffer(data, "<f4").astype(np.float32, copy=False),
    "f64le": _f64,
    "alaw": lambda data: _g711("alaw")[np.frombuffer(data, np.uint8)],
    "mulaw": lambda data: _g711("mulaw")[np.frombuffer(data, np.uint8)],
}
"""Decoders [int16 for ``"s16le"``, else float32, ``[numbers]``]."""
