"""The straightforward networks do the same work as asdkit's: without that, their times would mean nothing."""

import numpy as np
import pytest
import torch
from asdkit_group_made.config import GroupMadeConfig
from asdkit_group_made.detector import GroupMadeNetwork
from asdkit_id_classifier.config import IdClassifierConfig
from asdkit_id_classifier.detector import ClassifierNetwork

from asdkit.training.standardize import Standardizer
from benchmarks import machines, straightforward
from benchmarks.harness import NotEqual
from benchmarks.suites.train import first_batch, same_loss

BANDS = 6
ORDERS = ["middle", "causal", "reverse", [[1, 3], [0, 4], [2]]]
DIRECT = pytest.mark.parametrize("direct", [False, True])


def both(order, **options):
    torch.manual_seed(0)
    config = GroupMadeConfig(order=order, components=3, hidden=[11, 8], **options)
    ours = GroupMadeNetwork(config.groups(5), BANDS, config)
    for parameter in ours.parameters():  # what begins as zero must be seen to be copied
        torch.nn.init.normal_(parameter, std=0.3)
    return ours, config


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("everything", [True, False])
@DIRECT
def test_the_dense_masked_network_has_the_same_likelihood(order, everything, direct):
    ours, config = both(order, direct=direct)
    dense = straightforward.DenseMade(5, BANDS, config, all_densities=everything).copy(ours)
    windows = torch.randn(7, 5, BANDS)
    torch.testing.assert_close(dense.nll(windows), ours.nll(windows), rtol=1e-5, atol=1e-5)
    assert dense.mixtures.out_features == 5 * BANDS * 3 * 3


@DIRECT
def test_the_dense_masked_network_learns_the_same(direct):
    ours, config = both("causal", direct=direct)
    dense = straightforward.DenseMade(5, BANDS, config).copy(ours)
    windows = torch.randn(7, 5, BANDS)
    for network in (ours, dense):
        network.loss(windows, windows).backward()
    assert ours.first is not None
    by_ours = torch.cat([ours.first.grad.flatten(), *(b.bias.grad for b in ours.mixtures.linears)])
    by_theirs = dense.mixtures.bias.grad[dense._outputs([0, 1, 2, 3, 4])]
    torch.testing.assert_close(by_theirs, by_ours, rtol=1e-4, atol=1e-6)


def test_stacked_windows_are_those_that_asdkit_gathers():
    given = machines.training(3, 5)
    standard = Standardizer.fit(given.features, np.arange(3))
    data = straightforward.stacked(given.features, given.windows, standard, machines.targets(given, given.windows))
    assert len(data) == 3 * (machines.ROWS - 4)
    torch.testing.assert_close(data[:400][0], first_batch(given, standard, 400))
    assert data[machines.ROWS][1].tolist() == [0, 1]  # the second clip is of the second id


def test_the_classifier_in_the_other_order_of_memory_is_the_same():
    torch.manual_seed(0)
    ours = ClassifierNetwork(2, IdClassifierConfig()).eval()
    plain = straightforward.nchw(ours).eval()
    windows = torch.randn(3, 64, 128)
    with torch.no_grad():
        torch.testing.assert_close(plain(windows[:, None]), ours.head(ours.features(windows)))
    kernel = next(p for p in plain.parameters() if p.ndim == 4 and p.shape[1] > 1)
    assert kernel.is_contiguous()


@pytest.mark.parametrize("theirs", [1.0002, float("nan")])
def test_another_loss_on_the_first_step_is_refused(theirs):
    same_loss(1.0, 1.00005, "case")
    with pytest.raises(NotEqual, match="the straightforward loss"):
        same_loss(1.0, theirs, "case")
