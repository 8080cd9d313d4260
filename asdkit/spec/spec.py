"""`Spec`: a checked spec with all settings merged."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from asdkit.config import Config
from asdkit.spec.check import report_problems
from asdkit.spec.diagnostics import Diagnostics, SourceLocations
from asdkit.spec.document import SpecTable
from asdkit.spec.settings import (
    CalibrationSettings,
    ComputeSettings,
    DataSettings,
    DetectorSettings,
    PluginSettings,
    SystemSettings,
)


@dataclass(frozen=True)
class Spec:
    """A checked spec.

    Attributes
    ----------
    path
        The file, as the user named it.
    text
        Content of the file, without the changes by ``--set``; see `sets`.
    sets
        The ``--set`` options, in order.
    name
        Name of the run folder; by default the file's name without its suffix.
    data
        The recordings; `DataSettings.root` is absolute.
    layout
        The layout of the data, with its options.
    detectors
        Each detector with the settings of a machine that overrides nothing.
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
    layout: PluginSettings
    compute: ComputeSettings
    calibration: CalibrationSettings
    detectors: Mapping[str, DetectorSettings]
    overrides: Mapping[str, Mapping[str, DetectorSettings]]
    systems: Mapping[str, SystemSettings]
    locations: SourceLocations = field(repr=False)
    tables: Mapping[tuple[str | None, str], SpecTable] = field(repr=False)

    @property
    def detector_names(self) -> tuple[str, ...]:
        """Names of the detectors, in the order of the spec."""
        return tuple(self.detectors)

    @property
    def machine_names(self) -> tuple[str, ...]:
        """Machines in ``[machines]``; the data may not have them."""
        return tuple(self.overrides)

    @property
    def fuser_configs(self) -> list[Config]:
        """Options of the fusers."""
        return [system.fuser.config for system in self.systems.values() if system.fuser is not None]

    def detectors_for(self, machine: str) -> dict[str, DetectorSettings]:
        """Return all detectors with their settings for one machine."""
        return {**self.detectors, **self.overrides.get(machine, {})}

    def problems(self, machine: str, ids: int) -> list[str]:
        """Return why detectors cannot work on a machine with `ids` ids: one line each, with its location.

        Under ``scope = "id"`` each detector has one id.
        """
        faults = Diagnostics(self.locations)
        for name, settings in self.detectors_for(machine).items():
            report_problems(settings, self.table(machine, name), faults, ids)
        return faults.lines()

    def table(self, machine: str, name: str) -> SpecTable:
        """Return the merged table of a detector for one machine."""
        return self.tables.get((machine, name)) or self.tables[None, name]
