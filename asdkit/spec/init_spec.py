"""Recordings as far as a proposal hangs on them, and how many of them to hold out.

A spec for one's own recordings: chosen by what there is, with the reasons in comments.
"""

from __future__ import annotations

import json
import math
import os
from collections import Counter
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Final

from asdkit.errors import DataError
from asdkit.spec.settings import MAX_NAME, name_fault
from asdkit.text import printable

if TYPE_CHECKING:
    from asdkit.data.inventory import Inventory


RATES: Final = (0.01, 0.05, 0.1)
"""False-alarm rates that are proposed, where they can be promised."""

_MOST_HELD = 1 / 3  # of an id's training clips
_LEAST_HELD = 0.2  # so that the fuser learns from some too


@dataclass(frozen=True)
class Calibration:
    """How many clips are held out, and for which promise.

    Attributes
    ----------
    held_out
        Share of each id's training clips.
    clips
        How many those are of the id with fewest.
    false_alarm_rate
        What is asked.
    """

    held_out: float
    clips: int
    false_alarm_rate: float

    @property
    def supported(self) -> bool:
        """Whether so many clips can promise the rate."""
        return self.false_alarm_rate * (self.clips + 1) > 1 - 1e-9


def calibrate(clips: int) -> Calibration:
    """Choose how many of an id's training clips to hold out.

    ``n`` held-out clips can promise no rate below ``1 / (n + 1)``. The lowest of 1 %, 5 % and 10 % is asked that a
    third of the clips can promise; where none can, 10 %, and a third of the clips is held out all the same: p-values
    and the order of clips are worth having.
    """
    for rate in RATES:
        needed = round(1 / rate) - 1
        if needed <= clips * _MOST_HELD:
            share = round(max(needed / clips, _LEAST_HELD), 3)
            return Calibration(share, round(share * clips), rate)
    held = min(max(1, round(clips * _MOST_HELD)), clips - 1)
    return Calibration(round(held / clips, 3), held, RATES[-1])


def clips_for(rate: float) -> int:
    """How many training clips an id needs for a false-alarm rate to be promised."""
    return math.ceil((round(1 / rate) - 1) / _MOST_HELD)


@dataclass(frozen=True)
class Recordings:
    """What there is, as far as choices hang on it.

    Attributes
    ----------
    train
        Training clips of each machine and id.
    test
        Test clips: normal, anomalous, without a label.
    rates
        Sample rates [Hz], ascending.
    shortest, longest
        Whole seconds.
    """

    machines: list[str]
    train: dict[tuple[str, str], int]
    test: tuple[int, int, int]
    rates: list[int]
    channels: int
    shortest: int
    longest: int

    @classmethod
    def of(cls, inventory: Inventory, root: Path) -> Recordings:
        """Take from an inventory what counts."""
        shown = printable(str(root))
        if inventory.faults:
            raise DataError("\n".join(inventory.faults), hint="asdkit data FOLDER says what is there.")
        train: Counter[tuple[str, str]] = Counter()
        test = [0, 0, 0]
        for (machine, id_, split, _, label), count in inventory.counts.items():
            if split == "train":
                train[machine, id_] += count
            else:
                test[2 if label is None else label] += count
        if not train or not inventory.kinds:
            what = "no recording to learn from"
            if train:
                what = f"no recording that can be used; {inventory.broken[0]}"
            raise DataError(f"{shown}: {what}", hint="asdkit data FOLDER says what is there.")
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
        """Training clips of the id that has fewest."""
        return min(self.train.values())

    @property
    def most_ids(self) -> int:
        """Ids of the machine that has most."""
        return max(Counter(machine for machine, _ in self.train).values())

    def lines(self) -> list[str]:
        """What was found, for a person."""
        counts = f"{self.fewest}" if self.fewest == max(self.train.values()) else f"{self.fewest} or more"
        length = f"{self.shortest} s" if self.shortest == self.longest else f"{self.shortest} to {self.longest} s"
        normal, anomaly, unknown = self.test
        tests = [
            f"{n} {what}" for n, what in ((normal, "normal"), (anomaly, "anomalous"), (unknown, "unlabelled")) if n
        ]
        return [
            f"{several(len(self.machines), 'machine')}, {several(len(self.train), 'id')}; {counts} training "
            f"{'clip' if self.fewest == 1 else 'clips'} of each id; {length} each, "
            f"{' and '.join(map(str, self.rates))} Hz, {several(self.channels, 'channel')}.",
            f"Test clips: {', '.join(tests)}."
            if tests
            else "No test clips: the run ends with the training clips that look odd, and with thresholds for new ones.",
        ]


def several(n: int, what: str) -> str:
    """``1 clip``, ``2 clips``."""
    return f"{n} {what}{'s' if n != 1 else ''}"


LEAST_FOR_NETWORK = 20
"""Clips of an id to learn from, from which on a network is proposed."""

_RATE = 16_000  # Hz; that of the challenge, whose settings the defaults are
_FRAME = 0.064  # s, of the challenge's baseline
_CLASSIFIER_FRAMES = 32


@dataclass(frozen=True)
class Proposal:
    """A spec that suits some recordings.

    Attributes
    ----------
    name
        Of the run.
    text
        The spec, with comments.
    machines
        Of the recordings.
    notes
        What these recordings cannot support, in a line each.
    """

    name: str
    text: str
    machines: list[str]
    notes: list[str]


def propose(inventory: Inventory, root: Path, folder: Path) -> Proposal:
    """Write a spec for the recordings of an inventory.

    Parameters
    ----------
    inventory
        What there is.
    root
        The recordings.
    folder
        Where the spec will lie: its paths are relative to it.

    Raises
    ------
    DataError
        If there is nothing to learn from, or the folders have a fault.
    """
    from jinja2 import Environment, StrictUndefined

    seen = Recordings.of(inventory, root)
    chosen = calibrate(seen.fewest)
    learnt = seen.fewest - chosen.clips
    rate = max(1000, min(_RATE, seen.rates[0]))
    n_fft = 2 ** round(math.log2(_FRAME * rate))
    rows = seen.shortest * rate // (n_fft // 2)
    density = learnt >= LEAST_FOR_NETWORK
    classifier = density and seen.most_ids > 1 and rows >= _CLASSIFIER_FRAMES
    notes = _notes(seen, chosen)
    template = (files("asdkit.spec") / "templates" / "own_machine.toml").read_text(encoding="utf-8")
    environment = Environment(  # noqa: S701  no HTML
        undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True
    )
    name = _name(root)
    text = environment.from_string(template).render(
        shown_root=printable(str(root)),
        found=seen.lines(),
        name=_quoted(name),
        layout=_quoted(inventory.layout),
        root=_quoted(_relative(root, folder)),
        rate=rate,
        about_rate=_about_rate(seen, rate),
        channels=seen.channels,
        broken=len(inventory.broken),
        about_calibration=_about_calibration(seen, chosen),
        held_out=chosen.held_out,
        false_alarm_rate=chosen.false_alarm_rate,
        n_fft=n_fft,
        n_mels=128 if n_fft >= 1024 else 64 if n_fft >= 256 else 32,
        density=density,
        classifier=classifier,
        learnt=learnt,
        least_for_network=LEAST_FOR_NETWORK,
        ids=seen.most_ids,
        members=json.dumps(["L", "K", *(["G"] if density else []), *(["M"] if classifier else [])]),
    )
    return Proposal(name, text, seen.machines, notes)


def _notes(seen: Recordings, chosen: Calibration) -> list[str]:
    """What the recordings cannot support."""
    notes = []
    n, held = seen.fewest, chosen.clips
    if not held:
        notes.append("one training clip: none can be held out, so there will be no p-values and no verdicts")
    elif not chosen.supported:
        rate = chosen.false_alarm_rate
        notes.append(
            f"{n} clips cannot support a false-alarm rate of {rate:.0%}: {several(held, 'clip')} held out promise none "
            f"below 1 in {held + 1}; {clips_for(rate)} clips an id would support it"
        )
        notes.append("clips that score above all held-out ones will be called undecided, not anomalous")
    if n - held < LEAST_FOR_NETWORK:
        notes.append(
            f"{several(n - held, 'clip')} to learn from an id: classical detectors alone; what varies between healthy "
            "days, loads and places is in so few clips hardly heard"
        )
    if not (seen.test[0] and seen.test[1]):
        notes.append("no test clips of both classes: there will be no AUC")
    if len(seen.rates) > 1:
        notes.append(f"several sample rates ({', '.join(map(str, seen.rates))} Hz): all are brought to one")
    return notes


def _about_rate(seen: Recordings, rate: int) -> list[str]:
    if seen.rates[-1] <= rate:
        return []
    lines = [f"The recordings have {seen.rates[-1] // 2} Hz at most; what lies above {rate // 2} Hz is cut off."]
    if seen.rates[0] > rate:
        lines.append(
            f"If faults of this machine hiss or ring higher: sample_rate = {seen.rates[0]}, and n_fft in proportion."
        )
    return lines


def _about_calibration(seen: Recordings, chosen: Calibration) -> list[str]:
    n, held, rate = seen.fewest, chosen.clips, chosen.false_alarm_rate
    lines = [
        "Whole clips that no detector learns from: their scores tell what is usual. n of them can promise no",
        "false-alarm rate below 1 in n + 1.",
    ]
    if not held:
        return [*lines, "Of one clip none can be held out: there are no p-values and no verdicts."]
    lines.append(f"Of {several(n, 'clip')} an id {held} {'are' if held > 1 else 'is'} held out: 1 in {held + 1}.")
    if chosen.supported:
        lines.append(f"That supports {rate:.0%}, shared with as many clips to learn from as can be.")
        lower = [r for r in RATES if r < rate]
        if lower:
            lines.append(f"For {lower[-1]:.0%}, record {clips_for(lower[-1])} clips an id.")
    else:
        lines += [
            f"That cannot support {rate:.0%}: clips above all held-out ones are called undecided. For it, record",
            f'{clips_for(rate)} clips an id; threshold = "gamma", a fitted tail, always decides and promises nothing.',
        ]
    return lines


def _name(root: Path) -> str:
    """A name for the run: the folder's, where it can be one."""
    name = root.absolute().resolve().name[:MAX_NAME].strip(". ")
    return name if name and not name_fault(name) else "own-machine"


def _relative(root: Path, folder: Path) -> str:
    try:
        return Path(os.path.relpath(root.absolute().resolve(), folder.absolute().resolve())).as_posix()
    except ValueError:  # another drive
        return root.absolute().as_posix()


def _quoted(text: str) -> str:
    """Text as TOML has it; every control character escaped."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
