"""Plan, jobs, store: what is done, what is left, where it lies."""

from asdkit.run.arrays import FittedArrays, fit_arrays
from asdkit.run.execute import Plan, Watcher, make_plan, run_plan, run_shard
from asdkit.run.lock import require_free
from asdkit.run.merging import merge
from asdkit.run.results import Results
from asdkit.run.shards import Shard

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
