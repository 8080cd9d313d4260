"""Convolutional networks whose published weights asdkit reads: those of PANNs and aiSFX. Imports torch.

Both are stacks of blocks (convolution, batch normalisation, ReLU, pooling) over a log-mel spectrogram. What differs is
a `Layout`. Their state has the names of the published checkpoints, so that it is loaded as it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional


@dataclass(frozen=True)
class Layout:
    """What distinguishes these networks.

    Attributes
    ----------
    channels
        Of each block.
    kernel
        Side of the filters: 3 (two layers a block) or 5 (one layer).
    pool
        How blocks but the last pool 2 x 2.
    prefix
        Of the weights' names in the checkpoint.
    mels
        Bands that are batch-normalised first; 0 if none are.
    hidden
        Numbers of the dense layer after pooling; 0 if there is none.
    """

    channels: tuple[int, ...]
    kernel: Literal[3, 5]
    pool: Literal["max", "avg"]
    prefix: str
    mels: int
    hidden: int


PANNS_CNN14 = Layout((64, 128, 256, 512, 1024, 2048), 3, "avg", "", 64, 2048)
PANNS_CNN10 = Layout((64, 128, 256, 512), 3, "avg", "", 64, 512)
PANNS_CNN6 = Layout((64, 128, 256, 512), 5, "avg", "", 64, 512)
AISFX = Layout((64, 128, 256, 512), 3, "max", "embedding_net.", 0, 0)


class _Block(nn.Module):
    def __init__(self, before: int, channels: int, layout: Layout) -> None:
        super().__init__()
        side = layout.kernel
        self.conv1 = nn.Conv2d(before, channels, side, padding=side // 2, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        if side == 3:
            self.conv2 = nn.Conv2d(channels, channels, side, padding=side // 2, bias=False)
            self.bn2 = nn.BatchNorm2d(channels)

    def forward(self, x: Tensor) -> Tensor:
        x = functional.relu(self.bn1(self.conv1(x)))
        return functional.relu(self.bn2(self.conv2(x))) if hasattr(self, "conv2") else x


class BlockNetwork(nn.Module):
    """Embedding of a log-mel spectrogram, ``[batch, frames, mels]`` to ``[batch, numbers]``."""

    def __init__(self, layout: Layout) -> None:
        super().__init__()
        self.layout = layout
        if layout.mels:
            self.bn0 = nn.BatchNorm2d(layout.mels)
        before = 1
        for number, channels in enumerate(layout.channels, 1):
            setattr(self, f"conv_block{number}", _Block(before, channels, layout))
            before = channels
        if layout.hidden:
            self.fc1 = nn.Linear(before, layout.hidden)

    def forward(self, spectrogram: Tensor) -> Tensor:
        """Return the embeddings."""
        layout = self.layout
        x = spectrogram.unsqueeze(1)
        if layout.mels:
            x = self.bn0(x.transpose(1, 3)).transpose(1, 3)
        pool = functional.max_pool2d if layout.pool == "max" else functional.avg_pool2d
        for number in range(1, len(layout.channels) + 1):
            x = getattr(self, f"conv_block{number}")(x)
            if number < len(layout.channels):
                x = pool(x, 2)
        x = x.mean(dim=3)  # over frequency
        loudest = x.amax(dim=2)
        if not layout.hidden:
            return loudest
        return functional.relu(self.fc1(loudest + x.mean(dim=2)))


def load_network(layout: Layout, weights: Mapping[str, Tensor]) -> BlockNetwork:
    """Return a network with the weights of a checkpoint; what belongs to its classifier is left out.

    Raises
    ------
    ValueError
        If weights are missing or of another shape.
    """
    with torch.device("meta"):
        network = BlockNetwork(layout)
    wanted = network.state_dict()
    found = {}
    for name, value in wanted.items():
        given = weights.get(layout.prefix + name)
        if given is None:
            raise ValueError(f"the checkpoint has no {layout.prefix + name}")
        if given.shape != value.shape:
            raise ValueError(f"{layout.prefix + name} has the shape {list(given.shape)}, not {list(value.shape)}")
        found[name] = given.detach().to(torch.float32 if given.is_floating_point() else torch.int64).clone()
    network.load_state_dict(found, assign=True)
    return network.eval().requires_grad_(False)
