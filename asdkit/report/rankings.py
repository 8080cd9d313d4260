"""Rankings of clips by score, and agreement between the members of a system."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from asdkit.report.run_data import Run
from asdkit.run.score_table import RunSplit, ScoreTable

DoubleArray = npt.NDArray[np.float64]

_SHOWN = 5  # clips of a list
_LEAST_TO_RANK = 3  # test clips
_DISAGREEMENT = 50.0  # least distance between two members' ranks, in per cent of the test clips

_LISTS: tuple[
    tuple[str, RunSplit, int | None, bool], ...
] = (  # heading, split, label, whether the lowest scores come first
    ("Normal, with the highest scores", "test", 0, False),
    ("Anomalous, with the lowest scores", "test", 1, True),
    ("Without a label, with the highest scores", "test", None, False),
    ("Held-out training clips, with the highest scores", "held", 0, False),
    ("Training clips, with the highest scores", "train", 0, False),
)


@dataclass(frozen=True)
class RankedClip:
    """One clip of a ranking.

    Attributes
    ----------
    z
        Standard deviations above the mean of clips of the same id (see `ranked_lists`); None if their scores are all
        equal.
    """

    clip: str
    id: str
    score: float
    z: float | None


def ranked_lists(table: ScoreTable, name: str) -> list[tuple[str, list[RankedClip]]]:
    """List the first mistakes of a threshold and unusual training clips, each list with its heading.

    Clips of several ids are compared by z-scores. Mean and standard deviation are those of one id: for training clips,
    of its training clips; for held-out and test clips, of its held-out clips (if there are fewer than two, of its
    training clips).

    Parameters
    ----------
    table
        Scores of one machine.
    name
        A member or system.
    """
    lists = [(title, rank_clips(table, name, split, label, lowest=low)) for title, split, label, low in _LISTS]
    return [(title, clips) for title, clips in lists if clips]


def rank_clips(
    table: ScoreTable, name: str, split: RunSplit, label: int | None, *, lowest: bool = False
) -> list[RankedClip]:
    """Return the first few clips of a split and label, the highest-scored first (or the lowest)."""
    scores = table.columns[name]
    z = _z_scores(table, scores)
    comparable = bool(np.isfinite(z).all())
    order = np.argsort(z if comparable else scores, kind="stable")
    chosen = table.where(None, split, label)
    first = [i for i in (order if lowest else order[::-1]) if chosen[i]][:_SHOWN]
    return [_ranked(table, i, scores, z if comparable else None) for i in first]


def unusual_training_clips(table: ScoreTable, name: str) -> list[tuple[RankedClip, str]]:
    """Return the training clips with the highest z-scores, each with its split (``"train"`` or ``"held"``)."""
    scores = table.columns[name]
    z = _z_scores(table, scores)
    training = [i for i in np.argsort(-z, kind="stable") if table.splits[i] != "test" and np.isfinite(z[i])]
    return [(_ranked(table, i, scores, z), table.splits[i]) for i in training[:_SHOWN]]


def _ranked(table: ScoreTable, i: int, scores: DoubleArray, z: DoubleArray | None) -> RankedClip:
    return RankedClip(table.clips[i], table.ids[i], float(scores[i]), None if z is None else float(z[i]))


def _z_scores(table: ScoreTable, scores: DoubleArray) -> DoubleArray:
    """Return standard deviations above the mean of the same id [float64, ``[clips]``]; NaN without a spread.

    Clips that detectors were trained on score lower than others. So training clips are compared with each other, and
    held-out and test clips with the held-out ones, if there are at least two.
    """
    z = np.full(len(scores), np.nan)
    for id_ in set(table.ids):
        for split in ("train", "held", "test"):
            own = table.where(id_, split)
            reference = scores[table.where(id_, "train" if split == "train" else "held")]
            if len(reference) < 2:
                reference = scores[table.where(id_, "train")]
            spread = reference.std() if len(reference) > 1 else 0.0
            if spread > 0:
                z[own] = (scores[own] - reference.mean()) / spread
    return z


def agreement(run: Run, machine: str) -> tuple[list[str], list[list[float | None]]]:
    """Compute Spearman's rank correlation of the test scores of each two members, averaged over ids.

    Labels are not used.

    Returns
    -------
    members, correlations
        Names of the members, and a row of correlations for each; None where no id has three test clips with different
        scores.
    """
    table = run.tables[machine]
    members = [n for n in run.members if n in table.columns]
    by_id: list[DoubleArray] = []
    for id_ in run.ids(machine):
        chosen = table.where(id_, "test")
        if not members or chosen.sum() < _LEAST_TO_RANK:
            continue
        ranks = np.array([_ranks(table.columns[n][chosen]) for n in members])
        centred = ranks - ranks.mean(axis=1, keepdims=True)
        norm = np.sqrt((centred**2).sum(axis=1))
        norm[norm == 0] = np.nan
        by_id.append(centred @ centred.T / np.outer(norm, norm))
    correlations: list[list[float | None]] = [[None] * len(members) for _ in members]
    for i in range(len(members)):
        for j in range(len(members)):
            known = [float(m[i, j]) for m in by_id if np.isfinite(m[i, j])]
            correlations[i][j] = sum(known) / len(known) if known else None
    return members, correlations


@dataclass(frozen=True)
class Disagreement:
    """A test clip that members rank differently.

    Attributes
    ----------
    ranks
        Share [%] of the test clips of its id that each member scores lower.
    """

    clip: str
    ranks: list[float]


def disagreements(run: Run, machine: str) -> list[Disagreement]:
    """List the test clips that members rank most differently among those of their id; labels are not used."""
    table = run.tables[machine]
    members = [n for n in run.members if n in table.columns]
    clips: list[Disagreement] = []
    for id_ in run.ids(machine):
        chosen = np.flatnonzero(table.where(id_, "test"))
        if len(members) < 2 or len(chosen) < _LEAST_TO_RANK:
            continue
        shares = np.array([(_ranks(table.columns[n][chosen]) - 1) / (len(chosen) - 1) for n in members])
        clips += [Disagreement(table.clips[i], (100 * s).tolist()) for i, s in zip(chosen, shares.T, strict=True)]
    clips.sort(key=lambda d: min(d.ranks) - max(d.ranks))
    return [d for d in clips[:_SHOWN] if max(d.ranks) - min(d.ranks) >= _DISAGREEMENT]


def _ranks(scores: DoubleArray) -> DoubleArray:
    """Rank scores from 1; ties share the mean rank."""
    _, position, count = np.unique(scores, return_inverse=True, return_counts=True)
    ranks: DoubleArray = (np.cumsum(count) - (count - 1) / 2)[position]
    return ranks
