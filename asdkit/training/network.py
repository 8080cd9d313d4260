"""What a network must offer, and its weights as plain arrays.

Batch normalisation folded into the convolution before it: what scoring multiplies is fixed.
"""

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


class WindowNetwork(nn.Module):
    """A network over standardised windows: what `asdkit.api.NetworkDetector` trains and scores with."""

    bfloat16_pays: ClassVar[Collection[str]] = ("cpu", "cuda")
    """Kinds of device on which bfloat16 products make its training faster (``precision = "auto"``)."""

    def loss(self, windows: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """Mean loss of a batch [float32 scalar].

        Parameters
        ----------
        windows
            [float32, ``[batch, frames, bands]``] Standardised a band.
        targets
            [float32, ``[batch, classes]``] Share of each class; rows add up to 1.
        """
        raise NotImplementedError

    def score(self, windows: torch.Tensor) -> torch.Tensor:
        """Score windows: higher is more anomalous.

        Returns
        -------
        scores
            [float32] ``[batch]`` where the id does not matter; else ``[batch, ids]``, as heard from each real id.
        """
        raise NotImplementedError

    def settle(self, batches: Iterable[tuple[torch.Tensor, torch.Tensor]]) -> None:
        """Learn what scores need beside the weights, once these are final; here, nothing.

        Called in evaluation mode and without gradients. What is learnt belongs into buffers (`register_buffer`), which
        are kept and loaded with the weights.

        Parameters
        ----------
        batches
            Windows and targets, as `loss` gets them: all windows of the real training clips, as they are. Both live in
            memory that the next batch is written to.
        """


def to_state(prefix: str, tensors: Mapping[str, torch.Tensor]) -> State:
    """Copy tensors into arrays, named ``prefix + name``."""
    # Scalars become arrays of one number: not every store of arrays keeps a shape of ().
    flat = {name: tensor.detach().cpu().reshape(tensor.shape or (1,)) for name, tensor in tensors.items()}
    return {prefix + name: tensor.numpy().copy() for name, tensor in flat.items()}


def from_state(prefix: str, state: Mapping[str, StateValue]) -> dict[str, torch.Tensor]:
    """Arrays whose names begin with `prefix`, as tensors of their own memory."""
    return {
        name.removeprefix(prefix): torch.from_numpy(np.array(value))
        for name, value in state.items()
        if name.startswith(prefix) and isinstance(value, np.ndarray)
    }


Network = TypeVar("Network", bound=nn.Module)


def folded(network: Network) -> Network:
    """Copy a network in evaluation mode, each batch normalisation folded into the convolution that it follows.

    Only pairs that follow one another in an `nn.Sequential` are folded: there the order of work is known. Outputs are
    equal up to rounding (Jacob et al. 2018, section 3.2).
    """
    made = copy.deepcopy(network).eval()
    for sequence in [module for module in made.modules() if isinstance(module, nn.Sequential)]:
        for (before, convolution), (after, normalisation) in pairwise(list(sequence.named_children())):
            if isinstance(convolution, nn.Conv2d) and isinstance(normalisation, nn.BatchNorm2d):
                setattr(sequence, before, fuse_conv_bn_eval(convolution, normalisation))
                setattr(sequence, after, nn.Identity())
    return made
