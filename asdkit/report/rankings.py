"""Clips worth listening to, and how far members agree: what scores tell beside the figures."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from asdkit.report.run_data import Run, ScoreTable

_SHOWN = 5
_LEAST_TO_RANK = 3  # test clips
_APART = 50.0  # per cent of the test clips between two places that disagree


@dataclass(frozen=True)
class RankedClip:
    """One clip of a list.

    Attributes
    ----------
    z
        Standard deviations above the mean of its id's clips that `_standardised` names; None where these have no
        spread.
    """

    clip: str
    id: str
    score: float
    z: float | None


def worth_hearing(table: ScoreTable, name: str) -> list[tuple[str, list[RankedClip]]]:
    """Lists of clips, each with its heading: the mistakes a threshold would make first, and odd training clips.

    Scores of several ids are brought to one scale by z-scores: by the clips held out of each id where there are some,
    else by its training clips; training clips themselves by those of their own kind.
    """
    lists = []
    for heading, split, label, lowest in (
        ("Normal, with the highest scores", "test", 0, False),
        ("Anomalous, with the lowest scores", "test", 1, True),
        ("Without a label, with the highest scores", "test", None, False),
        ("Held-out training clips, with the highest scores", "held", 0, False),
        ("Training clips, with the highest scores", "train", 0, False),
    ):
        found = ranked(table, name, split, label, lowest=lowest)
        if found:
            lists.append((heading, found))
    return lists


def ranked(table: ScoreTable, name: str, split: str, label: int | None, *, lowest: bool = False) -> list[RankedClip]:
    """List the first few clips of a split and label, the highest-scored first (or the lowest)."""
    scores = table.columns[name]
    z = _standardised(table, scores)
    comparable = bool(np.isfinite(z).all())
    order = np.argsort(z if comparable else scores, kind="stable")
    chosen = table.where(None, split, label)
    found = [i for i in (order if lowest else order[::-1]) if chosen[i]][:_SHOWN]
    return [_heard(table, i, scores, z if comparable else None) for i in found]


def unusual_training_clips(table: ScoreTable, name: str) -> list[tuple[RankedClip, str]]:
    """List the healthy recordings that look odd, the oddest first, each with its split (``"train"`` or ``"held"``)."""
    scores = table.columns[name]
    z = _standardised(table, scores)
    odd = [i for i in np.argsort(-z, kind="stable") if table.splits[i] != "test" and np.isfinite(z[i])]
    return [(_heard(table, i, scores, z), table.splits[i]) for i in odd[:_SHOWN]]


def _heard(table: ScoreTable, i: int, scores: npt.NDArray[np.float64], z: npt.NDArray[np.float64] | None) -> RankedClip:
    return RankedClip(table.clips[i], table.ids[i], float(scores[i]), None if z is None else float(z[i]))


def _standardised(table: ScoreTable, scores: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Standard deviations above the mean of an id's training clips, or of those held out [float64, ``[clips]``].

    What was learnt from scores lower than what was not. So training clips are held against each other, clips held out
    and test clips against those held out, where there are two or more.
    """
    z = np.full(len(scores), np.nan)
    for id_ in set(table.ids):
        for split in ("train", "held", "test"):
            own = table.where(id_, split)
            against = scores[table.where(id_, "train" if split == "train" else "held")]
            if len(against) < 2:
                against = scores[table.where(id_, "train")]
            spread = against.std() if len(against) > 1 else 0.0
            if spread > 0:
                z[own] = (scores[own] - against.mean()) / spread
    return z


def agreement(run: Run, machine: str) -> tuple[list[str], list[list[float | None]]]:
    """Spearman's rank correlation of each two members' scores of a machine's test clips, meant over its ids.

    Labels play no part. None where no id has three test clips whose scores differ.
    """
    table = run.tables[machine]
    members = [n for n in run.members if n in table.columns]
    by_id: list[npt.NDArray[np.float64]] = []
    for id_ in run.ids(machine):
        chosen = table.where(id_, "test")
        if not members or chosen.sum() < _LEAST_TO_RANK:
            continue
        ranks = np.array([_ranks(table.columns[n][chosen]) for n in members])
        centred = ranks - ranks.mean(axis=1, keepdims=True)
        norm = np.sqrt((centred**2).sum(axis=1))
        norm[norm == 0] = np.nan
        by_id.append(centred @ centred.T / np.outer(norm, norm))
    values: list[list[float | None]] = [[None] * len(members) for _ in members]
    for i in range(len(members)):
        for j in range(len(members)):
            known = [float(m[i, j]) for m in by_id if np.isfinite(m[i, j])]
            values[i][j] = sum(known) / len(known) if known else None
    return members, values


@dataclass(frozen=True)
class Disagreement:
    """A test clip that members place differently.

    Attributes
    ----------
    places
        Of each member: the share of its id's test clips that it scores lower, in per cent.
    """

    clip: str
    places: list[float]


def disagreements(run: Run, machine: str) -> list[Disagreement]:
    """List the test clips that members place most differently among those of their id; labels play no part."""
    table = run.tables[machine]
    members = [n for n in run.members if n in table.columns]
    found: list[Disagreement] = []
    for id_ in run.ids(machine):
        chosen = np.flatnonzero(table.where(id_, "test"))
        if len(members) < 2 or len(chosen) < _LEAST_TO_RANK:
            continue
        places = np.array([(_ranks(table.columns[n][chosen]) - 1) / (len(chosen) - 1) for n in members])
        found += [Disagreement(table.clips[i], (100 * p).tolist()) for i, p in zip(chosen, places.T, strict=True)]
    found.sort(key=lambda d: min(d.places) - max(d.places))
    return [d for d in found[:_SHOWN] if max(d.places) - min(d.places) >= _APART]


def _ranks(scores: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Rank scores from 1; ties share the mean of theirs."""
    _, place, count = np.unique(scores, return_inverse=True, return_counts=True)
    ranks: npt.NDArray[np.float64] = (np.cumsum(count) - (count - 1) / 2)[place]
    return ranks
