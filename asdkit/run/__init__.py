"""Run a spec: plan the jobs, run them on a backend, store the results in the run folder."""

from asdkit.run.fit import FittedArrays, fit_arrays
from asdkit.run.locks import require_free
from asdkit.run.merge import merge
from asdkit.run.plan import Plan, Shard, make_plan
from asdkit.run.results import Results
from asdkit.run.runner import Watcher, run_plan, run_shard

__all__ = [
    "FittedArrays",
    "Plan",
    "Results",
    "Shard",
    "Watcher",
    "fit_arrays",
    "make_plan",
    "merge",
    "require_free",
    "run_plan",
    "run_shard",
]
