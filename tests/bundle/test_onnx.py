"""ONNX graphs: scores as torch's, torch itself neither needed nor imported."""

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
from asdkit.run import make_plan, run_plan
from asdkit.spec import load_spec
from tests.helpers.bundle_room import SPEC, make_room

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
score = "mahalanobis"
epochs = 3                               # of features that hardly vary yet, distances are rounding
least_batches = 20

[systems.nets]
members = ["G", "A", "M", "D"]
fuser = {{ use = "z-score" }}

[systems.mixed]
members = ["A", "K"]
fuser = {{ use = "z-score" }}
"""


@pytest.fixture(scope="module")
def trained(tmp_path_factory, registry):
    """A run of networks, and the same system with and without graphs."""
    folder = tmp_path_factory.mktemp("onnx")
    make_room(folder / "room", train=10, test=2)
    (folder / "spec.toml").write_text(SPEC + NETWORKS)
    run_plan(make_plan(load_spec(folder / "spec.toml", registry=registry), folder / "run", registry))
    by_torch = Bundle.of_run(folder / "run", "nets", registry=registry)
    (folder / "nets.asdkit").write_bytes(export(by_torch, onnx=True))
    return folder, by_torch


def test_graphs_score_as_torch_does_at_any_number_of_windows(trained, registry):
    folder, by_torch = trained
    by_graph = Bundle.load(folder / "nets.asdkit", registry=registry)
    assert all(isinstance(d, GraphDetector) for m in by_graph.members for d in m.detectors.values())
    for seconds in (0.6, 3.0):
        wave = np.random.default_rng(0).normal(0, 0.1, int(seconds * 8000)).astype(np.float32)
        for id_ in ("00", "02"):
            expected, found = by_torch.score(wave, 8000, id_), by_graph.score(wave, 8000, id_)
            assert found.members == pytest.approx(expected.members, rel=1e-4)
            for name in ("G", "A", "M", "D"):
                np.testing.assert_allclose(
                    found.windows[name].scores, expected.windows[name].scores, rtol=1e-4, atol=1e-6
                )


def test_scoring_by_graphs_imports_no_torch(trained):
    folder, _ = trained
    code = f"""
import sys
sys.modules["torch"] = None  # any import of it fails
import numpy as np
from asdkit import Bundle
bundle = Bundle.load({str(folder / "nets.asdkit")!r})
print(bundle.score(np.random.default_rng(0).normal(0, 0.1, 8000), 8000, "00").score)
"""
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    assert np.isfinite(float(ran.stdout))


def test_graphs_name_no_file_of_the_machine_that_wrote_them(trained):
    folder, _ = trained
    files = unpack(folder / "nets.asdkit")
    graphs = [data for name, data in files.items() if name.endswith(".onnx")]
    assert len(graphs) == 1 + 2 + 1 + 1
    assert not any(b".py" in data or str(folder).encode() in data for data in graphs)


def test_a_member_that_is_no_network_gets_no_graph_and_is_opened_by_its_plugin(trained, registry):
    folder, _ = trained
    mixed = Bundle.of_run(folder / "run", "mixed", registry=registry)
    with pytest.warns(AsdkitWarning, match=r"K \(knn\) is no network"):
        data = export(mixed, onnx=True)
    (folder / "mixed.asdkit").write_bytes(data)
    loaded = Bundle.load(folder / "mixed.asdkit", registry=registry)
    wave = np.random.default_rng(0).normal(0, 0.1, 8000)
    assert loaded.score(wave, 8000, "00").score == pytest.approx(mixed.score(wave, 8000, "00").score, rel=1e-4)


@pytest.mark.parametrize("graph", [b"", b"no graph", b"\n\x08location\x12\x0b/etc/passwd"])
def test_a_graph_that_is_none_or_names_another_file_is_refused(trained, registry, graph):
    folder, _ = trained
    files = unpack(folder / "nets.asdkit")
    del files[MANIFEST]
    files["members/0/0.onnx"] = graph
    (folder / "forged.asdkit").write_bytes(pack(files))
    with pytest.raises(DataError) as caught:
        Bundle.load(folder / "forged.asdkit", registry=registry)
    assert len(caught.value.message.splitlines()) == 1


def test_a_graph_whose_weights_are_no_numbers_is_refused(trained, registry):
    import onnx

    folder, _ = trained
    files = unpack(folder / "nets.asdkit")
    del files[MANIFEST]
    graph = onnx.load_from_string(files["members/0/0.onnx"])
    weights = next(w for w in graph.graph.initializer if w.data_type == onnx.TensorProto.FLOAT and len(w.dims) == 2)
    weights.raw_data = np.full(len(weights.raw_data) // 4, np.nan, np.float32).tobytes()
    files["members/0/0.onnx"] = graph.SerializeToString()
    (folder / "nan.asdkit").write_bytes(pack(files))
    with pytest.raises(DataError, match=r"members/0/0\.onnx: the graph gives no finite scores"):
        Bundle.load(folder / "nan.asdkit", registry=registry)
