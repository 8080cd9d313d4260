"""Scoring of every window, beside the straightforward way: Group MADE and MobileNetV2."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from asdkit_group_made.config import GroupMadeConfig
from asdkit_group_made.detector import GroupMade, GroupMadeNetwork
from asdkit_id_classifier.config import IdClassifierConfig
from asdkit_id_classifier.detector import ClassifierNetwork, IdClassifier

from asdkit.api import NetworkDetector
from asdkit.context import Context
from asdkit.interfaces import Training
from asdkit.training.network import load_network
from asdkit.training.standardize import Standardizer
from benchmarks import machines, straightforward
from benchmarks.harness import OURS, Case, Result, run

SUITE = "score"
CLIPS = 8


def measure(quick: bool) -> Iterator[Result]:
    """On one core and two."""
    for threads in (1, 2):
        yield from _group_made(threads, 2 if quick else 7)
        yield from _mobilenet(threads, 2 if quick else 7)


def same_scores(ours: Any, theirs: Any) -> str:
    """Say how far scores are apart, if that is more than sums in another order explain."""
    worst = float(np.abs(ours - theirs).max())
    return "" if worst <= 1e-4 else f"a score differs by {worst:g}"


def _group_made(threads: int, samples: int) -> Iterator[Result]:
    given = machines.training(CLIPS, 5)
    detector = GroupMade(GroupMadeConfig(epochs=1, outliers=0))
    detector.fit(given, Context())
    network = GroupMadeNetwork(detector.config.groups(5), machines.BANDS, detector.config)
    load_network(network, "network.", detector.state())
    dense = straightforward.DenseMade(5, machines.BANDS, detector.config).copy(network)
    theirs = _straightforward(given, detector, 512, lambda windows, targets: dense.nll(windows))
    yield from _case("Group MADE, middle", given, detector, theirs, threads, samples)


def _mobilenet(threads: int, samples: int) -> Iterator[Result]:
    given = machines.training(CLIPS, 64, 8)
    detector = IdClassifier(IdClassifierConfig(epochs=1, least_batches=5))
    detector.fit(given, Context())
    network = ClassifierNetwork(2, detector.config)
    load_network(network, "network.", detector.state())
    plain = straightforward.nchw(network).eval()

    def score(windows: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        return 1 - (torch.softmax(plain(windows[:, None]), 1) * targets).sum(1)

    theirs = _straightforward(given, detector, 64, score)
    yield from _case("MobileNetV2", given, detector, theirs, threads, samples)


def _straightforward(
    given: Training, detector: NetworkDetector, batch: int, score: straightforward.Loss
) -> Callable[[], Any]:
    """Stack all windows, and score them batch by batch."""
    state = detector.state()
    mean, scale = state["standard.mean"], state["standard.scale"]
    assert isinstance(mean, np.ndarray)
    assert isinstance(scale, np.ndarray)
    standard = Standardizer(mean, scale, detector.less_level)
    targets = machines.targets(given, given.windows)

    def work() -> Any:
        data = straightforward.stacked(given.features, given.windows, standard, targets)
        return straightforward.scores(score, data, batch)

    return work


def _case(
    name: str, given: Training, detector: NetworkDetector, theirs: Callable[[], Any], threads: int, samples: int
) -> list[Result]:
    ctx = Context(threads=threads)
    contenders: dict[str, Callable[[], Any]] = {
        OURS: lambda: detector.score(given.features, given.windows, given.ids, ctx),
        "straightforward": theirs,
    }
    parameters: dict[str, float | int | str] = {"threads": threads, "clips": CLIPS, "windows": len(given.windows)}
    return run(Case(SUITE, name, parameters, contenders, same_scores, threads=threads, samples=samples))
