"""Headers in a stream: a WAV gives its format, other formats are refused, bare samples stay as they are."""

from __future__ import annotations

import io
import os
import struct
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
import soundfile
from asdkit_listen.command import Samples, SamplesOption
from hypothesis import example, given
from hypothesis import strategies as st

from asdkit import audio
from asdkit.audio.headers import UnusableError
from asdkit.audio.pcm import PcmFormat
from asdkit.audio.pcm_stream import PcmStream
from asdkit.audio.stream_header import read_stream_start
from asdkit.bundle.stream_sources import Gap, Recognised, Sound, read_fifo, read_pipe
from asdkit.errors import BadAudio, UsageError
from tests.helpers import stream_heads
from tests.helpers.mutate import mutate

RATE = 8000
BARE = PcmFormat(RATE)
NOTES = b"LIST" + struct.pack("<I", 5) + b"INFOx\0"


def noise(samples: int, seed: int = 0) -> bytes:
    return np.random.default_rng(seed).integers(-9000, 9000, samples).astype("<i2").tobytes()


def wav(data: bytes, *, stated: int | None = None, before: bytes = b"", after: bytes = b"", **form: int) -> bytes:
    """A WAV of 16-bit samples, or of what `form` says, that states this length."""
    channels, rate, width = form.get("channels", 1), form.get("rate", RATE), form.get("width", 2)
    bits = form.get("bits", 8 * width)
    fmt = struct.pack("<HHIIHH", form.get("tag", 1), channels, rate, rate * channels * width, channels * width, bits)
    head = b"fmt " + struct.pack("<I", len(fmt)) + fmt + before
    body = head + b"data" + struct.pack("<I", len(data) if stated is None else stated) + data + after
    return b"RIFF" + struct.pack("<I", 0xFFFFFFFF) + b"WAVE" + body


def read(data: bytes, cuts: list[int] | None = None, bare: PcmFormat = BARE) -> tuple[list[PcmFormat], bytes]:
    """Return the formats and the samples of a stream that arrives in pieces."""
    stream, formats, samples = PcmStream(bare), [], b""
    places = sorted({min(cut, len(data)) for cut in cuts or []})
    pieces = [data[a:b] for a, b in zip([0, *places], [*places, len(data)], strict=True)]
    for piece, complete in [*((piece, False) for piece in pieces if piece), (b"", True)]:
        for item in stream.add(piece, complete=complete):
            if isinstance(item, PcmFormat):
                formats.append(item)
            else:
                samples += item
    return formats, samples


def events_of(data: bytes, channel: int | str = "mean", bare: PcmFormat = BARE) -> list:
    """Return the events of standard input."""
    ends = os.pipe()
    writer = threading.Thread(target=lambda: (os.write(ends[1], data), os.close(ends[1])))
    writer.start()
    try:
        return list(read_pipe(ends[0], bare, channel, lambda: False))
    finally:
        writer.join()
        os.close(ends[0])


@given(st.lists(st.integers(1, 600), max_size=8), st.sampled_from([None, 0, 0xFFFFFFFF, 0x80000000, 0x7FFFF000]))
@pytest.mark.parametrize("before", [b"", NOTES, b"JUNK" + struct.pack("<I", 28) + bytes(28)])
def test_a_header_is_recognised_in_any_pieces(before, cuts, stated):
    data = noise(200)
    formats, samples = read(wav(data, stated=stated, before=before, rate=48000), cuts)
    assert formats == [PcmFormat(48000)]
    assert samples == data


# Hypothesis also draws strings of the source code: bytes with a format's mark are no bare samples.
MARKS = (
    *(
        b"RIFX",
        b"RIFF",
        b"riff",
        b"fLaC",
        b"OggS",
        b"caff",
        b".snd",
        b"\x1a\x45\xdf\xa3",
        b"NIST_1A",
        b"Creative Voice",
    ),
    *(b"ftyp", b"ID3", b"fmt ", b"COMM", b"\x01vorbis", b"OpusHead", b"\0\0\0\x22\x10\0\x10\0", b"AIFF", b"AIFC"),
)
bare_samples = st.binary(max_size=400).filter(lambda data: not any(mark in data for mark in MARKS))


@given(bare_samples, st.lists(st.integers(1, 400), max_size=5))
@example(b"RIFF", [])
@example(b"RIFF\0\0\0\0WAV", [2])
@example(b"\xff\xfb\x90\0" + bytes(60), [1, 3])
@example(b"ID3 is no tag here", [])
@example(b"FORM\0\0\0\0BUSH" + bytes(8), [5])
def test_bare_samples_are_never_lost(data, cuts):
    formats, samples = read(data, cuts)
    assert not formats
    assert samples == data[: len(data) // 2 * 2]


@pytest.mark.parametrize("subtype", ["PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE"])
@pytest.mark.parametrize("container", ["WAV", "WAVEX", "RF64"])
def test_a_stream_of_a_file_sounds_as_the_file(tmp_path, subtype, container):
    path = tmp_path / "a.wav"
    sound = np.random.default_rng(0).uniform(-0.9, 0.9, (500, 2))
    soundfile.write(path, sound, 48000, subtype=subtype, format=container)
    events = events_of(path.read_bytes())
    np.testing.assert_array_equal(
        np.concatenate([e.wave for e in events if isinstance(e, Sound)]), audio.read(path, sample_rate=48000)
    )
    assert {e.sample_rate for e in events if isinstance(e, Sound)} == {48000}
    assert [type(e) for e in events if not isinstance(e, Sound)] == [Recognised]


@pytest.mark.parametrize("low", [True, False])
def test_24_bits_in_4_bytes_are_distinguished(low):
    values = (np.random.default_rng(0).uniform(-0.9, 0.9, 300) * 2**23).astype("<i4")
    data = (values if low else values << 8).tobytes()
    stream = PcmStream(BARE)
    _, samples = stream.add(wav(data, width=4, bits=24))
    np.testing.assert_allclose(stream.pcm.decode(samples, "mean"), values / 2**23, rtol=1e-6)
    if low:
        np.testing.assert_allclose(PcmFormat(RATE, 1, "s24_32le").decode(data, "mean"), values / 2**23, rtol=1e-6)


def test_notes_behind_the_samples_are_no_sound():
    data = noise(300)
    assert read(wav(data, after=NOTES))[1] == data
    assert read(wav(data, after=NOTES + NOTES), [700, 705])[1] == data
    formats, samples = read(wav(data, after=NOTES) + wav(data, rate=16000))
    assert formats == [PcmFormat(RATE), PcmFormat(16000)]
    assert samples == data + data


def test_samples_behind_the_stated_length_are_kept():
    data = noise(300)
    assert read(wav(data, stated=100))[1] == data
    events = events_of(wav(data, stated=100))
    assert sum(len(e.wave) for e in events if isinstance(e, Sound)) == 300


def test_a_second_recording_begins_after_a_gap():
    events = events_of(wav(noise(100)) + wav(noise(100), rate=16000))
    assert [type(e) for e in events] == [Recognised, Sound, Gap, Recognised, Sound]


def encoded(kind: str, subtype: str | None = None) -> bytes:
    file = io.BytesIO()
    sound = np.random.default_rng(0).uniform(-0.5, 0.5, 20_000)
    soundfile.write(file, sound, 16000, format=kind, subtype=subtype)
    return file.getvalue()


@pytest.mark.parametrize(
    ("data", "name"),
    [
        (encoded("FLAC"), "a FLAC file"),
        (encoded("OGG"), "an Ogg file"),
        (encoded("AIFF"), "an AIFF file"),
        (encoded("CAF"), "a CAF file"),
        (encoded("AU"), "an AU file"),
        (encoded("MP3"), "an MP3 file"),
        (b"ID3\4\0\0\0\0\1\7" + bytes(200), "an MP3 file"),
        (encoded("W64"), "a Wave64 file"),
        (b"NIST_1A\n   1024\n".ljust(2000), "a SPHERE file"),
        (b"Creative Voice File\x1a" + bytes(2000), "a VOC file"),
        (b"RIFX" + wav(noise(99))[4:], "a big-endian WAV (RIFX)"),
        (b"RIFF\x24\0\0\0AVI LIST", "a RIFF file that is not a WAV"),
        (b"\0\0\0\x20ftypM4A \0\0\0\0", "an MP4 file"),
        (b"\x1a\x45\xdf\xa3" + bytes(20), "a Matroska or WebM file"),
        (encoded("WAV", "ULAW"), "a WAV of ULAW samples"),
        (encoded("WAV", "IMA_ADPCM"), "compressed or unknown WAV format 0x0011"),
    ],
)
def test_other_formats_are_refused_with_advice(data, name):
    with pytest.raises(UnusableError, match=name.replace("(", r"\(").replace(")", r"\)")):
        read_stream_start(data)
    with pytest.raises(UsageError) as caught:
        events_of(data)
    assert caught.value.message.startswith(f"standard input: begins like {name}")
    assert "ffmpeg" in caught.value.hint


@pytest.mark.parametrize(
    ("data", "name"),
    [
        (b"RIFG" + wav(noise(99))[4:], "a damaged WAV"),
        (wav(noise(99))[5:], "a damaged WAV"),
        (b"G" + encoded("AIFF")[1:], "a damaged AIFF file"),
        (b"fLaD" + encoded("FLAC")[4:], "a damaged FLAC file"),
        (b"0ggS" + encoded("OGG")[4:], "a damaged Ogg file"),
        (wav(noise(99))[:41], "a WAV that ends within its header"),
    ],
)
def test_damaged_headers_are_never_taken_for_samples(data, name):
    with pytest.raises(UsageError, match=f"begins like {name}"):
        events_of(data)


def test_the_format_of_bare_samples_is_reported():
    first, *others = events_of(noise(100))
    assert first == Recognised(
        "standard input: no header: bare samples by --rate, --channels and --samples: 8000 Hz, 1 channel, s16le"
    )
    assert [type(event) for event in others] == [Sound]


def test_mutated_heads_are_refused_or_read_as_by_libsndfile():
    seeds = stream_heads.seeds()
    assert tuple(name for name in seeds if not stream_heads.stream_target(seeds[name])) == stream_heads.REFUSED
    rng, data = np.random.default_rng(1), list(seeds.values())
    accepted = 0
    for _ in range(1000):
        head = mutate(data[int(rng.integers(len(data)))], rng, stream_heads.HEAD)
        accepted += stream_heads.stream_target(head)
    assert 300 < accepted < 500


def test_each_writer_of_a_named_pipe_may_begin_with_a_header(tmp_path):
    path = tmp_path / "fifo"
    os.mkfifo(path)
    data, stop, gaps = noise(100), [], 0
    turns = [wav(data, rate=16000), data, encoded("FLAC"), wav(data, rate=16000)]
    found = []
    for event in read_fifo(str(path), BARE, "mean", lambda: bool(stop)):
        found.append(event)
        gaps += isinstance(event, Gap) and "closed" in event.reason
        if len(found) == 1 or (isinstance(event, Gap) and "the writer closed it" in event.reason):
            if turns:
                threading.Thread(target=path.write_bytes, args=(turns.pop(0),)).start()
            else:
                stop.append(True)
    sounds = [e for e in found if isinstance(e, Sound)]
    assert [e.sample_rate for e in sounds] == [16000, RATE, 16000]
    assert all(np.array_equal(e.wave, np.frombuffer(data, "<i2")) for e in sounds)
    assert sum("begins like a FLAC file" in e.reason for e in found if isinstance(e, Gap)) == 1


def test_the_header_decides_about_the_channel():
    two = np.repeat(np.frombuffer(noise(100), "<i2"), 2)
    two[1::2] = 7
    events = events_of(wav(two.tobytes(), channels=2), channel=1)
    assert [e.wave.tolist() for e in events if isinstance(e, Sound)] == [[7] * 100]
    with pytest.raises(BadAudio, match="has no channel 1"):
        events_of(wav(noise(100)), channel=1)
    with pytest.raises(BadAudio, match="--channels: has no channel 1"):
        events_of(noise(100), channel=1)


def test_help_states_the_bytes_of_each_sample_format():
    from asdkit.audio.sample_formats import WIDTHS

    assert [kind.value for kind in Samples] == list(WIDTHS)
    text = SamplesOption.__metadata__[0].help
    assert all(f"{name} ({width}" in text for name, width in WIDTHS.items())


def listen(bundle: Path, data: bytes, *options: str) -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-m", "asdkit", "listen", str(bundle), "--id", "00", "--format", "csv", *options]
    return subprocess.run(command, input=data, capture_output=True, check=False, timeout=120)


def test_listen_scores_a_wav_as_its_samples(exported, recordings):
    clips = [recordings / f"{kind}_id_00_00000002.wav" for kind in ("normal", "anomaly")]
    bare = b"".join(np.ascontiguousarray(soundfile.read(clip, dtype="int16")[0]).tobytes() for clip in clips)
    stereo = np.repeat(np.frombuffer(bare, "<i2"), 2).tobytes()
    shown = []
    for data in (bare, wav(bare, stated=0xFFFFFFFF), wav(stereo, stated=0x7FFFF000, channels=2)):
        ran = listen(exported, data)
        assert ran.returncode == 0, ran.stderr
        shown.append([row.split(",")[7] for row in ran.stdout.decode().splitlines()[1:]])
    assert shown[0] == shown[1] == shown[2] == ["normal", "anomalous"]
    refused = listen(exported, encoded("FLAC"))
    assert refused.returncode == 2
    assert b"begins like a FLAC file" in refused.stderr
