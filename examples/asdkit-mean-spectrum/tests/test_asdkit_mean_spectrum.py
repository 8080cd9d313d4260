"""The plugin keeps the contract of its kind."""

from asdkit_mean_spectrum import asdkit_detectors

from asdkit.testing import parametrize_with_checks


@parametrize_with_checks(asdkit_detectors())
def test_the_plugin_keeps_its_contract(check):
    check()
