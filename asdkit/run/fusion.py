"""One system on one machine: its fuser fitted, its clip scores, and what healthy clips that nothing saw score."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt

from asdkit.errors import AsdkitWarning
from asdkit.scoring import fuse_scores

if TYPE_CHECKING:
    from asdkit.interfaces import Fuser
    from asdkit.plugins import Registry
    from asdkit.spec import FuserSettings


DoubleArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]

ENOUGH: Final = 2
"""Clips held out of an id from which on its fuser learns from them alone."""
_FOLDS = 20


@dataclass(frozen=True)
class Fused:
    """Clip scores of a system.

    Attributes
    ----------
    scores
        [float64, ``[clips]``] Of all clips, by the fuser fitted on all that it may learn from.
    reference
        Of each id, scores of the clips held out [float64, ``[held out]``], sorted, each by a fuser that was fitted
        without it: how a new healthy clip may be expected to score. Where a machine has two such clips in all, by the
        fuser fitted on both. Ids without such clips are left out.
    fuser
        None where the system is one member.
    """

    scores: DoubleArray
    reference: dict[str, DoubleArray]
    fuser: Fuser | None


def learns_fuser(ids: Sequence[str], train: BoolArray, held: BoolArray) -> BoolArray:
    """Which clips a fuser learns from [bool, ``[clips]``].

    Detectors score the clips that they learnt from lower than others and more alike, some of them much: beside those
    clips a network's score of any new one is far off. So of an id with `ENOUGH` clips held out it is those; of another
    one all its training clips, those held out included.
    """
    counts = Counter(id_ for id_, kept in zip(ids, held, strict=True) if kept)
    few = np.array([counts[id_] < ENOUGH for id_ in ids], dtype=bool)
    learnt: BoolArray = np.logical_or(held, train & few)
    return learnt


def fuse_members(
    fuser: FuserSettings | None,
    members: DoubleArray,
    ids: Sequence[str],
    train: BoolArray,
    held: BoolArray,
    registry: Registry,
) -> Fused:
    """Fuse the clip scores of a system's members.

    Parameters
    ----------
    fuser
        None: the system is its one member.
    members
        [float64, ``[clips, members]``] Clip scores.
    ids
        Machine id of each clip.
    train, held
        [bool, ``[clips]``] Clips that the detectors learnt from, and training clips that they did not see.
    registry
        Where the fuser is found.

    Raises
    ------
    ValueError
        If the fuser gives anything but one finite score a clip.
    """
    if fuser is None:
        return Fused(members[:, 0], _by_id(members[held, 0], ids, held), None)
    learnt = learns_fuser(ids, train, held)
    made = _fitted(fuser, members, ids, learnt, registry)
    scores = fuse_scores(made.fuse, fuser.use, members, ids)
    apart = np.empty(len(ids))
    for fold in _folds(ids, held):
        rest = learnt & ~fold
        if rest.sum() < ENOUGH:
            rest = learnt  # of one clip no fuser can learn how scores are spread
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", AsdkitWarning)  # said already, of the fuser itself
            without = _fitted(fuser, members, ids, rest, registry)
            apart[fold] = fuse_scores(without.fuse, fuser.use, members[fold], _where(ids, fold))
    return Fused(scores, _by_id(apart[held], ids, held), made)


def _folds(ids: Sequence[str], held: BoolArray) -> list[BoolArray]:
    """Part the clips held out of each id into folds, one clip each where there are few.

    Ids have folds of their own: a fuser may learn of few clips of one id by those of the others.
    """
    place: Counter[str] = Counter()
    folds: dict[tuple[str, int], BoolArray] = {}
    for index, id_ in enumerate(ids):
        if not held[index]:
            continue
        fold = folds.setdefault((id_, place[id_] % _FOLDS), np.zeros(len(ids), dtype=bool))
        fold[index] = True
        place[id_] += 1
    return list(folds.values())


def _fitted(fuser: FuserSettings, members: DoubleArray, ids: Sequence[str], of: BoolArray, registry: Registry) -> Fuser:
    made: Fuser = registry.entry("fuser", fuser.use).load()(fuser.config)
    made.fit(members[of], _where(ids, of))
    return made


def _where(ids: Sequence[str], chosen: BoolArray) -> list[str]:
    return [id_ for id_, wanted in zip(ids, chosen, strict=True) if wanted]


def _by_id(scores: DoubleArray, ids: Sequence[str], held: BoolArray) -> dict[str, DoubleArray]:
    names = np.array(_where(ids, held))
    return {str(name): np.sort(scores[names == name]) for name in np.unique(names)}
