"""The networks as one would first write them: what suites `train` and `score` measure asdkit's against.

Windows are stacked in memory, standardised, and come from a torch `DataLoader`; all is float32, images are NCHW, the
optimiser is torch's default AdamW. `DenseMade` multiplies its masks in and computes all outputs.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable

import numpy as np
import torch
from asdkit_group_made.blocks import split
from asdkit_group_made.config import GroupMadeConfig
from asdkit_group_made.detector import GroupMadeNetwork
from asdkit_group_made.mixture import LOG_VARIANCE_FLOOR
from asdkit_id_classifier.detector import ClassifierNetwork
from torch import nn
from torch.nn import functional
from torch.utils.data import DataLoader, RandomSampler, TensorDataset

from asdkit.features import Features, Windows
from asdkit.training.standardize import Standardizer

Loss = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]


def stacked(features: Features, windows: Windows, standard: Standardizer, classes: torch.Tensor) -> TensorDataset:
    """All windows [float32, ``[windows, frames, bands]``], standardised, and their targets."""
    assert isinstance(windows.frames, int)
    views = np.lib.stride_tricks.sliding_window_view(features.frames, windows.frames, axis=0)
    copied = views[windows.starts].transpose(0, 2, 1).copy()
    standard.apply(copied, classes.argmax(dim=1).numpy())
    return TensorDataset(torch.from_numpy(copied), classes)


def train(loss: Loss, network: nn.Module, data: TensorDataset, windows: int, batch_size: int) -> None:
    """One epoch of so many windows drawn at random."""
    optimiser = torch.optim.AdamW(network.parameters(), lr=1e-3, weight_decay=0.0)
    network.train()
    drawn = RandomSampler(data, num_samples=windows)
    for inputs, targets in DataLoader(data, batch_size, sampler=drawn):
        optimiser.zero_grad()
        loss(inputs, targets).backward()
        optimiser.step()


def scores(score: Loss, data: TensorDataset, batch_size: int) -> np.ndarray:
    """Scores of all windows [float32, ``[windows]``]."""
    with torch.no_grad():
        return torch.cat([score(*batch) for batch in DataLoader(data, batch_size)]).numpy()


def nchw(ours: ClassifierNetwork) -> nn.Sequential:
    """Asdkit's classifier with the same weights, its memory in torch's order."""
    plain = copy.deepcopy(nn.Sequential(ours.backbone, ours.head.layer))
    return plain.to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]


class MaskedLinear(nn.Linear):
    """A linear layer whose weight is multiplied by a mask in each step (MADE, Germain et al. 2015)."""

    def __init__(self, mask: torch.Tensor) -> None:
        super().__init__(mask.shape[1], mask.shape[0])
        self.register_buffer("mask", mask)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        return functional.linear(inputs, self.weight * self.mask, self.bias)


class DenseMade(nn.Module):
    """Group MADE of dense masked layers: parameters of the mixtures of all bins of all frames, whatever is scored.

    Parameters
    ----------
    all_densities
        Whether the likelihood is computed of all bins and then chosen from, or of the scored frames' bins alone.
    """

    def __init__(self, frames: int, bands: int, config: GroupMadeConfig, *, all_densities: bool = True) -> None:
        super().__init__()
        groups = config.groups(frames)
        self.frames, self.bands, self.components = frames, bands, config.components
        self.scored = list(range(frames)) if config.terms == "joint" else groups[-1]
        self.all_densities = all_densities
        of_frame = torch.zeros(frames, dtype=torch.long)
        for number, group in enumerate(groups):
            of_frame[group] = number
        bins = of_frame.repeat_interleave(bands)
        # A unit of degree d sees groups 0 to d; with one factor scored all units see all groups but the last.
        blocks = len(groups) - 1 if config.terms == "joint" else 1
        sees, layers = bins, []
        for units in config.hidden:
            widths = torch.tensor(split(units, blocks))
            degrees = torch.arange(len(groups) - 1 - blocks, len(groups) - 1).repeat_interleave(widths)
            layers.append(MaskedLinear((degrees[:, None] >= sees).float()))
            sees = degrees
        self.hidden = nn.ModuleList(layers)
        outputs = bins.repeat_interleave(3 * config.components)
        self.mixtures = MaskedLinear((outputs[:, None] > sees).float())
        self.shifts = MaskedLinear((bins[:, None] > bins).float()) if config.direct else None

    def nll(self, windows: torch.Tensor) -> torch.Tensor:
        """Nats a bin of each window, of the frames scored [float32, ``[batch]``]."""
        hidden = inputs = windows.flatten(1)
        for layer in self.hidden:
            hidden = torch.relu(layer(hidden))
        shape = (len(windows), self.frames, self.bands)
        mixtures = self.mixtures(hidden).view(*shape, 3, self.components)
        shifts = self.shifts(inputs).view(shape) if self.shifts else torch.zeros(shape, device=windows.device)
        if self.all_densities:
            return -self._log_density(mixtures, shifts, windows)[:, self.scored].mean((1, 2))
        scored = self.scored
        return -self._log_density(mixtures[:, scored], shifts[:, scored], windows[:, scored]).mean((1, 2))

    @staticmethod
    def _log_density(mixtures: torch.Tensor, shifts: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        logits, means, log_variances = mixtures.unbind(-2)
        log_variances = log_variances.clamp(min=LOG_VARIANCE_FLOOR)
        away = target[..., None] - means - shifts[..., None]
        normal = -0.5 * (away**2 / log_variances.exp() + log_variances + math.log(2 * math.pi))
        return torch.logsumexp(torch.log_softmax(logits, -1) + normal, -1)

    def loss(self, windows: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        return self.nll(windows).mean()

    @torch.no_grad()
    def copy(self, ours: GroupMadeNetwork) -> DenseMade:
        """Take over the weights of asdkit's network, each to its place."""
        order = [frame for group in ours.groups for frame in group]
        columns = self._bins(order)
        for theirs, blocks in zip(self.hidden, ours.hidden, strict=True):
            _place(theirs, blocks.linears, columns)
            columns = torch.arange(theirs.out_features)
        rows = [self._outputs(group) for group in ours.predicted]
        for row, block in zip(rows, ours.mixtures.linears, strict=True):
            self.mixtures.weight[row[:, None], columns[: block.in_features]] = block.weight
            self.mixtures.bias[row] = block.bias
        if ours.first is not None:
            self.mixtures.bias[self._outputs(ours.groups[0])] = ours.first.flatten()
        if self.shifts is None or ours.shifts is None:
            return self
        seen = self._bins(order)
        self.shifts.bias.zero_()
        for group, block in zip(ours.predicted, ours.shifts.linears, strict=True):
            row = self._bins(group)
            self.shifts.weight[row[:, None], seen[: block.in_features]] = block.weight
            self.shifts.bias[row] = block.bias
        return self

    def _bins(self, frames: list[int]) -> torch.Tensor:
        return torch.cat([torch.arange(frame * self.bands, (frame + 1) * self.bands) for frame in frames])

    def _outputs(self, frames: list[int]) -> torch.Tensor:
        """Outputs of some frames in asdkit's order: frame, kind of parameter, component, bin."""
        outputs = torch.arange(self.mixtures.out_features).view(self.frames, self.bands, 3, self.components)
        return outputs[frames].permute(0, 2, 3, 1).flatten()


def _place(theirs: MaskedLinear, blocks: list[nn.Linear], columns: torch.Tensor) -> None:
    first = 0
    for block in blocks:
        rows = torch.arange(first, first + block.out_features)
        theirs.weight[rows[:, None], columns[: block.in_features]] = block.weight
        theirs.bias[rows] = block.bias
        first += block.out_features
