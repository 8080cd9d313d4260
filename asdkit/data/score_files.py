"""Score and decision files of any system: CSV files with a clip's file name and a number per line.

File names are those of DCASE's baselines (``anomaly_score_<machine>_id_XX.csv``,
``..._section_XX[_source|_target]_test[...].csv``, ``decision_result_...``). Text before or after that names the system.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from asdkit.errors import DataError
from asdkit.layouts.base import is_recording
from asdkit.layouts.csv_table import read_rows
from asdkit.layouts.dcase import SectionsLayout
from asdkit.text import from_spreadsheet_cell, printable

_FILE = re.compile(
    r"(?P<before>.*?)_?(?P<kind>anomaly_score|decision_result)_(?:DCASE[0-9]{4}T[0-9])?(?P<machine>.+?)"
    r"_(?:id|section)_(?P<id>[0-9A-Za-z]+)(?P<domain>_(?:source|target))?(?P<test>_test)?_?(?P<after>.*)\.csv"
)
_DECIMAL_COMMA = re.compile(r"[-+]?[0-9]+,[0-9]+(?:[eE][-+]?[0-9]+)?")

FileForm = Literal["domain", "test", ""]


@dataclass
class SystemScores:
    """Scores and decisions of one system.

    Attributes
    ----------
    scores, decisions
        By machine and file name; decisions are 0 or 1 and may be missing.
    ids
        By machine and file name: the id (section) of the file that was read.
    forms
        How its files are named: ``"domain"`` is one file per domain (2021), ``"test"`` one per section (2022 on).
    """

    name: str
    scores: dict[tuple[str, str], float] = field(default_factory=dict)
    decisions: dict[tuple[str, str], float] = field(default_factory=dict)
    ids: dict[tuple[str, str], str] = field(default_factory=dict)
    forms: set[FileForm] = field(default_factory=set)


def read_scores(paths: Sequence[Path]) -> list[SystemScores]:
    """Read score files, and folders of them; other text around the challenge's part of a name is another system.

    Raises
    ------
    DataError
        All errors, with file and line: no such file, a file name without a machine, a row that is not a name and a
        number, a score that is not finite, a clip listed twice.
    """
    systems: dict[str, SystemScores] = {}
    faults: list[str] = []
    for path in _files(paths, faults):
        match = _FILE.fullmatch(path.name)
        if match is None:
            faults.append(
                f"{printable(str(path))}: expected a name such as anomaly_score_fan_id_00.csv or "
                "anomaly_score_fan_section_00_test.csv"
            )
            continue
        around = " ".join(part for part in (match["before"].strip("_"), match["after"].strip("_")) if part)
        name = around or path.absolute().parent.name
        system = systems.setdefault(name, SystemScores(name))
        system.forms.add("domain" if match["domain"] else "test" if match["test"] else "")
        target = system.scores if match["kind"] == "anomaly_score" else system.decisions
        for line, clip, value in _rows(path, faults):
            key = printable(match["machine"]), clip
            if contrary := _contrary_domain(match["domain"], clip):
                faults.append(f"{printable(str(path))}:{line}: {printable(clip)}: {contrary}")
            elif key in target:
                faults.append(f"{printable(str(path))}:{line}: {printable(clip)}: listed twice")
            elif target is system.decisions and value not in (0.0, 1.0):
                faults.append(f"{printable(str(path))}:{line}: {printable(clip)}: decision is {value:g}, not 0 or 1")
            else:
                target[key] = value
                system.ids[key] = match["id"]
    if faults:
        raise DataError("\n".join(faults), hint="Every clip needs one row: its file name and one finite number.")
    return list(systems.values())


def _contrary_domain(domain: str | None, clip: str) -> str:
    """Return how the domain in a score file's name contradicts that of a clip's; empty if it does not."""
    named = SectionsLayout.NAME.fullmatch(clip)
    of_clip = (named["domain"] or "").lower() if named else ""
    of_file = (domain or "").strip("_")
    return f"a {of_clip} clip in a file of the {of_file} domain" if of_clip and of_file not in ("", of_clip) else ""


def _files(paths: Sequence[Path], faults: list[str]) -> Iterator[Path]:
    """Yield the given files, and score or decision files in the given folders."""
    for path in paths:
        if path.is_file():
            yield path
            continue
        found = [p for p in sorted(path.glob("*.csv")) if _FILE.fullmatch(p.name)] if path.is_dir() else []
        if not found:
            why = "no file of scores in it" if path.is_dir() else "there is no such file"
            faults.append(f"{printable(str(path))}: {why}")
        yield from found


def _rows(path: Path, faults: list[str]) -> Iterator[tuple[int, str, float]]:
    """Yield line, file name and number of each row; a first row without a recording and a number is a header."""
    where = printable(str(path))
    count = 0
    try:
        for line, row in read_rows(path):
            clip = from_spreadsheet_cell(row[0]).replace("\\", "/").rpartition("/")[2]
            value = _number(row[1]) if len(row) == 2 else None
            if value is None and len(row) == 2 and line == 1 and not is_recording(clip):
                continue
            count += 1
            if value is None or not clip:
                wrong = f"expected a file name and a number, found {printable(','.join(row))}"
                if len(row) == 2 and _DECIMAL_COMMA.fullmatch(row[1]):
                    wrong += "; write the number with a decimal point"
                faults.append(f"{where}:{line}: {wrong}")
            elif not math.isfinite(value):
                faults.append(f"{where}:{line}: {printable(clip)}: the score is {value}")
            else:
                yield line, clip, value
    except DataError as error:
        faults.append(error.message)
    else:
        if not count:
            faults.append(f"{where}: no row in it")


def _number(text: str) -> float | None:
    try:
        return None if "_" in text else float(text)  # Python reads 1_000
    except ValueError:
        return None
