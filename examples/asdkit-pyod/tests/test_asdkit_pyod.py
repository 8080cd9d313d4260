"""The plugin keeps the contract of a detector with several detectors of PyOD."""

import pytest
from asdkit_pyod import asdkit_detectors

from asdkit.testing import check_plugin

pytest.importorskip("pyod")


@pytest.mark.parametrize("detector", ["IForest", "LOF", "ECOD", "LODA"])
def test_the_plugin_keeps_its_contract(detector):
    (entry,) = asdkit_detectors()
    results = check_plugin(entry, options={"detector": detector})
    assert [(r.check, r.message) for r in results if r.status == "failed"] == []
