"""Quality over seeds: what is run, averaged, and shown."""

import csv

from benchmarks import seeds

SPEC = """
asdkit = 1
name = "small"
seed = 7

[data]
layout = "dcase2020"
root = "room"
sample_rate = 8000

[compute]
threads = 1

[featurizers.mel]
use = "log-mel"
n_fft = 256
hop_length = 128
n_mels = 32

[detectors.K]
use = "knn"
featurizer = "mel"

[systems.one]
members = ["K"]
"""


def test_each_seed_is_a_run_of_its_own_and_all_are_averaged(room, tmp_path, capsys):
    path, out = tmp_path / "spec.toml", tmp_path / "out"
    path.write_text(SPEC)
    assert seeds.main([str(path), "--seeds", "3", "4", "--out", str(out)]) == 0
    assert sorted(p.name for p in out.iterdir()) == ["small-3", "small-4"]
    table = capsys.readouterr().out.splitlines()
    assert table[0] == "| | fan AUC | fan pAUC | pump AUC | pump pAUC | mean AUC | mean pAUC | seeds |"
    rows = list(csv.DictReader((out / "small-3" / "results.csv").read_text().splitlines()))
    fan = [float(r["auc"]) for r in rows if (r["machine"], r["name"], r["kind"]) == ("fan", "K", "member")]
    assert table[2].startswith(f"| K | {100 * sum(fan) / 2:.1f} ± 0.0 |")
    assert table[2].endswith("| 2 |")
    assert table[3].startswith("| one |")


def test_faults_are_told_apart_by_their_severity(room, tmp_path, capsys):
    path = tmp_path / "spec.toml"
    path.write_text(SPEC)
    clips = sorted(p.relative_to(room).as_posix() for p in room.glob("*/test/anomaly*"))
    (room / "manifest.csv").write_text("path,severity\n" + "".join(f"{c},0.{i % 2}5\n" for i, c in enumerate(clips)))
    assert seeds.main([str(path), "--seeds", "3", "--out", str(tmp_path / "out")]) == 0
    header = capsys.readouterr().out.splitlines()[0]
    assert "AUC mild" in header
    assert "AUC severe" not in header


def test_mean_and_spread_are_those_of_the_seeds():
    table = seeds.markdown({("A", "AUC"): [70.0, 80.0, 90.0], ("B", "AUC"): [60.0], ("A", "pAUC"): [50.0, 50.0, 53.0]})
    assert "| A | 80.0 ± 10.0 | 51.0 ± 1.7 | 3 |" in table
    assert "| B | 60.0 | - | 1 |" in table


def test_a_wrong_spec_is_said_in_a_line(tmp_path, capsys):
    path = tmp_path / "spec.toml"
    path.write_text(SPEC.replace('"knn"', '"knm"'))
    assert seeds.main([str(path), "--out", str(tmp_path)]) == 2
    assert "knm" in capsys.readouterr().err
