"""The classifiers: sizes, losses computed by hand, and scores."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from asdkit_augment.config import MixConfig, ResampleConfig, WarpConfig
from asdkit_id_classifier.config import IdClassifierConfig
from asdkit_id_classifier.detector import ClassifierNetwork, IdClassifier, _groups
from asdkit_id_classifier.distance import Distance
from asdkit_id_classifier.heads import ArcFace, Softmax, divergence
from asdkit_id_classifier.mobilenet import Bottleneck, Filter, mobilenet_v2
from asdkit_id_classifier.resnet import resnet_50
from torch import nn
from torch.nn import functional

from asdkit.api import Context, Features, JobOutline, Training, cut_windows
from asdkit.scoring import score_windows
from asdkit.training.trainer import Trainer


def counts(network: nn.Module) -> tuple[int, int]:
    """Number of parameters, without and with the running statistics, which Keras counts as parameters."""
    trained = sum(parameter.numel() for parameter in network.parameters())
    running = sum(b.numel() for name, b in network.named_buffers() if not name.endswith("num_batches_tracked"))
    return trained, trained + running


def test_mobilenet_v2_has_the_published_number_of_parameters() -> None:
    assert counts(mobilenet_v2(1)) == (687_392, 705_936)
    assert counts(mobilenet_v2(3))[1] == 706_224


def test_resnet_50_has_the_published_number_of_parameters() -> None:
    assert counts(resnet_50(3))[0] == 23_508_032
    assert counts(resnet_50(1))[0] == 23_508_032 - 2 * 64 * 7 * 7


def test_mobilenet_v2_matches_table_2_layer_by_layer() -> None:
    # Expansion, channels, repetitions, stride, as the report prints them.
    table = [(1, 8, 1, 1), (6, 16, 2, 2), (6, 16, 3, 2), (6, 32, 4, 2), (6, 48, 3, 1), (6, 80, 3, 2), (6, 160, 1, 1)]
    expected = [(t, c, s if i == 0 else 1) for t, c, n, s in table for i in range(n)]
    network = mobilenet_v2()
    blocks = [layer for layer in network if isinstance(layer, Bottleneck)]
    first, last = network[0][0], network[-3][0]
    assert (first.out_channels, first.kernel_size, first.stride) == (16, (3, 3), (2, 2))
    assert (last.out_channels, last.kernel_size, last.stride) == (1280, (1, 1), (1, 1))
    before = 16
    for block, (t, c, s) in zip(blocks, expected, strict=True):
        convolutions = [m for m in block.modules() if isinstance(m, nn.Conv2d)]
        assert convolutions[-1].out_channels == c
        depthwise = next(m for m in convolutions if m.groups > 1)
        assert depthwise.groups == depthwise.in_channels == before * t
        assert (depthwise.kernel_size, depthwise.stride) == ((3, 3), (s, s))
        assert block.residual == (s == 1 and before == c)
        before = c


def test_backbones_downsample_by_32() -> None:
    images = torch.zeros(2, 1, 64, 128)
    shapes = []
    for layer in mobilenet_v2().eval():
        images = layer(images)
        shapes.append(tuple(images.shape[2:]))
    assert shapes[0] == (32, 64)
    assert shapes[-4] == shapes[-3] == (2, 4)
    assert images.shape == (2, 1280)
    assert resnet_50()(torch.zeros(2, 1, 64, 128)).shape == (2, 2048)


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("height", [1, 2, 3, 4])
def test_a_filter_equals_a_convolution_at_any_height(height, stride) -> None:
    layer = Filter(3, 3, 3, stride, padding=1, groups=3, bias=False).double()
    images, weights = torch.randn(2, 3, height, 5, dtype=torch.float64), layer.weight.detach()
    own, plain = images.clone().requires_grad_(), images.clone().requires_grad_()
    weight = weights.clone().requires_grad_()
    filtered, expected = layer(own), functional.conv2d(plain, weight, stride=stride, padding=1, groups=3)
    torch.testing.assert_close(filtered, expected)
    filtered.square().sum().backward()
    expected.square().sum().backward()
    torch.testing.assert_close(own.grad, plain.grad)
    torch.testing.assert_close(layer.weight.grad, weight.grad)


def test_a_filter_pads_low_images_in_training_only(monkeypatch) -> None:
    seen = []
    convolve = functional.conv2d
    monkeypatch.setattr(
        functional, "conv2d", lambda images, *args, **kw: seen.append(images) or convolve(images, *args, **kw)
    )
    layer = Filter(3, 3, 3, padding=1, groups=3, bias=False)
    for height, training, rows in ((2, True, 4), (3, True, 5), (4, True, 4), (2, False, 2)):
        layer.train(training)(torch.zeros(1, 3, height, 4))
        assert seen[-1].shape[2] == rows


def arcface(margin: float, scale: float = 1.0) -> ArcFace:
    head = ArcFace(2, 2, margin, scale)
    head.weight.data = torch.tensor([[2.0, 0.0], [0.0, 0.5]])  # only angles matter
    return head


@pytest.mark.parametrize(("angle", "margin"), [(0.3, 0.5), (1.2, 0.5), (2.0, 0.7), (0.0, 0.3), (math.pi / 2, 0.0)])
def test_arcface_adds_the_margin_to_the_angle(angle, margin) -> None:
    features = 3.7 * torch.tensor([[math.cos(angle), math.sin(angle)]])
    target = torch.tensor([[1.0, 0.0]])
    scale = 4.0
    own, other = scale * math.cos(angle + margin), scale * math.cos(math.pi / 2 - angle)
    by_hand = -own + math.log(math.exp(own) + math.exp(other))
    assert arcface(margin, scale).loss(features, target).item() == pytest.approx(by_hand, rel=1e-3, abs=1e-3)


def test_arcface_never_rewards_an_angle_beyond_pi() -> None:
    angles = torch.linspace(0, math.pi, 2001)
    with_margin = arcface(0.5).with_margin(torch.cos(angles))
    assert (with_margin.diff() < 1e-6).all()
    assert with_margin[-1].item() == pytest.approx(-1 - 0.5 * math.sin(0.5), abs=1e-5)


def test_arcface_scores_without_the_margin() -> None:
    features = torch.tensor([[0.6, 0.8], [-3.0, 4.0]])
    expected = 5 * torch.tensor([[0.6, 0.8], [-0.6, 0.8]])
    torch.testing.assert_close(arcface(0.5, 5.0)(features), expected)


def test_divergence_is_cross_entropy_for_hard_targets() -> None:
    logits = torch.randn(5, 4)
    classes = torch.tensor([0, 3, 1, 1, 2])
    hard = divergence(logits, nn.functional.one_hot(classes, 4).float())
    torch.testing.assert_close(hard, nn.functional.cross_entropy(logits, classes))
    soft = torch.softmax(logits, 1)
    assert divergence(logits, soft).item() == pytest.approx(0, abs=1e-6)
    assert divergence(logits + torch.randn(5, 4), soft).item() > 0.01


class Fixed(nn.Module):
    """Replaces a backbone: returns fixed logits."""

    def __init__(self, logits: torch.Tensor) -> None:
        super().__init__()
        self.logits = logits

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.logits


def scored(logits: torch.Tensor, score: str) -> torch.Tensor:
    network = ClassifierNetwork(logits.shape[1], IdClassifierConfig(score=score))
    network.backbone = nn.Sequential(Fixed(logits))
    network.head = Softmax(logits.shape[1], logits.shape[1])
    network.head.layer = nn.Identity()
    return network.score(torch.zeros(len(logits), 4, 4))


def test_scores_are_the_softmax_at_each_class() -> None:
    logits = torch.randn(6, 4)
    softmax = torch.softmax(logits.double(), 1)
    torch.testing.assert_close(scored(logits, "negative-softmax").double() - 1, -softmax, rtol=0, atol=1e-7)
    torch.testing.assert_close(scored(logits, "negative-log").double(), -softmax.log(), rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("score", ["negative-softmax", "negative-log"])
def test_scores_of_confident_networks_keep_their_ranking(score) -> None:
    gaps = torch.arange(0, 80, 0.25)
    logits = torch.stack([gaps, torch.zeros_like(gaps)], 1)
    own = scored(logits, score)[:, 0]
    assert (own.diff() < 0).all()  # 1 - p itself would be 0 from a gap of 17 on, in float32
    torch.testing.assert_close(own[-1].double(), torch.tensor(math.exp(-gaps[-1].item())).double(), rtol=1e-5, atol=0)


@pytest.mark.parametrize(
    ("options", "job", "message"),
    [
        ({}, JobOutline(frames=64, ids=1), "augmenters: with one id there is nothing to tell apart"),
        ({}, JobOutline(frames=64, ids=1, augmenters=(MixConfig(),)), "augmenters: with one id"),
        ({"loss": "arcface"}, JobOutline(frames=64, ids=3, augmenters=(MixConfig(),)), 'loss: "arcface" needs one'),
        ({}, JobOutline(frames="clip", ids=3), "frames: a network needs a number of frames"),
    ],
)
def test_incompatible_options_are_named(options, job, message) -> None:
    (problem,) = IdClassifierConfig(**options).problems(job)
    assert problem.startswith(message)


def test_compatible_options_have_no_problems() -> None:
    assert IdClassifierConfig().problems(JobOutline(frames=64, ids=1, augmenters=(WarpConfig(),))) == []
    assert IdClassifierConfig().problems(JobOutline(frames=64)) == []
    assert IdClassifierConfig(loss="arcface").problems(JobOutline(frames=64, ids=2, augmenters=(WarpConfig(),))) == []


def test_classes_are_ids_times_all_variants() -> None:
    augmenters = (MixConfig(), WarpConfig(variants=3), ResampleConfig(rates=[0.9, 1.1]))
    assert JobOutline(frames=64, ids=4, augmenters=augmenters).classes == 4 * (1 + 3 + 2)


def test_full_size_networks_score_windows_independently() -> None:
    network = ClassifierNetwork(3, IdClassifierConfig()).eval()
    windows = torch.randn(5, 64, 128)
    with torch.inference_mode():
        together, alone = network.score(windows), torch.cat([network.score(w[None]) for w in windows])
    np.testing.assert_allclose(together, alone, rtol=1e-4, atol=1e-6)


def test_unknown_ids_ignore_pseudo_ids() -> None:
    rng = np.random.default_rng(0)
    offsets = np.arange(0, 5) * 40
    features = Features(rng.normal(size=(160, 32)).astype(np.float32), offsets)
    windows = cut_windows(offsets, 32, 8)
    classes = ("a", "b", "a~warp:0", "b~warp:0")
    training = Training(features, windows, ["a", "a", "b", "b"], np.array([0, 0, 1, 1]), classes, 4)
    detector = IdClassifier(IdClassifierConfig(epochs=1, least_batches=1, batch_size=4))
    detector.fit(training, Context(seed=1))
    unknown, a, b = (
        score_windows({"": detector}, "", features, windows, [i] * 4, ["a", "b"], Context()) for i in "?ab"
    )
    np.testing.assert_array_equal(unknown, np.minimum(a, b))


@pytest.mark.parametrize(
    ("recognised", "ids", "reason"),
    [
        (
            [1.0, 0.0],
            "ab",
            "50 % of the windows of the held-out training clips were given their own id; chance is 50 %",
        ),
        (
            [0.7, 0.5],
            "ab",
            "60 % of the windows of the held-out training clips were given their own id; chance is 50 %",
        ),
        ([0.75, 0.5], "ab", ""),
        ([1.0, 1.0], "ab", ""),
        ([1.0, 0.0], "bb", ""),
    ],
    ids=["one id for all", "near chance", "a quarter of the way", "all", "clips of one id"],
)
def test_a_network_that_recognises_no_id_has_no_weight(recognised, ids, reason, monkeypatch) -> None:
    offsets = np.arange(0, 3) * 40
    features = Features(np.random.default_rng(0).normal(size=(80, 32)).astype(np.float32), offsets)
    windows = cut_windows(offsets, 32, 8)
    training = Training(features, windows, ["a", "b"], np.array([0, 1]), ("a", "b"), 2)
    detector = IdClassifier(IdClassifierConfig(epochs=1, least_batches=1, batch_size=2))
    detector.fit(training, Context(seed=1))
    share = torch.tensor(recognised)
    monkeypatch.setattr(ClassifierNetwork, "recognise", lambda self, windows, count: share.expand(len(windows), count))
    assert detector.why_no_weight(features, windows, list(ids), Context()) == reason


def test_one_id_is_recognised_among_the_ids_alone() -> None:
    network = ClassifierNetwork(4, IdClassifierConfig()).eval()
    network.backbone, network.head = nn.Sequential(), Fixed(torch.tensor([[0.0, 1.0, 5.0, 9.0], [2.0, 1.0, 5.0, 9.0]]))
    recognised = network.recognise(torch.zeros(2, 3, 3), 2)
    torch.testing.assert_close(recognised, torch.tensor([[0.0, 1.0], [1.0, 0.0]]))


def test_distances_are_mahalanobis_with_a_shared_covariance() -> None:
    rng = np.random.default_rng(0)
    classes = rng.integers(2, size=900)
    rows = rng.normal(size=(900, 6)) @ rng.normal(size=(6, 6)) + np.array([[0.0] * 6, [5.0] * 6])[classes]
    means = np.stack([rows[classes == known].mean(axis=0) for known in (0, 1)])
    about = rows - means[classes]
    inverse = np.linalg.inv(about.T @ about / len(rows))
    steps = rows[:, None] - means
    expected = np.sqrt(np.einsum("nci,ij,ncj->nc", steps, inverse, steps))
    distance = Distance(6, 3)  # the third class is a pseudo-id: no window is of it
    targets = nn.functional.one_hot(torch.from_numpy(classes), 3).float()
    features = torch.from_numpy(rows).float()
    distance.fit((features[part], targets[part]) for part in torch.arange(900).split(70))
    np.testing.assert_allclose(distance(features)[:, :2], expected, rtol=1e-4)


def distances(rows: torch.Tensor, new: torch.Tensor) -> torch.Tensor:
    """Distances of `new` from the id of `rows`."""
    distance = Distance(rows.shape[1], 2)
    distance.fit([(rows, torch.tensor([[1.0, 0.0]]).expand(len(rows), 2))])
    return distance(new)[:, 0]


@pytest.mark.parametrize("rows", [torch.zeros(1, 5), torch.ones(7, 5)], ids=["one", "equal"])
def test_identical_windows_give_distance_zero(rows) -> None:
    assert (distances(rows, torch.cat([rows, rows + 10])) == 0).all()


def test_distances_of_few_windows_ignore_their_order() -> None:
    generator = torch.Generator().manual_seed(0)
    rows, new = torch.rand(10, 128, generator=generator), torch.rand(3, 128, generator=generator)
    expected = distances(rows, new)
    assert (expected > 0).all()
    for order in (torch.arange(9, -1, -1), torch.randperm(10, generator=generator)):
        torch.testing.assert_close(distances(rows[order], new), expected, rtol=1e-4, atol=0)


def test_distances_and_scores_of_far_windows_are_finite() -> None:
    rows = torch.rand(200, 8, generator=torch.Generator().manual_seed(0))
    far = distances(rows, torch.full((1, 8), 1e30))
    assert far.isfinite().all()
    assert torch.log1p(far.square()).isfinite().all()


@pytest.mark.parametrize("width", [5, 8, 20, 64])
def test_groups_of_bands_are_those_of_adaptive_pooling(width) -> None:
    rows = torch.rand(3, width)
    pooled = nn.functional.adaptive_avg_pool1d(rows[:, None], min(8, width))[:, 0]
    torch.testing.assert_close(rows @ _groups(width), pooled)


def test_the_last_layer_counts_as_much_as_the_network_knows() -> None:
    windows = torch.randn(40, 8, 20, generator=torch.Generator().manual_seed(0))
    targets = torch.eye(2).repeat(20, 1)
    stem = nn.Conv2d(1, 16, 3, stride=2, padding=1)
    backbone = nn.Sequential(stem, nn.AdaptiveAvgPool2d(1), nn.Flatten())

    def scores(knowledge: float, score: str = "layers") -> torch.Tensor:
        network = ClassifierNetwork(2, IdClassifierConfig(score=score), 20, knowledge).eval()
        network.backbone, network.distance = backbone, Distance(16, 2)
        with torch.inference_mode():
            network.finalize([(windows[:30], targets[:30]), (windows[30:], targets[30:])])
            return network.score(windows + 1)

    last, first = scores(1.0, "mahalanobis"), scores(0.0)
    assert (first - last).abs().max() > 0.1
    torch.testing.assert_close(scores(1.0), (first + last) / 2)
    torch.testing.assert_close(scores(0.5), (first + last / 2) / 1.5)


@pytest.mark.parametrize("backbone", ["mobilenet-v2", "resnet-50"])
def test_the_first_layer_ends_with_its_activation(backbone) -> None:
    network = ClassifierNetwork(2, IdClassifierConfig(backbone=backbone), 20).eval()
    first = network.backbone[: network.stem](torch.randn(2, 1, 32, 20))
    assert first.min() == 0
    assert network.first_distance.directions.shape == (first.shape[1] * 8, 64)


def test_what_it_knows_is_judged_on_clips_that_it_was_trained_without(monkeypatch) -> None:
    offsets = np.arange(0, 9) * 40
    features = Features(np.random.default_rng(0).normal(size=(320, 32)).astype(np.float32), offsets)
    ids = ["a", "a", "b", "b", "b", "b", "b", "b"]
    windows = cut_windows(offsets, 32, 8)
    training = Training(features, windows, ids, np.array([0, 0, 1, 1, 1, 1, 1, 1]), ("a", "b"), 8)
    seen = []

    class Judged(Trainer):
        def __init__(self, network, training, train_clips, *more):
            seen.append((more[2].epochs, train_clips.tolist()))
            super().__init__(network, training, train_clips, *more)

    monkeypatch.setattr("asdkit.training.detector.Trainer", Judged)
    monkeypatch.setattr(
        IdClassifier, "share_recognised", lambda self, features, windows, ids, ctx: seen.append(windows) or 0.75
    )
    detector = IdClassifier(IdClassifierConfig(epochs=4, least_batches=1, batch_size=4))
    detector.fit(training, Context(seed=1))
    (epochs, kept), judged, (all_epochs, everything) = seen
    assert (epochs, all_epochs, everything) == (2, 4, list(range(8)))
    assert len(kept) == 7  # a fifth of six clips, rounded; of two clips none
    left_out = set(range(8)) - set(kept)
    assert set(judged.clip_of()) == left_out
    np.testing.assert_array_equal(judged.starts, windows.starts[np.isin(windows.clip_of(), list(left_out))])
    assert detector.state()["network.knowledge"] == 0.5
