"""Scoring rules of the challenge's editions: official scores, means over ids and machines, ranking of systems."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, TypeVar

import numpy as np

from asdkit.metrics.roc import FloatArray

Figure = TypeVar("Figure", float, FloatArray)


@dataclass(frozen=True)
class IdResult:
    """AUC and pAUC of one id (section) for one member or system; None where a class is missing.

    Attributes
    ----------
    name, kind
        Of the member or system; kind is ``"member"`` or ``"system"``.
    domain
        Of the normal clips: ``"source"`` or ``"target"``; None: all.
    """

    machine: str
    id: str
    name: str
    kind: str
    auc: float | None
    pauc: float | None
    n_normal: int
    n_anomaly: int
    domain: str | None = None


@dataclass(frozen=True)
class Mean:
    """AUC and pAUC averaged by a rule: over the ids of one machine, or (`machine` None) over machines.

    Attributes
    ----------
    of
        Number of ids (of one machine) or machines in the mean.
    official
        The edition's score; see `ScoringRule.average`.
    """

    machine: str | None
    name: str
    kind: str
    auc: float | None
    pauc: float | None
    of: int
    official: float | None = None


@dataclass(frozen=True)
class ScoringRule:
    """Which clips an edition's AUCs compare, and how it averages them.

    Attributes
    ----------
    name
        The first edition with this rule.
    anomalies
        The anomalies that a domain's normal clips are compared with: ``"own"``, those of that domain (2021), or
        ``"all"`` of the section (2022 on). None: one AUC over all domains (2020).
    """

    name: str
    anomalies: Literal["own", "all"] | None

    @property
    def mean(self) -> str:
        """The kind of mean, in words."""
        return "arithmetic mean" if self.anomalies is None else "harmonic mean"

    def average(
        self, rows: Sequence[IdResult], auc: Callable[[IdResult], Figure], pauc: Callable[[IdResult], Figure]
    ) -> tuple[Figure, Figure, Figure] | None:
        """Average AUC, pAUC and official score over ids (sections) and machines; None if no id has all figures.

        2020: arithmetic means over ids, then over machines; the score is the mean of both (a convention of later
        papers: the challenge itself ranked, see `rank`). 2021: the harmonic mean of the AUC and pAUC of each section
        and domain. From 2022: the harmonic mean of each section's AUC in either domain and its pAUC over both.

        Parameters
        ----------
        rows
            Results of one system, of one machine or several.
        auc, pauc
            Return what is averaged: the figure of a row, or its resamples [float64, ``[resamples]``].
        """
        sections = list(self._complete_sections(rows))
        if not sections:
            return None
        if self.anomalies is None:
            by_machine: dict[str, list[IdResult]] = {}
            for (row,) in sections:
                by_machine.setdefault(row.machine, []).append(row)
            mean_auc = _arithmetic([_arithmetic([auc(r) for r in ids]) for ids in by_machine.values()])
            mean_pauc = _arithmetic([_arithmetic([pauc(r) for r in ids]) for ids in by_machine.values()])
            return mean_auc, mean_pauc, (mean_auc + mean_pauc) / 2
        domains = [row for section in sections for row in section if row.domain is not None]
        both = [row for section in sections for row in section if row.domain is None]
        aucs = [auc(row) for row in domains]
        paucs = [pauc(row) for row in (domains if self.anomalies == "own" else both)]
        return _harmonic(aucs), _harmonic(paucs), _harmonic(aucs + paucs)

    def _complete_sections(self, rows: Iterable[IdResult]) -> Iterable[list[IdResult]]:
        """Yield the rows of each machine and id that has every figure the score needs."""
        sections: dict[tuple[str, str], list[IdResult]] = {}
        for row in rows:
            if row.domain is None or self.anomalies is not None:
                sections.setdefault((row.machine, row.id), []).append(row)
        for section in sections.values():
            enough = self.anomalies is None or any(row.domain is not None for row in section)
            if enough and all(row.auc is not None for row in section):
                yield section


DCASE2020 = ScoringRule("dcase2020", None)
DCASE2021 = ScoringRule("dcase2021", "own")
DCASE2022 = ScoringRule("dcase2022", "all")

_LAYOUTS_2022_ON = ("dcase2022", "dcase2023", "dcase2024", "dcase2025", "dcase2026")


def rule_for(layout: str) -> ScoringRule:
    """Return the rule of a data layout; layouts of no edition have that of 2020, which needs no domains.

    Examples
    --------
    >>> from asdkit.metrics import rule_for
    >>> rule_for("dcase2024").name
    'dcase2022'
    >>> rule_for("folder").mean
    'arithmetic mean'
    """
    if layout in _LAYOUTS_2022_ON:
        return DCASE2022
    return DCASE2021 if layout == "dcase2021" else DCASE2020


def means(results: Iterable[IdResult], rule: ScoringRule = DCASE2020) -> list[Mean]:
    """Average the results of each member and system: of each machine, then over machines.

    Ids without all their figures are left out.

    Parameters
    ----------
    results
        Results of any number of members and systems.
    rule
        How to average.

    Examples
    --------
    >>> from asdkit.metrics import IdResult, means
    >>> results = [
    ...     IdResult("fan", "00", "knn", "member", auc=0.9, pauc=0.8, n_normal=50, n_anomaly=50),
    ...     IdResult("fan", "02", "knn", "member", auc=0.7, pauc=0.6, n_normal=50, n_anomaly=50),
    ... ]
    >>> fan, over_machines = means(results)
    >>> round(fan.auc, 6), fan.of, over_machines.of
    (0.8, 2, 1)
    """
    by_name: dict[tuple[str, str], dict[str, list[IdResult]]] = {}
    for result in results:
        by_name.setdefault((result.name, result.kind), {}).setdefault(result.machine, []).append(result)
    machines = [
        _mean(machine, name, kind, rows, len({r.id for r in rows if r.auc is not None}), rule)
        for (name, kind), by_machine in by_name.items()
        for machine, rows in by_machine.items()
    ]
    overall = []
    for (name, kind), by_machine in by_name.items():
        count = sum(m.official is not None for m in machines if (m.name, m.kind) == (name, kind))
        overall.append(_mean(None, name, kind, [r for rows in by_machine.values() for r in rows], count, rule))
    return machines + overall


def partial_means(averages: Iterable[Mean]) -> list[tuple[Mean, int]]:
    """List the overall means over fewer machines than the fullest one, each with the machine count of that one.

    Such a mean is not comparable with the others.

    Examples
    --------
    >>> from asdkit.metrics import Mean, partial_means
    >>> averages = [Mean(None, "knn", "system", 0.8, 0.6, of=4), Mean(None, "gmm", "system", 0.9, 0.7, of=3)]
    >>> [(mean.name, mean.of, most) for mean, most in partial_means(averages)]
    [('gmm', 3, 4)]
    """
    overall = [mean for mean in averages if mean.machine is None]
    most = max((mean.of for mean in overall), default=0)
    return [(mean, most) for mean in overall if 0 < mean.of < most]


def auc_and_pauc(row: IdResult | Mean | None, missing: str) -> str:
    """Return ``AUC (pAUC)`` in per cent as a cell of a results table; `missing` without figures."""
    if row is None or row.auc is None or row.pauc is None:
        return missing
    return f"{100 * row.auc:.2f} ({100 * row.pauc:.2f})"


def rank(results: Sequence[Mean]) -> dict[str, float]:
    """Rank systems as the challenge of 2020 did: by their mean place, best (lowest) first.

    A system has a place (1 is best, ties share the mean place) for AUC and one for pAUC on each machine. That the
    organisers averaged places is inferred from their table, where the highest mean AUC came fourth.

    Parameters
    ----------
    results
        Means of every system on the same machines; means over machines are ignored.

    Raises
    ------
    ValueError
        If a system has no figures for a machine.

    Examples
    --------
    >>> from asdkit.metrics import Mean, rank
    >>> rank([Mean("fan", "knn", "system", 0.8, 0.6, of=4), Mean("fan", "gmm", "system", 0.9, 0.7, of=4)])
    {'gmm': 1.0, 'knn': 2.0}
    """
    names = list(dict.fromkeys(m.name for m in results))
    places: dict[str, list[float]] = {name: [] for name in names}
    for machine in sorted({m.machine for m in results if m.machine is not None}):
        rows = [m for m in results if m.machine == machine and m.auc is not None]
        if {m.name for m in rows} != set(names):
            raise ValueError(f"not every system has figures for {machine}")
        for figures in ([(m.name, m.auc) for m in rows], [(m.name, m.pauc) for m in rows]):
            for name, own in figures:
                better = sum(other > own for _, other in figures)  # type: ignore[operator]
                equal = sum(other == own for _, other in figures)
                places[name].append(better + (equal + 1) / 2)
    mean_places = {name: sum(p) / len(p) for name, p in places.items() if p}
    return dict(sorted(mean_places.items(), key=lambda item: item[1]))


def _mean(machine: str | None, name: str, kind: str, rows: Sequence[IdResult], count: int, rule: ScoringRule) -> Mean:
    averages = rule.average(rows, auc=lambda r: float(r.auc or 0), pauc=lambda r: float(r.pauc or 0))
    if averages is None:
        return Mean(machine, name, kind, None, None, 0)
    auc, pauc, official = map(float, averages)
    return Mean(machine, name, kind, auc, pauc, count, official)


def _arithmetic(figures: Sequence[Figure]) -> Figure:
    return sum(figures[1:], start=figures[0]) / len(figures)


def _harmonic(figures: Sequence[Figure]) -> Figure:
    """Return 0 where any figure is 0: the limit of the mean."""
    with np.errstate(divide="ignore"):
        inverse = sum((np.divide(1.0, figure) for figure in figures[1:]), start=np.divide(1.0, figures[0]))
        mean: Figure = len(figures) / inverse
    return mean
