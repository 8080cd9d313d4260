"""Polynomial image warping."""

from __future__ import annotations

import builtins
import sys

import numpy as np
import pytest
from asdkit_augment.config import WarpConfig
from asdkit_augment.warp import Warp, exponents, warp
from scipy.ndimage import map_coordinates

from asdkit.api import AsdkitError

SHAPE = (64, 32)


def windows(count: int = 3) -> np.ndarray:
    return np.random.default_rng(0).normal(size=(count, *SHAPE)).astype(np.float32)


def coefficients(count: int, degree: int) -> np.ndarray:
    return np.zeros((count, 2, len(exponents(degree))), np.float32)


@pytest.mark.parametrize("degree", [1, 2, 3])
def test_zero_coefficients_return_the_windows(degree) -> None:
    np.testing.assert_array_equal(warp(windows(), coefficients(3, degree), degree), windows())


def test_a_constant_displacement_is_a_shift() -> None:
    moves = coefficients(1, 1)
    moves[0, 0, 0], moves[0, 1, 0] = 4 / SHAPE[0], -2 / SHAPE[1]
    warped = warp(windows(1), moves, 1)[0]
    rows, columns = np.clip(np.arange(64) + 4, 0, 63), np.clip(np.arange(32) - 2, 0, 31)
    np.testing.assert_allclose(warped, windows(1)[0][np.ix_(rows, columns)], atol=1e-5)


@pytest.mark.parametrize("degree", [2, 3])
def test_points_come_from_where_the_polynomial_says(degree) -> None:
    rng = np.random.default_rng(3)
    smooth = np.add.outer(np.sin(np.arange(64) / 5), np.cos(np.arange(32) / 4)).astype(np.float32)[None]
    moves = rng.uniform(-0.03, 0.03, (1, 2, len(exponents(degree)))).astype(np.float32)
    u, v = np.linspace(-1, 1, 64)[:, None], np.linspace(-1, 1, 32)[None]
    rows, columns = (
        sum(c * u**i * v**j for c, (i, j) in zip(moves[0, axis], exponents(degree), strict=True)) for axis in (0, 1)
    )
    rows = np.clip(np.arange(64)[:, None] + 64 * rows, 0, 63)
    columns = np.clip(np.arange(32)[None] + 32 * columns, 0, 31)
    expected = map_coordinates(smooth[0], [rows, columns], order=1, mode="nearest")
    # OpenCV rounds positions to 1/32 of a pixel.
    np.testing.assert_allclose(warp(smooth, moves, degree)[0], expected, atol=0.02)


def test_windows_of_a_large_batch_do_not_mix() -> None:
    count = 1200  # more rows than cv2.remap takes at once
    levels = np.broadcast_to(np.arange(count, dtype=np.float32)[:, None, None], (count, *SHAPE)).copy()
    moves = np.random.default_rng(0).uniform(-0.3, 0.3, (count, 2, 6)).astype(np.float32)
    np.testing.assert_array_equal(warp(levels, moves, 2), levels)


def test_displacements_stay_within_the_range() -> None:
    config = WarpConfig(range=0.1, degree=3)
    positions = np.broadcast_to(np.arange(64, dtype=np.float32)[:, None], SHAPE)
    batch = np.broadcast_to(positions, (200, *SHAPE)).copy()
    warped, _ = Warp(config).transform(batch.copy(), np.ones((200, 1), np.float32), np.random.default_rng(0), 0)
    moved = np.abs(warped - batch).max(axis=(1, 2))
    assert moved.max() <= 6.4 + 0.1
    assert moved.max() > 3


def test_polynomials_come_from_the_generator() -> None:
    targets = np.eye(3, dtype=np.float32)
    results = [Warp(WarpConfig()).transform(windows(), targets, np.random.default_rng(s), 0) for s in (1, 1, 2)]
    np.testing.assert_array_equal(results[0][0], results[1][0])
    assert (results[0][0] != results[2][0]).any()
    np.testing.assert_array_equal(results[0][1], targets)
    assert results[0][0].dtype == np.float32


def test_variants_are_counted() -> None:
    assert WarpConfig(variants=3).variant_names == ("0", "1", "2")


def test_without_opencv_the_error_says_how_to_install(monkeypatch) -> None:
    real = builtins.__import__

    def broken(name, *args, **kwargs):
        if name == "cv2":
            raise ImportError("libGL.so.1: cannot open shared object file")
        return real(name, *args, **kwargs)

    monkeypatch.delitem(sys.modules, "cv2", raising=False)
    monkeypatch.setattr(builtins, "__import__", broken)
    with pytest.raises(AsdkitError, match=r"libGL\.so\.1") as caught:
        warp(windows(), coefficients(3, 1), 1)
    assert "libgl1" in caught.value.hint
    assert "opencv-python-headless" in caught.value.hint
