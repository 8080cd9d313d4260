"""Sources of streams: pipes, growing WAV files, devices; lost audio gives a gap."""

from __future__ import annotations

import os
import struct
import sys
import threading
import time
import types
import wave
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from asdkit import audio
from asdkit.audio.pcm import WIDTHS, PcmFormat
from asdkit.bundle import stream_sources
from asdkit.bundle.stream_sources import (
    Gap,
    Recognised,
    Reconnected,
    Sound,
    StreamEvent,
    Waiting,
    read_fifo,
    read_pipe,
    read_wav,
)
from asdkit.errors import BadAudio, DataError, UsageError

RATE = 8000
PCM = PcmFormat(RATE)
SUBTYPES = {
    "PCM_U8": "u8", "PCM_16": "s16le", "PCM_24": "s24le", "PCM_32": "s32le", "FLOAT": "f32le", "DOUBLE": "f64le",
}  # fmt: skip


def noise(samples: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(-9000, 9000, samples).astype(np.int16)


def sound_of(events: Iterable[StreamEvent]) -> np.ndarray:
    waves = [e.wave for e in events if isinstance(e, Sound)]
    return np.concatenate(waves) if waves else np.empty(0, np.int16)


def until(seconds: float):
    """Return a function that returns True after this time."""
    end = time.monotonic() + seconds
    return lambda: time.monotonic() > end


class Recorder:
    """Collects the events of a source in a thread until it is closed."""

    def __init__(self, source, *arguments) -> None:
        self.events: list[StreamEvent] = []
        self._stop = False
        self._thread = threading.Thread(target=self._run, args=(source(*arguments, lambda: self._stop),))
        self._thread.start()

    def _run(self, events: Iterator[StreamEvent]) -> None:
        for event in events:
            self.events.append(event)

    def wait_until(self, condition) -> None:
        deadline = time.monotonic() + 30
        while not condition(self.events):
            assert time.monotonic() < deadline, self.events
            time.sleep(0.01)

    def wait_for(self, kind: type) -> None:
        self.wait_until(lambda events: any(isinstance(e, kind) for e in events))

    def wait_for_samples(self, count: int) -> None:
        """Wait for this many samples in all."""
        self.wait_until(lambda events: len(sound_of(events)) >= count)

    def kinds(self) -> list[type]:
        """Types of the events other than `Sound`."""
        return [type(e) for e in self.events if not isinstance(e, Sound)]

    def close(self) -> None:
        self._stop = True
        self._thread.join()


@pytest.fixture
def record():
    recorders: list[Recorder] = []

    def start(*arguments) -> Recorder:
        recorders.append(Recorder(*arguments))
        return recorders[-1]

    yield start
    for recorder in recorders:
        recorder.close()


@pytest.mark.parametrize("subtype", SUBTYPES)
@pytest.mark.parametrize("channel", ["mean", 1])
def test_samples_decode_as_in_a_file(tmp_path, subtype, channel):
    path = tmp_path / "a.wav"
    soundfile.write(path, np.random.default_rng(0).uniform(-0.9, 0.9, (500, 2)), RATE, subtype=subtype)
    info = audio.inspect(path)
    data = path.read_bytes()[info.data_offset :][: 500 * 2 * WIDTHS[SUBTYPES[subtype]]]
    expected = audio.read(path, sample_rate=RATE, channel=channel)
    decoded = PcmFormat(RATE, 2, SUBTYPES[subtype]).decode(data, channel)
    assert decoded.dtype == expected.dtype
    np.testing.assert_allclose(decoded, expected, rtol=1e-6, atol=1e-7)


@given(st.lists(st.integers(1, 700), max_size=20), st.integers(0, 3))
def test_a_pipe_is_read_whole_in_any_pieces(cuts, more):
    data = noise(2 * sum(cuts) // 4).tobytes() + bytes(more)
    read, write = os.pipe()
    rest = data
    for cut in cuts:
        os.write(write, rest[:cut])
        rest = rest[cut:]
    os.write(write, rest)
    os.close(write)
    events = list(read_pipe(read, PcmFormat(RATE, 2), 0, lambda: False))
    os.close(read)
    whole = len(data) // 4
    assert np.array_equal(sound_of(events), np.frombuffer(data[: 4 * whole], "<i2")[::2])
    expected = [Recognised] * (whole > 0) + [Gap] * (len(data) % 4 > 0)
    assert [type(e) for e in events if not isinstance(e, Sound)] == expected


def test_a_named_pipe_outlives_its_writers(tmp_path, record):
    path = tmp_path / "fifo"
    os.mkfifo(path)
    source = record(read_fifo, str(path), PCM, "mean")
    sent = noise(3000), noise(2000, 1)
    path.write_bytes(sent[0].tobytes() + b"\0")  # half a sample is lost with its writer
    source.wait_for(Gap)
    path.write_bytes(sent[1].tobytes())
    source.wait_for_samples(5000)
    source.close()
    assert np.array_equal(sound_of(source.events), np.concatenate(sent))
    kinds = source.kinds()
    assert kinds[:4] == [Waiting, Recognised, Gap, Reconnected]
    assert kinds.count(Reconnected) == kinds.count(Recognised) == 1


def header(promised: int, *, riff: bytes = b"RIFF", extra: bytes = b"") -> bytes:
    form = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 1, RATE, 2 * RATE, 2, 16)
    return riff + struct.pack("<I4s", 36, b"WAVE") + extra + form + struct.pack("<4sI", b"data", promised)


@pytest.mark.parametrize("promised", [0, 0xFFFFFFFF, 0x7FFFFFFF, 200, 2**31 - 1])
def test_a_growing_wav_is_read_with_any_header_length(tmp_path, record, promised):
    path, sent = tmp_path / "a.wav", noise(6000)
    source = record(read_wav, str(path), "mean")
    source.wait_for(Waiting)
    with path.open("wb", buffering=0) as file:
        start = header(promised)
        file.write(start[:7])
        time.sleep(0.05)
        file.write(start[7:30])
        time.sleep(0.05)
        file.write(start[30:])
        for first in range(0, 6000, 1500):
            file.write(sent[first : first + 1500].tobytes() + b"\x01")
            file.seek(-1, os.SEEK_END)
            time.sleep(0.02)
        source.wait_for_samples(6000)
    source.close()
    assert np.array_equal(sound_of(source.events), sent)
    assert not {Gap, Reconnected} & set(source.kinds())


def test_a_wav_is_read_while_python_writes_it(tmp_path, record):
    path, sent = tmp_path / "a.wav", noise(4000)
    source = record(read_wav, str(path), "mean")
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, RATE, 0, "NONE", ""))
        for first in range(0, 4000, 1000):
            file.writeframesraw(sent[first : first + 1000].tobytes())
            file._file.flush()
            time.sleep(0.02)
        source.wait_for_samples(4000)
    assert np.array_equal(sound_of(source.events), sent)


def test_chunks_after_the_sound_are_skipped(tmp_path):
    sent = noise(500)
    note = struct.pack("<4sI", b"LIST", 12) + b"INFOabcdefgh"
    (tmp_path / "a.wav").write_bytes(header(1000, extra=note) + sent.tobytes() + note)
    assert np.array_equal(sound_of(read_wav(str(tmp_path / "a.wav"), "mean", until(0.3))), sent)


@pytest.mark.parametrize("how", ["replaced", "truncated", "removed"])
def test_a_wav_that_starts_over_loses_no_sound(tmp_path, record, how):
    path = tmp_path / "a.wav"
    first, second = noise(4000), noise(1000, 1)
    path.write_bytes(header(0) + first.tobytes())
    source = record(read_wav, str(path), "mean")
    source.wait_for_samples(3900)
    with path.open("ab") as file:
        file.write(first[:500].tobytes())
    if how == "truncated":
        source.wait_for_samples(4500)
        with path.open("wb") as file:
            file.write(header(0))
            file.flush()
            source.wait_for(Gap)
            file.write(second.tobytes())
    else:
        if how == "removed":
            path.unlink()
            source.wait_for(Waiting)
        (tmp_path / "new").write_bytes(header(0) + second.tobytes())
        (tmp_path / "new").replace(path)
    source.wait_for_samples(5500)
    source.close()
    assert np.array_equal(sound_of(source.events), np.concatenate([first, first[:500], second]))
    gap, reconnected = (e for e in source.events if isinstance(e, Gap | Reconnected))
    assert [type(gap), type(reconnected)] == [Gap, Reconnected]
    assert how in gap.reason


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"fLaC" + bytes(40), "not audio"),
        (b"OggS" + bytes(40), "an Ogg file"),
        (header(0).replace(struct.pack("<HH", 1, 1), struct.pack("<HH", 85, 1)), "compressed"),
    ],
)
def test_a_first_file_that_is_no_wav_is_refused(tmp_path, content, reason):
    (tmp_path / "a.wav").write_bytes(content)
    with pytest.raises(BadAudio, match=reason):
        list(read_wav(str(tmp_path / "a.wav"), "mean", until(5)))
    (tmp_path / "mono.wav").write_bytes(header(0) + bytes(100))
    with pytest.raises(BadAudio, match="no channel 2"):
        list(read_wav(str(tmp_path / "mono.wav"), 2, until(5)))


class Stream:
    """Fake of sounddevice's stream."""

    script: list[object]
    opened: list[dict]

    def __init__(self, **arguments) -> None:
        if self.script and self.script[0] == "refuse":
            self.script.pop(0)
            raise self.error("Error opening RawInputStream: Device unavailable [PaErrorCode -9985]")
        self.opened.append(arguments)

    def __enter__(self):
        return self

    def __exit__(self, *_) -> None:
        pass

    def read(self, samples: int):
        action = self.script.pop(0)
        if action == "lose":
            raise self.error("Stream is stopped [PaErrorCode -9983]")
        return bytes(2 * samples), action == "overflow"


@pytest.fixture
def device(monkeypatch):
    """A fake sounddevice; its ``script`` says what happens."""
    waits: list[float] = []
    error = type("PortAudioError", (Exception,), {})
    stream = type("RawInputStream", (Stream,), {"script": [], "opened": [], "error": error})
    module = types.ModuleType("sounddevice")
    module.PortAudioError, module.RawInputStream = error, stream
    module._terminate = module._initialize = lambda: None
    monkeypatch.setitem(sys.modules, "sounddevice", module)
    monkeypatch.setattr(stream_sources, "pause", lambda seconds, _: waits.append(seconds))
    stream.waits = waits
    return stream


def test_a_lost_device_is_retried_with_growing_pauses(device):
    device.script += ["sound", "overflow", "lose", *["refuse"] * 8, "sound"]
    events = list(stream_sources.read_device("3", PCM, "mean", lambda: not device.script))
    assert [type(e) for e in events] == [Sound, Gap, Sound, Gap, Reconnected, Sound]
    assert device.waits[:9] == [1, 2, 4, 8, 16, 32, 60, 60, 60]
    assert device.opened[0] == {"samplerate": RATE, "device": 3, "channels": 1, "dtype": "int16"}
    assert len(events[0].wave) == RATE // 10


def test_a_device_that_cannot_be_opened_is_an_error(device):
    device.script += ["refuse"]
    with pytest.raises(DataError, match=r"sound device USB: cannot be opened: .*unavailable"):
        list(stream_sources.read_device("USB", PCM, "mean", lambda: False))


def test_without_sounddevice_the_hint_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "sounddevice", None)
    with pytest.raises(UsageError, match="needs sounddevice") as raised:
        list(stream_sources.read_device(None, PCM, "mean", lambda: False))
    assert "asdkit[mic]" in raised.value.hint


def test_a_file_can_be_standard_input(tmp_path):
    sent = noise(900_000)
    Path(tmp_path / "a.pcm").write_bytes(sent.tobytes())
    with (tmp_path / "a.pcm").open("rb") as file:
        events = list(read_pipe(file.fileno(), PCM, "mean", lambda: False))
    assert [type(event) for event in events] == [Recognised, Sound, Sound]  # one MiB per read
    assert np.array_equal(sound_of(events), sent)


def test_after_an_unusable_replacement_the_next_wav_is_read(tmp_path, record):
    path, sent = tmp_path / "a.wav", noise(1000)
    path.write_bytes(header(0) + sent.tobytes())
    source = record(read_wav, str(path), "mean")
    source.wait_for_samples(1000)
    for content, reason in ((b"OggS" + bytes(40), "an Ogg file"), (header(0) + sent.tobytes(), "")):
        (tmp_path / "new").write_bytes(content)
        (tmp_path / "new").replace(path)
        if reason:
            source.wait_until(lambda events, r=reason: any(isinstance(e, Waiting) and r in e.reason for e in events))
    source.wait_for_samples(2000)
    source.close()
    assert source.kinds() == [Gap, Waiting, Reconnected]


def test_unreadable_standard_input_is_an_error(tmp_path):
    folder = os.open(tmp_path, os.O_RDONLY)
    with pytest.raises(DataError, match="standard input cannot be read: Is a directory"):
        list(read_pipe(folder, PCM, "mean", lambda: False))
    os.close(folder)
