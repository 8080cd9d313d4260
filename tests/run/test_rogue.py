"""A plugin that misbehaves is named, and the rest is done; `nox -s robustness -- plugins` tries all kinds."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.helpers.cli import cli_in
from tests.helpers.commands import command_in
from tests.helpers.rogues import install_rogue
from tests.helpers.rooms import make_spec, results_of, write_clip

NAME = "detector 'rogue' of asdkit-rogue 1.0"


@pytest.fixture(scope="module")
def rogue_room(tmp_path_factory) -> Path:
    """A spec of an innocent detector and the rogue, and a bundle of both made while the rogue behaves."""
    folder = tmp_path_factory.mktemp("rogue")
    for split, label, count in (("train", "normal", 4), ("test", "normal", 1), ("test", "anomaly", 1)):
        for i in range(count):
            write_clip(folder / "room" / "fan" / split / f"{label}_id_00_{i:08}.wav", i, fault=label == "anomaly")
    install_rogue(folder / "site")
    spec = make_spec(folder)
    head = spec.read_text().partition("[detectors.S4]")[0]
    system = '[systems.all]\nmembers = ["S", "R"]\nfuser = { use = "z-score" }\n'
    spec.write_text(f'{head}[detectors.R]\nuse = "rogue"\n\n{system}')
    for i, seconds in enumerate((1.0, 2.0, 1.0)):
        write_clip(folder / "new" / f"{i}_id_00.wav", 90 + i, seconds=seconds)
    asdkit = cli_in(folder)
    assert asdkit("run", spec, "--out", "sound").returncode == 0
    assert asdkit("export", "sound", "--system", "all", "--out", "b.asdkit").returncode == 0
    return folder


@pytest.mark.parametrize("kind", ["SystemExit(0)", "os._exit(0)", "KeyboardInterrupt", "NaN state"])
def test_a_run_names_a_plugin_that_fails_and_goes_on(rogue_room, tmp_path, kind):
    ran = cli_in(rogue_room)("run", "spec.toml", "--out", tmp_path / "run", ROGUE=kind)
    assert ran.returncode == 1, ran.stderr
    assert "Traceback" not in ran.stderr
    results = results_of(tmp_path / "run")
    assert {row["name"] for row in results["results"]} == {"S"}
    assert NAME in results["failed"]["fan R"]


def test_a_run_names_the_plugin_that_changed_the_process_and_no_other(rogue_room, tmp_path):
    ran = cli_in(rogue_room)("run", "spec.toml", "--out", tmp_path / "run", ROGUE="working folder")
    assert ran.returncode == 0, ran.stderr
    notes = [note for note in results_of(tmp_path / "run")["notes"] if "changed" in note]
    assert notes == [f"fan R: {NAME} changed the working folder of the process (restored) in fit"]


@pytest.mark.parametrize(
    ("kind", "code", "line"),
    [
        ("KeyboardInterrupt", 4, f"bad: new/1_id_00.wav: {NAME}: score failed: KeyboardInterrupt"),
        ("MemoryError", 1, f"({NAME}: score: not enough memory: "),
        ("close stdout", 0, f"warning: {NAME} changed standard output of the process (restored) in score"),
        ("print", 0, "rogue prints"),
        ("inputs in place", 4, f"bad: new/1_id_00.wav: {NAME}: score failed: ValueError: "),
    ],
)
def test_other_files_are_scored(rogue_room, kind, code, line):
    ran = cli_in(rogue_room)("score", "b.asdkit", "new", "--format", "csv", ROGUE=kind, ROGUE_AT="score")
    assert ran.returncode == code, ran.stderr
    assert line in ran.stderr
    scored = [row.partition(",")[0] for row in ran.stdout.splitlines()[1:]]
    assert [name for name in scored if "/1_" not in name] == ["new/0_id_00.wav", "new/2_id_00.wav"]


@pytest.mark.parametrize(("kind", "signal", "code"), [("os.abort", "SIGABRT", 4), ("SIGKILL", "SIGKILL", 1)])
def test_a_plugin_that_ends_the_process_costs_score_one_file(rogue_room, kind, signal, code):
    command = command_in(rogue_room)
    files = [f"new/{name}_id_00.wav" for name in "0212"]  # a block of one, one of two, in which it dies, one of four
    ran = command("score", "b.asdkit", *files, "--format", "csv", ROGUE=kind, ROGUE_AT="score")
    assert ran.returncode == code, ran.stderr
    bad = [line for line in ran.stderr.splitlines() if line.startswith("bad: ")]
    assert len(bad) == 1
    assert bad[0].startswith(f"bad: new/1_id_00.wav: the process ended by {signal}")
    assert f"during score of {NAME}" in bad[0]
    scored = [row.partition(",")[0] for row in ran.stdout.splitlines()[1:]]
    assert scored == [name for name in files if "/1_" not in name]


def test_a_thread_that_a_plugin_leaves_does_not_hang(rogue_room):
    threaded = command_in(rogue_room)("score", "b.asdkit", "new", ROGUE="thread", ROGUE_AT="score")
    assert threaded.returncode == 0, threaded.stderr
    assert len(threaded.stdout.splitlines()) == 3
    assert f"{NAME} left a running thread (sleep) behind in score" in threaded.stderr


def test_a_plugin_that_ends_the_process_costs_a_run_one_job(rogue_room, tmp_path):
    ran = command_in(rogue_room)("run", "spec.toml", "--out", tmp_path / "run", ROGUE="os.abort")
    assert ran.returncode == 1, ran.stderr
    assert f"warning: the process ended by SIGABRT during fit of {NAME}" in ran.stderr
    assert "Fatal Python error" not in ran.stderr
    results = results_of(tmp_path / "run")
    assert {row["name"] for row in results["results"]} == {"S"}
    assert f"its process died 3 times, the last time during fit of {NAME}" in results["failed"]["fan R"]
