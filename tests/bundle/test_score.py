"""``asdkit score`` and ``export``: rows for good files, reasons for bad ones, and an exit code that tells."""

from __future__ import annotations

import csv
import io
import json
import os
import subprocess
import sys
from dataclasses import dataclass

import numpy as np
import pytest
import soundfile

from asdkit.bundle import Bundle
from asdkit.bundle.score_recordings import FileResult, differences, find_recordings, id_from_path, score_files
from asdkit.cli import app
from asdkit.errors import AsdkitError
from tests.helpers.rooms import write_clip


@pytest.fixture(scope="module")
def recordings(ran):
    return ran / "room" / "fan" / "test"


@dataclass
class Ran:
    returncode: int
    stdout: str
    stderr: str


@pytest.fixture
def command(capfd, tmp_path, monkeypatch):
    """Run a command in this process, which is quicker than a new one."""
    monkeypatch.chdir(tmp_path)

    def run_it(*args):
        capfd.readouterr()
        try:
            code = app([str(a) for a in args], standalone_mode=False) or 0
        except AsdkitError as error:
            sys.stderr.write(error.message)
            code = error.exit_code
        return Ran(int(code), *capfd.readouterr())

    return run_it


def lines(ran):
    return [json.loads(line) for line in ran.stdout.splitlines()]


def test_a_folder_gives_a_json_line_for_each_recording_with_all_that_was_asked(command, exported, recordings):
    ran = command("score", exported, recordings)
    assert ran.returncode == 0, ran.stderr
    rows = lines(ran)
    assert [r["path"] for r in rows] == [str(p) for p in sorted(recordings.iterdir())]
    for row in rows:
        assert row["verdict"] == ("anomalous" if "anomaly" in row["path"] else "normal") or row["p_value"] < 0.2
        assert row["id"] == row["path"].split("_id_")[1][:2]
        assert row["id_known"] is True
        assert 0 < row["worst_seconds"] < 1
        assert row["supported_rate"] == 1 / 11
        assert set(row["members"]) == {"K", "I"}
    assert sum(r["verdict"] == "anomalous" for r in rows if "anomaly" in r["path"]) == 8
    assert "16 scored: " in ran.stderr


def test_a_run_folder_is_scored_with_as_a_bundle_is(command, exported, run, recordings):
    by_bundle = command("score", exported, recordings)
    by_run = command("score", run, recordings, "--system", "both", "--machine", "fan")
    assert by_bundle.stdout == by_run.stdout
    refused = command("score", exported, recordings, "--system", "both")
    assert refused.returncode == 2
    assert "--system and --machine apply to run folders only" in refused.stderr


def test_csv_and_table(command, exported, recordings):
    rows = list(csv.DictReader(io.StringIO(command("score", exported, recordings, "--format", "csv").stdout)))
    assert len(rows) == 16
    assert {r["verdict"] for r in rows} <= {"normal", "anomalous"}
    table = command("score", exported, recordings, "--format", "table").stdout.splitlines()
    assert table[0].split() == ["path", "id", "score", "p-value", "verdict", "worst", "at"]
    assert len(table) == 17
    assert "\x1b" not in "".join(table)


def test_bad_files_are_listed_with_reasons_and_the_good_ones_scored(command, exported, recordings, tmp_path):
    (tmp_path / "text.wav").write_text("no sound at all")
    write_clip(tmp_path / "short.wav", 1, seconds=0.01)
    good = sorted(recordings.iterdir())[0]
    ran = command("score", exported, "text.wav", good, "short.wav", "absent.wav", "*.flac")
    assert ran.returncode == 1
    assert [r["path"] for r in lines(ran)] == [str(good)]
    told = [line for line in ran.stderr.splitlines() if line.startswith("bad: ")]
    assert [line.split(": ")[1] for line in told] == ["text.wav", "short.wav", "absent.wav", "*.flac"]
    assert "shorter than a window of K: 0.01 s gives 1 of 5 frames" in told[1]
    assert "no recording fits this pattern" in told[3]


@pytest.mark.parametrize("arguments", [["score", "."], ["watch", "."], ["listen", "-"]])
def test_an_id_that_the_bundle_does_not_know_is_refused_with_those_that_it_knows(command, exported, arguments):
    what, where = arguments
    ran = command(what, exported, where, "--id", "99")
    assert (ran.returncode, ran.stdout) == (2, "")
    assert ran.stderr.startswith("--id 99: ")
    assert ran.stderr.endswith("fan.asdkit has no such id; expected one of 00, 02")


def test_fail_on_anomaly_ends_with_5_and_only_then(command, exported, recordings):
    assert command("score", exported, recordings, "--fail-on-anomaly").returncode == 5
    healthy = str(recordings / "normal_id_00_0000000[0-1].wav")
    calm = command("score", exported, healthy, "--fail-on-anomaly", "--false-alarm-rate", "0.01")
    assert calm.returncode == 0, calm.stderr


def test_nothing_found_ends_with_3(command, exported, monkeypatch):
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"\n")))
    assert command("score", exported, "-").returncode == 3


def test_paths_come_on_standard_input_whatever_bytes_they_hold(exported, tmp_path):
    odd = os.fsencode(tmp_path) + b"/caf\xe9_id_00_1.wav"
    write_clip(tmp_path / "x.wav", 3)
    os.rename(os.fsencode(tmp_path / "x.wav"), odd)
    ran = subprocess.run(
        [sys.executable, "-m", "asdkit", "score", exported, "-", "--format", "csv"],
        input=odd + b"\n",
        capture_output=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    assert odd + b",00,True," in ran.stdout


def test_names_cannot_steer_a_terminal_or_a_spreadsheet_and_json_has_them_as_they_are(command, exported, tmp_path):
    names = ["=1+1.wav", "+a.wav", "-b.wav", "@c.wav", "red\x1b[31m\nnext.wav", "bell\x9b1m.wav"]
    for i, name in enumerate(names):
        write_clip(tmp_path / name, i)
    (tmp_path / "bad\x1b]0;title\x07.wav").write_bytes(b"RIFF")
    by_format = {f: command("score", exported, "*.wav", "--id", "00", "--format", f) for f in ("csv", "table", "jsonl")}
    for ran in by_format.values():
        assert not set(ran.stdout + ran.stderr) & {"\x1b", "\x9b", "\x07"}
    assert sorted(row["path"] for row in lines(by_format["jsonl"])) == sorted(names)
    shown = [row["path"] for row in csv.DictReader(io.StringIO(by_format["csv"].stdout))]
    escaped = ["bell\\x9b1m.wav", "red\\x1b[31m\\x0anext.wav"]
    assert sorted(shown) == sorted(["'=1+1.wav", "'+a.wav", "'-b.wav", "'@c.wav", *escaped])


def test_errors_show_control_characters(asdkit_command):
    ran = asdkit_command("score", "a\x1b[31m.asdkit", "x.wav", "--system", "K")
    assert ran.stderr.startswith("error: a\\x1b[31m.asdkit is a bundle")
    assert len(ran.stderr.splitlines()) == 1


def test_a_nul_byte_on_standard_input_spoils_that_line_alone(command, exported, recordings, monkeypatch):
    good = sorted(recordings.iterdir())[0]
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"a\0b\n" + os.fsencode(good) + b"\n")))
    ran = command("score", exported, "-")
    assert ran.returncode == 1
    assert len(lines(ran)) == 1
    assert "expected one path a line" in ran.stderr


@pytest.mark.parametrize("closed", ["0<&-", "1>&-", "2>&-"])
def test_a_closed_standard_stream_loses_no_row(exported, recordings, tmp_path, closed):
    good = sorted(recordings.iterdir())[0]
    call = f"exec '{sys.executable}' -m asdkit score '{exported}' '{good}' {closed}"
    ran = subprocess.run(["sh", "-c", call], capture_output=True, check=False, text=True)
    assert ran.returncode == 0, ran.stderr
    assert len(ran.stdout.splitlines()) == (0 if closed[0] == "1" else 1)


def test_a_silent_recording_is_told(command, exported, tmp_path):
    write_clip(tmp_path / "quiet_id_00.wav", 1)
    wave, rate = soundfile.read(tmp_path / "quiet_id_00.wav")
    soundfile.write(tmp_path / "quiet_id_00.wav", wave * 0, rate)
    assert "quiet_id_00.wav: silent" in command("score", exported, "quiet_id_00.wav").stderr


def test_recordings_of_another_rate_or_length_are_scored_and_told_once_a_kind_with_the_count(
    command, exported, tmp_path
):
    rng = np.random.default_rng(0)
    kinds = {"fast": (1.0, 16000), "slow": (1.0, 4000), "short": (0.5, 8000), "long": (2.0, 8000), "like": (1.05, 8000)}
    for name, (seconds, rate) in kinds.items():
        for i in range(2):
            soundfile.write(tmp_path / f"{name}{i}_id_00.wav", rng.normal(0, 0.05, int(seconds * rate)), rate)
    ran = command("score", exported, ".")
    assert ran.returncode == 0
    told = {row["path"][2:-11]: row["note"] for row in lines(ran)}
    assert told["like"] is None
    assert told["fast"] == told["slow"]
    assert told["fast"] == "not recorded at 8000 Hz as the healthy ones were, but resampled; p-values may not hold"
    assert told["short"].startswith("shorter than the shortest healthy one (1 s)")
    assert told["long"].startswith("longer than the longest healthy one (1 s)")
    notes = [line for line in ran.stderr.splitlines() if line.startswith("note: ") and "healthy" in line]
    assert sorted(notes) == [
        f"note: 2 recordings, the first ./long0_id_00.wav: {told['long']}",
        f"note: 2 recordings, the first ./short0_id_00.wav: {told['short']}",
        f"note: 4 recordings, the first ./fast0_id_00.wav: {told['fast']}",
    ]


def test_a_bundle_of_a_run_that_noted_no_rates_tells_nothing_of_them(bundle):
    assert differences(bundle.description, 8000, 1.0) == []
    assert len(differences(bundle.description, 44100, 9.0)) == 2
    assert differences(bundle.description.model_copy(update={"recorded": None}), 44100, 9.0) == []


def test_p_values_beyond_the_clips_held_out_are_marked_in_the_table_and_plain_elsewhere(command, exported, recordings):
    table = command("score", exported, recordings, "--format", "table")
    plain = [row["p_value"] for row in lines(command("score", exported, recordings))]
    marked = [" <= 0.091 " in line for line in table.stdout.splitlines()[1:]]
    assert marked == [p <= 1 / 11 for p in plain]
    assert min(plain) < 0.01
    assert (
        f"note: {sum(marked)} p-values are extrapolated: 10 clips held out of id 00 and 02 each can support none below "
        "1 in 11 (9.1 %)\n" in table.stderr
    )


def test_a_gamma_threshold_beyond_all_clips_held_out_is_told_of_each_clip_that_it_decides_on(
    command, exported, recordings
):
    options = ("--threshold", "gamma", "--false-alarm-rate")
    beyond, within = (command("score", exported, recordings, *options, rate) for rate in ("0.001", "0.3"))
    told = "the gamma threshold lies beyond all clips held out: extrapolated, it promises nothing"
    for row in lines(beyond):
        assert row["reason"] == (told if row["p_value"] <= row["supported_rate"] else None)
    anomalous = sum(row["verdict"] == "anomalous" for row in lines(beyond))
    assert anomalous >= 8
    assert f"note: {anomalous} anomalous: {told}\n" in beyond.stderr
    assert {row["reason"] for row in lines(within)} == {None}


@pytest.mark.parametrize(("out", "told"), [(".", "is not a file"), ("no/such/b.asdkit", "is not a folder")])
def test_export_says_where_it_cannot_write(command, run, out, told):
    ran = command("export", run, "--system", "K", "--machine", "fan", "-o", out)
    assert ran.returncode == 2
    assert told in ran.stderr


def test_a_detector_that_fails_to_score_is_told_in_one_line(command, exported, recordings, monkeypatch):
    def broken(*_):
        raise ValueError("shapes do not fit")

    monkeypatch.setattr("asdkit.bundle.members.score_windows", broken)
    ran = command("score", exported, recordings)
    assert ran.returncode == 4
    assert "failed to score: ValueError: shapes do not fit" in ran.stderr


def test_a_rate_that_cannot_be_supported_is_said_once_for_each_id(command, exported, recordings):
    ran = command("score", exported, recordings, "--false-alarm-rate", "0.05")
    assert {r["verdict"] for r in lines(ran)} == {"normal", "undecided"}
    notes = [line for line in ran.stderr.splitlines() if line.startswith("note: ")]
    assert len(notes) == 2
    for note, id_ in zip(notes, ("00", "02"), strict=True):
        assert f"undecided: 10 held-out clips of id {id_} support no rate below 1 in 11 (9.1 %); 5 % was asked" in note


def test_the_card_says_what_it_is_made_of_and_what_it_supports(command, run, tmp_path):
    ran = command("export", run, "--system", "both", "--machine", "fan", "-o", "a.asdkit")
    assert ran.returncode == 0, ran.stderr
    assert "note: " not in ran.stderr  # 10 % was asked, and ten clips support it
    import zipfile

    with zipfile.ZipFile(tmp_path / "a.asdkit") as archive:
        card = archive.read("README.md").decode()
    assert "| 00 | 10 | 10 | 1 in 11 (9.1 %) |" in card
    assert "member K: detector `knn`, windows of 5 frames" in card
    assert "combined by `z-score`" in card


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("a/normal_id_02_00000001.wav", "02"),
        ("section_00_source_train_normal_0001_x.wav", "00"),
        ("id_7.wav", "7"),
        ("android_12.wav", None),
        ("00/recording.wav", "00"),
        ("id_02/normal/recording.wav", None),
        ("id_02/recording.wav", "02"),
        ("recording.wav", None),
    ],
)
def test_the_id_is_what_the_name_or_its_folder_says(path, expected):
    assert id_from_path(path, ["00", "02"]) == expected


def test_folders_are_searched_through_and_hidden_or_foreign_files_left_out(tmp_path):
    for name in ("b/2.wav", "b/1.FLAC", "a.wav", "b/.x.wav", "b/notes.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    found = [os.path.relpath(str(p), tmp_path) for p in find_recordings([str(tmp_path)])]
    assert found == ["a.wav", "b/1.FLAC", "b/2.wav"]
    [row] = find_recordings([str(tmp_path / "**" / "*.ogg")])
    assert isinstance(row, FileResult)


def test_the_first_row_comes_before_the_second_file_is_looked_at(exported, registry, recordings):
    looked = []

    def paths():
        for path in sorted(recordings.iterdir()):
            looked.append(path)
            yield str(path)

    rows = score_files(Bundle.load(exported, registry=registry), paths())
    next(rows)
    assert len(looked) == 1
    assert len(list(rows)) == 15


def test_memory_does_not_grow_with_the_number_of_files(exported, recordings):
    """A short version of ``nox -s score_speed``: 1,200 rows after the first 300."""
    code = f"""
import resource, sys
from asdkit.bundle import Bundle
from asdkit.bundle.score_recordings import score_files
files = [str(p) for p in __import__("pathlib").Path({str(recordings)!r}).iterdir()]
rows = score_files(Bundle.load({str(exported)!r}), (files[i % len(files)] for i in range(1500)))
def resident():
    return int(open("/proc/self/statm").read().split()[1]) * resource.getpagesize()
for i, row in enumerate(rows):
    assert row.verdict is not None
    if i == 300: first = resident()
print(resident() / first)
"""
    if not os.path.exists("/proc/self/statm"):
        pytest.skip("needs /proc")
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert float(ran.stdout) < 1.05
