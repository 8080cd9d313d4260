"""MobileNetV2 of width 0.5, as Table 2 of Giri et al. 2020 lists it (Sandler et al. 2018)."""

from __future__ import annotations

from collections import OrderedDict

import torch
from torch import nn
from torch.nn import functional

FEATURES = 1280
STEM = 1
"""Layers up to and with the first convolution, its normalisation and its activation."""
STEM_CHANNELS = 16

# Expansion, output channels, repetitions, stride of the first of them.
_TABLE_2 = [
    (1, 8, 1, 1),
    (6, 16, 2, 2),
    (6, 16, 3, 2),
    (6, 32, 4, 2),
    (6, 48, 3, 1),
    (6, 80, 3, 2),
    (6, 160, 1, 1),
]


def mobilenet_v2(channels: int = 1) -> nn.Sequential:
    """Make the network up to and with its global average: images [``[batch, channels, height, width]``] to features.

    Without the layer of classes it has 705,936 weights, running statistics included, with one channel (706,224 with
    three), of which 687,392 are trained.
    """
    layers: list[nn.Module] = [_conv(channels, 16, 3, stride=2)]
    before = 16
    for expansion, after, repetitions, stride in _TABLE_2:
        for repetition in range(repetitions):
            layers.append(Bottleneck(before, after, stride if repetition == 0 else 1, expansion))
            before = after
    layers += [_conv(before, FEATURES, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten()]
    return nn.Sequential(*layers)


class Bottleneck(nn.Module):
    """Inverted residual: expand, filter each channel, project; added to its input where the shapes agree."""

    def __init__(self, before: int, after: int, stride: int, expansion: int) -> None:
        super().__init__()
        wide = before * expansion
        layers: OrderedDict[str, nn.Module] = OrderedDict()
        if expansion > 1:
            layers["expand"] = _conv(before, wide, 1)
        layers["filter"] = _conv(wide, wide, 3, stride=stride, groups=wide)
        layers["project"] = nn.Sequential(nn.Conv2d(wide, after, 1, bias=False), nn.BatchNorm2d(after))
        self.layers = nn.Sequential(layers)
        self.residual = stride == 1 and before == after

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Map [``[batch, before, height, width]``] to ``[batch, after, height / stride, width / stride]``."""
        made: torch.Tensor = self.layers(images)
        return images + made if self.residual else made


def _conv(before: int, after: int, size: int, stride: int = 1, groups: int = 1) -> nn.Sequential:
    """Convolution, batch normalisation, ReLU6."""
    make = Filter if groups > 1 else nn.Conv2d
    convolution = make(before, after, size, stride, padding=size // 2, groups=groups, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(after), ReLU6())


class Filter(nn.Conv2d):
    """A filter of 3 x 3 for each channel, padded by one.

    oneDNN has a gradient of such weights for images of 3 rows or more (4 with stride 2), padding not counted; for lower
    ones, at the network's end, it falls back to a product of matrices for each channel, tens of times slower.
    """

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Filter images; low ones are padded before, in training on a CPU."""
        if not self.training or images.shape[2] > 3 or images.device.type != "cpu":
            return super().forward(images)
        padded = functional.pad(images, (0, 0, 1, 1))
        return functional.conv2d(padded, self.weight, self.bias, self.stride, (0, 1), groups=self.groups)


class ReLU6(nn.Module):
    """ReLU cut at 6; in place in evaluation alone: in training torch would copy its input first, for the gradient."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Cut images at 0 and 6."""
        return functional.relu6(images, inplace=not self.training)
