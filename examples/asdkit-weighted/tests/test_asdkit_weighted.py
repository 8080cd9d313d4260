"""The fuser keeps its contract and weighs its members."""

import numpy as np
import pytest
from asdkit_weighted import WeightedConfig, asdkit_fusers
from asdkit_weighted.fuser import Weighted

from asdkit.api import AsdkitError
from asdkit.testing import parametrize_with_checks

TRAIN = np.array([[1.0, 10.0], [3.0, 30.0]])  # means 2 and 20, deviations 1 and 10


@parametrize_with_checks(asdkit_fusers())
def test_the_fuser_keeps_its_contract(check):
    check()


def test_each_member_counts_by_its_weight():
    fuser = Weighted(WeightedConfig(weights=[3.0, 1.0]))
    fuser.fit(TRAIN, ["00", "00"])
    assert fuser.fuse(np.array([[4.0, 20.0], [2.0, 60.0]]), ["00", "00"]).tolist() == [1.5, 1.0]
    assert fuser.fuse_subset(np.array([[60.0]]), ["00"], [1]).tolist() == [4.0]


def test_another_number_of_weights_is_refused():
    with pytest.raises(AsdkitError, match="3 weights for 2 members"):
        Weighted(WeightedConfig(weights=[1.0, 1.0, 1.0])).fit(TRAIN, ["00", "00"])
