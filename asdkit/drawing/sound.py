"""The player's part of a recording, as a data URI."""

from __future__ import annotations

import base64
import io

import numpy as np

from asdkit.audio import Wave, resample

MAX_SECONDS = 15.0
"""Longer recordings are cut around their worst time; 10 s take about 40 kB."""

_MP3_RATES = (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000)  # Hz


def player_part(samples: int, sample_rate: int, around: float) -> tuple[int, int]:
    """Return the first sample and the end of the part in the player, centred on the time `around` [s] if possible."""
    length = min(samples, round(MAX_SECONDS * sample_rate))
    first = min(max(0, round(around * sample_rate) - length // 2), samples - length)
    return first, first + length


def audio_uri(wave: Wave, sample_rate: int) -> str:
    """Encode a wave as MP3 (WAV if the sound library has no MP3) in a data URI, its peak scaled to half of full scale.

    Recordings of machines may be faint. Equal peaks show how clips sound, not how loud they are.
    """
    import soundfile

    sound = wave.astype(np.float32)
    peak = float(np.abs(sound).max(initial=0.0))
    sound *= 0.5 / peak if peak > 0 else 1.0
    mp3_rate = next((rate for rate in _MP3_RATES if rate >= sample_rate), _MP3_RATES[-1])
    for kind, suffix, rate in (("MP3", "mpeg", mp3_rate), ("WAV", "wav", sample_rate)):
        if kind not in soundfile.available_formats():
            continue
        encoded = io.BytesIO()
        resampled = sound if rate == sample_rate else resample(sound, sample_rate, rate)
        soundfile.write(encoded, resampled, rate, format=kind)
        return f"data:audio/{suffix};base64,{base64.b64encode(encoded.getvalue()).decode('ascii')}"
    raise AssertionError("the sound library writes no WAV")
