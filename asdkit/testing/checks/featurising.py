"""What frames are."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np

from asdkit.testing.listing import Failed, Inapplicable, check
from asdkit.testing.machine import SAMPLE_RATE, wave
from asdkit.testing.others import FeaturizerSubject

_CLOSE = 1e-3  # dB, or of the largest power


@check("featurizer")
def frames_follow_the_sound(subject: FeaturizerSubject) -> None:
    """Other sounds give other frames."""
    featurizer = subject.used().instance
    if np.array_equal(subject.fill(featurizer, wave(1.0)), subject.fill(featurizer, wave(1.0, seed=4))):
        raise Failed("two sounds gave the same frames")


@check("featurizer")
def whole_numbers_are_scaled(subject: FeaturizerSubject) -> None:
    """The same sound as int16 and as float32 (its samples / 32768) gives the same frames."""
    featurizer = subject.used().instance
    one, other = (subject.fill(featurizer, wave(1.0, kind)) for kind in ("float32", "int16"))
    margin = _CLOSE if featurizer.scale == "db" else _CLOSE * np.abs(one).max()
    if np.abs(one - other).max() > margin:
        raise Failed(f"frames differ by up to {np.abs(one - other).max():g}; int16 means sample / 32768")


@check("featurizer")
def frequencies_are_those_of_the_bands(subject: FeaturizerSubject) -> None:
    """Frequencies, where it has such a method, are one for each band, finite, ascending, up to half the sample rate."""
    featurizer = subject.used().instance
    if not hasattr(featurizer, "frequencies"):
        raise Inapplicable("it does not say which frequencies its bands have")
    found = np.asarray(featurizer.frequencies(SAMPLE_RATE))
    if found.shape != (featurizer.bands,) or found.dtype != np.float64:
        raise Failed(f"frequencies are {found.dtype} {list(found.shape)}; expected float64 [{featurizer.bands}]")
    if not (np.isfinite(found).all() and (np.diff(found) > 0).all() and found[0] >= 0 and found[-1] <= SAMPLE_RATE / 2):
        raise Failed(f"frequencies from {found.min():g} to {found.max():g} Hz; expected ascending, 0 to half the rate")


@check("featurizer")
def threads_do_not_disturb_each_other(subject: FeaturizerSubject) -> None:
    """Filled from several threads at once, every clip's frames are what they are alone."""
    featurizer = subject.used().instance
    if subject.second_difference():
        raise Inapplicable("it never gives the same frames twice: see same_seed_same_result")
    sounds = [wave(0.5 + 0.1 * (i % 3), seed=i) for i in range(16)]
    alone = [subject.fill(featurizer, sound) for sound in sounds]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda sound: subject.fill(featurizer, sound), sounds))
    if any(not np.array_equal(a, b) for a, b in zip(alone, together, strict=True)):
        raise Failed("frames differ when several threads fill at once; is there a buffer that they share?")
