"""Waves that a caller brings: checked, and brought to the kinds that the toolkit computes with."""

from __future__ import annotations

from numbers import Real

import numpy as np
import numpy.typing as npt

from asdkit.audio.decoding import Wave, require_finite
from asdkit.audio.headers import MAX_RATE, MIN_RATE, UnusableError
from asdkit.errors import DataError, UsageError


def as_wave(given: npt.ArrayLike, what: str = "the wave") -> Wave:
    """Check a wave; int16 stays as it is, other floats become float32.

    Parameters
    ----------
    given
        [float, full scale 1, or int16, ``[samples]``] One channel.
    what
        What messages call it.

    Raises
    ------
    UsageError
        If it is not one channel, or of another type.
    DataError
        If it holds samples that are NaN, infinite, or beyond any sound's size.
    """
    try:
        wave = np.asarray(given)
    except ValueError:  # rows of unlike lengths
        raise UsageError(f"{what} is no array of numbers; expected one channel of int16 or floats") from None
    is_int16 = wave.dtype.kind == "i" and wave.dtype.itemsize == 2
    if wave.ndim != 1 or not (is_int16 or np.issubdtype(wave.dtype, np.floating)):
        hint = "Divide other whole numbers by their full scale." if wave.dtype.kind in "iu" else ""
        found = f"{what} is {wave.dtype} {list(wave.shape)}"
        raise UsageError(f"{found}; expected one channel of int16 or floats", hint=hint)
    if is_int16:
        return np.ascontiguousarray(wave, np.int16)
    with np.errstate(over="ignore", under="ignore"):
        made = np.ascontiguousarray(wave, np.float32)
    try:
        require_finite(made)
    except UnusableError as fault:
        raise DataError(f"{what}: {fault}") from None
    return made


def as_rate(given: object) -> int:
    """Check a sample rate [Hz].

    Raises
    ------
    UsageError
        If it is no whole number of Hz that recordings have.
    """
    rate = int(float(given)) if isinstance(given, Real) and float(given).is_integer() else 0
    if not MIN_RATE <= rate <= MAX_RATE:
        raise UsageError(f"a sample rate of {given!r}; expected whole Hz from {MIN_RATE} to {MAX_RATE}")
    return rate
