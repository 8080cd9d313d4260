"""Events of a sound stream, and how bytes of a pipe become sound."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from asdkit.audio import Channel, Wave
from asdkit.audio.headers import UnusableError
from asdkit.audio.pcm import PcmFormat
from asdkit.audio.pcm_stream import PcmStream
from asdkit.errors import BadAudio, UsageError
from asdkit.text import plural


@dataclass(frozen=True)
class Sound:
    """A piece of a stream: one channel [int16 or float32, ``[samples]``] and its sample rate [Hz].

    `cancels` says whether it is the mean of channels that cancel, `samples` which sample format it was decoded from.
    """

    wave: Wave
    sample_rate: int
    cancels: bool = False
    samples: str = ""


@dataclass(frozen=True)
class Gap:
    """Audio may be missing at this point of the stream."""

    reason: str


@dataclass(frozen=True)
class Waiting:
    """The source has no sound until something changes."""

    reason: str


@dataclass(frozen=True)
class Reconnected:
    """A lost source is available again."""

    what: str


@dataclass(frozen=True)
class Recognised:
    """The format of the samples that follow: that of a header in the stream, or without one, the expected format."""

    what: str


Notice = Gap | Waiting | Reconnected | Recognised
StreamEvent = Sound | Notice


def require_channel(name: str, pcm: PcmFormat, channel: Channel) -> None:
    """Raise `BadAudio` if a stream does not have the channel that the bundle uses."""
    if channel == "far-subtract":
        raise UsageError(
            "the bundle subtracts what the far microphone predicts, estimated over a whole recording; a stream "
            "cannot be scored so",
            hint="Write recordings of two channels, and score them: asdkit score or asdkit watch.",
        )
    if channel != "mean" and channel >= pcm.channels:
        raise BadAudio(name, f"has no channel {channel}, which the bundle uses; it has {pcm.channels}")


def sound_of(data: bytes, pcm: PcmFormat, channel: Channel) -> Sound:
    """Decode one channel of whole samples."""
    wave, cancels = pcm.mix(data, channel)
    return Sound(wave, pcm.sample_rate, cancels, pcm.samples)


class ByteStream:
    """Decodes the bytes of a pipe; see `PcmStream`.

    Attributes
    ----------
    has_sound
        Whether there was any.
    """

    def __init__(self, name: str, pcm: PcmFormat, channel: Channel) -> None:
        self._name, self._channel, self._stream = name, channel, PcmStream(pcm)
        self._begun = False  # whether the format of what comes next is known
        self._reported = ""
        self.has_sound = False

    def add(self, data: bytes) -> Iterator[StreamEvent]:
        """Decode bytes; none are the end.

        Raises
        ------
        UsageError, BadAudio
            As `read_pipe`.
        """
        try:
            for item in self._stream.add(data, complete=not data):
                pcm = self._stream.pcm
                if isinstance(item, PcmFormat):
                    yield from self._begin_wav(item)
                else:
                    if not self._begun:
                        yield from self._begin_bare(pcm)
                    self.has_sound = True
                    yield sound_of(item, pcm, self._channel)
        except UnusableError as error:
            raise UsageError(
                f"{self._name}: begins like {error}; expected bare samples, or a WAV that is not compressed",
                hint="Convert it on the way, such as by ffmpeg -i FILE -f wav - (or sox FILE -t wav -).",
            ) from None

    def end(self) -> Iterator[Gap]:
        """Yield a gap if the stream ended within a sample."""
        pcm = self._stream.pcm
        if rest := self._stream.restart() % pcm.block:
            yield Gap(f"the stream ended within a sample: {rest} bytes of {pcm.block}")

    def restart(self) -> None:
        """Expect another writer."""
        self._stream.restart()
        self._begun = False

    def _begin_wav(self, pcm: PcmFormat) -> Iterator[StreamEvent]:
        require_channel(self._name, pcm, self._channel)
        if self.has_sound:
            yield Gap(f"{self._name}: another WAV begins")
        yield from self._report(f"a WAV header: {_described(pcm)}; --rate, --channels and --samples are not used")

    def _begin_bare(self, pcm: PcmFormat) -> Iterator[StreamEvent]:
        require_channel("--channels", pcm, self._channel)
        yield from self._report(f"no header: bare samples by --rate, --channels and --samples: {_described(pcm)}")

    def _report(self, what: str) -> Iterator[Recognised]:
        """Report the format of what follows, once until it changes."""
        self._begun = True
        if what != self._reported:
            self._reported = what
            yield Recognised(f"{self._name}: {what}")


def _described(pcm: PcmFormat) -> str:
    return f"{pcm.sample_rate} Hz, {plural(pcm.channels, 'channel')}, {pcm.samples}"
