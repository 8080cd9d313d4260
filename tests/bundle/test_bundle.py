"""A bundle scores as the run did, decides by the clips held out, and says when it cannot."""

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


def scores_of(run):
    with (run / "scores.csv").open() as file:
        return list(csv.DictReader(file))


def test_file_and_run_score_as_the_run_itself_did(run, exported, bundle, registry):
    loaded = Bundle.load(exported, registry=registry)
    for row in scores_of(run):
        wave, rate = soundfile.read(run.parent / "room" / row["path"], dtype="int16")
        verdict = loaded.score(wave, rate, row["id"])
        assert verdict.score == pytest.approx(float(row["both"]), rel=1e-5, abs=1e-6)
        assert verdict.members == pytest.approx({m: float(row[m]) for m in ("K", "I")}, rel=1e-5)
        assert verdict.score == bundle.score(wave, rate, row["id"]).score


def test_a_detector_alone_is_a_system_and_its_references_are_its_scores_of_the_clips_held_out(run, registry):
    alone = Bundle.of_run(run, "I", registry=registry)
    assert [m.name for m in alone.members] == ["I"]
    held = alone.calibrator.scores["02"].scores
    known = sorted(float(r["I"]) for r in scores_of(run) if (r["id"], r["split"]) == ("02", "train"))
    assert len(held) == 10
    assert set(held) < set(known)


def test_anomalies_have_smaller_p_values_than_healthy_clips(run, bundle):
    p_values = {"normal": [], "anomaly": []}
    for row in scores_of(run):
        if row["split"] == "test":
            wave, rate = soundfile.read(run.parent / "room" / row["path"], dtype="int16")
            p_values[row["label"]].append(bundle.score(wave, rate, row["id"]).p_value)
    assert max(p_values["anomaly"]) < min(p_values["normal"])
    assert np.median(p_values["normal"]) > 0.2


def test_scoring_several_at_once_or_alone_makes_no_difference(run, bundle):
    rows = [row for row in scores_of(run) if row["split"] == "test"]
    waves = [soundfile.read(run.parent / "room" / row["path"], dtype="int16")[0] for row in rows]
    ids = [None if i % 3 == 0 else row["id"] for i, row in enumerate(rows)]
    together = bundle.score_waves(waves, ids)
    for wave, id_, verdict in zip(waves, ids, together, strict=True):
        assert bundle.score(wave, 8000, id_).score == pytest.approx(verdict.score, rel=1e-6, abs=1e-6)
        assert verdict.id_known is (id_ is not None)


def test_an_unknown_id_is_the_one_that_the_clip_fits_best_and_is_said_to_be_unknown(run, bundle):
    row = next(r for r in scores_of(run) if (r["split"], r["label"], r["id"]) == ("test", "normal", "02"))
    wave, rate = soundfile.read(run.parent / "room" / row["path"], dtype="int16")
    under = {id_: bundle.score(wave, rate, id_) for id_ in ("00", "02")}
    best = max(under.values(), key=lambda v: (v.p_value, -v.score))
    for id_ in (None, "99"):
        verdict = bundle.score(wave, rate, id_)
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


def test_int16_and_floats_of_other_rates_are_taken(run, bundle):
    row = next(r for r in scores_of(run) if r["split"] == "test")
    wave, rate = soundfile.read(run.parent / "room" / row["path"], dtype="int16")
    expected = bundle.score(wave, rate, row["id"]).score
    assert bundle.score(wave / 32768, rate, row["id"]).score == pytest.approx(expected, rel=1e-4)
    slow = bundle.score(np.random.default_rng(0).normal(0, 0.1, 44100), 44100, "00")
    assert slow.windows["K"].seconds[-1] == pytest.approx(1.0, abs=0.08)


def test_a_wave_that_cannot_be_scored_is_told_so(bundle):
    with pytest.raises(DataError, match="shorter than a window of K"):
        bundle.score(np.zeros(100, np.int16), 8000)
    with pytest.raises(DataError, match="sample 0 is nan, not a finite number"):
        bundle.score(np.full(8000, np.nan), 8000)
    for odd in (np.zeros((8000, 2), np.int16), np.zeros(8000, np.int64), np.array(["a"])):
        with pytest.raises(UsageError, match="expected one channel"):
            bundle.score(odd, 8000)


def test_as_many_ids_as_waves_are_needed(bundle):
    with pytest.raises(UsageError, match="2 waves, but 1 ids"):
        bundle.score_waves([np.zeros(8000, np.float32)] * 2, [None])


def test_another_rule_decides_otherwise_and_leaves_the_bundle_as_it_is(run, bundle):
    wave = np.random.default_rng(0).normal(0, 0.3, 8000)
    strict = bundle.deciding(0.01)
    assert bundle.score(wave, 8000, "00").verdict == "anomalous"
    verdict = strict.score(wave, 8000, "00")
    assert (verdict.verdict, verdict.supported_rate) == ("undecided", 1 / 11)
    assert "support no rate below 1 in 11 (9.1 %); 1 % was asked" in verdict.reason
    assert bundle.score(wave, 8000, "00").verdict == "anomalous"
    assert strict.deciding(threshold="gamma").score(wave, 8000, "00").verdict == "anomalous"
    with pytest.raises(UsageError, match="expected a share between 0 and 1"):
        bundle.deciding(5)
    with pytest.raises(UsageError, match="expected one of conformal, gamma"):
        bundle.deciding(threshold="foo")


def test_a_verdict_cannot_be_changed(bundle):
    verdict = bundle.score(np.random.default_rng(0).normal(0, 0.1, 8000), 8000, "00")
    with pytest.raises(FrozenInstanceError):
        verdict.score = 0


def test_names_that_a_run_does_not_have_are_told_with_the_nearest(run, registry, tmp_path):
    with pytest.raises(UsageError, match=r'no system .bth.; did you mean "both"'):
        Bundle.of_run(run, "bth", registry=registry)
    with pytest.raises(UsageError, match=r"no machine .fna."):
        Bundle.of_run(run, "both", "fna", registry=registry)
    with pytest.raises(DataError, match=r"holds no finished run: settings\.json is missing"):
        Bundle.of_run(tmp_path, registry=registry)


def test_a_run_whose_fuser_had_an_option_that_is_none_any_more_is_refused(run, registry, tmp_path):
    shutil.copytree(run, tmp_path / "run")
    settings = tmp_path / "run" / "settings.json"
    kept = settings.read_text()
    settings.write_text(kept.replace('"combine": "mean"', '"combine": "median"'))
    assert settings.read_text() != kept
    with pytest.raises(
        PluginError, match=r"'z-score': combine: .median. is not possible.*another version of the plugin"
    ):
        Bundle.of_run(tmp_path / "run", "both", registry=registry)


def test_importing_asdkit_or_its_score_command_imports_nothing_heavy():
    code = (
        "import sys, asdkit, asdkit.cli.score, asdkit.cli.export\n"
        "heavy = ('torch', 'numba', 'cv2', 'sklearn', 'scipy', 'numpy', 'asdkit.bundle')\n"
        "print([m for m in heavy if m in sys.modules])"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"


def test_the_bundle_is_at_the_top_of_the_package():
    import asdkit

    assert asdkit.Bundle is Bundle
    with pytest.raises(AttributeError):
        _ = asdkit.Bungle


def test_the_ten_lines_of_the_documents_run(run, exported, tmp_path):
    page = (Path(__file__).parents[2] / "docs" / "python.md").read_text()
    code = re.findall(r"^```python\n(.*?)^```", page, re.DOTALL | re.MULTILINE)[1]
    assert len([line for line in code.splitlines() if line.strip()]) <= 10
    row = next(r for r in scores_of(run) if (r["label"], r["id"]) == ("anomaly", "00"))
    shutil.copy(run.parent / "room" / row["path"], tmp_path / "new.wav")
    shutil.copy(exported, tmp_path / "pump.asdkit")
    ran = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    verdict, reason = ran.stdout.splitlines()
    assert verdict.split()[0] == "anomalous"
    assert "support no rate below 1 in 11" in reason


@pytest.mark.parametrize("combine", ["mean", "max", "lead"])
def test_the_worst_time_is_that_of_members_that_hear_moments(tmp_path, registry, combine):
    """Beside them, members that judge whole clips say nothing of when, and hide it from a maximum or a lead."""
    from asdkit.run import make_plan, run_plan
    from asdkit.spec import load_spec
    from tests.helpers.bundle_room import SPEC, make_room

    make_room(tmp_path / "room", train=8, test=1)
    wholes = '[detectors.L]\nuse = "mahalanobis"\nfeaturizer = "mel"\n\n[detectors.N]\nextends = "L"\nuse = "knn"\n'
    system = f'[systems.all]\nmembers = ["L", "N", "K"]\nfuser = {{ use = "z-score", combine = "{combine}" }}\n'
    (tmp_path / "spec.toml").write_text(SPEC.partition("[systems.both]")[0] + wholes + system)
    run_plan(make_plan(load_spec(tmp_path / "spec.toml", registry=registry), tmp_path / "run", registry))
    bundle = Bundle.of_run(tmp_path / "run", "all", registry=registry)
    wave, rate = soundfile.read(tmp_path / "room" / "fan" / "test" / "normal_id_00_00000000.wav")
    wave[int(0.7 * rate) : int(0.75 * rate)] *= 3
    verdict = bundle.score(wave, rate, "00")
    assert verdict.worst_seconds == pytest.approx(0.725, abs=0.1)
    over_time = bundle.over_time(list(verdict.windows.values()), "00").scores
    assert np.count_nonzero(over_time == over_time.max()) == 1
    bundle.fuser.fuse_some = lambda scores, ids, members: np.full(len(ids), np.nan)
    with pytest.raises(PluginError, match=r"the fuser 'z-score' failed to fuse: ValueError: .*a wrong shape"):
        bundle.over_time(list(verdict.windows.values()), "00")
