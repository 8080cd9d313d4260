"""Where the threshold of each id lies, and what the clips held out can support."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from asdkit.bundle import Judge, Reference
from asdkit.report.reading import Run


@dataclass(frozen=True)
class Threshold:
    """The threshold of one id.

    Attributes
    ----------
    held_out
        Clips that no detector learnt from.
    score
        A clip that scores above it is called anomalous; None where the clips held out cannot tell.
    supported_rate
        Least false-alarm rate that they can promise; None without such clips.
    shortfall
        What they cannot support; empty where they can.
    above
        Labelled test clips above the threshold and of how many: normal ones, anomalous ones.
    """

    id: str
    held_out: int
    score: float | None
    supported_rate: float | None
    shortfall: str
    above: tuple[tuple[int, int], tuple[int, int]]


def thresholds(run: Run, machine: str, name: str) -> list[Threshold]:
    """Find the threshold of each id for one name's scores; test labels only count what lies above it.

    Parameters
    ----------
    run
        The run; its `Run.rule` says what is asked.
    machine
        One of its machines.
    name
        A member or system that has scores of the machine.
    """
    table = run.tables[machine]
    references = {id_: Reference(scores) for id_, scores in table.references.get(name, {}).items()}
    judge = Judge(references, run.rule)
    found = []
    for id_ in run.ids(machine):
        reference = references.get(id_)
        limit = None if reference is None else _limit(reference, judge, id_)
        above = []
        for label in (0, 1):
            scores = table.columns[name][table.where(id_, "test", label)]
            above.append((int((scores > limit).sum()) if limit is not None else 0, len(scores)))
        found.append(
            Threshold(
                id=id_,
                held_out=0 if reference is None else len(reference.scores),
                score=limit,
                supported_rate=None if reference is None else reference.supported_rate,
                shortfall="" if run.rule.threshold == "gamma" and limit is not None else judge.shortfall(id_),
                above=(above[0], above[1]),
            )
        )
    return found


def _limit(reference: Reference, judge: Judge, id_: str) -> float | None:
    """The highest score that is still called normal."""
    rate = judge.rule.false_alarm_rate
    if judge.rule.threshold == "gamma":
        return reference.gamma_threshold(rate)
    if not judge.supports(id_):
        return None
    # p = (1 + clips at or above the score) / (n + 1) must not exceed the rate
    at_most = int(np.floor(rate * (len(reference.scores) + 1) * (1 + 1e-12))) - 1
    return float(reference.scores[len(reference.scores) - 1 - at_most])
