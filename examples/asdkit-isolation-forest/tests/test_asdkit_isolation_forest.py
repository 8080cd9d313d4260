"""The detector keeps its contract."""

from asdkit_isolation_forest import asdkit_detectors

from asdkit.testing import parametrize_with_checks


@parametrize_with_checks(asdkit_detectors())
def test_the_detector_keeps_its_contract(check):
    check()
