"""The detector keeps its contract."""

from asdkit_conv_autoencoder import asdkit_detectors

from asdkit.testing import parametrize_with_checks


@parametrize_with_checks(asdkit_detectors(), options={"epochs": 2})  # seconds
def test_the_detector_keeps_its_contract(check):
    check()
