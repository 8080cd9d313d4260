"""The detector ``pyod``."""

import inspect
import io
import pkgutil
import random
import sys
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from importlib import import_module

import numpy as np
from pyod import models

from asdkit.api import AsdkitError, NotFitted, Stopped


class Pyod:
    """A detector of PyOD over rows of numbers, one a window."""

    def __init__(self, config):
        self.config, self.learnt = config, None

    def fit(self, training, ctx):
        self.learnt = None
        rows = self.rows(training.features, training.windows, ctx)[: training.windows.offsets[training.real]]
        if len(rows) > self.config.kept:
            rows = rows[np.sort(ctx.rng("kept").choice(len(rows), self.config.kept, replace=False))]
        self.load({"rows": rows, "seed": ctx.seed_for("pyod") % 2**31})

    def load(self, state):
        rows, seed = state["rows"], int(state["seed"])
        self.mean = rows.mean(axis=0)
        self.scale = 1 / np.maximum(rows.std(axis=0), 1e-3)
        with alone(seed):
            self.model = make(self.config.detector, self.config.parameters, seed)
            self.model.fit((rows - self.mean) * self.scale)
        self.seed = seed
        first = (rows[:4] - self.mean) * self.scale
        # ECOD and its like judge rows by one another.
        together, single = self.judge(first), np.concatenate([self.judge(row[None]) for row in first])
        self.one_by_one = not np.allclose(together, single, rtol=1e-6)
        self.learnt = {"rows": rows, "seed": seed}

    def judge(self, rows):
        with alone(self.seed):
            return np.asarray(self.model.decision_function(rows), np.float64)

    def score(self, features, windows, ids, ctx):
        self.state()
        rows = (self.rows(features, windows, ctx) - self.mean) * self.scale
        if not self.one_by_one:
            return self.judge(rows).astype(np.float32)
        scores = np.empty(len(rows), np.float32)
        for index, row in enumerate(rows):
            stop_if_asked(ctx)
            scores[index] = self.judge(row[None])[0]
        return scores

    def rows(self, features, windows, ctx):
        """One row a window [float32]: its frames, or the mean and deviation of each band over them."""
        made = []
        for window, start in enumerate(windows.starts):
            if window % 1000 == 0:
                stop_if_asked(ctx)
            frames = (
                features.clip(window) if windows.frames == "clip" else features.frames[start : start + windows.frames]
            )
            flat = self.config.rows == "frames"
            made.append(frames.ravel() if flat else np.concatenate([frames.mean(axis=0), frames.std(axis=0)]))
        rows = np.stack(made).astype(np.float32)
        if not np.isfinite(rows).all():  # some of PyOD's detectors would not mind
            raise AsdkitError("frames hold NaN or infinite numbers")
        return rows

    def state(self):
        if self.learnt is None:
            raise NotFitted("pyod must be fitted or loaded first")
        return dict(self.learnt)


def make(name, parameters, seed):
    """Construct the class of PyOD that is called `name`, wherever in ``pyod.models`` it is."""
    modules = {module.name.replace("_", ""): module.name for module in pkgutil.iter_modules(models.__path__)}
    try:
        found = getattr(import_module(f"pyod.models.{modules[name.lower()]}"), name)
    except (KeyError, AttributeError):
        raise AsdkitError(
            f"PyOD has no detector {name!r}", hint="PyOD's documentation lists them: IForest, LOF ..."
        ) from None
    known = inspect.signature(found).parameters
    usual = {key: value for key, value in {"random_state": seed, "verbose": 0}.items() if key in known}
    return found(**{**usual, **parameters})


@contextmanager
def alone(seed):
    """Seed the global generators for a detector that draws from them, drop what it prints, and put all back."""
    torch = sys.modules.get("torch")
    kept = random.getstate(), np.random.get_state(), torch and torch.get_rng_state()  # noqa: NPY002
    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002 (the legacy generator is the point)
    if torch:
        torch.manual_seed(seed)
    try:
        with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
            yield
    finally:
        random.setstate(kept[0])
        np.random.set_state(kept[1])  # noqa: NPY002
        if torch:
            torch.set_rng_state(kept[2])


def stop_if_asked(ctx):
    if ctx.should_stop():
        raise Stopped("work was stopped")
