"""How good a system's own decisions are."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True)
class Decisions:
    """Counts of decisions, anomaly being what is looked for."""

    true_positive: int
    false_positive: int
    false_negative: int
    true_negative: int

    @property
    def precision(self) -> float:
        """Share of alarms that were right; 0 without alarms."""
        alarms = self.true_positive + self.false_positive
        return self.true_positive / alarms if alarms else 0.0

    @property
    def recall(self) -> float:
        """Share of anomalies that raised an alarm; 0 without anomalies."""
        anomalies = self.true_positive + self.false_negative
        return self.true_positive / anomalies if anomalies else 0.0

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall."""
        found = 2 * self.true_positive
        return found / (found + self.false_positive + self.false_negative) if found else 0.0


def judge(labels: npt.ArrayLike, decisions: npt.ArrayLike) -> Decisions:
    """Count decisions by how right they were.

    Parameters
    ----------
    labels, decisions
        [int, ``[clips]``] 0 normal, 1 anomaly.
    """
    truth, said = np.asarray(labels, dtype=bool), np.asarray(decisions, dtype=bool)
    return Decisions(
        int((truth & said).sum()), int((~truth & said).sum()), int((truth & ~said).sum()), int((~truth & ~said).sum())
    )
