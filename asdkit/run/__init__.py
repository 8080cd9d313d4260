"""Plan, jobs, store: what is done, what is left, where it lies."""

from asdkit.run.arrays import FittedArrays, fit_arrays
from asdkit.run.execute import Plan, Watcher, make_plan, run_plan
from asdkit.run.results import Results

__all__ = ["FittedArrays", "Plan", "Results", "Watcher", "fit_arrays", "make_plan", "run_plan"]
