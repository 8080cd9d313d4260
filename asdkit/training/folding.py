"""Batch normalisation folded into the convolution before it: what scoring multiplies is fixed."""

from __future__ import annotations

import copy
from itertools import pairwise
from typing import TypeVar

from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

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
