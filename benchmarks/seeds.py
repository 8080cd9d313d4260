"""Quality over seeds: ``python -m benchmarks.seeds SPEC [--seeds 0 1 2] [--set KEY=VALUE] [--out DIR]``.

Runs a spec once a seed, as ``asdkit run SPEC --set seed=N`` does, and prints mean and spread of each member and system
in the order of the spec; nothing is chosen or sorted by a test score. Run again, it goes on where it stopped.
"""

from __future__ import annotations

import argparse
import csv
import statistics
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from asdkit.errors import AsdkitError
from asdkit.metrics import auc
from asdkit.run import Results, Watcher, make_plan, run_plan

Figures = dict[tuple[str, str], list[float]]
"""Values in per cent, one a seed, by row (detector or system) and column."""


def main(arguments: Sequence[str]) -> int:
    """Run, and print a table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.seeds", description=__doc__)
    parser.add_argument("spec", type=Path)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2], metavar="N")
    parser.add_argument("--set", action="append", default=[], dest="sets", metavar="KEY=VALUE")
    parser.add_argument("--out", type=Path, default=Path("runs/seeds"), help="default: %(default)s")
    args = parser.parse_args(arguments)
    figures: Figures = {}
    failed = False
    for seed in args.seeds:
        try:
            results, root = run_seed(args.spec, seed, args.sets, args.out)
        except AsdkitError as error:
            print(f"seed {seed}: {error}", file=sys.stderr)
            return int(error.exit_code)
        for title, message in results.failed.items():
            print(f"seed {seed}: failed: {title}: {message}", file=sys.stderr)
        failed |= bool(results.failed)
        for key, value in [*areas(results), *by_severity(results, root)]:
            figures.setdefault(key, []).append(value)
    print(markdown(figures))
    return int(failed)


def run_seed(path: Path, seed: int, sets: Sequence[str], out: Path) -> tuple[Results, Path]:
    """Results of one seed, and the folder of the recordings."""
    from asdkit.plugins import discover
    from asdkit.spec import load_spec

    registry = discover()
    spec = load_spec(path, sets=[*sets, f"seed={seed}"], registry=registry)
    plan = make_plan(spec, out / f"{spec.name}-{seed}", registry)
    return run_plan(plan, Watcher()), Path(spec.data.root)


def areas(results: Results) -> Iterator[tuple[tuple[str, str], float]]:
    """AUC and pAUC of each member and system: mean over ids of each machine, then over machines."""
    for mean in results.means:
        if mean.auc is not None and mean.pauc is not None:
            where = mean.machine or "mean"
            yield (mean.name, f"{where} AUC"), 100 * mean.auc
            yield (mean.name, f"{where} pAUC"), 100 * mean.pauc


def by_severity(results: Results, root: Path) -> Iterator[tuple[tuple[str, str], float]]:
    """AUC of the faults of each third of severity, where a ``manifest.csv`` tells them; mean over all ids."""
    severity = severities(root / "manifest.csv")
    if not severity:
        return
    for name in (*results.members, *results.systems):
        for third, (low, high) in {"mild": (0, 1 / 3), "middling": (1 / 3, 2 / 3), "severe": (2 / 3, 1.01)}.items():
            found = []
            for machine, table in results.scores.items():
                clips = results.clips[machine]
                scores = table.columns.get(name)
                if scores is None:
                    continue
                for id_ in {clip.id for clip in clips}:
                    chosen = [
                        (clip.label, score)
                        for clip, score in zip(clips, scores, strict=True)
                        if clip.split == "test"
                        and clip.id == id_
                        and (clip.label == 0 or (clip.label == 1 and low <= severity[clip.name] < high))
                    ]
                    if len({label for label, _ in chosen}) == 2:
                        found.append(auc([label or 0 for label, _ in chosen], [score for _, score in chosen]))
            if found:
                yield (name, f"AUC {third}"), 100 * statistics.fmean(found)


def severities(manifest: Path) -> dict[str, float]:
    """Severity of each faulty clip by name; empty where no manifest tells it."""
    if not manifest.exists():
        return {}
    with manifest.open(newline="", encoding="utf-8") as lines:
        return {row["path"]: float(row["severity"]) for row in csv.DictReader(lines) if row.get("severity")}


def markdown(figures: Mapping[tuple[str, str], Sequence[float]]) -> str:
    """A table: ``mean ± standard deviation (seeds)`` in per cent."""
    rows, columns = (list(dict.fromkeys(key[i] for key in figures)) for i in (0, 1))
    lines = ["| | " + " | ".join(columns) + " | seeds |", "|---" * (len(columns) + 2) + "|"]
    for row in rows:
        values = [figures.get((row, column), []) for column in columns]
        seeds = max(map(len, values))
        lines.append("| " + " | ".join([row, *map(_cell, values), str(seeds)]) + " |")
    return "\n".join(lines)


def _cell(values: Sequence[float]) -> str:
    if not values:
        return "-"
    spread = f" ± {statistics.stdev(values):.1f}" if len(values) > 1 else ""
    return f"{statistics.fmean(values):.1f}{spread}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
