"""ONNX graphs give the scores of torch without importing torch."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from asdkit.bundle import Bundle
from asdkit.bundle.archive import MANIFEST, pack, unpack
from asdkit.bundle.export import export
from asdkit.bundle.onnx_runtime import GraphDetector
from asdkit.errors import AsdkitWarning, DataError
from tests.helpers.bundle_room import SPEC, finished_run

pytest.importorskip("onnxruntime")
pytest.importorskip("onnxscript")

FEW = "epochs = 1\nwindows_per_clip = 4\nleast_batches = 4\nbatch_size = 8"
NETWORKS = f"""
[detectors.G]
use = "group-made"
featurizer = "mel"
hidden = [8]
{FEW}

[detectors.A]
use = "autoencoder"
featurizer = "mel"
frames = 5
hidden = 8
scope = "id"
{FEW}

[detectors.M]
use = "id-classifier"
featurizer = "mel"
frames = 32
{FEW}

[detectors.D]
extends = "M"
backbone = "resnet-50"
score = "mahalanobis"
epochs = 3                               # distances of features that hardly vary are rounding
least_batches = 20

[systems.nets]
members = ["G", "A", "M", "D"]
fuser = {{ use = "z-score" }}

[systems.mixed]
members = ["D", "K"]
fuser = {{ use = "z-score" }}
"""


@pytest.fixture(scope="module", autouse=True)
def _small_resnet():
    """Replace ResNet-50 by two layers: the export of a backbone is tested with MobileNet."""
    from asdkit_id_classifier import resnet
    from torch import nn

    def two_layers(channels: int = 1):
        average = nn.AdaptiveAvgPool2d(1)
        return nn.Sequential(nn.Conv2d(channels, 16, 5, stride=3), nn.ReLU(), average, nn.Flatten())

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(resnet, "resnet_50", two_layers)
        patch.setattr(resnet, "FEATURES", 16)
        yield


@pytest.fixture(scope="module")
def trained(tmp_path_factory, registry):
    """Folder with a run of networks and a bundle with their graphs; the same system with torch."""
    folder = tmp_path_factory.mktemp("onnx")
    run = finished_run(folder, SPEC + NETWORKS, train=10, test=2, registry=registry)
    with_torch = Bundle.of_run(run, "nets", registry=registry)
    (folder / "nets.asdkit").write_bytes(export(with_torch, onnx=True))
    return folder, with_torch


def test_graphs_score_as_torch_for_any_number_of_windows(trained, registry):
    folder, with_torch = trained
    with_graphs = Bundle.load(folder / "nets.asdkit", registry=registry)
    assert all(isinstance(d, GraphDetector) for m in with_graphs.members for d in m.detectors.values())
    for seconds in (0.6, 3.0):
        wave = np.random.default_rng(0).normal(0, 0.1, int(seconds * 8000)).astype(np.float32)
        for id_ in ("00", "02"):
            expected, verdict = with_torch.score(wave, 8000, id_), with_graphs.score(wave, 8000, id_)
            assert verdict.members == pytest.approx(expected.members, rel=1e-4)
            for name in ("G", "A", "M", "D"):
                np.testing.assert_allclose(
                    verdict.windows[name].scores, expected.windows[name].scores, rtol=1e-4, atol=1e-6
                )


def test_scoring_with_graphs_imports_no_torch(trained):
    folder, _ = trained
    code = f"""
import sys
sys.modules["torch"] = None  # any import of it fails
import numpy as np
from asdkit import Bundle
bundle = Bundle.load({str(folder / "nets.asdkit")!r})
print(bundle.score(np.random.default_rng(0).normal(0, 0.1, 8000), 8000, "00").score)
"""
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert np.isfinite(float(result.stdout))


def test_graphs_hold_no_source_paths(trained):
    folder, _ = trained
    files = unpack(folder / "nets.asdkit")
    graphs = [data for name, data in files.items() if name.endswith(".onnx")]
    assert len(graphs) == 1 + 2 + 1 + 1
    assert not any(b".py" in data or str(folder).encode() in data for data in graphs)


def test_a_member_without_network_is_loaded_by_its_plugin(trained, registry):
    folder, _ = trained
    mixed = Bundle.of_run(folder / "run", "mixed", registry=registry)
    with pytest.warns(AsdkitWarning, match=r"K \(knn\) is not a NetworkDetector: no graph"):
        data = export(mixed, onnx=True)
    (folder / "mixed.asdkit").write_bytes(data)
    loaded = Bundle.load(folder / "mixed.asdkit", registry=registry)
    wave = np.random.default_rng(0).normal(0, 0.1, 8000)
    assert loaded.score(wave, 8000, "00").score == pytest.approx(mixed.score(wave, 8000, "00").score, rel=1e-4)


@pytest.mark.parametrize("graph", [b"", b"no graph", b"\n\x08location\x12\x0b/etc/passwd"])
def test_an_invalid_or_external_graph_is_refused(trained, registry, graph):
    folder, _ = trained
    files = unpack(folder / "nets.asdkit")
    del files[MANIFEST]
    files["members/0/0.onnx"] = graph
    (folder / "forged.asdkit").write_bytes(pack(files))
    with pytest.raises(DataError) as caught:
        Bundle.load(folder / "forged.asdkit", registry=registry)
    assert len(caught.value.message.splitlines()) == 1


def test_a_graph_with_nan_weights_is_refused(trained, registry):
    import onnx

    folder, _ = trained
    files = unpack(folder / "nets.asdkit")
    del files[MANIFEST]
    graph = onnx.load_from_string(files["members/0/0.onnx"])
    weights = next(w for w in graph.graph.initializer if w.data_type == onnx.TensorProto.FLOAT and len(w.dims) == 2)
    weights.raw_data = np.full(len(weights.raw_data) // 4, np.nan, np.float32).tobytes()
    files["members/0/0.onnx"] = graph.SerializeToString()
    (folder / "nan.asdkit").write_bytes(pack(files))
    with pytest.raises(
        DataError, match=r"members/0/0\.onnx: the graph returns scores of the wrong shape, or not finite"
    ):
        Bundle.load(folder / "nan.asdkit", registry=registry)
