"""Recordings: inspect a file, check it, decode it to a wave.

WAV (RIFF, RF64, BW64, extensible) and FLAC, and other containers if a spec allows them; sample rates from 1 to 768
kHz, up to 64 channels. An unusable file raises `asdkit.errors.BadAudio` with the reason in one line.
"""

from asdkit.audio.channels import Channel, Wave, cancels
from asdkit.audio.headers import AudioInfo, Container
from asdkit.audio.io import (
    CANCELLED,
    SILENT,
    Decoded,
    UnreadFiles,
    check,
    decode,
    inspect,
    is_silent,
    mean_cancels,
    read,
    samples_at,
    too_long,
)
from asdkit.audio.resampling import resample, resampled_length

__all__ = [
    "CANCELLED",
    "SILENT",
    "AudioInfo",
    "Channel",
    "Container",
    "Decoded",
    "UnreadFiles",
    "Wave",
    "cancels",
    "check",
    "decode",
    "inspect",
    "is_silent",
    "mean_cancels",
    "read",
    "resample",
    "resampled_length",
    "samples_at",
    "too_long",
]
