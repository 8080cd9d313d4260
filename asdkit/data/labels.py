"""Labels of test clips: the organisers' ground truth files, and scores joined to labels by name.

Ground truth files of 2020 and 2025 have a line with the machine's name, then lines ``name,original name[,label]``.
Those of 2021 to 2024 are called ``ground_truth_<machine>_section_XX[...].csv`` and have lines ``name,0|1``; in a
folder ``ground_truth_domain`` the number is the domain.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from asdkit.data.score_files import SystemScores
from asdkit.errors import DataError
from asdkit.layouts.base import LABELS
from asdkit.layouts.clip import Clip
from asdkit.layouts.csv_table import read_rows
from asdkit.layouts.dcase import SectionsLayout
from asdkit.text import plural, printable

_FILE = re.compile(r"ground_truth_(?P<machine>.+?)_section_[0-9]{2}(?:_.*)?\.csv", re.IGNORECASE)
_LABELLED_2020 = re.compile(r"(normal|anomaly)_id_.*")
DOMAINS = {"0": "source", "1": "target"}


@dataclass(frozen=True)
class Truth:
    """The ground truth of a clip; None: not stated."""

    name: str
    machine: str
    label: int | None = None
    domain: str | None = None


@dataclass
class GroundTruth:
    """The rows of ground truth files, by machine and file name."""

    machines: set[str] = field(default_factory=set)
    _rows: dict[tuple[str, str], Truth] = field(default_factory=dict)

    def of(self, machine: str, name: str) -> Truth | None:
        """Return the row of a file name, or None."""
        return self._rows.get((machine, short_name(name)))

    def rows(self) -> list[Truth]:
        """Return all rows."""
        return list(self._rows.values())

    def add(self, row: Truth) -> str:
        """Add a row; return what is wrong with it, or an empty text."""
        self.machines.add(row.machine)
        key = row.machine, short_name(row.name)
        known = self._rows.get(key)
        if known is None:
            self._rows[key] = row
            return ""
        for what, old, new in (("label", known.label, row.label), ("domain", known.domain, row.domain)):
            if old is not None and new is not None:
                return f"{row.name}: listed twice" if old == new else f"{row.name}: {what} {old} elsewhere, {new} here"
        label = known.label if row.label is None else row.label
        self._rows[key] = replace(known, label=label, domain=known.domain or row.domain)
        return ""


def short_name(name: str) -> str:
    """Return a file name without ``_test``: in 2022 it is in the names of recordings, but not in the ground truth."""
    return re.sub(r"^(section_[0-9]{2})_test_([0-9]+)", r"\1_\2", name)


def read_ground_truth(paths: Sequence[Path]) -> GroundTruth:
    """Read ground truth files, and folders of them (attribute folders are skipped).

    Raises
    ------
    DataError
        All errors, with file and line.
    """
    truth = GroundTruth()
    faults: list[str] = []
    for path in _files(paths, faults):
        where = printable(str(path))
        match = _FILE.fullmatch(path.name)
        machine = match["machine"] if match else ""
        domains = "domain" in path.parent.name
        try:
            for number, row in read_rows(path):
                fields = [value for value in row if value]
                if len(fields) == 1 and match is None:
                    machine = fields[0]
                    continue
                parsed = _parse_file_row(fields, machine, domains) if match else _parse_list_row(fields, machine)
                fault = parsed if isinstance(parsed, str) else truth.add(parsed)
                faults += [f"{where}:{number}: {fault}"] if fault else []
        except DataError as error:
            faults.append(error.message)
    if faults:
        raise DataError("\n".join(faults), hint="Ground truth is read from the organisers' CSV files as they are.")
    return truth


def _files(paths: Sequence[Path], faults: list[str]) -> Iterator[Path]:
    for path in paths:
        if path.is_file():
            yield path
            continue
        found = sorted(p for p in path.rglob("*.csv") if "attributes" not in p.parent.name) if path.is_dir() else []
        if not found:
            faults.append(
                f"{printable(str(path))}: {'no CSV file in it' if path.is_dir() else 'there is no such file'}"
            )
        yield from found


def _parse_file_row(fields: list[str], machine: str, domains: bool) -> Truth | str:
    """Parse a row of a file of one machine and section."""
    if len(fields) != 2 or fields[1] not in DOMAINS:
        return "expected a file name and 0 or 1"
    name, value = fields
    if domains:
        return Truth(name, machine, domain=DOMAINS[value])
    match = SectionsLayout.NAME.fullmatch(name)
    return Truth(name, machine, label=int(value), domain=match["domain"] if match else None)


def _parse_list_row(fields: list[str], machine: str) -> Truth | str:
    """Parse a row of a list of all machines: the clip's name and its original name, which has the label."""
    if not machine:
        return "expected the machine's name on a line of its own before its clips"
    if len(fields) < 2 or (len(fields) > 2 and fields[2] not in DOMAINS):
        return "expected a file name, the original name, and perhaps 0 or 1"
    section, old = SectionsLayout.NAME.fullmatch(fields[1]), _LABELLED_2020.fullmatch(fields[1])
    word = (section["label"] if section else None) or (old[1] if old else None)
    if len(fields) == 2 and word is None:
        return f"no label in the original name {printable(fields[1])}"
    label = int(fields[2]) if len(fields) > 2 else LABELS[str(word)]
    if word is not None and LABELS[word] != label:
        return f"label {label}, but the original name says {word}"
    return Truth(fields[0], machine, label, section["domain"] if section else None)


_NAME_2020 = re.compile(r"(?:(?P<label>normal|anomaly)_)?id_(?P<id>[0-9A-Za-z]+)_[0-9]+\.[A-Za-z0-9]+")


@dataclass(frozen=True)
class TruthRow:
    """A clip with a known label, which scores are compared with."""

    name: str
    machine: str
    id: str
    label: int
    domain: str | None


def truth_of_clips(clips: Iterable[Clip]) -> list[TruthRow]:
    """Return the labelled test clips of a data folder."""
    return [
        TruthRow(c.path.name, c.machine, c.id, c.label, c.domain)
        for c in clips
        if c.split == "test" and c.label is not None
    ]


def truth_of_rows(truth: GroundTruth) -> list[TruthRow]:
    """Return the rows of ground truth files that have a label."""
    return [
        TruthRow(row.name, row.machine, _id_of(row.name) or "00", row.label, row.domain)
        for row in truth.rows()
        if row.label is not None
    ]


def truth_of_names(system: SystemScores) -> list[TruthRow]:
    """Take labels from the names of the scored clips, as development sets have them.

    Raises
    ------
    DataError
        Names clips without a label in their name, or with another id than the file that scores them.
    """
    rows = []
    faults: dict[str, list[str]] = {}
    for (machine, name), id_ in system.ids.items():
        clip = f"{machine}/{printable(name)}"
        match = _NAME_2020.fullmatch(name) or SectionsLayout.NAME.fullmatch(name)
        if match is None or match["label"] is None:
            faults.setdefault("its name has no label", []).append(clip)
            continue
        if match["id"] != id_:
            faults.setdefault(f"its name says id {match['id']}, the file that scores it {id_}", []).append(clip)
        if (match.groupdict().get("split") or "").lower() == "train":
            faults.setdefault("a training clip; expected scores of test clips", []).append(clip)
            continue
        domain = (match.groupdict().get("domain") or "").lower() or None
        rows.append(TruthRow(name, machine, id_, LABELS[match["label"].lower()], domain))
    if faults:
        raise DataError(_folded(faults), hint="Give the labels with --data or --ground-truth.")
    return rows


def join(system: SystemScores, truth: Sequence[TruthRow]) -> tuple[list[TruthRow], list[str]]:
    """Join a system's scores with labels, for the machines and ids that it scored.

    Returns
    -------
    rows, absent
        One row per scored clip, with the system's name of the clip; machine and id of those with labels but without a
        score file.

    Raises
    ------
    DataError
        Names clips without a score, scores without a clip, and decisions that do not match the scores.
    """
    by_key = {(row.machine, short_name(row.name)): row for row in truth}
    scored = {(machine, short_name(name)): name for machine, name in system.scores}
    scored_ids = {(key[0], by_key[key].id) for key in scored if key in by_key}
    faults = {
        f"no score of {system.name}": [
            f"{row.machine}/{row.name}"
            for key, row in by_key.items()
            if (row.machine, row.id) in scored_ids and key not in scored
        ],
        f"scored by {system.name}, but no such test clip is known": [
            f"{machine}/{printable(name)}"
            for (machine, short), name in scored.items()
            if (machine, short) not in by_key
        ],
    }
    if system.decisions:
        for problem, has, lacks in (
            ("a decision but no score", system.decisions, system.scores),
            ("no decision", system.scores, system.decisions),
        ):
            faults[problem] = [f"{machine}/{printable(name)}" for machine, name in sorted(has.keys() - lacks.keys())]
    if any(faults.values()):
        raise DataError(_folded(faults), hint="Scores and clips must match one to one, by name.")
    rows = [
        TruthRow(scored[key], row.machine, row.id, row.label, row.domain)
        for key, row in by_key.items()
        if (row.machine, row.id) in scored_ids
    ]
    known = {(row.machine, row.id) for row in truth}
    return rows, [f"{machine} {id_}" for machine, id_ in sorted(known - scored_ids)]


def _id_of(name: str) -> str | None:
    match = SectionsLayout.NAME.fullmatch(name) or _NAME_2020.fullmatch(name)
    return match["id"] if match else None


def _folded(faults: Mapping[str, Sequence[str]]) -> str:
    """Write one line per problem, however many clips have it."""
    return "\n".join(
        f"{clips[0]}{_and_others(len(clips) - 1)}: {problem}" for problem, clips in faults.items() if clips
    )


def _and_others(count: int) -> str:
    return f" and {plural(count, 'other clip')}" if count else ""
