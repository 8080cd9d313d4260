"""`load_spec`: read a file and return a checked `Spec`, or raise all faults at once."""

from __future__ import annotations

import datetime
import math
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from asdkit.errors import SpecError
from asdkit.option_files import FileLookup, files_in
from asdkit.plugins import Registry, discover
from asdkit.spec.check import Checker, Keys, check_keys
from asdkit.spec.diagnostics import Diagnostics
from asdkit.spec.document import NAMED, SpecTable, inherit, open_document
from asdkit.spec.messages import option_names, wrong_type
from asdkit.spec.positions import KeyPath, quoted
from asdkit.spec.settings import (
    RESERVED_NAMES,
    CalibrationSettings,
    ComputeSettings,
    DataSettings,
    DetectorSettings,
    HeadKeys,
    PluginSettings,
    SystemSettings,
    folder_key,
    name_fault,
)
from asdkit.spec.spec import Spec
from asdkit.text import suggestion_or_choices

FORMAT: Final = 1
"""Version of the spec format that this asdkit reads."""

_SECTIONS = ("data", "compute", "calibration", *NAMED, "machines")


def load_spec(
    path: str | Path, *, sets: Sequence[str] = (), registry: Registry | None = None, folder: Path | None = None
) -> Spec:
    """Read, merge and check a spec.

    Parameters
    ----------
    path
        The spec file.
    sets
        Changes of its keys, such as ``"detectors.M.epochs=2"``, applied in order.
    registry
        The plugins; by default those that are installed.
    folder
        The folder that files of options are relative to; by default that of the spec.

    Raises
    ------
    UsageError
        If there is no such file.
    SpecError
        If the spec has faults: all of them, one line each.
    PluginError
        If only a plugin that the spec uses is at fault.
    """
    path = Path(path)
    document = open_document(path, sets)
    version = document.tables.get("asdkit")
    if type(version) is int and version > FORMAT:
        where = document.locations.describe(document.locations.find(("asdkit",)))
        raise SpecError.of(
            [f"{where}: asdkit: the spec's format is {version}, this asdkit reads {FORMAT}; update asdkit"]
        )
    faults = Diagnostics(document.locations, document.set_faults)
    files = files_in(folder or path.absolute().parent)
    loader = _Loader(document.tables, faults, discover() if registry is None else registry, files)
    head, data, compute, calibration = loader.head(path), loader.data(), loader.compute(), loader.calibration()
    detectors, overrides = loader.detectors()
    systems = loader.systems()
    faults.raise_if_any()
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
        data=_with_absolute_paths(data, path.absolute().parent),
        layout=loader.layout(),
        compute=compute,
        calibration=calibration,
        detectors=detectors,
        overrides=overrides,
        systems=systems,
        locations=document.locations,
        tables=loader.tables,
    )


def _with_absolute_paths(data: DataSettings, folder: Path) -> DataSettings:
    root, *truth = (Path(os.path.realpath(folder / path)) for path in (data.root, *data.ground_truth))
    return data.model_copy(update={"root": root, "ground_truth": tuple(truth)})


class _Loader:
    """Checks the tables of a spec section by section and adds all faults to `faults`."""

    def __init__(self, written: Mapping[str, Any], faults: Diagnostics, registry: Registry, files: FileLookup) -> None:
        self._written = written
        self._faults = faults
        self._checker = Checker(registry, faults, files)
        self.tables: dict[tuple[str | None, str], SpecTable] = {}
        self._layout: PluginSettings | None = None
        for path, text in _invalid_values((), written):
            faults.add_invalid(path, text)
        self._named = {section: inherit(section, self._section(section), faults) for section in NAMED}
        for section in ("detectors", "systems"):
            self._check_names(section)

    def head(self, path: Path) -> HeadKeys | None:
        """Check the top-level keys."""
        values = {key: value for key, value in self._written.items() if key not in _SECTIONS}
        if "name" not in values and name_fault(path.stem):
            self._faults.add(("name",), f"missing, and the file's name cannot be used: {name_fault(path.stem)}")
        table = SpecTable((), values, {})
        return check_keys(HeadKeys, table, values, [*option_names(HeadKeys), *_SECTIONS], self._faults)

    def data(self) -> DataSettings | None:
        """Check ``[data]``."""
        if "data" not in self._written:
            self._faults.add(("data",), "missing; expected a table [data] with layout and root")
            return None
        data = self._data_section()
        self._checker.sample_rate = None if data is None else data.sample_rate
        return data

    def _data_section(self) -> DataSettings | None:
        written = self._written["data"]
        if not isinstance(written, dict) or "layout" not in written:
            return self._core_section("data", DataSettings)
        locations: dict[str, KeyPath] = {key: ("data", key) for key in written}
        self._layout = self._checker.layout(SpecTable(("data",), written, locations))
        return self._core_section("data", DataSettings, layout=self._layout.use if self._layout is not None else "")

    def layout(self) -> PluginSettings:
        """Return the layout that `data` found; only where there are no faults."""
        assert self._layout is not None
        return self._layout

    def compute(self) -> ComputeSettings | None:
        """Check ``[compute]``."""
        return self._core_section("compute", ComputeSettings)

    def calibration(self) -> CalibrationSettings | None:
        """Check ``[calibration]``."""
        return self._core_section("calibration", CalibrationSettings)

    def detectors(self) -> tuple[dict[str, DetectorSettings], dict[str, dict[str, DetectorSettings]]]:
        """Check featurizers, augmenters and detectors, and the detectors that each machine overrides."""
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
        detectors, names = list(self._named["detectors"]), list(tables)
        checked = {name: self._checker.system(table, detectors, names) for name, table in tables.items()}
        return {name: settings for name, settings in checked.items() if settings is not None}

    def _detectors(self, machine: str | None, tables: Mapping[str, SpecTable]) -> dict[str, DetectorSettings]:
        detectors = {}
        for name, table in tables.items():
            self.tables[machine, name] = table
            settings = self._checker.detector(table)
            if settings is not None:
                detectors[name] = settings
        return detectors

    def _machines(self) -> Iterator[tuple[str, dict[str, SpecTable]]]:
        """Yield each machine with the detectors that it overrides, merged."""
        known = self._named["detectors"]
        for machine, table in self._section("machines").items():
            for key in table.keys() - {"detectors"}:
                choices = suggestion_or_choices(key, ["detectors"])
                text = f"only detectors can be changed for one machine{choices}"
                self._faults.add(("machines", machine, key), text)
            overrides = {}
            for name, values in self._tables_in(("machines", machine, "detectors"), table.get("detectors", {})):
                path: KeyPath = ("machines", machine, "detectors", name)
                if "extends" in values:
                    self._faults.add((*path, "extends"), "not possible for one machine; expected the keys that change")
                if name not in known:
                    choices = suggestion_or_choices(name, known)
                    self._faults.add(path, f"there is no detector {quoted(name)}{choices}")
                    continue
                changes = {key: value for key, value in values.items() if key != "extends"}
                overrides[name] = known[name].overridden(path, changes)
            yield machine, overrides

    def _section(self, section: str) -> dict[str, Mapping[str, Any]]:
        """Return the tables of a section; anything else in it is a fault and left out."""
        return dict(self._tables_in((section,), self._written.get(section, {})))

    def _tables_in(self, path: KeyPath, value: object) -> Iterator[tuple[str, Mapping[str, Any]]]:
        if not isinstance(value, dict):
            self._faults.add(path, wrong_type(value, f"tables, such as [{path[-1]}.M]"))
            return
        for name, table in value.items():
            if isinstance(table, dict):
                yield name, table
            else:
                self._faults.add((*path, name), wrong_type(table, "a table"))

    def _core_section(self, section: str, model: type[Keys], **checked: object) -> Keys | None:
        """Check a section that has only keys of the core."""
        values = self._written.get(section, {})
        if not isinstance(values, dict):
            self._faults.add((section,), wrong_type(values, f"a table [{section}]"))
            return None
        values = {**values, **checked}
        return check_keys(model, SpecTable((section,), values, {}), values, option_names(model), self._faults)

    def _check_names(self, section: str) -> None:
        """Check names of detectors and systems, which become columns and folders."""
        folders: dict[str, str] = {}
        for name in self._named[section]:
            folder = folder_key(name)
            fault = name_fault(name)
            if folder in RESERVED_NAMES:
                fault = f"the name is reserved for a run's files and columns ({', '.join(sorted(RESERVED_NAMES))})"
            elif section == "systems" and folder in folders:
                fault = f"differs from {quoted(folders[folder])} only in upper and lower case; both name a folder"
            elif section == "systems" and name in self._named["detectors"]:
                fault = "a detector has this name too; expected another"
            folders.setdefault(folder, name)
            if fault:
                self._faults.add((section, name), fault)


def _invalid_values(path: KeyPath, value: object) -> Iterator[tuple[KeyPath, str]]:
    """Find TOML values that no setting can have: dates, times, infinity and NaN."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _invalid_values((*path, key), inner)
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from _invalid_values((*path, index), inner)
    elif isinstance(value, datetime.date | datetime.time):
        yield path, f"{value} is a date or time; no setting is (a text needs quotes)"
    elif isinstance(value, float) and not math.isfinite(value):
        yield path, f"{value} is not a finite number"
