"""Tables, a plot, and what changed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.harness import OURS

Record = dict[str, Any]


def load(path: Path) -> Record:
    """Read a benchmark file; exits with one line if it is none."""
    try:
        record = json.loads(path.read_text())
        if not isinstance(record, dict) or not {"stamp", "results"} <= record.keys():
            raise ValueError("not a benchmark file")
    except (OSError, ValueError) as error:
        raise SystemExit(f"{path}: {error}") from None
    return record


def cases(results: list[Record]) -> Iterator[tuple[str, list[Record]]]:
    """Results by case, in the order of the run, with the case's title."""
    grouped: dict[str, list[Record]] = {}
    for result in results:
        grouped.setdefault(title(result), []).append(result)
    yield from grouped.items()


def title(result: Record) -> str:
    """Suite, case and parameters in a line."""
    parameters = ", ".join(f"{name} {value:g}" if not isinstance(value, str) else f"{name} {value}"
                           for name, value in result["parameters"].items())  # fmt: skip
    return f"{result['suite']}: {result['case']} ({parameters})"


def amount(result: Record, key: str = "median") -> str:
    """A number with its unit."""
    value = result[key]
    if result["unit"] != "s":
        return f"{value:.3g} {result['unit']}"
    for unit, size in (("s", 1.0), ("ms", 1e-3)):
        if value >= size:
            return f"{value / size:.3g} {unit}"
    return f"{value * 1e6:.3g} us"


def markdown(record: Record) -> str:
    """All results: cases of one contender in one table, then a table of ratios for each other case."""
    stamp = record["stamp"]
    versions = ", ".join(f"{name} {version}" for name, version in stamp["versions"].items())
    machine = f"{stamp['cpu']}, {stamp['cores']} cores, {stamp['system']}, Python {stamp['python']}"
    when = f"commit {stamp['commit']}, {stamp['time']}, load at the start {stamp['load'][0]}"
    lines = [f"{machine}; {when}.", "", f"{versions}.", ""]
    alone = [results[0] for _, results in cases(record["results"]) if len(results) == 1]
    for name, results in cases(record["results"]):
        if len(results) > 1:
            lines += [f"**{name}**", "", "| | median | quartiles | times asdkit |", "|---|---|---|---|"]
            ours = next(r for r in results if r["contender"] == OURS)
            for r in sorted(results, key=lambda r: float(r["median"])):
                ratio = f"{r['median'] / ours['median']:.2f}"
                quartiles = f"{amount(r, 'low')} to {amount(r, 'high')}"
                lines.append(f"| {r['contender']} | {amount(r)} | {quartiles} | {ratio} |")
            lines.append("")
    if alone:
        lines += ["| asdkit alone | median | quartiles |", "|---|---|---|"]
        lines += [f"| {title(r)} | {amount(r)} | {amount(r, 'low')} to {amount(r, 'high')} |" for r in alone]
        lines.append("")
    return "\n".join(lines)


def changes(old: Record, new: Record) -> str:
    """What changed from one file to another: medians, and whether they lie within each other's quartiles."""
    before = {(title(r), r["contender"]): r for r in old["results"]}
    lines = [
        f"{old['stamp']['commit']} ({old['stamp']['cpu']}) -> {new['stamp']['commit']} ({new['stamp']['cpu']})",
        "",
    ]
    seen = set()
    for r in new["results"]:
        key = (title(r), r["contender"])
        seen.add(key)
        if key not in before:
            lines.append(f"  new     {key[0]}, {key[1]}: {amount(r)}")
            continue
        b = before[key]
        ratio = r["median"] / b["median"] if b["median"] else float("nan")
        apart = r["low"] > b["high"] or r["high"] < b["low"]
        mark = ("slower " if ratio > 1 else "faster ") if apart else "as ever"
        if r["unit"] != "s" and apart:
            mark = "more   " if ratio > 1 else "less   "
        lines.append(f"  {mark} {key[0]}, {key[1]}: {amount(b)} -> {amount(r)} (x {ratio:.2f})")
    lines += [f"  gone    {name}, {who}" for name, who in before if (name, who) not in seen]
    return "\n".join(lines)


def plot(record: Record, path: Path) -> None:
    """Bars of the times of each case that has several contenders."""
    import matplotlib

    matplotlib.use("svg")
    matplotlib.rcParams["svg.fonttype"] = "none"  # text as text: a tenth of the size
    from matplotlib import pyplot

    shown = [(name, results) for name, results in cases(record["results"]) if len(results) > 2]
    if not shown:
        return
    figure, axes = pyplot.subplots(
        len(shown), 1, figsize=(8, sum(0.7 + 0.27 * len(results) for _, results in shown)), squeeze=False,
        gridspec_kw={"height_ratios": [2 + len(results) for _, results in shown]},
    )  # fmt: skip
    for axis, (name, results) in zip(axes[:, 0], shown, strict=True):
        ordered = sorted(results, key=lambda r: -float(r["median"]))
        times = [1e3 * r["median"] for r in ordered]
        spread = [[1e3 * (r["median"] - r["low"]) for r in ordered], [1e3 * (r["high"] - r["median"]) for r in ordered]]
        colours = ["tab:orange" if r["contender"].startswith(OURS) else "tab:blue" for r in ordered]
        axis.barh([r["contender"] for r in ordered], times, xerr=spread, color=colours)
        axis.set_title(name, fontsize=9)
        axis.set_xlabel("ms", fontsize=8)
        axis.tick_params(labelsize=8)
    figure.tight_layout()
    figure.savefig(path)
    pyplot.close(figure)
