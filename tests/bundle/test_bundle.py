"""A bundle scores as its run did, decides by the clips held out, and gives a reason if it cannot."""

from __future__ import annotations

import csv
import re
import shutil
import subprocess
import sys
from dataclasses import FrozenInstanceError
from pathlib import Path

import numpy as np
import pytest
import soundfile

from asdkit.bundle import Bundle
from asdkit.errors import DataError, PluginError, UsageError
from tests.helpers.bundle_room import SPEC, finished_run
from tests.helpers.made_runs import edit_settings


def scores_of(run):
    with (run / "scores.csv").open() as file:
        return list(csv.DictReader(file))


def wave_of(run, row):
    return soundfile.read(run.parent / "room" / row["path"], dtype="int16")[0]


def test_bundle_and_run_folder_score_as_the_run(run, exported, bundle, registry):
    loaded = Bundle.load(exported, registry=registry)
    for row in scores_of(run):
        verdict = loaded.score(wave_of(run, row), 8000, row["id"])
        assert verdict.score == pytest.approx(float(row["both"]), rel=1e-5, abs=1e-6)
        assert verdict.members == pytest.approx({m: float(row[m]) for m in ("K", "I")}, rel=1e-5)
        assert verdict.score == bundle.score(wave_of(run, row), 8000, row["id"]).score


def test_a_single_detector_is_a_system(run, registry):
    single = Bundle.of_run(run, "I", registry=registry)
    assert [m.name for m in single.members] == ["I"]
    calibration = single.calibrator.scores["02"].scores
    training_scores = {float(r["I"]) for r in scores_of(run) if (r["id"], r["split"]) == ("02", "train")}
    assert len(calibration) == 10
    assert set(calibration) < training_scores


def test_anomalies_have_smaller_p_values_than_healthy_clips(run, bundle):
    p_values = {"normal": [], "anomaly": []}
    for row in scores_of(run):
        if row["split"] == "test":
            p_values[row["label"]].append(bundle.score(wave_of(run, row), 8000, row["id"]).p_value)
    assert max(p_values["anomaly"]) < min(p_values["normal"])
    assert np.median(p_values["normal"]) > 0.2


def test_a_batch_scores_as_single_clips(run, bundle):
    rows = [row for row in scores_of(run) if row["split"] == "test"]
    waves = [wave_of(run, row) for row in rows]
    ids = [None if i % 3 == 0 else row["id"] for i, row in enumerate(rows)]
    batch = bundle.score_waves(waves, ids)
    for wave, id_, verdict in zip(waves, ids, batch, strict=True):
        assert bundle.score(wave, 8000, id_).score == pytest.approx(verdict.score, rel=1e-6, abs=1e-6)
        assert verdict.id_known is (id_ is not None)


def test_an_unknown_id_is_scored_as_the_best_fit(run, bundle):
    row = next(r for r in scores_of(run) if (r["split"], r["label"], r["id"]) == ("test", "normal", "02"))
    wave = wave_of(run, row)
    per_id = [bundle.score(wave, 8000, id_) for id_ in ("00", "02")]
    best = max(per_id, key=lambda v: (v.p_value, -v.score))
    for id_ in (None, "99"):
        verdict = bundle.score(wave, 8000, id_)
        assert (verdict.id, verdict.id_known, verdict.score) == (best.id, False, best.score)


def test_the_worst_window_is_where_the_fault_is(bundle):
    rng = np.random.default_rng(0)
    time = np.arange(3 * 8000) / 8000
    wave = 0.1 * np.sin(2 * np.pi * 440 * time) + rng.normal(0, 0.05, len(time))
    wave[13000:15000] += 0.4 * np.sin(2 * np.pi * 2500 * time[13000:15000])
    verdict = bundle.score(wave, 8000, "00")
    assert verdict.anomalous is True
    assert 13000 / 8000 - 0.1 < verdict.worst_seconds < 15000 / 8000 + 0.1
    seconds = verdict.windows["K"].seconds
    assert 0 < seconds[0] < 0.1
    assert 2.8 < seconds[-1] < 3


def test_int16_and_floats_of_other_rates_are_accepted(run, bundle):
    row = next(r for r in scores_of(run) if r["split"] == "test")
    wave = wave_of(run, row)
    expected = bundle.score(wave, 8000, row["id"]).score
    assert bundle.score(wave / 32768, 8000, row["id"]).score == pytest.approx(expected, rel=1e-4)
    resampled = bundle.score(np.random.default_rng(0).normal(0, 0.1, 44100), 44100, "00")
    assert resampled.windows["K"].seconds[-1] == pytest.approx(1.0, abs=0.08)


def test_a_wave_that_cannot_be_scored_gives_the_reason(bundle):
    with pytest.raises(DataError, match="shorter than a window of K"):
        bundle.score(np.zeros(100, np.int16), 8000)
    with pytest.raises(DataError, match="sample 0 is nan, not a finite number"):
        bundle.score(np.full(8000, np.nan), 8000)
    for wrong in (np.zeros((8000, 2), np.int16), np.zeros(8000, np.int64), np.array(["a"])):
        with pytest.raises(UsageError, match="expected one channel"):
            bundle.score(wrong, 8000)


def test_each_wave_needs_an_id_or_none(bundle):
    with pytest.raises(UsageError, match="2 waves, but 1 ids"):
        bundle.score_waves([np.zeros(8000, np.float32)] * 2, [None])


def test_another_rule_gives_another_bundle(bundle):
    wave = np.random.default_rng(0).normal(0, 0.3, 8000)
    strict = bundle.deciding(0.01)
    assert bundle.score(wave, 8000, "00").verdict == "anomalous"
    verdict = strict.score(wave, 8000, "00")
    assert (verdict.verdict, verdict.supported_rate) == ("undecided", 1 / 11)
    assert "support no rate below 1 in 11 (9.1 %); 1 % was requested" in verdict.reason
    assert bundle.score(wave, 8000, "00").verdict == "anomalous"
    assert strict.deciding(threshold="gamma").score(wave, 8000, "00").verdict == "anomalous"
    with pytest.raises(UsageError, match="expected a share between 0 and 1"):
        bundle.deciding(5)
    with pytest.raises(UsageError, match="expected one of conformal, gamma"):
        bundle.deciding(threshold="foo")


def test_a_verdict_is_immutable(bundle):
    verdict = bundle.score(np.random.default_rng(0).normal(0, 0.1, 8000), 8000, "00")
    with pytest.raises(FrozenInstanceError):
        verdict.score = 0


def test_unknown_systems_and_machines_give_suggestions(run, registry, tmp_path):
    with pytest.raises(UsageError, match=r'no system .bth.; did you mean "both"'):
        Bundle.of_run(run, "bth", registry=registry)
    with pytest.raises(UsageError, match=r"no machine .fna."):
        Bundle.of_run(run, "both", "fna", registry=registry)
    with pytest.raises(DataError, match=r"holds no finished run: settings\.json is missing"):
        Bundle.of_run(tmp_path, registry=registry)


def test_fuser_options_of_another_version_are_refused(run, registry, tmp_path):
    shutil.copytree(run, tmp_path / "run")
    edit_settings(tmp_path / "run", '"combine": "mean"', '"combine": "median"')
    with pytest.raises(
        PluginError, match=r"'z-score': combine: .median. is not possible.*another version of the plugin"
    ):
        Bundle.of_run(tmp_path / "run", "both", registry=registry)


def test_importing_asdkit_imports_nothing_heavy():
    code = (
        "import sys, asdkit, asdkit.cli.score, asdkit.cli.export\n"
        "heavy = ('torch', 'numba', 'cv2', 'sklearn', 'scipy', 'numpy', 'asdkit.bundle')\n"
        "print([m for m in heavy if m in sys.modules])"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"


def test_the_top_package_exports_bundle():
    import asdkit

    assert asdkit.Bundle is Bundle
    with pytest.raises(AttributeError):
        _ = asdkit.Bungle


def test_the_example_of_the_python_page_runs(run, exported, tmp_path, monkeypatch, capsys):
    page = (Path(__file__).parents[2] / "docs" / "python.md").read_text()
    code = re.findall(r"^```python\n(.*?)^```", page, re.DOTALL | re.MULTILINE)[1]
    assert len([line for line in code.splitlines() if line.strip()]) <= 10
    row = next(r for r in scores_of(run) if (r["label"], r["id"]) == ("anomaly", "00"))
    shutil.copy(run.parent / "room" / row["path"], tmp_path / "new.wav")
    shutil.copy(exported, tmp_path / "pump.asdkit")
    monkeypatch.chdir(tmp_path)
    exec(compile(code, "docs/python.md", "exec"), {"__name__": "example"})
    verdict, reason = capsys.readouterr().out.splitlines()
    assert verdict.split()[0] == "anomalous"
    assert "support no rate below 1 in 11" in reason


@pytest.fixture(scope="module")
def mixed_run(tmp_path_factory, registry):
    """Run of members with windows and with whole clips, in a system for each way to combine them."""
    members = '[detectors.L]\nuse = "mahalanobis"\nfeaturizer = "mel"\n\n[detectors.N]\nextends = "L"\nuse = "knn"\n'
    systems = "".join(
        f'[systems.{how}]\nmembers = ["L", "N", "K"]\nfuser = {{ use = "z-score", combine = "{how}" }}\n'
        for how in ("mean", "max", "lead")
    )
    spec = SPEC.partition("[systems.both]")[0] + members + systems
    return finished_run(tmp_path_factory.mktemp("mixed"), spec, train=8, test=1, registry=registry)


@pytest.mark.parametrize("combine", ["mean", "max", "lead"])
def test_members_with_whole_clips_do_not_hide_the_worst_time(mixed_run, registry, combine):
    bundle = Bundle.of_run(mixed_run, combine, registry=registry)
    wave, rate = soundfile.read(mixed_run.parent / "room" / "fan" / "test" / "normal_id_00_00000000.wav")
    wave[int(0.7 * rate) : int(0.75 * rate)] *= 3
    verdict = bundle.score(wave, rate, "00")
    assert verdict.worst_seconds == pytest.approx(0.725, abs=0.1)
    over_time = bundle.over_time(list(verdict.windows.values()), "00").scores
    assert np.count_nonzero(over_time == over_time.max()) == 1
    bundle.fuser.fuse_subset = lambda scores, ids, members: np.full(len(ids), np.nan)
    with pytest.raises(PluginError, match=r"fuser 'z-score' of .*: fuse_subset failed: ValueError: .*a wrong shape"):
        bundle.over_time(list(verdict.windows.values()), "00")


def test_read_gives_the_wave_that_is_scored(bundle, recordings):
    path = min(recordings.iterdir())
    wave = bundle.read(path)
    assert len(wave) == 8000
    np.testing.assert_array_equal(wave, bundle.decode(path).wave)
