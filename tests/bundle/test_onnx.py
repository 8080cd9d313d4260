"""ONNX graphs give the scores of torch without importing torch, and nothing else gets into onnxruntime."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from asdkit.bundle import Bundle
from asdkit.bundle.archive import MANIFEST, pack, unpack
from asdkit.bundle.export import export
from asdkit.bundle.onnx_export import graphs_of
from asdkit.bundle.onnx_runtime import GraphDetector
from asdkit.context import Context
from asdkit.errors import AsdkitError, AsdkitWarning, DataError
from asdkit.features import Features, Windows
from asdkit.onnx.graph import read_graph
from asdkit.onnx.layers import OPERATORS
from asdkit.onnx.limits import LARGEST_BATCH
from tests.helpers import onnx_graphs, onnx_mutants, onnx_operators
from tests.helpers.bundle_room import SPEC, finished_run
from tests.helpers.onnx_networks import untrained

onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")
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
    from asdkit_id_classifier.detector import IdClassifier

    folder = tmp_path_factory.mktemp("onnx")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(IdClassifier, "why_no_weight", lambda *_: "")  # barely trained, and compared all the same
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


def forged(folder, change):
    """Write the bundle with its first graph changed."""
    files = unpack(folder / "nets.asdkit")
    del files[MANIFEST]
    files["members/0/0.onnx"] = change(files["members/0/0.onnx"])
    (folder / "forged.asdkit").write_bytes(pack(files))
    return folder / "forged.asdkit"


def constant_graph(graph):
    """Return a graph that has all weights and gives every window the same score."""
    model = onnx.load_from_string(graph)
    [output] = model.graph.output
    for node in model.graph.node:
        node.output[:] = ["unused" if name == output.name else name for name in node.output]
    zero = onnx.numpy_helper.from_array(np.float32(0), "none_of_it")
    model.graph.initializer.append(zero)
    model.graph.node.append(onnx.helper.make_node("Mul", ["unused", zero.name], [output.name]))
    return model.SerializeToString()


@pytest.mark.parametrize("graph", [b"", b"no graph", b"\n\x08location\x12\x0b/etc/passwd"])
def test_an_invalid_or_external_graph_is_refused(trained, registry, graph):
    folder, _ = trained
    with pytest.raises(DataError) as caught:
        Bundle.load(forged(folder, lambda _: graph), registry=registry)
    assert len(caught.value.message.splitlines()) == 1


def test_a_graph_with_nan_weights_is_refused(trained, registry):
    def change(data):
        graph = onnx.load_from_string(data)
        weights = next(w for w in graph.graph.initializer if w.data_type == onnx.TensorProto.FLOAT and len(w.dims) == 2)
        weights.raw_data = np.full(len(weights.raw_data) // 4, np.nan, np.float32).tobytes()
        return graph.SerializeToString()

    folder, _ = trained
    with pytest.raises(DataError, match=r"members/0/0\.onnx: the graph returns scores that are not finite"):
        Bundle.load(forged(folder, change), registry=registry)


def test_a_constant_graph_beside_weights_is_refused(trained, registry):
    folder, _ = trained
    with pytest.raises(DataError, match=r"members/0/0\.onnx: the graph and the weights beside it give other scores"):
        Bundle.load(forged(folder, constant_graph), registry=registry)


def test_weights_of_another_version_leave_a_warning(trained, registry, monkeypatch):
    folder, _ = trained
    detector = registry.find("detector", "group-made").entry.load()
    monkeypatch.setattr(detector, "load", lambda self, state: state["a key of another version"])
    with pytest.warns(AsdkitWarning, match="the graph is used without comparing it with members/0/0.safetensors"):
        assert Bundle.load(folder / "nets.asdkit", registry=registry).ids == ["00", "02"]


def test_a_plain_graph_is_accepted():
    data = onnx_graphs.make_model().SerializeToString()
    detector = GraphDetector(data, onnx_graphs.FRAMES, [])
    assert onnx_graphs.plan_of(data).batch == LARGEST_BATCH
    assert detector.run(np.zeros((3, onnx_graphs.FRAMES, onnx_graphs.BANDS), np.float32)).shape == (3,)


@pytest.mark.parametrize("kind", onnx_graphs.REFUSED)
def test_what_no_graph_needs_is_refused(kind):
    change, words = onnx_graphs.REFUSED[kind]
    model = onnx_graphs.make_model()
    change(model)
    with pytest.raises(ValueError, match=words):
        GraphDetector(model.SerializeToString(), onnx_graphs.FRAMES, [])


def test_all_permitted_operators_are_tested():
    assert set(onnx_operators.CASES) == set(OPERATORS)


@pytest.mark.parametrize("op", onnx_operators.CASES)
def test_computed_shapes_are_those_of_onnxruntime(op):
    data = onnx_operators.make(op)
    windows = np.random.default_rng(0).uniform(0.1, 0.9, (3, onnx_graphs.FRAMES, onnx_graphs.BANDS)).astype(np.float32)
    [scores] = onnxruntime.InferenceSession(data).run(None, {"windows": windows})
    assert scores.shape == (3, *onnx_graphs.plan_of(data).outputs)


def test_no_mutated_graph_crashes_or_reads_a_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    counts = onnx_mutants.fuzz(onnx_mutants.small_seeds(), range(300), tmp_path, lambda data: None)
    assert counts["canary read"] == 0
    assert counts["scored"] > 10
    assert set(counts) <= {"refused", "failed", "scored", "canary read", "control"}


def test_lengths_in_surplus_bytes_are_refused():
    model = onnx_graphs.make_model()
    model.graph.name = "location"
    data = model.SerializeToString()
    assert read_graph(data).nodes
    longer = data.replace(b"\x08location", b"\x88\x00location")
    at = data.index(b"\x3a")  # the graph, one byte longer
    size = len(model.graph.SerializeToString())
    assert (data[at + 1] & 0x7F) | data[at + 2] << 7 == size
    longer = longer[: at + 1] + bytes([(size + 1) & 0x7F | 0x80, (size + 1) >> 7]) + longer[at + 3 :]
    with pytest.raises(ValueError, match="more bytes than it needs"):
        read_graph(longer)


def test_a_field_given_twice_is_refused():
    data = onnx_graphs.make_model().SerializeToString()
    with pytest.raises(ValueError, match="ir_version is there twice"):
        read_graph(data + b"\x08\x0a")


def test_large_graphs_score_fewer_windows_at_once():
    model = onnx_graphs.make_model()
    change = onnx_graphs.inserted("Expand", "large", add=onnx_graphs.constant("large", np.array([1, 1 << 16, 16])))
    change(model)
    rows = onnx.helper.make_node("Unsqueeze", ["units", "axes"], ["rows of units"])
    model.graph.node.insert(2, rows)
    model.graph.node[3].input[0] = "rows of units"
    onnx_graphs.constant("both", np.array([1, 2]))(model)
    model.graph.node[5].input[1] = "both"
    data = model.SerializeToString()
    plan = onnx_graphs.plan_of(data)
    assert plan.batch == LARGEST_BATCH >> 2  # of 2 x 4 MiB a window in 512 MiB
    detector, windows = GraphDetector(data, 4, []), Windows(np.arange(300), np.array([0, 300]), 4)
    features = Features(np.ones((303, 8), np.float32), np.array([0, 303]))
    scores = detector.score(features, windows, ["00"], Context())
    np.testing.assert_allclose(scores, detector.run(np.ones((1, 4, 8), np.float32))[0], rtol=1e-6)


@pytest.mark.parametrize(
    ("use", "options"),
    [
        ("autoencoder", {"target": "middle"}),
        ("group-made", {"order": "causal", "components": 2, "hidden": [8]}),  # joint likelihood
        ("id-classifier", {"loss": "arcface", "score": "negative-log"}),
        ("id-classifier", {"score": "layers"}),
    ],
)
def test_built_in_networks_are_accepted_as_graphs(registry, use, options):
    member = untrained(registry, use, options)
    [(graph, ids)] = graphs_of(member, bands=16).values()
    plan = onnx_graphs.plan_of(graph)
    assert (*plan.inputs, sum(plan.outputs)) == (member.frames, 16, len(ids))


def test_a_network_without_permitted_operators_is_not_exported(registry):
    import torch

    member = untrained(registry, "autoencoder", {})
    [detector] = member.detectors.values()
    detector._trained.network.score = lambda windows: torch.sin(windows).mean((1, 2))
    with pytest.raises(AsdkitError, match="cannot be scored as an ONNX graph: its operator Sin is none"):
        graphs_of(member, bands=16)
