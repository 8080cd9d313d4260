"""Regret over sets and conditions: what is run, its arithmetic, and what happens where something fails."""

from dataclasses import replace

import numpy as np
import pytest

from asdkit.errors import DataError, Stopped
from benchmarks import regret
from tests.helpers.rooms import job_folders

SPEC = """
asdkit = 1
name = "small"

[data]
layout = "folder"
root = "nowhere"
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

[detectors.L]
use = "mahalanobis"

[systems.both]
members = ["L", "K"]
fuser = { use = "mean" }
"""


@pytest.fixture
def command(room, tmp_path):
    """Run the command on the room, under two conditions and two seeds."""
    (tmp_path / "spec.toml").write_text(SPEC)
    fixed = [str(tmp_path / "spec.toml"), "--out", str(tmp_path / "out"), "--seeds", "3", "4"]
    return lambda *more: regret.main([*fixed, "--conditions", "recorded", "apart", "--data", f"shop={room}", *more])


def rows(text: str, header: str) -> dict[str, list[str]]:
    """Cells of the table below a line that starts so, by row."""
    lines = text[text.index(header) :].split("\n\n")[1].splitlines()
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return {cell: rest for cell, *rest in cells}


def test_each_seed_runs_under_each_condition_and_running_again_repeats_nothing(command, tmp_path, capsys):
    assert command() == 0
    shown = capsys.readouterr().out
    runs = sorted((tmp_path / "out" / "runs").glob("*/*/*"))
    assert [run.relative_to(tmp_path / "out" / "runs").as_posix() for run in runs] == [
        f"shop/{condition}/small-{seed}" for condition in ("apart", "recorded") for seed in (3, 4)
    ]
    means = rows(shown, "AUC / pAUC in per cent, mean over 2 seeds")
    assert means[""] == ["shop recorded", "shop apart", "mean"]
    assert [*means][2:] == ["K", "L", "both"]
    assert len({*rows(shown, "Standard deviation")}) == 5
    best = [max(float(means[name][i].split(" / ")[0]) for name in ("K", "L", "both")) for i in (0, 1)]
    for name, cells in [*rows(shown, "Regret").items()][2:]:
        own = [float(cell.split(" / ")[0]) for cell in means[name][:2]]
        assert [float(cell.split(" / ")[0]) for cell in cells[:2]] == pytest.approx(np.subtract(best, own), abs=0.11)
    before = [job_folders(run) for run in runs]
    assert command() == 0
    assert capsys.readouterr().out == shown
    assert [job_folders(run) for run in runs] == before


def test_regret_is_the_best_of_the_column_minus_the_own():
    figures = {}
    for seed, more in ((0, -1.0), (1, 1.0)):
        figures["A", "x recorded", seed] = (90.0 + more, 60.0, 75.0 + more / 2)
        figures["B", "x recorded", seed] = (80.0, 70.0 + more, 75.0 + more / 2)
        figures["A", "y gain", seed] = (70.0, 50.0, 60.0)
        figures["B", "y gain", seed] = (76.0, 56.0, 66.0)
    text = regret.markdown(figures, ["B", "A"], [0, 1])
    assert [*rows(text, "AUC / pAUC")][2:] == ["B", "A"]
    assert rows(text, "AUC / pAUC")["A"] == ["90.0 / 60.0", "70.0 / 50.0", "80.0 / 55.0"]
    assert rows(text, "Standard")["A"] == ["1.4 / 0.0", "0.0 / 0.0"]
    assert rows(text, "Regret")["A"] == ["0.0 / 10.0", "6.0 / 6.0", "6.0, y gain", "10.0, x recorded", "6.0, y gain"]
    assert rows(text, "Regret")["B"][2:] == ["10.0, x recorded", "0.0, x recorded", "0.0, x recorded"]
    assert text.splitlines()[-1] == (
        "Least worst regret, tuned on these sets by their test clips: AUC: A (6.0, y gain); "
        "pAUC: B (0.0, x recorded); mean of both: B (0.0, x recorded)."
    )


def test_a_row_without_all_figures_has_no_worst_regret():
    figures = {("A", "x few", 0): (90.0, 60.0, 75.0), ("B", "x few", 0): (80.0, 50.0, 65.0)}
    figures["B", "y few", 0] = (80.0, 50.0, 65.0)
    text = regret.markdown(figures, ["A", "B"], [0])
    assert rows(text, "AUC / pAUC")["A"] == ["90.0 / 60.0", "-", "-"]
    assert rows(text, "Regret")["A"] == ["0.0 / 0.0", "-", "-", "-", "-"]
    assert rows(text, "Regret")["B"][2] == "10.0, x few"
    assert "AUC: B (10.0, x few)" in text
    assert "Standard deviation" not in text
    del figures["B", "x few", 0]
    assert regret.markdown(figures, ["A", "B"], [0]).endswith(
        "No row has all figures, so none has the least worst regret."
    )


def test_what_fails_is_said_and_the_rest_goes_on(command, monkeypatch, capsys):
    run_seed = regret.run_seed

    def failing(path, seed, sets, out):
        if seed == 4 and out.name == "recorded":
            raise DataError("no disk")
        results, root = run_seed(path, seed, sets, out)
        if out.name == "apart":
            kept = [mean for mean in results.means if mean.name != "L"]
            results = replace(results, failed={"fan-00 L": "no memory"}, means=kept)
        return results, root

    monkeypatch.setattr(regret, "run_seed", failing)
    assert command("gone=nowhere") == 1
    said = capsys.readouterr()
    assert "shop recorded, seed 4: failed: no disk" in said.err
    assert "shop apart, seed 3: failed: fan-00 L: no memory" in said.err
    assert "gone: failed: " in said.err
    means = rows(said.out, "AUC / pAUC")
    assert means[""] == ["shop recorded", "shop apart", "mean"]
    assert [means[name][0] for name in ("K", "L", "both")] == ["-", "-", "-"]
    assert means["L"][1] == "-"
    assert means["K"][1] != "-"


def test_a_mean_over_fewer_machines_is_no_figure(command, monkeypatch, capsys):
    run_seed = regret.run_seed

    def partial(path, seed, sets, out):
        results, root = run_seed(path, seed, sets, out)
        means = [replace(m, of=1) if m.name == "K" and m.machine is None else m for m in results.means]
        return replace(results, means=means), root

    monkeypatch.setattr(regret, "run_seed", partial)
    assert command() == 0
    assert rows(capsys.readouterr().out, "AUC / pAUC")["K"] == ["-", "-", "-"]


def test_a_request_to_stop_ends_all(command, monkeypatch, capsys):
    def stopped(*_):
        raise Stopped("stopped")

    monkeypatch.setattr(regret, "run_seed", stopped)
    assert command() == 130
    assert capsys.readouterr().err.count("seed") == 1


def test_a_machine_room_is_made(tmp_path, monkeypatch, capsys):
    (tmp_path / "spec.toml").write_text(SPEC.replace("8000", "16000"))
    make = regret.conditions.make_machine_room
    monkeypatch.setattr(
        regret.conditions,
        "make_machine_room",
        lambda root, seed: make(root, seed=seed, machines=["fan"], ids=1, train=3, normal=3, anomaly=3, seconds=0.5),
    )
    options = ["--data", "room=demo:5", "--conditions", "recorded", "--seeds", "0", "--out", str(tmp_path / "out")]
    assert regret.main([str(tmp_path / "spec.toml"), *options]) == 0
    assert rows(capsys.readouterr().out, "AUC / pAUC in per cent, mean over 1 seed;")[""] == ["room recorded", "mean"]


@pytest.mark.parametrize("data", ["here", "=here", "a/b=here", "a=", "a=demo:", "a=demo:x"])
def test_a_set_that_is_not_one_is_refused(tmp_path, data, capsys):
    (tmp_path / "spec.toml").write_text(SPEC)
    assert regret.main([str(tmp_path / "spec.toml"), "--data", data, "--out", str(tmp_path / "out")]) == 2
    assert f"--data {data}: expected" in capsys.readouterr().err


def test_two_sets_of_one_name_and_a_wrong_spec_are_refused(command, room, tmp_path, capsys):
    assert command(f"shop={room}") == 2
    assert "another set has this name" in capsys.readouterr().err
    (tmp_path / "spec.toml").write_text(SPEC.replace('"knn"', '"knm"'))
    assert command() == 2
    assert "knm" in capsys.readouterr().err
