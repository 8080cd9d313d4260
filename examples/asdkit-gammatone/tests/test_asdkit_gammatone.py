"""The plugin keeps the contract of its kind."""

from asdkit_gammatone import asdkit_featurizers

from asdkit.testing import parametrize_with_checks


@parametrize_with_checks(asdkit_featurizers())
def test_the_plugin_keeps_its_contract(check):
    check()
