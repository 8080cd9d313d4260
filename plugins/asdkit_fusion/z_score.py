"""Fusion by z-scores."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from asdkit.api import AsdkitWarning, NotFitted, State
from asdkit_fusion.config import ZScoreConfig

DoubleArray = npt.NDArray[np.float64]


def _lead(scores: DoubleArray, axis: int) -> DoubleArray:
    """Median in which the first member has as many votes as all others: one of several far off moves nothing."""
    first, others = scores[:, :1], scores[:, 1:]
    made: DoubleArray = np.median(np.hstack([first.repeat(max(1, others.shape[1]), axis), others]), axis)
    return made


def _upper(scores: DoubleArray, axis: int) -> DoubleArray:
    """Mean of the higher half, of an odd number with the middle one: members that detect nothing do not lower it."""
    half = scores.shape[axis] // 2
    upper: DoubleArray = np.sort(scores, axis)[:, half:].mean(axis)
    return upper


_COMBINE: dict[str, Callable[..., DoubleArray]] = {"mean": np.mean, "max": np.max, "upper": _upper, "lead": _lead}

_ENOUGH = 8
"""Clips of an id from which on their deviation is taken for the id's own."""


class ZScore:
    """Fuser ``z-score``.

    Each member's clip score becomes ``(score - mean) / deviation`` with the mean and deviation of its scores of the
    training clips of the same id. The deviation of a handful of clips is mostly chance, and a member with too small a
    one would outweigh all others: an id with fewer than 8 training clips gets the deviation of all ids together, each
    about its own mean. So does an id whose scores by a member are all the same (to rounding). Where those of each id
    are, or each has one clip, it is the deviation of all clips about their common mean, and 1 where that is zero too.
    An id that had no training clips gets mean and deviation of all training clips together. At the end, each deviation
    becomes ``sqrt(deviation**2 + least_deviation**2)``.
    """

    def __init__(self, config: ZScoreConfig) -> None:
        self.config = config
        self._ids: list[str] | None = None
        self._mean = np.empty((0, 0))  # [ids + 1, members]: pooled statistics are last
        self._deviation = np.empty((0, 0))

    def fit(self, train_scores: DoubleArray, ids: Sequence[str]) -> None:
        """Take mean and deviation of each member and id; see `asdkit.api.Fuser`."""
        if not len(train_scores):
            raise ValueError("z-scores need training clips")
        names = np.array(ids)
        known = sorted(set(ids))
        own = [train_scores[names == name] for name in known]
        mean = np.array([scores.mean(axis=0) for scores in own])
        deviation = np.array([scores.std(axis=0) for scores in own])
        counts = np.array([len(scores) for scores in own])
        flat = _flat(deviation, mean)
        squares = (counts[:, None] * np.where(flat, 0, deviation) ** 2).sum(axis=0)
        within = np.sqrt(squares / max(1, len(train_scores) - len(known)))
        everything, spread = train_scores.mean(axis=0), train_scores.std(axis=0)
        spread = np.where(_flat(spread, everything), 1.0, spread)
        few = (counts < _ENOUGH)[:, None]
        _warn_of(flat & (~few | (within == 0)) & (counts > 1)[:, None], known)
        self._ids = known
        self._mean = np.vstack([mean, everything])
        stand_in = np.where(within > 0, within, spread)
        self._deviation = np.vstack([np.where(flat | few, stand_in, deviation), spread])
        if self.config.least_deviation:  # hypot of a deviation and 0 could differ from it in the last bit
            self._deviation = np.hypot(self._deviation, self.config.least_deviation)

    def fuse(self, scores: DoubleArray, ids: Sequence[str]) -> DoubleArray:
        """Combine the members' z-scores of each clip; see `asdkit.api.Fuser`."""
        return self.fuse_subset(scores, ids, range(scores.shape[1]))

    def fuse_subset(self, scores: DoubleArray, ids: Sequence[str], members: Sequence[int]) -> DoubleArray:
        """Combine the z-scores of some members, of which the first may lead; see `asdkit.api.Fuser`."""
        known = self._known()
        place = {name: index for index, name in enumerate(known)}
        rows = np.array([place.get(name, len(known)) for name in ids], np.int64)
        unseen = sorted(set(ids) - set(known))
        if unseen:
            message = f"z-score: no training clips of {', '.join(map(repr, unseen))}; statistics of all ids are used"
            warnings.warn(message, AsdkitWarning, stacklevel=3)
        mean, deviation = self._mean[:, members], self._deviation[:, members]
        standardised = (scores - mean[rows]) / deviation[rows]
        fused: DoubleArray = _COMBINE[self.config.combine](standardised, axis=1)
        return fused

    def state(self) -> State:
        """Ids, means and deviations; see `asdkit.api.Fuser`."""
        return {"ids": list(self._known()), "mean": self._mean, "deviation": self._deviation}

    def load(self, state: State) -> None:
        """Take back what `state` gave; see `asdkit.api.Fuser`."""
        ids, mean, deviation = state["ids"], state["mean"], state["deviation"]
        assert isinstance(ids, list)
        assert isinstance(mean, np.ndarray)
        assert isinstance(deviation, np.ndarray)
        self._ids, self._mean, self._deviation = list(ids), mean, deviation

    def _known(self) -> list[str]:
        if self._ids is None:
            raise NotFitted("a fuser must be fitted or loaded before it can fuse")
        return self._ids


def _flat(deviation: DoubleArray, mean: DoubleArray) -> npt.NDArray[np.bool_]:
    """Whether scores are all the same, to rounding."""
    made: npt.NDArray[np.bool_] = deviation <= 1e-9 * np.maximum(1e-300, np.abs(mean))
    return made


def _warn_of(flat: npt.NDArray[np.bool_], ids: Sequence[str]) -> None:
    """Say which members' scores of which ids [bool, ``[ids, members]``] do not vary."""
    for name, members in zip(ids, flat, strict=True):
        if members.any():
            which = ", ".join(str(member + 1) for member in np.flatnonzero(members))
            message = f"z-score: training scores of id {name!r} do not vary (member {which}); all ids' spread is used"
            warnings.warn(message, AsdkitWarning, stacklevel=3)
