"""Sources of a sound stream: a pipe, a named pipe, a growing WAV file, a sound device (extra ``asdkit[mic]``).

Each source yields events until `should_stop` returns True. Lost audio is reported as a `Gap`; no window spans a gap.
"""

from __future__ import annotations

import os
import select
from collections.abc import Callable, Iterator
from typing import Any

from asdkit.audio import Channel
from asdkit.audio.pcm import GrowingWav, PcmFormat
from asdkit.bundle.byte_stream import (
    ByteStream,
    Gap,
    Notice,
    Recognised,
    Reconnected,
    Sound,
    StreamEvent,
    Waiting,
    require_channel,
    sound_of,
)
from asdkit.bundle.watch import pause
from asdkit.errors import BadAudio, DataError, UsageError
from asdkit.text import error_message, printable

__all__ = [
    "Gap",
    "Notice",
    "Recognised",
    "Reconnected",
    "ShouldStop",
    "Sound",
    "StreamEvent",
    "Waiting",
    "read_device",
    "read_fifo",
    "read_pipe",
    "read_wav",
    "require_channel",
]

_READ_SIZE = 1 << 20  # most bytes of one read: memory is bounded at any data rate
_WAIT = 0.2  # seconds between two reads of a source that has no new data
_DEVICE_READ = 0.1  # seconds of sound in one read of a device
_FIRST_RETRY, _LONGEST_RETRY = 1.0, 60.0  # seconds before a lost device is opened again; doubled each time

ShouldStop = Callable[[], bool]

_STDIN = "standard input"


def read_pipe(descriptor: int, pcm: PcmFormat, channel: Channel, should_stop: ShouldStop) -> Iterator[StreamEvent]:
    """Read samples from a pipe or file (standard input) until it ends; WAV headers in it give their format.

    Raises
    ------
    DataError
        If it cannot be read.
    UsageError
        If it begins with the header of another format.
    BadAudio
        If a header states no such channel.
    """
    stream = ByteStream(_STDIN, pcm, channel)
    while not should_stop():
        if not select.select([descriptor], [], [], _WAIT)[0]:
            continue
        try:
            data = os.read(descriptor, _READ_SIZE)
        except OSError as error:
            raise DataError(f"{_STDIN} cannot be read: {error.strerror}") from None
        yield from stream.add(data)
        if not data:
            yield from stream.end()
            break


def read_fifo(path: str, pcm: PcmFormat, channel: Channel, should_stop: ShouldStop) -> Iterator[StreamEvent]:
    """Read samples from a named pipe. Its writers may close it and open it again; each may begin with a WAV header.

    Raises
    ------
    DataError
        If it cannot be opened.
    UsageError, BadAudio
        As `read_pipe`, for the first writer; what a later one sends in another format is a gap.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    except OSError as error:
        raise DataError(f"{printable(path)}: cannot be read: {error.strerror}") from None
    writer_left, has_data, refused = False, False, False
    stream = ByteStream(printable(path), pcm, channel)
    try:
        yield Waiting(f"{printable(path)}: waiting for a writer")
        while not should_stop():
            try:
                data = os.read(descriptor, _READ_SIZE) if select.select([descriptor], [], [], _WAIT)[0] else None
            except BlockingIOError:
                data = None
            if data:
                if writer_left:
                    yield Reconnected(f"{printable(path)}: it has a writer again")
                writer_left, has_data = False, True
                try:
                    if not refused:
                        yield from stream.add(data)
                except (UsageError, BadAudio) as error:
                    if not stream.has_sound:
                        raise
                    refused = True
                    yield Gap(f"{error.message}; nothing is read until it is closed")
            elif data == b"":  # no writer has the pipe open
                if has_data and not writer_left:
                    yield from () if refused else stream.add(b"")
                    writer_left, refused = True, False
                    stream.restart()
                    yield Gap(f"{printable(path)}: the writer closed it")
                pause(_WAIT, should_stop)
    finally:
        os.close(descriptor)


def read_wav(path: str, channel: Channel, should_stop: ShouldStop) -> Iterator[StreamEvent]:
    """Read a WAV file from its start, and what is appended to it.

    A file that is truncated or replaced is opened again. A file that does not exist is waited for.

    Raises
    ------
    BadAudio
        If the first file is no WAV, or does not have this channel.
    """
    opened_before = False
    last_reason = ""
    while not should_stop():
        try:
            wav = _open_wav(path, channel)
            reason = f"{printable(path)}: waiting for {'its header' if os.path.lexists(path) else 'the file'}"
        except BadAudio as error:
            if not opened_before:
                raise
            wav, reason = None, error.message
        if wav is None:
            if reason != last_reason:
                yield Waiting(reason)
            last_reason = reason
            pause(_WAIT, should_stop)
            continue
        try:
            if opened_before:
                yield Reconnected(f"{printable(path)}: opened again")
            opened_before, last_reason = True, ""
            yield from _read_open_wav(wav, channel, should_stop)
        finally:
            wav.close()


def read_device(device: str | None, pcm: PcmFormat, channel: Channel, should_stop: ShouldStop) -> Iterator[StreamEvent]:
    """Read a sound device. A lost device is opened again after increasing pauses.

    Parameters
    ----------
    device
        Its number, or a part of its name, as ``python -m sounddevice`` lists them; None: the default device.
    pcm
        Rate and channels to open it with; samples are 16 bits.
    channel
        The channel to return.
    should_stop
        Called ten times a second.

    Raises
    ------
    UsageError
        If sounddevice is not installed.
    DataError
        If the device cannot be opened the first time.
    """
    sounddevice = _import_sounddevice()
    name = f"sound device {device}" if device else "the sound device"
    selected = int(device) if device and device.isdecimal() else device
    opened_before, retry = False, _FIRST_RETRY
    while not should_stop():
        try:
            with sounddevice.RawInputStream(
                samplerate=pcm.sample_rate, device=selected, channels=pcm.channels, dtype="int16"
            ) as stream:
                if opened_before:
                    yield Reconnected(f"{name}: available again")
                opened_before, retry = True, _FIRST_RETRY
                yield from _read_open_device(stream, name, pcm, channel, should_stop)
        except (sounddevice.PortAudioError, ValueError) as error:
            text = error_message(error)
            if not opened_before:
                raise DataError(
                    f"{name}: cannot be opened: {text}",
                    hint="`python -m sounddevice` lists the devices; it may need another --rate or --channels.",
                ) from None
            if retry == _FIRST_RETRY:
                yield Gap(f"{name}: lost: {text}")
        pause(retry, should_stop)
        retry = min(2 * retry, _LONGEST_RETRY)
        _restart_portaudio(sounddevice)


def _open_wav(path: str, channel: Channel) -> GrowingWav | None:
    wav = GrowingWav.open(path)
    if wav is not None:
        try:
            require_channel(printable(path), wav.pcm, channel)
        except BadAudio:
            wav.close()
            raise
    return wav


def _read_open_wav(wav: GrowingWav, channel: Channel, should_stop: ShouldStop) -> Iterator[StreamEvent]:
    """Read a WAV file until it is truncated or replaced, with all that was written before that."""
    name = printable(wav.path)
    while not should_stop():
        replaced = wav.is_replaced()  # before the read, so that the read includes the last samples
        try:
            data = wav.read(_READ_SIZE)
        except OSError as error:  # such as a network share that was removed
            yield Gap(f"{name}: cannot be read any more: {error.strerror}")
            return
        if data:
            yield sound_of(data, wav.pcm, channel)
        elif data is None:
            yield Gap(f"{name}: was truncated; reading from its start")
            return
        elif replaced:
            yield Gap(f"{name}: was {'replaced' if os.path.lexists(wav.path) else 'removed'}")
            return
        else:
            pause(_WAIT, should_stop)


def _read_open_device(
    stream: Any, name: str, pcm: PcmFormat, channel: Channel, should_stop: ShouldStop
) -> Iterator[StreamEvent]:
    while not should_stop():
        data, overflowed = stream.read(round(_DEVICE_READ * pcm.sample_rate))
        if overflowed:
            yield Gap(f"{name}: audio was lost before it was read")
        yield sound_of(bytes(data), pcm, channel)


def _restart_portaudio(sounddevice: Any) -> None:
    """Restart PortAudio, which lists devices only when it starts: to find a device that was plugged in again."""
    sounddevice._terminate()
    sounddevice._initialize()


def _import_sounddevice() -> Any:
    try:
        import sounddevice
    except (ImportError, OSError) as error:  # OSError: the PortAudio library is missing
        raise UsageError(
            f"a sound device needs sounddevice and PortAudio: {error}",
            hint="pip install 'asdkit[mic]'; on Debian also: apt install libportaudio2",
        ) from None
    return sounddevice
