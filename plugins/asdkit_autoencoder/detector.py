"""The autoencoder of the challenge baseline."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import nn

from asdkit.api import NetworkDetector, WindowNetwork
from asdkit_autoencoder.config import AutoencoderConfig


class Autoencoder(NetworkDetector):
    """Detector ``autoencoder``: mean squared error, in standardised units, of the frames that it predicts."""

    config: AutoencoderConfig

    def build(self, frames: int, bands: int, classes: int) -> Reconstruction:
        """Make the network; classes do not matter to it."""
        return Reconstruction(frames, bands, self.config)


class Reconstruction(WindowNetwork):
    """640-128-128-128-128-8-128-128-128-128-640: each hidden layer with batch normalisation and ReLU.

    With ``target = "middle"`` the middle frame leaves the input and alone is the output.
    """

    def __init__(self, frames: int, bands: int, config: AutoencoderConfig) -> None:
        super().__init__()
        middle = frames // 2
        self.middle = middle if config.target == "middle" else None
        inside = (frames - 1 if config.target == "middle" else frames) * bands
        outside = bands if config.target == "middle" else inside
        half = [config.hidden] * 4
        sizes = [inside, *half, config.bottleneck, *half]
        layers: list[nn.Module] = []
        for before, after in pairwise(sizes):
            layers += [nn.Linear(before, after), nn.BatchNorm1d(after), nn.ReLU(inplace=True)]
        self.layers = nn.Sequential(*layers, nn.Linear(sizes[-1], outside))

    def errors(self, windows: torch.Tensor) -> torch.Tensor:
        """Mean squared error of each window [float32, ``[batch]``]."""
        if self.middle is None:
            known, wanted = windows, windows
        else:
            known = torch.cat([windows[:, : self.middle], windows[:, self.middle + 1 :]], dim=1)
            wanted = windows[:, self.middle]
        predicted: torch.Tensor = self.layers(known.flatten(1)).float()
        return (predicted - wanted.flatten(1)).square().mean(dim=1)

    def loss(self, windows: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """Mean squared error of the batch."""
        return self.errors(windows).mean()

    def score(self, windows: torch.Tensor) -> torch.Tensor:
        """Mean squared error of each window."""
        return self.errors(windows)
