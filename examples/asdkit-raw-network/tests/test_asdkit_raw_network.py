"""Featurizer and detector keep their contracts."""

import numpy as np
from asdkit_raw_network import SamplesConfig, asdkit_detectors, asdkit_featurizers
from asdkit_raw_network.featurizer import Samples

from asdkit.testing import parametrize_with_checks


@parametrize_with_checks(asdkit_featurizers())
def test_the_featurizer_keeps_its_contract(check):
    check()


@parametrize_with_checks(asdkit_detectors(), options={"epochs": 2})  # seconds
def test_the_detector_keeps_its_contract(check):
    check()


def test_frames_are_the_samples():
    samples = Samples(SamplesConfig(size=16))
    out = np.empty((2, 16), np.float32)
    samples.fill((np.arange(40) * 1024 - 20480).astype(np.int16), 16_000, out)
    assert out.ravel().tolist() == [(i - 20) / 32 for i in range(32)]
