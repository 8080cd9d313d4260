"""``asdkit evaluate``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from asdkit.cli.options import GroundTruthOption, LayoutOption

if TYPE_CHECKING:
    from asdkit.data.labels import TruthRow
    from asdkit.data.score_files import SystemScores
    from asdkit.metrics import Bootstrap, IdResult, Interval, LabelledClip, Mean, ScoringRule


def evaluate(
    scores: Annotated[
        list[Path], typer.Argument(metavar="SCORES...", help="CSV files of scores (and decisions), or folders of them.")
    ],
    data: Annotated[
        Path | None, typer.Option("--data", metavar="PATH", help="Data whose names tell the truth.")
    ] = None,
    layout: LayoutOption = None,
    ground_truth: GroundTruthOption = None,
    pooled: Annotated[
        bool,
        typer.Option("--pooled", help="Also one AUC over all ids of a machine, to compare with papers that do so."),
    ] = False,
) -> None:
    """Judge anybody's scores by one rule: AUC and pAUC of each id, the edition's official score, 95 % intervals.

    What is true is told by --data, by --ground-truth, or else by the names of the scored clips themselves.
    """
    from asdkit.data.score_files import read_scores

    systems = read_scores(scores)
    rule, truths = _truth(systems, data, layout, ground_truth or [])
    judged = [_judge(system, truth, rule) for system, truth in zip(systems, truths, strict=True)]
    for one in judged:
        _show(one, rule, pooled)
    _summarise(judged, rule)


@dataclass
class _Judged:
    system: SystemScores
    truth: list[LabelledClip]
    rows: list[IdResult]
    means: list[Mean]
    bootstrap: Bootstrap
    absent: list[str]


def _truth(
    systems: Sequence[SystemScores], data: Path | None, layout: str | None, ground_truth: list[Path]
) -> tuple[ScoringRule, list[list[TruthRow]]]:
    """The rule, and for each system all that is known to be true."""
    from asdkit.data import find_clips, labels
    from asdkit.data.inventory import recognise
    from asdkit.data.labels import read_ground_truth
    from asdkit.errors import DataError
    from asdkit.metrics import rule_for

    if data is not None:
        name = layout or next(iter(recognise(data)), "")
        if not name:
            raise DataError(f"{data}: no layout fits it", hint="asdkit data PATH says what is there.")
        rows = labels.truth_of_clips(find_clips(name, data, None, ground_truth))
        return rule_for(name), [rows] * len(systems)
    if ground_truth:
        rows = labels.truth_of_rows(read_ground_truth(ground_truth))
        truths = [rows] * len(systems)
    else:
        truths = [labels.truth_of_names(system) for system in systems]
        typer.echo("note: labels are from the clips' own names, so a clip without a score cannot be noticed", err=True)
    return rule_for(layout or _edition([row for rows in truths for row in rows])), truths


def _edition(rows: Sequence[TruthRow]) -> str:
    """The edition whose rule fits names alone: with domains that of 2022 on, unless the files of 2021 are given."""
    if any(row.name.startswith("section_") and "_source_test_" in row.name and row.id > "02" for row in rows):
        return "dcase2021"
    return "dcase2022" if any(row.domain for row in rows) else "dcase2020"


def _judge(system: SystemScores, truth: Sequence[TruthRow], rule: ScoringRule) -> _Judged:
    from asdkit.data.labels import join
    from asdkit.metrics import Bootstrap, LabelledClip, means
    from asdkit.metrics import evaluate as judge

    joined, absent = join(system, truth)
    labelled = [LabelledClip(f"{r.machine}/{r.name}", r.machine, r.id, r.label, r.domain) for r in joined]
    values = {f"{machine}/{name}": value for (machine, name), value in system.scores.items()}
    rows = judge(labelled, values, name=system.name, kind="system", rule=rule)
    return _Judged(system, labelled, rows, means(rows, rule), Bootstrap(labelled, values, rule), absent)


def _show(one: _Judged, rule: ScoringRule, pooled: bool) -> None:
    """All figures of one system: ids, machines, all."""
    from asdkit.cli.console import DASH, print_table
    from asdkit.metrics import evaluate as judge
    from asdkit.metrics import is_unreliable, pool_ids

    rows = list(one.rows)
    bootstrap = one.bootstrap
    table = [_row(r, bootstrap) for r in rows]
    if pooled:
        from asdkit.metrics import Bootstrap

        values = {f"{machine}/{name}": value for (machine, name), value in one.system.scores.items()}
        every = pool_ids(one.truth)
        whole = Bootstrap(every, values, rule)
        table += [_row(r, whole) for r in judge(every, values, name=one.system.name, kind="system", rule=rule)]
    for mean in one.means:
        its = [r for r in rows if mean.machine in (None, r.machine)]
        there = len({r.id if mean.machine else r.machine for r in its})
        intervals = bootstrap.mean_intervals(its) or (None, None, None)
        table.append(
            [
                mean.machine or "all",
                rule.mean,
                DASH,
                _figure(mean.auc, intervals[0]),
                _figure(mean.pauc, intervals[1]),
                _figure(mean.official, intervals[2]),
                f"of {mean.of}" + (f"/{there}" if mean.of < there else ""),
                "",
            ]
        )
    header = ["machine", "id", "domain", "AUC, %", "pAUC, %", "official, %", "normal", "anomaly"]
    print_table(header, table, title=f"{one.system.name}, by the rule of {rule.name}, with 95 % intervals; measured")
    _show_decisions(one)
    if one.absent:
        typer.echo(f"note: {one.system.name}: no scores of {', '.join(one.absent)}", err=True)
    if any(is_unreliable(r) for r in rows):
        typer.echo("note: ? = nearly perfect scores of few clips; the interval of the pAUC may lie too low", err=True)
    if one.means[-1].official is None:
        why = f"the rule of {rule.name} needs both classes in each id" + (" and domain" if rule.anomalies else "")
        typer.echo(f"note: {one.system.name}: no official score: {why}", err=True)


def _row(result: IdResult, bootstrap: Bootstrap) -> list[str]:
    from asdkit.cli.console import DASH
    from asdkit.metrics import is_unreliable

    area, part = (None, None) if result.auc is None else bootstrap.intervals(result)
    mark = "?" if is_unreliable(result) else ""
    return [
        result.machine,
        result.id,
        result.domain or DASH,
        _figure(result.auc, area),
        _figure(result.pauc, part) + mark,
        "",
        str(result.n_normal),
        str(result.n_anomaly),
    ]


def _figure(value: float | None, interval: Interval | None) -> str:
    from asdkit.cli.console import DASH

    if value is None:
        return DASH
    return f"{100 * value:.2f}" + (f" [{100 * interval.low:.1f}, {100 * interval.high:.1f}]" if interval else "")


def _show_decisions(one: _Judged) -> None:
    """Precision, recall and F1 of each id, where the system decided."""
    if not one.system.decisions:
        return
    from asdkit.cli.console import print_table
    from asdkit.metrics import count_decisions

    groups: dict[tuple[str, str], list[LabelledClip]] = {}
    for clip in one.truth:
        groups.setdefault((clip.machine, clip.id), []).append(clip)
    table = []
    for (machine, id_), clips in groups.items():
        said = [one.system.decisions[machine, c.name.partition("/")[2]] for c in clips]
        found = count_decisions([c.label for c in clips], said)
        table.append([machine, id_, *(f"{100 * x:.2f}" for x in (found.precision, found.recall, found.f1))])
    print_table(["machine", "id", "precision, %", "recall, %", "F1, %"], table, title=f"{one.system.name}, decisions")


def _summarise(judged: Sequence[_Judged], rule: ScoringRule) -> None:
    """Several systems side by side: ranks, and differences to the first on the same clips."""
    if len(judged) < 2:
        return
    from asdkit.cli.console import DASH, print_table
    from asdkit.metrics import difference, rank

    first = judged[0]
    same = [one for one in judged if {c.name for c in one.truth} == {c.name for c in first.truth}]
    places = rank([m for one in same for m in one.means]) if len(same) == len(judged) else {}
    table = []
    for one in sorted(judged, key=lambda j: places.get(j.system.name, 0.0)):
        gaps = difference((one.bootstrap, one.rows), (first.bootstrap, first.rows)) if one in same else None
        gap = DASH
        if gaps is not None and one is not first:
            gap = f"{100 * gaps[2].low:+.2f} to {100 * gaps[2].high:+.2f}"
        official = one.means[-1].official
        place = f"{places[one.system.name]:.2f}" if one.system.name in places else DASH
        table.append([one.system.name, DASH if official is None else f"{100 * official:.2f}", place, gap])
    header = ["system", "official, %", "mean place", f"above {first.system.name}, % (95 %, paired)"]
    print_table(header, table, title="Systems on the same clips")
