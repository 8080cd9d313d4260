"""Compare an ONNX graph with the torch network that it was exported from."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from asdkit.bundle.onnx_runtime import GraphDetector
from asdkit.features import FloatArray

TOLERANCE: Final = 1e-4
"""Largest relative difference of a graph's score from torch's when it is exported."""
_OPEN_TOLERANCE = 1e-2  # where it is opened: windows are drawn at random, on another computer
_ABSOLUTE = 1e-6  # for scores near zero
_SPREADS = (0.1, 0.5, 1.0, 2.0)  # of the windows' noise, in standard deviations of the training frames
_WINDOWS = 4  # of each spread


def torch_is_available() -> bool:
    """Return whether torch can be imported; imports it."""
    try:
        import torch  # noqa: F401
    except ImportError:
        return False
    return True


def random_windows(module: Any, count: int, frames: int, bands: int, rng: np.random.Generator) -> FloatArray:
    """Return noise with the mean and deviation of a scoring module's training frames [float32]."""
    mean, scale = module.mean.numpy().mean(axis=0), module.scale.numpy()
    noise = rng.standard_normal((count, frames, bands), np.float32)
    windows: FloatArray = (noise / scale + mean).astype(np.float32)
    return windows


def scores_agree(graph: GraphDetector, module: Any, windows: FloatArray, tolerance: float = TOLERANCE) -> bool:
    """Return whether a graph and a scoring module give windows the same scores."""
    import torch

    with torch.inference_mode():
        expected = module(torch.from_numpy(windows)).numpy()
    scores = graph.run(windows)
    return scores.shape == expected.shape and np.allclose(scores, expected, rtol=tolerance, atol=_ABSOLUTE)


def require_same_scores(graph: GraphDetector, detector: Any) -> None:
    """Compare a graph with the weights beside it on random windows of several spreads.

    Raises
    ------
    ValueError
        If they are not of one network.
    """
    make_module = getattr(detector, "scoring_module", None)
    if make_module is None:
        raise ValueError("the graph stands beside a detector that has none")
    module, rng = make_module(), np.random.default_rng()
    bands = module.scale.shape[-1]
    if graph.bands != bands or (graph.columns and graph.columns != module.ids):
        raise ValueError("the graph has other bands or ids than the weights beside it")
    for spread in _SPREADS:
        windows = random_windows(module, _WINDOWS, graph.frames, bands, rng)
        middle = module.mean.numpy().mean(axis=0)
        if not scores_agree(graph, module, middle + (windows - middle) * np.float32(spread), _OPEN_TOLERANCE):
            raise ValueError("the graph and the weights beside it give other scores")
