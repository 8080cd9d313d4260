"""`Spec`: a checked spec, merged, with the place of every setting."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from asdkit.spec.check import report_problems
from asdkit.spec.diagnostics import Diagnostics, SourceLocations
from asdkit.spec.document import SpecTable
from asdkit.spec.settings import CalibrationSettings, ComputeSettings, DataSettings, DetectorSettings, SystemSettings


@dataclass(frozen=True)
class Spec:
    """A checked spec.

    Attributes
    ----------
    path
        The file, as the person named it.
    text
        What it holds, as written (``--set`` is not in it; see `sets`).
    sets
        Edits of the tables, in order.
    name
        Of the run folder; the file's name where the spec gives none.
    data
        Which recordings; `DataSettings.root` is absolute.
    detectors
        Each detector as it is for a machine that overrides nothing.
    overrides
        Machine -> the detectors that it overrides, merged.
    systems
        The systems, in the order of the spec.
    """

    path: Path
    text: str
    sets: tuple[str, ...]
    name: str
    seed: int
    data: DataSettings
    compute: ComputeSettings
    calibration: CalibrationSettings
    detectors: Mapping[str, DetectorSettings]
    overrides: Mapping[str, Mapping[str, DetectorSettings]]
    systems: Mapping[str, SystemSettings]
    places: SourceLocations = field(repr=False)
    tables: Mapping[tuple[str | None, str], SpecTable] = field(repr=False)

    @property
    def detector_names(self) -> tuple[str, ...]:
        """Names of the detectors, in the order of the spec."""
        return tuple(self.detectors)

    @property
    def machine_names(self) -> tuple[str, ...]:
        """Machines that ``[machines]`` names; the data may not have them."""
        return tuple(self.overrides)

    def detectors_for(self, machine: str) -> dict[str, DetectorSettings]:
        """All detectors as they are for one machine."""
        return {**self.detectors, **self.overrides.get(machine, {})}

    def problems(self, machine: str, ids: int) -> list[str]:
        """Why detectors cannot work on a machine that has `ids` ids; one line each, with its place.

        Under ``scope = "id"`` each detector has one id.
        """
        faults = Diagnostics(self.places)
        for name, settings in self.detectors_for(machine).items():
            report_problems(settings, self._table(machine, name), faults, ids)
        return faults.lines()

    def located(self, machine: str, detector: str, key: str = "") -> str:
        """Where a detector's key is written, such as ``"spec.toml:57"``; its table, where the key is not."""
        table = self._table(machine, detector)
        return self.places.where(table.written.get(key, table.path))

    def where(self, *keys: str) -> str:
        """Where a key of the spec is written, such as ``where("data", "root")``."""
        return self.places.where(keys)

    def _table(self, machine: str, detector: str) -> SpecTable:
        return self.tables.get((machine, detector)) or self.tables[None, detector]
