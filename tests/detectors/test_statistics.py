"""The classical detectors, against scikit-learn and figures published with the drone recordings."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from asdkit_statistics.config import GmmConfig, KnnConfig, MahalanobisConfig
from asdkit_statistics.gmm import Gmm
from asdkit_statistics.knn import Knn
from asdkit_statistics.mahalanobis import Mahalanobis
from asdkit_statistics.summary import summarise
from sklearn.covariance import LedoitWolf
from sklearn.metrics import roc_auc_score
from sklearn.mixture import GaussianMixture
from sklearn.neighbors import NearestNeighbors

from asdkit.api import Context, Features, cut_windows
from tests.detectors.rooms import clips, training

IDS = ["id_00"] * 30
TEST = ["id_00"] * 12


def both(detector, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Scores of training clips and of others."""
    train, test = clips(IDS), clips(TEST, seed=9)
    detector.fit(training(train, IDS, "clip"), Context(seed=seed))
    return tuple(
        detector.score(f, cut_windows(f.offsets, "clip"), ["id_00"] * f.clips, Context()) for f in (train, test)
    )


def summaries(features: Features, statistics=("mean", "deviation")) -> np.ndarray:
    """Definition of the statistics, clip by clip."""
    made = []
    for index in range(features.clips):
        clip = features.clip(index).astype(float)
        parts = {"mean": clip.mean(0), "deviation": clip.std(0), "change": np.diff(clip, axis=0).std(0)}
        made.append(np.concatenate([parts[name] for name in statistics]))
    return np.array(made)


def standardised() -> tuple[np.ndarray, np.ndarray]:
    train, test = summaries(clips(IDS)), summaries(clips(TEST, seed=9))
    return (train - train.mean(0)) / train.std(0), (test - train.mean(0)) / train.std(0)


OPTIONS = {"statistics": ["mean", "deviation"]}


@pytest.mark.parametrize("neighbours", [1, 3])
def test_knn_is_the_mean_distance_to_the_nearest_standardised_clips(neighbours) -> None:
    train, test = standardised()
    expected = NearestNeighbors(n_neighbors=neighbours).fit(train).kneighbors(test)[0].mean(1)
    np.testing.assert_allclose(both(Knn(KnnConfig(neighbours=neighbours, **OPTIONS)))[1], expected, rtol=1e-4)


def test_mahalanobis_is_the_distance_under_the_ledoit_wolf_covariance() -> None:
    train, test = standardised()
    expected = np.sqrt(LedoitWolf().fit(train).mahalanobis(test))
    np.testing.assert_allclose(both(Mahalanobis(MahalanobisConfig(**OPTIONS)))[1], expected, rtol=1e-3)


def test_gmm_is_the_negative_log_likelihood_a_number() -> None:
    train, test = standardised()
    detector = Gmm(GmmConfig(components=1, **OPTIONS))  # of one Gaussian there is one fit
    mixture = GaussianMixture(1, covariance_type="diag", reg_covar=1e-2).fit(train)
    np.testing.assert_allclose(both(detector)[1], -mixture.score_samples(test) / test.shape[1], rtol=1e-4)


@pytest.mark.parametrize("statistics", [["mean"], ["change"], ["mean", "deviation", "change"]])
def test_statistics_are_those_of_each_band_over_the_frames(statistics) -> None:
    features = clips(TEST)
    made = summarise(features, cut_windows(features.offsets, "clip"), statistics, Context())
    np.testing.assert_allclose(made, summaries(features, statistics), rtol=1e-5, atol=1e-5)
    windows = cut_windows(features.offsets, 8, 4)
    rows = [features.frames[start : start + 8] for start in windows.starts]
    cut = Features(np.concatenate(rows), np.arange(len(rows) + 1) * 8)
    made = summarise(features, windows, statistics, Context())
    np.testing.assert_allclose(made, summaries(cut, statistics), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    "detector",
    [Knn(KnnConfig()), Mahalanobis(MahalanobisConfig()), Gmm(GmmConfig())],
    ids=["knn", "mahalanobis", "gmm"],
)
def test_training_clips_score_like_new_normal_clips(detector) -> None:
    """z-scores and thresholds follow from the scores of training clips; a clip must not vouch for itself."""
    train, test = both(detector)
    assert abs(np.median(test) - np.median(train)) < 2 * train.std()
    assert train.std() > 0


@pytest.mark.parametrize(
    ("detector", "published"),
    [(Knn(KnnConfig(**OPTIONS)), (0.79, 0.83)), (Mahalanobis(MahalanobisConfig(**OPTIONS)), (0.85, 0.87))],
    ids=["knn", "mahalanobis"],
)
def test_the_figures_published_with_the_drone_recordings(shared_data: Path, detector, published) -> None:
    from asdkit_logmel.config import LogMelConfig
    from asdkit_logmel.featurizer import LogMel

    from asdkit import audio

    featurizer = LogMel(LogMelConfig())
    for name, figure in zip(("id_00", "id_01"), published, strict=True):

        def read(pattern: str, name: str = name) -> Features:
            made = []
            for path in sorted((shared_data / "drone_dev" / "drone").glob(pattern.format(name))):
                wave = audio.read(path, sample_rate=16000, channel="mean")
                made.append(np.empty((featurizer.rows(len(wave)), featurizer.bands), np.float32))
                featurizer.fill(wave, 16000, made[-1])
            return Features(np.concatenate(made), np.cumsum([0, *map(len, made)]).astype(np.int64))

        detector.fit(training(train := read("train/normal_{}_*"), [name] * train.clips, "clip"), Context())
        normal, faulty = (read(f"test/{kind}_{{}}_*") for kind in ("normal", "anomaly"))
        scores = [
            detector.score(f, cut_windows(f.offsets, "clip"), [name] * f.clips, Context()) for f in (normal, faulty)
        ]
        labels = np.repeat([0, 1], [normal.clips, faulty.clips])
        assert roc_auc_score(labels, np.concatenate(scores)) == pytest.approx(figure, abs=0.005)
