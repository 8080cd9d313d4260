"""Scales of frames: what detectors and augmenters accept is checked before any work."""

from __future__ import annotations

import numpy as np
import pytest

from asdkit.api import Features, cut_windows
from asdkit.errors import PluginError, UsageError
from asdkit.plugins import Plugin, Registry, discover
from asdkit.run import fit_arrays
from asdkit.spec import load_spec
from tests.helpers.packages import install
from tests.helpers.rooms import make_room

EMBEDDING = """
import numpy as np
from asdkit.api import Config, Entry, Field, hookimpl

class EmbeddingConfig(Config):
    scale: str = Field("linear", description="what it says")

class Embedding:
    bands = 4
    def __init__(self, config):
        self.scale = config.scale
    def rows(self, n_samples):
        return n_samples // 128
    def fill(self, wave, sample_rate, out):
        wave = wave / np.float32(32768) if wave.dtype == np.int16 else wave
        out[:] = wave[: len(out) * 128].reshape(len(out), 4, 32).mean(axis=2)

@hookimpl
def asdkit_featurizers():
    return [Entry("embedding", EmbeddingConfig, Embedding)]
"""
SPEC = """asdkit = 1
[data]
layout = "dcase2020"
root = "room"
sample_rate = 8000
machines = ["fan"]
[featurizers.E]
use = "embedding"
[augmenters.M]
use = "mix"
domain = "power"
[augmenters.W]
use = "warp"
[detectors.K]
use = "knn"
frames = 5
"""


@pytest.fixture
def write(tmp_path):
    install(
        tmp_path / "site", "asdkit-embedding", {"asdkit_embedding.py": EMBEDDING}, {"embedding": "asdkit_embedding"}
    )

    def write(more: str = ""):
        path = tmp_path / "spec.toml"
        path.write_text(SPEC + more)
        return path

    return write


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ("", 'spec.toml:14: detectors.K.statistics: "power" of linear numbers mean nothing; expected some of "mean"'),
        ('statistics = ["mean", "shape"]', 'spec.toml:17: detectors.K.statistics: "shape" of linear numbers'),
        (
            'statistics = ["mean"]\n[detectors.G]\nuse = "group-made"\nframes = 5',
            'detectors.G.featurizer: "E" computes linear numbers, but group-made accepts only db or power',
        ),
        (
            'statistics = ["mean"]\n[detectors.A]\nuse = "autoencoder"\nframes = 5\naugmenters = ["M", "W"]',
            'detectors.A.augmenters: "E" computes linear numbers, but "W" (warp) accepts only db or power',
        ),
    ],
)
def test_a_scale_that_is_not_accepted_is_refused_before_any_work(more, message, write, tmp_path, asdkit):
    make_room(tmp_path / "room")
    ran = asdkit("check", write(more))
    assert ran.returncode == 2
    assert message in ran.stderr, ran.stderr


@pytest.fixture
def registry():
    names = {}
    exec(EMBEDDING, names)
    (entry,) = names["asdkit_featurizers"]()
    return Registry([*discover().plugins, Plugin("featurizer", entry.name, "ok", "test", "1", "test", entry)])


def test_statistics_of_linear_numbers_are_scored(write, registry):
    path = write('statistics = ["mean", "deviation", "change", "median-change", "ranked"]')
    waves = list(np.random.default_rng(0).normal(0, 0.1, (9, 4000)).astype(np.float32))
    scores = fit_arrays(load_spec(path, registry=registry), "K", waves[:8], registry=registry)
    assert np.diff(scores.score([waves[8], 3 * waves[8]])) > 0


@pytest.mark.parametrize(
    ("more", "message", "error"),
    [("", "mean nothing", UsageError), ('[featurizers.E2]\nextends = "E"\n', "scale is 'decibel'", PluginError)],
)
def test_arrays_of_another_scale_are_refused(more, message, error, write, registry):
    sets = ['featurizers.E.scale="decibel"', 'detectors.K.featurizer="E"'] if more else []
    spec = load_spec(write(more), registry=registry, sets=sets)
    with pytest.raises(error, match=message):
        fit_arrays(spec, "K", [np.zeros(8000, np.float32)] * 3, registry=registry)


def test_features_keep_their_scale():
    features = Features(np.ones((6, 2), np.float32), np.array([0, 3, 6]), "linear")
    assert features.select(0, 1).scale == "linear"
    assert len(cut_windows(features.offsets, 2)) == 4
