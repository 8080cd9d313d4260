"""Evaluation of scores and decisions against labels: scores are joined to clips by name, id by id."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from asdkit.errors import DataError
from asdkit.metrics.roc import auc, pauc
from asdkit.metrics.rules import IdResult, ScoringRule

POOLED = "pooled"
"""The id of clips whose ids are pooled (see `pool_ids`)."""


@dataclass(frozen=True)
class LabelledClip:
    """A test clip and its label; scores are joined to it by its name."""

    name: str
    machine: str
    id: str
    label: int
    domain: str | None = None


def evaluate(
    truth: Sequence[LabelledClip], scores: Mapping[str, float], *, name: str, kind: str, rule: ScoringRule | None = None
) -> list[IdResult]:
    """Compute AUC and pAUC of each machine and id.

    Parameters
    ----------
    truth
        Labelled test clips.
    scores
        Score of each clip by its name. A clip of `truth` without a finite score is an error.
    name, kind
        The member or system that gave the scores; copied into the results.
    rule
        A rule that separates domains adds a row for each domain of an id to the row of all its clips.

    Raises
    ------
    DataError
        If scores are missing or not finite, or a clip is listed twice; lists all of them.

    Examples
    --------
    >>> from asdkit.metrics import LabelledClip, evaluate
    >>> truth = [LabelledClip("a.wav", "fan", "00", label=0), LabelledClip("b.wav", "fan", "00", label=1)]
    >>> (result,) = evaluate(truth, {"a.wav": 0.2, "b.wav": 0.9}, name="knn", kind="member")
    >>> result.id, result.auc, result.n_normal, result.n_anomaly
    ('00', 1.0, 1, 1)
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
    for (machine, id_), id_clips in by_id(truth).items():
        for domain, clips in by_domain(id_clips, rule).items():
            labels = [c.label for c in clips]
            values = [scores[c.name] for c in clips]
            n_anomaly = sum(labels)
            n_normal = len(labels) - n_anomaly
            both = n_anomaly > 0 and n_normal > 0
            area = auc(labels, values) if both else None
            partial_area = pauc(labels, values) if both else None
            results.append(IdResult(machine, id_, name, kind, area, partial_area, n_normal, n_anomaly, domain))
    return results


def by_id(truth: Sequence[LabelledClip]) -> dict[tuple[str, str], list[LabelledClip]]:
    """Group clips by machine and id, sorted by both and by name."""
    groups: dict[tuple[str, str], list[LabelledClip]] = {}
    for clip in sorted(truth, key=lambda c: (c.machine, c.id, c.name)):
        groups.setdefault((clip.machine, clip.id), []).append(clip)
    return groups


def by_domain(clips: Sequence[LabelledClip], rule: ScoringRule | None) -> dict[str | None, list[LabelledClip]]:
    """Group the clips of one id as `rule` evaluates them: all (None), and those of each domain."""
    groups: dict[str | None, list[LabelledClip]] = {None: list(clips)}
    if rule is not None and rule.anomalies is not None:
        for domain in sorted({c.domain for c in clips if c.domain is not None}):
            all_anomalies = rule.anomalies == "all"
            groups[domain] = [c for c in clips if c.domain == domain or (all_anomalies and c.label == 1)]
    return groups


def pool_ids(truth: Sequence[LabelledClip]) -> list[LabelledClip]:
    """Give all clips of a machine one id, as some papers do; compare such figures with each other only.

    Examples
    --------
    >>> from asdkit.metrics import LabelledClip, pool_ids
    >>> pool_ids([LabelledClip("a.wav", "fan", "00", label=0)])[0].id
    'pooled'
    """
    return [replace(clip, id=POOLED) for clip in truth]


@dataclass(frozen=True)
class Decisions:
    """Confusion counts of decisions; an anomaly is a positive."""

    true_positive: int
    false_positive: int
    false_negative: int
    true_negative: int

    @property
    def precision(self) -> float:
        """Share of alarms that are right; 0 without alarms."""
        alarms = self.true_positive + self.false_positive
        return self.true_positive / alarms if alarms else 0.0

    @property
    def recall(self) -> float:
        """Share of anomalies with an alarm; 0 without anomalies."""
        anomalies = self.true_positive + self.false_negative
        return self.true_positive / anomalies if anomalies else 0.0

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall."""
        twice = 2 * self.true_positive
        return twice / (twice + self.false_positive + self.false_negative) if twice else 0.0


def count_decisions(labels: npt.ArrayLike, decisions: npt.ArrayLike) -> Decisions:
    """Count right and wrong decisions of each class.

    Parameters
    ----------
    labels, decisions
        [int, ``[clips]``] 0 normal, 1 anomaly.

    Examples
    --------
    >>> from asdkit.metrics import count_decisions
    >>> counts = count_decisions([0, 0, 1, 1], [0, 1, 1, 1])
    >>> counts.false_positive, counts.recall
    (1, 1.0)
    """
    anomaly, alarm = np.asarray(labels, dtype=bool), np.asarray(decisions, dtype=bool)
    return Decisions(
        true_positive=int((anomaly & alarm).sum()),
        false_positive=int((~anomaly & alarm).sum()),
        false_negative=int((anomaly & ~alarm).sum()),
        true_negative=int((~anomaly & ~alarm).sum()),
    )
