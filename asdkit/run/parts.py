"""Windows scored by the detectors of one member: one for the machine, or one for each id."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from asdkit.api import Context, Detector
from asdkit.errors import PluginError
from asdkit.features import Features, FloatArray, Windows


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
