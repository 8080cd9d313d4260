"""Recognise what a stream of bytes begins with: bare samples, a WAV header, or a format that a stream cannot have.

``ffmpeg -f wav -``, ``arecord`` and ``cat`` send WAV through a pipe. Read as samples, a header and a wrong format would
make every window anomalous.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Final

from asdkit.audio.headers import UnusableError
from asdkit.audio.pcm import PcmFormat, pcm_format
from asdkit.audio.wav import is_wav, leaves_length_open

_LONGEST_HEADER = 1 << 22  # bytes before the samples: some writers put notes or pictures there
_OPEN_SIZE = 0xFFFFFFFF

_OTHERS: Final[dict[bytes, str]] = {
    b"RIFX": "a big-endian WAV (RIFX)",
    b"RIFF": "a RIFF file that is not a WAV",
    b"riff\x2e\x91\xcf\x11": "a Wave64 file",
    b"fLaC": "a FLAC file",
    b"OggS": "an Ogg file",
    b"caff\0\1": "a CAF file",
    b".snd\0": "an AU file",
    b"\x1a\x45\xdf\xa3": "a Matroska or WebM file",
    b"NIST_1A\n": "a SPHERE file",
    b"Creative Voice File\x1a": "a VOC file",
}
# These identify the format behind a damaged beginning; samples do not contain them by chance (7 bytes and more).
_INSIDE: Final[dict[bytes, str]] = {
    b"fmt \x10\0\0\0": "a damaged WAV",
    b"fmt \x12\0\0\0": "a damaged WAV",
    b"fmt \x28\0\0\0": "a damaged WAV",
    b"COMM\0\0\0": "a damaged AIFF file",
    b"\x01vorbis": "a damaged Ogg file",
    b"OpusHead": "a damaged Ogg file",
    b"\0\0\0\x22\x10\0\x10\0": "a damaged FLAC file",  # its first block, of 34 bytes, and the usual frames of 4096
}
_LOOKED_AT = 64  # bytes that are waited for before a stream counts as bare samples
_AIFF, _AIFF_KINDS = b"FORM", (b"AIFF", b"AIFC")
_MP4 = b"ftyp"  # behind four bytes of size
_ID3 = b"ID3"
_NEEDED = 12  # bytes that tell the formats above apart

# Frames of MPEG audio, layer III: kbit/s and Hz by version (ISO/IEC 11172-3, 13818-3).
_MPEG_BITRATES = {
    1: (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    2: (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
_MPEG_RATES = {3: (44100, 48000, 32000), 2: (22050, 24000, 16000), 0: (11025, 12000, 8000)}
_MPEG_FRAMES = 3  # in a row: samples may look like the begin of one


@dataclass(frozen=True)
class StreamStart:
    """What a stream begins with.

    Attributes
    ----------
    offset
        Bytes before the samples.
    pcm
        Format by the header; None without a header.
    length
        Bytes of samples that the header states; None if it leaves them open.
    """

    offset: int = 0
    pcm: PcmFormat | None = None
    length: int | None = None


def read_stream_start(data: bytes, *, complete: bool = False) -> StreamStart | None:
    """Return what a stream begins with; None if that takes more bytes.

    Parameters
    ----------
    data
        The first bytes.
    complete
        Whether there are no more. Fewer bytes than identify a format are then taken for samples.

    Raises
    ------
    UnusableError
        If it begins with the header of another format, or of a WAV with samples of another format.
    """
    if is_wav(data):
        start = _read_wav_start(data)
        if start is None and complete:
            raise UnusableError("a WAV that ends within its header")
    elif len(data) < _NEEDED:
        start = None
    else:
        if name := _other_format(data):
            raise UnusableError(name)
        is_mp3 = _is_mp3(data)
        if is_mp3:
            raise UnusableError("an MP3 file")
        start = None if is_mp3 is None or len(data) < _LOOKED_AT else StreamStart()
    return StreamStart() if start is None and complete else start


def _read_wav_start(data: bytes) -> StreamStart | None:
    """Parse the chunks before the samples; None if they are not complete."""
    pcm: PcmFormat | None = None
    long_size: int | None = None
    position = 12
    while len(data) >= position + 8:
        name, size = struct.unpack_from("<4sI", data, position)
        position += 8
        if name == b"data":
            if pcm is None:
                raise UnusableError("a damaged WAV: the samples come before the description of their format")
            stated = long_size if long_size is not None and size == _OPEN_SIZE else size
            return StreamStart(position, pcm, None if stated == 0 or leaves_length_open(stated) else stated)
        content = data[position : position + min(size, 40)]
        if len(content) < min(size, 40):
            return None
        if name == b"fmt ":
            pcm = pcm_format(content)
        elif name == b"ds64":
            long_size = int.from_bytes(content[8:16], "little")
        position += size + size % 2
        if position > _LONGEST_HEADER:
            raise UnusableError(f"a WAV without samples in its first {_LONGEST_HEADER >> 20} MiB")
    return None


def _other_format(data: bytes) -> str:
    """Return the format that these bytes begin, other than WAV and MPEG audio; empty if there is none."""
    if data[:4] == _AIFF and data[8:12] in _AIFF_KINDS:
        return "an AIFF file"
    if data[4:8] == _MP4:
        return "an MP4 file"
    begin = data[:_LOOKED_AT]
    return next(
        (name for magic, name in _OTHERS.items() if data.startswith(magic)),
        next((name for inside, name in _INSIDE.items() if inside in begin), ""),
    )


def _is_mp3(data: bytes) -> bool | None:
    """Return whether an ID3 tag or several frames of MPEG audio begin; None if that takes more bytes."""
    if data[:3] == _ID3 and data[3] in (2, 3, 4) and all(byte < 0x80 for byte in data[6:10]):
        return True
    position = 0
    for _ in range(_MPEG_FRAMES):
        head = data[position : position + 4]
        if not _may_be_frame(head):
            return False
        if len(head) < 4:
            return None
        position += _frame_bytes(head)
    return True


def _may_be_frame(head: bytes) -> bool:
    """Return whether up to four bytes may begin a frame of layer III with a known bit rate and sample rate."""
    bits = int.from_bytes(head.ljust(4, b"\0"), "big")
    checks = (
        bits >> 24 == 0xFF,
        bits >> 21 & 7 == 7 and bits >> 19 & 3 != 1 and bits >> 17 & 3 == 1,
        0 < bits >> 12 & 15 < 15 and bits >> 10 & 3 != 3,
    )
    return all(checks[: len(head)])


def _frame_bytes(head: bytes) -> int:
    """Return the length of a frame, by its first four bytes."""
    version, padding = head[1] >> 3 & 3, head[2] >> 1 & 1
    first = version == 3
    kbits = _MPEG_BITRATES[1 if first else 2][(head[2] >> 4) - 1]
    return (144 if first else 72) * 1000 * kbits // _MPEG_RATES[version][head[2] >> 2 & 3] + padding
