"""Domains and attributes reach detectors of API 2, labels never; pairs of microphones from the folder to the score."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
import soundfile

from asdkit import Bundle
from asdkit.errors import UsageError
from tests.helpers.packages import install

PLUGIN = """
import numpy as np
from asdkit.api import DetectorConfig, Entry, hookimpl

class Config(DetectorConfig):
    pass

class Detector:
    def __init__(self, config):
        self.target = -1.0

    def fit(self, training, ctx):
        assert len(training.domains) == len(training.attributes) == training.features.clips
        self.target = float(sum(domain == "target" for domain in training.domains))

    def score(self, features, windows, ids, ctx):
        conditions = [features.condition(clip) for clip in range(features.clips)]
        values = [100 * self.target + 10 * (c.domain == "target") + len(c.attributes) for c in conditions]
        return np.array(values, np.float32)[windows.clip_of()]

    def state(self):
        return {"target": self.target}

    def load(self, state):
        self.target = state["target"]

@hookimpl
def asdkit_detectors():
    return [Entry("by-domain", Config, Detector, summary="Counts.", api_version=VERSION)]
"""
SPEC = """
asdkit = 1
[data]
layout = "LAYOUT"
root = "ROOT"
sample_rate = 8000
[calibration]
held_out = 0
[featurizers.f]
use = "log-mel"
[detectors.D]
use = "by-domain"
frames = "clip"
"""


@pytest.fixture
def plugin(tmp_path):
    """A function that installs a detector of an API version and writes a spec for it; a data set as that of 2026."""
    pairs(tmp_path / "room")

    def write(layout, root, version=2):
        source = PLUGIN.replace("VERSION", str(version))
        install(tmp_path / "site", "asdkit-by-domain", {"plug_by_domain.py": source}, {"by-domain": "plug_by_domain"})
        (tmp_path / "spec.toml").write_text(SPEC.replace("LAYOUT", layout).replace("ROOT", root))

    return write


def pairs(folder: Path) -> None:
    """Write recordings of a machine with a near and a far microphone, two domains and attributes."""
    rng = np.random.default_rng(0)
    names = [f"train/section_00_source_train_normal_{i:04}_speed_6_mic_1.wav" for i in range(6)]
    names += [f"train/section_00_target_train_normal_{i:04}_speed_8_mic_1.wav" for i in range(6, 8)]
    for domain, speed in (("source", 6), ("target", 8)):
        for label in ("normal", "anomaly"):
            names += [f"test/section_00_{domain}_test_{label}_{i:04}_speed_{speed}_mic_1.wav" for i in range(2)]
    for name in names:
        path = folder / "fan" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        noise = rng.uniform(0.5, 2) * rng.normal(size=16000)
        machine = 0.005 * (2 if "anomaly" in name else 1) * rng.normal(size=16000)
        near = machine + np.convolve(noise, [0, 0.1, 0.05])[:16000]
        soundfile.write(path, np.stack([near, 0.1 * noise], axis=1), 8000, subtype="PCM_16")


def scores_of(folder: Path, detector: str = "D") -> dict[str, float]:
    with (folder / "scores.csv").open(encoding="utf-8") as file:
        return {Path(row["path"]).name: float(row[detector]) for row in csv.DictReader(file)}


def test_pairs_of_microphones_from_the_folder_to_the_score(plugin, asdkit, tmp_path):
    written = asdkit("init", "room", "-o", "proposed.toml")
    assert written.returncode == 0, written.stderr
    assert 'layout = "dcase202' in (tmp_path / "proposed.toml").read_text()
    plugin("dcase2026", "room")
    with (tmp_path / "spec.toml").open("a") as file:
        file.write('[detectors.K]\nuse = "knn"\nframes = "clip"\n')
    far = ("--set", 'data.channel="far-subtract"')
    checked = asdkit("check", "spec.toml", *far)
    assert checked.returncode == 0, checked.stderr
    areas = {}
    for name, options in (("mean", ()), ("far", far)):
        ran = asdkit("run", "spec.toml", "--out", name, "--backend", "sequential", *options)
        assert ran.returncode == 0, ran.stderr
        means = json.loads((tmp_path / name / "results.json").read_text())["results"]
        areas[name] = [row["auc"] for row in means if row["name"] == "K"]  # of both domains
    assert np.mean(areas["far"]) > np.mean(areas["mean"]) + 0.1
    scores = scores_of(tmp_path / "far")
    assert scores["section_00_source_test_normal_0000_speed_6_mic_1.wav"] == 202  # 2 target clips; 2 attributes
    assert scores["section_00_target_test_anomaly_0000_speed_8_mic_1.wav"] == 212
    assert asdkit("export", "far", "--system", "K", "-o", "fan.asdkit").returncode == 0
    new = tmp_path / "room" / "fan" / "test" / "section_00_source_test_anomaly_0001_speed_6_mic_1.wav"
    scored = asdkit("score", "fan.asdkit", new, "--format", "jsonl")
    assert scored.returncode == 0, scored.stderr
    assert json.loads(scored.stdout)["score"] == pytest.approx(scores_of(tmp_path / "far", "K")[new.name])


def test_a_bundle_may_be_given_the_domain(plugin, asdkit, tmp_path, monkeypatch):
    plugin("dcase2026", "room")
    assert asdkit("run", "spec.toml", "--backend", "sequential").returncode == 0
    monkeypatch.syspath_prepend(tmp_path / "site")
    bundle = Bundle.of_run(tmp_path / "runs" / "spec")
    wave = np.random.default_rng(0).normal(0, 0.1, 16000).astype(np.float32)
    assert [bundle.score(wave, 8000, domain=domain).score for domain in (None, "source", "target")] == [200, 200, 210]
    with pytest.raises(UsageError, match="expected 'source', 'target' or None"):
        bundle.score(wave, 8000, domain="lab")


def test_detectors_of_api_1_get_neither(plugin, asdkit, tmp_path):
    plugin("dcase2026", "room", version=1)
    ran = asdkit("run", "spec.toml", "--backend", "sequential")
    assert ran.returncode == 0, ran.stderr
    assert set(scores_of(tmp_path / "runs" / "spec").values()) == {0}


def test_no_label_is_reachable_and_attributes_are_part_of_the_job(plugin, asdkit, tmp_path):
    """Other labels change no score and train nothing again; another attribute does."""
    plugin("csv", "clips.csv")
    paths = sorted(path.relative_to(tmp_path).as_posix() for path in (tmp_path / "room").rglob("*.wav"))

    def run(labels, load):
        rows = ["path,machine,split,label,domain,load,state,fault"]
        for index, path in enumerate(paths):
            is_train = "/train/" in path
            label = "normal" if is_train else labels[index % 2]
            known = f"{load},{label},{label == 'anomaly'}"
            rows.append(f"{path},fan,{'train' if is_train else 'test'},{label},source,{known}")
        (tmp_path / "clips.csv").write_text("\n".join(rows) + "\n")
        ran = asdkit("run", "spec.toml", "--backend", "sequential")
        assert ran.returncode == 0, ran.stderr
        assert "the attribute state is left out" in ran.stderr
        jobs = sorted(path.name for path in (tmp_path / "runs" / "spec" / "jobs" / "fan").iterdir())
        return scores_of(tmp_path / "runs" / "spec"), jobs

    scores, jobs = run(("normal", "anomaly"), 3)
    assert set(scores.values()) == {1}  # one attribute is left: load
    assert run(("anomaly", "normal"), 3) == (scores, jobs)
    assert len(run(("normal", "anomaly"), 4)[1]) == 2
