"""Streams of sound: pipes, WAVs that grow, devices; and what is lost on the way."""

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
from asdkit.bundle.stream_sources import Gap, Reconnected, Sound, StreamEvent, Waiting, read_fifo, read_pipe, read_wav
from asdkit.errors import BadAudio, DataError, UsageError

RATE = 8000
PCM = PcmFormat(RATE)
SUBTYPES = {
    "PCM_U8": "u8", "PCM_16": "s16le", "PCM_24": "s24le", "PCM_32": "s32le", "FLOAT": "f32le", "DOUBLE": "f64le",
}  # fmt: skip


def noise(samples: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(-9000, 9000, samples).astype(np.int16)


def sound_of(pieces: Iterable[StreamEvent]) -> np.ndarray:
    waves = [p.wave for p in pieces if isinstance(p, Sound)]
    return np.concatenate(waves) if waves else np.empty(0, np.int16)


def until(seconds: float):
    """Asks to stop after so long."""
    end = time.monotonic() + seconds
    return lambda: time.monotonic() > end


class Heard:
    """Hears a stream in a thread until it is closed."""

    def __init__(self, hear, *arguments) -> None:
        self.pieces: list[StreamEvent] = []
        self._stop = False
        self._thread = threading.Thread(target=self._run, args=(hear(*arguments, lambda: self._stop),))
        self._thread.start()

    def _run(self, pieces: Iterator[StreamEvent]) -> None:
        for piece in pieces:
            self.pieces.append(piece)

    def until(self, true) -> None:
        deadline = time.monotonic() + 30
        while not true(self.pieces):
            assert time.monotonic() < deadline, self.pieces
            time.sleep(0.01)

    def samples(self, count: int) -> None:
        """Wait for so many samples in all."""
        self.until(lambda pieces: len(sound_of(pieces)) >= count)

    def close(self) -> None:
        self._stop = True
        self._thread.join()


@pytest.fixture
def hearing():
    opened: list[Heard] = []

    def hear(*arguments) -> Heard:
        opened.append(Heard(*arguments))
        return opened[-1]

    yield hear
    for heard in opened:
        heard.close()


@pytest.mark.parametrize("subtype", SUBTYPES)
@pytest.mark.parametrize("channel", ["mean", 1])
def test_samples_are_decoded_as_those_of_a_file(tmp_path, subtype, channel):
    path = tmp_path / "a.wav"
    soundfile.write(path, np.random.default_rng(0).uniform(-0.9, 0.9, (500, 2)), RATE, subtype=subtype)
    info = audio.inspect(path)
    data = path.read_bytes()[info.data_offset :][: 500 * 2 * WIDTHS[SUBTYPES[subtype]]]
    expected = audio.read(path, sample_rate=RATE, channel=channel)
    decoded = PcmFormat(RATE, 2, SUBTYPES[subtype]).decode(data, channel)
    assert decoded.dtype == expected.dtype
    np.testing.assert_allclose(decoded, expected, rtol=1e-6, atol=1e-7)


@given(st.lists(st.integers(1, 700), max_size=20), st.integers(0, 3))
def test_a_pipe_is_heard_whole_however_it_is_cut_into_writes(cuts, more):
    given_ = noise(2 * sum(cuts) // 4).tobytes() + bytes(more)
    read, write = os.pipe()
    rest = given_
    for cut in cuts:
        os.write(write, rest[:cut])
        rest = rest[cut:]
    os.write(write, rest)
    os.close(write)
    pieces = list(read_pipe(read, PcmFormat(RATE, 2), 0, lambda: False))
    os.close(read)
    whole = len(given_) // 4
    assert np.array_equal(sound_of(pieces), np.frombuffer(given_[: 4 * whole], "<i2")[::2])
    assert [type(p) for p in pieces if not isinstance(p, Sound)] == [Gap] * (len(given_) % 4 > 0)


def test_a_named_pipe_outlives_its_writers(tmp_path, hearing):
    path = tmp_path / "fifo"
    os.mkfifo(path)
    heard = hearing(read_fifo, str(path), PCM, "mean")
    sent = noise(3000), noise(2000, 1)
    path.write_bytes(sent[0].tobytes() + b"\0")  # half a sample is lost with its writer
    heard.until(lambda pieces: any(isinstance(p, Gap) for p in pieces))
    path.write_bytes(sent[1].tobytes())
    heard.samples(5000)
    heard.close()
    assert np.array_equal(sound_of(heard.pieces), np.concatenate(sent))
    kinds = [type(p) for p in heard.pieces if not isinstance(p, Sound)]
    assert kinds[:3] == [Waiting, Gap, Reconnected]
    assert kinds.count(Reconnected) == 1


def header(promised: int, *, riff: bytes = b"RIFF", extra: bytes = b"") -> bytes:
    form = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 1, RATE, 2 * RATE, 2, 16)
    return riff + struct.pack("<I4s", 36, b"WAVE") + extra + form + struct.pack("<4sI", b"data", promised)


@pytest.mark.parametrize("promised", [0, 0xFFFFFFFF, 0x7FFFFFFF, 200, 2**31 - 1])
def test_a_wav_is_heard_as_it_grows_whatever_its_header_promises(tmp_path, hearing, promised):
    path, sent = tmp_path / "a.wav", noise(6000)
    heard = hearing(read_wav, str(path), "mean")
    heard.until(lambda pieces: any(isinstance(p, Waiting) for p in pieces))
    with path.open("wb", buffering=0) as file:
        whole = header(promised)
        file.write(whole[:7])
        time.sleep(0.05)
        file.write(whole[7:30])
        time.sleep(0.05)
        file.write(whole[30:])
        for first in range(0, 6000, 1500):
            file.write(sent[first : first + 1500].tobytes() + b"\x01")
            file.seek(-1, os.SEEK_END)
            time.sleep(0.02)
        heard.samples(6000)
    heard.close()
    assert np.array_equal(sound_of(heard.pieces), sent)
    assert not any(isinstance(p, Gap | Reconnected) for p in heard.pieces)


def test_a_wav_that_is_written_by_python_is_heard_while_its_header_lags(tmp_path, hearing):
    path, sent = tmp_path / "a.wav", noise(4000)
    heard = hearing(read_wav, str(path), "mean")
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, RATE, 0, "NONE", ""))
        for first in range(0, 4000, 1000):
            file.writeframesraw(sent[first : first + 1000].tobytes())
            file._file.flush()
            time.sleep(0.02)
        heard.samples(4000)
    assert np.array_equal(sound_of(heard.pieces), sent)


def test_notes_after_the_sound_are_not_heard(tmp_path):
    sent = noise(500)
    note = struct.pack("<4sI", b"LIST", 12) + b"INFOabcdefgh"
    (tmp_path / "a.wav").write_bytes(header(1000, extra=note) + sent.tobytes() + note)
    assert np.array_equal(sound_of(read_wav(str(tmp_path / "a.wav"), "mean", until(0.3))), sent)


@pytest.mark.parametrize("how", ["replaced", "cut", "taken away"])
def test_a_wav_that_begins_again_is_opened_again_and_nothing_before_is_lost(tmp_path, hearing, how):
    path = tmp_path / "a.wav"
    first, second = noise(4000), noise(1000, 1)
    path.write_bytes(header(0) + first.tobytes())
    heard = hearing(read_wav, str(path), "mean")
    heard.samples(3900)
    with path.open("ab") as file:
        file.write(first[:500].tobytes())
    if how == "cut":
        heard.samples(4500)
        with path.open("wb") as file:
            file.write(header(0))
            file.flush()
            heard.until(lambda pieces: any(isinstance(p, Gap) for p in pieces))
            file.write(second.tobytes())
    else:
        if how == "taken away":
            path.unlink()
            heard.until(lambda pieces: any(isinstance(p, Waiting) for p in pieces))
        (tmp_path / "new").write_bytes(header(0) + second.tobytes())
        (tmp_path / "new").replace(path)
    heard.samples(5500)
    heard.close()
    assert np.array_equal(sound_of(heard.pieces), np.concatenate([first, first[:500], second]))
    told = [p for p in heard.pieces if isinstance(p, Gap | Reconnected)]
    assert [type(p) for p in told] == [Gap, Reconnected]
    assert how in told[0].reason


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"fLaC" + bytes(40), "not audio"),
        (b"OggS" + bytes(40), "an Ogg file"),
        (header(0).replace(struct.pack("<HH", 1, 1), struct.pack("<HH", 85, 1)), "compressed"),
    ],
)
def test_what_is_no_wav_at_first_is_refused(tmp_path, content, reason):
    (tmp_path / "a.wav").write_bytes(content)
    with pytest.raises(BadAudio, match=reason):
        list(read_wav(str(tmp_path / "a.wav"), "mean", until(5)))
    (tmp_path / "mono.wav").write_bytes(header(0) + bytes(100))
    with pytest.raises(BadAudio, match="no channel 2"):
        list(read_wav(str(tmp_path / "mono.wav"), 2, until(5)))


class Stream:
    """A sound device's stream, as sounddevice has it."""

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
        what = self.script.pop(0)
        if what == "lose":
            raise self.error("Stream is stopped [PaErrorCode -9983]")
        return bytes(2 * samples), what == "overflow"


@pytest.fixture
def device(monkeypatch):
    """A fake sounddevice; returns what sets its script."""
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


def test_a_device_that_is_lost_is_tried_again_ever_less_often(device):
    device.script += ["sound", "overflow", "lose", *["refuse"] * 8, "sound"]
    pieces = list(stream_sources.read_device("3", PCM, "mean", lambda: not device.script))
    kinds = [type(p) for p in pieces]
    assert kinds == [Sound, Gap, Sound, Gap, Reconnected, Sound]
    assert device.waits[:9] == [1, 2, 4, 8, 16, 32, 60, 60, 60]
    assert device.opened[0] == {"samplerate": RATE, "device": 3, "channels": 1, "dtype": "int16"}
    assert len(pieces[0].wave) == RATE // 10


def test_a_device_that_cannot_be_opened_at_first_is_an_error(device):
    device.script += ["refuse"]
    with pytest.raises(DataError, match=r"sound device USB: cannot be opened: .*unavailable"):
        list(stream_sources.read_device("USB", PCM, "mean", lambda: False))


def test_without_sounddevice_it_is_said_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "sounddevice", None)
    with pytest.raises(UsageError, match="needs sounddevice") as raised:
        list(stream_sources.read_device(None, PCM, "mean", lambda: False))
    assert "asdkit[mic]" in raised.value.hint


def test_a_file_is_a_stream_as_well(tmp_path):
    sent = noise(900_000)
    Path(tmp_path / "a.pcm").write_bytes(sent.tobytes())
    with (tmp_path / "a.pcm").open("rb") as file:
        pieces = list(read_pipe(file.fileno(), PCM, "mean", lambda: False))
    assert len(pieces) == 2  # a mebibyte at once, at most
    assert np.array_equal(sound_of(pieces), sent)


def test_a_wav_that_is_replaced_by_what_cannot_be_heard_is_waited_for(tmp_path, hearing):
    path, sent = tmp_path / "a.wav", noise(1000)
    path.write_bytes(header(0) + sent.tobytes())
    heard = hearing(read_wav, str(path), "mean")
    heard.samples(1000)
    for content, said in ((b"OggS" + bytes(40), "an Ogg file"), (header(0) + sent.tobytes(), "")):
        (tmp_path / "new").write_bytes(content)
        (tmp_path / "new").replace(path)
        if said:
            heard.until(lambda pieces, said=said: any(isinstance(p, Waiting) and said in p.reason for p in pieces))
    heard.samples(2000)
    heard.close()
    assert [type(p) for p in heard.pieces if not isinstance(p, Sound)] == [Gap, Waiting, Reconnected]


def test_standard_input_that_cannot_be_read_is_an_error(tmp_path):
    folder = os.open(tmp_path, os.O_RDONLY)
    with pytest.raises(DataError, match="standard input cannot be read: Is a directory"):
        list(read_pipe(folder, PCM, "mean", lambda: False))
    os.close(folder)
