"""`load_spec`: from a file to a checked `Spec`, or to all that is wrong with it."""

from __future__ import annotations

import datetime
import math
import os
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, TypeVar

from asdkit.config import Config
from asdkit.errors import SpecError
from asdkit.plugins import Registry, discover
from asdkit.spec.check import Checker, read
from asdkit.spec.diagnostics import Diagnostics
from asdkit.spec.document import NAMED, SpecTable, inherit, open_document
from asdkit.spec.messages import is_a, option_names
from asdkit.spec.positions import KeyPath, shown
from asdkit.spec.settings import (
    RESERVED_NAMES,
    CalibrationSettings,
    ComputeSettings,
    DataSettings,
    DetectorSettings,
    HeadKeys,
    SystemSettings,
    name_fault,
)
from asdkit.spec.spec import Spec
from asdkit.text import nearest

FORMAT: Final = 1
"""Version of the spec format that this asdkit reads."""

_SECTIONS = ("data", "compute", "calibration", *NAMED, "machines")

Keys = TypeVar("Keys", bound=Config)


def load_spec(path: str | Path, *, sets: Sequence[str] = (), registry: Registry | None = None) -> Spec:
    """Read, merge and check a spec.

    Parameters
    ----------
    path
        The spec's file.
    sets
        Edits of its tables, such as ``"detectors.M.epochs=2"``, in order.
    registry
        The plugins there are; default: those installed.

    Raises
    ------
    UsageError
        If there is no such file.
    SpecError
        If anything is wrong with the spec: all of it, a line each.
    PluginError
        If nothing is wrong but a plugin that it uses.
    """
    path = Path(path)
    document = open_document(path, sets)
    version = document.tables.get("asdkit")
    if type(version) is int and version > FORMAT:
        where = document.places.where(("asdkit",))
        raise SpecError.of(
            [f"{where}: asdkit: the spec's format is {version}, this asdkit reads {FORMAT}; update asdkit"]
        )
    faults = Diagnostics(document.places, document.misfits)
    loader = _Loader(document.tables, faults, discover() if registry is None else registry)
    head, data, compute = loader.head(path), loader.data(), loader.compute()
    calibration = loader.calibration()
    detectors, overrides = loader.detectors()
    systems = loader.systems()
    faults.finish()
    assert head is not None  # else there are faults
    assert data is not None
    assert compute is not None
    assert calibration is not None
    return Spec(
        path=path,
        text=document.text,
        sets=tuple(sets),
        name=head.name or path.stem,
        seed=head.seed,
        data=_located(data, path.absolute().parent),
        compute=compute,
        calibration=calibration,
        detectors=detectors,
        overrides=overrides,
        systems=systems,
        places=document.places,
        tables=loader.tables,
    )


def _located(data: DataSettings, folder: Path) -> DataSettings:
    """The same with absolute paths."""
    root, *truth = (Path(os.path.realpath(folder / path)) for path in (data.root, *data.ground_truth))
    return data.model_copy(update={"root": root, "ground_truth": tuple(truth)})


class _Loader:
    """Takes the tables of a spec section by section; all faults go into `faults`."""

    def __init__(self, written: Mapping[str, Any], faults: Diagnostics, registry: Registry) -> None:
        self._written = written
        self._faults = faults
        self._checker = Checker(registry, faults)
        self.tables: dict[tuple[str | None, str], SpecTable] = {}
        for path, text in _unusable((), written):
            faults.unusable(path, text)
        self._named = {section: inherit(section, self._section(section), faults) for section in NAMED}
        for section in ("detectors", "systems"):
            self._check_names(section)

    def head(self, path: Path) -> HeadKeys | None:
        """Check the keys above all tables."""
        values = {key: value for key, value in self._written.items() if key not in _SECTIONS}
        if "name" not in values and name_fault(path.stem):
            self._faults.add(("name",), f"missing, and the file's name gives none: {name_fault(path.stem)}")
        table = SpecTable((), values, {})
        return read(HeadKeys, table, values, [*option_names(HeadKeys), *_SECTIONS], self._faults)

    def data(self) -> DataSettings | None:
        """Check ``[data]``."""
        if "data" not in self._written:
            self._faults.add(("data",), "missing; expected a table [data] with layout and root")
            return None
        return self._plain("data", DataSettings)

    def compute(self) -> ComputeSettings | None:
        """Check ``[compute]``."""
        return self._plain("compute", ComputeSettings)

    def calibration(self) -> CalibrationSettings | None:
        """Check ``[calibration]``."""
        return self._plain("calibration", CalibrationSettings)

    def detectors(self) -> tuple[dict[str, DetectorSettings], dict[str, dict[str, DetectorSettings]]]:
        """Check featurizers, augmenters and detectors; of each machine, those that it overrides."""
        check = self._checker
        check.featurizers = {name: check.featurizer(table) for name, table in self._named["featurizers"].items()}
        check.augmenters = {name: check.augmenter(table) for name, table in self._named["augmenters"].items()}
        if not self._written.get("detectors"):
            self._faults.add(("detectors",), "missing; expected a table for each detector, such as [detectors.M]")
        detectors = self._detectors(None, self._named["detectors"])
        overrides = {machine: self._detectors(machine, tables) for machine, tables in self._machines()}
        return detectors, overrides

    def systems(self) -> dict[str, SystemSettings]:
        """Check ``[systems]``."""
        tables = self._named["systems"]
        made = {
            name: self._checker.system(table, list(self._named["detectors"]), list(tables))
            for name, table in tables.items()
        }
        return {name: settings for name, settings in made.items() if settings is not None}

    def _detectors(self, machine: str | None, tables: Mapping[str, SpecTable]) -> dict[str, DetectorSettings]:
        made = {}
        for name, table in tables.items():
            self.tables[machine, name] = table
            settings = self._checker.detector(table)
            if settings is not None:
                made[name] = settings
        return made

    def _machines(self) -> Iterator[tuple[str, dict[str, SpecTable]]]:
        """Of each machine the detectors that it overrides, merged."""
        known = self._named["detectors"]
        for machine, table in self._section("machines").items():
            for key in table.keys() - {"detectors"}:
                text = f"only detectors can be changed for one machine{nearest(key, ['detectors'])}"
                self._faults.add(("machines", machine, key), text)
            found = {}
            for name, values in self._tables_in(("machines", machine, "detectors"), table.get("detectors", {})):
                path: KeyPath = ("machines", machine, "detectors", name)
                if "extends" in values:
                    self._faults.add((*path, "extends"), "not possible for one machine; expected the keys that change")
                if name not in known:
                    self._faults.add(path, f"there is no detector {shown(name)}{nearest(name, known)}")
                    continue
                changes = {key: value for key, value in values.items() if key != "extends"}
                found[name] = known[name].replaced_by(path, changes)
            yield machine, found

    def _section(self, section: str) -> dict[str, Mapping[str, Any]]:
        """The tables of a section; what is no table is a fault and left out."""
        return dict(self._tables_in((section,), self._written.get(section, {})))

    def _tables_in(self, path: KeyPath, value: object) -> Iterator[tuple[str, Mapping[str, Any]]]:
        if not isinstance(value, dict):
            self._faults.add(path, is_a(value, f"tables, such as [{path[-1]}.M]"))
            return
        for name, table in value.items():
            if isinstance(table, dict):
                yield name, table
            else:
                self._faults.add((*path, name), is_a(table, "a table"))

    def _plain(self, section: str, model: type[Keys]) -> Keys | None:
        """Check a section whose keys are the core's alone."""
        values = self._written.get(section, {})
        if not isinstance(values, dict):
            self._faults.add((section,), is_a(values, f"a table [{section}]"))
            return None
        return read(model, SpecTable((section,), values, {}), values, option_names(model), self._faults)

    def _check_names(self, section: str) -> None:
        """Names of detectors and systems become those of columns and folders."""
        folders: dict[str, str] = {}
        for name in self._named[section]:
            folder = unicodedata.normalize("NFC", name).casefold()
            fault = name_fault(name)
            if folder in RESERVED_NAMES:
                fault = f"the name is taken by a run's own files and columns ({', '.join(sorted(RESERVED_NAMES))})"
            elif section == "systems" and folder in folders:
                fault = f"differs from {shown(folders[folder])} in the case of letters alone; both name a folder"
            elif section == "systems" and name in self._named["detectors"]:
                fault = "a detector has this name too; expected another"
            folders.setdefault(folder, name)
            if fault:
                self._faults.add((section, name), fault)


def _unusable(path: KeyPath, value: object) -> Iterator[tuple[KeyPath, str]]:
    """Find what TOML can say and no setting can be: dates, times, infinity, and what is no number."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _unusable((*path, key), inner)
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from _unusable((*path, index), inner)
    elif isinstance(value, datetime.date | datetime.time):
        yield path, f"{value} is a date or time; no setting is (a text needs quotes)"
    elif isinstance(value, float) and not math.isfinite(value):
        yield path, f"{value} is not a finite number"
