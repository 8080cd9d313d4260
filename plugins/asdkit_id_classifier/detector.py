"""The classifier of machine ids."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import torch
from torch.nn import functional

from asdkit.api import Context, Features, NetworkDetector, WindowNetwork, Windows
from asdkit_id_classifier import mobilenet, resnet
from asdkit_id_classifier.config import IdClassifierConfig
from asdkit_id_classifier.distance import Distance
from asdkit_id_classifier.heads import ArcFace, Softmax

_LEAST_KNOWLEDGE = 0.25  # share of the way from chance to 1


class IdClassifier(NetworkDetector):
    """Detector ``id-classifier``: how little the network believes that the clip's own id made the sound.

    The softmax runs over all classes, pseudo-classes of augmenters included, and is read at the clip's own id.

    ``negative-softmax`` is ``1 - p``, the report's ``-p`` moved by one: a confident network's ``-p`` is -1 for most
    windows in float32, ``1 - p`` keeps their ranking. ``negative-log`` is ``-log p``, to the same precision.

    ``mahalanobis`` asks no class: it is the logarithm of the distance of the network's features from the id's own
    (`Distance`; of the root of one plus its square, to be exact). Far from all that it heard, a network's features say
    little of how far; as they are, such distances outweigh all other members of a system.
    """

    config: IdClassifierConfig

    def build(self, frames: int, bands: int, classes: int) -> ClassifierNetwork:
        """Make the network."""
        return ClassifierNetwork(classes, self.config)

    def why_no_weight(self, features: Features, windows: Windows, ids: Sequence[str], ctx: Context) -> str:
        """Say so if it does not tell the ids of held-out clips apart; see `asdkit.api.Detector`.

        It does not if the share of windows given their own id, mean over the ids, is less than a quarter of the way
        from chance to 1. With clips of fewer than two ids it cannot be said.
        """
        known = len(self.real_ids)
        if len(set(ids)) < 2:
            return ""

        def recognise(network: WindowNetwork, batch: torch.Tensor) -> torch.Tensor:
            assert isinstance(network, ClassifierNetwork)
            return network.recognise(batch, known)

        own = self.of_windows(recognise, features, windows, ids, ctx)
        of_window = np.array(ids)[windows.clip_of()]
        share = float(np.mean([own[of_window == id_].mean() for id_ in sorted(set(ids))]))
        chance = 1 / known
        if share >= chance + _LEAST_KNOWLEDGE * (1 - chance):
            return ""
        return (
            f"{share:.0%} of the windows of the held-out training clips were given their own id; chance is {chance:.0%}"
        ).replace("%", " %")


class ClassifierNetwork(WindowNetwork):
    """A convolutional backbone over the window as an image of one channel, and a head of classes."""

    # Most of its time goes into filtering each channel and normalising, which move memory and multiply little.
    bfloat16_pays = ("cuda",)

    def __init__(self, classes: int, config: IdClassifierConfig) -> None:
        super().__init__()
        self.config = config
        if config.backbone == "mobilenet-v2":
            self.backbone, features = mobilenet.mobilenet_v2(), mobilenet.FEATURES
        else:
            self.backbone, features = resnet.resnet_50(), resnet.FEATURES
        self.head: Softmax | ArcFace
        if config.loss == "arcface":
            self.head = ArcFace(features, classes, config.margin, config.scale)
        else:
            self.head = Softmax(features, classes)
        self.distance = Distance(features, classes) if config.score == "mahalanobis" else None
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def features(self, windows: torch.Tensor) -> torch.Tensor:
        """Features [``[batch, features]``] of windows."""
        images = windows[:, None].contiguous(memory_format=torch.channels_last)
        features: torch.Tensor = self.backbone(images)
        return features

    def recognise(self, windows: torch.Tensor, ids: int) -> torch.Tensor:
        """1 at the most probable of the ids, 0 at the others [float32, ``[batch, ids]``]."""
        logits = self.head(self.features(windows))[:, :ids]
        return functional.one_hot(logits.argmax(1), ids).float()

    def loss(self, windows: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """Divergence from the targets, or ArcFace's loss."""
        return self.head.loss(self.features(windows), targets)

    def score(self, windows: torch.Tensor) -> torch.Tensor:
        """Score windows as heard from each class [float32, ``[batch, classes]``]; the first classes are the ids."""
        features = self.features(windows)
        if self.distance is not None:
            return torch.log1p(self.distance(features).square()) / 2
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
        if self.distance is not None:
            self.distance.fit((self.features(windows).float(), targets) for windows, targets in batches)
