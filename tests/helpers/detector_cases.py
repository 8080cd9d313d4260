"""Every built-in detector, with settings small enough for tests."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from asdkit.api import Entry
from asdkit.plugins import discover

_FEW = {"epochs": 4, "windows_per_clip": 16, "least_batches": 5, "batch_size": 32}
_TELL_APART = {**_FEW, "epochs": 6, "batch_size": 16, "least_batches": 16}


@dataclass(frozen=True, eq=False)
class Case:
    """A detector with options and the windows it looks at."""

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
        entry = self.entry
        return entry.load()(entry.config(**{**self.options, **more}))


CASES = [
    Case("autoencoder", "autoencoder", {**_FEW, "hidden": 32}),
    Case("idnn", "autoencoder", {**_FEW, "hidden": 32, "target": "middle"}),
    Case("group-made", "group-made", {**_FEW, "hidden": [32, 32], "components": 3}),
    Case("group-made-causal", "group-made", {**_FEW, "hidden": [32, 32], "components": 2, "order": "causal"}),
    Case("id-classifier", "id-classifier", _TELL_APART, frames=16),
    Case("arcface", "id-classifier", {**_TELL_APART, "loss": "arcface"}, frames=16),
    Case("distances", "id-classifier", {**_TELL_APART, "score": "mahalanobis"}, frames=16),
    Case("knn", "knn", frames="clip", network=False),
    Case("knn-windows", "knn", {"neighbours": 2}, frames=8, network=False),
    Case("mahalanobis", "mahalanobis", frames="clip", network=False),
    Case("gmm", "gmm", frames="clip", network=False),
]
NETWORKS = [case for case in CASES if case.network]
