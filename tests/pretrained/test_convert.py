"""``asdkit models``: the list, conversions in a child process, checks of files.

`nox -s pretrained` converts real ones.
"""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
from asdkit_pretrained.catalogue import MODELS
from asdkit_pretrained.convert import convert

from asdkit.api import AsdkitError
from tests.helpers import pretrained
from tests.helpers.cli import cli_in

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

CUT = "/model/GlobalAveragePool_output_0_updated"  # of YAMNet
CHANNELS = 8


def published(folder: Path, location: str = "model.data") -> Path:
    """Write a file like the published YAMNet: quantised, a batch of one, weights in another file, a classifier."""
    from onnx import TensorProto, helper, numpy_helper

    rng = np.random.default_rng(0)
    kernel = numpy_helper.from_array(rng.normal(0, 0.3, (CHANNELS, 1, 3, 3)).astype(np.float32), "kernel")
    (folder / "model.data").write_bytes(kernel.raw_data)
    length = len(kernel.raw_data)
    kernel.ClearField("raw_data")
    kernel.data_location = TensorProto.EXTERNAL
    for key, value in {"location": location, "offset": "0", "length": str(length)}.items():
        entry = kernel.external_data.add()
        entry.key, entry.value = key, value
    constants = {"scale": np.float32(0.02), "zero": np.uint8(128), "shape": np.array([1, CHANNELS])}
    nodes = [
        helper.make_node("DequantizeLinear", ["audio", "scale", "zero"], ["sound"]),
        helper.make_node("Conv", ["sound", "kernel"], ["maps"], strides=[8, 8]),
        helper.make_node("GlobalAveragePool", ["maps"], ["pooled"], doc_string="of /home/somebody"),
        helper.make_node("QuantizeLinear", ["pooled", "scale", "zero"], ["steps"]),
        helper.make_node("DequantizeLinear", ["steps", "scale", "zero"], [CUT]),
        helper.make_node("Reshape", [CUT, "shape"], ["flat"]),
        helper.make_node("Softmax", ["flat"], ["classes"]),
    ]
    graph = helper.make_graph(
        nodes,
        "published",
        [helper.make_tensor_value_info("audio", TensorProto.UINT8, [1, 1, 96, 64])],
        [helper.make_tensor_value_info("classes", TensorProto.FLOAT, [1, CHANNELS])],
        [kernel, *(numpy_helper.from_array(np.asarray(array), name) for name, array in constants.items())],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    (folder / "model.onnx").write_bytes(model.SerializeToString())
    return folder / "model.onnx"


def test_a_published_graph_is_cut_at_its_embedding(tmp_path):
    done = convert(published(tmp_path), tmp_path / "out")
    assert done.known.name == "yamnet"
    assert done.difference == 0
    assert (done.model.numbers, done.model.graph.input_shape) == (CHANNELS, (1, 96, 64))
    assert done.model.graph.batch > 1
    assert b"somebody" not in done.graph.read_bytes()
    ran = cli_in(tmp_path)("models", "check", "out/yamnet.onnx")
    assert (ran.returncode, "takes blocks of [96, 64] (log-mel) at 16000 Hz" in ran.stdout) == (0, True), ran.stderr


@pytest.mark.parametrize("location", ["../outside", "/etc/hostname", "missing.data", ""])
def test_weights_outside_the_folder_are_not_read(tmp_path, location):
    (tmp_path / "outside").write_bytes(bytes(4096))
    (tmp_path / "in").mkdir()
    with pytest.raises(AsdkitError, match="which is no file in the model's folder"):
        convert(published(tmp_path / "in", location), tmp_path / "out")
    assert not (tmp_path / "out").exists()


class _Planted:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return (open, (str(self.path), "w"))


def test_code_in_a_checkpoint_is_not_run(tmp_path):
    canary = tmp_path / "canary"
    (tmp_path / "model.pth").write_bytes(pickle.dumps(_Planted(canary), 2))
    with pytest.raises(AsdkitError, match="holds more than weights, so it is not loaded") as caught:
        convert(tmp_path / "model.pth", tmp_path / "out")
    assert "\n" not in caught.value.message
    assert not canary.exists()


def test_a_network_of_known_weights_is_the_published_one():
    """The layouts against a plain way to write the published networks, with random weights."""
    torch = pytest.importorskip("torch")
    from asdkit_pretrained import networks
    from torch.nn import functional

    for layout in (networks.AISFX, networks.PANNS_CNN6):
        torch.manual_seed(0)
        small = networks.Layout(
            (4, 6), layout.kernel, layout.pool, layout.prefix, 8 if layout.mels else 0, 5 if layout.hidden else 0
        )
        source = networks.BlockNetwork(small)
        state = {small.prefix + name: torch.rand_like(value.float()) for name, value in source.state_dict().items()}
        network = networks.load_network(small, {**state, "fc_audioset.weight": torch.zeros(3)})
        x = sound = torch.rand(2, 8, 8)
        x = x[:, None]

        def normal(x, name, state=state, prefix=small.prefix):
            parts = [state[f"{prefix}{name}.{key}"] for key in ("running_mean", "running_var", "weight", "bias")]
            return functional.batch_norm(x, *parts)

        if small.mels:
            x = normal(x.transpose(1, 3), "bn0").transpose(1, 3)
        for block in ("conv_block1", "conv_block2"):
            for layer in ("1", "2")[: 2 if small.kernel == 3 else 1]:
                weight = state[f"{small.prefix}{block}.conv{layer}.weight"]
                x = functional.relu(normal(functional.conv2d(x, weight, padding="same"), f"{block}.bn{layer}"))
            if block == "conv_block1":
                x = (functional.max_pool2d if small.pool == "max" else functional.avg_pool2d)(x, (2, 2))
        x = torch.mean(x, dim=3)
        expected, _ = torch.max(x, dim=2)
        if small.hidden:
            dense = functional.linear(expected + torch.mean(x, dim=2), state["fc1.weight"], state["fc1.bias"])
            expected = functional.relu(dense)
        torch.testing.assert_close(network(sound), expected)
        with pytest.raises(ValueError, match="the checkpoint has no"):
            networks.load_network(small, {})


def test_the_list_names_what_is_known_and_unknown(tmp_path):
    asdkit = cli_in(tmp_path)
    listed = asdkit("models")
    assert listed.returncode == 0
    for title in ("CED-tiny", "BEATs", "EAT", "Dasheng", "PANNs", "YAMNet", "aiSFX"):
        assert title in listed.stdout
    assert listed.stdout.count("licence code") == len(MODELS)
    assert "weights unknown" in listed.stdout
    for command, words in (
        (("check", "none.onnx"), "there is no file"),
        (("convert", "none.pth"), "there is no such file"),
        (("convert", "none.pth", "--as", "beats"), "asdkit does not convert 'beats'"),
    ):
        ran = asdkit("models", *command)
        assert (ran.returncode, words in ran.stderr) == (2, True), ran.stderr
        assert "Traceback" not in ran.stderr


def test_a_file_of_no_known_network_is_refused(tmp_path):
    (tmp_path / "model.onnx").write_bytes(pretrained.graph(pretrained.weights()))
    with pytest.raises(AsdkitError, match="it is none of the ONNX files that asdkit knows"):
        convert(tmp_path / "model.onnx", tmp_path / "out")
