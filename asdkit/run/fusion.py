"""One system on one machine: fit its fuser, fuse its clip scores, and score the clips held out by cross-fitting."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from asdkit.errors import AsdkitWarning
from asdkit.interfaces import Fuser
from asdkit.plugin_calls import plugin_call
from asdkit.plugins import Registry
from asdkit.scoring import DoubleArray, guarded_fuse
from asdkit.spec import PluginSettings

BoolArray = npt.NDArray[np.bool_]

ENOUGH: Final = 2
"""If at least so many clips of an id are held out, its fuser is fitted on these alone."""
_FOLDS = 20


@dataclass(frozen=True)
class Fused:
    """Clip scores of a system.

    Attributes
    ----------
    scores
        [float64, ``[clips]``] Of all clips, by the fuser fitted on all clips that it may be fitted on.
    reference
        By id: scores of the clips held out [float64, ``[held out]``], sorted, each by a fuser fitted without that clip.
        They show how new healthy clips will score. If a machine has only two such clips, the fuser is fitted on both.
        Ids without such clips are left out.
    held
        The same scores [float64, ``[held out]``] in the order of the clips.
    fuser
        None for a system of one member.
    """

    scores: DoubleArray
    reference: dict[str, DoubleArray]
    held: DoubleArray
    fuser: Fuser | None


def with_weight(members: Sequence[str], no_weight: Mapping[str, str]) -> list[str]:
    """Return the members of a system that are fused on a machine: those with weight, or all if none has.

    Parameters
    ----------
    members
        Names of the system's members.
    no_weight
        By name of a member: why its scores mean nothing on this machine (`asdkit.scoring.why_no_weight`).

    Examples
    --------
    >>> with_weight(["M", "G"], {"M": "it knows nothing"}), with_weight(["M"], {"M": "it knows nothing"})
    (['G'], ['M'])
    """
    return [name for name in members if not no_weight.get(name)] or list(members)


def fuse_members(
    fuser: PluginSettings | None,
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
        None for a system of one member.
    members
        [float64, ``[clips, members]``] Clip scores.
    ids
        Machine id of each clip.
    train, held
        [bool, ``[clips]``] Clips that the detectors were trained on, and training clips held out.
    registry
        The plugins.

    Raises
    ------
    PluginError
        If the fuser raises an error, or returns anything but one finite score per clip.
    """
    if fuser is None:
        return Fused(members[:, 0], _sorted_by_id(members[held, 0], ids, held), members[held, 0], None)
    fit_clips = fuser_clips(ids, train, held)
    fitted = _fit(fuser, members, ids, fit_clips, registry)
    scores = guarded_fuse(fitted, fuser.use, members, ids)
    cross_fitted = np.empty(len(ids))
    for fold in _folds(ids, held):
        rest = fit_clips & ~fold
        if rest.sum() < ENOUGH:
            rest = fit_clips  # one clip does not show how scores are spread
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", AsdkitWarning)  # reported for the fuser itself
            without = _fit(fuser, members, ids, rest, registry)
            cross_fitted[fold] = guarded_fuse(without, fuser.use, members[fold], _select(ids, fold))
    return Fused(scores, _sorted_by_id(cross_fitted[held], ids, held), cross_fitted[held], fitted)


def fuser_clips(ids: Sequence[str], train: BoolArray, held: BoolArray) -> BoolArray:
    """Select the clips that a fuser is fitted on [bool, ``[clips]``].

    Detectors give their own training clips lower and more similar scores than other clips. For some detectors the
    difference is large: compared with those clips, a network's score of any new clip is extreme. Therefore, if at least
    `ENOUGH` clips of an id are held out, only these are selected; otherwise, all its training clips, including those
    held out.
    """
    counts = Counter(id_ for id_, is_held in zip(ids, held, strict=True) if is_held)
    few = np.array([counts[id_] < ENOUGH for id_ in ids], dtype=bool)
    selected: BoolArray = np.logical_or(held, train & few)
    return selected


def _folds(ids: Sequence[str], held: BoolArray) -> list[BoolArray]:
    """Divide the clips held out of each id into folds, of one clip each if there are few.

    Each id has its own folds: for an id with few clips a fuser may depend on the clips of the other ids.
    """
    count: Counter[str] = Counter()
    folds: dict[tuple[str, int], BoolArray] = {}
    for index, id_ in enumerate(ids):
        if held[index]:
            fold = folds.setdefault((id_, count[id_] % _FOLDS), np.zeros(len(ids), dtype=bool))
            fold[index] = True
            count[id_] += 1
    return list(folds.values())


def _fit(
    settings: PluginSettings, members: DoubleArray, ids: Sequence[str], clips: BoolArray, registry: Registry
) -> Fuser:
    fuser: Fuser = registry.find("fuser", settings.use).construct(settings.config)
    with plugin_call(fuser, "fit"):
        fuser.fit(members[clips], _select(ids, clips))
    return fuser


def _select(ids: Sequence[str], clips: BoolArray) -> list[str]:
    return [id_ for id_, selected in zip(ids, clips, strict=True) if selected]


def _sorted_by_id(scores: DoubleArray, ids: Sequence[str], held: BoolArray) -> dict[str, DoubleArray]:
    names = np.array(_select(ids, held))
    return {str(name): np.sort(scores[names == name]) for name in np.unique(names)}
