"""The featurizer ``onnx-embedding``: its numbers by an independent way, rates, and runs, bundles and changed files."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
from asdkit_pretrained.blocks import block_count, blocks
from asdkit_pretrained.catalogue import MODELS
from asdkit_pretrained.config import OnnxEmbeddingConfig
from asdkit_pretrained.description import read_description, write_description
from asdkit_pretrained.featurizer import OnnxEmbedding
from asdkit_pretrained.plugin import asdkit_featurizers

from asdkit import feature_extraction
from asdkit.api import AsdkitError
from asdkit.errors import SpecError
from asdkit.spec import load_spec
from asdkit.testing import check_plugin
from tests.helpers import pretrained
from tests.helpers.cli import cli_in
from tests.helpers.rooms import write_clip

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

SPEC = """
asdkit = 1
name = "toy"
seed = 1

[data]
layout = "dcase2020"
root = "room"
sample_rate = 8000

[featurizers.toy]
use = "onnx-embedding"
model = "models/toy.onnx"
pooling = ["rdp", "gem"]

[detectors.K]
use = "knn"
featurizer = "toy"
frames = "clip"
statistics = ["mean"]

[systems.one]
members = ["K"]
"""


def write_model(folder: Path, seed: int = 0, **changed: str) -> Path:
    """Write a toy model and its description."""
    folder.mkdir(parents=True, exist_ok=True)
    data = pretrained.graph(pretrained.weights(seed))
    (folder / "toy.onnx").write_bytes(data)
    (folder / "toy.toml").write_bytes(pretrained.description(data, **changed))
    return folder / "toy.onnx"


def embedding(model: Path, **options: object) -> OnnxEmbedding:
    values = {"model": str(model), **options}
    return OnnxEmbedding(OnnxEmbeddingConfig.model_validate_json(json.dumps(values)))


def rows_of(featurizer: OnnxEmbedding, wave: np.ndarray, rate: int = pretrained.RATE) -> np.ndarray:
    out = np.full((featurizer.rows(len(wave)), featurizer.bands), np.nan, np.float32)
    featurizer.fill(wave, rate, out)
    return out


@pytest.mark.parametrize("samples", [5000, 1200, 800, 10])
def test_rows_are_those_of_the_network_on_each_block(tmp_path, samples):
    wave = np.random.default_rng(0).normal(0, 0.1, samples).astype(np.float32)
    padded = np.pad(wave, (0, max(0, pretrained.BLOCK - samples)))
    starts = range(0, len(padded) - pretrained.BLOCK + 1, pretrained.HOP)
    expected = [np.maximum(padded[at : at + pretrained.BLOCK] @ pretrained.weights(), 0) for at in starts]
    featurizer = embedding(write_model(tmp_path))
    np.testing.assert_allclose(rows_of(featurizer, wave), expected, rtol=1e-4, atol=1e-6)
    whole = (wave * 32767).astype(np.int16)
    np.testing.assert_allclose(
        rows_of(featurizer, whole), rows_of(featurizer, whole.astype(np.float32) / 32768), rtol=1e-6
    )


def test_poolings_give_one_row_a_clip(tmp_path):
    wave = np.random.default_rng(0).normal(0, 0.1, 5000).astype(np.float32)
    model = write_model(tmp_path)
    each = rows_of(embedding(model), wave)
    pooled = rows_of(embedding(model, pooling=["max", "mean"]), wave)
    np.testing.assert_allclose(pooled, [np.concatenate([each.max(axis=0), each.mean(axis=0)])], rtol=1e-6)


@pytest.mark.parametrize("name", ["yamnet", "aisfx", "panns-cnn14"])
def test_blocks_are_those_of_the_published_front_end(name):
    librosa = pytest.importorskip("librosa")
    [model] = [model for model in MODELS if model.name == name]
    about = read_description(write_description(model.description("0" * 64, "embedding")))
    given = about.input
    assert about == model.description("0" * 64, "embedding")
    wave = np.random.default_rng(0).normal(0, 0.1, 4 * about.sample_rate).astype(np.float32)
    if not given.center:  # librosa's frame is the transform, with the window in its middle
        wave_of_librosa = np.pad(wave, (given.n_fft - given.window) // 2)
    mel = librosa.feature.melspectrogram(
        y=wave if given.center else wave_of_librosa,
        sr=about.sample_rate, n_fft=given.n_fft, win_length=given.window, hop_length=given.hop_length,
        center=given.center, pad_mode=given.pad, power=given.power, n_mels=given.n_mels, fmin=given.fmin,
        fmax=given.fmax, htk=given.scale == "htk", norm={"none": None, "sum": 1, "slaney": "slaney"}[given.norm],
    ).T  # fmt: skip
    level = {
        "yamnet": lambda: np.log(mel + 0.001),
        "aisfx": lambda: np.log10(10_000 * mel + 1) / 9.457798957824707,
        "panns-cnn14": lambda: 10 * np.log10(np.maximum(mel, 1e-10)),
    }[name]()
    found = np.concatenate(list(blocks(about, wave, 3)))
    assert len(found) == block_count(about, len(wave)) == 1 + (len(level) - given.block) // given.hop
    expected = [level[at * given.hop :][: given.block] for at in range(len(found))]
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=2e-3)


def test_a_wave_of_another_rate_is_refused_or_resampled_as_asked(tmp_path):
    model = write_model(tmp_path)
    wave = np.sin(np.arange(16_000) * 0.05).astype(np.float32)  # one second at 16 kHz
    with pytest.raises(AsdkitError, match="waves of 16000 Hz, but 8000 were expected") as caught:
        rows_of(embedding(model), wave, 16_000)
    assert "input_rate = 16000" in caught.value.hint
    same = rows_of(embedding(model), np.sin(np.arange(8000) * 0.1).astype(np.float32))
    resampled = rows_of(embedding(model, input_rate=16_000), wave, 16_000)
    np.testing.assert_allclose(resampled[1:-1], same[1:-1], atol=1e-3)  # the filter rings at the ends
    assert embedding(model).hop == pretrained.HOP
    assert embedding(model).config.rate_problems(8000) == []
    assert embedding(model, input_rate=16_000).config.rate_problems(16_000) == []
    [problem] = embedding(model).config.rate_problems(16_000)
    assert problem.endswith("set that to 8000, or here input_rate = 16000, so that waves are resampled")
    [problem] = embedding(model, input_rate=44_100).config.rate_problems(16_000)
    assert problem == "input_rate: 44100 Hz, but data.sample_rate is 16000"
    assert embedding(model, input_rate=16_000).hop is None


def test_long_waves_are_embedded_part_by_part(tmp_path, monkeypatch):
    monkeypatch.setattr(feature_extraction, "_PART_SAMPLES", 4000)
    wave = np.random.default_rng(0).normal(0, 0.1, 30_001).astype(np.float32)
    featurizer = embedding(write_model(tmp_path))
    source = feature_extraction.WaveSource("long", len(wave), lambda: wave)
    features = feature_extraction.fill_features(featurizer, [source], pretrained.RATE)
    np.testing.assert_allclose(features.frames, rows_of(featurizer, wave), rtol=1e-5)
    assert features.scale == "linear"


def test_it_keeps_the_contract(tmp_path):
    model = write_model(tmp_path, sample_rate="16000")
    [entry] = asdkit_featurizers()
    results = check_plugin(entry, options={"model": str(model), "description": str(model.with_suffix(".toml"))})
    assert [result for result in results if result.status == "failed"] == []


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A folder with a run of the toy, and a bundle of it."""
    folder = tmp_path_factory.mktemp("toy")
    write_model(folder / "models")
    (folder / "spec.toml").write_text(SPEC)
    for i in range(8):
        for split, label, fault in (("train", "normal", False), ("test", "normal", False), ("test", "anomaly", True)):
            write_clip(folder / f"room/fan/{split}/{label}_id_00_{i:08}.wav", 10 * i + len(label), fault=fault)
    asdkit = cli_in(folder)
    for command in (("run", "spec.toml", "--out", "run"), ("export", "run", "-o", "toy.asdkit")):
        ran = asdkit(*command)
        assert ran.returncode == 0, ran.stderr
    return folder


def test_a_bundle_scores_the_same_without_the_model_file(finished):
    asdkit = cli_in(finished)
    before = asdkit("score", "toy.asdkit", "room/fan/test", "--format", "jsonl")
    (finished / "models").rename(finished / "gone")
    try:
        after = asdkit("score", "toy.asdkit", "room/fan/test", "--format", "jsonl")
    finally:
        (finished / "gone").rename(finished / "models")
    assert before.returncode == after.returncode == 0, after.stderr
    assert before.stdout == after.stdout
    assert len(before.stdout.splitlines()) == 16


def test_a_changed_model_is_trained_again(finished):
    asdkit = cli_in(finished)
    before = (finished / "run/scores.csv").read_bytes()
    jobs = set((finished / "run/jobs/fan").iterdir())
    assert asdkit("run", "spec.toml", "--out", "run").returncode == 0
    assert set((finished / "run/jobs/fan").iterdir()) == jobs
    write_model(finished / "models", seed=1)
    assert asdkit("run", "spec.toml", "--out", "run").returncode == 0
    assert len(set((finished / "run/jobs/fan").iterdir()) - jobs) == 1
    assert (finished / "run/scores.csv").read_bytes() != before
    data = pretrained.graph(pretrained.weights(2))
    (finished / "models/toy.onnx").write_bytes(data)  # the description has the digest of another file
    ran = asdkit("run", "spec.toml", "--out", "run")
    assert ran.returncode == 2
    assert "spec.toml:11: featurizers.toy: models/toy.onnx: the model's SHA-256 is" in ran.stderr


def test_the_examples_of_the_documentation_are_valid(tmp_path):
    page = (Path(__file__).parents[2] / "docs/pretrained.md").read_text()
    spec, about = re.findall(r"^```toml\n(.*?)^```", page, re.DOTALL | re.MULTILINE)
    assert read_description(about.encode()).block_shape == (96, 64)
    model = write_model(tmp_path / "models", sample_rate="44100")
    model.rename(model.with_name("aisfx.onnx"))
    model.with_suffix(".toml").rename(model.with_name("aisfx.toml"))
    head = 'asdkit = 1\nname = "docs"\n'
    (tmp_path / "spec.toml").write_text(head + spec.replace("[data]\n", '[data]\nlayout = "dcase2020"\nroot = "."\n'))
    loaded = load_spec(tmp_path / "spec.toml")
    assert set(loaded.systems) == {"both"}
    (tmp_path / "spec.toml").write_text((tmp_path / "spec.toml").read_text().replace("input_rate = 16000", ""))
    with pytest.raises(SpecError, match="model: it takes 44100 Hz"):
        load_spec(tmp_path / "spec.toml")
