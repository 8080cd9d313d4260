"""Pool the scores of a clip's windows into the clip's score."""

from __future__ import annotations

from typing import Literal

import numpy as np
import numpy.typing as npt

from asdkit.features import FloatArray, IntArray


def pool_scores(
    scores: FloatArray, offsets: IntArray, pool: Literal["mean", "max"] | int
) -> npt.NDArray[np.float64]:
    """Pool window scores over each clip.

    Parameters
    ----------
    scores
        [float32, ``[windows]``] Scores of all windows.
    offsets
        [int64, ``[clips + 1]``] Where each clip's windows begin; each clip has at least one.
    pool
        ``"mean"``, ``"max"``, or k: the mean of the k highest (of all, where a clip has fewer).

    Returns
    -------
    clip_scores
        [float64, ``[clips]``]
    """
    if pool == "mean":
        # cumulative sums would let one clip's scores round another's; each clip is summed by itself
        sums = np.add.reduceat(scores.astype(np.float64), offsets[:-1])
        return np.asarray(sums / np.diff(offsets))
    if pool == "max":
        return np.maximum.reduceat(scores, offsets[:-1]).astype(np.float64)
    pooled = np.empty(len(offsets) - 1)
    for i in range(len(pooled)):
        highest = np.sort(scores[offsets[i] : offsets[i + 1]])[-pool:]
        pooled[i] = highest.mean(dtype=np.float64)
    return pooled
