"""``asdkit watch``: each new, complete recording is scored once."""

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

from asdkit.bundle.scoring_process import InProcess
from asdkit.bundle.watch import FolderWatch, watch
from tests.helpers.commands import Command
from tests.helpers.rooms import RATE, write_clip


class Clock:
    """A clock that a test sets."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


class Watched:
    """A watched folder and its messages."""

    def __init__(self, folder: Path, **options: bool) -> None:
        self.folder, self.clock, self.lines = folder, Clock(), []
        self.watch = FolderWatch(str(folder), notify=self.lines.append, clock=self.clock, **options)

    @property
    def messages(self) -> list[str]:
        """Messages without their paths."""
        return [line.partition(": ")[2] for line in self.lines]

    def after(self, seconds: float) -> list[str]:
        """Names of the files that a poll after this time returns."""
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


def test_a_recording_is_returned_once_when_it_is_unchanged(watched, clip):
    (watched.folder / "a.wav").write_bytes(clip)
    assert [watched.after(s) for s in (0, 0.9, 0.2, 5, 100)] == [[], [], ["a.wav"], [], []]


def test_a_growing_recording_is_waited_for(watched, clip):
    cut = len(clip) // 40
    with (watched.folder / "a.wav").open("wb", buffering=0) as file:
        for piece in range(0, len(clip), cut):
            file.write(clip[piece : piece + cut])
            assert watched.after(0.9) == []
    assert [watched.after(s) for s in (0.9, 0.2)] == [[], ["a.wav"]]


def test_an_incomplete_recording_is_returned_after_ten_times_settle(watched, clip):
    path = watched.folder / "a.wav"
    path.write_bytes(clip[: len(clip) // 2])
    assert [watched.after(s) for s in (0, 3, 3, 3)] == [[], [], [], []]
    path.write_bytes(clip)
    assert [watched.after(s) for s in (0, 1.1)] == [[], ["a.wav"]]
    (watched.folder / "cut.wav").write_bytes(clip[: len(clip) // 2])
    assert [watched.after(s) for s in (0, 9, 1.1, 50)] == [[], [], ["cut.wav"], []]


def test_a_file_that_is_written_again_is_returned_again(watched, clip):
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
def test_existing_files_are_new_only_on_request(tmp_path, clip, existing):
    (tmp_path / "in" / "old").mkdir(parents=True)
    (tmp_path / "in" / "old" / "b.wav").write_bytes(clip)
    watched = Watched(tmp_path / "in", existing=existing)
    (tmp_path / "in" / "a.flac").write_bytes(b"")
    watched.after(0)
    assert watched.after(11) == (["a.flac", "old/b.wav"] if existing else ["a.flac"])


def test_other_and_hidden_files_are_ignored(watched, clip):
    for name in ("notes.txt", ".a.wav", "a.wav.part"):
        (watched.folder / name).write_bytes(clip)
    watched.after(0)
    assert watched.after(100) == []


def test_other_audio_files_are_reported_once_per_suffix(watched, clip):
    for name, messages in (("a.mp3", 1), ("b.mp3", 1), ("c.m4a", 2), ("d.txt", 2), ("e.wav", 2)):
        (watched.folder / name).write_bytes(clip)
        watched.after(1)
        assert len(watched.messages) == messages
    assert watched.messages[1].startswith("audio files not read: 1 .m4a, 2 .mp3; ")


def test_a_recording_without_a_length_is_waited_for_longer(watched, clip):
    (watched.folder / "a.wav").write_bytes(clip[:40] + bytes([0, 0, 0, 0x80]) + clip[44:])
    assert [watched.after(seconds) for seconds in (0, 2, 7)] == [[], [], []]
    assert watched.after(2) == ["a.wav"]


def test_a_file_deleted_before_it_is_complete_gives_a_message(watched, clip):
    (watched.folder / "a.wav").write_bytes(clip)
    watched.after(0)
    (watched.folder / "a.wav").unlink()
    assert watched.after(2) == []
    assert watched.messages == ["deleted before it was complete"]


def test_files_of_a_returning_folder_are_known(watched, clip):
    (watched.folder / "a.wav").write_bytes(clip)
    watched.after(0)
    assert watched.after(2) == ["a.wav"]
    away = watched.folder.with_name("away")
    watched.folder.rename(away)
    assert [watched.after(1) for _ in range(3)] == [[], [], []]
    away.rename(watched.folder)
    (watched.folder / "b.wav").write_bytes(clip)
    assert [watched.after(s) for s in (1, 2, 2)] == [[], ["b.wav"], []]
    assert watched.messages == ["not there; waiting for it", "available again"]


def test_a_mount_point_without_its_share_is_unavailable(watched, clip, monkeypatch):
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
    assert watched.messages == ["empty, on another file system than before; waiting for it", "available again"]
    (watched.folder / "a.wav").unlink()
    watched.after(1)
    assert watched.watch.done_count == 0  # an empty folder is available


class _OtherDevice:
    st_dev = -1


def test_files_of_a_temporarily_unlisted_folder_stay_scored(watched, clip, monkeypatch):
    (watched.folder / "below").mkdir()
    (watched.folder / "below" / "a.wav").write_bytes(clip)
    watched.after(0)
    assert watched.after(2) == ["below/a.wav"]
    (watched.folder / "below" / "b.wav").write_bytes(clip)
    watched.after(0)
    scandir = os.scandir

    def fail_below(path):
        if path.endswith("below"):
            raise OSError(116, "Stale file handle")
        return scandir(path)

    with monkeypatch.context() as m:
        m.setattr(os, "scandir", fail_below)
        assert [watched.after(1) for _ in range(3)] == [[], [], []]
    assert [watched.after(s) for s in (1, 2, 2)] == [[], ["below/b.wav"], []]
    assert watched.messages == ["cannot be listed: Stale file handle"]


def test_folders_may_be_deeper_than_the_recursion_limit(watched, clip):
    here, depth = os.getcwd(), sys.getrecursionlimit() + 100
    os.chdir(watched.folder)
    for _ in range(depth):
        os.mkdir("d")
        os.chdir("d")
    try:
        Path("a.wav").write_bytes(clip)
        watched.after(0)
        assert [Path(path).name for path in watched.after(2)] == ["a.wav"]
    finally:  # the cleanup of pytest is recursive
        os.unlink("a.wav")
        for _ in range(depth):
            os.chdir("..")
            os.rmdir("d")
        os.chdir(here)


def test_an_incomplete_flac_is_waited_for(watched, tmp_path):
    soundfile.write(tmp_path / "complete.flac", np.random.default_rng(0).normal(0, 0.1, 16000), 8000)
    data = (tmp_path / "complete.flac").read_bytes()
    (watched.folder / "a.flac").write_bytes(data[: len(data) // 2])
    assert [watched.after(s) for s in (0, 3, 3)] == [[], [], []]
    (watched.folder / "a.flac").write_bytes(data)
    assert [watched.after(s) for s in (0, 1.1)] == [[], ["a.flac"]]


def test_a_broken_link_is_returned_as_a_bad_file(watched):
    (watched.folder / "a.wav").symlink_to("nowhere.wav")
    watched.after(0)
    assert watched.after(11) == ["a.wav"]


def test_memory_is_bounded_by_the_files_in_the_folder(watched, clip):
    for number in range(50):
        path = watched.folder / f"{number}.wav"
        path.write_bytes(clip)
        watched.after(0)
        assert watched.after(2) == [path.name]
        path.unlink()
    watched.after(1)
    assert watched.watch.done_count == 0


def test_watching_gives_the_scores_of_scoring(bundle, recordings, tmp_path):
    (tmp_path / "in").mkdir()
    paths = sorted(recordings.glob("anomaly_id_02_*.wav"))
    for path in paths:
        shutil.copy(path, tmp_path / "in")
    folder = FolderWatch(str(tmp_path / "in"), settle=0.05, existing=True)
    results = list(islice(watch(InProcess(bundle), folder, lambda: False), 3))
    assert [Path(result.path).name for result in results] == [path.name for path in paths[:3]]
    for result, path in zip(results, paths, strict=False):
        wave, rate = soundfile.read(path, dtype="int16")
        assert result.verdict.score == pytest.approx(bundle.score(wave, rate, "02").score, rel=1e-6)


def test_a_slowly_written_file_is_scored_until_ctrl_c(exported, recordings, tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    shutil.copy(recordings / "normal_id_00_00000000.wav", folder)
    data = (recordings / "anomaly_id_00_00000001.wav").read_bytes()
    with Command("watch", exported, folder, "--settle", "0.2") as command:
        command.wait_for_message("existing recordings: 1 ")
        with (folder / "anomaly_id_00_slow.wav").open("wb", buffering=0) as file:
            for piece in range(0, len(data), 2000):
                file.write(data[piece : piece + 2000])
                time.sleep(0.05)
            assert command.rows == []
        command.wait_for_rows(1)
        (folder / "bad.wav").write_bytes(b"not audio at all")
        folder.rename(tmp_path / "away")
        command.wait_for_message("not there; waiting for it")
        (tmp_path / "away").rename(folder)
        command.wait_for_message("bad: ")
        shutil.copy(recordings / "normal_id_02_00000001.wav", folder)
        command.wait_for_rows(2)
        assert command.stop(signal.SIGINT) == 130
    assert [(Path(r["path"]).name, r["id"]) for r in command.rows] == [
        ("anomaly_id_00_slow.wav", "00"),
        ("normal_id_02_00000001.wav", "02"),
    ]
    assert command.rows[0]["verdict"] == "anomalous"
    assert sum("bad.wav: not audio" in line for line in command.messages) == 1
    assert sum("waiting" in line for line in command.messages) == 1
    assert "2 scored: " in command.messages[-1]
    assert "1 bad" in command.messages[-1]


def test_a_killed_watch_goes_on_in_its_table(exported, recordings, tmp_path):
    folder, table = tmp_path / "in", tmp_path / "rows.csv"
    folder.mkdir()
    said = []
    for name in ("normal_id_00_00000000.wav", "anomaly_id_00_00000001.wav"):
        with table.open("ab") as output:
            command = [sys.executable, "-m", "asdkit", "watch", exported, folder, "--settle", "0.1", "--format", "csv"]
            process = subprocess.Popen(list(map(str, command)), stdout=output, stderr=subprocess.PIPE, text=True)
            said.append(process.stderr.readline())
            shutil.copy(recordings / name, folder)
            while f"/{name}," not in table.read_text() or not table.read_bytes().endswith(b"\n"):
                assert process.poll() is None
                time.sleep(0.05)
            process.kill()
            process.wait()
            process.stderr.close()
        shutil.copy(recordings / name, folder / f"missed_{name}")
        with table.open("ab") as output:
            output.write(b"cut,sho")
    rows = table.read_text().splitlines()
    assert [row.split(",")[0] for row in rows[1:]] == [
        f"{folder}/normal_id_00_00000000.wav", "cut", f"{folder}/anomaly_id_00_00000001.wav", "cut"
    ]  # fmt: skip
    assert rows[0].startswith("path,id,")
    assert "existing recordings: 2 skipped" in said[1]


def test_a_missing_folder_is_refused(asdkit, exported):
    result = asdkit("watch", exported, "nowhere")
    assert (result.returncode, result.stderr.splitlines()[0]) == (3, "error: nowhere: no such folder")
    assert "not a folder" in asdkit("watch", exported, exported).stderr
    assert asdkit("watch", exported, ".", "--settle", "inf").returncode == 2


def test_watching_ends_when_its_reader_leaves(exported, tmp_path):
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


def test_other_rates_and_channels_are_scored(bundle, tmp_path):
    wave = np.random.default_rng(0).normal(0, 0.05, (2 * RATE * 2, 2))
    soundfile.write(tmp_path / "a.wav", wave, 2 * RATE)
    result = next(watch(InProcess(bundle), FolderWatch(str(tmp_path), settle=0.05, existing=True), lambda: False))
    assert result.verdict is not None
