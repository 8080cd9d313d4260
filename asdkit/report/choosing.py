"""Which clips a report explains, and by which score."""

from __future__ import annotations

from dataclasses import dataclass

from asdkit.report.listening import Heard, ranked
from asdkit.report.reading import Run

MAX_EXPLAINED = 12
"""Clips on a page; each has about 150 kB."""

_EACH = 3  # of a machine


@dataclass(frozen=True)
class Chosen:
    """A clip to explain.

    Attributes
    ----------
    name
        Whose score is explained: the first system, or member where there is none.
    why
        What it stands for.
    learnt
        Whether detectors learnt from it: then its own score says little, and no heat map can be made.
    """

    machine: str
    name: str
    heard: Heard
    why: str
    learnt: bool = False


def choose(run: Run) -> list[Chosen]:
    """Choose clips worth a closer look, the same number of each machine as far as possible, the first of each first."""
    machines = [m for m in sorted(run.tables) if run.drawn(m)]
    by_machine = [_of_machine(run, machine)[:_EACH] for machine in machines]
    turns = [chosen[turn] for turn in range(_EACH) for chosen in by_machine if turn < len(chosen)]
    kept = turns[:MAX_EXPLAINED]
    return sorted(kept, key=lambda c: machines.index(c.machine))


def _of_machine(run: Run, machine: str) -> list[Chosen]:
    name = run.drawn(machine)[0]
    table = run.tables[machine]
    anomalous, unlabelled, normal = (ranked(table, name, "test", label) for label in (1, None, 0))
    held, learnt = (ranked(table, name, split, 0) for split in ("held", "train"))
    found = [
        *((heard, "anomalous, with the highest score") for heard in anomalous[:1]),
        *((heard, "without a label, with the highest score") for heard in unlabelled[:1]),
        *((heard, "normal, with the highest score: the first false alarm") for heard in normal[:1]),
        *((heard, "healthy, held out, with the highest score") for heard in held[:2]),
    ]
    if found:
        return [Chosen(machine, name, heard, why) for heard, why in found]
    return [Chosen(machine, name, heard, "healthy, learnt from, with the highest score", True) for heard in learnt]
