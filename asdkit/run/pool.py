"""Pool the scores of a clip's windows into the clip's score."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np
import numpy.typing as npt

from asdkit.features import FloatArray, IntArray

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
