"""Estimators of scikit-learn as parts of a state: equal scores, nothing that pickle would do, damage refused."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA
from sklearn.ensemble import IsolationForest
from sklearn.mixture import GaussianMixture
from sklearn.neighbors import LocalOutlierFactor, NearestNeighbors
from sklearn.preprocessing import StandardScaler
from sklearn.svm import OneClassSVM
from sklearn.tree import ExtraTreeRegressor

from asdkit.api import AsdkitWarning, NotFitted, load_estimator, store_estimator
from asdkit.run.state_codec import decode_state, encode_state, is_finite

DATA = np.random.default_rng(0).normal(size=(60, 5)).astype(np.float32)
NEW = np.random.default_rng(1).normal(size=(20, 5)).astype(np.float32) * 3
ESTIMATORS = [
    (StandardScaler(), "transform"),
    (PCA(2, whiten=True), "transform"),
    (PCA(), "score_samples"),
    (KMeans(3, n_init=2, random_state=np.random.RandomState(0)), "transform"),
    (GaussianMixture(2, covariance_type="diag"), "score_samples"),
    (OneClassSVM(nu=0.2), "score_samples"),
    (OneClassSVM(kernel="poly", degree=2), "decision_function"),
    (IsolationForest(n_estimators=20, random_state=1), "score_samples"),
    (IsolationForest(n_estimators=9, max_features=0.5, max_samples=0.5, contamination=0.1), "decision_function"),
    (NearestNeighbors(n_neighbors=3), "kneighbors"),
    (LocalOutlierFactor(novelty=True), "score_samples"),
]


@pytest.mark.parametrize(("estimator", "method"), ESTIMATORS, ids=[type(e).__name__ + "-" + m for e, m in ESTIMATORS])
def test_the_scores_of_a_stored_estimator_are_the_same(estimator, method):
    estimator.fit(DATA)
    state = store_estimator(estimator, "model")
    assert all(is_finite(value) for value in state.values())
    loaded = load_estimator(decode_state(encode_state(state)), "model")
    expected, scores = getattr(estimator, method)(NEW), getattr(loaded, method)(NEW)
    for one, other in zip(np.atleast_1d(expected), np.atleast_1d(scores), strict=True):
        assert np.array_equal(one, other)


class Lazy(PCA):
    pass


@pytest.mark.parametrize(
    ("estimator", "error", "message"),
    [
        (ExtraTreeRegressor(), TypeError, "ExtraTreeRegressor cannot be stored; expected one of StandardScaler"),
        (Lazy().fit(DATA), TypeError, "Lazy cannot be stored"),
        (PCA(), NotFitted, "not fitted"),
        (OneClassSVM(kernel=np.dot), TypeError, "with kernel = <"),
        (KMeans(2, init=DATA[:2], n_init=1), TypeError, "with init = array"),
    ],
)
def test_other_estimators_are_a_clear_error(estimator, error, message):
    if isinstance(estimator, OneClassSVM):
        estimator.shape_fit_ = ()  # fitted, as far as scikit-learn looks
    elif isinstance(estimator, KMeans):
        estimator.fit(DATA)
    with pytest.raises(error, match=message):
        store_estimator(estimator, "model")


def changed(key, value):
    def change(state):
        array = state[f"m.{key}"].copy()
        array.flat[0] = value
        return {**state, f"m.{key}": array}

    return change


@pytest.mark.parametrize(
    "change",
    [
        changed("tree.left_child", 10**9),
        changed("tree.left_child", 0),
        changed("tree.right_child", -5),
        changed("tree.feature", 5),
        changed("tree.feature", -7),
        changed("tree.bands", 9),
        changed("tree.counts", 10**6),
        lambda state: {**state, "m.tree.depths": state["m.tree.depths"][:-1]},
        lambda state: {key: value for key, value in state.items() if key != "m.tree.threshold"},
        lambda state: {**state, "m.class": "Popen"},
        lambda state: {**state, "m.params": '{"command": "ls"}'},
        lambda state: {**state, "m.__class__": "int"},
        lambda state: {**state, "m.score_samples": 3},
    ],
)
def test_a_damaged_forest_is_refused(change):
    state = store_estimator(IsolationForest(n_estimators=3, random_state=0).fit(DATA), "m")
    with pytest.raises(ValueError, match=r"tree|estimator|fit together|learns no|no array"):
        load_estimator(change(state), "m")


def test_support_vectors_that_do_not_fit_together_are_refused():
    state = store_estimator(OneClassSVM().fit(DATA), "m")
    for key in ("support_", "dual_coef_", "_dual_coef_"):
        with pytest.raises(ValueError, match="number of support vectors"):
            load_estimator({**state, f"m.{key}": state[f"m.{key}"].ravel()[:1]}, "m")


def test_another_version_is_reported():
    state = store_estimator(StandardScaler().fit(DATA), "m")
    with warnings.catch_warnings(), pytest.warns(AsdkitWarning, match=r"fitted with scikit-learn 1\.0, this is"):
        load_estimator({**state, "m.sklearn": "1.0"}, "m")
