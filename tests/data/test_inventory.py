"""Each edition's layout is recognised, counted, and held against what is known of it."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from asdkit.data import find_clips
from asdkit.data.editions import known_counts
from asdkit.data.inventory import recognise, take_inventory
from asdkit.errors import DataError
from tests.helpers import trees
from tests.helpers.trees import make


@pytest.fixture(scope="module")
def fan2020(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make(tmp_path_factory.mktemp("data") / "fan", trees.dcase2020_fan())


def tallies(clips, *fields):
    return Counter(tuple(getattr(clip, field) for field in fields) for clip in clips)


def test_dcase2020_is_counted_by_id_and_label(fan2020: Path) -> None:
    found = take_inventory(fan2020)
    assert (found.layout, found.also, found.missing, found.gaps, found.uneven) == ("dcase2020", [], [], [], [])
    assert (found.faults, found.foreign, found.broken) == ([], [], [])
    counts = tallies((c for c in found.clips if c.split == "test"), "id", "label")
    assert [counts["00", label] for label in (0, 1)] == [100, 407]
    assert counts["01", None] == 426
    assert sum(n for (_, label), n in counts.items() if label is None) == 1342
    assert sum(n for (_, label), n in counts.items() if label == 1) == 407 + 359 + 348 + 361
    assert found.absent == ["ToyCar", "ToyConveyor", "pump", "slider", "valve"]
    assert found.kinds == {(16000, 1, 0): len(found.clips)}


def test_wrong_and_missing_files_are_named(tmp_path: Path) -> None:
    root = make(tmp_path / "data", trees.dcase2020_fan())
    test = root / "dev_data" / "fan" / "test"
    (test / "normal_id_00_00000007.wav").unlink()
    (test / "anomaly_id_02_00000003.wav").rename(test / "anomalous_id_02_00000003.wav")
    (test / "normal_id_04_00000000.wav").unlink()
    (test / "normal_id_04_00000000.wav").write_bytes(trees.WAV[:-9])
    (root / "dev_data" / "fan" / "train" / "notes.txt").write_text("")
    (root / "dev_data" / "fan" / "train" / "anomaly_id_06_00000000.wav").write_bytes(trees.WAV)
    (root / "dev_data" / "fan" / "Tset").mkdir()
    found = take_inventory(root)
    assert found.missing == ["fan id 00: 99 of 100 normal test clips", "fan id 02: 358 of 359 anomaly test clips"]
    assert found.gaps == [
        "fan id 00, normal test: 1 missing in the numbering (0007)",
        "fan id 02, anomaly test: 1 missing in the numbering (0003)",
    ]
    assert found.foreign == [
        "dev_data/fan/Tset",
        "dev_data/fan/test/anomalous_id_02_00000003.wav",
        "dev_data/fan/train/notes.txt",
    ]
    (broken,) = found.broken
    assert broken.startswith("dev_data/fan/test/normal_id_04_00000000.wav: cut short")
    (fault,) = found.faults
    assert "1 training clip is labelled anomaly (anomaly_id_06_00000000.wav)" in fault


def test_a_missing_id_is_reported(tmp_path: Path) -> None:
    root = make(tmp_path / "data", (n for n in trees.dcase2020_fan() if "id_06" not in n))
    assert take_inventory(root).missing == [
        "fan id 06: 0 of 100 normal test clips",
        "fan id 06: 0 of 361 anomaly test clips",
    ]


def test_training_data_alone_lack_no_test_clips(tmp_path: Path) -> None:
    root = make(tmp_path / "data", (n for n in trees.dcase2020_fan() if "/train/" in n))
    assert take_inventory(root).missing == []


GEARBOX_2021 = dict(
    zip([(s, d) for s in ("03", "04", "05") for d in ("source", "target")], (234, 286, 252, 234, 210, 212), strict=True)
)


def test_dcase2021_reads_sections_and_domains(tmp_path: Path) -> None:
    root = make(tmp_path / "data", trees.dcase2021_gearbox(GEARBOX_2021))
    found = take_inventory(root)
    assert (found.layout, found.also, found.missing, found.foreign) == ("dcase2021", [], [], [])
    counts = tallies(found.clips, "split", "id", "domain")
    assert {key: counts["test", *key] for key in GEARBOX_2021} == GEARBOX_2021
    assert counts["train", "03", "target"] == 3
    clip = next(c for c in found.clips if c.domain == "target" and c.split == "train")
    assert (clip.label, clip.attributes) == (0, {"id": "1"})
    odd = next(c for c in found.clips if c.domain == "source" and c.split == "train")
    assert odd.attributes == {"attributes": "strength_1_ambient"}
    (root / "gearbox" / "source_test" / "section_03_source_test_0001.wav").rename(
        root / "gearbox" / "target_test" / "section_03_source_test_0001.wav"
    )
    moved = take_inventory(root)
    assert moved.foreign == ["gearbox/target_test/section_03_source_test_0001.wav"]
    assert moved.missing == ["gearbox id 03, 04, 05: 1427 of 1428 test clips"]


@pytest.mark.parametrize("name", ["section_{section}_test_{i:04}.wav", "section_{section}_{i:04}.wav"])
def test_dcase2022_names_may_lack_the_word_test(name: str, tmp_path: Path) -> None:
    found = take_inventory(make(tmp_path / "data", trees.dcase2022_bearing(name)))
    assert (found.layout, found.also, found.missing, found.foreign) == ("dcase2022", [], [], [])
    counts = tallies(found.clips, "split", "id", "domain", "label")
    assert counts["train", "04", "source", 0] == 990
    assert counts["train", "04", "target", 0] == 10
    assert counts["test", "04", None, None] == 200


@pytest.mark.parametrize(
    ("layout", "machine", "attributes", "expected"),
    [
        ("dcase2023", "bandsaw", "vel_6", {"vel": "6"}),
        ("dcase2024", "3DPrinter", "noAttribute", {}),
        ("dcase2025", "ToyPet", "id_C1_spd_2_mic_2", {"id": "C1", "spd": "2", "mic": "2"}),
    ],
)
def test_later_editions_are_told_apart_by_their_machines(layout, machine, attributes, expected, tmp_path: Path) -> None:
    root = make(tmp_path / "data", trees.later(machine, attributes))
    found = take_inventory(root)
    assert (found.layout, found.also, found.missing, found.foreign) == (layout, [], [], [])
    assert {c.id for c in found.clips} == {"00"}
    assert next(c for c in found.clips if c.split == "train").attributes == expected
    (root / machine / "test" / "section_00_0123.wav").unlink()
    without = take_inventory(root)
    assert without.missing == [f"{machine} id 00: 199 of 200 test clips"]
    assert without.gaps == [f"{machine} id 00, test: 1 missing in the numbering (0123)"]


def test_dcase2026_names_its_microphone_and_noise(tmp_path: Path) -> None:
    root = make(tmp_path / "data", trees.later("ToyCarEmu", "car_A1_mic_1_noise_1", labelled=True))
    found = take_inventory(root)
    assert (found.layout, found.also, found.missing) == ("dcase2026", [], [])
    assert tallies((c for c in found.clips if c.split == "test"), "domain", "label") == {
        (domain, label): 50 for domain in ("source", "target") for label in (0, 1)
    }
    assert all(c.attributes == {"car": "A1", "mic": "1", "noise": "1"} for c in found.clips)


def test_where_nothing_tells_editions_apart_all_are_named(tmp_path: Path) -> None:
    root = make(tmp_path / "data", trees.later("lathe", "speed_1"))
    found = take_inventory(root)
    assert [found.layout, *found.also] == ["dcase2023", "dcase2024", "dcase2025", "dcase2026"]
    assert found.missing == []  # nothing is known of it, so nothing is called missing


def test_mimii_is_split_the_same_way_for_everyone(tmp_path: Path) -> None:
    root = make(tmp_path / "data", trees.mimii())
    found = take_inventory(root)
    assert (found.layout, found.also) == ("mimii", [])
    counts = tallies(found.clips, "machine", "id", "split", "label")
    for machine in ("6_dB_fan", "-6_dB_fan"):
        for id_ in ("00", "02"):
            assert [counts[machine, id_, s, n] for s, n in (("train", 0), ("test", 0), ("test", 1))] == [14, 6, 6]
    alone = find_clips("mimii", root / "6_dB")
    assert {c.machine for c in alone} == {"fan"}
    by_place = {c.path: c.split for c in found.clips}
    assert all(by_place[root / "6_dB" / c.name] == c.split for c in alone)


def test_toyadmos_keeps_an_event_in_one_split(tmp_path: Path) -> None:
    clips = take_inventory(make(tmp_path / "data", trees.toyadmos())).clips
    assert {c.machine for c in clips} == {"ToyCar"}
    assert tallies(clips, "id", "split", "label") == {
        (f"case{case}", *key): 4 * n
        for case in (1, 2)
        for key, n in {("train", 0): 7, ("test", 0): 3, ("test", 1): 3}.items()
    }
    sides: dict[str, set[str]] = {}
    for clip in clips:
        sides.setdefault(clip.path.name.partition("_ch")[0], set()).add(clip.split)
    assert all(len(side) == 1 for side in sides.values())


def test_a_table_lists_clips_wherever_they_lie(tmp_path: Path) -> None:
    make(tmp_path / "data", iter(["a b.wav", "deep/c.wav", "d.wav"]))
    table = tmp_path / "data" / "clips.csv"
    table.write_text(
        "path,machine,section,split,label,domain,speed\n"
        "a b.wav,press,01,train,,source,6\n"
        "deep/c.wav,press,01,test,anomaly,target,\n"
        "d.wav,saw,,test,,,\n"
    )
    found = take_inventory(table)
    assert (found.layout, found.broken) == ("csv", [])
    assert [(c.name, c.machine, c.id, c.split, c.label, c.domain, dict(c.attributes)) for c in found.clips] == [
        ("a b.wav", "press", "01", "train", 0, "source", {"speed": "6"}),
        ("deep/c.wav", "press", "01", "test", 1, "target", {}),
        ("d.wav", "saw", "00", "test", None, None, {}),
    ]


def test_table_errors_have_line_numbers(tmp_path: Path) -> None:
    table = tmp_path / "clips.csv"
    table.write_text(
        "path,machine,split,label\na.wav,fan,trian,\nb.wav,fan,test,anomalie\nc.wav,fan\nd.wav,fan,test,\n"
    )
    with pytest.raises(DataError) as error:
        find_clips("csv", table)
    assert error.value.message.splitlines() == [
        f'{table}:2: split is "trian"; did you mean "train"?',
        f'{table}:3: label is "anomalie"; did you mean "anomaly"?',
        f"{table}:4: 2 fields, but the header has 4",
    ]
    table.write_text("path,label\n")
    with pytest.raises(DataError, match="no column machine"):
        find_clips("csv", table)


def test_uneven_ids_are_reported_without_known_counts(tmp_path: Path) -> None:
    names = [f"lathe/train/normal_id_{i:02}_{n:08}.wav" for i in range(3) for n in range(5 - (i == 2))]
    found = take_inventory(make(tmp_path / "data", iter(names)))
    assert found.uneven == ["lathe id 02, normal train: 4 clips, where other ids have 5"]


def test_an_own_folder_is_recognised_an_empty_one_refused(tmp_path: Path) -> None:
    root = make(tmp_path / "data", iter(["press/train/monday.wav", "press/test/anomaly/tuesday.wav"]))
    assert recognise(root) == ["folder"]
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="no layout fits it"):
        take_inventory(tmp_path / "empty")
    with pytest.raises(DataError, match="no layout fits it"):
        take_inventory(tmp_path / "gone")


def test_known_counts_add_up_to_the_published_totals() -> None:
    from asdkit.data.editions import _DEV_2020, _EVAL_2020

    totals = {"fan": 1875, "pump": 856, "slider": 1290, "valve": 879, "ToyCar": 2459, "ToyConveyor": 3509}
    assert {machine: sum(map(sum, counts)) for machine, counts in _DEV_2020.items()} == totals
    totals = {"fan": 1342, "pump": 777, "slider": 834, "valve": 940, "ToyCar": 1545, "ToyConveyor": 1665}
    assert {machine: sum(map(sum, counts)) for machine, counts in _EVAL_2020.items()} == totals
    assert known_counts("folder", []) == []
