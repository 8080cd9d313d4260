"""Group MADE."""

from __future__ import annotations

import torch
from torch import nn

from asdkit.api import NetworkDetector, State, WindowNetwork
from asdkit_group_made.blocks import BlockLinear, split, up_to
from asdkit_group_made.config import GroupMadeConfig
from asdkit_group_made.mixture import mixture_nll


class GroupMade(NetworkDetector):
    """Detector ``group-made``: negative log-likelihood of frames, in nats a bin of standardised frames.

    The density is that of frames standardised a band; in decibels it is less by each band's log of scale, the same
    for all windows. On request a share of bins (``outliers``) may be anything, in scoring alone: where healthy
    recordings have bins that no training clip had, these would outweigh all others.
    """

    config: GroupMadeConfig

    @property
    def standardize_per_id(self) -> bool:
        """As configured: what differs between ids is mostly their mean spectrum, which then need not be learnt."""
        return self.config.centre == "id"

    @property
    def less_level(self) -> bool:
        """As configured: at another gain the level says nothing, and a density that depends on it is of no use."""
        return self.config.level == "window"

    def build(self, frames: int, bands: int, classes: int) -> GroupMadeNetwork:
        """Make the network; classes do not matter to it."""
        return GroupMadeNetwork(self.config.groups(frames), bands, self.config)

    def state(self) -> State:
        """What was learnt, and the share of outliers that thresholds were taken with; see `asdkit.api.Detector`."""
        return super().state() | {"outliers": self.config.outliers}

    def load(self, state: State) -> None:
        """Take back what `state` gave; see `asdkit.api.Detector`."""
        scored, expected = state.get("outliers"), self.config.outliers
        if scored != expected:  # or of a version before there was a share, whose scores were others
            raise ValueError(f"its scores are of the outliers {scored}; expected {expected}")
        # As it was trained: states of versions without the option have direct connections, whatever its default is now.
        direct = any(key.startswith("network.shifts.") for key in state)
        self.config = self.config.model_copy(update={"direct": direct})
        super().load(state)


class GroupMadeNetwork(WindowNetwork):
    """Mixtures of Gaussians for each bin of a group of frames, given the groups before it.

    ``p(t) = prod_g prod_j p(t_gj | t_<g)`` (Giri et al. 2020, equation 3): bins of a group are independent given
    the earlier groups; those of the first group are independent.

    Parameters
    ----------
    groups
        Frames of each group, in order.
    bands
        Bins of a frame.
    config
        With ``terms == "conditional"`` only the last group's factor is computed.
    """

    def __init__(self, groups: list[list[int]], bands: int, config: GroupMadeConfig) -> None:
        super().__init__()
        joint = config.terms == "joint"
        self.groups, self.outliers = groups, config.outliers
        self.predicted = groups[1:] if joint else groups[-1:]
        self.shape = (3, config.components, bands)
        self.first = nn.Parameter(_starting_mixtures(len(groups[0]), self.shape)) if joint else None
        ends = [end * bands for end in up_to([len(group) for group in groups])]
        sees = ends[:-1] if joint else ends[-2:-1]
        gives = [len(group) for group in self.predicted]
        self.activation: nn.Module = nn.ReLU(inplace=True)
        self.hidden = nn.ModuleList()
        columns = sees
        for units in config.hidden if self.predicted else []:
            widths = split(units, len(self.predicted))
            self.hidden.append(BlockLinear(columns, widths))
            columns = up_to(widths)
        self.mixtures = BlockLinear(columns, [frames * 3 * config.components * bands for frames in gives])
        self.shifts = BlockLinear(sees, [frames * bands for frames in gives]) if config.direct else None
        self._start()

    def _start(self) -> None:
        """Begin near one broad mixture for all bins, its components apart from each other."""
        with torch.no_grad():
            for block, group in zip(self.mixtures.linears, self.predicted, strict=True):
                block.weight.mul_(0.1)
                block.bias.copy_(_starting_mixtures(len(group), self.shape).flatten())
            for block in self.shifts.linears if self.shifts else []:
                block.weight.mul_(0.1)
                block.bias.zero_()

    def nll(self, windows: torch.Tensor, outliers: float = 0.0) -> torch.Tensor:
        """Negative log-likelihood of each window, in nats a bin of the frames scored [float32, ``[batch]``].

        A share of `outliers` may be anything; see `mixture_nll`.
        """
        batch, _, bands = windows.shape
        ordered = [windows[:, frame] for group in self.groups for frame in group]
        known = torch.cat(ordered[: len(ordered) - len(self.groups[-1])], 1) if len(self.groups) > 1 else windows
        terms = self._first_term(windows, outliers)
        hidden = known
        for layer in self.hidden:
            hidden = self.activation(torch.cat(layer(hidden), 1))
        if self.predicted:
            shifts = self.shifts(known) if self.shifts else [None] * len(self.predicted)
            for group, mixture, shift in zip(self.predicted, self.mixtures(hidden), shifts, strict=True):
                target = torch.stack([windows[:, frame] for frame in group], 1).reshape(-1, bands)
                parameters = mixture.reshape(-1, *self.shape)
                offset = torch.zeros_like(target) if shift is None else shift.float().reshape(-1, bands)
                nll = mixture_nll(parameters, offset, target, outliers)
                terms.append(nll.reshape(batch, -1))
        return torch.cat(terms, 1).mean(1)

    def _first_term(self, windows: torch.Tensor, outliers: float) -> list[torch.Tensor]:
        """Negative log-likelihood of the first group's frames, whose bins are independent."""
        if self.first is None:
            return []
        terms = []
        for frame, mixtures in zip(self.groups[0], self.first, strict=True):
            target = windows[:, frame]
            parameters = mixtures.expand(len(target), *self.shape)
            terms.append(mixture_nll(parameters, torch.zeros_like(target), target, outliers)[:, None])
        return terms

    def loss(self, windows: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """Mean negative log-likelihood of the batch."""
        return self.nll(windows).mean()

    def score(self, windows: torch.Tensor) -> torch.Tensor:
        """Negative log-likelihood of each window, outliers allowed for."""
        return self.nll(windows, self.outliers)


def _starting_mixtures(frames: int, shape: tuple[int, int, int]) -> torch.Tensor:
    """Equal weights, means from -1 to 1, unit variances [``[frames, 3, components, bins]``]."""
    start = torch.zeros(frames, *shape)
    if shape[1] > 1:
        start[:, 1] = torch.linspace(-1, 1, shape[1])[:, None]
    return start
