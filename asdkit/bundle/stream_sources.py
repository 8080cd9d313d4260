"""Where a stream of sound comes from: a pipe, a WAV that grows, a sound device. Each goes on until it is told to stop.

What is lost on the way is said as a `Gap`, never papered over: no window reaches across one.

A sound device as a stream (extra ``asdkit[mic]``).
"""

from __future__ import annotations

import os
import select
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from asdkit.audio import Channel, Wave
from asdkit.audio.pcm import GrowingWav, PcmFormat
from asdkit.bundle.watch import pause
from asdkit.errors import BadAudio, DataError, UsageError
from asdkit.text import printable

_MOST = 1 << 20  # bytes taken at once: memory is bounded however fast they come
_WAIT = 0.2  # s between two looks at what has nothing new

ShouldStop = Callable[[], bool]


@dataclass(frozen=True)
class Sound:
    """A piece of a stream: one channel [int16 or float32, ``[samples]``] and its rate [Hz]."""

    wave: Wave
    sample_rate: int


@dataclass(frozen=True)
class Gap:
    """Sound may be missing here, for this reason."""

    reason: str


@dataclass(frozen=True)
class Waiting:
    """There is nothing to hear until something changes."""

    reason: str


@dataclass(frozen=True)
class Reconnected:
    """What was lost is there again."""

    what: str


StreamEvent = Sound | Gap | Waiting | Reconnected


def read_pipe(descriptor: int, pcm: PcmFormat, channel: Channel, should_stop: ShouldStop) -> Iterator[StreamEvent]:
    """Hear samples from a pipe or a file (standard input) until it ends.

    Raises
    ------
    DataError
        If it cannot be read.
    """
    rest = b""
    while not should_stop():
        if not select.select([descriptor], [], [], _WAIT)[0]:
            continue
        try:
            data = os.read(descriptor, _MOST)
        except OSError as error:
            raise DataError(f"standard input cannot be read: {error.strerror}") from None
        if not data:
            break
        whole, rest = _whole(rest + data, pcm)
        if whole:
            yield Sound(pcm.decode(whole, channel), pcm.sample_rate)
    if rest:
        yield Gap(f"the stream ended within a sample: {len(rest)} bytes of {pcm.block}")


def read_fifo(path: str, pcm: PcmFormat, channel: Channel, should_stop: ShouldStop) -> Iterator[StreamEvent]:
    """Hear samples from a named pipe, whose writers may leave and come back.

    Raises
    ------
    DataError
        If it cannot be opened.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    except OSError as error:
        raise DataError(f"{printable(path)}: cannot be read: {error.strerror}") from None
    left, heard = False, False
    rest = b""
    try:
        yield Waiting(f"{printable(path)}: waiting for somebody to write into it")
        while not should_stop():
            try:
                data = os.read(descriptor, _MOST) if select.select([descriptor], [], [], _WAIT)[0] else None
            except BlockingIOError:
                data = None
            if data:
                if left:
                    yield Reconnected(f"{printable(path)}: a writer is there again")
                left, heard = False, True
                whole, rest = _whole(rest + data, pcm)
                if whole:
                    yield Sound(pcm.decode(whole, channel), pcm.sample_rate)
            elif data == b"":
                if heard and not left:
                    left, rest = True, b""
                    yield Gap(f"{printable(path)}: its writer left")
                pause(_WAIT, should_stop)
    finally:
        os.close(descriptor)


def read_wav(path: str, channel: Channel, should_stop: ShouldStop) -> Iterator[StreamEvent]:
    """Hear a WAV from its beginning, and what is written to it from then on.

    One that is cut or replaced is opened again; one that is not there is waited for.

    Raises
    ------
    BadAudio
        If what is there at first is no WAV, or has no such channel.
    """
    opened_before = False
    said = ""
    while not should_stop():
        try:
            wav = _open(path, channel)
            reason = f"{printable(path)}: waiting for {'its header' if os.path.lexists(path) else 'it'}"
        except BadAudio as error:
            if not opened_before:
                raise
            wav, reason = None, error.message
        if wav is None:
            if reason != said:
                yield Waiting(reason)
            said = reason
            pause(_WAIT, should_stop)
            continue
        try:
            if opened_before:
                yield Reconnected(f"{printable(path)}: opened again")
            opened_before, said = True, ""
            yield from _hear_open(wav, channel, should_stop)
        finally:
            wav.close()


def _open(path: str, channel: Channel) -> GrowingWav | None:
    wav = GrowingWav.open(path)
    if wav is not None:
        try:
            require_channel(printable(path), wav.pcm, channel)
        except BadAudio:
            wav.close()
            raise
    return wav


def _hear_open(wav: GrowingWav, channel: Channel, should_stop: ShouldStop) -> Iterator[StreamEvent]:
    """Hear a WAV until it is cut or replaced; what was written before that is heard first."""
    name = printable(wav.path)
    while not should_stop():
        replaced = wav.is_replaced()
        try:
            data = wav.read(_MOST)
        except OSError as error:  # a network share may take it away while it is open
            yield Gap(f"{name}: cannot be read any more: {error.strerror}")
            return
        if data:
            yield Sound(wav.pcm.decode(data, channel), wav.pcm.sample_rate)
        elif data is None:
            yield Gap(f"{name}: was cut; it begins again")
            return
        elif replaced:
            yield Gap(f"{name}: was {'replaced' if os.path.lexists(wav.path) else 'taken away'}")
            return
        else:
            pause(_WAIT, should_stop)


def require_channel(name: str, pcm: PcmFormat, channel: Channel) -> None:
    """Raise `BadAudio` where a stream does not have the channel that the bundle hears."""
    if channel != "mean" and channel >= pcm.channels:
        raise BadAudio(name, f"has no channel {channel}, which the bundle hears; it has {pcm.channels}")


def _whole(data: bytes, pcm: PcmFormat) -> tuple[bytes, bytes]:
    cut = len(data) - len(data) % pcm.block
    return data[:cut], data[cut:]


_PIECE = 0.1  # s heard at once
_FIRST_WAIT, _LONGEST_WAIT = 1.0, 60.0  # s before a lost device is tried again; doubled each time


def read_device(device: str | None, pcm: PcmFormat, channel: Channel, should_stop: ShouldStop) -> Iterator[StreamEvent]:
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
                yield from _hear_open_devices(stream, name, pcm, channel, should_stop)
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


def _hear_open_devices(
    stream: Any, name: str, pcm: PcmFormat, channel: Channel, should_stop: ShouldStop
) -> Iterator[StreamEvent]:
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
