"""``asdkit listen``: a stream is scored window by window."""

from __future__ import annotations

import csv
import io
import json
import os
import signal
import subprocess
import sys
import threading
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import soundfile
from asdkit_listen.reporter import ListenReporter
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from asdkit.bundle.stream import AlarmRule, Listener, WindowResult, _WindowCutter
from asdkit.bundle.stream_sources import Gap, Reconnected, Sound
from asdkit.cli.options import Format
from asdkit.cli.rows import WINDOW_COLUMNS, write_rows
from asdkit.errors import UsageError
from tests.helpers.commands import Command
from tests.helpers.properties import examples
from tests.helpers.rooms import RATE


@pytest.fixture(scope="session")
def clips(recordings) -> dict[str, np.ndarray]:
    """A normal (``n``) and an anomalous (``a``) second of id 00."""
    return {
        kind[0]: soundfile.read(recordings / f"{kind}_id_00_00000002.wav", dtype="int16")[0]
        for kind in ("normal", "anomaly")
    }


def stream(clips: dict[str, np.ndarray], kinds: str) -> np.ndarray:
    """Seconds that are normal (``n``) or anomalous (``a``)."""
    return np.concatenate([clips[kind] for kind in kinds])


def with_sample(clips: dict[str, np.ndarray], value: float) -> np.ndarray:
    """Three seconds of floats, the second one with this sample."""
    sound = stream(clips, "nan").astype(np.float32) / 32768
    sound[RATE + 7] = value
    return sound


def results_of(listener: Listener, sound: np.ndarray, rate: int = RATE) -> list[WindowResult]:
    return list(listener.score_stream([Sound(sound, rate)]))


@given(
    st.lists(st.one_of(st.integers(1, 90), st.none()), max_size=12),
    st.integers(1, 40),
    st.integers(1, 40),
)
def test_windows_are_cut_from_stretches_between_gaps(pieces, one, other):
    window, hop = max(one, other), min(one, other)
    cutter = _WindowCutter(window / 10, hop / 10)
    windows, unused, begin, expected, expected_unused = [], 0.0, 0, [], 0.0
    stretches: list[list[int]] = [[]]
    for piece in pieces:
        if piece is None:
            unused += cutter.clear()
            stretches.append([])
            continue
        wave = np.arange(begin, begin + piece).astype(np.int16)
        begin += piece
        stretches[-1] += wave.tolist()
        windows += [(round(at, 6), w.tolist()) for at, w in cutter.add(Sound(wave, 10))]
    unused += cutter.clear()
    for stretch in stretches:
        starts = range(0, len(stretch) - window + 1, hop)
        expected += [(stretch[s] / 10, stretch[s : s + window]) for s in starts]
        expected_unused += (len(stretch) - (starts[-1] + window if starts else 0)) / 10
    assert windows == expected
    assert unused == pytest.approx(expected_unused)


def test_a_window_scores_as_the_same_excerpt_alone(bundle, clips):
    sound = stream(clips, "nna")
    listener = Listener(bundle, hop=0.5, id_="00")
    assert listener.seconds == 1.0  # the duration of the training clips
    results = list(listener.score_stream([Sound(part, RATE) for part in np.array_split(sound, 17)]))
    assert [r.begin for r in results] == [0, 0.5, 1, 1.5, 2]
    for result in results:
        first = round(result.begin * RATE)
        assert result.verdict.score == bundle.score(sound[first : first + RATE], RATE, "00").score
    assert [r.verdict.verdict for r in results][::2] == ["normal", "normal", "anomalous"]


def test_each_window_of_another_rate_is_resampled(bundle, clips):
    double = np.repeat(stream(clips, "na"), 2).astype(np.float32) / 32768
    results = results_of(Listener(bundle, id_="00"), double, 2 * RATE)
    assert [r.seconds for r in results] == [1, 1]
    assert results[1].verdict.score == bundle.score(double[2 * RATE :], 2 * RATE, "00").score


def test_another_rate_or_length_gives_one_note(bundle, clips, capsys):
    reporter = ListenReporter(Listener(bundle, seconds=2, id_="00"))
    double = np.repeat(stream(clips, "nnnn"), 2)
    assert len(list(reporter.rows(reporter.listener.score_stream([Sound(double, 2 * RATE)])))) == 2
    assert capsys.readouterr().err.splitlines() == [
        "note: windows are not recorded at 8000 Hz like the healthy ones, but resampled; p-values may not hold",
        "note: windows are longer than the longest healthy one (1 s); p-values may not hold",
    ]
    reporter = ListenReporter(Listener(bundle, id_="00"))
    assert len(list(reporter.rows(reporter.listener.score_stream([Sound(stream(clips, "nn"), RATE)])))) == 2
    assert capsys.readouterr().err == ""


def test_gaps_reconnections_and_unused_sound_are_counted(bundle, clips):
    listener = Listener(bundle, id_="00")
    one = stream(clips, "n")
    events = [
        Sound(one, RATE),
        Sound(one[:3000], RATE),
        Gap("x"),
        Reconnected("x"),
        Sound(one, RATE),
        Sound(one[:10], RATE),
    ]
    results = list(listener.score_stream(events))
    assert [type(r) for r in results] == [WindowResult, Gap, Reconnected, WindowResult]
    assert (listener.gaps, listener.reconnects) == (1, 1)
    assert listener.left_over == pytest.approx(3010 / RATE)
    assert results[3].begin == pytest.approx(1 + 3000 / RATE)


@pytest.mark.parametrize(
    ("options", "reason"),
    [({"seconds": 0.001}, "shorter than a window"), ({"hop": 1.5}, "no more than"), ({"hop": 0.0}, "no more than")],
)
def test_impossible_windows_are_refused(bundle, options, reason):
    with pytest.raises(UsageError, match=reason):
        Listener(bundle, **options)


@settings(max_examples=examples(20), suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(kinds=st.text("na", min_size=1, max_size=12))
def test_the_alarm_follows_the_verdicts(bundle, clips, kinds):
    results = results_of(Listener(bundle, id_="00", rule=AlarmRule(2, 3, 2)), stream(clips, kinds))
    assert [r.verdict.anomalous for r in results] == [kind == "a" for kind in kinds]
    states = [False, *(r.alarm for r in results)]
    assert [r.changed for r in results] == [a != b for a, b in pairwise(states)]


def test_a_pipe_is_scored_and_raises_the_alarm(exported, clips, tmp_path):
    sound = stream(clips, "nnaaannnnn").tobytes() + b"\0\0\0"
    command = [sys.executable, "-m", "asdkit", "listen", str(exported), "--id", "00", "--alarm", "2/3", "--quiet", "3"]
    result = subprocess.run(command, input=sound, capture_output=True, check=False, cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    rows = [json.loads(line) for line in result.stdout.splitlines()]
    assert [row["verdict"][0] for row in rows] == list("nnaaannnnn")
    assert [row["alarm"] for row in rows] == [False] * 3 + [True] * 4 + [False] * 3
    assert [row["begin"] for row in rows] == list(range(10))
    messages = result.stderr.decode().splitlines()
    assert messages[1].startswith("note: p-values: 10 clips held out of id 00 support none below 1 in 11 (9.1 %); ")
    assert messages[2:6] == [
        "standard input: no header: bare samples by --rate, --channels and --samples: 8000 Hz, 1 channel, s16le",
        "alarm on at 0:00:04.0",
        "alarm off at 0:00:08.0",
        "gap at 0:00:10.0: the stream ended within a sample: 1 bytes of 2",
    ]
    assert ": 3 anomalous, 7 normal; 1 alarm, off at the end; 1 gap; 0 reconnections" in messages[6]


def test_other_samples_and_csv(asdkit, exported, clips):
    sound = (stream(clips, "na").astype("<f4") / 32768).repeat(2).tobytes()  # two channels
    options = ["--id", "00", "--samples", "f32le", "--channels", "2", "--alarm", "1/1", "--latch", "--format", "csv"]
    result = asdkit("listen", exported, *options, stdin=sound)
    assert result.returncode == 0, result.stderr
    assert "ending never by itself" in result.stderr
    rows = list(csv.DictReader(io.StringIO(result.stdout)))
    assert [(row["verdict"], row["alarm"]) for row in rows] == [("normal", "False"), ("anomalous", "True")]


@pytest.mark.parametrize("samples", ["f32le", "f64le"])
def test_samples_of_another_format_are_bad(asdkit, exported, clips, samples):
    sound = stream(clips, "nnanannn").tobytes()
    result = asdkit("listen", exported, "--id", "00", "--samples", samples, stdin=sound)
    rows = [json.loads(line) for line in result.stdout.splitlines()]
    assert {row["verdict"] for row in rows} == {"bad"}
    assert all("is --samples the format of the stream?" in row["reason"] for row in rows)
    messages = result.stderr.splitlines()
    assert messages[3].startswith("first bad window, at 0:00:00.0: ")
    assert messages[-2] == "error: no window could be scored"
    assert not any("warning" in line for line in messages)
    assert result.returncode == 3


@pytest.mark.parametrize("value", [1001.0, -3e38, np.inf, np.nan])
def test_one_absurd_sample_spoils_one_window(bundle, clips, value):
    sound = with_sample(clips, value)
    results = results_of(Listener(bundle, id_="00"), sound)
    assert [r.verdict is None for r in results] == [False, True, False]
    assert "where full scale is 1" in results[1].reason
    assert np.isfinite(value) or "NaN" in results[1].reason
    [loud] = results_of(Listener(bundle, id_="00"), 100 * sound[:RATE])
    assert loud.verdict is not None  # sound in other units than full scale


def test_silent_windows_give_one_note(bundle, capsys):
    reporter = ListenReporter(Listener(bundle, id_="00"))
    silence = Sound(np.zeros(3 * RATE, np.int16), RATE)
    assert len(list(reporter.rows(reporter.listener.score_stream([silence])))) == 3
    assert (
        capsys.readouterr().err.splitlines()[0] == "note: windows are silent; the score says nothing about the machine"
    )


def test_a_table_has_a_line_for_each_window(bundle, clips, capsys):
    sound = stream(clips, "nan").astype(np.float32) / 32768
    sound[7] = np.nan
    reporter = ListenReporter(Listener(bundle, id_="00", rule=AlarmRule(1, 1)))
    write_rows(Format.table, WINDOW_COLUMNS, reporter.rows(reporter.listener.score_stream([Sound(sound, RATE)])))
    lines = capsys.readouterr().out.splitlines()
    assert "NaN" in lines[1]
    assert lines[2].startswith(" 0:00:01.0          00 ")
    assert " <= 0.091  anomalous" in lines[2]
    assert lines[2].endswith("ALARM")
    assert "normal" in lines[3]


def test_a_growing_wav_is_scored_until_sigterm(exported, clips, tmp_path):
    path = tmp_path / "live.wav"
    with Command("listen", exported, path, "--id", "00") as command:
        command.wait_for_message("waiting for the file")
        with soundfile.SoundFile(path, "w", RATE, 1, "PCM_16") as file:
            for number, kind in enumerate("na"):
                file.write(stream(clips, kind))
                file.flush()
                command.wait_for_rows(number + 1)
        path.unlink()
        command.wait_for_message("gap at 0:00:02.0")
        soundfile.write(path, stream(clips, "n"), RATE)
        command.wait_for_rows(3)
        assert command.stop(signal.SIGTERM) == 143
    assert [(row["verdict"], row["gaps"], row["reconnects"]) for row in command.rows] == [
        ("normal", 0, 0),
        ("anomalous", 0, 0),
        ("normal", 1, 1),
    ]
    assert ": 1 anomalous, 2 normal; 0 alarms; 1 gap; 1 reconnection" in command.messages[-1]


def test_a_named_pipe_is_scored_until_ctrl_c(exported, clips, tmp_path):
    os.mkfifo(tmp_path / "fifo")
    with Command("listen", exported, tmp_path / "fifo", "--id", "00") as command:
        command.wait_for_message("waiting for a writer")
        Path(tmp_path / "fifo").write_bytes(stream(clips, "nn").tobytes())
        command.wait_for_message("the writer closed it")
        assert command.stop(signal.SIGINT) == 130
    assert len(command.rows) == 2


def test_memory_stays_flat_at_full_speed(exported):
    """A short version of ``nox -s listening``: 150 windows after the first 30."""
    if not os.path.exists("/proc/self/statm"):
        pytest.skip("needs /proc")
    noise = np.random.default_rng(0).normal(0, 1500, 180 * RATE).astype("<i2").tobytes()
    command = [sys.executable, "-m", "asdkit", "listen", str(exported), "--id", "00"]
    resident = []
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:

        def feed() -> None:
            with process.stdin:
                process.stdin.write(noise)

        threading.Thread(target=feed).start()
        for _ in range(180):
            assert process.stdout.readline()
            resident.append(int(Path(f"/proc/{process.pid}/statm").read_text().split()[1]))
    assert process.returncode == 0
    assert max(resident[30:]) < 1.05 * resident[29]


@pytest.mark.parametrize(
    ("arguments", "code", "reason"),
    [
        (["--alarm", "3"], 2, "expected two numbers, such as 3/5"),
        (["--alarm", "6/5"], 2, "expected at least 1, and no more than the second"),
        (["mic"], 2, "needs sounddevice"),
        (["--hop", "9"], 2, "expected no more than their length"),
        (["--hop", "1e-9"], 2, "no less than a thousandth of it"),
    ],
)
def test_wrong_arguments_give_one_line(asdkit, exported, tmp_path, arguments, code, reason):
    blocked = tmp_path / "site" / "sounddevice.py"
    blocked.parent.mkdir(exist_ok=True)
    blocked.write_text("raise ImportError('not here')")
    result = asdkit("listen", exported, *arguments)
    assert result.returncode == code
    assert reason in result.stderr.splitlines()[-2 if arguments == ["mic"] else -1]
    assert "Traceback" not in result.stderr
