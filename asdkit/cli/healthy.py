"""What a run without test labels ends with: healthy recordings that look odd, and thresholds."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from asdkit.report.run_data import Run


def show_healthy(folder: Path) -> None:
    """Print, for each machine, its oddest training clips and the thresholds of its ids.

    Parameters
    ----------
    folder
        A finished run.
    """
    from asdkit.report.run_data import read_run

    run = read_run(folder)
    for machine in sorted(run.tables):
        for name in run.drawn(machine):
            _show_odd(run, machine, name)
            _show_thresholds(run, machine, name)


def _show_odd(run: Run, machine: str, name: str) -> None:
    from asdkit.cli.console import print_table
    from asdkit.report.rankings import unusual_training_clips

    seen = {"train": "learnt from", "held": "held out"}
    rows = [
        [heard.clip, heard.id, f"{heard.score:.4g}", f"{heard.z:+.1f}", seen[split]]
        for heard, split in unusual_training_clips(run.tables[machine], name)
    ]
    if rows:
        print_table(
            ["recording", "id", "score", "z", ""],
            rows,
            title=f"{machine}: healthy recordings that look odd to {name} (z: standard deviations above its like)",
        )


def _show_thresholds(run: Run, machine: str, name: str) -> None:
    from asdkit.bundle.calibration import percent
    from asdkit.cli.console import DASH, print_table
    from asdkit.report.cautions import thresholds

    rows = [
        [
            found.id,
            str(found.held_out),
            DASH if found.supported_rate is None else percent(found.supported_rate),
            DASH if found.score is None else f"{found.score:.4g}",
            found.shortfall,
        ]
        for found in thresholds(run, machine, name)
    ]
    asked = f"{percent(run.rule.false_alarm_rate)} of healthy clips, {run.rule.threshold}"
    header = ["id", "held out", "least rate", "anomalous above", ""]
    print_table(header, rows, title=f"{machine}: thresholds of {name} for {asked}")
