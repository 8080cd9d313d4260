"""From a file to a wave: look at it, find what is wrong with it, decode it.

WAV (RIFF, RF64, extensible) and FLAC, and others where they are asked for; any sample rate from 1 to 768 kHz, up to
64 channels. Whatever makes a file unusable is a `asdkit.errors.BadAudio` with the reason in one line.
"""

from asdkit.audio.headers import AudioInfo
from asdkit.audio.io import Channel, Container, Wave, check, inspect, is_silent, read, resample, samples_at

__all__ = [
    "AudioInfo",
    "Channel",
    "Container",
    "Wave",
    "check",
    "inspect",
    "is_silent",
    "read",
    "resample",
    "samples_at",
]
