"""Malicious and broken model files: each is refused in one line, without running anything of it."""

from __future__ import annotations

import re
import tracemalloc

import numpy as np
import pytest
from asdkit_pretrained.config import OnnxEmbeddingConfig
from pydantic import ValidationError

from asdkit.errors import SpecError
from asdkit.spec import load_spec
from tests.helpers import onnx_graphs, pretrained

onnx = pytest.importorskip("onnx")

BASE = 64 << 20  # bytes beside the file: records of at most 100,000 fields


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "canary.bin").write_bytes(bytes(4096))
    return tmp_path


def message(folder, model: bytes, about: bytes) -> str:
    """Write the files; return why the options of the featurizer are refused."""
    (folder / "model.onnx").write_bytes(model)
    (folder / "model.toml").write_bytes(about)
    with pytest.raises(ValidationError) as caught:
        OnnxEmbeddingConfig.model_validate({"model": "model.onnx"})
    [error] = caught.value.errors()
    return str(error["msg"])


def test_the_plain_model_is_accepted(folder):
    data = pretrained.small().SerializeToString()
    (folder / "model.onnx").write_bytes(data)
    (folder / "model.toml").write_bytes(pretrained.description(data, pretrained.LOG_MEL, output='"scores"'))
    assert OnnxEmbeddingConfig.model_validate({"model": "model.onnx"}).description is not None


def test_each_is_refused_in_one_line_and_nothing_of_it_is_run(folder):
    cases = pretrained.refused()
    assert len(cases) >= 50
    for name, (model, about, words) in cases.items():
        text = message(folder, model, about)
        assert "\n" not in text, name
        assert len(text) < 500, name
        assert re.search(words, text), (name, text)
    assert sorted(path.name for path in folder.iterdir()) == ["canary.bin", "model.onnx", "model.toml"]


@pytest.mark.parametrize("what", ["a folder", "missing", "a link to itself"])
def test_paths_that_are_no_files_are_refused(folder, what):
    path = folder / "model.onnx"
    if what == "a folder":
        path.mkdir()
    elif what == "a link to itself":
        path.symlink_to(path)
    (folder / "model.toml").write_bytes(pretrained.description(b""))
    with pytest.raises(ValidationError, match=r"is not a file|there is no file|cannot be read"):
        OnnxEmbeddingConfig.model_validate({"model": "model.onnx"})


def _large(change) -> bytes:
    """Return a model of 32 MB of weights with a change."""
    model = pretrained.small()
    onnx_graphs.constant("large", np.zeros(8 << 20, np.float32))(model)
    change(model)
    data: bytes = model.SerializeToString()
    return data


LARGE = {
    "external data beside weights": lambda: _large(onnx_graphs.external("canary.bin")),
    "a loop after weights": lambda: _large(onnx_graphs.loop),
    "an unknown operator after weights": lambda: _large(onnx_graphs.inserted("Sin")),
    "a note of 32 MB": lambda: _large(lambda model: setattr(model, "doc_string", "n" * (32 << 20))),
    "a name of 32 MB with one letter of four bytes": lambda: _large(
        lambda model: setattr(model, "producer_name", "n" * (32 << 20) + "\U0001f600")
    ),
    "sixteen million empty nodes": lambda: b"\x3a\x80\x80\x80\x10" + b"\x0a\x00" * (16 << 20),
    "zeros": lambda: bytes(32 << 20),
}


@pytest.mark.parametrize("kind", LARGE)
def test_large_files_take_no_more_than_twice_their_size(folder, kind):
    model = LARGE[kind]()
    about = pretrained.description(model, pretrained.LOG_MEL, output='"scores"')
    (folder / "model.onnx").write_bytes(model)
    (folder / "model.toml").write_bytes(about)
    size = len(model)
    del model
    tracemalloc.start()
    try:
        with pytest.raises(ValidationError):
            OnnxEmbeddingConfig.model_validate({"model": "model.onnx"})
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert size >= 32 << 20
    assert peak <= 2 * size + BASE, f"{peak / 2**20:.0f} MiB for a file of {size / 2**20:.0f} MiB"


def test_a_spec_with_one_is_refused_before_any_work_with_its_line(folder):
    model, about, _ = pretrained.refused()["a file of the working directory"]
    (folder / "model.onnx").write_bytes(model)
    (folder / "model.toml").write_bytes(about)
    (folder / "spec.toml").write_text(
        'asdkit = 1\nname = "x"\n[data]\nlayout = "dcase2020"\nroot = "."\n'
        '[featurizers.e]\nuse = "onnx-embedding"\nmodel = "model.onnx"\n'
        '[detectors.K]\nuse = "knn"\nfeaturizer = "e"\nstatistics = ["mean"]\n[systems]\n'
    )
    with pytest.raises(SpecError) as caught:
        load_spec(folder / "spec.toml")
    [line] = [line for line in str(caught.value).splitlines() if "model.onnx" in line]
    assert line.startswith(f"{folder}/spec.toml:6: featurizers.e: model.onnx: the model is refused: it has ")
