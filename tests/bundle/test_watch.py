"""New recordings in a folder: waited for, given once, whatever happens to the folder."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import soundfile

from asdkit.bundle.watch import FolderWatch, watch
from tests.helpers.commands import Command
from tests.helpers.rooms import RATE, write_clip


class Clock:
    """Time that passes when it is told to."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


class Watched:
    """A watched folder, and what was told of it."""

    def __init__(self, folder: Path, **options: bool) -> None:
        self.folder, self.clock, self.told = folder, Clock(), []
        self.watch = FolderWatch(str(folder), notify=self.told.append, clock=self.clock, **options)

    def after(self, seconds: float) -> list[str]:
        """Names of what is whole after so long."""
        self.clock.now += seconds
        return [os.path.relpath(path, self.folder) for path in self.watch.poll()]


@pytest.fixture
def watched(tmp_path) -> Watched:
    (tmp_path / "in").mkdir()
    return Watched(tmp_path / "in")


@pytest.fixture
def clip(tmp_path) -> bytes:
    write_clip(tmp_path / "clip.wav", 1)
    return (tmp_path / "clip.wav").read_bytes()


def test_a_recording_is_given_once_when_it_has_stayed_as_it_is(watched, clip):
    (watched.folder / "a.wav").write_bytes(clip)
    assert [watched.after(s) for s in (0, 0.9, 0.2, 5, 100)] == [[], [], ["a.wav"], [], []]


def test_a_recording_that_grows_is_waited_for_however_long_it_takes(watched, clip):
    cut = len(clip) // 40
    with (watched.folder / "a.wav").open("wb", buffering=0) as file:
        for piece in range(0, len(clip), cut):
            file.write(clip[piece : piece + cut])
            assert watched.after(0.9) == []
    assert [watched.after(s) for s in (0.9, 0.2)] == [[], ["a.wav"]]


def test_a_writer_that_pauses_in_the_middle_is_waited_for_and_what_stays_cut_is_given_in_the_end(watched, clip):
    path = watched.folder / "a.wav"
    path.write_bytes(clip[: len(clip) // 2])
    assert [watched.after(s) for s in (0, 3, 3, 3)] == [[], [], [], []]
    path.write_bytes(clip)
    assert [watched.after(s) for s in (0, 1.1)] == [[], ["a.wav"]]
    (watched.folder / "cut.wav").write_bytes(clip[: len(clip) // 2])
    assert [watched.after(s) for s in (0, 9, 1.1, 50)] == [[], [], ["cut.wav"], []]


def test_a_file_that_is_written_again_is_given_again(watched, clip):
    path = watched.folder / "a.wav"
    path.write_bytes(clip)
    watched.after(0)
    assert watched.after(2) == ["a.wav"]
    path.write_bytes(clip + clip)
    os.utime(path, ns=(1, 1))
    assert [watched.after(s) for s in (0, 2, 2)] == [[], ["a.wav"], []]
    path.unlink()
    watched.after(1)
    path.write_bytes(clip)
    assert [watched.after(s) for s in (0, 2, 2)] == [[], ["a.wav"], []]


@pytest.mark.parametrize("existing", [False, True])
def test_what_is_there_already_is_new_only_if_asked_for(tmp_path, clip, existing):
    (tmp_path / "in" / "old").mkdir(parents=True)
    (tmp_path / "in" / "old" / "b.wav").write_bytes(clip)
    watched = Watched(tmp_path / "in", existing=existing)
    (tmp_path / "in" / "a.flac").write_bytes(b"")
    watched.after(0)
    assert watched.after(11) == (["a.flac", "old/b.wav"] if existing else ["a.flac"])


def test_other_files_and_hidden_ones_are_none_of_its_business(watched, clip):
    for name in ("notes.txt", ".a.wav", "a.wav.part"):
        (watched.folder / name).write_bytes(clip)
    watched.after(0)
    assert watched.after(100) == []


def test_a_file_that_goes_before_it_is_whole_is_told(watched, clip):
    (watched.folder / "a.wav").write_bytes(clip)
    watched.after(0)
    (watched.folder / "a.wav").unlink()
    assert watched.after(2) == []
    assert [line.partition(": ")[2] for line in watched.told] == ["gone before it was whole"]


def test_a_folder_that_vanishes_is_told_once_and_its_files_are_known_when_it_is_back(watched, clip):
    (watched.folder / "a.wav").write_bytes(clip)
    watched.after(0)
    assert watched.after(2) == ["a.wav"]
    away = watched.folder.with_name("away")
    watched.folder.rename(away)
    assert [watched.after(1) for _ in range(3)] == [[], [], []]
    away.rename(watched.folder)
    (watched.folder / "b.wav").write_bytes(clip)
    assert [watched.after(s) for s in (1, 2, 2)] == [[], ["b.wav"], []]
    assert [line.partition(": ")[2] for line in watched.told] == ["not there; waiting for it", "there again"]


def test_a_mount_point_without_its_share_is_a_folder_that_is_away(watched, clip, monkeypatch):
    (watched.folder / "a.wav").write_bytes(clip)
    watched.after(0)
    assert watched.after(2) == ["a.wav"]
    share = watched.folder.with_name("share")
    share.mkdir()
    (watched.folder / "a.wav").rename(share / "a.wav")
    stat = os.stat
    with monkeypatch.context() as m:
        m.setattr(os, "stat", lambda path, **o: _OtherDevice() if path == str(watched.folder) else stat(path, **o))
        assert [watched.after(1) for _ in range(3)] == [[], [], []]
    (share / "a.wav").rename(watched.folder / "a.wav")
    assert [watched.after(s) for s in (1, 2)] == [[], []]
    away, back = (line.partition(": ")[2] for line in watched.told)
    assert (away, back) == ("empty, on another file system than before; waiting for it", "there again")
    (watched.folder / "a.wav").unlink()
    watched.after(1)
    assert watched.watch.done_count == 0  # an empty folder is no folder that is away


class _OtherDevice:
    st_dev = -1


def test_what_lies_in_a_folder_that_cannot_be_listed_for_a_while_stays_scored(watched, clip, monkeypatch):
    (watched.folder / "below").mkdir()
    (watched.folder / "below" / "a.wav").write_bytes(clip)
    watched.after(0)
    assert watched.after(2) == ["below/a.wav"]
    (watched.folder / "below" / "b.wav").write_bytes(clip)
    watched.after(0)
    scandir = os.scandir

    def refusing(path):
        if path.endswith("below"):
            raise OSError(116, "Stale file handle")
        return scandir(path)

    with monkeypatch.context() as m:
        m.setattr(os, "scandir", refusing)
        assert [watched.after(1) for _ in range(3)] == [[], [], []]
    assert [watched.after(s) for s in (1, 2, 2)] == [[], ["below/b.wav"], []]
    assert [line.partition(": ")[2] for line in watched.told] == ["cannot be listed: Stale file handle"]


def test_folders_may_lie_deeper_than_python_calls_itself(watched, clip):
    here, depth = os.getcwd(), sys.getrecursionlimit() + 100
    os.chdir(watched.folder)
    for _ in range(depth):
        os.mkdir("d")
        os.chdir("d")
    try:
        Path("a.wav").write_bytes(clip)
        watched.after(0)
        assert [Path(path).name for path in watched.after(2)] == ["a.wav"]
    finally:  # what cleans up after tests calls itself
        os.unlink("a.wav")
        for _ in range(depth):
            os.chdir("..")
            os.rmdir("d")
        os.chdir(here)


def test_a_flac_that_is_half_there_is_waited_for(watched, tmp_path):
    soundfile.write(tmp_path / "whole.flac", np.random.default_rng(0).normal(0, 0.1, 16000), 8000)
    data = (tmp_path / "whole.flac").read_bytes()
    (watched.folder / "a.flac").write_bytes(data[: len(data) // 2])
    assert [watched.after(s) for s in (0, 3, 3)] == [[], [], []]
    (watched.folder / "a.flac").write_bytes(data)
    assert [watched.after(s) for s in (0, 1.1)] == [[], ["a.flac"]]


def test_a_link_that_leads_nowhere_is_given_for_its_reason_to_be_told(watched):
    (watched.folder / "a.wav").symlink_to("nowhere.wav")
    watched.after(0)
    assert watched.after(11) == ["a.wav"]


def test_what_is_kept_does_not_outgrow_the_folder(watched, clip):
    for number in range(50):
        path = watched.folder / f"{number}.wav"
        path.write_bytes(clip)
        watched.after(0)
        assert watched.after(2) == [path.name]
        path.unlink()
    watched.after(1)
    assert watched.watch.done_count == 0


def test_watching_scores_as_scoring_does(bundle, run, tmp_path):
    (tmp_path / "in").mkdir()
    names = sorted((run.parent / "room" / "fan" / "test").glob("anomaly_id_02_*.wav"))
    for path in names:
        shutil.copy(path, tmp_path / "in")
    folder = FolderWatch(str(tmp_path / "in"), settle=0.05, existing=True)
    rows = list(islice(watch(bundle, folder, lambda: False), 3))
    assert [Path(row.path).name for row in rows] == [path.name for path in names[:3]]
    for row, path in zip(rows, names, strict=False):
        wave, rate = soundfile.read(path, dtype="int16")
        assert row.verdict.score == pytest.approx(bundle.score(wave, rate, "02").score, rel=1e-6)


def test_the_command_scores_what_is_written_slowly_and_ends_with_a_summary(exported, run, tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    test = run.parent / "room" / "fan" / "test"
    shutil.copy(test / "normal_id_00_00000000.wav", folder)
    command = Command("watch", exported, folder, "--settle", "0.2")
    command.says("existing recordings: 1 ")
    data = (test / "anomaly_id_00_00000001.wav").read_bytes()
    with (folder / "anomaly_id_00_slow.wav").open("wb", buffering=0) as file:
        for piece in range(0, len(data), 2000):
            file.write(data[piece : piece + 2000])
            time.sleep(0.05)
        assert command.rows == []
    command.until(lambda c: c.rows)
    (folder / "bad.wav").write_bytes(b"not audio at all")
    folder.rename(tmp_path / "away")
    command.says("not there; waiting for it")
    (tmp_path / "away").rename(folder)
    command.says("bad: ")
    shutil.copy(test / "normal_id_02_00000001.wav", folder)
    command.until(lambda c: len(c.rows) == 2)
    assert command.end(signal.SIGINT) == 130
    assert [(Path(r["path"]).name, r["id"]) for r in command.rows] == [
        ("anomaly_id_00_slow.wav", "00"),
        ("normal_id_02_00000001.wav", "02"),
    ]
    assert command.rows[0]["verdict"] == "anomalous"
    assert sum("bad.wav: not audio" in line for line in command.said) == 1
    assert sum("waiting" in line for line in command.said) == 1
    assert "2 scored: " in command.said[-1]
    assert "1 bad" in command.said[-1]


def test_the_command_refuses_a_folder_that_was_never_there(exported, asdkit_command):
    ran = asdkit_command("watch", exported, "nowhere")
    assert (ran.returncode, ran.stderr.splitlines()[0]) == (3, "error: nowhere: no such folder")
    assert "not a folder" in asdkit_command("watch", exported, exported).stderr
    assert asdkit_command("watch", exported, ".", "--settle", "inf").returncode == 2


def test_the_command_ends_when_nobody_reads_its_rows(exported, run, tmp_path):
    (tmp_path / "in").mkdir()
    process = subprocess.Popen(
        [sys.executable, "-m", "asdkit", "watch", str(exported), str(tmp_path / "in"), "--settle", "0.1"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert "watching" in process.stderr.readline()
    process.stdout.close()
    write_clip(tmp_path / "in" / "a.wav", 1)
    assert process.wait(timeout=60) == 0
    assert "1 scored" in process.stderr.read()
    process.stderr.close()


def test_a_sound_of_another_rate_and_more_channels_is_heard_as_well(bundle, tmp_path):
    wave = np.random.default_rng(0).normal(0, 0.05, (2 * RATE * 2, 2))
    soundfile.write(tmp_path / "a.wav", wave, 2 * RATE)
    row = next(watch(bundle, FolderWatch(str(tmp_path), settle=0.05, existing=True), lambda: False))
    assert row.verdict is not None
