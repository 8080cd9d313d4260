"""The featurizer keeps its contract with a network that the test makes, and refuses others."""

import numpy as np
import onnx
import pytest
from asdkit_onnx_features import OnnxFeaturesConfig, asdkit_featurizers
from asdkit_onnx_features.featurizer import OnnxFeatures
from onnx import TensorProto, helper, numpy_helper

from asdkit.api import AsdkitError
from asdkit.testing import check_plugin

WEIGHTS = np.random.default_rng(0).normal(0, 0.1, (400, 6)).astype(np.float32)


@pytest.fixture
def model(tmp_path):
    """A file with one product of a block of 400 samples and a matrix."""
    shapes = {"blocks": ["batch", 400], "numbers": ["batch", 6]}
    blocks, numbers = (helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in shapes.items())
    node = helper.make_node("MatMul", ["blocks", "weights"], ["numbers"])
    graph = helper.make_graph([node], "toy", [blocks], [numbers], [numpy_helper.from_array(WEIGHTS, "weights")])
    onnx.save(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), tmp_path / "toy.onnx"
    )
    return str(tmp_path / "toy.onnx")


def test_the_featurizer_keeps_its_contract(model):
    (entry,) = asdkit_featurizers()
    results = check_plugin(entry, options={"model": model, "block": 400, "hop": 160})
    assert [(r.check, r.message) for r in results if r.status == "failed"] == []
    assert sum(r.status == "passed" for r in results) >= 15


def test_rows_are_the_networks_outputs(model):
    featurizer = OnnxFeatures(OnnxFeaturesConfig(model=model, block=400, hop=160))
    wave = np.random.default_rng(1).normal(0, 0.1, 16_000).astype(np.float32)
    out = np.empty((featurizer.rows(len(wave)), featurizer.bands), np.float32)
    featurizer.fill(wave, 16_000, out)
    assert out.shape == (98, 6)
    np.testing.assert_allclose(out[97], wave[97 * 160 : 97 * 160 + 400] @ WEIGHTS, atol=1e-5)


def test_what_is_no_network_is_refused(tmp_path):
    (tmp_path / "bad.onnx").write_bytes(b"not a network")
    with pytest.raises(AsdkitError, match=r"bad\.onnx: onnxruntime cannot load it"):
        OnnxFeatures(OnnxFeaturesConfig(model=str(tmp_path / "bad.onnx")))
