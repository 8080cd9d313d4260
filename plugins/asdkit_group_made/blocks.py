"""Layers whose units see only earlier blocks: a masked layer without the products that the mask would zero."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate

import torch
from torch import nn


class BlockLinear(nn.Module):
    """A block lower triangular linear layer: block ``b`` of its output sees input up to column ``sees[b]``.

    It equals a linear layer whose weight is multiplied by a mask (MADE, Germain et al. 2015); the blocks that such
    a mask sets to zero are neither stored nor multiplied.

    Parameters
    ----------
    sees
        Input columns that each block sees, from the first one; not descending.
    gives
        Units of each block.
    """

    def __init__(self, sees: Sequence[int], gives: Sequence[int]) -> None:
        super().__init__()
        self.sees = tuple(sees)
        self.linears = [nn.Linear(a, b) for a, b in zip(sees, gives, strict=True)]
        self.blocks = nn.ModuleList(self.linears)

    def forward(self, inputs: torch.Tensor) -> list[torch.Tensor]:
        """Map [``[batch, columns]``] to one [``[batch, units]``] a block."""
        return [block(inputs[:, :width]) for width, block in zip(self.sees, self.linears, strict=True)]


def split(units: int, blocks: int) -> list[int]:
    """Share units among blocks as evenly as can be."""
    return [units // blocks + (block < units % blocks) for block in range(blocks)]


def up_to(widths: Sequence[int]) -> list[int]:
    """Columns up to the end of each block."""
    return list(accumulate(widths))
