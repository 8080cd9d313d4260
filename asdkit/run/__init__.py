"""Plan, jobs, store: what is done, what is left, where it lies."""

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
