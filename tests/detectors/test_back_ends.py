"""One-sided distances, principal components, metrics and local score normalisation, and states of earlier versions."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from asdkit_statistics.config import KnnConfig, MahalanobisConfig, PcaConfig
from asdkit_statistics.detector import pooled_logs
from asdkit_statistics.knn import Knn
from asdkit_statistics.mahalanobis import Mahalanobis
from asdkit_statistics.neighbours import nearest
from asdkit_statistics.normalisation import local_scale
from asdkit_statistics.pca import Pca
from pydantic import ValidationError
from sklearn.covariance import ledoit_wolf

from asdkit.api import Context, Features, cut_windows
from tests.detectors import naive
from tests.helpers.detector_rooms import BANDS, clips, training

IDS = ["id_00"] * 30
POWER = {"statistics": ["power"]}
SIDED = [(Knn, KnnConfig), (Mahalanobis, MahalanobisConfig), (Pca, PcaConfig)]
sided = pytest.mark.parametrize(("detector", "config"), SIDED, ids=["knn", "mahalanobis", "pca"])


def fitted(detector):
    detector.fit(training(clips(IDS), IDS, "clip"), Context())
    return detector


def score(detector, features):
    return detector.score(features, cut_windows(features.offsets, "clip"), ["id_00"] * features.clips, Context())


def standardised(features):
    """Mean power of each clip, standardised as the training clips are."""

    def power(of):
        return np.array([naive.power(of.clip(i).astype(np.float64)) for i in range(of.clips)])

    train = power(clips(IDS))
    return (power(features) - train.mean(0)) / train.std(0), (train - train.mean(0)) / train.std(0)


PARTS = {"both": lambda x: x, "above": lambda x: np.maximum(x, 0), "below": lambda x: np.minimum(x, 0)}


@pytest.mark.parametrize("side", PARTS)
def test_scores_are_their_equations(side):
    features = clips(["id_00"] * 12, seed=9)
    new, train = standardised(features)
    differences = PARTS[side](new[:, None] - train)
    expected = np.log1p((differences**2).sum(2).min(1) / BANDS)
    np.testing.assert_allclose(score(fitted(Knn(KnnConfig(side=side, **POWER))), features), expected, rtol=1e-3)

    part = PARTS[side](new)
    inverse = np.linalg.inv(ledoit_wolf(train, assume_centered=True)[0])
    expected = np.log1p(np.einsum("wi,ij,wj->w", part, inverse, part) / BANDS)
    detector = fitted(Mahalanobis(MahalanobisConfig(side=side, **POWER)))
    np.testing.assert_allclose(score(detector, features), expected, rtol=1e-3)

    components = np.linalg.svd(train, full_matrices=False)[2][: int(0.5 * min(train.shape))]
    residual = PARTS[side](new - new @ components.T @ components)
    expected = np.log1p((residual**2).sum(1) / BANDS)
    np.testing.assert_allclose(score(fitted(Pca(PcaConfig(side=side, **POWER))), features), expected, rtol=1e-3)


@sided
def test_a_quieter_clip_is_healthy_above_and_a_louder_one_below(detector, config):
    healthy = clips(["id_00"] * 12, seed=9)
    louder, quieter = (Features(healthy.frames + np.float32(gain), healthy.offsets) for gain in (20, -20))
    if detector is Pca:  # its components hold what all bands share; the residual needs a single line
        louder, quieter = (Features(healthy.frames.copy(), healthy.offsets) for _ in range(2))
        louder.frames[:, 3] += 60
        quieter.frames[:, 3] -= 60
    above, below = (fitted(detector(config(side=side, **POWER))) for side in ("above", "below"))
    assert score(above, louder).min() > score(above, quieter).max()
    assert score(below, quieter).min() > score(below, louder).max()


def test_cosine_distance_ignores_the_size_of_a_difference():
    new, train = (rows.astype(np.float32) for rows in standardised(clips(["id_00"] * 12, seed=9)))
    distances, indices = nearest(train, new, 3, "cosine", "both")
    cosines = (new @ train.T) / np.linalg.norm(new, axis=1)[:, None] / np.linalg.norm(train, axis=1)
    np.testing.assert_allclose(distances, np.sort((1 - cosines) / 2, axis=1)[:, :3], atol=1e-5)
    np.testing.assert_array_equal(indices[:, 0], cosines.argmax(axis=1))
    np.testing.assert_allclose(nearest(train, 5 * new, 3, "cosine", "both")[0], distances, atol=1e-5)
    with pytest.raises(ValidationError, match="an angle has no side"):
        KnnConfig(metric="cosine", side="above")


def test_cosine_scores_are_angles_in_standard_units():
    features = clips(["id_00"] * 12, seed=9)
    new, train = standardised(features)
    mean = np.mean([naive.power(clips(IDS).clip(i).astype(np.float64)) for i in range(len(IDS))], axis=0)
    deviation = np.std([naive.power(clips(IDS).clip(i).astype(np.float64)) for i in range(len(IDS))], axis=0)
    origin = mean / deviation
    unit_new, unit_train = (
        (rows + origin) / np.linalg.norm(rows + origin, axis=1, keepdims=True) for rows in (new, train)
    )
    distance = (1 - (unit_new @ unit_train.T).max(axis=1)) / 2
    expected = np.log1p((4 * (origin**2).sum() * distance / BANDS) ** 2)
    np.testing.assert_allclose(
        score(fitted(Knn(KnnConfig(metric="cosine", **POWER))), features), expected, rtol=0.02, atol=1e-3
    )


def naive_normalised(normalise, distances, between, neighbours, decay):
    """Smallest normalised distance of each new window, training window by training window."""
    count = len(between)
    others = [sorted((between[i, j], j) for j in range(count) if j != i) for i in range(count)]
    ratios = [[a[0] / b[0] for a, b in pairwise(o[:neighbours])] for o in others]
    unusual = np.percentile(ratios, 4)
    around = [np.mean([d for d, _ in o[:4]]) for o in others]
    u, v = np.array([o[0][0] for o in others]), np.array([around[o[0][1]] for o in others])
    alpha = np.mean((u - u.mean()) * (v - v.mean())) / v.var()
    values = np.empty(distances.shape)
    for i in range(count):
        near = [d for d, _ in others[i][:neighbours]]
        if normalise == "ced":
            below = [k for k, ratio in enumerate(ratios[i], 1) if ratio < unusual]
            near = near[: below[0]] if below else near
        weights = [decay**n for n in range(len(near))]
        local = np.dot(weights, near) / sum(weights)
        values[:, i] = {
            "ldn-ratio": distances[:, i] / local,
            "ced": distances[:, i] / local,
            "ldn-difference": distances[:, i] - local,
            "varmin": distances[:, i] - alpha * around[i],
        }[normalise]
    return values.min(axis=1)


@pytest.mark.parametrize("side", ["both", "above"])
@pytest.mark.parametrize("normalise", ["ldn-ratio", "ldn-difference", "varmin", "ced"])
def test_local_normalisation_is_its_equation(normalise, side):
    features = clips(["id_00"] * 12, seed=9)
    new, train = standardised(features)
    distances, between = (np.linalg.norm(PARTS[side](rows[:, None] - train), axis=2) for rows in (new, train))
    raw = naive_normalised(normalise, distances, between, 8, 0.9)
    square = 1 if normalise in ("ldn-ratio", "ced") else BANDS
    expected = np.sign(raw) * np.log1p(raw**2 / square)
    options = {"normalise": normalise, "local_neighbours": 8, "local_decay": 0.9, "side": side}
    np.testing.assert_allclose(
        score(fitted(Knn(KnnConfig(**options, **POWER))), features), expected, rtol=2e-3, atol=1e-5
    )


def test_local_normalisation_makes_domains_comparable():
    """A sparse domain beside a dense one: nearest distances of healthy windows differ, normalised ones do not."""
    rng = np.random.default_rng(1)
    known = np.concatenate([rng.normal(0, 0.1, (200, 4)), rng.normal(0, 1, (200, 4)) + 20]).astype(np.float32)
    new = np.concatenate([rng.normal(0, 0.1, (200, 4)), rng.normal(0, 1, (200, 4)) + 20]).astype(np.float32)
    plain = nearest(known, new, 1, "euclidean", "both")[0][:, 0]
    assert np.median(plain[200:]) > 8 * np.median(plain[:200])
    distances, indices = nearest(known, known, 9, "euclidean", "both")
    scale = local_scale(distances[:, 1:], indices[:, 1], "ldn-ratio", 1.0)
    every, whose = nearest(known, new, len(known), "euclidean", "both")
    ratio = (every / scale[whose]).min(axis=1)
    assert np.median(ratio[200:]) == pytest.approx(np.median(ratio[:200]), rel=0.1)


@pytest.mark.parametrize("normalise", ["ldn-ratio", "ldn-difference", "varmin", "ced"])
def test_local_normalisation_works_with_few_and_equal_clips(normalise):
    detector = Knn(KnnConfig(normalise=normalise))
    for ids in (["id_00"], ["id_00"] * 2):
        detector.fit(training(clips(ids), ids, "clip"), Context())
        assert np.isfinite(score(detector, clips(["id_00"] * 3, seed=9))).all()
    same = Features(np.tile(clips(["id_00"]).frames, (4, 1)), clips(["id_00"]).offsets[-1] * np.arange(5))
    detector.fit(training(same, ["id_00"] * 4, "clip"), Context())
    assert np.isfinite(score(detector, clips(["id_00"] * 3, seed=9))).all()


def test_differences_of_distances_keep_their_sign():
    pooled = pooled_logs([np.array([-2.0, 0.0, 2.0])], [4.0])
    np.testing.assert_allclose(pooled, [-np.log(2), 0, np.log(2)])


@pytest.mark.parametrize(
    ("option", "value"),
    [("side", "above"), ("rank_decay", 0.5), ("metric", "cosine"), ("normalise", "varmin")],
)
def test_a_state_fitted_with_other_options_is_refused(option, value):
    state = fitted(Knn(KnnConfig())).state()
    with pytest.raises(ValueError, match=f"fitted with {option} = "):
        Knn(KnnConfig(**{option: value})).load(state)


def test_a_state_of_an_earlier_version_gives_the_same_scores():
    """Before `modulation` all statistics were as wide, and before `side` there was nothing to choose."""
    features = clips(["id_00"] * 12, seed=9)
    detector = fitted(Mahalanobis(MahalanobisConfig()))
    state = detector.state()
    new = ("side", "rank_decay", "widths", "whiten.0", "whiten.1", "whiten.2")
    earlier = {name: value for name, value in state.items() if name not in new}
    earlier["whiten"] = np.array([state[f"whiten.{index}"] for index in range(3)])
    loaded = Mahalanobis(MahalanobisConfig())
    loaded.load(earlier)
    np.testing.assert_array_equal(score(loaded, features), score(detector, features))
    assert set(loaded.state()) >= {"widths", "whiten.2"}


@pytest.mark.parametrize("normalise", ["varmin", "ldn-ratio"])
def test_a_training_window_is_not_its_own_neighbour_where_others_are_as_near(normalise):
    """One-sided distances from a window that is below others are 0, as is the distance from itself."""
    block = np.array([[0, 0], [1, 1], [-1, -1], [2, 0], [-2, 3], [4, -3], [1, 5]], np.float32)
    options = {"normalise": normalise, "side": "above", "local_neighbours": 4}
    every = np.linalg.norm(np.maximum(block[:, None] - block, 0), axis=2)
    np.fill_diagonal(every, np.inf)
    order = every.argsort(axis=1, kind="stable")[:, :4]
    expected = local_scale(np.take_along_axis(every, order, axis=1), order[:, 0], normalise, 1.0)
    np.testing.assert_allclose(Knn(KnnConfig(**options))._local_scale(block), expected, rtol=1e-6)
