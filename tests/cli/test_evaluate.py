"""``asdkit evaluate``: anybody's files, joined by name, and all that is wrong with them told by name."""

from __future__ import annotations

import random
import re
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from asdkit.data.labels import join, read_ground_truth, truth_of_names, truth_of_rows
from asdkit.data.score_files import read_scores
from asdkit.errors import DataError
from tests.helpers.trees import make

NORMAL = [f"normal_id_00_{i:08}.wav" for i in range(10)]
ANOMALY = [f"anomaly_id_00_{i:08}.wav" for i in range(8)]
SCORES = {name: i / 4 for i, name in enumerate(NORMAL)} | {name: 1 + i / 3 for i, name in enumerate(ANOMALY)}
LABELS = [int(name in ANOMALY) for name in SCORES]
AUC = roc_auc_score(LABELS, list(SCORES.values()))


def write(path: Path, rows: dict[str, float] | list[tuple[str, object]], header: str = "") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    pairs = rows.items() if isinstance(rows, dict) else rows
    path.write_text(header + "".join(f"{name},{value}\n" for name, value in pairs))
    return path


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return make(tmp_path / "data", iter(["fan/train/normal_id_00_00000000.wav", *(f"fan/test/{n}" for n in SCORES)]))


def figures(shown: str, machine: str = "fan", id_: str = "00") -> tuple[str, str]:
    (line,) = [x for x in shown.splitlines() if re.match(rf"{machine} +{id_} +-", x)]
    auc, pauc = re.findall(r"(\d+\.\d\d) \[", line)
    return auc, pauc


@pytest.mark.parametrize("header", ["", "file_name,anomaly_score\n"])
def test_shuffled_files_with_or_without_a_header_give_the_same_figures(header, data, tmp_path, asdkit) -> None:
    rows = list(SCORES.items())
    random.Random(1).shuffle(rows)
    path = write(tmp_path / "mine" / "anomaly_score_fan_id_00.csv", rows, header)
    ran = asdkit("evaluate", path, "--data", data)
    assert ran.returncode == 0, ran.stderr
    part = roc_auc_score(LABELS, list(SCORES.values()), max_fpr=0.1)
    assert figures(ran.stdout) == (f"{100 * AUC:.2f}", f"{100 * part:.2f}")
    assert "mine, by the rule of dcase2020, with 95 % intervals; measured" in ran.stdout


def test_missing_extra_duplicate_and_nan_rows_are_errors_with_names(data, tmp_path, asdkit) -> None:
    partial = {name: value for name, value in SCORES.items() if name != NORMAL[3]} | {"normal_id_00_00000099.wav": 1.0}
    ran = asdkit("evaluate", write(tmp_path / "s" / "anomaly_score_fan_id_00.csv", partial), "--data", data)
    assert ran.returncode == 3
    assert f"fan/{NORMAL[3]}: no score of s" in ran.stderr
    assert "fan/normal_id_00_00000099.wav: scored by s, but no such test clip is known" in ran.stderr
    bad = [*SCORES.items(), (NORMAL[0], 0.5), ("normal_id_00_00000011.wav", "nan"), ("x.wav", "high")]
    ran = asdkit("evaluate", write(tmp_path / "t" / "anomaly_score_fan_id_00.csv", bad), "--data", data)
    assert ran.returncode == 3
    assert f"anomaly_score_fan_id_00.csv:19: {NORMAL[0]}: listed twice" in ran.stderr
    assert "anomaly_score_fan_id_00.csv:20: normal_id_00_00000011.wav: the score is nan" in ran.stderr
    assert "anomaly_score_fan_id_00.csv:21: expected a file name and a number, found x.wav,high" in ran.stderr
    assert "Traceback" not in ran.stderr


@pytest.mark.parametrize("value", ["oops", "", "1_000"])
def test_a_first_row_that_names_a_recording_is_no_header(value, tmp_path) -> None:
    path = write(tmp_path / "s" / "anomaly_score_fan_id_00.csv", [(NORMAL[0], value), (NORMAL[1], 1.0)])
    with pytest.raises(DataError, match=r"anomaly_score_fan_id_00.csv:1: expected a file name and a number"):
        read_scores([path])


def test_a_clip_whose_name_says_another_id_than_its_file_is_an_error(tmp_path) -> None:
    (system,) = read_scores([write(tmp_path / "s" / "anomaly_score_fan_id_02.csv", SCORES)])
    clips = f"fan/{NORMAL[0]} and 17 other clips"
    with pytest.raises(DataError, match=f"{clips}: its name says id 00, the file that scores it 02"):
        truth_of_names(system)


def test_two_systems_and_their_decisions_are_laid_side_by_side(tmp_path, asdkit) -> None:
    write(tmp_path / "a" / "anomaly_score_fan_id_00.csv", SCORES)
    write(tmp_path / "a" / "decision_result_fan_id_00.csv", {name: int(v > 1.9) for name, v in SCORES.items()})
    write(tmp_path / "b" / "anomaly_score_fan_id_00.csv", {name: -v for name, v in SCORES.items()})
    ran = asdkit("evaluate", tmp_path / "a", tmp_path / "b", "--pooled")
    assert ran.returncode == 0, ran.stderr
    assert "labels are from the clips' own names" in ran.stderr
    assert figures(ran.stdout.split("b, by the rule")[0], id_="pooled")[0] == f"{100 * AUC:.2f}"
    # above 1.9: normal 8 and 9, anomalies 3 to 7
    (line,) = re.findall(r"fan +00 +(71\.43) +(62\.50) +(66\.67)", ran.stdout)
    assert line == ("71.43", "62.50", "66.67")
    a, b = ran.stdout.splitlines()[-2:]
    assert a.split()[0::2][:2] == ["a", "1.00"]
    low, high = map(float, re.findall(r"([+-][0-9.]+) to ([+-][0-9.]+)", b)[0])
    assert low < high < 0


@pytest.mark.parametrize(
    ("file", "machine", "id_", "system"),
    [
        ("anomaly_score_ToyCar_id_01.csv", "ToyCar", "01", "folder"),
        ("anomaly_score_fan_section_00_test.csv", "fan", "00", "folder"),
        ("anomaly_score_fan_section_03_source_test.csv", "fan", "03", "folder"),
        ("tflite_quant_anomaly_score_ToyCar_id_02.csv", "ToyCar", "02", "tflite_quant"),
        (
            "anomaly_score_DCASE2024T23DPrinter_section_00_test_seed13711_id(0_)_Eval.csv",
            "3DPrinter",
            "00",
            "seed13711_id(0_)_Eval",
        ),
        ("anomaly_score_ToyCar_r2_section_00_test.csv", "ToyCar_r2", "00", "folder"),
    ],
)
def test_file_names_of_every_baseline_are_read(file, machine, id_, system, tmp_path) -> None:
    (found,) = read_scores([write(tmp_path / "folder" / file, {"dir/x.wav": 1.0})])
    assert (found.name, found.ids) == (system, {(machine, "x.wav"): id_})


def test_an_unknown_name_an_empty_and_a_missing_file_are_told_at_once(tmp_path) -> None:
    paths = [write(tmp_path / "results.csv", {}), write(tmp_path / "anomaly_score_fan_id_00.csv", {}), tmp_path / "no"]
    with pytest.raises(DataError) as error:
        read_scores(paths)
    first, second, third = error.value.message.splitlines()
    assert "results.csv: expected a name such as" in first
    assert second.endswith("anomaly_score_fan_id_00.csv: no row in it")
    assert third.endswith("no: there is no such file")


def test_names_that_say_no_label_ask_for_the_truth(tmp_path) -> None:
    (system,) = read_scores([write(tmp_path / "s" / "anomaly_score_fan_id_01.csv", {"id_01_00000000.wav": 1.0})])
    with pytest.raises(DataError, match=r"fan/id_01_00000000.wav: its name has no label"):
        truth_of_names(system)


def test_the_organisers_list_of_2020_labels_evaluation_clips(tmp_path) -> None:
    listing = tmp_path / "eval_data_list.csv"
    listing.write_text(
        "fan\nid_01_00000000.wav,normal_id_01_00000098.wav,0\nid_01_00000001.wav,anomaly_id_01_00000003.wav,1\n"
        "pump\nid_01_00000000.wav,anomaly_id_01_00000007.wav,1\n"
    )
    rows = {(r.machine, r.name): (r.id, r.label) for r in truth_of_rows(read_ground_truth([listing]))}
    assert rows == {
        ("fan", "id_01_00000000.wav"): ("01", 0),
        ("fan", "id_01_00000001.wav"): ("01", 1),
        ("pump", "id_01_00000000.wav"): ("01", 1),
    }
    listing.write_text("fan\nid_01_00000000.wav,normal_id_01_00000098.wav,1\n")
    with pytest.raises(DataError, match=r"eval_data_list.csv:2: label 1, but the original name says normal"):
        read_ground_truth([listing])


def test_the_remapped_list_of_2025_tells_label_and_domain(tmp_path) -> None:
    listing = tmp_path / "eval_data_list_2025.csv"
    listing.write_text("ToyPet\nsection_00_0000.wav,section_00_target_test_anomaly_0012_id_C1_spd_2_mic_2.wav\n")
    (row,) = truth_of_rows(read_ground_truth([listing]))
    assert (row.machine, row.id, row.label, row.domain) == ("ToyPet", "00", 1, "target")


def test_labels_and_domains_of_2022_come_from_two_folders_and_names_lack_the_word_test(tmp_path) -> None:
    for folder, values in (("data", (0, 1)), ("domain", (1, 0)), ("attributes", ("vel_6", "vel_7"))):
        path = tmp_path / f"ground_truth_{folder}" / "ground_truth_bearing_section_03_test.csv"
        write(path, [(f"section_03_{i:04}.wav", v) for i, v in enumerate(values)])
    truth = truth_of_rows(read_ground_truth([tmp_path]))
    scores = {"section_03_test_0001.wav": 2.0, "section_03_test_0000.wav": 1.0}
    (system,) = read_scores([write(tmp_path / "s" / "anomaly_score_bearing_section_03_test.csv", scores)])
    rows, absent = join(system, truth)
    assert [(r.name, r.label, r.domain) for r in rows] == [
        ("section_03_test_0000.wav", 0, "target"),
        ("section_03_test_0001.wav", 1, "source"),
    ]
    assert absent == []


def test_the_ground_truth_of_2021_is_joined_by_name_and_gives_the_official_score(shared_data, tmp_path, asdkit) -> None:
    folder = shared_data / "golden_scores" / "y-kawagu_dcase2021_task2_evaluator" / "ground_truth_data"
    rng = np.random.default_rng(0)
    figures = []
    for path in sorted(folder.glob("ground_truth_gearbox_*.csv")):
        rows = [line.split(",") for line in path.read_text().split()]
        labels = np.array([int(label) for _, label in rows])
        scores = rng.normal(size=len(rows)) + labels
        figures += [roc_auc_score(labels, scores), roc_auc_score(labels, scores, max_fpr=0.1)]
        order = rng.permutation(len(rows))
        name = path.name.replace("ground_truth", "anomaly_score")
        write(tmp_path / "mine" / name, [(rows[i][0], repr(float(scores[i]))) for i in order])
    assert len(figures) == 12
    ran = asdkit("evaluate", "mine", "--ground-truth", folder)
    assert ran.returncode == 0, ran.stderr
    assert "by the rule of dcase2021" in ran.stdout
    official = 12 / sum(1 / f for f in figures)
    (line,) = [x for x in ran.stdout.splitlines() if x.startswith("all ")]
    assert re.findall(r"(\d+\.\d\d) \[", line)[2] == f"{100 * official:.2f}"
    assert "no scores of ToyCar 03" in ran.stderr


def test_golden_scores_are_read_as_they_are(shared_data, asdkit) -> None:
    ran = asdkit("evaluate", shared_data / "golden_scores" / "mlcommons_tiny_ToyCar")
    assert ran.returncode == 0, ran.stderr
    first = ran.stdout.split("tflite, by the rule")[0]
    assert figures(first, "ToyCar", "03") == ("71.09", "58.22")
    assert figures(first, "ToyCar", "04") == ("94.34", "82.86")


def test_intervals_of_nearly_perfect_scores_of_few_clips_are_marked(data, tmp_path, asdkit) -> None:
    perfect = {name: float(name in ANOMALY) for name in SCORES}
    path = write(tmp_path / "mine" / "anomaly_score_fan_id_00.csv", perfect)
    ran = asdkit("evaluate", path, "--data", data)
    assert re.search(r"100\.00 \[[0-9.]+, 100\.0\]\?", ran.stdout)
    assert "the interval of the pAUC may be too low" in ran.stderr
    highest = [float(high) for high in re.findall(r", ([0-9.]+)\]", ran.stdout)]
    assert len(highest) == 5 + 3  # the id's two, the machine's three, all's three
    assert max(highest) == 100.0


def test_a_mean_over_fewer_ids_or_machines_says_of_how_many(tmp_path, asdkit) -> None:
    write(tmp_path / "s" / "anomaly_score_fan_id_00.csv", SCORES)
    write(tmp_path / "s" / "anomaly_score_fan_id_02.csv", {"normal_id_02_00000000.wav": 1.0})
    write(tmp_path / "s" / "anomaly_score_pump_id_00.csv", {"normal_id_00_00000000.wav": 1.0})
    shown = asdkit("evaluate", "s").stdout
    ends = {line.split()[0]: line.split()[-2:] for line in shown.splitlines() if " mean " in line}
    assert ends == {"fan": ["of", "1/2"], "pump": ["of", "0/1"], "all": ["of", "1/2"]}


def _domain_scores(folder: Path, name: str) -> Path:
    """Scores of both domains of one section, in one file or one per domain (`name` has the domain)."""
    rng = np.random.default_rng(0)
    for domain in ("source", "target"):
        rows = [
            f"section_00_{domain}_test_{label}_{i:04}.wav,{rng.normal(label == 'anomaly')}"
            for label in ("normal", "anomaly")
            for i in range(20)
        ]
        path = folder / name.format(domain)
        folder.mkdir(exist_ok=True)
        with path.open("a") as file:
            file.write("\n".join(rows) + "\n")
    return folder


@pytest.mark.parametrize(
    ("name", "rule"),
    [
        ("anomaly_score_fan_section_00_{}_test.csv", "dcase2021"),
        ("anomaly_score_fan_section_00_test.csv", "dcase2022"),
    ],
)
def test_the_form_of_score_files_tells_the_edition(asdkit, name, rule, tmp_path):
    ran = asdkit("evaluate", _domain_scores(tmp_path / "s", name))
    assert ran.returncode == 0, ran.stderr
    assert f"by the rule of {rule}" in ran.stdout
    stated = asdkit("evaluate", tmp_path / "s", "--layout", rule)
    assert stated.stdout == ran.stdout


def test_names_that_fit_two_editions_are_asked_about(asdkit, tmp_path):
    folder = _domain_scores(tmp_path / "s", "anomaly_score_fan_section_00.csv")
    ran = asdkit("evaluate", folder)
    assert ran.returncode == 2
    assert "--layout dcase2021 or --layout dcase2022" in ran.stderr
    assert asdkit("evaluate", folder, "--layout", "dcase2021").returncode == 0


def test_many_clips_that_do_not_match_are_one_line(asdkit, tmp_path):
    folder = _domain_scores(tmp_path / "s", "anomaly_score_fan_section_00_test.csv")
    data = tmp_path / "data" / "fan" / "test"
    data.mkdir(parents=True)
    for i in range(300):
        (data / f"section_00_source_test_normal_1{i:03}.wav").touch()
    (data.parent / "train").mkdir()
    (data.parent / "train" / "section_00_source_train_normal_0000.wav").touch()
    ran = asdkit("evaluate", folder, "--data", tmp_path / "data", "--layout", "dcase2022")
    assert ran.returncode == 3
    assert "and 79 other clips: scored by s, but no such test clip is known" in ran.stderr
    assert len(ran.stderr.splitlines()) == 2
