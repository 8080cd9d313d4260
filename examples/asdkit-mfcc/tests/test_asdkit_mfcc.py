"""The featurizer keeps its contract, and its numbers are those of the transform."""

import numpy as np
from asdkit_mfcc import MfccConfig, asdkit_featurizers
from asdkit_mfcc.featurizer import Mfcc

from asdkit.testing import parametrize_with_checks


@parametrize_with_checks(asdkit_featurizers())
def test_the_featurizer_keeps_its_contract(check):
    check()


def test_a_louder_sound_changes_the_first_coefficient_alone():
    """A factor of the wave adds the same to each band: only the constant of the transform is changed, by sqrt(64)."""
    featurizer = Mfcc(MfccConfig())
    wave = np.random.default_rng(0).normal(0, 0.1, 16_000).astype(np.float32)
    frames = np.empty((2, featurizer.rows(len(wave)), featurizer.bands), np.float32)
    for factor, out in zip((1, 2), frames, strict=True):
        featurizer.fill(wave * np.float32(factor), 16_000, out)
    change = frames[1] - frames[0]
    np.testing.assert_allclose(change[:, 0], 20 * np.log10(2) * 8, atol=1e-3)
    np.testing.assert_allclose(change[:, 1:], 0, atol=1e-3)
