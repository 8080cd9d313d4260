"""Made-up training material of a machine, packed already: what suites `train` and `score` feed to detectors."""

from __future__ import annotations

import numpy as np
import torch

from asdkit.features import Features, Windows, cut_windows
from asdkit.interfaces import Training

ROWS, BANDS = 313, 128  # of 10 s at 16 kHz, 1024/512


def training(clips: int, frames: int, hop: int = 1) -> Training:
    """Clips of 10 s of two ids: noise, the level of each band its own."""
    rng = np.random.default_rng(0)
    matrix = np.empty((clips * ROWS, BANDS), np.float32)
    for first in range(0, clips, 64):  # in parts: a large draw at once would be a second copy for a while
        rng.standard_normal(dtype=np.float32, out=matrix[first * ROWS : (first + 64) * ROWS])
    matrix *= 6
    matrix -= np.linspace(20, 60, BANDS, dtype=np.float32)
    offsets = np.arange(clips + 1, dtype=np.int64) * ROWS
    classes = np.arange(clips, dtype=np.int64) % 2
    ids = [f"{index:02}" for index in classes]
    return Training(Features(matrix, offsets), cut_windows(offsets, frames, hop), ids, classes, ("00", "01"), clips)


def targets(given: Training, windows: Windows) -> torch.Tensor:
    """One-hot classes of windows [float32, ``[windows, classes]``]."""
    return torch.eye(len(given.class_names))[torch.from_numpy(given.classes[windows.clip_of()])]
