"""How good a system's own decisions are.

Scores joined to what is known of the clips, by name, and judged id by id.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from asdkit.errors import DataError
from asdkit.metrics.roc import auc, pauc
from asdkit.metrics.rules import IdResult

if TYPE_CHECKING:
    from asdkit.metrics.rules import ScoringRule


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


def count_decisions(labels: npt.ArrayLike, decisions: npt.ArrayLike) -> Decisions:
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


POOLED = "pooled"
"""The id of clips of all ids taken as one (see `pool_ids`)."""


@dataclass(frozen=True)
class LabelledClip:
    """A test clip with what is known of it: the truth that scores are joined to, by name."""

    name: str
    machine: str
    id: str
    label: int
    domain: str | None = None


def evaluate(
    truth: Sequence[LabelledClip], scores: Mapping[str, float], *, name: str, kind: str, rule: ScoringRule | None = None
) -> list[IdResult]:
    """AUC and pAUC of each machine id, scores joined to clips by name.

    Parameters
    ----------
    truth
        Labelled test clips.
    scores
        Clip name to score. A clip of `truth` without a score, or with one that is not finite, is an error.
    name, kind
        What produced the scores; copied into the results.
    rule
        Under a rule that tells domains apart, an id has a row for each domain beside the one of all its clips.

    Raises
    ------
    DataError
        For missing or non-finite scores, and for clips named twice; all of them at once.
    """
    problems = [f"{clip}: listed {n} times" for clip, n in Counter(c.name for c in truth).items() if n > 1]
    problems += [f"{c.name}: no score of {name}" for c in truth if c.name not in scores]
    problems += [
        f"{c.name}: the score of {name} is {scores[c.name]}"
        for c in truth
        if c.name in scores and not np.isfinite(scores[c.name])
    ]
    if problems:
        raise DataError("\n".join(problems), hint="Scores and clips must match one to one before anything is averaged.")
    results = []
    for (machine, id_), clips in by_id(truth).items():
        for domain, its in by_domain(clips, rule).items():
            labels = [c.label for c in its]
            values = [scores[c.name] for c in its]
            n_anomaly = sum(labels)
            n_normal = len(labels) - n_anomaly
            both = n_anomaly > 0 and n_normal > 0
            area = auc(labels, values) if both else None
            part = pauc(labels, values) if both else None
            results.append(IdResult(machine, id_, name, kind, area, part, n_normal, n_anomaly, domain))
    return results


def by_id(truth: Sequence[LabelledClip]) -> dict[tuple[str, str], list[LabelledClip]]:
    """Clips of each machine and id, sorted by both and by name."""
    groups: dict[tuple[str, str], list[LabelledClip]] = {}
    for clip in sorted(truth, key=lambda c: (c.machine, c.id, c.name)):
        groups.setdefault((clip.machine, clip.id), []).append(clip)
    return groups


def by_domain(clips: Sequence[LabelledClip], rule: ScoringRule | None) -> dict[str | None, list[LabelledClip]]:
    """What one id is judged on: all clips (None), and each domain's as the rule has it."""
    groups: dict[str | None, list[LabelledClip]] = {None: list(clips)}
    if rule is not None and rule.anomalies is not None:
        for domain in sorted({c.domain for c in clips if c.domain is not None}):
            every = rule.anomalies == "all"
            groups[domain] = [c for c in clips if c.domain == domain or (every and c.label == 1)]
    return groups


def pool_ids(truth: Sequence[LabelledClip]) -> list[LabelledClip]:
    """Take all ids of a machine as one, as some papers do; such figures compare with their like alone."""
    return [replace(clip, id=POOLED) for clip in truth]
