"""How often are healthy clips called anomalous? ``python -m benchmarks.false_alarms [--seeds N]``, some minutes.

For each seed a new room of demo machines: other machines, a new model, new clips held out, new test clips, all healthy.
Alarms at each rate asked are pooled over seeds and ids and held against the 97.5 % quantile of what chance allows: with
``n`` clips held out and ``m`` tested, alarms of one model follow a beta-binomial law with parameters ``m``, ``k`` and
``n + 1 - k``, where ``k = floor(rate (n + 1))`` (Vovk 2012, "Conditional validity of inductive conformal predictors").
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from scipy.stats import betabinom

from asdkit.bundle import Bundle
from asdkit.bundle.score_recordings import find_recordings, score_files
from asdkit.data.demo import make_machine_room
from asdkit.plugins import Registry, discover
from asdkit.run import make_plan, run_plan
from asdkit.spec import load_spec

RATES = (0.1, 0.05, 0.01)
SYSTEMS = ("K", "L", "fused")
IDS = 2
LEARNT, HELD, TESTED = 40, 99, 50  # clips of each id; 99 is what 1 % needs
SECONDS = 2.0

SPEC = """
asdkit = 1
name = "false-alarms"
seed = {seed}

[data]
layout = "dcase2020"
root = "room"

[compute]
threads = 1

[calibration]
held_out = {held_out}

[featurizers.logmel]
use = "log-mel"

[detectors.K]
use = "knn"

[detectors.L]
use = "mahalanobis"

[systems.fused]
members = ["K", "L"]
fuser = {{ use = "z-score" }}
"""


def alarms_of(
    folder: Path, seed: int, registry: Registry, *, learnt: int = LEARNT, held: int = HELD, tested: int = TESTED
) -> Counter[tuple[str, float, str]]:
    """Verdicts on fresh healthy clips, counted by system, rate asked and verdict."""
    room = folder / "room"
    make_machine_room(
        room, seed=seed, machines=("fan",), ids=IDS, train=learnt + held, normal=tested, anomaly=1, seconds=SECONDS
    )
    (folder / "spec.toml").write_text(SPEC.format(seed=seed, held_out=held / (learnt + held)))
    run_plan(make_plan(load_spec(folder / "spec.toml", registry=registry), folder / "run", registry))
    counts: Counter[tuple[str, float, str]] = Counter()
    healthy = [str(path) for path in find_recordings([str(room / "fan" / "test")]) if "normal_" in str(path)]
    for system in SYSTEMS:
        bundle = Bundle.of_run(folder / "run", system, registry=registry)
        assert {len(r.scores) for r in bundle.calibrator.scores.values()} == {held}
        for row in score_files(bundle, healthy):
            assert row.verdict is not None
            for rate in RATES:
                judge = bundle.deciding(rate).calibrator
                decision = judge.decide(row.verdict.score, row.verdict.id)
                counts[system, rate, {None: "undecided", True: "alarm", False: "normal"}[decision.anomalous]] += 1
    return counts


def most_by_chance(rate: float, held: int, tested: int, models: int, quantile: float = 0.975) -> int:
    """Alarms over `models` models that are exceeded by chance in ``1 - quantile`` of cases."""
    k = int(rate * (held + 1) + 1e-9)
    single = betabinom.pmf(np.arange(tested + 1), tested, k, held + 1 - k)
    law: npt.NDArray[np.float64] = np.ones(1)
    for _ in range(models):
        law = np.convolve(law, single)
    return int(np.searchsorted(np.cumsum(law), quantile))


def table(counts: Counter[tuple[str, float, str]], seeds: int, held: int, tested: int) -> tuple[list[str], bool]:
    """Lines of figures, and whether no rate is above what chance allows."""
    lines, sound = [f"{'system':<8}{'asked':>7}{'measured':>10}{'at most':>9}"], True
    models = seeds * IDS
    for system in SYSTEMS:
        for rate in RATES:
            asked = f"{system:<8}{100 * rate:>5.0f} %"
            if counts[system, rate, "undecided"] or rate < 1 / (held + 1):
                alarms = counts[system, rate, "alarm"]
                sound &= alarms == 0
                lines.append(f"{asked}  {counts[system, rate, 'undecided']} undecided: {held} clips cannot support it")
                continue
            measured = counts[system, rate, "alarm"] / (models * tested)
            most = most_by_chance(rate, held, tested, models) / (models * tested)
            sound &= measured <= most
            lines.append(f"{asked}{100 * measured:>8.2f} %{100 * most:>7.2f} %{'' if measured <= most else '  ABOVE'}")
    return lines, sound


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--held", type=int, default=HELD, help="clips held out of each id")
    asked = parser.parse_args(arguments)
    registry = discover()
    counts: Counter[tuple[str, float, str]] = Counter()
    for seed in range(asked.seeds):
        with tempfile.TemporaryDirectory() as folder:
            counts += alarms_of(Path(folder), seed, registry, held=asked.held)
        sys.stderr.write(f"seed {seed} done\n")
    lines, sound = table(counts, asked.seeds, asked.held, TESTED)
    print(f"{asked.seeds} seeds x {IDS} ids, each {LEARNT} clips learnt from, {asked.held} held out, {TESTED} tested")
    print("\n".join(lines))
    return 0 if sound else 1


if __name__ == "__main__":
    sys.exit(main())
