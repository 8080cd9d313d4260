"""Waves that a caller passes as arrays."""

from __future__ import annotations

import numpy as np
import pytest

from asdkit.audio.io import as_rate, as_wave
from asdkit.errors import DataError, UsageError

SOUND = np.random.default_rng(0).normal(0, 0.1, 100).astype(np.float32)
WHOLE = (SOUND * 32768).astype(np.int16)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (SOUND, SOUND),
        (SOUND.astype(float), SOUND),
        (SOUND.tolist(), SOUND),
        (SOUND.astype(">f8"), SOUND),
        (np.repeat(SOUND, 2)[::2], SOUND),
        (WHOLE, WHOLE),
        (WHOLE.astype(">i2"), WHOLE),
        (WHOLE[::-1][::-1], WHOLE),
        ([], np.zeros(0, np.float32)),
    ],
)
def test_floats_become_float32_and_int16_stays(given, expected):
    wave = as_wave(given)
    np.testing.assert_array_equal(wave, expected)
    assert wave.dtype == expected.dtype
    assert wave.flags["C_CONTIGUOUS"]


@pytest.mark.parametrize(
    "given", [SOUND[:, None], SOUND[None], 1.0, None, "a.wav", WHOLE.astype(int), SOUND + 0j, [[1.0], [1.0, 2.0]]]
)
def test_other_arrays_are_refused(given):
    with pytest.raises(UsageError, match=r"wave 3 is .*expected one channel of int16 or floats"):
        as_wave(given, "wave 3")


def test_other_integers_are_refused_with_a_hint():
    with pytest.raises(UsageError) as error:
        as_wave(WHOLE.astype(np.int32))
    assert "full scale" in error.value.hint


@pytest.mark.parametrize("bad", [np.nan, np.inf, 1e11, 1e300])
def test_samples_out_of_range_are_refused(bad):
    with pytest.raises(
        DataError, match=rf"the wave: sample {len(SOUND)} is .* not a finite number in the range of sounds"
    ):
        as_wave(np.append(SOUND.astype(float), bad))


@pytest.mark.parametrize("rate", [8000, np.int64(8000), 8000.0])
def test_whole_rates_become_int(rate):
    assert (as_rate(rate), type(as_rate(rate))) == (8000, int)


@pytest.mark.parametrize("rate", [0, -8000, 44100.5, float("nan"), float("inf"), "8000", None, 10**9, True])
def test_other_rates_are_refused(rate):
    with pytest.raises(UsageError, match="expected whole Hz from 1000 to 768000"):
        as_rate(rate)
