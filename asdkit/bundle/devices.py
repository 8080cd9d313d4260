"""A sound device as a stream (extra ``asdkit[mic]``)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from asdkit.audio import Channel
from asdkit.audio.pcm import PcmFormat
from asdkit.bundle.streams import Gap, Piece, Reconnected, ShouldStop, Sound
from asdkit.bundle.watching import pause
from asdkit.errors import DataError, UsageError

_PIECE = 0.1  # s heard at once
_FIRST_WAIT, _LONGEST_WAIT = 1.0, 60.0  # s before a lost device is tried again; doubled each time


def hear_device(device: str | None, pcm: PcmFormat, channel: Channel, should_stop: ShouldStop) -> Iterator[Piece]:
    """Hear a sound device; one that is lost is tried again and again, ever less often.

    Parameters
    ----------
    device
        Its number, or a part of its name, as ``python -m sounddevice`` lists them; None: the system's.
    pcm
        Rate and channels to open it with; 16-bit samples.
    channel
        What of it is heard.
    should_stop
        Asked ten times a second.

    Raises
    ------
    UsageError
        If sounddevice is not installed.
    DataError
        If the device cannot be opened at first.
    """
    sounddevice = _sounddevice()
    name = f"sound device {device}" if device else "the sound device"
    chosen = int(device) if device and device.isdecimal() else device
    opened_before, wait = False, _FIRST_WAIT
    while not should_stop():
        try:
            with sounddevice.RawInputStream(
                samplerate=pcm.sample_rate, device=chosen, channels=pcm.channels, dtype="int16"
            ) as stream:
                if opened_before:
                    yield Reconnected(f"{name}: there again")
                opened_before, wait = True, _FIRST_WAIT
                yield from _hear_open(stream, name, pcm, channel, should_stop)
        except (sounddevice.PortAudioError, ValueError) as error:
            text = " ".join(str(error).split())
            if not opened_before:
                raise DataError(
                    f"{name}: cannot be opened: {text}",
                    hint="`python -m sounddevice` lists the devices; it may need another --rate or --channels.",
                ) from None
            if wait == _FIRST_WAIT:
                yield Gap(f"{name}: lost: {text}")
        pause(wait, should_stop)
        wait = min(2 * wait, _LONGEST_WAIT)
        _look_anew(sounddevice)


def _hear_open(stream: Any, name: str, pcm: PcmFormat, channel: Channel, should_stop: ShouldStop) -> Iterator[Piece]:
    while not should_stop():
        data, overflowed = stream.read(round(_PIECE * pcm.sample_rate))
        if overflowed:
            yield Gap(f"{name}: sound was lost before it could be read")
        yield Sound(pcm.decode(bytes(data), channel), pcm.sample_rate)


def _look_anew(sounddevice: Any) -> None:
    """PortAudio lists devices when it starts: one plugged in again is not found otherwise."""
    sounddevice._terminate()
    sounddevice._initialize()


def _sounddevice() -> Any:
    try:
        import sounddevice
    except (ImportError, OSError) as error:  # OSError: PortAudio's library is not there
        raise UsageError(
            f"listening to a sound device needs sounddevice and PortAudio: {error}",
            hint="pip install 'asdkit[mic]'; on Debian also: apt install libportaudio2",
        ) from None
    return sounddevice
