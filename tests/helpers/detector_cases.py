"""Every built-in detector, with settings small enough for tests."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest

from asdkit.api import Entry
from asdkit.plugins import discover

_SHORT = {"epochs": 4, "windows_per_clip": 16, "least_batches": 5, "batch_size": 32}
_CLASSIFIER = {**_SHORT, "epochs": 6, "batch_size": 16, "least_batches": 16}
_QUICK = {"epochs": 2, "windows_per_clip": 4, "least_batches": 2, "batch_size": 16}
_QUICK_CLASSIFIER = {**_QUICK, "least_batches": 12, "batch_size": 8}  # with fewer steps, distances stay 0


@dataclass(frozen=True, eq=False)
class Case:
    """A detector with options and the number of frames of its windows."""

    name: str
    use: str
    options: dict[str, Any] = field(default_factory=dict)
    frames: int | str = 5
    network: bool = True

    def __str__(self) -> str:
        return self.name

    @property
    def entry(self) -> Entry:
        return discover().entry("detector", self.use)

    def make(self, **more: Any) -> Any:
        """Construct the detector; its training is long enough to find a planted fault."""
        entry = self.entry
        return entry.load()(entry.config(**{**self.options, **more}))

    def make_quick(self, **more: Any) -> Any:
        """Construct the detector with a training of a few steps, for tests that need no good scores."""
        quick = _QUICK_CLASSIFIER if self.use == "id-classifier" else _QUICK if self.network else {}
        return self.make(**{**quick, **more})


CASES = [
    Case("autoencoder", "autoencoder", {**_SHORT, "hidden": 32}),
    Case("idnn", "autoencoder", {**_SHORT, "hidden": 32, "target": "middle"}),
    Case("group-made", "group-made", {**_SHORT, "hidden": [32, 32], "components": 3}),
    Case("group-made-direct", "group-made", {**_SHORT, "hidden": [32], "direct": True, "level": "keep"}),
    Case("group-made-causal", "group-made", {**_SHORT, "hidden": [32, 32], "components": 2, "order": "causal"}),
    Case("id-classifier", "id-classifier", {**_CLASSIFIER, "score": "negative-softmax"}, frames=16),
    Case("arcface", "id-classifier", {**_CLASSIFIER, "loss": "arcface", "score": "negative-softmax"}, frames=16),
    Case("distances", "id-classifier", {**_CLASSIFIER, "score": "layers"}, frames=16),
    Case("knn", "knn", frames="clip", network=False),
    Case("knn-windows", "knn", {"neighbours": 2}, frames=8, network=False),
    Case("mahalanobis", "mahalanobis", frames="clip", network=False),
    Case("knn-ldn", "knn", {"normalise": "ldn-ratio", "metric": "cosine"}, frames="clip", network=False),
    Case(
        "mahalanobis-above",
        "mahalanobis",
        {"statistics": ["ranked", "modulation"], "side": "above"},
        frames="clip",
        network=False,
    ),
    Case("pca", "pca", frames="clip", network=False),
    Case("gmm", "gmm", frames="clip", network=False),
]
NETWORKS = [case for case in CASES if case.network]

every_detector = pytest.mark.parametrize("case", CASES, ids=str)
every_network = pytest.mark.parametrize("case", NETWORKS, ids=str)
