"""Run on bad and good recordings: each bad one is named once, each good one is scored, nothing crashes or hangs."""

from __future__ import annotations

import argparse
import csv
import os
import resource
import tempfile
from pathlib import Path

from asdkit.text import from_spreadsheet_cell, printable
from tests.helpers.audio_corpus import BAD, GOOD, NEEDS_A_USER
from tests.robustness import rooms
from tests.robustness.figures import Figures

BUSY_S = 8.0  # of CPU, imports included: a bound on time would depend on what else runs


def make_recordings(folder: Path) -> tuple[list[str], list[str]]:
    """Write all recordings of the corpus in the layout ``folder``; return the names of the bad and of the good ones."""
    train = folder / "room" / "machine" / "train"
    for i in range(8):
        rooms.write_clip(train / f"plain_{i}.wav", i)
    bad = []
    for case in BAD:
        if case.name == "missing.wav" or (case.name in NEEDS_A_USER and os.geteuid() == 0):
            continue  # a missing file is no clip, and root may read any file
        case.make(train / case.name)
        bad.append(case.name)
    good = [
        name
        for name in GOOD
        if name not in ("1-kilohertz.wav", "768-kilohertz.wav", "one-sample.wav", "64-channels.wav")
    ]  # too short
    for name in good:
        (train / f"good-{name}").write_bytes(GOOD[name])
    (train / "too-short.wav").write_bytes(GOOD["one-sample.wav"])
    long = train / ("x" * 246 + ".wav")
    long.write_bytes(b"")
    return [*bad, "other-end-of-loop.wav", "too-short.wav", long.name], [f"good-{name}" for name in good]


def cpu_seconds() -> float:
    """Return the CPU time of all processes that were started and have ended [s]."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def check(folder: Path, figures: Figures) -> None:
    """Check and run, both stopping at bad audio and skipping it."""
    bad, good = make_recordings(folder)
    spec = rooms.make_spec(folder, [rooms.KNN.format(i=1, n=1) + "frames = 5\nhop = 5\n"], ["K1"])
    spec.write_text(spec.read_text().replace('layout = "dcase2020"', 'layout = "folder"'))
    named = crashes = tracebacks = 0
    slowest = 0.0
    for args in (
        ["check", spec],
        ["run", spec],
        ["data", folder / "room", "--layout", "folder"],
        ["run", spec, "--set", 'data.on_bad_audio="skip"'],
    ):
        before = cpu_seconds()
        ran = rooms.run(folder, *args, timeout=120)  # a hang ends the check
        slowest = max(slowest, cpu_seconds() - before)
        crashes += ran.returncode < 0 or ran.returncode == 70
        tracebacks += "Traceback" in ran.stderr
        if args[0] == "data":
            continue  # it lists twenty of each kind
        lines = ran.stderr.splitlines()
        once = [name for name in bad if sum(f"/{printable(name)}: " in line for line in lines) == 1]
        named += len(once) == len(bad)
        if len(once) < len(bad):
            print("not named just once:", sorted(set(bad) - set(once)))
        skips = "skip" in str(args)
        expected = 0 if skips else 3
        what = f"exit code of {args[0]}{' that skips' if skips else ''}"
        figures.report(what, ran.returncode, str(expected), ran.returncode == expected)
    scores = (folder / "runs" / "room" / "scores.csv").read_text(errors="surrogateescape")
    names = [from_spreadsheet_cell(row[0]) for row in csv.reader(scores.splitlines())]
    scored = sum(any(path.endswith(printable(name)) for path in names) for name in good)
    figures.report("kinds of bad recordings", len(bad), ">= 60", len(bad) >= 60)
    figures.report("commands that named each once with its reason", f"{named} of 3", "all", named == 3)
    figures.report("good recordings scored", f"{scored} of {len(good)}", "all", scored == len(good))
    figures.report("crashes, tracebacks", f"{crashes}, {tracebacks}", "0, 0", not crashes + tracebacks)
    figures.report("slowest command, all recordings together", f"{slowest:.1f} s of CPU", "under 8 s", slowest < BUSY_S)


def main(argv: list[str]) -> int:
    """Run the check."""
    argparse.ArgumentParser(description=__doc__).parse_args(argv)
    figures = Figures()
    with tempfile.TemporaryDirectory() as folder:
        check(Path(folder), figures)
    return figures.exit_code
