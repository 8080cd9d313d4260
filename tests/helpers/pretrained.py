"""A toy network with its description, and model files that are refused."""

from __future__ import annotations

import hashlib
import io
import pickle
import zipfile
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from tests.helpers import onnx_graphs

BLOCK, HOP, NUMBERS = 800, 400, 6
RATE = 8000
SAMPLES = f'kind = "samples"\nblock = {BLOCK}\nhop = {HOP}'
LOG_MEL = """\
kind = "log-mel"
block = 4
hop = 2
n_fft = 256
window = 256
hop_length = 128
n_mels = 8
fmin = 0.0
fmax = 4000.0
scale = "htk"
norm = "slaney"
power = 2
center = true
log = "ln"
offset = 1.0"""


def weights(seed: int = 0) -> np.ndarray:
    """Return the weights of the toy network [float32, ``[BLOCK, NUMBERS]``]."""
    return np.random.default_rng(seed).normal(0, BLOCK**-0.5, (BLOCK, NUMBERS)).astype(np.float32)


def graph(matrix: np.ndarray) -> bytes:
    """Return an ONNX graph: the positive part of a product with a matrix."""
    from onnx import TensorProto, helper, numpy_helper

    numbers, columns = matrix.shape
    made = helper.make_graph(
        [
            helper.make_node("MatMul", ["blocks", "weights"], ["product"]),
            helper.make_node("Relu", ["product"], ["embedding"]),
        ],
        "toy",
        [helper.make_tensor_value_info("blocks", TensorProto.FLOAT, ["batch", numbers])],
        [helper.make_tensor_value_info("embedding", TensorProto.FLOAT, ["batch", columns])],
        [numpy_helper.from_array(matrix, "weights")],
    )
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    data: bytes = model.SerializeToString()
    return data


def description(model: bytes, given: str = SAMPLES, **changed: str) -> bytes:
    """Return the description of a model; `changed` are keys with their TOML values, empty to leave one out."""
    values = {
        "name": '"toy"',
        "sha256": f'"{hashlib.sha256(model).hexdigest()}"',
        "licence": '"none"',
        "source": '"a test"',
        "sample_rate": str(RATE),
        "output": '"embedding"',
    } | changed
    lines = [f"{key} = {value}" for key, value in values.items() if value]
    return "\n".join([*lines, "[input]", given, ""]).encode()


def small() -> Any:
    """Return a ModelProto of log-mel blocks to one number, which the changes of `onnx_graphs.REFUSED` fit."""
    model = onnx_graphs.make_model()
    model.graph.node[3].attribute[0].i = 1  # keepdims: [batch, 1]
    model.graph.output[0].type.tensor_type.shape.dim.add().dim_value = 1
    return model


class _Planted:
    """Opens a file when it is unpickled."""

    def __reduce__(self) -> tuple[Any, ...]:
        return (open, ("canary", "w"))


def _checkpoint() -> bytes:
    """Return a zip archive with a pickle, as torch saves one."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("model/data.pkl", pickle.dumps(_Planted()))
    return file.getvalue()


def _files() -> dict[str, tuple[bytes, str]]:
    """Model files that are no graphs, or broken ones, and what the message says."""
    good = small().SerializeToString()
    nan = small()
    nan.graph.output.add().name = "second"
    named = small()
    named.graph.node[0].name = "n" * 10_000
    shape = small()
    shape.graph.initializer[1].dims[0] = 1 << 40
    return {
        "a pickle with a planted call": (pickle.dumps(_Planted()), "is a pickle, not ONNX"),
        "a pickle of protocol 2": (pickle.dumps(_Planted(), 2), "is a pickle, not ONNX"),
        "a pickle in text": (pickle.dumps(_Planted(), 0), "the model is refused: "),
        "a checkpoint of PyTorch": (_checkpoint(), "is a zip archive, such as a checkpoint"),
        "arrays of NumPy": (b"\x93NUMPY" + bytes(100), "is an array of NumPy"),
        "TensorFlow Lite": (b"\x1c\x00\x00\x00TFL3" + bytes(100), "is a TensorFlow Lite file"),
        "an empty file": (b"", "it has no graph"),
        "text": (b"import os; os.remove('x')", "the model is refused: "),
        "a truncated file": (good[: len(good) // 2], "graph is cut short"),
        "a file that lacks its last byte": (good[:-1], "the model is refused: "),
        "bytes after the end": (good + b"\x00" * 8, "the model is refused: "),
        "two outputs": (nan.SerializeToString(), "it has no type"),
        "a long name": (named.SerializeToString(), "name has 10,000 bytes"),
        "a huge constant": (shape.SerializeToString(), "the constant 'weight' of shape"),
        "a million empty nodes": (b"\x3a" + _varint(2_000_000) + b"\x0a\x00" * 1_000_000, "more than 100,000 fields"),
    }


def _varint(number: int) -> bytes:
    return bytes([number & 0x7F | 0x80, number >> 7 & 0x7F | 0x80, number >> 14]) if number < 1 << 21 else b""


def _descriptions(good: bytes) -> dict[str, tuple[bytes, str]]:
    """Descriptions that are refused, and what the message says."""

    def made(**changed: str) -> bytes:
        return description(good, LOG_MEL, output=changed.pop("output", '"scores"'), **changed)

    def given(old: str, new: str) -> bytes:
        assert old in LOG_MEL
        return description(good, LOG_MEL.replace(old, new), output='"scores"')

    return {
        "another digest": (made(sha256=f'"{"0" * 64}"'), "but its description states 000"),
        "no digest": (made(sha256=""), "description sha256: Field required"),
        "a rate of zero": (made(sample_rate="0"), "description sample_rate: Input should be greater"),
        "a rate in text": (made(sample_rate='"8000"'), "description sample_rate: Input should be a valid integer"),
        "bands beyond half the rate": (made(sample_rate="4000"), "must be at most half of sample_rate"),
        "another output": (made(output='"logits"'), "output is 'scores', but its description states 'logits'"),
        "an unknown key": (made(code='"os.system"'), "description code: Extra inputs"),
        "another block": (given("block = 4", "block = 5"), r"takes blocks of \[4, 8\], but its description states \[5"),
        "a hop of zero": (given("hop = 2", "hop = 0"), "description input.hop: Input should be greater"),
        "an infinite band": (given("fmax = 4000.0", "fmax = inf"), "must be at most half of sample_rate"),
        "not TOML": (b"\xff\xfe", "description is not TOML"),
        "deep TOML": (b"x = " + b"[" * 20_000, "description is not TOML"),
        "a large description": (b"#" * 100_000, "description has 100,000 bytes"),
    }


def refused() -> Mapping[str, tuple[bytes, bytes, str]]:
    """Return model, description and the words of the message of each case."""
    cases = {}
    for name, (change, words) in onnx_graphs.REFUSED.items():
        model = small()
        change(model)
        data = model.SerializeToString()
        cases[name] = (data, description(data, LOG_MEL, output='"scores"'), _OTHER_WORDS.get(name, words))
    for name, (data, words) in _files().items():
        cases[name] = (data, description(data, LOG_MEL, output='"scores"'), words)
    good = small().SerializeToString()
    for name, (about, words) in _descriptions(good).items():
        cases[name] = (good, about, words)
    return cases


_OTHER_WORDS = {"a fixed batch": "its input is not a batch of float32"}
Change = Callable[[Any], None]
