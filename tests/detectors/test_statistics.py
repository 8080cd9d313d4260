"""The classical detectors, compared with scikit-learn and with figures published with the drone recordings."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
from asdkit_statistics import summary
from asdkit_statistics.config import GmmConfig, KnnConfig, MahalanobisConfig, PcaConfig, Statistic, StatisticsConfig
from asdkit_statistics.gmm import Gmm
from asdkit_statistics.knn import Knn
from asdkit_statistics.mahalanobis import Mahalanobis
from asdkit_statistics.pca import Pca
from asdkit_statistics.summary import summarise
from sklearn.covariance import LedoitWolf
from sklearn.metrics import roc_auc_score
from sklearn.mixture import GaussianMixture
from sklearn.neighbors import NearestNeighbors

from asdkit.api import Context, Features, cut_windows
from tests.detectors import naive
from tests.helpers.detector_rooms import BANDS, clips, training

IDS = ["id_00"] * 30
TEST = ["id_00"] * 12


def both(detector, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Scores of training clips and of other clips."""
    train, test = clips(IDS), clips(TEST, seed=9)
    detector.fit(training(train, IDS, "clip"), Context(seed=seed))
    return tuple(
        detector.score(f, cut_windows(f.offsets, "clip"), ["id_00"] * f.clips, Context()) for f in (train, test)
    )


def summaries(features: Features, statistics=("mean", "deviation")) -> np.ndarray:
    """Definition of the statistics, clip by clip."""
    rows = []
    for index in range(features.clips):
        clip = features.clip(index).astype(float)
        parts = {
            "mean": clip.mean(0),
            "power": 10 * np.log10((10 ** (clip / 10)).mean(0)),
            "deviation": clip.std(0),
            "change": np.diff(clip, axis=0).std(0),
            "median-change": np.median(np.abs(np.diff(clip, axis=0)), 0),
            "shape": naive.shape(clip),
            "modulation": naive.modulation(clip),
        }
        rows.append(np.concatenate([parts[name] for name in statistics]))
    return np.array(rows)


def standardised() -> tuple[np.ndarray, np.ndarray]:
    train, test = summaries(clips(IDS)), summaries(clips(TEST, seed=9))
    return (train - train.mean(0)) / train.std(0), (test - train.mean(0)) / train.std(0)


def mean_log(distances: Sequence[np.ndarray]) -> np.ndarray:
    """Definition of how the distances of statistics become one score."""
    return np.mean([np.log(1 + distance**2 / BANDS) for distance in distances], axis=0)


DETECTORS = [Knn(KnnConfig()), Mahalanobis(MahalanobisConfig()), Pca(PcaConfig()), Gmm(GmmConfig())]
NAMES = ["knn", "mahalanobis", "pca", "gmm"]
OPTIONS = {"statistics": ["mean", "deviation"]}


@pytest.mark.parametrize("bands", [1, 2, 7, 8, 20])
def test_a_long_clip_has_the_same_summary_bit_for_bit(bands: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its bands are summarised a few at a time."""
    offsets = np.array([0, 20_000, 20_001], np.int64)
    features = Features(np.random.default_rng(0).normal(-40, 9, (20_001, bands)).astype(np.float32), offsets)
    config = StatisticsConfig(statistics=list(get_args(Statistic)))
    made = []
    for bands_at_once in (20, 1, 3, 5):
        monkeypatch.setattr(summary, "_AT_ONCE", 4 * 20_000 * bands_at_once)
        made.append(summarise(features, cut_windows(offsets, "clip"), config, Context()))
        np.testing.assert_array_equal(made[-1], made[0])


@pytest.mark.parametrize("neighbours", [1, 3])
def test_knn_is_the_mean_distance_to_neighbours(neighbours) -> None:
    parts = zip(*(np.split(rows, 2, axis=1) for rows in standardised()), strict=True)
    search = NearestNeighbors(n_neighbors=neighbours)
    expected = mean_log([search.fit(own).kneighbors(new)[0].mean(1) for own, new in parts])
    np.testing.assert_allclose(both(Knn(KnnConfig(neighbours=neighbours, **OPTIONS)))[1], expected, rtol=1e-4)


def test_mahalanobis_uses_the_ledoit_wolf_covariance() -> None:
    train, test = standardised()
    parts = zip(np.split(train, 2, axis=1), np.split(test, 2, axis=1), strict=True)
    expected = mean_log([np.sqrt(LedoitWolf().fit(own).mahalanobis(new)) for own, new in parts])
    np.testing.assert_allclose(both(Mahalanobis(MahalanobisConfig(**OPTIONS)))[1], expected, rtol=1e-3)


def test_gmm_is_the_negative_log_likelihood_per_number() -> None:
    train, test = standardised()
    detector = Gmm(GmmConfig(components=1, **OPTIONS))  # one Gaussian has one solution
    mixture = GaussianMixture(1, covariance_type="diag", reg_covar=1e-2).fit(train)
    np.testing.assert_allclose(both(detector)[1], -mixture.score_samples(test) / test.shape[1], rtol=1e-4)


@pytest.mark.parametrize(
    "statistics",
    [["mean"], ["change"], ["deviation", "mean", "change"], ["power", "median-change"], ["modulation", "shape"]],
)
def test_statistics_are_computed_over_the_frames(statistics) -> None:
    features = clips(TEST)
    config = StatisticsConfig(statistics=statistics)
    computed = summarise(features, cut_windows(features.offsets, "clip"), config, Context())
    np.testing.assert_allclose(computed, summaries(features, statistics), rtol=1e-5, atol=1e-5)
    windows = cut_windows(features.offsets, 8, 4)
    rows = [features.frames[start : start + 8] for start in windows.starts]
    cut = Features(np.concatenate(rows), np.arange(len(rows) + 1) * 8)
    computed = summarise(features, windows, config, Context())
    np.testing.assert_allclose(computed, summaries(cut, statistics), rtol=1e-5, atol=1e-5)


def test_the_mean_power_of_power_features_is_their_mean() -> None:
    powers = Features(10 ** (clips(TEST).frames / 10), clips(TEST).offsets, "power")
    both_means = StatisticsConfig(statistics=["power", "mean"])
    computed = summarise(powers, cut_windows(powers.offsets, "clip"), both_means, Context())
    np.testing.assert_array_equal(computed[:, :BANDS], computed[:, BANDS:])


TWO = ["id_00"] * 8 + ["id_01"] * 8
BY_ID = ["id_00", "id_01"] * 6


def fitted(detector, ids: Sequence[str] = TWO):
    detector.fit(training(clips(ids), ids, "clip"), Context())
    return detector


def score(detector, features: Features, ids: Sequence[str]) -> np.ndarray:
    return detector.score(features, cut_windows(features.offsets, "clip"), ids, Context())


def test_ids_have_their_own_means_and_share_the_rest() -> None:
    """Distances are those of one id whose clips are the differences of all clips from their ids' means."""
    train, test = summaries(clips(TWO)), summaries(clips(BY_ID, seed=9))
    of, new = (np.array(ids) == "id_01" for ids in (TWO, BY_ID))
    means = np.stack([train[~of].mean(0), train[of].mean(0)])
    differences = train - means[of.astype(int)]
    scale = differences.std(0)
    parts = zip(
        *(np.split(rows / scale, 2, axis=1) for rows in (differences, test - means[new.astype(int)])), strict=True
    )
    expected = mean_log([np.sqrt(LedoitWolf(assume_centered=True).fit(own).mahalanobis(far)) for own, far in parts])
    detector = fitted(Mahalanobis(MahalanobisConfig(**OPTIONS)))
    np.testing.assert_allclose(score(detector, clips(BY_ID, seed=9), BY_ID), expected, rtol=1e-3)


def test_sharing_between_ids_helps_with_few_clips() -> None:
    detector = Mahalanobis(MahalanobisConfig())
    ids = [f"id_0{number}" for number in range(6) for _ in range(4)]
    rng = np.random.default_rng(3)
    means, mixing = rng.normal(0, 20, (6, BANDS)), rng.normal(0, 1, (BANDS, BANDS))

    def room(names: Sequence[str], shift: float) -> Features:
        rows = np.stack([means[int(name[-1])] + mixing @ rng.normal(0, 1, BANDS) + shift for name in names])
        frames = np.repeat(rows, 4, axis=0) + rng.normal(0, 0.1, (4 * len(rows), BANDS))
        return Features(frames.astype(np.float32), np.arange(len(rows) + 1) * 4)

    train, healthy, faulty = room(ids, 0), room(ids * 5, 0), room(ids * 5, 2)

    def auc(number: int) -> float:
        """AUC of one id."""
        rows = np.flatnonzero(np.array(ids * 5) == f"id_0{number}")
        normal, anomalous = (
            Features(features.frames.reshape(-1, 4, BANDS)[rows].reshape(-1, BANDS), np.arange(len(rows) + 1) * 4)
            for features in (healthy, faulty)
        )
        scores = [score(detector, features, [f"id_0{number}"] * len(rows)) for features in (normal, anomalous)]
        return roc_auc_score(np.repeat([0, 1], len(rows)), np.concatenate(scores))

    detector.fit(training(train, ids, "clip"), Context())
    shared = [auc(number) for number in range(6)]
    alone = []
    for number in range(6):
        own = train.select(4 * number, 4 * number + 4)
        detector.fit(training(own, [f"id_0{number}"] * 4, "clip"), Context())
        alone.append(auc(number))
    assert np.mean(shared) > np.mean(alone) + 0.02


@pytest.mark.parametrize("detector", DETECTORS, ids=NAMES)
def test_training_clips_are_left_out_under_their_id(detector) -> None:
    fitted(detector)
    train = clips(TWO)
    own = score(detector, train, TWO)
    as_each = [score(detector, train, [name] * 16) for name in ("id_00", "id_01")]
    np.testing.assert_array_equal(own, np.where(np.array(TWO) == "id_00", *as_each))


@pytest.mark.parametrize("detector", DETECTORS, ids=NAMES)
def test_the_only_clip_of_an_id_gets_the_median(detector) -> None:
    """Left in, it would be its own mean, and every other clip of that id far from it."""
    ids = [*TWO, "id_02"]
    scores = score(fitted(detector, ids), clips(ids), ids)
    assert scores[-1] == np.median(scores[:-1])


@pytest.mark.parametrize("detector", DETECTORS, ids=NAMES)
def test_one_clip_per_id_is_enough(detector) -> None:
    ids = ["id_00", "id_01"]
    assert np.isfinite(score(fitted(detector, ids), clips(BY_ID, seed=9), BY_ID)).all()


@pytest.mark.parametrize("detector", DETECTORS[:3], ids=NAMES[:3])
def test_one_extreme_statistic_does_not_dominate(detector) -> None:
    """A clip 300 dB off in one statistic scores lower than a clip off in all of them by much less."""
    fitted(detector)
    healthy = clips(BY_ID, seed=9)
    louder = Features(healthy.frames + np.float32(300), healthy.offsets)
    jumpy = Features(healthy.frames.copy(), healthy.offsets)
    jumpy.frames[::2] += np.float32(60)
    assert (score(detector, louder, BY_ID) < score(detector, jumpy, BY_ID)).all()


@pytest.mark.parametrize("detector", DETECTORS, ids=NAMES)
def test_training_clips_score_like_new_normal_clips(detector) -> None:
    """z-scores and thresholds depend on the scores of training clips, which must not be their own neighbours."""
    train, test = both(detector)
    assert abs(np.median(test) - np.median(train)) < 2 * train.std()
    assert train.std() > 0


def drone(shared_data: Path, pattern: str) -> Features:
    """Log-mel features of some of the drone recordings."""
    from asdkit_logmel.config import LogMelConfig
    from asdkit_logmel.featurizer import LogMel

    from asdkit import audio

    featurizer = LogMel(LogMelConfig())
    clips_frames = []
    for path in sorted((shared_data / "drone_dev" / "drone").glob(pattern)):
        wave = audio.read(path, sample_rate=16000, channel="mean")
        clips_frames.append(np.empty((featurizer.rows(len(wave)), featurizer.bands), np.float32))
        featurizer.fill(wave, 16000, clips_frames[-1])
    return Features(np.concatenate(clips_frames), np.cumsum([0, *map(len, clips_frames)]).astype(np.int64))


@pytest.mark.parametrize(("name", "knn", "mahalanobis"), [("id_00", 0.79, 0.85), ("id_01", 0.83, 0.87)])
def test_published_figures_of_the_drones_are_exceeded(shared_data: Path, name, knn, mahalanobis) -> None:
    train, normal, faulty = (
        drone(shared_data, f"{kind}_{name}_*") for kind in ("train/normal", "test/normal", "test/anomaly")
    )
    labels = np.repeat([0, 1], [normal.clips, faulty.clips])
    # The published method: mean and deviation, standardised, in one vector.
    own, *new = (summaries(features) for features in (train, normal, faulty))
    search = NearestNeighbors(n_neighbors=1).fit((own - own.mean(0)) / own.std(0))
    distances = search.kneighbors((np.concatenate(new) - own.mean(0)) / own.std(0))[0][:, 0]
    assert roc_auc_score(labels, distances) == pytest.approx(knn, abs=0.005)
    for detector, figure in ((Knn(KnnConfig()), knn), (Mahalanobis(MahalanobisConfig()), mahalanobis)):
        detector.fit(training(train, [name] * train.clips, "clip"), Context())
        scores = [score(detector, features, [name] * features.clips) for features in (normal, faulty)]
        assert roc_auc_score(labels, np.concatenate(scores)) > figure + 0.05


@pytest.mark.parametrize("detector", DETECTORS, ids=NAMES)
def test_a_state_with_other_statistics_is_refused(detector) -> None:
    state = fitted(detector).state()
    other = type(detector)(type(detector.config)(statistics=["mean"]))
    with pytest.raises(ValueError, match=r"fitted to the statistics \['power', 'change', 'median-change'\]"):
        other.load(state)
    del state["statistics"]
    with pytest.raises(ValueError, match="fitted to the statistics None"):
        type(detector)(detector.config).load(state)
