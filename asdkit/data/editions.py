"""Editions of DCASE Task 2: machines, known numbers of clips, and the Zenodo records that hold the archives.

Sources of the counts: development test sets of 2020, exact AUC fractions of a published results table; evaluation test
sets, the organisers' lists; training clips, the organisers' descriptions. Other counts are not known here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from asdkit.layouts.clip import Clip, Split

# Machine -> ids of the development and of the evaluation part; below, normal and anomalous test clips of each id.
_IDS_2020 = {
    **dict.fromkeys(("fan", "pump", "slider", "valve"), (("00", "02", "04", "06"), ("01", "03", "05"))),
    "ToyCar": (("01", "02", "03", "04"), ("05", "06", "07")),
    "ToyConveyor": (("01", "02", "03"), ("04", "05", "06")),
}
_DEV_2020 = {
    "fan": ((100, 100, 100, 100), (407, 359, 348, 361)),
    "pump": ((100, 100, 100, 100), (143, 111, 100, 102)),
    "slider": ((100, 100, 100, 100), (356, 267, 178, 89)),
    "valve": ((100, 100, 100, 100), (119, 120, 120, 120)),
    "ToyCar": ((350, 350, 350, 350), (264, 265, 265, 265)),
    "ToyConveyor": ((800, 800, 799), (400, 355, 355)),
}
_EVAL_2020 = {
    "fan": ((100, 100, 109), (326, 358, 349)),
    "pump": ((100, 100, 100), (116, 113, 248)),
    "slider": ((100, 100, 100), (178, 178, 178)),
    "valve": ((100, 100, 100), (120, 120, 400)),
    "ToyCar": ((250, 250, 250), (265, 265, 265)),
    "ToyConveyor": ((200, 200, 200), (355, 355, 355)),
}
_OLD = ("fan", "gearbox", "pump", "slider", "ToyCar", "ToyTrain", "valve")
_DEV_2022 = ("ToyCar", "ToyTrain", "bearing", "fan", "gearbox", "slider", "valve")
DEV_MACHINES = {
    "dcase2020": tuple(_DEV_2020),
    "dcase2021": _OLD,
    "dcase2022": _DEV_2022,
    "dcase2023": _DEV_2022,
    "dcase2026": ("ToyCar_r2", "ToyCarEmu", "bearingEmu", "fan", "gearboxEmu", "sliderEmu", "valveEmu"),
}
EVAL_MACHINES = {
    "dcase2020": tuple(_DEV_2020),
    "dcase2021": _OLD,
    "dcase2022": _DEV_2022,
    "dcase2023": ("ToyDrone", "ToyNscale", "ToyTank", "Vacuum", "bandsaw", "grinder", "shaker"),
    "dcase2024": (
        *("3DPrinter", "AirCompressor", "BrushlessMotor", "HairDryer", "HoveringDrone"),
        *("RoboticArm", "Scanner", "ToothBrush", "ToyCircuit"),
    ),
    "dcase2025": (
        *("AutoTrash", "BandSealer", "CoffeeGrinder", "HomeCamera"),
        *("Polisher", "ScrewFeeder", "ToyPet", "ToyRCCar"),
    ),
}
_DEV_SECTIONS, _EVAL_SECTIONS = ("00", "01", "02"), ("03", "04", "05")


@dataclass(frozen=True)
class KnownCount:
    """A known number of clips.

    Attributes
    ----------
    count
        Number of clips of all `ids` together, with this label and domain if they are not None.
    part
        All ids of the same development or evaluation part: if one of them is present, `ids` are expected too.
    """

    count: int
    machine: str
    ids: tuple[str, ...]
    part: tuple[str, ...]
    split: Split
    label: int | None = None
    domain: str | None = None

    def fits(self, clip: Clip) -> bool:
        """Whether a clip belongs to this count."""
        return (
            (clip.machine, clip.split) == (self.machine, self.split)
            and clip.id in self.ids
            and (self.label is None or clip.label == self.label)
            and (self.domain is None or clip.domain == self.domain)
        )


def known_counts(layout: str, clips: Sequence[Clip]) -> list[KnownCount]:
    """Return the known counts that apply to the machines, splits and parts among `clips`."""
    present = {(clip.machine, clip.split, clip.id) for clip in clips}
    unlabelled = {(clip.machine, clip.split, clip.id) for clip in clips if clip.label is None}
    counts = []
    for machine in sorted({clip.machine for clip in clips}):
        for known in _known(layout, machine):
            if not any((machine, known.split, i) in present for i in known.part):
                continue
            hidden = any((machine, known.split, i) in unlabelled for i in known.part)
            if known.split == "train" or hidden == (known.label is None) or not _counted_by_label(layout):
                counts.append(known)
    return counts


def _counted_by_label(layout: str) -> bool:
    return layout == "dcase2020"


def _known(layout: str, machine: str) -> Iterator[KnownCount]:
    if layout == "dcase2020" and machine in _IDS_2020:
        for part, (normal, anomaly) in zip(_IDS_2020[machine], (_DEV_2020[machine], _EVAL_2020[machine]), strict=True):
            for i, *counts in zip(part, normal, anomaly, strict=True):
                yield KnownCount(sum(counts), machine, (i,), part, "test")
                yield from (KnownCount(counts[label], machine, (i,), part, "test", label) for label in (0, 1))
                if machine == "ToyCar":
                    yield KnownCount(1000, machine, (i,), part, "train")
    if layout == "dcase2021" and machine in _OLD:
        for part in (_DEV_SECTIONS, _EVAL_SECTIONS):
            yield from (KnownCount(3, machine, (i,), part, "train", domain="target") for i in part)
        yield KnownCount({"gearbox": 1428, "slider": 1207}.get(machine, 1200), machine, part, part, "test")
    if layout == "dcase2022" and machine in _DEV_2022:
        for part in (_DEV_SECTIONS, _EVAL_SECTIONS):
            for i in part:
                yield KnownCount(990, machine, (i,), part, "train", domain="source")
                yield KnownCount(10, machine, (i,), part, "train", domain="target")
        yield KnownCount(600, machine, part, part, "test")
    if layout in ("dcase2023", "dcase2024", "dcase2025") and machine in EVAL_MACHINES[layout]:
        yield KnownCount(200, machine, ("00",), ("00",), "test")


RECORDS: dict[str, dict[str, tuple[int, ...]]] = {
    "dcase2020": {"dev_data": (3678171,), "eval_data": (3727685, 3841772)},
    "dcase2021": {"dev_data": (4562016,), "eval_data": (4660992, 4884786)},
    "dcase2022": {"dev_data": (6355122,), "eval_data": (6462969, 6586456)},
    "dcase2023": {"dev_data": (7882613,), "eval_data": (7830345, 7860847)},
    "dcase2024": {"dev_data": (10902294,), "eval_data": (11259435, 11363076)},
    "dcase2025": {"dev_data": (15097779,), "eval_data": (15392814, 15519362)},
    "dcase2026": {"dev_data": (19336329,), "eval_data": (20151556,)},
}
"""Zenodo records by edition and part: development data; additional training and test data of the evaluation."""

_ARCHIVE = re.compile(r"(?:dev|eval)(?:_data)?(?:_(?:train|test))?_(?P<machine>.+?)(?:_(?:train|test))?\.zip")


@dataclass(frozen=True)
class Archive:
    """A file of a record, as listed there.

    Attributes
    ----------
    part
        ``"dev_data"`` or ``"eval_data"``: the folder to unpack it in.
    size
        Bytes.
    checksum
        ``"md5:..."``.
    """

    name: str
    part: str
    machine: str
    size: int
    checksum: str
    url: str


def machine_of(name: str, machines: tuple[str, ...] = ()) -> str | None:
    """Return the machine of an archive by its name; None for other files. ``_r2`` marks a corrected archive."""
    match = _ARCHIVE.fullmatch(name)
    if match is None:
        return None
    machine = match["machine"]
    bare = re.sub(r"(?:_(?:train|test))?_r[0-9]+$", "", machine)
    return machine if machine in machines else bare
