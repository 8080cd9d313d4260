"""Options and work of ``asdkit listen``."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Iterator
from enum import Enum
from typing import TYPE_CHECKING, Annotated

import typer

from asdkit.cli.console import pipe_closed
from asdkit.cli.options import (
    BundleArgument,
    FileOption,
    FormatOption,
    RateOption,
    RunMachineOption,
    SystemOption,
    ThresholdOption,
    VerifyOption,
    open_bundle,
)
from asdkit.cli.rows import WINDOW_COLUMNS, write_rows
from asdkit.errors import DataError, UsageError
from asdkit.stop_signals import stop_on_signals
from asdkit_listen.reporter import ListenReporter

if TYPE_CHECKING:
    from asdkit.bundle import Bundle
    from asdkit.bundle.stream import AlarmRule
    from asdkit.bundle.stream_sources import ShouldStop, StreamEvent


class Samples(str, Enum):  # noqa: UP042 (typer shows the values)
    """Sample formats of a pipe; see `asdkit.audio.pcm.WIDTHS`."""

    u8 = "u8"
    s16le = "s16le"
    s24le = "s24le"
    s24_32le = "s24_32le"
    s32le = "s32le"
    f32le = "f32le"
    f64le = "f64le"


SourceArgument = Annotated[
    str,
    typer.Argument(
        metavar="[SOURCE]",
        help="- for samples or WAV on standard input, a named pipe of these, a growing WAV file, or mic, mic:NAME or "
        "mic:NUMBER for a sound device (asdkit[mic]).",
    ),
]
WindowOption = Annotated[
    float | None,
    typer.Option("--window", metavar="SECONDS", help="Length of a window.  [default: that of the training clips]"),
]
HopOption = Annotated[
    float | None,
    typer.Option("--hop", metavar="SECONDS", help="Time between the starts of windows.  [default: their length]"),
]
AlarmOption = Annotated[
    str, typer.Option("--alarm", metavar="K/N", help="The alarm starts at K anomalous windows of the last N.")
]
QuietOption = Annotated[
    int, typer.Option("--quiet", metavar="M", help="The alarm ends after M normal windows in a row.")
]
LatchOption = Annotated[bool, typer.Option("--latch", help="The alarm never ends by itself.")]
SampleRateOption = Annotated[
    int | None,
    typer.Option(
        "--rate", metavar="HZ", help="Sample rate of samples or of a device.  [default: the bundle's]", min=1000
    ),
]
ChannelsOption = Annotated[
    int, typer.Option("--channels", metavar="N", help="Channels of samples or of a device.", min=1, max=64)
]
SamplesOption = Annotated[
    Samples,
    typer.Option(
        "--samples",
        help="Sample format, with its bytes: u8 (1), s16le (2), s24le (3; ALSA's S24_3LE), s24_32le (4; ALSA's "
        "S24_LE), s32le (4), f32le (4), f64le (8). The header of a WAV on a pipe goes before it.",
    ),
]
StreamIdOption = Annotated[
    str | None, typer.Option("--id", metavar="ID", help="Machine id.  [default: the best fit of each window]")
]


def listen(
    bundle: BundleArgument,
    source: SourceArgument = "-",
    window: WindowOption = None,
    hop: HopOption = None,
    alarm: AlarmOption = "3/5",
    quiet: QuietOption = 5,
    latch: LatchOption = False,
    rate: SampleRateOption = None,
    channels: ChannelsOption = 1,
    samples: SamplesOption = Samples.s16le,
    id_: StreamIdOption = None,
    system: SystemOption = None,
    machine: RunMachineOption = None,
    false_alarm_rate: RateOption = None,
    threshold: ThresholdOption = None,
    verify: VerifyOption = None,
    file: FileOption = None,
    format_: FormatOption = None,
) -> None:
    """Score a stream of sound, window by window, and raise an alarm.

    Gaps, reconnections and alarms are reported on standard error and counted. The exit code is 0 at the end of the
    stream (3 if no window could be scored), 130 after Ctrl-C and 143 after SIGTERM.
    """
    output = sys.stdout
    with stop_on_signals() as stop:
        from asdkit.bundle.stream import Listener

        rule = _alarm_rule(alarm, quiet, latch)
        opened = open_bundle(
            bundle,
            system,
            machine,
            id_=id_,
            false_alarm_rate=false_alarm_rate,
            threshold=threshold,
            verify=verify,
            files=file,
        )
        listener = Listener(opened, seconds=window, hop=hop, id_=id_, rule=rule)
        pcm = (rate or opened.sample_rate, channels, samples.value)
        events = _source_events(source, opened, pcm, lambda: bool(stop) or pipe_closed(output))
        reporter = ListenReporter(listener)
        reporter.start()
        write_rows(format_, WINDOW_COLUMNS, reporter.rows(listener.score_stream(events)))
        reporter.summary()
    if stop:
        raise typer.Exit(stop.exit_code)
    if reporter.only_bad:
        raise DataError("no window could be scored", hint="Check --samples, --rate and --channels.")


def _alarm_rule(alarm: str, quiet: int, latch: bool) -> AlarmRule:
    from asdkit.bundle.stream import AlarmRule

    needed, _, recent = alarm.partition("/")
    if not (needed.isdecimal() and recent.isdecimal()):
        raise UsageError(f"--alarm {alarm}: expected two numbers, such as 3/5")
    return AlarmRule(int(needed), int(recent), quiet, latch)


def _source_events(
    source: str, bundle: Bundle, form: tuple[int, int, str], should_stop: ShouldStop
) -> Iterator[StreamEvent]:
    """Open the source; `form` is the sample rate, channels and sample format of a pipe or device."""
    from asdkit.audio.pcm import PcmFormat
    from asdkit.bundle import stream_sources

    channel = bundle.description.channel
    pcm = PcmFormat(*form)
    is_device = source == "mic" or source.startswith("mic:")
    is_pipe = source == "-" or (os.path.exists(source) and stat.S_ISFIFO(os.stat(source).st_mode))
    if not (is_device or is_pipe):
        return stream_sources.read_wav(source, channel, should_stop)
    if is_device:
        stream_sources.require_channel("--channels", pcm, channel)
        return stream_sources.read_device(source[4:] or None, pcm, channel, should_stop)
    if source != "-":
        return stream_sources.read_fifo(source, pcm, channel, should_stop)
    if sys.stdin is None or sys.stdin.isatty():
        what = "closed" if sys.stdin is None else "a terminal"
        raise UsageError(f"standard input is {what}", hint="Pipe samples in, or name a growing WAV file, or mic.")
    return stream_sources.read_pipe(sys.stdin.fileno(), pcm, channel, should_stop)
