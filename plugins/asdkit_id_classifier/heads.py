"""From features to classes: what is trained, and what scores."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional


class Softmax(nn.Module):
    """A linear layer; trained by the Kullback-Leibler divergence from the targets (cross-entropy if one-hot)."""

    def __init__(self, features: int, classes: int) -> None:
        super().__init__()
        self.layer = nn.Linear(features, classes)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Logits [float32, ``[batch, classes]``] for scoring."""
        logits: torch.Tensor = self.layer(features)
        return logits.float()

    def loss(self, features: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """Mean divergence of the batch."""
        return divergence(self(features), targets)


class ArcFace(nn.Module):
    """Additive angular margin (Deng et al. 2019, equation 3).

    A class's logit is ``scale * cos(theta)``, theta the angle between features and the class's weights; in training,
    and there alone, ``scale * cos(theta + margin)`` for the window's own class. Where ``theta + margin`` passes pi,
    the logit goes on falling along the cosine's tangent line's slope instead of rising again: ``cos(theta) - margin
    * sin(margin)``, as the authors' code has it.
    """

    def __init__(self, features: int, classes: int, margin: float, scale: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(nn.init.xavier_uniform_(torch.empty(classes, features)))
        self.margin, self.scale = margin, scale

    def cosines(self, features: torch.Tensor) -> torch.Tensor:
        """Cosines of the angles between features and weights [float32, ``[batch, classes]``]."""
        with torch.autocast(features.device.type, enabled=False):
            return functional.linear(functional.normalize(features.float()), functional.normalize(self.weight))

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Logits without a margin [float32, ``[batch, classes]``], for scoring."""
        return self.scale * self.cosines(features)

    def loss(self, features: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """Mean cross-entropy of the batch, the margin added to the angle of each window's own class."""
        cosines = self.cosines(features)
        logits = torch.where(targets > 0.5, self.with_margin(cosines), cosines)
        return divergence(self.scale * logits, targets)

    def with_margin(self, cosines: torch.Tensor) -> torch.Tensor:
        """``cos(theta + margin)``, falling on beyond ``theta + margin = pi``."""
        margin = torch.tensor(self.margin)
        sines = (1 - cosines.square()).clamp(min=1e-7).sqrt()
        turned = cosines * margin.cos() - sines * margin.sin()
        return torch.where(cosines > -margin.cos(), turned, cosines - margin.sin() * margin)


def divergence(logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Mean Kullback-Leibler divergence of softmax(logits) from the targets."""
    return functional.kl_div(functional.log_softmax(logits, 1), targets, reduction="batchmean")
