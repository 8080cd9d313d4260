"""Recordings as far as a proposal hangs on them, and how many of them to hold out."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from asdkit.errors import DataError
from asdkit.naming import printable

if TYPE_CHECKING:
    from asdkit.dataset.inventory import Inventory

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
