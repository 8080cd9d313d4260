"""Fitted estimators of scikit-learn as arrays and plain values of a state, without pickle.

What was fitted is copied attribute by attribute; those that search neighbours are stored as their data and
fitted again. What is loaded is checked, because scikit-learn's compiled code trusts its own trees and vectors.
"""

from __future__ import annotations

import json
import re
import warnings
from importlib import import_module
from typing import Any, Final

import numpy as np

from asdkit.base_detector import as_array
from asdkit.context import State
from asdkit.errors import AsdkitWarning, NotFitted

_COPIED: Final = {
    "StandardScaler": "sklearn.preprocessing",
    "PCA": "sklearn.decomposition",
    "KMeans": "sklearn.cluster",
    "GaussianMixture": "sklearn.mixture",
    "OneClassSVM": "sklearn.svm",
    "IsolationForest": "sklearn.ensemble",
}
_REFITTED: Final = {"NearestNeighbors": "sklearn.neighbors", "LocalOutlierFactor": "sklearn.neighbors"}
_MODULES: Final = {**_COPIED, **_REFITTED}
_ATTRIBUTE = re.compile(r"_?[A-Za-z][A-Za-z0-9_]*")
_NODE: Final = ("left_child", "right_child", "feature", "threshold", "n_node_samples")  # fields of a tree's nodes


def store_estimator(estimator: Any, name: str) -> State:
    """Return a fitted estimator of scikit-learn as part of a state, under keys that begin with `name` and a dot.

    Scores of the estimator that `load_estimator` restores are the same, bit for bit, with the same scikit-learn.

    Parameters
    ----------
    estimator
        Fitted: StandardScaler, PCA, KMeans, GaussianMixture, OneClassSVM, IsolationForest, NearestNeighbors, or
        LocalOutlierFactor with ``novelty=True``; not a subclass.
    name
        Name within the state.

    Raises
    ------
    TypeError
        For another estimator, or a parameter that is no number or text.
    NotFitted
        If it is not fitted.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.ensemble import IsolationForest
    >>> from asdkit.api import load_estimator, store_estimator
    >>> forest = IsolationForest(random_state=0).fit(np.eye(4))
    >>> copy = load_estimator(store_estimator(forest, "forest"), "forest")
    >>> bool((copy.score_samples(np.eye(4)) == forest.score_samples(np.eye(4))).all())
    True
    """
    import sklearn
    from sklearn.exceptions import NotFittedError
    from sklearn.utils.validation import check_is_fitted

    kind = type(estimator).__name__
    if kind not in _MODULES or type(estimator) is not _class(kind):
        raise TypeError(f"{kind} cannot be stored; expected one of {', '.join(_MODULES)}: store its arrays yourself")
    try:
        check_is_fitted(estimator)
    except NotFittedError as error:
        raise NotFitted(str(error)) from None
    values: State = {"class": kind, "sklearn": sklearn.__version__, "params": _params(estimator)}
    if kind in _REFITTED:
        data = estimator._fit_X
        if not isinstance(data, np.ndarray):
            raise TypeError(f"{kind} of sparse data cannot be stored")
        values["data"] = data
    else:
        values |= _attributes(estimator) | (_forest(estimator) if kind == "IsolationForest" else {})
    return {f"{name}.{key}": value for key, value in values.items()}


def load_estimator(state: State, name: str) -> Any:
    """Return the estimator that `store_estimator` stored under `name`.

    Raises
    ------
    ValueError
        If the state holds none, or one that does not fit together.

    Warns
    -----
    AsdkitWarning
        If it was stored by another version of scikit-learn, with which its scores may differ.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.preprocessing import StandardScaler
    >>> from asdkit.api import load_estimator, store_estimator
    >>> state = store_estimator(StandardScaler().fit(np.array([[1.0], [3.0]])), "scaler")
    >>> load_estimator(state, "scaler").transform([[5.0]])
    array([[3.]])
    """
    import sklearn

    values = {key.removeprefix(f"{name}."): value for key, value in state.items() if key.startswith(f"{name}.")}
    kind, version = values.pop("class", None), values.pop("sklearn", None)
    if not isinstance(kind, str) or kind not in _MODULES:
        raise ValueError(f"the state holds no estimator {name!r}")
    if version != sklearn.__version__:
        text = f"{kind} was fitted with scikit-learn {version}, this is {sklearn.__version__}: scores may differ"
        warnings.warn(text, AsdkitWarning, stacklevel=2)
    try:
        estimator = _class(kind)(**json.loads(str(values.pop("params"))))
        if kind in _REFITTED:
            return estimator.fit(as_array(values, "data"))
        if kind == "IsolationForest":
            _plant(estimator, values)
        for key, value in values.items():
            if not key.startswith("tree."):
                _set(estimator, key, value)
        if kind == "OneClassSVM":
            _check_vectors(estimator)
    except (TypeError, KeyError, AttributeError, IndexError) as error:
        raise ValueError(f"the stored {kind} {name!r} does not fit together: {error}") from None
    return estimator


def _class(kind: str) -> Any:
    return getattr(import_module(_MODULES[kind]), kind)


def _params(estimator: Any) -> str:
    """Return the parameters as JSON; a generator of random numbers has done its work."""
    params = {
        key: value.item() if isinstance(value, np.generic) else value for key, value in _own_params(estimator).items()
    }
    if isinstance(params.get("random_state"), np.random.RandomState):
        params["random_state"] = None
    wrong = [key for key, value in params.items() if not isinstance(value, None | bool | int | float | str)]
    if wrong:
        raise TypeError(f"{type(estimator).__name__} with {wrong[0]} = {params[wrong[0]]!r:.60} cannot be stored")
    return json.dumps(params)


def _own_params(estimator: Any) -> dict[str, Any]:
    """Return the parameters of an estimator itself."""
    params: dict[str, Any] = estimator.get_params(deep=False)
    return params


def _attributes(estimator: Any) -> State:
    """Return what was fitted, where it is arrays, numbers or texts."""
    params = _own_params(estimator)
    found: State = {}
    for key, value in vars(estimator).items():
        if key in params:
            continue
        if isinstance(value, np.ndarray | np.generic):
            found[key] = np.asarray(value)
        elif isinstance(value, bool | int | float | str):
            found[key] = value
    return {key: value for key, value in found.items() if not isinstance(value, np.ndarray) or value.dtype != object}


def _set(estimator: Any, key: str, value: Any) -> None:
    if not _ATTRIBUTE.fullmatch(key) or hasattr(type(estimator), key):
        raise ValueError(f"{type(estimator).__name__} learns no {key!r}")
    setattr(estimator, key, value[()] if isinstance(value, np.ndarray) and value.ndim == 0 else value)


def _check_vectors(machine: Any) -> None:
    """Require support vectors that fit together: libsvm reads them without looking."""
    vectors, features = machine.support_vectors_.shape
    sizes = (machine.support_.size, machine.dual_coef_.size, machine._dual_coef_.size, int(machine._n_support[0]))
    if machine.kernel not in ("linear", "poly", "rbf", "sigmoid") or features != machine.n_features_in_:
        raise ValueError("the stored OneClassSVM has another kernel or number of features")
    if set(sizes) != {vectors} or machine._n_support.size != 2 or machine._intercept_.size != 1:
        raise ValueError("the stored OneClassSVM has another number of support vectors")


def _forest(forest: Any) -> State:
    """Return the trees of a forest: their nodes one after the other."""
    trees = [tree.tree_ for tree in forest.estimators_]
    nodes = [tree.__getstate__()["nodes"] for tree in trees]
    state: State = {f"tree.{field}": np.concatenate([each[field] for each in nodes]) for field in _NODE}
    return state | {
        "tree.counts": np.array([len(each) for each in nodes], np.int64),
        "tree.bands": np.array(forest.estimators_features_, np.int64),
        "tree.path_lengths": np.concatenate(forest._average_path_length_per_tree),
        "tree.depths": np.concatenate(forest._decision_path_lengths),
    }


def _plant(forest: Any, values: State) -> None:
    """Make the trees of a forest of their nodes.

    Raises
    ------
    ValueError
        If a node's children do not come after it, or it looks at a number that windows do not have.
    """
    arrays = {key: as_array(values, f"tree.{key}") for key in (*_NODE, "counts", "bands", "path_lengths", "depths")}
    counts, bands = arrays.pop("counts"), arrays.pop("bands")
    features = int(str(values["n_features_in_"]))
    used = bands.shape[1]
    total = {len(array) for array in arrays.values()}
    if len(bands) != len(counts) or (counts < 1).any() or total != {int(counts.sum())}:
        raise ValueError("the stored trees are not of one size")
    if bands.min() < 0 or bands.max() >= features:
        raise ValueError("the stored trees look at numbers that windows do not have")
    parts = np.split(np.arange(int(counts.sum())), np.cumsum(counts)[:-1])
    forest.estimators_ = [_tree({key: array[part] for key, array in arrays.items()}, used) for part in parts]
    forest.estimators_features_ = list(bands)
    forest._average_path_length_per_tree = tuple(arrays["path_lengths"][part] for part in parts)
    forest._decision_path_lengths = tuple(arrays["depths"][part] for part in parts)


def _tree(arrays: dict[str, np.ndarray], features: int) -> Any:
    from sklearn.tree import ExtraTreeRegressor
    from sklearn.tree._tree import NODE_DTYPE, Tree

    count = len(arrays["left_child"])
    left, right, feature = arrays["left_child"], arrays["right_child"], arrays["feature"]
    inner, places = left >= 0, np.arange(count)
    later = (np.minimum(left, right) > places) & (np.maximum(left, right) < count)
    if not np.where(inner, later & (feature >= 0) & (feature < features), (left == -1) & (right == -1)).all():
        raise ValueError("a stored tree is damaged")
    nodes = np.zeros(count, NODE_DTYPE)
    for field in _NODE:
        nodes[field] = arrays[field]
    depth = int(np.max(arrays["depths"], initial=1))
    tree = Tree(features, np.array([1], np.intp), 1)
    tree.__setstate__({"max_depth": depth, "node_count": count, "nodes": nodes, "values": np.zeros((count, 1, 1))})
    grown = ExtraTreeRegressor(max_features=1)
    grown.tree_, grown.n_features_in_, grown.n_outputs_, grown.max_features_ = tree, features, 1, 1
    return grown
