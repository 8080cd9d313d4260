"""ResNet-50 (He et al. 2016): five stages of bottleneck blocks."""

from __future__ import annotations

import torch
from torch import nn

FEATURES = 2048
STEM = 3
"""Layers up to and with the first convolution, its normalisation and its activation."""
STEM_CHANNELS = 64

# Channels within a block, blocks, stride of the first of them.
_STAGES = [(64, 3, 1), (128, 4, 2), (256, 6, 2), (512, 3, 2)]
_EXPANSION = 4


def resnet_50(channels: int = 1) -> nn.Sequential:
    """Make the network up to and with its global average.

    Without the layer of classes 23,508,032 weights are trained with three channels. One channel means one channel
    of weights in the first layer, 6,272 fewer.
    """
    layers: list[nn.Module] = [
        nn.Conv2d(channels, 64, 7, stride=2, padding=3, bias=False),
        nn.BatchNorm2d(64),
        nn.ReLU(inplace=True),
        nn.MaxPool2d(3, stride=2, padding=1),
    ]
    before = 64
    for width, blocks, stride in _STAGES:
        for block in range(blocks):
            layers.append(Block(before, width, stride if block == 0 else 1))
            before = width * _EXPANSION
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten())


class Block(nn.Module):
    """Three convolutions beside a shortcut, which is itself a convolution where the shape changes."""

    def __init__(self, before: int, width: int, stride: int) -> None:
        super().__init__()
        after = width * _EXPANSION
        self.layers = nn.Sequential(
            nn.Conv2d(before, width, 1, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(inplace=True),
            nn.Conv2d(width, width, 3, stride, padding=1, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(inplace=True),
            nn.Conv2d(width, after, 1, bias=False),
            nn.BatchNorm2d(after),
        )
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or before != after:
            self.shortcut = nn.Sequential(nn.Conv2d(before, after, 1, stride, bias=False), nn.BatchNorm2d(after))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Map [``[batch, before, height, width]``] to ``[batch, 4 width, height / stride, width / stride]``."""
        return torch.relu_(self.layers(images) + self.shortcut(images))
