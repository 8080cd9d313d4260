"""Measuring: contenders for one job, checked for equal output, then timed in turns."""

from __future__ import annotations

import contextlib
import os
import random
import statistics
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

OURS = "asdkit"
SAMPLE_S = 0.002  # a sample lasts at least so long: fast contenders are called several times for it


@dataclass(frozen=True)
class Result:
    """What one contender needed in one case.

    Attributes
    ----------
    suite, case, parameters
        What was done.
    contender
        Who did it; `OURS` for asdkit.
    unit
        Of the numbers: ``"s"``, ``"MB"``, ``"GB/s"``.
    median, low, high, least
        Median, quartiles and minimum of the samples.
    samples
        How many there are.
    note
        What the reader must know.
    """

    suite: str
    case: str
    parameters: dict[str, float | int | str]
    contender: str
    unit: str
    median: float
    low: float
    high: float
    least: float
    samples: int
    note: str = ""

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


@dataclass
class Case:
    """One job that several can do.

    Attributes
    ----------
    contenders
        Name -> function that does the job once and returns its output. Called anew for each sample.
    same
        Given two outputs, says how they differ, or "" if they are equal; None where outputs differ by nature.
    threads
        Cores that may be used: the process is confined to them.
    """

    suite: str
    name: str
    parameters: dict[str, float | int | str]
    contenders: Mapping[str, Callable[[], Any]]
    same: Callable[[Any, Any], str] | None = None
    threads: int = 1
    samples: int = 100
    notes: Mapping[str, str] = field(default_factory=dict)


class NotEqual(Exception):
    """A peer's output differs, so that its time would mean nothing."""


def run(case: Case) -> list[Result]:
    """Check the contenders of a case against ours, then time them in turns, in a new order each round."""
    with confined(case.threads):
        _check(case)
        calls = {name: _calls(contender, case.threads) for name, contender in case.contenders.items()}
        times: dict[str, list[float]] = {name: [] for name in calls}
        order = list(calls)
        shuffle = random.Random(0).shuffle
        for _ in range(case.samples):
            shuffle(order)
            for name in order:
                times[name].append(_sample(case.contenders[name], calls[name], case.threads))
    return [summary(case.suite, case.name, case.parameters, name, times[name], note=case.notes.get(name, ""))
            for name in calls]  # fmt: skip


def summary(
    suite: str, case: str, parameters: dict[str, float | int | str], contender: str, samples: list[float],
    *, unit: str = "s", note: str = "",
) -> Result:  # fmt: skip
    """Median and spread of samples."""
    low, median, high = statistics.quantiles(samples, n=4) if len(samples) > 1 else samples * 3
    return Result(suite, case, parameters, contender, unit, median, low, high, min(samples), len(samples), note)


def _check(case: Case) -> None:
    if case.same is None:
        for contender in case.contenders.values():
            contender()
        return
    expected = case.contenders[OURS]()
    for name, contender in case.contenders.items():
        difference = case.same(expected, contender()) if name != OURS else ""
        if difference:
            raise NotEqual(f"{case.suite}, {case.name} {case.parameters}: {name} differs from asdkit: {difference}")


def _calls(contender: Callable[[], Any], threads: int) -> int:
    contender()
    return max(1, round(SAMPLE_S / min(_sample(contender, 1, threads) for _ in range(3))))


def _sample(contender: Callable[[], Any], calls: int, threads: int) -> float:
    # On one core: processor time, all threads of this process counted, so that other processes do not show.
    clock = time.process_time if threads == 1 else time.perf_counter
    begin = clock()
    for _ in range(calls):
        contender()
    return (clock() - begin) / calls


@contextlib.contextmanager
def confined(threads: int) -> Iterator[None]:
    """Let this process use so many cores, and libraries so many threads."""
    import threadpoolctl
    import torch

    torch.set_num_threads(threads)
    affinity = getattr(os, "sched_setaffinity", None)  # Linux only
    before = os.sched_getaffinity(0) if affinity else set()
    if affinity:
        affinity(0, sorted(before)[-threads:])
    with threadpoolctl.threadpool_limits(threads):
        try:
            yield
        finally:
            if affinity:
                affinity(0, before)
