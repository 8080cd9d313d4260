"""Detectors x machines x seeds of a spec in one table: ``python -m benchmarks.matrix SPEC [--seeds 0 1] [--out DIR]``.

All seeds share one run folder, hence one store of finished jobs: running again adds what is missing. Written there:
``matrix.md``, ``matrix.csv`` and ``matrix.tex``.

``--allow-test-selection`` adds a row of the detector or system that scores best on the test clips of each machine, as
some papers report. That is no result of any system that could have been chosen beforehand: every table says so.
"""

from __future__ import annotations

import argparse
import csv
import io
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean, stdev

import numpy as np

from asdkit.files import write_atomic
from asdkit.metrics import (
    Bootstrap,
    Interval,
    LabelledClip,
    Mean,
    ScoringRule,
    means,
    percentile_interval,
    rank,
    rule_for,
)
from asdkit.plugins import discover
from asdkit.run import Results, make_plan, run_plan
from asdkit.spec import Spec, load_spec

RESAMPLES = 2000
BEST = "best of each machine"
SELECTED = "selected by test score"


@dataclass(frozen=True)
class Row:
    """One detector or system over all seeds; figures are shares, not per cent.

    Attributes
    ----------
    machines
        Machine to mean over seeds of AUC and pAUC.
    official, spread, interval
        Mean of the edition's score over seeds, its standard deviation over seeds (None of one), and the 95 % interval
        over clips of that mean (None of what was selected by those clips).
    place
        Mean place among rows of its kind, as the challenge of 2020 ranked; None of what is not ranked.
    fit_seconds, clips_per_second
        Training over all machines, mean over seeds; test and training clips scored, files and features included.
    """

    name: str
    kind: str
    machines: dict[str, tuple[float, float]]
    official: float
    spread: float | None
    interval: Interval | None
    place: float | None
    fit_seconds: float | None
    clips_per_second: float | None


def run_matrix(
    path: Path, seeds: Sequence[int], folder: Path, *, allow_test_selection: bool = False
) -> tuple[ScoringRule, list[Row]]:
    """Run a spec under each seed, what is done excepted, and gather its rows; by leave, `BEST` too."""
    registry = discover()
    runs: list[tuple[Spec, Results]] = []
    for seed in seeds:
        spec = load_spec(path, sets=[f"seed={seed}"], registry=registry)
        results = run_plan(make_plan(spec, folder, registry))
        if results.failed:
            raise SystemExit("\n".join(f"failed: {job}: {why}" for job, why in results.failed.items()))
        runs.append((spec, results))
    rule = rule_for(runs[0][0].data.layout)
    names = [(n, "member") for n in runs[0][1].members] + [(n, "system") for n in runs[0][1].systems]
    places = {kind: _places(runs, [n for n, k in names if k == kind], kind) for kind in ("member", "system")}
    rows = [_row(runs, rule, name, kind, places[kind][name]) for name, kind in names]
    return rule, [*rows, _best(runs, rule, names)] if allow_test_selection else rows


def _best(runs: Sequence[tuple[Spec, Results]], rule: ScoringRule, names: Sequence[tuple[str, str]]) -> Row:
    """The best of each machine by its score on the test clips, mean over seeds."""

    def score(machine: str, name: str, kind: str) -> float:
        return fmean(float(_mean(results, name, kind, machine).official or 0.0) for _, results in runs)

    chosen = {m: max(names, key=lambda one: score(m, *one)) for m in sorted(runs[0][1].scores)}
    official = []
    for _, results in runs:
        rows = [replace(r, name=BEST, kind=SELECTED) for r in results.rows if chosen[r.machine] == (r.name, r.kind)]
        official.append(float(means(rows, rule)[-1].official or 0.0))
    machines = {machine: _figures(runs, *one, machine) for machine, one in chosen.items()}
    spread = stdev(official) if len(official) > 1 else None
    return Row(BEST, SELECTED, machines, fmean(official), spread, None, None, None, None)


def _row(runs: Sequence[tuple[Spec, Results]], rule: ScoringRule, name: str, kind: str, place: float) -> Row:
    official, draws = [], []
    for _, results in runs:
        mean = _mean(results, name, kind, None)
        rows = [r for r in results.rows if (r.name, r.kind) == (name, kind)]
        drawn = _bootstrap(results, rule, name).mean_resamples(rows)
        assert drawn is not None
        official.append(float(mean.official or 0.0))
        draws.append(drawn[2])
    machines = {m: _figures(runs, name, kind, m) for m in sorted(runs[0][1].scores)}
    fit, score = zip(*(_seconds(spec, results, name, kind) for spec, results in runs), strict=True)
    clips = sum(len(clips) for clips in runs[0][1].clips.values())
    return Row(
        name,
        kind,
        machines,
        fmean(official),
        stdev(official) if len(official) > 1 else None,
        percentile_interval(np.mean(draws, axis=0), fmean(official)),
        place,
        fmean(fit),
        clips / fmean(score),
    )


def _mean(results: Results, name: str, kind: str, machine: str | None) -> Mean:
    (mean,) = (m for m in results.means if (m.name, m.kind, m.machine) == (name, kind, machine))
    if mean.official is None:
        raise SystemExit(f"{name}, {machine or 'all'}: no labelled test clips of both classes, so no score")
    return mean


def _figures(runs: Sequence[tuple[Spec, Results]], name: str, kind: str, machine: str | None) -> tuple[float, float]:
    means = [_mean(results, name, kind, machine) for _, results in runs]
    return fmean(float(m.auc or 0.0) for m in means), fmean(float(m.pauc or 0.0) for m in means)


def _places(runs: Sequence[tuple[Spec, Results]], names: Sequence[str], kind: str) -> dict[str, float]:
    rows = []
    for name in names:
        for machine in runs[0][1].scores:
            auc, pauc = _figures(runs, name, kind, machine)
            rows.append(Mean(machine, name, kind, auc, pauc, 1))
    return rank(rows)


def _bootstrap(results: Results, rule: ScoringRule, name: str) -> Bootstrap:
    truth = [
        LabelledClip(c.name, c.machine, c.id, c.label, c.domain)
        for clips in results.clips.values()
        for c in clips
        if c.split == "test" and c.label is not None
    ]
    scores = {clip: value for table in results.scores.values() for clip, value in table.by_name(name).items()}
    return Bootstrap(truth, scores, rule, resamples=RESAMPLES)


def _seconds(spec: Spec, results: Results, name: str, kind: str) -> tuple[float, float]:
    """Seconds of training and of scoring over all machines, of all members."""
    members = set(spec.systems[name].members) if kind == "system" else {name}
    fit = score = 0.0
    for title, seconds in results.seconds.items():
        if members & set(title.rpartition(" ")[2].split("=")):
            fit += seconds["fit"]
            score += seconds["score"]
    return fit, score


def table_of(rows: Sequence[Row], rule: ScoringRule) -> tuple[list[str], list[list[str]]]:
    """Header and cells; figures in per cent."""
    machines = list(rows[0].machines)
    header = ["name", "kind", *machines, f"official ({rule.name})", "sd over seeds", "95 % interval", "mean place"]
    header += ["training, s", "clips/s"]
    cells = [
        [
            row.name,
            row.kind,
            *(f"{100 * auc:.2f} ({100 * pauc:.2f})" for auc, pauc in row.machines.values()),
            f"{100 * row.official:.2f}",
            "-" if row.spread is None else f"{100 * row.spread:.2f}",
            "-" if row.interval is None else f"{100 * row.interval.low:.2f} to {100 * row.interval.high:.2f}",
            "-" if row.place is None else f"{row.place:.2f}",
            "-" if row.fit_seconds is None else f"{row.fit_seconds:.1f}",
            "-" if row.clips_per_second is None else f"{row.clips_per_second:.0f}",
        ]
        for row in rows
    ]
    return header, cells


def write_tables(folder: Path, header: Sequence[str], cells: Sequence[Sequence[str]], caption: str) -> None:
    """Write ``matrix.md``, ``matrix.csv`` and ``matrix.tex``."""
    lines = [caption, "", *("| " + " | ".join(row) + " |" for row in (header, ["---"] * len(header), *cells))]
    write_atomic(folder / "matrix.md", ("\n".join(lines) + "\n").encode())
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\n").writerows([header, *cells])
    write_atomic(folder / "matrix.csv", text.getvalue().encode())
    body = [" & ".join(map(_tex, row)) + r" \\" for row in (header, *cells)]
    tex = [f"% {caption}", rf"\begin{{tabular}}{{ll{'r' * (len(header) - 2)}}}", r"\hline", body[0], r"\hline"]
    write_atomic(folder / "matrix.tex", ("\n".join([*tex, *body[1:], r"\hline", r"\end{tabular}"]) + "\n").encode())


def _tex(text: str) -> str:
    return "".join(f"\\{c}" if c in "&%$#_{}" else {"~": r"\textasciitilde{}"}.get(c, c) for c in text)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("spec", type=Path)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--out", type=Path)
    parser.add_argument("--allow-test-selection", action="store_true", help=f"add a row: {BEST}, {SELECTED}")
    options = parser.parse_args(arguments)
    folder = (options.out or Path("runs") / f"{options.spec.stem}-matrix").absolute()
    selecting = options.allow_test_selection
    rule, rows = run_matrix(options.spec, options.seeds, folder, allow_test_selection=selecting)
    seeds = ", ".join(map(str, options.seeds))
    caption = f"Measured: AUC (pAUC) in per cent, mean over seeds {seeds}; by the rule of {rule.name}."
    if selecting:
        caption += f" allow_test_selection = true: {BEST!r} is {SELECTED}, so it is no measure of any one system."
    write_tables(folder, *table_of(rows, rule), caption)
    sys.stdout.write((folder / "matrix.md").read_text())


if __name__ == "__main__":
    main()
