"""Synthetic recordings, good and bad: every way in which a .wav or .flac file can be unusable."""

from __future__ import annotations

import os
import signal
import socket
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import numpy as np
import soundfile

RATE = 16_000
SECOND = (np.sin(np.arange(RATE) * 0.1) * 8000).astype(np.int16)
SOUND = SECOND.tobytes()


def chunk(name: bytes, content: bytes, size: int | None = None) -> bytes:
    """Return a RIFF chunk; `size` is the size in its header."""
    stated = len(content) if size is None else size
    return name + struct.pack("<I", stated) + content + b"\0" * (len(content) % 2)


def wav(
    sound: bytes = SOUND,
    *,
    tag: int = 1,
    channels: int = 1,
    rate: int = RATE,
    bits: int = 16,
    block: int | None = None,
    size: int | None = None,
    before: bytes = b"",
    after: bytes = b"",
    form: bytes | None = None,
    magic: bytes = b"RIFF",
    kind: bytes = b"WAVE",
) -> bytes:
    """Return the bytes of a WAV with any header."""
    block = channels * bits // 8 if block is None else block
    if form is None:
        form = chunk(b"fmt ", struct.pack("<HHIIHH", tag, channels, rate, rate * block % 2**32, block, bits))
    body = kind + before + form + chunk(b"data", sound, size) + after
    return magic + struct.pack("<I", len(body)) + body


def rf64(sound: bytes = SOUND, *, size: int | None = None) -> bytes:
    """Return the bytes of an RF64: its 64-bit sizes are in a separate chunk."""
    size = len(sound) if size is None else size
    ds64 = chunk(b"ds64", struct.pack("<QQQI", len(sound) + 72, size, size // 2, 0))
    return wav(sound, magic=b"RF64", before=ds64, size=0xFFFFFFFF)


def floats(samples: list[float], *, double: bool = False, channels: int = 1) -> bytes:
    """Return the bytes of a float WAV."""
    kind = np.float64 if double else np.float32
    return wav(np.array(samples, kind).tobytes(), tag=3, bits=64 if double else 32, channels=channels)


def encoded(data: np.ndarray, subtype: str = "PCM_16", container: str = "FLAC", rate: int = RATE) -> bytes:
    """Return the bytes of a file that libsndfile writes."""
    buffer = BytesIO()
    soundfile.write(buffer, data, rate, subtype=subtype, format=container)
    return buffer.getvalue()


def flac(*, flip: int | None = None, samples: int | None = None, rate: int | None = None) -> bytes:
    """Return the bytes of one second of FLAC, with a flipped bit or a changed header."""
    data = bytearray(encoded(SECOND))
    if flip is not None:
        data[flip] ^= 0x10
    packed = int.from_bytes(data[18:26], "big")
    if samples is not None:
        packed = packed >> 36 << 36 | samples
    if rate is not None:
        packed = packed & (1 << 44) - 1 | rate << 44
    data[18:26] = packed.to_bytes(8, "big")
    return bytes(data)


@dataclass(frozen=True)
class Bad:
    """A bad file: its name, a function that writes it, and words in the reason."""

    name: str
    make: Callable[[Path], object]
    reason: str


def _bytes(content: bytes) -> Callable[[Path], object]:
    return lambda path: path.write_bytes(content)


def _socket(path: Path) -> None:
    before = os.getcwd()
    os.chdir(path.parent)  # the address of a socket is limited in length
    try:
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(path.name)
    finally:
        os.chdir(before)


def _loop(path: Path) -> None:
    other = path.with_name("other-end-of-" + path.name)
    path.symlink_to(other)
    other.symlink_to(path)


def _unreadable(path: Path) -> None:
    path.write_bytes(wav())
    path.chmod(0)


_BAD_CONTENT = {
    "empty.wav": (b"", "empty: 0 bytes"),
    "text.wav": (b"These are notes, not a recording.\n", "not audio"),
    "two-bytes.wav": (b"RI", "not audio"),
    "twenty-bytes.wav": (wav()[:20], "its format chunk is cut short"),
    "sixteen-bytes.wav": (wav()[:16], "a header without samples"),
    "header-only.wav": (wav(b""), "a header without samples"),
    "header-and-notes.wav": (wav(b"", after=chunk(b"LIST", b"INFOabcd")), "a header without samples"),
    "half-a-sample.wav": (wav(b"\x01"), "a header without samples"),
    "crashed.wav": (wav(size=0), "32000 bytes follow: the recorder probably crashed"),
    "cut-in-half.wav": (wav()[: 44 + 16_000], "cut short: its header states 1.00 s, the file contains 0.50 s"),
    "cut-by-a-byte.wav": (wav()[:-1], "cut short"),
    "cut-at-data.wav": (wav()[:44], "a header without samples: it states 1.00 s, nothing follows"),
    "cut-in-format.wav": (wav()[:30], "damaged header: its format chunk is cut short"),
    "cut-by-44-bytes.wav": (
        wav(before=chunk(b"LIST", b"INFOsoft"))[:-44],
        "cut short: its header states 16000 samples",
    ),
    "claims-a-sample-more.wav": (wav(size=32_002), "its header states 16001 samples, the file contains 16000 samples"),
    "claims-a-byte-more.wav": (wav(size=32_001), "its header states 32001 bytes of samples, the file contains 32000"),
    "claims-2-gib-less-1-mib.wav": (wav(size=2**31 - 2**20), "cut short"),
    "claims-2-gib-and-1-mib.wav": (wav(size=2**31 + 2**20), "cut short"),
    "claims-4-gib-less-1-mib.wav": (wav(size=2**32 - 2**20), "cut short"),
    "claims-2-gib-and-ends.wav": (wav(size=2**31)[:44], "a header without samples: it leaves their length open"),
    "rf64-cut.wav": (rf64(size=2**33), "cut short"),
    "rf64-two-lengths.wav": (rf64().replace(b"data\xff\xff\xff\xff", b"data\x10\0\0\0"), "both 16 and 32000 bytes"),
    "rate-0.wav": (wav(rate=0), "sample rate of 0 Hz"),
    "rate-999.wav": (wav(rate=999), "sample rate of 999 Hz"),
    "rate-768001.wav": (wav(rate=768_001), "sample rate of 768001 Hz"),
    "rate-2-gigahertz.wav": (wav(rate=2**31 - 1), "sample rate of 2147483647 Hz"),
    "channels-0.wav": (wav(channels=0, block=2), "0 channels"),
    "channels-65.wav": (wav(channels=65), "65 channels"),
    "channels-1000.wav": (wav(channels=1000), "1000 channels"),
    "channels-65535.wav": (wav(channels=65535, block=2), "65535 channels"),
    "block-0.wav": (wav(block=0), "damaged header"),
    "block-3.wav": (wav(block=3), "damaged header"),
    "block-odd.wav": (wav(channels=2, block=5), "damaged header"),
    "16-bit-in-4-bytes.wav": (wav(bits=16, block=4), "damaged header: 4 bytes for 1 channel of 16 bits"),
    "format-missing.wav": (wav(form=b""), "before the description of their format"),
    "format-short.wav": (wav(form=chunk(b"fmt ", b"\x01\0\x01\0")), "its format chunk is cut short"),
    "adpcm.wav": (wav(tag=2, bits=4, block=256), "compressed or unknown WAV format 0x0002"),
    "mp3-in-riff.wav": (wav(tag=0x55, bits=0, block=1), "compressed or unknown WAV format 0x0055"),
    "endless-chunks.wav": (wav(before=chunk(b"JUNK", b"") * 20_000), "a header without samples"),
    "wave64.wav": (b"riff" + bytes(100), "a Wave64 file"),
    "big-endian.wav": (wav(magic=b"RIFX"), "a big-endian WAV"),
    "video.wav": (wav(kind=b"AVI "), "a RIFF file, but not a WAV"),
    "aiff.wav": (encoded(SECOND, container="AIFF"), "an AIFF file"),
    "ogg.wav": (encoded(SECOND, "VORBIS", "OGG"), "an Ogg file"),
    "caf.wav": (encoded(SECOND, container="CAF"), "a CAF file"),
    "au.wav": (encoded(SECOND, container="AU"), "an AU file"),
    "mp3.wav": (b"ID3\x04\0\0\0\0\0\0" + b"\xff\xfb\x90\0" * 100, "an MP3 file"),
    "nan.wav": (floats([0.1, 0.2, float("nan"), 0.3]), "sample 2 is nan"),
    "inf.wav": (floats([0.1] * 7 + [float("inf")]), "sample 7 is inf"),
    "minus-inf.wav": (floats([float("-inf"), 0.1]), "sample 0 is -inf"),
    "absurdly-loud.wav": (floats([0.1, 1e30]), "sample 1 is 1e+30"),
    "nan-double.wav": (floats([0.1, float("nan")], double=True), "sample 1 is nan"),
    "too-loud-double.wav": (floats([0.1, 1e300], double=True), "sample 1 is inf"),
    "nan-in-one-channel.wav": (floats([0.1, 0.1, 0.1, float("nan")], channels=2), "sample 1 is nan"),
    "flipped.flac": (flac(flip=5000), "damaged or cut short"),
    "cut.flac": (flac()[:5000], "damaged or cut short"),
    "cut-in-header.flac": (flac()[:30], "cut short"),
    "header-only.flac": (flac()[:42], "damaged or cut short"),
    "length-open-and-cut.flac": (flac(samples=0)[:-1], "cut short: its header states no length, and it ends within"),
    "length-open-and-ends.flac": (flac(samples=0)[:42], "a FLAC header without samples"),
    "length-beyond.flac": (flac(samples=RATE + 1), "cut short"),
    "length-absurd.flac": (flac(samples=2**36 - 1), "more than"),
    "rate-0.flac": (flac(rate=0), "sample rate of 0 Hz"),
    "rate-999999.flac": (flac(rate=999_999), "sample rate of 999999 Hz"),
    "text.flac": (b"fLaC is how it begins, but there is no more to it than that.", "damaged header"),
}

BAD = [Bad(name, _bytes(content), reason) for name, (content, reason) in _BAD_CONTENT.items()] + [
    Bad("missing.wav", lambda path: None, "missing: there is no such file"),
    Bad("folder.wav", lambda path: path.mkdir(), "not a regular file but a folder"),
    Bad("pipe.wav", os.mkfifo, "not a regular file but a pipe"),
    Bad("device.wav", lambda path: path.symlink_to("/dev/zero"), "not a regular file but a device"),
    Bad("socket.wav", _socket, "not a regular file but a socket"),
    Bad("loop.wav", _loop, "a symbolic link that leads back to itself"),
    Bad("dangling.wav", lambda path: path.symlink_to("gone.wav"), "a file that does not exist: gone.wav"),
    Bad("locked.wav", _unreadable, "no permission"),
]

NEEDS_A_USER = {"locked.wav"}  # root may read everything

_STEREO = np.stack([SECOND, SECOND // 2], axis=1)
_FLOAT = SECOND / 32768

GOOD = {
    "plain.wav": wav(),
    "upper-case.WAV": wav(),
    "streamed.wav": wav(size=0xFFFFFFFF),
    "streamed-by-sox.wav": wav(size=0x7FFFF000),
    "streamed-by-sox-in-9-bytes.wav": wav(SOUND[:27_000], channels=3, bits=24, size=0x7FFFEFFF),
    "streamed-by-arecord.wav": wav(size=0x80000000),
    "streamed-less-the-header.wav": wav(size=0xFFFFFFDB),
    "counts-the-file.wav": wav(size=32_044),
    "counts-the-chunk.wav": wav(size=32_036),
    "notes-first.wav": wav(before=chunk(b"LIST", b"INFOsoft")),
    "odd-notes-first.wav": wav(before=chunk(b"JUNK", b"abc")),
    "notes-last.wav": wav(after=chunk(b"LIST", b"INFOsoft")),
    "rubbish-last.wav": wav(after=b"rubbish"),
    "a-byte-too-many.wav": wav(SOUND + b"\x01"),
    "extensible.wav": encoded(_STEREO, container="WAVEX"),
    "rf64.wav": rf64(),
    "rf64-by-libsndfile.wav": encoded(SECOND, container="RF64"),
    "8-bit.wav": encoded(_FLOAT, "PCM_U8", "WAV"),
    "24-bit.wav": encoded(_FLOAT, "PCM_24", "WAV"),
    "32-bit.wav": encoded(_FLOAT, "PCM_32", "WAV"),
    "float.wav": encoded(_FLOAT, "FLOAT", "WAV"),
    "double.wav": encoded(_FLOAT, "DOUBLE", "WAV"),
    "a-law.wav": encoded(_FLOAT, "ALAW", "WAV"),
    "mu-law.wav": encoded(_FLOAT, "ULAW", "WAV"),
    "stereo.wav": encoded(_STEREO, container="WAV"),
    "stereo-24-bit.wav": encoded(_STEREO / 32768, "PCM_24", "WAV"),
    "64-channels.wav": wav(SOUND, channels=64),
    "12-bit.wav": wav(bits=12, block=2),
    "1-kilohertz.wav": wav(rate=1000),
    "768-kilohertz.wav": wav(rate=768_000),
    "one-sample.wav": wav(SOUND[:2]),
    "silent.wav": wav(bytes(3200)),
    "8-bit.flac": encoded(SECOND, "PCM_S8"),
    "16-bit.flac": encoded(SECOND),
    "tagged.flac": b"ID3\x04\0\0\0\0\x01\x0a" + bytes(138) + encoded(SECOND),
    "24-bit.flac": encoded(_FLOAT, "PCM_24"),
    "stereo.flac": encoded(_STEREO),
    "48-kilohertz.flac": encoded(SECOND, rate=48_000),
    "schöner Klang, 音.wav": wav(),
    "with space .wav": wav(),
    "new\nline.wav": wav(),
    "wav-named.flac": wav(),
    os.fsdecode(b"not-utf8-\xff.wav"): wav(),
}


@contextmanager
def within(seconds: float) -> Iterator[None]:
    """Fail if the block takes longer."""

    def give_up(number: int, frame: object) -> None:
        raise TimeoutError(f"still waiting after {seconds} s")

    before = signal.signal(signal.SIGALRM, give_up)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
