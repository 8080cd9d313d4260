"""From a flat folder of healthy recordings to verdicts in three commands: ``python -m tests.own_machine DATA``.

The training clips of one id of ``drone_dev`` are copied under arbitrary names into an empty folder and passed to
`asdkit init`, `run` and `score`, for three seeds. The same with the eight training clips of fan id_00 of
``mimii_fixture``, which are too few to guarantee a false-alarm rate; the commands report this. Then the bundle of
``drone_dev`` is adapted to 17 healthy clips of another day (`asdkit adapt`), and scores the others. Prints the duration
and output of each command. Fails if the median p-value of the anomalies is not below that of the normal clips, if three
commands take five minutes, or if `adapt` does not lower the number of false alarms.
"""

# ruff: noqa: T201 (prints a report)
from __future__ import annotations

import json
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.helpers.commands import Run, command_in

LIMIT = 300.0
"""Longest duration of three commands [s]."""

KINDS = ("normal", "anomaly")


def copy_flat(clips: list[Path], folder: Path, seed: int) -> None:
    """Copy recordings under arbitrary names, in another order."""
    folder.mkdir(parents=True)
    shuffled = random.Random(seed).sample(sorted(clips), len(clips))
    for number, clip in enumerate(shuffled):
        shutil.copy(clip, folder / f"recording {number:03}.wav")


def command(folder: Path, runner: Run, *words: str) -> tuple[subprocess.CompletedProcess[str], float]:
    """Run asdkit in a folder; return the finished process and its duration [s]."""
    begin = time.perf_counter()
    ran = runner(*words, cwd=folder)
    seconds = time.perf_counter() - begin
    print(f"{seconds:6.1f} s  asdkit {' '.join(words[:4])}{' ...' if len(words) > 4 else ''}", flush=True)
    if ran.returncode not in (0, 5):
        sys.exit(f"exit code {ran.returncode}\n{ran.stdout}\n{ran.stderr}")
    return ran, seconds


def verdicts(
    folder: Path, train: list[Path], test: list[Path], seed: int, runner: Run
) -> tuple[list[dict], str, float]:
    """Run init, run and score; return the rows, the messages, and the total duration [s]."""
    copy_flat(train, folder / "healthy", seed)
    written, first = command(folder, runner, "init", "healthy")
    ran, second = command(folder, runner, "run", "spec.toml", "--set", f"seed={seed}")
    scored, third = command(folder, runner, "score", "runs/healthy", *map(str, test))
    rows = [json.loads(line) for line in scored.stdout.splitlines()]
    assert {Path(row["path"]).name for row in rows} == {path.name for path in test}
    return rows, written.stderr + ran.stdout + ran.stderr + scored.stderr, first + second + third


def medians(rows: list[dict]) -> tuple[float, float]:
    """Return the median p-values of normal clips and of anomalies."""
    by_kind = {kind: [r["p_value"] for r in rows if Path(r["path"]).name.startswith(kind)] for kind in KINDS}
    return statistics.median(by_kind["normal"]), statistics.median(by_kind["anomaly"])


def check_id(folder: Path, id_: str, seeds: list[int]) -> bool:
    """Run the commands for one id of a machine; return whether the results are as required."""
    train = sorted(folder.glob(f"train/normal_id_{id_}_*.wav"))
    test = sorted(folder.glob(f"test/*_id_{id_}_*.wav"))
    passed = True
    for seed in seeds:
        with tempfile.TemporaryDirectory() as temporary:
            rows, output, seconds = verdicts(Path(temporary), train, test, seed, command_in(Path(temporary)))
        normal, anomaly = medians(rows)
        verdicts_of = {k: [r["verdict"] for r in rows if Path(r["path"]).name.startswith(k)] for k in KINDS}
        passed &= anomaly < normal and seconds < LIMIT
        print(f"{folder.name} id {id_}, {len(train)} healthy clips, seed {seed}, {seconds:.0f} s in all")
        for kind, median in zip(KINDS, (normal, anomaly), strict=True):
            called = verdicts_of[kind]
            print(
                f"         {len(called)} {kind} clips: median p-value {median:.2g}; called anomalous "
                f"{called.count('anomalous')}, undecided {called.count('undecided')}"
            )
        for line in output.splitlines() if seed == seeds[0] else ():
            if line.startswith("note:") or "support" in line:
                print(f"         {line}")
    return passed


def check_adapt(folder: Path, id_: str, seeds: list[int], new: int, rate: float) -> bool:
    """Adapt to healthy clips of another day; print false alarms and faults on the other clips, before and after."""
    train = sorted(folder.glob(f"train/normal_id_{id_}_*.wav"))
    normal, faults = (sorted(folder.glob(f"test/{kind}_id_{id_}_*.wav")) for kind in KINDS)
    passed = True
    for seed in seeds:
        order = random.Random(seed).sample(normal, len(normal))
        given, rest = order[:new], order[new:]
        with tempfile.TemporaryDirectory() as temporary:
            work, runner = Path(temporary), command_in(Path(temporary))
            copy_flat(train, work / "healthy", seed)
            copy_flat(given, work / "new day", seed)
            command(work, runner, "init", "healthy")
            command(work, runner, "run", "spec.toml", "--set", f"seed={seed}")
            command(work, runner, "export", "runs/healthy", "-o", "old.asdkit")
            options = ("--false-alarm-rate", str(rate))
            command(work, runner, "adapt", "old.asdkit", "--healthy", "new day", "-o", "new.asdkit", *options)
            command(
                work,
                runner,
                "adapt",
                "old.asdkit",
                "--healthy",
                "new day",
                "-o",
                "moved.asdkit",
                "--recentre",
                *options,
            )
            counts = {}
            for name in ("old", "new", "moved"):
                ran, _ = command(work, runner, "score", f"{name}.asdkit", *map(str, [*rest, *faults]), *options)
                rows = [json.loads(line) for line in ran.stdout.splitlines()]
                called = [Path(row["path"]).name for row in rows if row["verdict"] == "anomalous"]
                counts[name] = [sum(path.name in called for path in clips) for clips in (rest, faults)]
        print(f"{folder.name} id {id_}, adapted to {len(given)} healthy clips of another day, seed {seed}, at {rate:g}")
        for name, what in (("old", "before"), ("new", "after"), ("moved", "after, --recentre")):
            false, found = counts[name]
            print(f"         {what}: {false} of {len(rest)} healthy clips anomalous, {found} of {len(faults)} faults")
        passed &= counts["new"][0] < counts["old"][0]
    return passed


def main(data: Path) -> int:
    """Return 0 if all results are as required."""
    drone = check_id(data / "drone_dev" / "drone", "00", [0, 1, 2])
    few = check_id(data / "mimii_fixture" / "fan", "00", [0, 1, 2])
    adapted = check_adapt(data / "drone_dev" / "drone", "00", [0, 1, 2], new=17, rate=0.06)
    return 0 if drone and few and adapted else 1


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]).resolve()))
