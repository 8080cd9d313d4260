"""``asdkit listen``."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Iterator
from enum import Enum
from typing import TYPE_CHECKING, Annotated

import typer

from asdkit.cli.options import (
    BundleArgument,
    FormatOption,
    RateOption,
    RunMachineOption,
    SystemOption,
    ThresholdOption,
)
from asdkit.errors import DataError, UsageError

if TYPE_CHECKING:
    from asdkit.bundle import Bundle
    from asdkit.bundle.stream import AlarmRule
    from asdkit.bundle.stream_sources import ShouldStop, StreamEvent


class Samples(str, Enum):  # noqa: UP042 (typer shows the values)
    """Sample formats of a pipe; see `asdkit.audio.pcm.WIDTHS`."""

    u8 = "u8"
    s16le = "s16le"
    s24le = "s24le"
    s32le = "s32le"
    f32le = "f32le"
    f64le = "f64le"


def listen(
    bundle: BundleArgument,
    source: Annotated[
        str,
        typer.Argument(
            metavar="[SOURCE]",
            help="- for samples on standard input, a named pipe of samples, a WAV that grows, or mic, mic:NAME or "
            "mic:NUMBER for a sound device (asdkit[mic]).",
        ),
    ] = "-",
    window: Annotated[
        float | None,
        typer.Option("--window", metavar="SECONDS", help="Length of a window.  [default: that of the training clips]"),
    ] = None,
    hop: Annotated[
        float | None,
        typer.Option("--hop", metavar="SECONDS", help="From one window's begin to the next.  [default: its length]"),
    ] = None,
    alarm: Annotated[
        str, typer.Option("--alarm", metavar="K/N", help="The alarm begins at K anomalous windows of the last N.")
    ] = "3/5",
    quiet: Annotated[
        int, typer.Option("--quiet", metavar="M", help="The alarm ends after M normal windows in a row.")
    ] = 5,
    latch: Annotated[bool, typer.Option("--latch", help="The alarm never ends by itself.")] = False,
    rate: Annotated[
        int | None,
        typer.Option(
            "--rate", metavar="HZ", help="Sample rate of samples or of a device.  [default: the bundle's]", min=1000
        ),
    ] = None,
    channels: Annotated[
        int, typer.Option("--channels", metavar="N", help="Channels of samples or of a device.", min=1, max=64)
    ] = 1,
    samples: Annotated[Samples, typer.Option("--samples", help="How samples are written.")] = Samples.s16le,
    id_: Annotated[
        str | None,
        typer.Option("--id", metavar="ID", help="Which machine it is.  [default: what each window fits best]"),
    ] = None,
    system: SystemOption = None,
    machine: RunMachineOption = None,
    false_alarm_rate: RateOption = None,
    threshold: ThresholdOption = None,
    format_: FormatOption = None,
) -> None:
    """Score a stream of sound, window by window, and raise an alarm.

    Gaps, reconnections and the alarm's begin and end are told on standard error, and counted. Ends with exit code 0
    where the stream ends (3 where no window could be scored), with 130 (Ctrl-C) or 143 (SIGTERM) otherwise.
    """
    from asdkit.bundle.stream import Listener
    from asdkit.cli.listen_rows import ListenReporter, write
    from asdkit.cli.opening import chosen, open_bundle, require_known
    from asdkit.cli.stopping import Stopping

    stopping = Stopping()
    rule = _rule(alarm, quiet, latch)
    opened = open_bundle(bundle, system, machine).deciding(false_alarm_rate, chosen(threshold))
    require_known(opened, id_)
    listener = Listener(opened, seconds=window, hop=hop, id_=id_, rule=rule)
    pieces = _pieces(source, opened, (rate or opened.sample_rate, channels, samples.value), stopping.asked)
    told = ListenReporter(listener)
    told.begin()
    write(format_, told.watched(listener.score_stream(pieces)))
    told.summary()
    stopping.leave()
    if told.in_vain:
        raise DataError(
            "no window could be scored", hint="Does --samples, --rate or --channels say what the stream is?"
        )


def _rule(alarm: str, quiet: int, latch: bool) -> AlarmRule:
    from asdkit.bundle.stream import AlarmRule

    needed, _, of = alarm.partition("/")
    if not (needed.isdecimal() and of.isdecimal()):
        raise UsageError(f"--alarm {alarm}: expected two numbers, such as 3/5")
    return AlarmRule(int(needed), int(of), quiet, latch)


def _pieces(source: str, bundle: Bundle, form: tuple[int, int, str], should_stop: ShouldStop) -> Iterator[StreamEvent]:
    """The stream that an argument names."""
    from asdkit.audio.pcm import PcmFormat
    from asdkit.bundle import stream_sources
    from asdkit.bundle.stream_sources import read_device

    channel = bundle.description.channel
    pcm = PcmFormat(*form)
    is_device = source == "mic" or source.startswith("mic:")
    is_pipe = source == "-" or (os.path.exists(source) and stat.S_ISFIFO(os.stat(source).st_mode))
    if not (is_device or is_pipe):
        return stream_sources.read_wav(source, channel, should_stop)
    stream_sources.require_channel("--channels", pcm, channel)
    if is_device:
        return read_device(source[4:] or None, pcm, channel, should_stop)
    if source != "-":
        return stream_sources.read_fifo(source, pcm, channel, should_stop)
    if sys.stdin is None or sys.stdin.isatty():
        what = "closed" if sys.stdin is None else "a terminal"
        raise UsageError(f"standard input is {what}", hint="Pipe samples in, or name a WAV that grows, or mic.")
    return stream_sources.read_pipe(sys.stdin.fileno(), pcm, channel, should_stop)
