"""``asdkit run`` from a spec to its files: what it writes, repeats, shares and refuses."""

from __future__ import annotations

import csv
import re

import numpy as np
from sklearn.metrics import roc_auc_score

from tests.helpers.rooms import job_folders, results_of, write_clip


def rows_of(path):
    with path.open() as file:
        return list(csv.DictReader(file))


def test_a_run_writes_every_file_and_its_figures_follow_from_scores_csv(finished, tmp_path):
    run = tmp_path / "runs" / "small"
    scores = rows_of(run / "scores.csv")
    assert len(scores) == 2 * 2 * 10
    assert list(scores[0]) == ["path", "machine", "id", "split", "label", "S", "S4", "long", "one", "both"]
    assert {(r["split"], r["label"]) for r in scores} == {("train", "normal"), ("test", "normal"), ("test", "anomaly")}
    figures = results_of(run)["results"]
    assert len(figures) == 5 * 4
    for figure in figures:
        mine = [
            r for r in scores if r["split"] == "test" and (r["machine"], r["id"]) == (figure["machine"], figure["id"])
        ]
        labels = [r["label"] == "anomaly" for r in mine]
        values = [float(r[figure["name"]]) for r in mine]
        assert figure["auc"] == roc_auc_score(labels, values)
        assert figure["pauc"] == roc_auc_score(labels, values, max_fpr=0.1)
        assert (figure["n_normal"], figure["n_anomaly"]) == (3, 3)
    by_csv = rows_of(run / "results.csv")
    assert [float(r["auc"]) for r in by_csv] == [f["auc"] for f in figures]
    challenge = (run / "both" / "anomaly_score_fan_id_02.csv").read_text().splitlines()
    assert len(challenge) == 6
    name, value = challenge[0].split(",")
    (row,) = [r for r in scores if r["path"] == f"fan/test/{name}"]
    assert row["both"] == value
    assert (run / "spec.toml").read_text() == finished.read_text()
    assert {"settings.json", "results.json"} <= {p.name for p in run.iterdir()}
    assert not (run / "work").exists()


def test_the_table_on_standard_output_shows_the_means_of_the_ids(whole_run):
    folder, ran = whole_run
    figures = results_of(folder / "runs" / "small")["results"]
    fan = [f for f in figures if f["machine"] == "fan" and f["name"] == "S4"]
    (line,) = [x for x in ran.stdout.splitlines() if x.startswith("S4 ")]
    expected = f"{100 * np.mean([f['auc'] for f in fan]):.2f} ({100 * np.mean([f['pauc'] for f in fan]):.2f})"
    assert expected in line
    assert "\x1b" not in ran.stdout + ran.stderr


def test_a_system_of_one_member_has_its_members_scores_and_mean_fusion_is_the_mean_of_z_scores(whole_run):
    scores = rows_of(whole_run[0] / "runs" / "small" / "scores.csv")
    assert all(r["one"] == r["S"] for r in scores)
    for machine, id_ in (("fan", "00"), ("pump", "02")):
        mine = [r for r in scores if (r["machine"], r["id"]) == (machine, id_)]
        z = []
        for member in ("S", "S4"):
            train: dict[str, list[float]] = {}
            for r in scores:
                if r["machine"] == machine and r["split"] == "train":
                    train.setdefault(r["id"], []).append(float(r[member]))
            # Few clips: about their id's own mean, by the deviation of all ids.
            about = np.concatenate([np.array(known) - np.mean(known) for known in train.values()])
            deviation = np.sqrt((about**2).sum() / (len(about) - len(train)))
            z.append([(float(r[member]) - np.mean(train[id_])) / deviation for r in mine])
        np.testing.assert_allclose([float(r["both"]) for r in mine], np.mean(z, axis=0), rtol=1e-9)


def test_running_again_repeats_no_job_and_gives_the_same_scores(asdkit_command, finished, tmp_path):
    run = tmp_path / "runs" / "small"
    before, scores = job_folders(run), (run / "scores.csv").read_bytes()
    again = asdkit_command("run", finished)
    assert "6 done, 0 left" in again.stderr
    assert job_folders(run) == before
    assert (run / "scores.csv").read_bytes() == scores


def test_changing_one_detector_runs_that_one_alone_and_a_new_system_runs_none(asdkit_command, finished, tmp_path):
    before = job_folders(tmp_path / "runs" / "small")
    finished.write_text(
        finished.read_text() + '\n[systems.three]\nmembers = ["S", "S4", "long"]\nfuser = { use = "z-score" }\n'
    )
    assert "6 done, 0 left" in asdkit_command("run", finished).stderr
    changed = asdkit_command("run", finished, "--set", "detectors.long.frames=12")
    assert "4 done, 2 left" in changed.stderr
    after = job_folders(tmp_path / "runs" / "small")
    assert {k: after[k] for k in before} == before
    assert len(after) == len(before) + 2


def test_editing_a_plugins_source_runs_its_detectors_again(asdkit_command, finished, tmp_path):
    source = tmp_path / "site" / "asdkit_spectrum.py"
    source.write_text(source.read_text() + "\n# edited\n")
    assert "6 jobs, 0 done, 6 left" in asdkit_command("run", finished).stderr


def test_detectors_of_the_same_settings_share_one_job(asdkit_command, spec, tmp_path):
    spec.write_text(spec.read_text() + '\n[detectors.twin]\nextends = "S"\n')
    ran = asdkit_command("run", spec)
    assert "6 jobs" in ran.stderr
    scores = rows_of(tmp_path / "runs" / "small" / "scores.csv")
    assert all(r["twin"] == r["S"] for r in scores)


def test_a_damaged_job_is_noticed_and_run_again(asdkit_command, finished, tmp_path):
    run = tmp_path / "runs" / "small"
    scores = (run / "scores.csv").read_bytes()
    victim = next(run.glob("jobs/fan/*/scores.safetensors"))
    data = bytearray(victim.read_bytes())
    data[-1] ^= 1
    victim.write_bytes(data)
    assert "5 done, 1 left" in asdkit_command("run", finished).stderr
    assert (run / "scores.csv").read_bytes() == scores


def test_two_workers_give_the_same_scores_as_one(asdkit_command, finished, tmp_path):
    two = asdkit_command("run", finished, "--out", "two", "--set", "compute.workers=2")
    assert two.returncode == 0, two.stderr
    one = tmp_path / "runs" / "small" / "scores.csv"
    assert one.read_bytes() == (tmp_path / "two" / "scores.csv").read_bytes()


def test_scope_id_makes_one_detector_for_each_id(asdkit_command, finished, tmp_path):
    asdkit_command("run", finished, "--set", 'detectors.S.scope="id"', "--out", "by-id")
    states = {p.name for p in (tmp_path / "by-id").glob("jobs/fan/*/state*")}
    assert {"state-00.safetensors", "state-02.safetensors"} <= states
    a, b = (rows_of(tmp_path / d / "scores.csv") for d in ("by-id", "runs/small"))
    assert [r["S"] for r in a] != [r["S"] for r in b]


def test_bad_recordings_stop_the_run_before_any_work_and_are_all_named(asdkit_command, spec, room, tmp_path):
    cut = room / "fan" / "train" / "normal_id_00_00000000.wav"
    cut.write_bytes(cut.read_bytes()[: cut.stat().st_size // 2])
    (room / "pump" / "test" / "normal_id_00_00000001.wav").write_text("this is no sound")
    write_clip(room / "pump" / "test" / "anomaly_id_02_00000002.wav", 1, seconds=0.05)
    ran = asdkit_command("run", spec)
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


def test_under_skip_the_good_ones_are_scored_and_the_bad_ones_listed(asdkit_command, spec, room, tmp_path):
    (room / "pump" / "test" / "normal_id_00_00000001.wav").write_bytes(b"")
    ran = asdkit_command("run", spec, "--set", 'data.on_bad_audio="skip"')
    assert ran.returncode == 0, ran.stderr
    run = tmp_path / "runs" / "small"
    (skipped,) = results_of(run)["skipped"]
    assert skipped["path"] == "pump/test/normal_id_00_00000001.wav"
    assert "skipped: pump/test/normal_id_00_00000001.wav" in ran.stderr
    assert len(rows_of(run / "scores.csv")) == 39


def test_a_silent_clip_is_scored_and_flagged(asdkit_command, spec, room, tmp_path):
    import soundfile

    soundfile.write(room / "fan" / "test" / "normal_id_00_00000001.wav", np.zeros(8000, np.int16), 8000)
    ran = asdkit_command("run", spec)
    assert ran.returncode == 0, ran.stderr
    notes = results_of(tmp_path / "runs" / "small")["notes"]
    assert [n for n in notes if n.startswith("fan/test/normal_id_00_00000001.wav: silent")]


def test_an_id_without_both_classes_shows_a_dash_and_is_said(asdkit_command, spec, room, tmp_path):
    for path in (room / "fan" / "test").glob("anomaly_id_0*"):
        path.unlink()
    ran = asdkit_command("run", spec)
    assert ran.returncode == 0, ran.stderr
    (line,) = [x for x in ran.stdout.splitlines() if x.startswith("S ")]
    assert re.search(r"member +- +\d", line)
    assert "fan id 00, 02: no test clips of both classes" in ran.stderr
    figures = results_of(tmp_path / "runs" / "small")["results"]
    assert {f["auc"] for f in figures if f["machine"] == "fan"} == {None}


def test_evaluation_files_without_labels_are_scored(asdkit_command, spec, room, tmp_path):
    for i, path in enumerate(sorted((room / "fan" / "test").iterdir())):
        path.rename(path.with_name(f"id_0{0 if '_00_' in path.name else 2}_{i:08}.wav"))
    ran = asdkit_command("run", spec)
    assert ran.returncode == 0, ran.stderr
    scores = rows_of(tmp_path / "runs" / "small" / "scores.csv")
    unlabelled = [r for r in scores if r["machine"] == "fan" and r["split"] == "test"]
    assert {r["label"] for r in unlabelled} == {""}
    assert all(r["both"] for r in unlabelled)


def test_an_id_unseen_in_training_is_scored_and_flagged(asdkit_command, spec, room, tmp_path):
    write_clip(room / "fan" / "test" / "normal_id_09_00000000.wav", 5)
    ran = asdkit_command("run", spec)
    assert ran.returncode == 0, ran.stderr
    assert "id 09" in ran.stderr
    scores = rows_of(tmp_path / "runs" / "small" / "scores.csv")
    (row,) = [r for r in scores if r["id"] == "09"]
    assert all(np.isfinite(float(row[c])) for c in ("S", "both"))


def test_a_folder_that_is_not_a_runs_is_left_alone(asdkit_command, spec, room, tmp_path):
    (tmp_path / "mine" / "work").mkdir(parents=True)
    (tmp_path / "mine" / "work" / "thesis.txt").write_text("years")
    refused = asdkit_command("run", spec, "--out", "mine")
    assert refused.returncode == 2
    assert "not a run" in refused.stderr
    assert (tmp_path / "mine" / "work" / "thesis.txt").read_text() == "years"
    assert asdkit_command("run", spec, "--out", ".").returncode == 2
    assert asdkit_command("run", spec, "--out", "room").returncode == 2
    assert len(list(room.rglob("*.wav"))) == 40


def test_links_to_nothing_and_machines_without_training_clips_are_told_at_once(asdkit_command, spec, room):
    (room / "fan" / "train" / "normal_id_00_00000009.wav").symlink_to("nowhere")
    for path in (room / "pump" / "train").iterdir():
        path.unlink()
    ran = asdkit_command("check", spec)
    assert ran.returncode == 3, ran.stderr
    assert "normal_id_00_00000009.wav: " in ran.stderr
    assert "machine pump has no training clip" in ran.stderr
    assert "Traceback" not in ran.stderr


def test_editing_the_package_that_holds_a_plugins_class_runs_its_detectors_again(asdkit_command, spec, tmp_path):
    from tests.helpers.packages import install

    hooks = """
from asdkit.api import Entry, hookimpl
from asdkit_spectrum import SpectrumConfig
@hookimpl
def asdkit_detectors():
    return [Entry("far", SpectrumConfig, "far_away:Far", defaults={"frames": 5})]
"""
    far = "from asdkit_spectrum import Spectrum\nclass Far(Spectrum):\n    pass\n"
    install(tmp_path / "site", "asdkit-far", {"asdkit_far.py": hooks, "far_away.py": far}, {"far": "asdkit_far"})
    spec.write_text(spec.read_text().replace("[systems.one]", '[detectors.F]\nuse = "far"\n\n[systems.one]'))
    asdkit_command("run", spec)
    (tmp_path / "site" / "far_away.py").write_text(far + "# edited\n")
    assert "6 done, 2 left" in asdkit_command("run", spec).stderr
