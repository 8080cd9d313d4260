"""The spec that `asdkit init` writes for a user's own recordings: choices by their number and rates, in comments."""

from __future__ import annotations

import itertools
import json
import math
import os
from collections import Counter
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Final

from jinja2 import Environment, StrictUndefined

from asdkit.data.inventory import Inventory
from asdkit.data.level_spread import level_spread
from asdkit.errors import DataError
from asdkit.spec.settings import MAX_NAME, held_out_clips, name_fault
from asdkit.text import plural, printable

FALSE_ALARM_RATES: Final = (0.01, 0.05, 0.1)
"""Rates to choose from, if enough clips can be held out."""

FEW_CLIPS: Final = 20
"""Number of an id's training clips, without those held out, below which `asdkit init` prints a note."""

_MIN_HELD_OUT = 0.2  # so that the fuser is fitted on several clips, too
_ROUNDING = 1e-9
_SAMPLE_RATE = 16_000  # [Hz] of the DCASE challenge, whose settings are the defaults
_FRAME_SECONDS, _LONG_FRAME_SECONDS = 0.064, 0.512  # of the challenge's baseline; of the featurizer spectrum at 16 kHz
_LONG_FRAMES = 1024, 65536  # samples: what the featurizer spectrum takes
_MOMENT_FRAMES = 32  # of the windows of the detector moments: about a second
_MODULATION = 0.0224, 0.495  # cycles a frame: the range of the statistic `modulation` (docs/classical.md)
_DATA_HINT = "Run asdkit data FOLDER to see what it contains."


@dataclass(frozen=True)
class ProposedSpec:
    """A spec for some recordings.

    Attributes
    ----------
    name
        Name of the run.
    text
        The spec, with comments.
    machines
        Machines of the recordings.
    notes
        What these recordings cannot support, one line each.
    """

    name: str
    text: str
    machines: list[str]
    notes: list[str]


def propose_spec(inventory: Inventory, root: Path, folder: Path) -> ProposedSpec:
    """Write a spec for the recordings of an inventory.

    Parameters
    ----------
    inventory
        The recordings.
    root
        Their folder.
    folder
        Folder of the spec; paths in the spec are relative to it.

    Raises
    ------
    DataError
        If there are no training clips, or the inventory has faults.
    """
    summary = RecordingSummary.from_inventory(inventory, root)
    calibration = choose_calibration(summary.fewest)
    rate = max(1000, min(_SAMPLE_RATE, summary.rates[0]))
    n_fft = 2 ** round(math.log2(_FRAME_SECONDS * rate))
    rows = int(inventory.shortest * rate) // (n_fft // 2)
    frames = max(1, min(_MOMENT_FRAMES, rows))
    template = (files("asdkit.spec") / "templates" / "own_machine.toml").read_text(encoding="utf-8")
    environment = Environment(  # noqa: S701  no HTML
        undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True
    )
    name = _run_name(root)
    text = environment.from_string(template).render(
        root_text=printable(str(root)),
        summary=summary.lines(),
        name=_toml_string(name),
        layout=_toml_string(inventory.layout),
        root=_toml_string(_relative(root, folder)),
        rate=rate,
        rate_comments=_rate_comments(summary, rate, inventory.shortest),
        channels=summary.channels,
        stereo=all(channels == 2 for _, channels, _ in inventory.kinds),
        broken=len(inventory.broken),
        cancelled=len(inventory.cancelled),
        calibration_comments=_calibration_comments(summary.fewest, calibration),
        held_out=calibration.held_out,
        false_alarm_rate=calibration.false_alarm_rate,
        n_fft=n_fft,
        n_mels=128 if n_fft >= 1024 else 64 if n_fft >= 256 else 32,
        n_long=_long_frame(rate, inventory.shortest),
        frames=frames,
        hop=max(1, frames // 2),
        slowest=_MODULATION[0] * rate / (n_fft // 8),
        fastest=_MODULATION[1] * rate / (n_fft // 8),
        level_spread=level_spread(inventory.clips, rate),
    )
    return ProposedSpec(name, text, summary.machines, _notes(inventory, summary, calibration))


@dataclass(frozen=True)
class CalibrationChoice:
    """How many clips to hold out, and for which false-alarm rate.

    Attributes
    ----------
    held_out
        Share of each id's training clips.
    clips
        Number of clips of the id with the fewest.
    false_alarm_rate
        The rate.
    """

    held_out: float
    clips: int
    false_alarm_rate: float

    @property
    def supported(self) -> bool:
        """Whether so many clips can guarantee the rate."""
        return self.clips >= held_out_needed(self.false_alarm_rate)


def choose_calibration(clips: int) -> CalibrationChoice:
    """Choose how many of an id's training clips to hold out.

    The choice is the lowest of 1 %, 5 % and 10 % that `most_held_out` can guarantee, with as few clips as guarantee it.
    If none can, it is 10 %, and the most are held out nevertheless: p-values and the ranking of clips are still useful.
    """
    most = most_held_out(clips)
    for rate in FALSE_ALARM_RATES:
        needed = held_out_needed(rate)
        if needed <= most:
            share = round(max(needed / clips, _MIN_HELD_OUT), 3)
            return CalibrationChoice(share, held_out_clips(clips, share), rate)
    share = round(most / clips, 3)
    return CalibrationChoice(share, held_out_clips(clips, share), FALSE_ALARM_RATES[-1])


def most_held_out(clips: int) -> int:
    """Return how many of an id's training clips may be held out: a third, rounded, as long as one is left."""
    return min(max(1, round(clips / 3)), clips - 1)


def held_out_needed(rate: float) -> int:
    """Return how many held-out clips guarantee a false-alarm rate: ``n`` of them guarantee ``1 / (n + 1)``."""
    return math.ceil(1 / rate - 1 - _ROUNDING)


def clips_needed(rate: float) -> int:
    """Return how many training clips an id needs so that `most_held_out` of them guarantee a false-alarm rate."""
    needed = held_out_needed(rate)
    return next(clips for clips in itertools.count(needed + 1) if most_held_out(clips) >= needed)


@dataclass(frozen=True)
class RecordingSummary:
    """The properties of the recordings that the choices depend on.

    Attributes
    ----------
    train
        Number of training clips of each machine and id.
    test
        Number of test clips: normal, anomalous, without a label.
    rates
        Sample rates [Hz], ascending.
    shortest, longest
        Durations in seconds, rounded.
    """

    machines: list[str]
    train: dict[tuple[str, str], int]
    test: tuple[int, int, int]
    rates: list[int]
    channels: int
    shortest: float
    longest: float

    @classmethod
    def from_inventory(cls, inventory: Inventory, root: Path) -> RecordingSummary:
        """Summarise an inventory."""
        if inventory.faults:
            raise DataError("\n".join(inventory.faults), hint=_DATA_HINT)
        train: Counter[tuple[str, str]] = Counter()
        test = [0, 0, 0]
        for (machine, id_, split, _, label), count in inventory.counts.items():
            if split == "train":
                train[machine, id_] += count
            else:
                test[2 if label is None else label] += count
        if not train or not inventory.kinds:
            what = f"no usable recording; {inventory.broken[0]}" if train else "no training recordings"
            raise DataError(f"{printable(str(root))}: {what}", hint=_DATA_HINT)
        rates, channels, seconds = zip(*inventory.kinds, strict=True)
        return cls(
            machines=sorted({machine for machine, _ in train}),
            train=dict(sorted(train.items())),
            test=(test[0], test[1], test[2]),
            rates=sorted(set(rates)),
            channels=max(channels),
            shortest=min(seconds),
            longest=max(seconds),
        )

    @property
    def fewest(self) -> int:
        """Training clips of the id with the fewest."""
        return min(self.train.values())

    def lines(self) -> list[str]:
        """Describe the recordings in two lines."""
        more = "" if self.fewest == max(self.train.values()) else " or more"
        length = f"{self.shortest:g} s" if self.shortest == self.longest else f"{self.shortest:g} to {self.longest:g} s"
        tests = [f"{n} {what}" for n, what in zip(self.test, ("normal", "anomalous", "unlabelled"), strict=True) if n]
        return [
            f"{plural(len(self.machines), 'machine')}, {plural(len(self.train), 'id')}; {self.fewest}{more} training "
            f"{'clip' if self.fewest == 1 else 'clips'} of each id; {length} each, "
            f"{' and '.join(map(str, self.rates))} Hz, {plural(self.channels, 'channel')}.",
            f"Test clips: {', '.join(tests)}."
            if tests
            else "No test clips: the run lists the most unusual training clips and the thresholds for new ones.",
        ]


def _notes(inventory: Inventory, summary: RecordingSummary, calibration: CalibrationChoice) -> list[str]:
    """Return what the recordings cannot support, and what of them is not used."""
    notes = [inventory.unread] if inventory.unread else []
    if inventory.cancelled:
        notes.append(
            f"the channels of {plural(len(inventory.cancelled), 'recording')} cancel, so their mean is almost silent, "
            f"as in {inventory.cancelled[0]}: set data.channel to the index of one channel"
        )
    n, held = summary.fewest, calibration.clips
    if not held:
        notes.append("one training clip: none can be held out, so there are no p-values and no verdicts")
    elif not calibration.supported:
        rate = calibration.false_alarm_rate
        notes.append(
            f"{n} clips cannot support a false-alarm rate of {rate:.0%}: {plural(held, 'held-out clip')} can guarantee "
            f"none below 1 in {held + 1}; {clips_needed(rate)} clips of each id would support it"
        )
        notes.append("clips that score above all held-out ones are reported as undecided, not anomalous")
    if n - held < FEW_CLIPS:
        notes.append(
            f"{plural(n - held, 'clip')} of an id to train on: so few hardly cover how healthy recordings differ "
            "between days, loads and places"
        )
    if not (summary.test[0] and summary.test[1]):
        notes.append("no test clips of both classes: there is no AUC")
    if len(summary.rates) > 1:
        notes.append(f"several sample rates ({', '.join(map(str, summary.rates))} Hz): all are resampled to one")
    return notes


def _long_frame(rate: int, seconds: float) -> int:
    """Return the samples of a long frame: a power of two, of which the shortest clip holds two, as far as possible."""
    least, most = _LONG_FRAMES
    n_fft: int = 2 ** round(math.log2(_LONG_FRAME_SECONDS * rate))
    while n_fft > least and 2 * n_fft > seconds * rate:
        n_fft //= 2
    return max(least, min(n_fft, most))


def _rate_comments(summary: RecordingSummary, rate: int, shortest: float) -> list[str]:
    if summary.rates[-1] <= rate:
        return []
    lines = [f"The recordings contain up to {summary.rates[-1] // 2} Hz; everything above {rate // 2} Hz is removed."]
    if summary.rates[0] > rate:
        higher = summary.rates[0]
        n_fft = 2 ** int(math.log2(_FRAME_SECONDS * higher))  # not longer, so that `moments` fits into the clips
        lines.append(
            f"If faults of this machine sound higher: sample_rate = {higher}; of logmel n_fft = {n_fft} and "
            f"hop_length = {n_fft // 2};"
        )
        lines.append(
            f"of spectrum n_fft = {_long_frame(higher, shortest)}; of fast n_fft = {n_fft // 2} and "
            f"hop_length = {n_fft // 8}."
        )
    return lines


def _calibration_comments(n: int, calibration: CalibrationChoice) -> list[str]:
    held, rate = calibration.clips, calibration.false_alarm_rate
    lines = [
        "Whole clips that are held out of training: their scores calibrate p-values and thresholds. n of them can",
        "guarantee no false-alarm rate below 1 in n + 1.",
    ]
    if not held:
        return [*lines, "One clip cannot be held out: there are no p-values and no verdicts."]
    lines.append(f"Of {plural(n, 'clip')} of an id {held} {'are' if held > 1 else 'is'} held out: 1 in {held + 1}.")
    if calibration.supported:
        lines.append(f"That supports {rate:.0%} and leaves as many clips as possible for training.")
        lower = [r for r in FALSE_ALARM_RATES if r < rate]
        if lower:
            lines.append(f"For {lower[-1]:.0%}, record {clips_needed(lower[-1])} clips of each id.")
    else:
        lines += [
            f"That cannot support {rate:.0%}: clips above all held-out ones are reported as undecided. For {rate:.0%},",
            f'record {clips_needed(rate)} clips of each id; threshold = "gamma" (a fitted tail) always decides, but',
            "without a guarantee.",
        ]
    return lines


def _run_name(root: Path) -> str:
    """Return the folder's name if it is a valid name of a run."""
    name = root.absolute().resolve().name[:MAX_NAME].strip(". ")
    return name if name and not name_fault(name) else "own-machine"


def _relative(root: Path, folder: Path) -> str:
    try:
        return Path(os.path.relpath(root.absolute().resolve(), folder.absolute().resolve())).as_posix()
    except ValueError:  # on another drive
        return root.absolute().as_posix()


def _toml_string(text: str) -> str:
    """Return a TOML string with all control characters escaped."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
