"""Gathering windows of 64 x 128 from a packed matrix into a batch."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import cycle
from typing import Any

import numpy as np

from benchmarks.harness import OURS, Case, Result, run

SUITE = "patches"
FRAMES, BANDS = 64, 128


def measure(quick: bool) -> Iterator[Result]:
    """Compare with NumPy's and torch's fancy indexing, and with copying so many bytes."""
    rng = np.random.default_rng(0)
    matrix = rng.standard_normal((1000 * 313, BANDS), dtype=np.float32)
    for batch in (32, 128, 512):
        drawn = rng.integers(0, len(matrix) - FRAMES, (64, batch))
        yield from _batches(matrix, drawn, 20 if quick else 150)


def _batches(matrix: Any, drawn: Any, samples: int) -> Iterator[Result]:
    import torch

    from asdkit.kernels import gather

    parameters: dict[str, float | int | str] = {"threads": 1, "batch": drawn.shape[1]}
    out, other = (np.ones((drawn.shape[1], FRAMES, BANDS), np.float32) for _ in range(2))
    mean, scale = np.random.default_rng(1).standard_normal((2, BANDS), dtype=np.float32)
    within, tensor = np.arange(FRAMES), torch.from_numpy(matrix)

    def turns(work: Callable[[Any], Any]) -> Callable[[], Any]:
        """Other windows each time, as in training."""
        turn = cycle(drawn)
        return lambda: work(next(turn))

    copying: dict[str, Callable[[], Any]] = {
        OURS: turns(lambda starts: gather(matrix, starts, FRAMES, out)),
        "NumPy fancy indexing": turns(lambda starts: matrix[starts[:, None] + within]),
        "NumPy take into a buffer": turns(
            lambda starts: np.take(matrix, starts[:, None] + within, axis=0, out=other, mode="clip")
        ),
        "torch fancy indexing": turns(lambda starts: tensor[torch.from_numpy(starts[:, None] + within)].numpy()),
    }
    yield from run(Case(SUITE, "gather 64 x 128", parameters, copying, _same, samples=samples))
    # In a case of its own, since its output is another one: copying as many bytes, from one run of rows each time.
    rows = drawn.shape[1] * FRAMES
    blocks = cycle(matrix[at : at + rows].reshape(out.shape) for at in range(0, len(matrix) - rows, rows))
    bound = {OURS: copying[OURS], "copy of as many bytes": lambda: np.copyto(other, next(blocks))}
    yield from run(Case(SUITE, "gather beside a plain copy", parameters, bound, samples=samples))
    standardising = {
        OURS: turns(lambda starts: gather(matrix, starts, FRAMES, out, mean, scale)),
        "NumPy fancy indexing": turns(lambda starts: (matrix[starts[:, None] + within] - mean) * scale),
    }
    yield from run(Case(SUITE, "gather and standardise", parameters, standardising, _close, samples=samples))


def _same(ours: Any, theirs: Any) -> str:
    return "" if np.array_equal(ours, theirs) else "windows differ"


def _close(ours: Any, theirs: Any) -> str:
    return "" if np.allclose(ours, theirs, atol=1e-5) else "windows differ"
