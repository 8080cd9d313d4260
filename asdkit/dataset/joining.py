"""Scores of anybody joined to the truth, by name: all that is missing, extra or unlabelled is told at once."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from asdkit.dataset.clips import Clip
from asdkit.dataset.dcase import Sections
from asdkit.dataset.ground_truth import GroundTruth, short_name
from asdkit.dataset.layout import LABELS
from asdkit.dataset.score_files import SystemScores
from asdkit.errors import DataError
from asdkit.naming import printable

_NAME_2020 = re.compile(r"(?:(?P<label>normal|anomaly)_)?id_(?P<id>[0-9A-Za-z]+)_[0-9]+\.[A-Za-z0-9]+")
_SHOWN = 20


@dataclass(frozen=True)
class TruthRow:
    """A clip whose label is known: what scores are held against."""

    name: str
    machine: str
    id: str
    label: int
    domain: str | None


def truth_of_clips(clips: Iterable[Clip]) -> list[TruthRow]:
    """Labelled test clips of a data folder."""
    return [
        TruthRow(c.path.name, c.machine, c.id, c.label, c.domain)
        for c in clips
        if c.split == "test" and c.label is not None
    ]


def truth_of_rows(truth: GroundTruth) -> list[TruthRow]:
    """All rows of ground truth files that say a label."""
    return [
        TruthRow(row.name, row.machine, _id_of(row.name) or "00", row.label, row.domain)
        for row in truth.rows()
        if row.label is not None
    ]


def truth_of_names(system: SystemScores) -> list[TruthRow]:
    """What the names of the scored clips themselves say, as those of development sets do.

    Raises
    ------
    DataError
        Naming the clips whose names say no label, or another id than the file that scores them.
    """
    rows, faults = [], []
    for (machine, name), id_ in system.ids.items():
        match = _NAME_2020.fullmatch(name) or Sections.NAME.fullmatch(name)
        if match is None or match["label"] is None:
            faults.append(f"{machine}/{printable(name)}: its name says no label")
            continue
        if match["id"] != id_:
            faults.append(f"{machine}/{printable(name)}: its name says id {match['id']}, the file that scores it {id_}")
        domain = match.groupdict().get("domain")
        rows.append(TruthRow(name, machine, id_, LABELS[match["label"]], domain))
    if faults:
        raise DataError(_some(faults), hint="Say what is true with --data or --ground-truth.")
    return rows


def join(system: SystemScores, truth: Sequence[TruthRow]) -> tuple[list[TruthRow], list[str]]:
    """Truth of the machines and ids that a system scored, in its own names of the clips; and what it did not score.

    Returns
    -------
    rows, absent
        One row for each scored clip; machine and id of those that the truth knows and the system has no file of.

    Raises
    ------
    DataError
        Naming clips without a score, scores without a clip, and decisions that do not go with the scores.
    """
    by_key = {(row.machine, short_name(row.name)): row for row in truth}
    scored = {(machine, short_name(name)): name for machine, name in system.scores}
    there = {(key[0], by_key[key].id) for key in scored if key in by_key}
    faults = [
        f"{row.machine}/{row.name}: no score of {system.name}"
        for key, row in by_key.items()
        if (row.machine, row.id) in there and key not in scored
    ]
    faults += [
        f"{machine}/{printable(name)}: scored by {system.name}, but no such test clip is known"
        for (machine, short), name in scored.items()
        if (machine, short) not in by_key
    ]
    if system.decisions:
        odd = set(system.decisions) ^ set(system.scores)
        faults += [
            f"{m}/{printable(n)}: {'a decision but no score' if (m, n) in system.decisions else 'no decision'}"
            for m, n in sorted(odd)
        ]
    if faults:
        raise DataError(_some(faults), hint="Scores and clips must match one to one, by name.")
    rows = [
        TruthRow(scored[key], row.machine, row.id, row.label, row.domain)
        for key, row in by_key.items()
        if (row.machine, row.id) in there
    ]
    known = {(row.machine, row.id) for row in truth}
    return rows, [f"{machine} {id_}" for machine, id_ in sorted(known - there)]


def _id_of(name: str) -> str | None:
    match = Sections.NAME.fullmatch(name) or _NAME_2020.fullmatch(name)
    return match["id"] if match else None


def _some(faults: Sequence[str]) -> str:
    more = [f"... and {len(faults) - _SHOWN} more"] if len(faults) > _SHOWN else []
    return "\n".join([*faults[:_SHOWN], *more])
