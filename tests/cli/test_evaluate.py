"""``asdkit evaluate``: figures, intervals and decisions from score files."""

from __future__ import annotations

import random
import re
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from tests.helpers.score_files import write
from tests.helpers.trees import make

NORMAL = [f"normal_id_00_{i:08}.wav" for i in range(10)]
ANOMALY = [f"anomaly_id_00_{i:08}.wav" for i in range(8)]
SCORES = {name: i / 4 for i, name in enumerate(NORMAL)} | {name: 1 + i / 3 for i, name in enumerate(ANOMALY)}
LABELS = [int(name in ANOMALY) for name in SCORES]
AUC = roc_auc_score(LABELS, list(SCORES.values()))


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return make(tmp_path / "data", iter(["fan/train/normal_id_00_00000000.wav", *(f"fan/test/{n}" for n in SCORES)]))


def figures(shown: str, machine: str = "fan", id_: str = "00") -> tuple[str, str]:
    (line,) = [x for x in shown.splitlines() if re.match(rf"{machine} +{id_} +-", x)]
    auc, pauc = re.findall(r"(\d+\.\d\d) \[", line)
    return auc, pauc


@pytest.mark.parametrize("header", ["", "file_name,anomaly_score\n"])
def test_order_and_header_do_not_matter(header, data, tmp_path, asdkit) -> None:
    rows = list(SCORES.items())
    random.Random(1).shuffle(rows)
    path = write(tmp_path / "mine" / "anomaly_score_fan_id_00.csv", rows, header)
    ran = asdkit("evaluate", path, "--data", data)
    assert ran.returncode == 0, ran.stderr
    part = roc_auc_score(LABELS, list(SCORES.values()), max_fpr=0.1)
    assert figures(ran.stdout) == (f"{100 * AUC:.2f}", f"{100 * part:.2f}")
    assert "mine, by the rule of dcase2020, with 95 % intervals; measured" in ran.stdout


def test_faulty_rows_are_listed_by_name(data, tmp_path, asdkit) -> None:
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


def test_systems_and_decisions_are_compared(tmp_path, asdkit) -> None:
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


def test_systems_on_different_clips_are_not_compared(tmp_path, asdkit) -> None:
    other = {f"{name[:-4]}9.wav": value for name, value in SCORES.items()}
    for name, machine, scores in (("a", "fan", SCORES), ("b", "toy", SCORES), ("c", "fan", other)):
        write(tmp_path / name / f"anomaly_score_{machine}_id_00.csv", scores)
    ran = asdkit("evaluate", *(tmp_path / name for name in "abc"))
    assert ran.returncode == 0, ran.stderr
    assert "Systems on the same clips" not in ran.stdout
    assert "systems on different clips are not compared: a; b; c" in ran.stderr
    write(tmp_path / "d" / "anomaly_score_fan_id_00.csv", SCORES)
    ran = asdkit("evaluate", *(tmp_path / name for name in "abcd"))
    compared = ran.stdout.split("Systems on the same clips")[1]
    assert [line.split()[0] for line in compared.splitlines()[-2:]] == ["a", "d"]
    assert "systems on different clips are not compared: a, d; b; c" in ran.stderr


def test_ground_truth_of_2021_gives_the_official_score(shared_data, tmp_path, asdkit) -> None:
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


def test_golden_scores_are_read_unchanged(shared_data, asdkit) -> None:
    ran = asdkit("evaluate", shared_data / "golden_scores" / "mlcommons_tiny_ToyCar")
    assert ran.returncode == 0, ran.stderr
    first = ran.stdout.split("tflite, by the rule")[0]
    assert figures(first, "ToyCar", "03") == ("71.09", "58.22")
    assert figures(first, "ToyCar", "04") == ("94.34", "82.86")


def test_unreliable_intervals_are_marked(data, tmp_path, asdkit) -> None:
    perfect = {name: float(name in ANOMALY) for name in SCORES}
    path = write(tmp_path / "mine" / "anomaly_score_fan_id_00.csv", perfect)
    ran = asdkit("evaluate", path, "--data", data)
    assert re.search(r"100\.00 \[[0-9.]+, 100\.0\]\?", ran.stdout)
    assert "the interval of the pAUC may be too low" in ran.stderr
    highest = [float(high) for high in re.findall(r", ([0-9.]+)\]", ran.stdout)]
    assert len(highest) == 5 + 3  # the id's two, the machine's three, all's three
    assert max(highest) == 100.0


def test_means_over_fewer_ids_give_their_number(tmp_path, asdkit) -> None:
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


def test_files_of_two_editions_are_not_evaluated_together(asdkit, tmp_path):
    folder = _domain_scores(tmp_path / "s", "anomaly_score_fan_section_00_test.csv")
    write(
        folder / "anomaly_score_pump_id_00.csv", {"normal_id_00_00000000.wav": 1.0, "anomaly_id_00_00000000.wav": 2.0}
    )
    ran = asdkit("evaluate", folder)
    assert ran.returncode == 2
    assert "the names fit dcase2020 and later editions" in ran.stderr


def test_files_that_contradict_their_clips_are_refused(asdkit, tmp_path):
    folder = tmp_path / "s"
    write(folder / "anomaly_score_fan_section_00_source_test.csv", {"section_00_target_test_normal_0000.wav": 1.0})
    ran = asdkit("evaluate", folder)
    assert ran.returncode == 3
    assert "a target clip in a file of the source domain" in ran.stderr
    write(tmp_path / "t" / "anomaly_score_fan_section_00.csv", {"section_00_source_train_normal_0000.wav": 1.0})
    ran = asdkit("evaluate", tmp_path / "t", "--layout", "dcase2022")
    assert ran.returncode == 3
    assert "a training clip; expected scores of test clips" in ran.stderr


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
