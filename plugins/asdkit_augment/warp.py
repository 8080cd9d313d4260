"""Polynomial image warping."""

from __future__ import annotations

from types import ModuleType
from typing import Literal

import numpy as np
import numpy.typing as npt

from asdkit.api import AsdkitError, FloatArray
from asdkit_augment.config import WarpConfig

_POINTS = 65_536  # of one call: they stay in the cache, and OpenCV takes no threads of its own for so few
_TALLEST = 32_000  # rows of one call: OpenCV's coordinates are 16-bit


class Warp:
    """Augmenter ``warp``: the window as an image, each point fetched from a displaced one.

    The displacements in time and in frequency are polynomials of the point's place ``(u, v)``, each from -1 to 1:
    ``sum c_ij u^i v^j`` over ``i + j <= degree``.
    """

    kind: Literal["window"] = "window"

    def __init__(self, config: WarpConfig) -> None:
        self.config = config

    def transform(
        self, windows: FloatArray, targets: FloatArray, rng: np.random.Generator, variant: int
    ) -> tuple[FloatArray, FloatArray]:
        """Warp each window with a polynomial of its own; see `asdkit.api.WindowAugmenter`."""
        terms = len(exponents(self.config.degree))
        coefficients = rng.uniform(-1, 1, (len(windows), 2, terms))
        # The largest displacement over the window is at most the sum of the coefficients' sizes.
        coefficients *= self.config.range / np.abs(coefficients).sum(axis=2, keepdims=True)
        return warp(windows, coefficients.astype(np.float32), self.config.degree), targets


def exponents(degree: int) -> list[tuple[int, int]]:
    """Powers of time and frequency of each term, the constant first."""
    return [(i, total - i) for total in range(degree + 1) for i in range(total, -1, -1)]


def warp(windows: FloatArray, coefficients: FloatArray, degree: int) -> FloatArray:
    """Warp windows by polynomials.

    Parameters
    ----------
    windows
        [float32, ``[batch, frames, bands]``]
    coefficients
        [float32, ``[batch, 2, terms]``] Displacement in time and in frequency, as a share of the window's size, for
        each term of `exponents`. Zeros give the windows back.
    degree
        Degree of the polynomials.

    Returns
    -------
    warped
        [float32, ``[batch, frames, bands]``] Bilinear; points beyond the border are the border's.
    """
    cv2 = _opencv()
    batch, frames, bands = windows.shape
    warped = np.empty_like(windows)
    # Several windows are one tall image, and one call: each window's points stay within its own rows.
    at_once = max(1, min(_TALLEST // frames, _POINTS // (frames * bands)))
    for first in range(0, batch, at_once):
        part = slice(first, min(first + at_once, batch))
        rows, columns = _places(coefficients[part], degree, frames, bands)
        rows += (np.arange(len(rows), dtype=np.float32) * frames)[:, None, None]
        tall = (-1, bands)
        cv2.remap(
            np.ascontiguousarray(windows[part]).reshape(tall),
            columns.reshape(tall),
            rows.reshape(tall),
            cv2.INTER_LINEAR,
            dst=warped[part].reshape(tall),
        )
    return warped


def _places(coefficients: FloatArray, degree: int, frames: int, bands: int) -> tuple[FloatArray, FloatArray]:
    """Row and column that each point is fetched from [float32, ``[batch, frames, bands]``], within the window."""
    time = np.linspace(-1, 1, frames, dtype=np.float32)[:, None]
    frequency = np.linspace(-1, 1, bands, dtype=np.float32)[None, :]
    basis: npt.NDArray[np.float32] = np.stack([(time**i * frequency**j).ravel() for i, j in exponents(degree)])
    moves = (coefficients @ basis).reshape(-1, 2, frames, bands)
    rows = moves[:, 0] * frames + np.arange(frames, dtype=np.float32)[:, None]
    columns = moves[:, 1] * bands + np.arange(bands, dtype=np.float32)
    return np.clip(rows, 0, frames - 1), np.clip(columns, 0, bands - 1)


def _opencv() -> ModuleType:
    try:
        import cv2
    except ImportError as error:
        raise AsdkitError(
            f"the augmenter warp needs OpenCV, which cannot be imported: {error}",
            hint="Install libgl1 (apt-get install libgl1), or swap opencv-python for opencv-python-headless.",
        ) from error
    module: ModuleType = cv2
    return module
