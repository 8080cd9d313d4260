"""Limits of memory and time: jobs whose estimates are beyond them are refused before any work."""

from __future__ import annotations

from collections.abc import Sequence

from asdkit.config import NetworkConfig
from asdkit.run.estimates import OPERATIONS_PER_S, Estimate
from asdkit.run.jobs import Job
from asdkit.run.plan import Plan
from asdkit.run.resources import core_count, machine_memory, share_cores
from asdkit.spec.diagnostics import Diagnostics
from asdkit.text import YEAR, duration_text, size_text

_LONG_S = 30 * 24 * 3600
_LONGEST_S = 100 * YEAR  # a GPU a thousand times as fast as the estimate's thread takes a month
_MARGIN = 3  # factor that estimates of memory are good to: less is no reason to refuse what may fit the machine
_SHOWN = 5  # jobs named in a note


def refuse_impossible(plan: Plan, jobs: Sequence[Job]) -> None:
    """Refuse jobs that are not done and whose estimates are beyond the limits.

    Of jobs with the same option at fault, the largest is named.

    Raises
    ------
    SpecError
        One line for each option at fault.
    """
    keys = {job.key for job in jobs}
    estimates = [estimate for estimate in plan.estimates if estimate.job.key in keys]
    faults = Diagnostics(plan.spec.locations)
    named: set[tuple[object, ...]] = set()
    for estimate in sorted(estimates, key=lambda one: (one.bytes, one.seconds), reverse=True):
        job, fault = estimate.job, _fault(plan, estimate)
        if fault is None:
            continue
        option, text = fault
        table = plan.spec.table(job.machine, job.detectors[0])
        place = (*table.written.get(option, table.path), option)
        if place not in named and plan.status(job) != "done":
            named.add(place)
            table.fault(faults, (option,) if option else (), f"{text} (machine {job.machine})")
    faults.raise_if_any()


def _fault(plan: Plan, estimate: Estimate) -> tuple[str, str] | None:
    """Return the option at fault, and what is beyond which limit; None if the job is within the limits."""
    limit = _memory_limit(plan)
    settings = estimate.job.settings
    if limit is not None and estimate.bytes > limit[0] * limit[2]:
        option, most = max(estimate.memory.items(), key=lambda part: part[1])
        mostly = f", {size_text(most)} of it for this" if option else ""
        reduce = f"reduce {option}, or " if option else ""
        if option == "featurizer":
            reduce = f'set store = "memmap" in [featurizers.{settings.featurizer.name}], or '
        need = f"the estimated memory is {size_text(estimate.bytes)}{mostly}"
        return (
            option,
            f"{need}; expected at most {size_text(limit[0] * limit[2])} ({limit[1]}); {reduce}raise compute.memory",
        )
    if estimate.seconds > _LONGEST_S:
        option = "epochs" if isinstance(settings.config, NetworkConfig) else ""
        reduce = f"; reduce {option}" if option else ""
        return option, f"the estimated time is {duration_text(estimate.seconds)}; expected at most 100 years{reduce}"
    return None


def _memory_limit(plan: Plan) -> tuple[float, str, int] | None:
    """Return the most memory of a job, what sets it, and the multiple of it that is refused.

    None if it is not known, as on the hosts of a cluster.
    """
    compute = plan.spec.compute
    if compute.memory_bytes is not None:
        return compute.memory_bytes, "compute.memory", 1
    memory = None if compute.scheduler else machine_memory()
    if memory is None:
        return None
    return memory, f"{_MARGIN} times that of this machine, as compute.memory is not set", _MARGIN


def notes(plan: Plan) -> list[str]:
    """Return what a person should know of the jobs' estimates before they run, one line each."""
    left = [estimate for estimate in plan.estimates if plan.status(estimate.job) != "done"]
    found = []
    long = sorted((one for one in left if one.seconds > _LONG_S), key=lambda one: one.seconds, reverse=True)
    if long:
        jobs = [f"{one.job.title} {duration_text(one.seconds)}" for one in long[:_SHOWN]]
        more = [f"{len(long) - _SHOWN} more"] if len(long) > _SHOWN else []
        found.append(f"jobs with an estimated time of more than 30 days on the CPU: {', '.join([*jobs, *more])}")
    workers, _, _ = share_cores(plan.spec.compute, core_count())
    limit = _memory_limit(plan)
    doubtful = [one for one in left if limit is not None and limit[0] < one.bytes <= limit[0] * limit[2]]
    if limit is not None and doubtful:
        largest = max(doubtful, key=lambda one: one.bytes)
        need = f"{size_text(largest.bytes)}, of {size_text(limit[0])} here"
        found.append(f"the estimated memory of {largest.job.title} is {need}: it may end for lack of memory")
    together = sum(sorted((one.bytes for one in left), reverse=True)[:workers])
    if limit is not None and workers > 1 and together > limit[0]:
        found.append(
            f"the estimated memory of {workers} jobs at a time is {size_text(together)}, more than "
            f"{size_text(limit[0])}; reduce compute.workers"
        )
    return found


def basis(plan: Plan) -> str:
    """Return what the estimates of a plan rest on, in a line."""
    _, threads, _ = share_cores(plan.spec.compute, core_count())
    speed = f"{OPERATIONS_PER_S / 1e9:.0f} GFLOP/s a thread"
    at_least = "; > where a plugin does not state its cost" if not all(one.complete for one in plan.estimates) else ""
    return (
        f"memory and time are estimates of one job on the CPU (threads: {threads}, {speed}), good to a factor of about "
        f"3 and 5{at_least}"
    )
