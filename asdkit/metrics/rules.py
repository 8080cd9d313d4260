"""How each edition of the challenge makes its official score of AUCs and pAUCs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, TypeVar

import numpy as np

from asdkit.metrics.evaluating import IdResult
from asdkit.metrics.roc import FloatArray

Figure = TypeVar("Figure", float, FloatArray)


@dataclass(frozen=True)
class Rule:
    """What an edition takes the AUC of, and how it averages.

    Attributes
    ----------
    name
        The edition that began it.
    anomalies
        Which anomalies the normal clips of a domain are held against: ``"own"``, those of that domain (2021), or
        ``"all"`` of the section (2022 on). None: domains are not told apart (2020).
    """

    name: str
    anomalies: Literal["own", "all"] | None

    @property
    def mean(self) -> str:
        """What the figures are averaged by, in words."""
        return "arithmetic mean" if self.anomalies is None else "harmonic mean"

    def average(
        self, rows: Sequence[IdResult], auc: Callable[[IdResult], Figure], pauc: Callable[[IdResult], Figure]
    ) -> tuple[Figure, Figure, Figure] | None:
        """AUC, pAUC and official score over ids (sections) and machines; None where no id has all its figures.

        2020: arithmetic means over ids, then over machines; the score is the mean of both (a convention of later
        papers: the challenge itself ranked, see `rank`). 2021: the harmonic mean of the AUC and pAUC of each section
        and domain. From 2022: the harmonic mean of each section's AUC in either domain and its pAUC over both.

        Parameters
        ----------
        rows
            Results of one system, of one machine or several.
        auc, pauc
            What to average: the figure of a row, or resamples of it [float64, ``[resamples]``].
        """
        whole = list(self._complete(rows))
        if not whole:
            return None
        if self.anomalies is None:
            by_machine: dict[str, list[IdResult]] = {}
            for (row,) in whole:
                by_machine.setdefault(row.machine, []).append(row)
            mean_auc = _arithmetic([_arithmetic([auc(r) for r in ids]) for ids in by_machine.values()])
            mean_pauc = _arithmetic([_arithmetic([pauc(r) for r in ids]) for ids in by_machine.values()])
            return mean_auc, mean_pauc, (mean_auc + mean_pauc) / 2
        domains = [row for section in whole for row in section if row.domain is not None]
        both = [row for section in whole for row in section if row.domain is None]
        aucs = [auc(row) for row in domains]
        paucs = [pauc(row) for row in (domains if self.anomalies == "own" else both)]
        return _harmonic(aucs), _harmonic(paucs), _harmonic(aucs + paucs)

    def _complete(self, rows: Iterable[IdResult]) -> Iterable[list[IdResult]]:
        """Rows of each machine id, where all that the score needs of them is there."""
        sections: dict[tuple[str, str], list[IdResult]] = {}
        for row in rows:
            if row.domain is None or self.anomalies is not None:
                sections.setdefault((row.machine, row.id), []).append(row)
        for section in sections.values():
            enough = self.anomalies is None or any(row.domain is not None for row in section)
            if enough and all(row.auc is not None for row in section):
                yield section


DCASE2020 = Rule("dcase2020", None)
DCASE2021 = Rule("dcase2021", "own")
DCASE2022 = Rule("dcase2022", "all")

LATER = ("dcase2022", "dcase2023", "dcase2024", "dcase2025", "dcase2026")


def rule_for(layout: str) -> Rule:
    """Find the rule of a data layout; data of no edition follow that of 2020, which needs no domains."""
    if layout in LATER:
        return DCASE2022
    return DCASE2021 if layout == "dcase2021" else DCASE2020


def _arithmetic(figures: Sequence[Figure]) -> Figure:
    return sum(figures[1:], start=figures[0]) / len(figures)


def _harmonic(figures: Sequence[Figure]) -> Figure:
    """0 where any figure is 0, as its limit is."""
    with np.errstate(divide="ignore"):
        inverse = sum((np.divide(1.0, figure) for figure in figures[1:]), start=np.divide(1.0, figures[0]))
        mean: Figure = len(figures) / inverse
    return mean
