"""Prototypes of classes, and the distance to them."""

import numpy as np
import pytest
import torch
from asdkit_id_classifier.config import IdClassifierConfig
from asdkit_id_classifier.detector import IdClassifier
from asdkit_id_classifier.prototypes import COUNT, Prototypes, spherical_k_means
from sklearn.metrics import pairwise_distances
from torch.nn import functional

from asdkit.api import Context, Features, Training, cut_windows


def random(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def test_the_distance_is_scikit_learns_cosine_distance_to_the_nearest_centre():
    prototypes = Prototypes(3, 8)
    prototypes.learn([(random(200, 8), torch.arange(200) % 2)])
    features = random(20, 8, seed=1)
    for each in (0, 1):
        apart = pairwise_distances(features.double(), prototypes.centres[each].double(), metric="cosine")
        np.testing.assert_allclose(prototypes(features)[:, each], apart.min(axis=1), atol=1e-6)
    assert torch.equal(prototypes(features)[:, 2], torch.ones(20, dtype=torch.float64))  # nothing was shown of it


def test_k_means_finds_the_directions_that_points_gather_around():
    directions = functional.normalize(random(4, 16))
    points = directions.repeat(50, 1) * (1 + random(200, 1, seed=1).abs()) + 0.02 * random(200, 16, seed=2)
    centres = spherical_k_means(points, 4)
    nearest = (directions @ centres.T).max(dim=1)
    assert (nearest.values > 0.999).all()
    assert len(set(nearest.indices.tolist())) == 4


def test_k_means_never_ends_further_from_its_points_than_it_began():
    points = functional.normalize(random(300, 8))
    spread = [(1 - (points @ spherical_k_means(points, count).T).max(dim=1).values).mean() for count in (1, 4, 16)]
    assert spread[0] > spread[1] > spread[2]
    best_alone = functional.normalize(points.sum(dim=0), dim=0)  # in closed form
    assert spread[0] == pytest.approx(float((1 - points @ best_alone).mean()), rel=1e-5)


@pytest.mark.parametrize("points", [1, 5, COUNT])
def test_fewer_points_than_centres_are_the_centres(points):
    given = functional.normalize(random(points, 8))
    centres = spherical_k_means(given, COUNT)
    assert centres.shape == (COUNT, 8)
    torch.testing.assert_close(centres[:points], given)
    assert torch.equal(centres, centres[torch.arange(COUNT) % points])


def test_equal_points_are_no_trouble():
    centres = spherical_k_means(torch.ones(100, 8), COUNT)
    torch.testing.assert_close(centres, torch.full((COUNT, 8), 8**-0.5))


def fitted(score="nearest"):
    rng = np.random.default_rng(0)
    offsets = np.arange(0, 7) * 40
    features = Features(rng.normal(size=(240, 32)).astype(np.float32), offsets)
    ids = ["a", "a", "a", "b", "b", "b"]
    windows = cut_windows(offsets, 32, 8)
    training = Training(features, windows, ids, np.array([0, 0, 0, 1, 1, 1]), ("a", "b"), 6)
    detector = IdClassifier(IdClassifierConfig(epochs=1, least_batches=2, batch_size=4, score=score))
    detector.fit(training, Context(seed=1))
    return detector, features, windows, ids


def test_training_windows_lie_at_their_own_ids_prototypes():
    detector, features, windows, ids = fitted()
    own = detector.score(features, windows, ids, Context())
    other = detector.score(features, windows, ids[::-1], Context())
    assert own.max() < 1e-5  # six windows of an id: each is a prototype
    assert other.mean() > 100 * own.max()


def test_an_unknown_id_is_as_near_as_the_nearest_known_one():
    detector, features, windows, _ = fitted()
    unknown = detector.score(features, windows, ["?"] * 6, Context())
    known = [detector.score(features, windows, [i] * 6, Context()) for i in "ab"]
    np.testing.assert_array_equal(unknown, np.minimum(*known))
