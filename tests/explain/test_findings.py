"""Findings: made differences are named right, healthy clips have none. More: `python -m tests.robustness explain`."""

from __future__ import annotations

import numpy as np
import pytest

from asdkit.explain.findings import LEAST_CLIPS, HealthySound
from asdkit.explain.sound import measure
from tests.helpers.made_sounds import KINDS, machine, make, right, tone

RATE = 8000
SECONDS = 4.0
MISSING = 1234.0


@pytest.fixture(scope="module")
def waves():
    """Ten healthy clips at random gains."""
    rng = np.random.default_rng(0)
    return [machine(rng, SECONDS, RATE, seed=3) * 10 ** (rng.uniform(-6, 6) / 20) for _ in range(10)]


@pytest.fixture(scope="module")
def healthy(waves):
    return HealthySound([measure(wave, RATE) for wave in waves])


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "missing line"])
def test_made_differences_are_named_right(kind, waves, healthy):
    rng = np.random.default_rng(4)
    for _ in range(3):
        wave = machine(rng, SECONDS, RATE, seed=3)
        made = make(kind, wave, RATE, rng, waves)
        found = healthy.find(measure(made.wave, RATE))
        assert right(made, found[0] if found else None) == ""


def test_a_missing_line_is_named(waves):
    rng = np.random.default_rng(5)
    with_tone = [wave + tone(wave, RATE, MISSING, rng.uniform(26, 29)) for wave in waves]
    (found,) = HealthySound([measure(wave, RATE) for wave in with_tone]).find(measure(waves[0], RATE))
    assert found.kind == "missing line"
    assert abs(found.low - MISSING) < 0.03 * MISSING
    assert found.sentence.startswith("the tone at 1.23 kHz is missing: ")


def test_sentences_say_what_was_measured(healthy):
    wave = machine(np.random.default_rng(6), SECONDS, RATE, seed=3)
    (found,) = healthy.find(measure(wave + tone(wave, RATE, 3100.0, 36.0), RATE))
    assert found.sentence == f"a tone at 3.1 kHz, {found.amount:.0f} dB above anything healthy, all the time"


def test_healthy_clips_have_no_findings(healthy):
    rng = np.random.default_rng(7)
    clips = [machine(rng, SECONDS, RATE, seed=3) * 10 ** (rng.uniform(-6, 6) / 20) for _ in range(50)]
    assert [found for wave in clips for found in healthy.find(measure(wave, RATE))] == []


def test_limits_are_those_of_the_healthy_clips(waves):
    """A tone that is in some healthy clips is no finding."""
    some = [wave + tone(wave, RATE, 3100.0, 36.0) if i < 3 else wave for i, wave in enumerate(waves)]
    healthy = HealthySound([measure(wave, RATE) for wave in some])
    wave = machine(np.random.default_rng(6), SECONDS, RATE, seed=3)
    assert healthy.find(measure(wave + tone(wave, RATE, 3100.0, 36.0), RATE)) == []


def test_too_few_or_too_short_clips_say_nothing(waves):
    assert measure(np.zeros(RATE), RATE) is None
    assert measure(waves[0][:2000], RATE) is None
    sounds = [measure(wave, RATE) for wave in waves[: LEAST_CLIPS - 1]]
    with pytest.raises(ValueError, match="expected at least"):
        HealthySound(sounds)


def test_integers_and_floats_are_measured_alike(waves):
    one, other = measure((waves[0] * 32768).astype(np.int16), RATE), measure(waves[0].astype(np.float32), RATE)
    assert np.allclose(one.floor, other.floor, atol=0.3)
    assert np.allclose(one.modulation, other.modulation, atol=0.01)
