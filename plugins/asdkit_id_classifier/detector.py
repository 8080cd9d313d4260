"""The classifier of machine ids."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import torch
from torch.nn import functional

from asdkit.api import Context, Features, NetworkDetector, Training, WindowNetwork, Windows
from asdkit_id_classifier import mobilenet, resnet
from asdkit_id_classifier.config import PROBE, IdClassifierConfig
from asdkit_id_classifier.distance import Distance, Moments
from asdkit_id_classifier.heads import ArcFace, Softmax

_LEAST_KNOWLEDGE = 0.25  # share of the way from chance to 1
_LEFT_OUT = 0.2  # share of each id's clips that a network is judged on
_BAND_GROUPS = 8  # of the first layer's output


class IdClassifier(NetworkDetector):
    """Detector ``id-classifier``: how little the network believes that the clip's own id made the sound.

    The softmax runs over all classes, pseudo-classes of augmenters included, and is read at the clip's own id.

    ``negative-softmax`` is ``1 - p``, the report's ``-p`` moved by one: a confident network's ``-p`` is -1 for most
    windows in float32, ``1 - p`` keeps their ranking. ``negative-log`` is ``-log p``, to the same precision.

    ``mahalanobis`` asks no class: it is the logarithm of the distance of the network's features from the id's own
    (`Distance`; of the root of one plus its square, to be exact). Far from all that it heard, a network's features say
    little of how far; as they are, such distances outweigh all other members of a system.

    ``layers`` is the mean of two such logarithms, of the first convolution's output (each channel's mean over time in 8
    groups of bands) and of the network's features: an ensemble of layers as of Lee et al. 2018, section 2.2. The second
    has a weight between 0 and 1, the network's knowledge: how far the share of windows given their own id lies between
    chance and 1, mean over the ids. It is judged on a fifth of each id's training clips, which a network of a third of
    the epochs is trained without before. What a network learnt that tells no ids apart is chance, other by each seed.
    """

    config: IdClassifierConfig

    _knowledge = 1.0

    def build(self, frames: int, bands: int, classes: int) -> ClassifierNetwork:
        """Make the network."""
        return ClassifierNetwork(classes, self.config, bands, self._knowledge)

    def fit(self, training: Training, ctx: Context) -> None:
        """Judge what such a network knows, where the score depends on it, and train; see `asdkit.api.Detector`."""
        if self.config.score == "layers":
            self._knowledge = self._judge(training, ctx)
        super().fit(training, ctx)

    def _judge(self, training: Training, ctx: Context) -> float:
        """Knowledge of a network trained for fewer epochs, by the clips left out; 1 where they are not of two ids."""
        epochs = -(-self.config.epochs // PROBE)
        probe = IdClassifier(self.config.model_copy(update={"epochs": epochs, "score": "negative-softmax"}))
        if len(training.real_ids) < 2:
            return 1.0
        left_out = np.zeros(training.real, dtype=bool)
        left_out[probe.fit_without(_LEFT_OUT, training, ctx)] = True
        whole = training.windows
        counts = np.diff(whole.offsets)[: training.real]
        starts = whole.starts[: whole.offsets[training.real]][np.repeat(left_out, counts)]
        windows = Windows(starts, np.concatenate([[0], np.cumsum(counts * left_out)]), whole.frames)
        share = probe.share_recognised(training.features, windows, training.ids[: training.real], ctx)
        return 1.0 if share is None else max(0.0, probe.above_chance(share))

    def share_recognised(self, features: Features, windows: Windows, ids: Sequence[str], ctx: Context) -> float | None:
        """Share of windows given their own id among the ids, mean over the ids; None with windows of fewer than two."""

        def recognise(network: WindowNetwork, batch: torch.Tensor) -> torch.Tensor:
            assert isinstance(network, ClassifierNetwork)
            return network.recognise(batch, len(self.real_ids))

        of_window = np.array(ids)[windows.clip_of()]
        present = sorted(set(of_window))
        if len(present) < 2:
            return None
        own = self.of_windows(recognise, features, windows, ids, ctx)
        return float(np.mean([own[of_window == id_].mean() for id_ in present]))

    def above_chance(self, share: float) -> float:
        """How far a share lies between chance (0) and 1."""
        chance = 1 / len(self.real_ids)
        return (share - chance) / (1 - chance)

    def why_no_weight(self, features: Features, windows: Windows, ids: Sequence[str], ctx: Context) -> str:
        """Say so if it does not tell the ids of held-out clips apart; see `asdkit.api.Detector`.

        It does not if the share of windows given their own id, mean over the ids, is less than a quarter of the way
        from chance to 1. With clips of fewer than two ids it cannot be said.
        """
        share = self.share_recognised(features, windows, ids, ctx)
        if share is None or self.above_chance(share) >= _LEAST_KNOWLEDGE:
            return ""
        chance = 1 / len(self.real_ids)
        return (
            f"{share:.0%} of the windows of the held-out training clips were given their own id; chance is {chance:.0%}"
        ).replace("%", " %")


class ClassifierNetwork(WindowNetwork):
    """A convolutional backbone over the window as an image of one channel, and a head of classes."""

    groups: torch.Tensor
    knowledge: torch.Tensor

    # Most of its time goes into filtering each channel and normalising, which move memory and multiply little.
    bfloat16_pays = ("cuda",)

    def __init__(self, classes: int, config: IdClassifierConfig, bands: int = 128, knowledge: float = 1.0) -> None:
        super().__init__()
        self.config = config
        made = mobilenet if config.backbone == "mobilenet-v2" else resnet
        self.backbone = mobilenet.mobilenet_v2() if made is mobilenet else resnet.resnet_50()
        self.head: Softmax | ArcFace
        if config.loss == "arcface":
            self.head = ArcFace(made.FEATURES, classes, config.margin, config.scale)
        else:
            self.head = Softmax(made.FEATURES, classes)
        self.distance = Distance(made.FEATURES, classes) if config.score in ("mahalanobis", "layers") else None
        self.first_distance: Distance | None = None
        self.stem = made.STEM
        if config.score == "layers":
            groups = _groups(-(-bands // 2))
            self.first_distance = Distance(made.STEM_CHANNELS * groups.shape[1], classes)
            self.register_buffer("groups", groups)
            self.register_buffer("knowledge", torch.tensor([knowledge]))
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def features(self, windows: torch.Tensor) -> torch.Tensor:
        """Features [``[batch, features]``] of windows."""
        return self.both_features(windows)[1]

    def both_features(self, windows: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Output of the first convolution [``[batch, channels, height, width]``], and features, of windows."""
        images = windows[:, None].contiguous(memory_format=torch.channels_last)
        first: torch.Tensor = self.backbone[: self.stem](images)
        features: torch.Tensor = self.backbone[self.stem :](first)
        return first, features

    def first_features(self, first: torch.Tensor) -> torch.Tensor:
        """Mean of each channel over time in each group of bands [``[batch, channels * groups]``]."""
        return (first.float().mean(2) @ self.groups).flatten(1)

    def recognise(self, windows: torch.Tensor, ids: int) -> torch.Tensor:
        """1 at the most probable of the ids, 0 at the others [float32, ``[batch, ids]``]."""
        logits = self.head(self.features(windows))[:, :ids]
        return functional.one_hot(logits.argmax(1), ids).float()

    def loss(self, windows: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """Divergence from the targets, or ArcFace's loss."""
        return self.head.loss(self.features(windows), targets)

    def score(self, windows: torch.Tensor) -> torch.Tensor:
        """Score windows as heard from each class [float32, ``[batch, classes]``]; the first classes are the ids."""
        first, features = self.both_features(windows)
        if self.distance is not None:
            last = torch.log1p(self.distance(features).square()) / 2
            if self.first_distance is None:
                return last
            early = torch.log1p(self.first_distance(self.first_features(first)).square()) / 2
            return (early + self.knowledge * last) / (1 + self.knowledge)
        logits = self.head(features).double()
        own_class = torch.eye(logits.shape[1], dtype=torch.bool, device=logits.device)
        others = logits[:, None].masked_fill(own_class, -torch.inf).logsumexp(2)
        # p = 1 / (1 + exp(others - own)): both scores are exact however close p is to 1.
        odds_against = others - logits
        if self.config.score == "negative-log":
            return functional.softplus(odds_against).float()
        return torch.sigmoid(odds_against).float()

    def finalize(self, batches: Iterable[tuple[torch.Tensor, torch.Tensor]]) -> None:
        """Learn the ids' features, where distance from them is the score."""
        if self.distance is None:
            return
        moments = Moments(self.distance)
        early = None if self.first_distance is None else Moments(self.first_distance)
        for windows, targets in batches:
            first, features = self.both_features(windows)
            moments.add(features.float(), targets)
            if early is not None:
                early.add(self.first_features(first), targets)
        self.distance.settle(moments)
        if self.first_distance is not None and early is not None:
            self.first_distance.settle(early)


def _groups(width: int) -> torch.Tensor:
    """Weights [float32, ``[width, groups]``] of means over groups of neighbours, as of adaptive average pooling."""
    count = min(_BAND_GROUPS, width)
    weights = torch.zeros(width, count)
    for group in range(count):
        begin, end = group * width // count, -(-(group + 1) * width // count)
        weights[begin:end, group] = 1 / (end - begin)
    return weights
