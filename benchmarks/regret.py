"""Regret over sets and conditions: ``python -m benchmarks.regret SPEC --data NAME=ROOT ... [--seeds 0 1 2]``.

Runs a spec once a seed, as `benchmarks.seeds` does, on sets of recordings in the DCASE 2020 layout (``NAME=demo:0`` is
the synthetic machine room of seed 0), each under several conditions, copied once for all seeds by
`benchmarks.conditions`:

recorded    as recorded
gain        each clip at a random gain: -12 to 6 dB; -18 to 0 dB where 6 dB would cut off any clip of the set
few         10 training clips of each id, drawn at random
apart       each id is a machine

Ids with too few clips, and conditions that change nothing, are left out and listed. The tables, in the order of the
spec, give AUC and pAUC, their spread over seeds, and regret: the highest figure of a column minus that of the row. A
line below names the row with the least worst regret. It is chosen by test scores, hence tuned on these sets; nothing
else is. Run again, it goes on where it stopped.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from asdkit.errors import AsdkitError, Stopped, UsageError
from asdkit.metrics import partial_means
from asdkit.run import Results
from asdkit.spec import load_spec
from benchmarks import conditions
from benchmarks.seeds import run_seed

NAMES = list(conditions.CONDITIONS)
MEASURES = ("AUC", "pAUC", "mean of both")
"""In per cent; the last is the score of `asdkit.metrics.DCASE2020`."""
Figure = tuple[float, float, float]
Figures = dict[tuple[str, str, int], Figure]
"""By row (member or system), column (set and condition) and seed."""


def main(arguments: Sequence[str]) -> int:
    """Run, and print tables."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.regret", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("spec", type=Path)
    parser.add_argument("--data", nargs="+", required=True, metavar="NAME=ROOT")
    parser.add_argument("--conditions", nargs="+", choices=NAMES, default=NAMES, metavar="CONDITION")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2], metavar="N")
    parser.add_argument("--set", action="append", default=[], dest="sets", metavar="KEY=VALUE")
    parser.add_argument("--out", type=Path, default=Path("runs/regret"), help="default: %(default)s")
    args = parser.parse_args(arguments)
    try:
        spec = load_spec(args.spec, sets=args.sets)
        figures, failed = run_all(args, parse_data(args.data))
    except AsdkitError as error:
        print(error, file=sys.stderr)
        return int(error.exit_code)
    if figures:
        print(markdown(figures, [*spec.detector_names, *spec.systems], args.seeds))
    return int(failed)


def parse_data(texts: Sequence[str]) -> dict[str, str]:
    """Root of each set by its name."""
    data: dict[str, str] = {}
    for text in texts:
        name, _, root = text.partition("=")
        if not root or not name.replace("-", "").replace("_", "").isalnum():
            raise UsageError(f"--data {text}: expected NAME=ROOT, the name of letters, digits, - and _")
        if root.startswith("demo:") and not root.removeprefix("demo:").isdecimal():
            raise UsageError(f"--data {text}: expected the seed of a machine room, as in demo:0")
        if name in data:
            raise UsageError(f"--data {text}: another set has this name; give each its own")
        data[name] = root
    return data


def run_all(args: argparse.Namespace, data: Mapping[str, str]) -> tuple[Figures, bool]:
    """Run each seed on each set under each condition; whether anything failed, which is said at once."""
    figures: Figures = {}
    failed = False
    for name, root in data.items():
        try:
            copies, notes = conditions.prepare(name, root, args.conditions, args.out / "recordings" / name)
        except AsdkitError as error:
            failed = say(f"{name}: failed: {error}")
            continue
        for note in notes:
            print(f"- {note}\n", flush=True)
        for condition, folder in copies.items():
            sets = [*args.sets, 'data.layout="dcase2020"', f"data.root={folder.absolute()}"]
            for seed in args.seeds:
                title = f"{name} {condition}, seed {seed}"
                say(title)
                try:
                    results, _ = run_seed(args.spec, seed, sets, args.out / "runs" / name / condition)
                except Stopped:
                    raise
                except AsdkitError as error:
                    failed = say(f"{title}: failed: {error}")
                    continue
                for job, why in results.failed.items():
                    failed = say(f"{title}: failed: {job}: {why}")
                figures |= {(row, f"{name} {condition}", seed): figure for row, figure in overall(results)}
    return figures, failed


def say(message: str) -> bool:
    """Print a line on standard error."""
    print(message, file=sys.stderr, flush=True)
    return True


def overall(results: Results) -> Iterator[tuple[str, Figure]]:
    """Means over ids, then over machines, of each member and system that has as many machines as any."""
    partial = [mean for mean, _ in partial_means(results.means)]
    for mean in results.means:
        if mean.machine is None and mean not in partial and mean.official is not None:
            yield mean.name, (100 * mean.auc, 100 * mean.pauc, 100 * mean.official)


def markdown(figures: Figures, rows: Sequence[str], seeds: Sequence[int]) -> str:
    """Tables of means, of spreads over seeds, and of regrets; what one seed lacks has no mean."""
    columns = list(dict.fromkeys(column for _, column, _ in figures))
    missing = (np.nan,) * len(MEASURES)
    values = np.array([[[figures.get((r, c, seed), missing) for seed in seeds] for c in columns] for r in rows])
    means = values.mean(axis=2)  # [rows, columns, measures]; NaN where a seed is missing
    regrets = np.where(np.isnan(means), -np.inf, means).max(axis=0) - means
    parts = [
        f"AUC / pAUC in per cent, mean over {len(seeds)} seed{'s' if len(seeds) > 1 else ''}; mean over columns:",
        table([*columns, "mean"], rows, [[pair(f) for f in (*row, row.mean(axis=0))] for row in means]),
    ]
    if len(seeds) > 1:
        spreads = [[pair(f) for f in row] for row in values.std(axis=2, ddof=1)]
        parts += ["Standard deviation over seeds, AUC / pAUC:", table(columns, rows, spreads)]
    worst, where = regrets.max(axis=1), regrets.argmax(axis=1)  # [rows, measures]; NaN where a column is missing

    def describe(row: int, measure: int) -> str:
        value = worst[row, measure]
        return "-" if np.isnan(value) else f"{value:.1f}, {columns[where[row, measure]]}"

    measures = range(len(MEASURES))
    cells = [[*map(pair, row), *(describe(i, m) for m in measures)] for i, row in enumerate(regrets)]
    parts += [
        "Regret, AUC / pAUC: the highest figure of the column minus that of the row. Worst: the largest of the row:",
        table([*columns, *(f"worst, {measure}" for measure in MEASURES)], rows, cells),
    ]
    if np.isnan(worst).all():
        return "\n\n".join([*parts, "No row has all figures, so none has the least worst regret."])
    least = np.nanargmin(worst, axis=0)
    named = [f"{MEASURES[m]}: {rows[least[m]]} ({describe(least[m], m)})" for m in measures]
    return "\n\n".join([*parts, f"Least worst regret, tuned on these sets by their test clips: {'; '.join(named)}."])


def pair(figure: np.ndarray) -> str:
    """Return ``AUC / pAUC``, or ``-``."""
    return "-" if np.isnan(figure).any() else f"{figure[0]:.1f} / {figure[1]:.1f}"


def table(header: Sequence[str], names: Sequence[str], cells: Sequence[Sequence[str]]) -> str:
    """A table in Markdown."""
    lines = [["", *header], ["---"] * (len(header) + 1), *([n, *row] for n, row in zip(names, cells, strict=True))]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
