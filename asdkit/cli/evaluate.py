"""``asdkit evaluate``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from asdkit.cli.console import DASH, note, print_table
from asdkit.cli.options import GroundTruthOption, LayoutOption
from asdkit.errors import DataError, UsageError

if TYPE_CHECKING:
    from asdkit.data.labels import TruthRow
    from asdkit.data.score_files import SystemScores
    from asdkit.metrics import Bootstrap, IdResult, Interval, LabelledClip, Mean, ScoringRule


def evaluate(
    scores: Annotated[
        list[Path], typer.Argument(metavar="SCORES...", help="CSV files of scores (and decisions), or folders of them.")
    ],
    data: Annotated[
        Path | None, typer.Option("--data", metavar="PATH", help="Data folder with labelled file names.")
    ] = None,
    layout: LayoutOption = None,
    ground_truth: GroundTruthOption = None,
    pooled: Annotated[
        bool,
        typer.Option("--pooled", help="Also one AUC over all ids of a machine, to compare with papers that do so."),
    ] = False,
) -> None:
    """Evaluate score files of any system: AUC and pAUC by id, the edition's official score, 95 % intervals.

    Labels come from --data, from --ground-truth, or else from the names of the scored clips.
    """
    from asdkit.data.score_files import read_scores

    systems = read_scores(scores)
    rule, truths = _read_truth(systems, data, layout, ground_truth or [])
    evaluations = [_evaluate(system, truth, rule) for system, truth in zip(systems, truths, strict=True)]
    for evaluation in evaluations:
        _print_results(evaluation, rule, pooled)
        _print_decisions(evaluation)
        _print_notes(evaluation, rule)
    if len(evaluations) > 1:
        _print_comparison(evaluations)


@dataclass(eq=False)
class _Evaluation:
    """Results of one system.

    Attributes
    ----------
    system
        Its scores.
    clips
        Labelled clips that it scored.
    values
        Its scores by name of the clip.
    results, means, bootstrap
        By id, averaged, and resampled.
    absent
        Machines and ids with labels and without scores.
    """

    system: SystemScores
    clips: list[LabelledClip]
    values: dict[str, float]
    results: list[IdResult]
    means: list[Mean]
    bootstrap: Bootstrap
    absent: list[str]

    @property
    def name(self) -> str:
        return self.system.name


def _read_truth(
    systems: Sequence[SystemScores], data: Path | None, layout: str | None, ground_truth: list[Path]
) -> tuple[ScoringRule, list[list[TruthRow]]]:
    """Return the scoring rule, and the labelled clips known for each system."""
    from asdkit.data import find_clips, labels
    from asdkit.data.inventory import recognise
    from asdkit.metrics import rule_for

    if data is not None:
        name = layout or next(iter(recognise(data)), "")
        if not name:
            raise DataError(f"{data}: no layout fits it", hint="asdkit data PATH shows its content.")
        rows = labels.truth_of_clips(find_clips(name, data, None, ground_truth))
        return rule_for(name), [rows] * len(systems)
    if ground_truth:
        rows = labels.truth_of_rows(labels.read_ground_truth(ground_truth))
        truths = [rows] * len(systems)
    else:
        truths = [labels.truth_of_names(system) for system in systems]
        note("labels are from the clips' own names, so clips without a score go unnoticed")
    return rule_for(layout or _edition(systems, [row for rows in truths for row in rows])), truths


def _edition(systems: Sequence[SystemScores], rows: Sequence[TruthRow]) -> str:
    """Return the edition whose rule fits the names of clips and of score files.

    Raises
    ------
    UsageError
        If they fit editions with different rules.
    """
    if not any(row.domain for row in rows):
        return "dcase2020"
    if not all(row.domain for row in rows):
        raise UsageError(
            "the names fit dcase2020 and later editions, whose scores are computed by different rules",
            hint="Evaluate the files of each edition by themselves.",
        )
    forms = {form for system in systems for form in system.forms}
    # 2021 alone has labelled clips of both domains in sections 03 to 05, and one score file per domain.
    of_2021 = any("_source_test_" in row.name and row.id > "02" for row in rows)
    if forms == {"domain"} or (of_2021 and "test" not in forms):
        return "dcase2021"
    if forms == {"test"}:
        return "dcase2022"
    raise UsageError(
        "the names fit dcase2021 and dcase2022 to dcase2026, whose scores are computed by different rules",
        hint="Say which with --layout dcase2021 or --layout dcase2022.",
    )


def _evaluate(system: SystemScores, truth: Sequence[TruthRow], rule: ScoringRule) -> _Evaluation:
    from asdkit.data.labels import join
    from asdkit.metrics import Bootstrap, LabelledClip, means
    from asdkit.metrics import evaluate as evaluate_scores

    rows, absent = join(system, truth)
    clips = [LabelledClip(f"{r.machine}/{r.name}", r.machine, r.id, r.label, r.domain) for r in rows]
    values = {f"{machine}/{name}": value for (machine, name), value in system.scores.items()}
    results = evaluate_scores(clips, values, name=system.name, kind="system", rule=rule)
    bootstrap = Bootstrap(clips, values, rule)
    return _Evaluation(system, clips, values, results, means(results, rule), bootstrap, absent)


def _print_results(evaluation: _Evaluation, rule: ScoringRule, pooled: bool) -> None:
    """Print a row for each id (and domain), for all ids of a machine pooled if asked, and for each mean."""
    table = [_result_row(result, evaluation.bootstrap) for result in evaluation.results]
    if pooled:
        table += _pooled_rows(evaluation, rule)
    table += [_mean_row(mean, evaluation, rule) for mean in evaluation.means]
    header = ["machine", "id", "domain", "AUC, %", "pAUC, %", "official, %", "normal", "anomaly"]
    title = f"{evaluation.name}, by the rule of {rule.name}, with 95 % intervals; measured"
    print_table(header, table, title=title)


def _pooled_rows(evaluation: _Evaluation, rule: ScoringRule) -> list[list[str]]:
    from asdkit.metrics import Bootstrap, pool_ids
    from asdkit.metrics import evaluate as evaluate_scores

    clips = pool_ids(evaluation.clips)
    bootstrap = Bootstrap(clips, evaluation.values, rule)
    results = evaluate_scores(clips, evaluation.values, name=evaluation.name, kind="system", rule=rule)
    return [_result_row(result, bootstrap) for result in results]


def _result_row(result: IdResult, bootstrap: Bootstrap) -> list[str]:
    from asdkit.metrics import is_unreliable

    auc, pauc = (None, None) if result.auc is None else bootstrap.intervals(result)
    return [
        result.machine,
        result.id,
        result.domain or DASH,
        _with_interval(result.auc, auc),
        _with_interval(result.pauc, pauc) + ("?" if is_unreliable(result) else ""),
        "",
        str(result.n_normal),
        str(result.n_anomaly),
    ]


def _mean_row(mean: Mean, evaluation: _Evaluation, rule: ScoringRule) -> list[str]:
    results = [r for r in evaluation.results if mean.machine in (None, r.machine)]
    n_total = len({r.id if mean.machine else r.machine for r in results})
    auc, pauc, official = evaluation.bootstrap.mean_intervals(results) or (None, None, None)
    return [
        mean.machine or "all",
        rule.mean,
        DASH,
        _with_interval(mean.auc, auc),
        _with_interval(mean.pauc, pauc),
        _with_interval(mean.official, official),
        f"of {mean.of}" + (f"/{n_total}" if mean.of < n_total else ""),
        "",
    ]


def _with_interval(value: float | None, interval: Interval | None) -> str:
    if value is None:
        return DASH
    return f"{100 * value:.2f}" + (f" [{100 * interval.low:.1f}, {100 * interval.high:.1f}]" if interval else "")


def _print_decisions(evaluation: _Evaluation) -> None:
    """Print precision, recall and F1 of each id, if the system has decisions."""
    from asdkit.metrics import count_decisions

    decisions = evaluation.system.decisions
    if not decisions:
        return
    groups: dict[tuple[str, str], list[LabelledClip]] = {}
    for clip in evaluation.clips:
        groups.setdefault((clip.machine, clip.id), []).append(clip)
    table = []
    for (machine, id_), clips in groups.items():
        decided = [decisions[machine, c.name.partition("/")[2]] for c in clips]
        counts = count_decisions([c.label for c in clips], decided)
        table.append([machine, id_, *(f"{100 * x:.2f}" for x in (counts.precision, counts.recall, counts.f1))])
    header = ["machine", "id", "precision, %", "recall, %", "F1, %"]
    print_table(header, table, title=f"{evaluation.name}, decisions")


def _print_notes(evaluation: _Evaluation, rule: ScoringRule) -> None:
    from asdkit.metrics import is_unreliable

    if evaluation.absent:
        note(f"{evaluation.name}: no scores of {', '.join(evaluation.absent)}")
    if any(is_unreliable(result) for result in evaluation.results):
        note("? = nearly perfect scores of few clips; the interval of the pAUC may be too low")
    if evaluation.means[-1].official is None:
        reason = f"the rule of {rule.name} needs both classes in each id" + (" and domain" if rule.anomalies else "")
        note(f"{evaluation.name}: no official score: {reason}")


def _print_comparison(evaluations: Sequence[_Evaluation]) -> None:
    """Print the systems that scored the same clips side by side; say which scored others."""
    groups: dict[frozenset[str], list[_Evaluation]] = {}
    for evaluation in evaluations:
        groups.setdefault(frozenset(clip.name for clip in evaluation.clips), []).append(evaluation)
    for group in groups.values():
        if len(group) > 1:
            _print_group(group)
    if len(groups) > 1:
        names = "; ".join(", ".join(evaluation.name for evaluation in group) for group in groups.values())
        note(f"systems on different clips are not compared: {names}")


def _print_group(evaluations: Sequence[_Evaluation]) -> None:
    """Print systems on the same clips: ranks, and differences from the first."""
    from asdkit.metrics import difference, rank

    first = evaluations[0]
    ranks = rank([mean for evaluation in evaluations for mean in evaluation.means])
    table = []
    for evaluation in sorted(evaluations, key=lambda e: ranks.get(e.name, 0.0)):
        interval = DASH
        if evaluation is not first:
            pair = (evaluation.bootstrap, evaluation.results), (first.bootstrap, first.results)
            if intervals := difference(*pair):
                interval = f"{100 * intervals[2].low:+.2f} to {100 * intervals[2].high:+.2f}"
        official = evaluation.means[-1].official
        mean_rank = f"{ranks[evaluation.name]:.2f}" if evaluation.name in ranks else DASH
        table.append([evaluation.name, DASH if official is None else f"{100 * official:.2f}", mean_rank, interval])
    header = ["system", "official, %", "mean place", f"above {first.name}, % (95 %, paired)"]
    print_table(header, table, title="Systems on the same clips")
