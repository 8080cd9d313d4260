"""Score files and ground truth: names, rows, labels and domains of each edition."""

from __future__ import annotations

import pytest

from asdkit.data.labels import join, read_ground_truth, truth_of_names, truth_of_rows
from asdkit.data.score_files import read_scores
from asdkit.errors import DataError
from tests.helpers.score_files import write

NORMAL = [f"normal_id_00_{i:08}.wav" for i in range(2)]


@pytest.mark.parametrize("value", ["oops", "", "1_000"])
def test_a_first_row_with_a_recording_is_no_header(value, tmp_path) -> None:
    path = write(tmp_path / "s" / "anomaly_score_fan_id_00.csv", [(NORMAL[0], value), (NORMAL[1], 1.0)])
    with pytest.raises(DataError, match=r"anomaly_score_fan_id_00.csv:1: expected a file name and a number"):
        read_scores([path])


def test_a_clip_with_another_id_is_an_error(tmp_path) -> None:
    (system,) = read_scores([write(tmp_path / "s" / "anomaly_score_fan_id_02.csv", {NORMAL[0]: 1.0})])
    with pytest.raises(DataError, match=f"fan/{NORMAL[0]}: its name says id 00, the file that scores it 02"):
        truth_of_names(system)


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


def test_all_faulty_files_are_listed_at_once(tmp_path) -> None:
    paths = [write(tmp_path / "results.csv", {}), write(tmp_path / "anomaly_score_fan_id_00.csv", {}), tmp_path / "no"]
    with pytest.raises(DataError) as error:
        read_scores(paths)
    first, second, third = error.value.message.splitlines()
    assert "results.csv: expected a name such as" in first
    assert second.endswith("anomaly_score_fan_id_00.csv: no row in it")
    assert third.endswith("no: there is no such file")


def test_names_without_a_label_need_ground_truth(tmp_path) -> None:
    (system,) = read_scores([write(tmp_path / "s" / "anomaly_score_fan_id_01.csv", {"id_01_00000000.wav": 1.0})])
    with pytest.raises(DataError, match=r"fan/id_01_00000000.wav: its name has no label"):
        truth_of_names(system)


def test_the_list_of_2020_labels_evaluation_clips(tmp_path) -> None:
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


def test_the_list_of_2025_has_labels_and_domains(tmp_path) -> None:
    listing = tmp_path / "eval_data_list_2025.csv"
    listing.write_text("ToyPet\nsection_00_0000.wav,section_00_target_test_anomaly_0012_id_C1_spd_2_mic_2.wav\n")
    (row,) = truth_of_rows(read_ground_truth([listing]))
    assert (row.machine, row.id, row.label, row.domain) == ("ToyPet", "00", 1, "target")


def test_labels_and_domains_of_2022_are_joined(tmp_path) -> None:
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
