"""How far features lie from those of an id's training windows."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import nn

_DIRECTIONS = 64  # 16 to 128 score alike on the tuning recordings
_LEAST_VARIANCE = 1e-3  # of the mean over directions: what a direction that hardly varies is given
_LEAST_DEVIATION = 1e-3  # of the features' own length: variation below that is the rounding of a network's sums
_NONE = 1e-5  # of that length: a direction of less deviation is one that no window went, and anybody's choice
_FARTHEST = 1e18  # its square is a float32


class Distance(nn.Module):
    """Mahalanobis distance from each id's mean, all ids sharing one covariance (Lee et al. 2018, equation 2).

    The covariance is that of training windows about their id's mean, in its principal directions alone, those that
    windows went at all: the rest of it cannot be told from noise.

    Parameters
    ----------
    features
        Numbers that a window is known by.
    classes
        Classes of the network; those without training windows, which are no ids, mean nothing.
    """

    origin: torch.Tensor
    directions: torch.Tensor
    centres: torch.Tensor

    def __init__(self, features: int, classes: int) -> None:
        super().__init__()
        kept = min(_DIRECTIONS, features)
        self.register_buffer("origin", torch.zeros(features))
        self.register_buffer("directions", torch.zeros(features, kept))  # each divided by its deviation
        self.register_buffer("centres", torch.zeros(classes, kept))

    def fit(self, batches: Iterable[tuple[torch.Tensor, torch.Tensor]]) -> None:
        """Learn from features [float32, ``[batch, features]``] and one-hot targets [float32, ``[batch, classes]``]."""
        moments = Moments(self)
        for batch, targets in batches:
            moments.add(batch, targets)
        self.settle(moments)

    def settle(self, moments: Moments) -> None:
        """Learn from the moments of all features."""
        counts, sums, products = moments.counts, moments.sums, moments.products
        means = sums / counts.clamp(min=1)[:, None]
        variances, directions = torch.linalg.eigh((products - means.T @ sums) / counts.sum())
        kept = self.directions.shape[1]
        variances, directions = variances[-kept:].clamp(min=0), directions[:, -kept:]
        length = (products.trace() / counts.sum()).item()  # squared
        least = max(_LEAST_VARIANCE * variances.mean().item(), _LEAST_DEVIATION**2 * length) or 1.0
        directions = directions / variances.clamp(min=least).sqrt() * (variances > _NONE**2 * length)
        origin = sums.sum(0) / counts.sum()
        self.origin.copy_(origin)
        self.directions.copy_(directions)
        self.centres.copy_((means - origin) @ directions)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Distances [float32, ``[batch, classes]``] from each class."""
        with torch.autocast(features.device.type, enabled=False):
            steps = ((features.float() - self.origin) @ self.directions)[:, None] - self.centres
            distances: torch.Tensor = torch.linalg.vector_norm(steps, dim=2)
            return distances.clamp(max=_FARTHEST)


class Moments:
    """Counts and sums [float64] of features by class, and the sum of their outer products."""

    def __init__(self, distance: Distance) -> None:
        classes, features = len(distance.centres), len(distance.directions)
        exact = torch.zeros(1, dtype=torch.float64, device=distance.centres.device)
        self.counts, self.sums = exact.new_zeros(classes), exact.new_zeros(classes, features)
        self.products = exact.new_zeros(features, features)

    def add(self, features: torch.Tensor, targets: torch.Tensor) -> None:
        """Add features [``[batch, features]``] and one-hot targets [``[batch, classes]``]."""
        rows, of = features.double(), targets.double()
        self.counts += of.sum(0)
        self.sums += of.T @ rows
        self.products += rows.T @ rows
