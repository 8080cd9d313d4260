"""``asdkit run`` from a spec to its files: what it writes, repeats, shares and refuses."""

from __future__ import annotations

import csv
import re

import numpy as np
import pytest
import soundfile
from sklearn.metrics import roc_auc_score

from tests.helpers.cli import cli_in
from tests.helpers.packages import install
from tests.helpers.rooms import job_folders, make_room, make_spec, results_of, write_clip


def rows_of(path):
    with path.open() as file:
        return list(csv.DictReader(file))


def lines_of(path, machine):
    """Lines of a ``scores.csv`` about one machine."""
    return [line for line in path.read_text().splitlines() if f",{machine}," in line]


def test_figures_follow_from_scores_csv(finished, tmp_path):
    run = tmp_path / "runs" / "small"
    scores = rows_of(run / "scores.csv")
    assert len(scores) == 2 * 2 * 10
    assert list(scores[0]) == ["path", "machine", "id", "split", "label", "S", "S4", "long", "one", "both"]
    assert {(r["split"], r["label"]) for r in scores} == {("train", "normal"), ("test", "normal"), ("test", "anomaly")}
    figures = results_of(run)["results"]
    assert len(figures) == 5 * 4
    for figure in figures:
        own = [
            r for r in scores if r["split"] == "test" and (r["machine"], r["id"]) == (figure["machine"], figure["id"])
        ]
        labels = [r["label"] == "anomaly" for r in own]
        values = [float(r[figure["name"]]) for r in own]
        assert figure["auc"] == roc_auc_score(labels, values)
        assert figure["pauc"] == roc_auc_score(labels, values, max_fpr=0.1)
        assert (figure["n_normal"], figure["n_anomaly"]) == (3, 3)
    by_csv = rows_of(run / "results.csv")
    assert [float(r["auc"]) for r in by_csv] == [f["auc"] for f in figures]
    submission = (run / "both" / "anomaly_score_fan_id_02.csv").read_text().splitlines()
    assert len(submission) == 6
    name, value = submission[0].split(",")
    (row,) = [r for r in scores if r["path"] == f"fan/test/{name}"]
    assert row["both"] == value
    assert (run / "spec.toml").read_text() == finished.read_text()
    assert {"settings.json", "results.json"} <= {p.name for p in run.iterdir()}
    assert not (run / "work").exists()


def test_printed_table_shows_means_over_ids(whole_run):
    folder, ran = whole_run
    figures = results_of(folder / "runs" / "small")["results"]
    fan = [f for f in figures if f["machine"] == "fan" and f["name"] == "S4"]
    (line,) = [x for x in ran.stdout.splitlines() if x.startswith("S4 ")]
    expected = f"{100 * np.mean([f['auc'] for f in fan]):.2f} ({100 * np.mean([f['pauc'] for f in fan]):.2f})"
    assert expected in line
    assert "\x1b" not in ran.stdout + ran.stderr


def test_systems_have_member_scores_or_mean_z_scores(whole_run):
    scores = rows_of(whole_run[0] / "runs" / "small" / "scores.csv")
    assert all(r["one"] == r["S"] for r in scores)
    for machine, id_ in (("fan", "00"), ("pump", "02")):
        own = [r for r in scores if (r["machine"], r["id"]) == (machine, id_)]
        z = []
        for member in ("S", "S4"):
            train: dict[str, list[float]] = {}
            for r in scores:
                if r["machine"] == machine and r["split"] == "train":
                    train.setdefault(r["id"], []).append(float(r[member]))
            # Few clips: about the mean of their id, by the deviation of all ids.
            about = np.concatenate([np.array(values) - np.mean(values) for values in train.values()])
            deviation = np.sqrt((about**2).sum() / (len(about) - len(train)))
            z.append([(float(r[member]) - np.mean(train[id_])) / deviation for r in own])
        np.testing.assert_allclose([float(r["both"]) for r in own], np.mean(z, axis=0), rtol=1e-9)


def test_running_again_repeats_no_job(asdkit, finished, tmp_path):
    run = tmp_path / "runs" / "small"
    before, scores = job_folders(run), (run / "scores.csv").read_bytes()
    again = asdkit("run", finished)
    assert "6 done, 0 left" in again.stderr
    assert job_folders(run) == before
    assert (run / "scores.csv").read_bytes() == scores


def test_changed_detector_runs_alone_new_system_runs_none(asdkit, finished, tmp_path):
    before = job_folders(tmp_path / "runs" / "small")
    finished.write_text(
        finished.read_text() + '\n[systems.three]\nmembers = ["S", "S4", "long"]\nfuser = { use = "z-score" }\n'
    )
    assert "6 done, 0 left" in asdkit("check", finished).stderr
    changed = asdkit("run", finished, "--machine", "fan", "--set", "detectors.long.frames=12")
    assert "2 done, 1 left" in changed.stderr
    assert all(r["three"] for r in rows_of(tmp_path / "runs" / "small" / "scores.csv"))
    after = job_folders(tmp_path / "runs" / "small")
    assert {k: after[k] for k in before} == before
    assert len(after) == len(before) + 1


def test_edited_plugin_source_leaves_its_jobs_to_do(asdkit, finished, tmp_path):
    source = tmp_path / "site" / "asdkit_mean_spectrum.py"
    source.write_text(source.read_text() + "\n# edited\n")
    assert "6 jobs, 0 done, 6 left" in asdkit("check", finished).stderr


def test_edited_package_of_plugin_class_leaves_jobs_to_do(asdkit, spec, tmp_path):
    hooks = """
from asdkit.api import Entry, hookimpl
from asdkit_mean_spectrum import SpectrumConfig
@hookimpl
def asdkit_detectors():
    return [Entry("far", SpectrumConfig, "far_away:Far", defaults={"frames": 5})]
"""
    far = "from asdkit_mean_spectrum import Spectrum\nclass Far(Spectrum):\n    pass\n"
    install(tmp_path / "site", "asdkit-far", {"asdkit_far.py": hooks, "far_away.py": far}, {"far": "asdkit_far"})
    spec.write_text(spec.read_text().replace("[systems.one]", '[detectors.F]\nuse = "far"\n\n[systems.one]'))
    assert asdkit("run", spec, "--machine", "fan").returncode == 0
    (tmp_path / "site" / "far_away.py").write_text(far + "# edited\n")
    assert "3 done, 1 left" in asdkit("check", spec, "--machine", "fan").stderr


def test_detectors_with_equal_settings_share_a_job(asdkit, spec, tmp_path):
    spec.write_text(spec.read_text() + '\n[detectors.twin]\nextends = "S"\n')
    ran = asdkit("run", spec, "--machine", "fan")
    assert "3 jobs" in ran.stderr
    scores = rows_of(tmp_path / "runs" / "small" / "scores.csv")
    assert all(r["twin"] == r["S"] for r in scores)


def test_damaged_job_runs_again(asdkit, finished, tmp_path):
    run = tmp_path / "runs" / "small"
    scores = (run / "scores.csv").read_bytes()
    victim = next(run.glob("jobs/fan/*/scores.safetensors"))
    data = bytearray(victim.read_bytes())
    data[-1] ^= 1
    victim.write_bytes(data)
    assert "5 done, 1 left" in asdkit("run", finished).stderr
    assert (run / "scores.csv").read_bytes() == scores


def test_two_workers_give_the_same_scores(asdkit, finished, tmp_path):
    two = asdkit("run", finished, "--out", "two", "--machine", "fan", "--set", "compute.workers=2")
    assert two.returncode == 0, two.stderr
    scores = lines_of(tmp_path / "two" / "scores.csv", "fan")
    assert len(scores) == 20
    assert scores == lines_of(tmp_path / "runs" / "small" / "scores.csv", "fan")


def test_scope_id_trains_one_detector_per_id(asdkit, finished, tmp_path):
    asdkit("run", finished, "--set", 'detectors.S.scope="id"', "--machine", "fan", "--out", "by-id")
    states = {p.name for p in (tmp_path / "by-id").glob("jobs/fan/*/state*")}
    assert {"state-00.safetensors", "state-02.safetensors"} <= states
    a, b = (rows_of(tmp_path / d / "scores.csv") for d in ("by-id", "runs/small"))
    assert [r["S"] for r in a] != [r["S"] for r in b if r["machine"] == "fan"]


@pytest.fixture(scope="module")
def irregular(tmp_path_factory):
    """A run on a room of which each irregularity is tested below; and what the command printed."""
    folder = tmp_path_factory.mktemp("irregular")
    room = make_room(folder / "room")
    soundfile.write(room / "fan" / "test" / "normal_id_00_00000001.wav", np.zeros(8000, np.int16), 8000)
    for path in (room / "fan" / "test").glob("anomaly_id_0*"):
        path.unlink()
    (room / "pump" / "test" / "normal_id_00_00000001.wav").write_bytes(b"")
    write_clip(room / "pump" / "test" / "normal_id_09_00000000.wav", 5)
    ran = cli_in(folder)("run", make_spec(folder), "--set", 'data.on_bad_audio="skip"')
    assert ran.returncode == 0, ran.stderr
    return folder / "runs" / "small", ran


def test_skip_scores_good_recordings_and_lists_bad_ones(irregular):
    run, ran = irregular
    (skipped,) = results_of(run)["skipped"]
    assert skipped["path"] == "pump/test/normal_id_00_00000001.wav"
    assert "skipped: pump/test/normal_id_00_00000001.wav" in ran.stderr
    assert len(rows_of(run / "scores.csv")) == (20 - 6) + (20 - 1 + 1)


def test_silent_clip_is_scored_and_noted(irregular):
    notes = results_of(irregular[0])["notes"]
    assert [n for n in notes if n.startswith("fan/test/normal_id_00_00000001.wav: silent")]
    (row,) = [r for r in rows_of(irregular[0] / "scores.csv") if r["path"] == "fan/test/normal_id_00_00000001.wav"]
    assert np.isfinite(float(row["both"]))


def test_id_without_both_classes_has_no_auc(irregular):
    run, ran = irregular
    (line,) = [x for x in ran.stdout.splitlines() if x.startswith("S ")]
    assert re.search(r"member +- +\d", line)
    assert "fan id 00, 02: no test clips of both classes" in ran.stderr
    figures = results_of(run)["results"]
    assert {f["auc"] for f in figures if f["machine"] == "fan"} == {None}


def test_id_unseen_in_training_is_scored_and_noted(irregular):
    run, ran = irregular
    assert "id 09" in ran.stderr
    (row,) = [r for r in rows_of(run / "scores.csv") if r["id"] == "09"]
    assert all(np.isfinite(float(row[c])) for c in ("S", "both"))


def test_unlabelled_test_clips_are_scored(asdkit, spec, room, tmp_path):
    for i, path in enumerate(sorted((room / "fan" / "test").iterdir())):
        path.rename(path.with_name(f"id_0{0 if '_00_' in path.name else 2}_{i:08}.wav"))
    ran = asdkit("run", spec, "--machine", "fan")
    assert ran.returncode == 0, ran.stderr
    unlabelled = [r for r in rows_of(tmp_path / "runs" / "small" / "scores.csv") if r["split"] == "test"]
    assert len(unlabelled) == 12
    assert {r["label"] for r in unlabelled} == {""}
    assert all(r["both"] for r in unlabelled)


def test_all_bad_recordings_are_named_before_work(asdkit, spec, room, tmp_path):
    cut = room / "fan" / "train" / "normal_id_00_00000000.wav"
    cut.write_bytes(cut.read_bytes()[: cut.stat().st_size // 2])
    (room / "pump" / "test" / "normal_id_00_00000001.wav").write_text("this is no sound")
    write_clip(room / "pump" / "test" / "anomaly_id_02_00000002.wav", 1, seconds=0.05)
    ran = asdkit("run", spec)
    assert ran.returncode == 3
    assert "Traceback" not in ran.stderr
    lines = ran.stderr.splitlines()
    for name, reason in (
        ("fan/train/normal_id_00_00000000.wav", "cut short"),
        ("pump/test/normal_id_00_00000001.wav", ""),
        ("pump/test/anomaly_id_02_00000002.wav", "shorter than a window of S: 0.05 s gives 4 of 5 frames"),
    ):
        assert sum(name in line and reason in line for line in lines) == 1, ran.stderr
    assert not (tmp_path / "runs" / "small" / "jobs").exists()


def test_folder_of_something_else_is_refused(asdkit, spec, room, tmp_path):
    (tmp_path / "mine" / "work").mkdir(parents=True)
    (tmp_path / "mine" / "work" / "thesis.txt").write_text("years")
    refused = asdkit("run", spec, "--out", "mine")
    assert refused.returncode == 2
    assert "not a run" in refused.stderr
    assert (tmp_path / "mine" / "work" / "thesis.txt").read_text() == "years"
    assert asdkit("run", spec, "--out", ".").returncode == 2
    assert asdkit("run", spec, "--out", "room").returncode == 2
    assert len(list(room.rglob("*.wav"))) == 40


def test_broken_links_and_untrainable_machines_are_reported_together(asdkit, spec, room):
    (room / "fan" / "train" / "normal_id_00_00000009.wav").symlink_to("nowhere")
    for path in (room / "pump" / "train").iterdir():
        path.unlink()
    ran = asdkit("check", spec)
    assert ran.returncode == 3, ran.stderr
    assert "normal_id_00_00000009.wav: " in ran.stderr
    assert "machine pump has no training clip" in ran.stderr
    assert "Traceback" not in ran.stderr
