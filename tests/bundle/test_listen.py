"""A stream, window by window."""

from __future__ import annotations

import csv
import io
import json
import os
import signal
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from asdkit.bundle.stream import AlarmRule, Listener, WindowResult, _WindowCutter
from asdkit.bundle.stream_sources import Gap, Reconnected, Sound
from asdkit.cli.options import Format
from asdkit.cli.reporters import ListenReporter
from asdkit.cli.rows import WINDOWS, write_rows
from asdkit.errors import UsageError
from benchmarks.listening import listen
from tests.helpers.commands import Command
from tests.helpers.rooms import RATE


@pytest.fixture(scope="session")
def clips(run) -> dict[str, np.ndarray]:
    """A normal and an anomalous second of id 00."""
    test = run.parent / "room" / "fan" / "test"
    return {
        kind: soundfile.read(test / f"{kind}_id_00_00000002.wav", dtype="int16")[0] for kind in ("normal", "anomaly")
    }


def stream(clips: dict[str, np.ndarray], kinds: str) -> np.ndarray:
    """Seconds that are normal (``n``) or anomalous (``a``)."""
    return np.concatenate([clips["normal" if kind == "n" else "anomaly"] for kind in kinds])


@given(
    st.lists(st.one_of(st.integers(1, 90), st.none()), max_size=12),
    st.integers(1, 40),
    st.integers(1, 40),
)
def test_windows_are_cut_as_from_the_whole_stretch_and_never_reach_across_a_gap(pieces, one, other):
    window, hop = max(one, other), min(one, other)
    cutter = _WindowCutter(window / 10, hop / 10)
    found, left, begin, expected, expected_left = [], 0.0, 0, [], 0.0
    stretches: list[list[int]] = [[]]
    for piece in pieces:
        if piece is None:
            left += cutter.clear()
            stretches.append([])
            continue
        wave = np.arange(begin, begin + piece).astype(np.int16)
        begin += piece
        stretches[-1] += wave.tolist()
        found += [(round(at, 6), w.tolist()) for at, w in cutter.add(Sound(wave, 10))]
    left += cutter.clear()
    for stretch in stretches:
        starts = range(0, len(stretch) - window + 1, hop)
        expected += [(stretch[s] / 10, stretch[s : s + window]) for s in starts]
        expected_left += (len(stretch) - (starts[-1] + window if starts else 0)) / 10
    assert found == expected
    assert left == pytest.approx(expected_left)


def test_each_window_is_scored_as_the_same_excerpt_is_by_itself(bundle, clips):
    sound = stream(clips, "nna")
    listener = Listener(bundle, hop=0.5, id_="00")
    assert listener.seconds == 1.0  # the training clips' length
    pieces = [Sound(part, RATE) for part in np.array_split(sound, 17)]
    heard = list(listener.score_stream(pieces))
    assert [h.begin for h in heard] == [0, 0.5, 1, 1.5, 2]
    for h in heard:
        first = round(h.begin * RATE)
        assert h.verdict.score == bundle.score(sound[first : first + RATE], RATE, "00").score
    assert [h.verdict.verdict for h in heard][::2] == ["normal", "normal", "anomalous"]


def test_a_stream_of_another_rate_is_resampled_window_by_window(bundle, clips):
    double = np.repeat(stream(clips, "na"), 2).astype(np.float32) / 32768
    heard = list(Listener(bundle, id_="00").score_stream([Sound(double, 2 * RATE)]))
    assert [h.seconds for h in heard] == [1, 1]
    assert heard[1].verdict.score == bundle.score(double[2 * RATE :], 2 * RATE, "00").score


def test_windows_of_another_rate_or_length_than_the_training_clips_are_told_once(bundle, clips, capsys):
    told = ListenReporter(Listener(bundle, seconds=2, id_="00"))
    double = np.repeat(stream(clips, "nnnn"), 2)
    assert len(list(told.rows(told.listener.score_stream([Sound(double, 2 * RATE)])))) == 2
    assert capsys.readouterr().err.splitlines() == [
        "note: windows are not recorded at 8000 Hz as the healthy ones were, but resampled; p-values may not hold",
        "note: windows are longer than the longest healthy one (1 s); p-values may not hold",
    ]
    told = ListenReporter(Listener(bundle, id_="00"))
    assert len(list(told.rows(told.listener.score_stream([Sound(stream(clips, "nn"), RATE)])))) == 2
    assert capsys.readouterr().err == ""


def test_gaps_and_reconnections_are_counted_and_what_no_window_holds_is_said(bundle, clips):
    listener = Listener(bundle, id_="00")
    one = stream(clips, "n")
    pieces = [
        Sound(one, RATE),
        Sound(one[:3000], RATE),
        Gap("x"),
        Reconnected("x"),
        Sound(one, RATE),
        Sound(one[:10], RATE),
    ]
    events = list(listener.score_stream(pieces))
    assert [type(e) for e in events] == [WindowResult, Gap, Reconnected, WindowResult]
    assert (listener.gaps, listener.reconnects) == (1, 1)
    assert listener.left_over == pytest.approx(3010 / RATE)
    assert events[3].begin == pytest.approx(1 + 3000 / RATE)


def test_a_window_that_cannot_be_scored_is_said_and_the_next_ones_are(bundle, clips):
    sound = stream(clips, "nan").astype(np.float32) / 32768
    sound[RATE + 7] = np.nan
    heard = list(Listener(bundle, id_="00").score_stream([Sound(sound, RATE)]))
    assert [h.verdict is None for h in heard] == [False, True, False]
    assert "NaN" in heard[1].reason


@pytest.mark.parametrize(
    ("options", "said"),
    [({"seconds": 0.001}, "shorter than a window"), ({"hop": 1.5}, "no more than"), ({"hop": 0.0}, "no more than")],
)
def test_windows_that_cannot_be_are_refused(bundle, options, said):
    with pytest.raises(UsageError, match=said):
        Listener(bundle, **options)


@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(kinds=st.text("na", min_size=1, max_size=12))
def test_the_alarm_follows_the_verdicts(bundle, clips, kinds):
    rule = AlarmRule(2, 3, 2)
    heard = list(Listener(bundle, id_="00", rule=rule).score_stream([Sound(stream(clips, kinds), RATE)]))
    assert [h.verdict.anomalous for h in heard] == [kind == "a" for kind in kinds]
    states = [False, *(h.alarm for h in heard)]
    assert [h.changed for h in heard] == [a != b for a, b in pairwise(states)]


def test_the_command_hears_a_pipe_and_raises_the_alarm(exported, clips, tmp_path):
    sound = stream(clips, "nnaaannnnn").tobytes() + b"\0\0\0"
    command = [sys.executable, "-m", "asdkit", "listen", str(exported), "--id", "00", "--alarm", "2/3", "--quiet", "3"]
    ran = subprocess.run(command, input=sound, capture_output=True, check=False, cwd=tmp_path)
    assert ran.returncode == 0, ran.stderr
    rows = [json.loads(line) for line in ran.stdout.splitlines()]
    assert [row["verdict"][0] for row in rows] == list("nnaaannnnn")
    assert [row["alarm"] for row in rows] == [False] * 3 + [True] * 4 + [False] * 3
    assert [row["begin"] for row in rows] == list(range(10))
    said = ran.stderr.decode().splitlines()
    assert said[1].startswith("note: p-values: 10 clips held out of id 00 can support none below 1 in 11 (9.1 %); ")
    assert said[2:5] == [
        "alarm on at 0:00:04.0",
        "alarm off at 0:00:08.0",
        "gap at 0:00:10.0: the stream ended within a sample: 1 bytes of 2",
    ]
    assert said[5].startswith("10 windows: 3 anomalous, 7 normal; 1 alarm, off at the end; 1 gap; 0 reconnections")


def test_the_command_hears_other_samples_and_writes_other_formats(exported, clips, tmp_path):
    sound = (stream(clips, "na").astype("<f4") / 32768).repeat(2).tobytes()  # two channels
    command = ["listen", exported, "--id", "00", "--samples", "f32le", "--channels", "2", "--alarm", "1/1", "--latch"]
    ran = subprocess.run(
        [sys.executable, "-m", "asdkit", *map(str, command), "--format", "csv"],
        input=sound, capture_output=True, check=False, cwd=tmp_path,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    assert "ending never by itself" in ran.stderr.decode()
    rows = list(csv.DictReader(io.StringIO(ran.stdout.decode())))
    assert [(row["verdict"], row["alarm"]) for row in rows] == [("normal", "False"), ("anomalous", "True")]


@pytest.mark.parametrize("samples", ["f32le", "f64le"])
def test_samples_of_another_format_are_told_as_no_sound_and_not_scored(exported, clips, tmp_path, samples):
    command = ["listen", exported, "--id", "00", "--samples", samples]
    ran = subprocess.run(
        [sys.executable, "-m", "asdkit", *map(str, command)],
        input=stream(clips, "nnanannn").tobytes(), capture_output=True, check=False, cwd=tmp_path,
    )  # fmt: skip
    rows = [json.loads(line) for line in ran.stdout.splitlines()]
    assert {row["verdict"] for row in rows} == {"bad"}
    assert all("is it in the format that it is read as (--samples)?" in row["reason"] for row in rows)
    said = ran.stderr.decode().splitlines()
    assert said[2].startswith("first bad window, at 0:00:00.0: ")
    assert said[-2] == "error: no window could be scored"
    assert not any("warning" in line for line in said)
    assert ran.returncode == 3


@pytest.mark.parametrize("highest", [1001.0, -3e38, np.inf, np.nan])
def test_one_absurd_sample_spoils_its_window_alone(bundle, clips, highest):
    sound = stream(clips, "nan").astype(np.float32) / 32768
    sound[RATE + 7] = highest
    heard = list(Listener(bundle, id_="00").score_stream([Sound(sound, RATE)]))
    assert [h.verdict is None for h in heard] == [False, True, False]
    assert "where full scale is 1" in heard[1].reason
    loud = list(Listener(bundle, id_="00").score_stream([Sound(100 * sound[:RATE], RATE)]))
    assert loud[0].verdict is not None  # whoever stores other units than full scale has sound all the same


def test_silent_windows_are_told_once(bundle, capsys):
    told = ListenReporter(Listener(bundle, id_="00"))
    assert len(list(told.rows(told.listener.score_stream([Sound(np.zeros(3 * RATE, np.int16), RATE)])))) == 3
    assert capsys.readouterr().err.splitlines()[0] == "note: windows are silent; the score says nothing of the machine"


def test_a_table_has_a_line_for_each_window_the_bad_ones_as_well(bundle, clips, capsys):
    sound = stream(clips, "nan").astype(np.float32) / 32768
    sound[7] = np.nan
    told = ListenReporter(Listener(bundle, id_="00", rule=AlarmRule(1, 1)))
    write_rows(Format.table, WINDOWS, told.rows(told.listener.score_stream([Sound(sound, RATE)])))
    lines = capsys.readouterr().out.splitlines()
    assert "NaN" in lines[1]
    assert lines[2].startswith(" 0:00:01.0          00 ")
    assert " <= 0.091  anomalous" in lines[2]
    assert lines[2].endswith("ALARM")
    assert "normal" in lines[3]


def test_the_command_follows_a_growing_wav_until_it_is_interrupted(exported, clips, tmp_path):
    path = tmp_path / "live.wav"
    command = Command("listen", exported, path, "--id", "00")
    command.says("waiting for it")
    with soundfile.SoundFile(path, "w", RATE, 1, "PCM_16") as file:
        for number, kind in enumerate("na"):
            file.write(stream(clips, kind))
            file.flush()
            command.until(lambda c, number=number: len(c.rows) == number + 1)
    path.unlink()
    command.says("gap at 0:00:02.0")
    soundfile.write(path, stream(clips, "n"), RATE)
    command.until(lambda c: len(c.rows) == 3)
    assert command.end(signal.SIGTERM) == 143
    assert [(row["verdict"], row["gaps"], row["reconnects"]) for row in command.rows] == [
        ("normal", 0, 0),
        ("anomalous", 0, 0),
        ("normal", 1, 1),
    ]
    assert command.said[-1].startswith("3 windows: 1 anomalous, 2 normal; 0 alarms; 1 gap; 1 reconnection")


def test_the_command_hears_a_named_pipe_and_ends_at_once_when_interrupted(exported, clips, tmp_path):
    os.mkfifo(tmp_path / "fifo")
    command = Command("listen", exported, tmp_path / "fifo", "--id", "00")
    command.says("waiting for somebody")
    Path(tmp_path / "fifo").write_bytes(stream(clips, "nn").tobytes())
    command.says("its writer left")
    assert command.end(signal.SIGINT) == 130
    assert len(command.rows) == 2


def test_memory_stays_flat_over_half_an_hour_at_full_speed(exported):
    found = listen(exported, 0.5, rate=RATE, window=10, start=30)
    assert found.windows == 180
    assert found.start > 0
    assert found.growth < 0.05


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["--alarm", "3"], 2, "expected two numbers, such as 3/5"),
        (["--alarm", "6/5"], 2, "expected at least 1, of no fewer"),
        (["mic"], 2, "needs sounddevice"),
        (["--hop", "9"], 2, "expected no more than their length"),
        (["--hop", "1e-9"], 2, "no less than a thousandth of it"),
    ],
)
def test_what_cannot_be_is_said_in_a_line(asdkit_command, exported, tmp_path, arguments, code, said):
    blocked = tmp_path / "site" / "sounddevice.py"
    blocked.parent.mkdir(exist_ok=True)
    blocked.write_text("raise ImportError('not here')")
    ran = asdkit_command("listen", exported, *arguments)
    assert ran.returncode == code
    assert said in ran.stderr.splitlines()[-2 if arguments == ["mic"] else -1]
    assert "Traceback" not in ran.stderr
