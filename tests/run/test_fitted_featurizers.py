"""Featurizers with a state: fitted to training clips alone, stored in jobs and bundles."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest

from asdkit.bundle import Bundle
from asdkit.bundle.export import export
from asdkit.plugins import Plugin, Registry, discover
from asdkit.run import fit_arrays, make_plan, run_plan
from asdkit.run.state_codec import read_state
from asdkit.spec import load_spec
from tests.helpers.bundle_room import make_room
from tests.helpers.rooms import write_clip
from tests.mutants import sound

SPEC = """asdkit = 1
name = "fitted"
seed = 3
[data]
layout = "dcase2020"
root = "room"
sample_rate = 8000
[compute]
backend = "sequential"
[calibration]
held_out = 0.3
[featurizers.F]
use = "sound"
[detectors.K]
use = "knn"
frames = 5
statistics = ["mean"]
[detectors.I]
extends = "K"
scope = "id"
[systems.both]
members = ["K", "I"]
fuser = { use = "z-score" }
"""


@pytest.fixture(scope="module")
def registry():
    entry = sound.ENTRIES["fitted featurizer"]
    return Registry(
        [*discover().plugins, Plugin("featurizer", "sound", "ok", "test", "1", "tests.mutants.sound", entry)]
    )


@pytest.fixture(scope="module")
def whole(tmp_path_factory, registry):
    """Folder with recordings, spec and finished run."""
    folder = tmp_path_factory.mktemp("fitted")
    make_room(folder / "room", train=10)
    (folder / "spec.toml").write_text(SPEC)
    run(folder, registry)
    return folder


def run(folder, registry):
    results = run_plan(make_plan(load_spec(folder / "spec.toml", registry=registry), folder / "run", registry))
    assert results.failed == {}


def states(folder) -> list[np.ndarray]:
    """Means of the featurizers of the jobs that the run's settings name."""
    machines = json.loads((folder / "run/settings.json").read_text())["machines"]
    jobs = {detector["job"] for detector in machines["fan"].values()}
    return [read_state(folder / "run/jobs" / job / "featurizer.safetensors")["mean"] for job in sorted(jobs)]


def test_test_clips_and_clips_held_out_never_change_the_state(whole, registry, tmp_path):
    shutil.copytree(whole, tmp_path, dirs_exist_ok=True)
    before = states(tmp_path)
    held = json.loads((whole / "run/results.json").read_text())["held_out"]["fan"]
    others = [*(tmp_path / "room/fan/test").iterdir(), *(tmp_path / "room" / name for name in held)]
    assert len(held) == 6
    for number, path in enumerate(others):
        write_clip(path, 900 + number, fault=True)
    run(tmp_path, registry)
    after = states(tmp_path)
    assert len(after) == 2
    assert all(np.array_equal(mean, before[0]) for mean in [*before, *after])
    train = next(path for path in (tmp_path / "room/fan/train").iterdir() if f"fan/train/{path.name}" not in held)
    write_clip(train, 999, fault=True)
    run(tmp_path, registry)
    assert not np.array_equal(states(tmp_path)[0], before[0])


def test_a_bundle_holds_the_state_once_and_scores_as_the_run(whole, registry, tmp_path):
    bundle = Bundle.of_run(whole / "run", "both", registry=registry)
    (tmp_path / "b.asdkit").write_bytes(export(bundle))
    loaded = Bundle.load(tmp_path / "b.asdkit", registry=registry)
    assert [part.state for part in loaded.description.featurizers] == ["featurizers/0.safetensors"]
    clips = sorted((whole / "room/fan/test").iterdir())
    table = (whole / "run/scores.csv").read_text().splitlines()
    column = table[0].split(",").index("both")
    rows = {line.split(",")[0]: line.split(",")[column] for line in table[1:]}
    verdicts = loaded.score_waves([loaded.read(path) for path in clips], [path.name.split("_")[2] for path in clips])
    assert [repr(verdict.score) for verdict in verdicts] == [rows[f"fan/test/{path.name}"] for path in clips]


def test_a_damaged_state_is_refused(whole, registry):
    bundle = Bundle.of_run(whole / "run", "K", registry=registry)
    name = bundle.description.featurizers[0].state
    with pytest.raises(Exception, match=r"featurizers/0\.safetensors"):
        Bundle("b", bundle.description, {**bundle.files, name: b"x"}, registry, bundle.ctx)


def test_arrays_are_featurised_about_the_mean_of_those_fitted(whole, registry):
    spec = load_spec(whole / "spec.toml", registry=registry)
    waves = list(np.random.default_rng(0).normal(0, 0.1, (9, 4000)).astype(np.float32))
    fitted = fit_arrays(spec, "K", waves[:8], registry=registry)
    again = fit_arrays(spec, "K", waves[:8], registry=registry)
    fitted.score(waves[8:])
    assert np.array_equal(fitted.featurizer.state()["mean"], again.featurizer.state()["mean"])
