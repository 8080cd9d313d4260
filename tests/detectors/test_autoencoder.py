"""The challenge baseline and IDNN."""

from __future__ import annotations

import pytest
import torch
from asdkit_autoencoder.config import AutoencoderConfig
from asdkit_autoencoder.detector import Reconstruction
from torch import nn

from asdkit.api import JobOutline


def sizes(network: nn.Module) -> list[int]:
    layers = [layer for layer in network.modules() if isinstance(layer, nn.Linear)]
    return [layers[0].in_features, *(layer.out_features for layer in layers)]


def test_the_network_is_the_challenge_baseline() -> None:
    network = Reconstruction(5, 128, AutoencoderConfig())
    assert sizes(network) == [640, 128, 128, 128, 128, 8, 128, 128, 128, 128, 640]
    kinds = [type(layer).__name__ for layer in network.layers]
    assert kinds == ["Linear", "BatchNorm1d", "ReLU"] * 9 + ["Linear"]


def test_idnn_predicts_the_middle_from_other_frames() -> None:
    network = Reconstruction(5, 16, AutoencoderConfig(target="middle")).eval()
    assert sizes(network)[0] == 4 * 16
    assert sizes(network)[-1] == 16
    window = torch.randn(1, 5, 16)
    moved = window.clone()
    moved[:, 2] = 0
    # The prediction does not depend on the middle frame.
    predicted = network.layers(torch.cat([window[:, :2], window[:, 3:]], 1).flatten(1))
    for one in (window, moved):
        torch.testing.assert_close(network.score(one), (one[:, 2] - predicted).square().mean(1))


def test_the_score_is_the_mean_squared_error() -> None:
    network = Reconstruction(5, 16, AutoencoderConfig()).eval()
    windows = torch.randn(3, 5, 16)
    error = (network.layers(windows.flatten(1)) - windows.flatten(1)).square().mean(1)
    torch.testing.assert_close(network.score(windows), error)


@pytest.mark.parametrize(("frames", "problems"), [(5, 0), (4, 1), (1, 1), ("clip", 1)])
def test_a_middle_frame_needs_odd_frames(frames, problems) -> None:
    assert len(AutoencoderConfig(target="middle").problems(JobOutline(frames=frames))) == problems
