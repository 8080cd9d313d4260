"""Where a stream of sound comes from: a pipe, a WAV that grows, a sound device. Each goes on until it is told to stop.

What is lost on the way is said as a `Gap`, never papered over: no window reaches across one.
"""

from __future__ import annotations

import os
import select
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from asdkit.api import Wave
from asdkit.audio import Channel
from asdkit.audio.growing import GrowingWav
from asdkit.audio.pcm import PcmFormat
from asdkit.bundle.watching import pause
from asdkit.errors import BadAudio, DataError
from asdkit.naming import printable

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


Piece = Sound | Gap | Waiting | Reconnected


def hear_pipe(descriptor: int, pcm: PcmFormat, channel: Channel, should_stop: ShouldStop) -> Iterator[Piece]:
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


def hear_fifo(path: str, pcm: PcmFormat, channel: Channel, should_stop: ShouldStop) -> Iterator[Piece]:
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


def hear_wav(path: str, channel: Channel, should_stop: ShouldStop) -> Iterator[Piece]:
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


def _hear_open(wav: GrowingWav, channel: Channel, should_stop: ShouldStop) -> Iterator[Piece]:
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
