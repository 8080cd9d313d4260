"""A finished run as a report shows it: the records of its files, checked against each other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from asdkit.bundle import ThresholdRule
from asdkit.metrics import IdResult, Mean, rule_for
from asdkit.run.records import ResultsRecord, SettingsRecord, SkippedRecord, SystemRecord
from asdkit.run.score_table import ScoreTable
from asdkit.run.store import RESULTS, SCORES, RunPaths, read_results, read_scores, read_settings, unreadable


@dataclass(frozen=True)
class Run:
    """A finished run.

    Attributes
    ----------
    folder
        The run folder.
    settings, record
        ``settings.json`` and ``results.json``.
    tables
        Clips and scores of each machine.
    members, systems
        In the order of the columns of ``scores.csv``.
    """

    folder: Path
    settings: SettingsRecord
    record: ResultsRecord
    tables: dict[str, ScoreTable]
    members: list[str]
    systems: dict[str, SystemRecord]

    @property
    def name(self) -> str:
        """Name of the run; without one, of its folder."""
        return self.record.name or self.folder.name

    @property
    def results(self) -> list[IdResult]:
        """Figures of each id."""
        return self.record.results

    @property
    def means(self) -> list[Mean]:
        """Means of the figures over ids and over machines."""
        return self.record.means

    @property
    def average(self) -> str:
        """The kind of mean that the figures are averaged by."""
        return rule_for(self.settings.data.layout).mean

    @property
    def rule(self) -> ThresholdRule:
        """The rule for thresholds."""
        calibration = self.settings.calibration
        return ThresholdRule(calibration.false_alarm_rate, calibration.threshold)

    @property
    def failed(self) -> dict[str, str]:
        """Why jobs and fusers failed, by title."""
        return self.record.failed

    @property
    def skipped(self) -> list[SkippedRecord]:
        """Recordings left out."""
        return self.record.skipped

    @property
    def notes(self) -> list[str]:
        """Notes of the run."""
        return self.record.notes

    def names(self, machine: str) -> list[str]:
        """Members and systems that have scores of a machine."""
        return [n for n in (*self.members, *self.systems) if n in self.tables[machine].columns]

    def drawn(self, machine: str) -> list[str]:
        """Names whose scores are drawn: the systems, or the members if there is no system."""
        names = self.names(machine)
        return [n for n in names if n in self.systems] or names

    def ids(self, machine: str) -> list[str]:
        """Ids of a machine's clips, sorted."""
        return sorted(set(self.tables[machine].ids))


def read_run(folder: Path) -> Run:
    """Read a finished run.

    Parameters
    ----------
    folder
        The run folder.

    Raises
    ------
    DataError
        If the folder holds no finished run, or its files are not valid or do not fit together.
    """
    paths = RunPaths(folder)
    settings, record = read_settings(paths), read_results(paths)
    members = {name for detectors in settings.machines.values() for name in detectors}
    columns, tables = read_scores(paths, {*members, *settings.systems}, record)
    if fault := _mismatch(record.results, tables):
        raise unreadable(folder, fault)
    return Run(
        folder,
        settings,
        record,
        tables,
        members=[n for n in columns if n in members],
        systems={n: settings.systems[n] for n in columns if n in settings.systems},
    )


def _mismatch(results: Sequence[IdResult], tables: Mapping[str, ScoreTable]) -> str:
    """Say which figures were not computed from as many clips as there are; empty if all were."""
    for row in results:
        if row.auc is None or row.domain is not None:
            continue
        table = tables.get(row.machine, ScoreTable())
        if [table.count(row.id, "test", label) for label in (0, 1)] != [row.n_normal, row.n_anomaly]:
            return f"{SCORES} and {RESULTS} differ in the test clips of {row.machine} id {row.id}"
    return ""
