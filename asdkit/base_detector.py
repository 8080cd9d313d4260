"""`BaseDetector`: what most detectors would write alike, so that a plugin adds fitting and scoring alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from asdkit.context import Context, State, StateValue
from asdkit.errors import NotFitted
from asdkit.features import Features, FloatArray, Windows
from asdkit.interfaces import Training


class BaseDetector:
    """A detector whose fitted state is a dict: a plugin writes `learn` and `score_windows`.

    Everything else of `asdkit.api.Detector` is here: `state`, `load`, `NotFitted` before them, and a second `fit` that
    forgets the first.

    Examples
    --------
    >>> import numpy as np
    >>> from asdkit.api import BaseDetector
    >>> class Mean(BaseDetector):
    ...     def learn(self, training, ctx):
    ...         return {"mean": training.features.frames.mean(axis=0)}
    ...     def score_windows(self, features, windows, ids, ctx):
    ...         distance = np.abs(features.frames - self.array("mean")).mean(axis=1)
    ...         return distance[windows.starts]
    """

    def __init__(self, config: Any) -> None:
        self.config = config
        self._fitted: State | None = None

    def learn(self, training: Training, ctx: Context) -> State:
        """Fit to training clips; return the state: a flat dict of arrays, numbers, strings and lists of strings."""
        raise NotImplementedError

    def restore(self, state: State) -> None:
        """Make of the state what `score_windows` needs, such as an estimator; called after `learn` and `load`."""

    def score_windows(
        self, features: Features, windows: Windows, ids: Sequence[str], ctx: Context
    ) -> npt.NDArray[np.floating]:
        """Return a score of each window [``[windows]``], as `asdkit.api.Detector.score`; called once it is fitted."""
        raise NotImplementedError

    @property
    def fitted(self) -> State:
        """What `learn` returned.

        Raises
        ------
        NotFitted
            Before ``fit`` or ``load``.
        """
        if self._fitted is None:
            raise NotFitted("a detector must be fitted or loaded before it can score")
        return self._fitted

    def array(self, key: str) -> npt.NDArray[Any]:
        """Return an array of `fitted`; raises as that does."""
        return as_array(self.fitted, key)

    def fit(self, training: Training, ctx: Context) -> None:
        """Fit to training clips; see `asdkit.api.Detector`."""
        self._fitted = None
        self.load(self.learn(training, ctx))

    def score(self, features: Features, windows: Windows, ids: Sequence[str], ctx: Context) -> FloatArray:
        """Score windows; see `asdkit.api.Detector`."""
        _ = self.fitted  # raises NotFitted
        return np.asarray(self.score_windows(features, windows, ids, ctx), np.float32)

    def state(self) -> State:
        """Return the fitted state; see `asdkit.api.Detector`."""
        return dict(self.fitted)

    def load(self, state: State) -> None:
        """Restore what `state` returned; see `asdkit.api.Detector`."""
        self._fitted = None
        self.restore(state)
        self._fitted = dict(state)


def as_array(state: State, key: str) -> npt.NDArray[Any]:
    """Return an array of a state.

    Raises
    ------
    ValueError
        If there is none of that name.
    """
    value: StateValue = state.get(key)
    if not isinstance(value, np.ndarray):
        raise ValueError(f"the state holds no array {key!r}")
    return value
