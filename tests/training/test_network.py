"""Batch normalisation folded for scoring."""

import pytest
import torch
from asdkit_id_classifier.mobilenet import mobilenet_v2
from asdkit_id_classifier.resnet import resnet_50
from torch import nn

from asdkit.training.network import fold_batch_norm


def trained(network):
    """Give normalisations statistics and weights other than their initial ones."""
    generator = torch.Generator().manual_seed(0)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            for tensor in (module.weight, module.running_var):
                tensor.data.uniform_(0.5, 1.5, generator=generator)
            for tensor in (module.bias, module.running_mean):
                tensor.data.uniform_(-0.5, 0.5, generator=generator)
    return network.eval()


@pytest.mark.parametrize("make", [mobilenet_v2, resnet_50])
def test_a_folded_network_scores_the_same_without_normalisation(make):
    network = trained(make())
    folded = fold_batch_norm(network)
    images = torch.randn(2, 1, 64, 32, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        torch.testing.assert_close(folded(images), network(images), rtol=1e-4, atol=1e-4)
    assert not any(isinstance(module, nn.BatchNorm2d) for module in folded.modules())


def test_folding_leaves_the_network_unchanged():
    network = trained(mobilenet_v2())
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    fold_batch_norm(network)
    assert all(torch.equal(before[name], tensor) for name, tensor in network.state_dict().items())
