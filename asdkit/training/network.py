"""The interface of networks, their weights as plain arrays, and batch normalisation folded for scoring."""

from __future__ import annotations

import copy
from collections.abc import Collection, Iterable, Mapping
from itertools import pairwise
from typing import ClassVar, TypeVar

import numpy as np
import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from asdkit.context import State, StateValue

Network = TypeVar("Network", bound=nn.Module)


class WindowNetwork(nn.Module):
    """A network over standardised windows, which `asdkit.api.NetworkDetector` trains and scores with."""

    bfloat16_pays: ClassVar[Collection[str]] = ("cpu", "cuda")
    """Kinds of device on which bfloat16 products make its training faster (``precision = "auto"``)."""

    def loss(self, windows: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """Mean loss of a batch [float32 scalar].

        Parameters
        ----------
        windows
            [float32, ``[batch, frames, bands]``] Standardised bands.
        targets
            [float32, ``[batch, classes]``] Share of each class; rows add up to 1.
        """
        raise NotImplementedError

    def score(self, windows: torch.Tensor) -> torch.Tensor:
        """Score windows: higher is more anomalous.

        Returns
        -------
        scores
            [float32] ``[batch]`` where the id does not matter; else ``[batch, ids]``: the score as each real id.
        """
        raise NotImplementedError

    def finalize(self, batches: Iterable[tuple[torch.Tensor, torch.Tensor]]) -> None:
        """Fit what scoring needs besides the trained weights; by default nothing.

        Called in evaluation mode and without gradients. Store the result in buffers (`register_buffer`), which are
        saved and loaded with the weights.

        Parameters
        ----------
        batches
            Windows and targets, as `loss` gets them: all windows of the real training clips, without augmentation.
            The next batch overwrites their memory.
        """
        self.settle(batches)

    def settle(self, batches: Iterable[tuple[torch.Tensor, torch.Tensor]]) -> None:
        """Do what `finalize` does, under its name of API 1."""


def to_state(prefix: str, tensors: Mapping[str, torch.Tensor]) -> State:
    """Copy tensors into arrays named ``prefix + name``."""
    # Scalars become arrays of one number: not every array format keeps a shape of ().
    flat = {name: tensor.detach().cpu().reshape(tensor.shape or (1,)) for name, tensor in tensors.items()}
    return {prefix + name: tensor.numpy().copy() for name, tensor in flat.items()}


def from_state(prefix: str, state: Mapping[str, StateValue]) -> dict[str, torch.Tensor]:
    """Copy the arrays whose names begin with `prefix` into tensors."""
    return {
        name.removeprefix(prefix): torch.from_numpy(np.array(value))
        for name, value in state.items()
        if name.startswith(prefix) and isinstance(value, np.ndarray)
    }


def load_network(network: WindowNetwork, prefix: str, state: State) -> None:
    """Copy the arrays whose names begin with `prefix` into a network's weights and buffers."""
    tensors = from_state(prefix, state)
    shapes = network.state_dict()
    network.load_state_dict({name: tensor.reshape(shapes[name].shape) for name, tensor in tensors.items()})


def fold_batch_norm(network: Network) -> Network:
    """Copy a network in evaluation mode, each batch normalisation folded into the convolution before it.

    Only neighbours in an `nn.Sequential` are folded: there the order of work is known. Outputs are equal up to
    rounding (Jacob et al. 2018, section 3.2).
    """
    folded = copy.deepcopy(network).eval()
    for sequence in [module for module in folded.modules() if isinstance(module, nn.Sequential)]:
        for (before, convolution), (after, normalisation) in pairwise(list(sequence.named_children())):
            if isinstance(convolution, nn.Conv2d) and isinstance(normalisation, nn.BatchNorm2d):
                setattr(sequence, before, fuse_conv_bn_eval(convolution, normalisation))
                setattr(sequence, after, nn.Identity())
    return folded
