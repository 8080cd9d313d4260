"""Poolings of embeddings over time, each by its equation. x[t, d] are T embeddings of D numbers.

===== ==================================================================================================
mean  ``y[d] = mean_t x[t, d]``
max   ``y[d] = max_t x[t, d]``
gem   ``m[d] = mean_t sgn(x[t, d]) |x[t, d]|**p``, ``y[d] = sgn(m[d]) |m[d]|**(1 / p)``: the generalised mean
      (Radenovic et al. 2018) where no number is negative, as after a ReLU; the sign is kept where one is
rdp   ``d[t] = |x[t] - mean_t x[t]| / max_t |x[t] - mean_t x[t]|`` (Euclidean norms), ``w[t]`` proportional to
      ``d[t]**gamma``, ``y = sum_t w[t] x[t]``: relative deviation pooling (arXiv 2603.04605)
===== ==================================================================================================

Where all embeddings are equal, rdp is their mean. Everything is computed in float64.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
import numpy.typing as npt

from asdkit.api import FloatArray

Pooling = Literal["mean", "max", "gem", "rdp"]
Array = npt.NDArray[np.float64]


def pool(embeddings: FloatArray, poolings: Sequence[Pooling], *, gem_power: float, rdp_gamma: float) -> FloatArray:
    """Pool embeddings over time by one or more equations, joined in their order.

    Parameters
    ----------
    embeddings
        [float32, ``[time, numbers]``] At least one.
    poolings
        The equations.
    gem_power, rdp_gamma
        The exponents p and gamma.

    Returns
    -------
    pooled
        [float32, ``[len(poolings) * numbers]``]
    """
    x = embeddings.astype(np.float64)
    parts = []
    for name in poolings:
        if name == "mean":
            parts.append(x.mean(axis=0))
        elif name == "max":
            parts.append(x.max(axis=0))
        elif name == "gem":
            parts.append(_generalised_mean(x, gem_power))
        else:
            parts.append(_relative_deviation(x, rdp_gamma))
    return np.concatenate(parts).astype(np.float32)


def _generalised_mean(x: Array, power: float) -> Array:
    largest = np.abs(x).max(axis=0)
    scale = np.where(largest > 0, largest, 1.0)  # powers of numbers up to one do not overflow
    mean = (np.sign(x) * np.abs(x / scale) ** power).mean(axis=0)
    return np.asarray(scale * np.sign(mean) * np.abs(mean) ** (1 / power))


def _relative_deviation(x: Array, gamma: float) -> Array:
    deviation = np.linalg.norm(x - x.mean(axis=0), axis=1)
    largest = deviation.max()
    weights = (deviation / largest) ** gamma if largest > 0 else np.ones(len(x))
    return np.asarray(weights @ x / weights.sum())
