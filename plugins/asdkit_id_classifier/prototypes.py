"""Prototypes of each class: what its training windows' features look like."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import nn
from torch.nn import functional

COUNT = 16  # of a class (Wilkinghoff 2023)
_ITERATIONS = 20


class Prototypes(nn.Module):
    """A few directions for each class, and how far features are from them.

    Wilkinghoff, "Design choices for learning embeddings from auxiliary tasks for domain generalization in anomalous
    sound detection", ICASSP 2023: cosine distance to the nearest of 16 k-means centres of the training features.

    Parameters
    ----------
    classes
        How many; those that `learn` is shown nothing of keep prototypes of zeros, at distance 1 from everything.
    features
        Length of the features.
    """

    centres: torch.Tensor  # [float32, classes x COUNT x features], of length 1

    def __init__(self, classes: int, features: int) -> None:
        super().__init__()
        self.register_buffer("centres", torch.zeros(classes, COUNT, features))

    def learn(self, batches: Iterable[tuple[torch.Tensor, torch.Tensor]]) -> None:
        """Find prototypes of features [float32, ``[batch, features]``] with their classes [int64, ``[batch]``]."""
        shown = [(features.float().cpu(), classes.cpu()) for features, classes in batches]
        features, classes = (torch.cat(parts) for parts in zip(*shown, strict=True))
        for each in sorted(set(classes.tolist())):
            self.centres[each].copy_(spherical_k_means(features[classes == each], COUNT))

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Cosine distance to the nearest prototype of each class [float64, ``[batch, classes]``], from 0 to 2."""
        # In double precision: the distances that matter are small, a difference of numbers close to 1.
        cosines = functional.normalize(features.double()) @ self.centres.double().flatten(0, 1).T
        nearest: torch.Tensor = cosines.reshape(len(features), -1, COUNT).amax(dim=2)
        return 1 - nearest


def spherical_k_means(points: torch.Tensor, count: int) -> torch.Tensor:
    """Directions that points gather around (Dhillon and Modha 2001), begun as k-means++ does.

    Parameters
    ----------
    points
        [float32, ``[points, features]``] Their lengths do not matter.
    count
        How many directions; where there are fewer points, these are repeated.

    Returns
    -------
    centres
        [float32, ``[count, features]``] Of length 1. The same points give the same centres.
    """
    points = functional.normalize(points)
    if len(points) <= count:
        return points[torch.arange(count) % len(points)]
    centres = points[_scattered(points, count)]
    for _ in range(_ITERATIONS):
        nearest = (points @ centres.T).argmax(dim=1)
        sums = torch.zeros_like(centres).index_add_(0, nearest, points)
        # A centre that no point is nearest to stays where it is.
        centres = torch.where(sums.any(dim=1, keepdim=True), functional.normalize(sums), centres)
    return centres


def _scattered(points: torch.Tensor, count: int) -> list[int]:
    """Places of points far apart: each drawn with a chance in proportion to its distance from those before it."""
    generator = torch.Generator().manual_seed(0)  # of its own: a fit that was resumed draws the same
    chosen = [int(torch.randint(len(points), (), generator=generator))]
    distances = torch.full((len(points),), torch.inf)
    while len(chosen) < count:
        distances = torch.minimum(distances, (1 - points @ points[chosen[-1]]).clamp(min=0))
        chances = distances if distances.any() else torch.ones_like(distances)
        chosen.append(int(torch.multinomial(chances, 1, generator=generator)))
    return chosen
