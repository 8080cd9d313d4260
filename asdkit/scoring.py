"""Pool the scores of a clip's windows into the clip's score.

Windows scored by the detectors of one member: one for the machine, or one for each id.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Literal

import numpy as np
import numpy.typing as npt

from asdkit.context import Context
from asdkit.errors import PluginError
from asdkit.features import Features, FloatArray, IntArray, Windows
from asdkit.interfaces import Detector

if TYPE_CHECKING:
    from asdkit.spec.settings import Top


def pool_scores(scores: FloatArray, offsets: IntArray, pool: Literal["mean", "max"] | Top) -> npt.NDArray[np.float64]:
    """Pool window scores over each clip.

    Parameters
    ----------
    scores
        [float32, ``[windows]``] Scores of all windows.
    offsets
        [int64, ``[clips + 1]``] Where each clip's windows begin; each clip has at least one.
    pool
        ``"mean"``, ``"max"``, or ``Top``: the mean of the highest few (of all, where a clip has fewer).

    Returns
    -------
    clip_scores
        [float64, ``[clips]``]
    """
    if pool == "mean":
        # reduceat sums each clip by itself: a cumulative sum would let one clip's scores round another's
        sums = np.add.reduceat(scores.astype(np.float64), offsets[:-1])
        return np.asarray(sums / np.diff(offsets))
    if pool == "max":
        return np.maximum.reduceat(scores, offsets[:-1]).astype(np.float64)
    pooled = np.empty(len(offsets) - 1)
    for i in range(len(pooled)):
        highest = np.sort(scores[offsets[i] : offsets[i + 1]])[-pool.top :]
        pooled[i] = highest.mean(dtype=np.float64)
    return pooled


def score_parts(
    detectors: Mapping[str, Detector],
    use: str,
    features: Features,
    windows: Windows,
    ids: Sequence[str],
    ctx: Context,
) -> FloatArray:
    """Score windows, each by the detector of its clip's id; by all, the best taken, where none is its own.

    Parameters
    ----------
    detectors
        By id; one under ``""`` where all ids share it.
    use
        Name of the plugin, for messages.
    features, windows, ids, ctx
        As `asdkit.api.Detector.score` takes them.

    Raises
    ------
    PluginError
        If a detector gives anything but one finite float32 a window.
    """
    asked = {
        part: detector
        for part, detector in detectors.items()
        if "" in detectors or part in ids or any(id_ not in detectors for id_ in ids)
    }
    by_part = {
        part: checked(detector.score(features, windows, ids, ctx), len(windows), use)
        for part, detector in asked.items()
    }
    if "" in by_part:
        return by_part[""]
    lowest: FloatArray = np.minimum.reduce(list(by_part.values()))
    scores = np.empty(len(windows), np.float32)
    for index, id_ in enumerate(ids):
        of_clip = slice(windows.offsets[index], windows.offsets[index + 1])
        scores[of_clip] = by_part.get(id_, lowest)[of_clip]
    return scores


def checked(values: FloatArray, n: int, use: str) -> FloatArray:
    """Scores as promised: float32, one a window, finite."""
    if not isinstance(values, np.ndarray) or values.dtype != np.float32 or values.shape != (n,):
        what = f"{values.dtype} {values.shape}" if isinstance(values, np.ndarray) else type(values).__name__
        raise PluginError(f"detector {use!r} gave scores of {what}; expected float32 ({n},)")
    if not np.isfinite(values).all():
        raise PluginError(f"detector {use!r} gave {int((~np.isfinite(values)).sum())} scores that are NaN or infinite")
    return values
