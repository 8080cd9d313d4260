"""From a flat folder of healthy recordings to verdicts in three commands: ``python -m tests.own_machine DATA``.

The training clips of one id of ``drone_dev`` are copied under arbitrary names into an empty folder; `asdkit init`,
`run` and `score` follow, over three seeds. Then the eight training clips of fan id_00 of ``mimii_fixture``, which are
too few to promise anything, and the commands say so. What each command took and printed is shown; fails where the
anomalies' median p-value is not below the normal clips', or three commands take five minutes.
"""

# ruff: noqa: T201 (it talks to a person)
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

LIMIT = 300.0
"""Seconds that three commands may take."""


def copy_flat(clips: list[Path], folder: Path, seed: int) -> None:
    """Copy recordings under names that say nothing, in another order."""
    folder.mkdir(parents=True)
    shuffled = random.Random(seed).sample(sorted(clips), len(clips))
    for number, clip in enumerate(shuffled):
        shutil.copy(clip, folder / f"recording {number:03}.wav")


def command(folder: Path, *words: str) -> tuple[subprocess.CompletedProcess[str], float]:
    """Run asdkit in a folder; what it said, and the seconds it took."""
    begin = time.perf_counter()
    ran = subprocess.run(
        [sys.executable, "-m", "asdkit", *words], cwd=folder, capture_output=True, text=True, check=False
    )
    took = time.perf_counter() - begin
    print(f"{took:6.1f} s  asdkit {' '.join(words[:4])}{' ...' if len(words) > 4 else ''}", flush=True)
    if ran.returncode not in (0, 5):
        sys.exit(f"exit code {ran.returncode}\n{ran.stdout}\n{ran.stderr}")
    return ran, took


def verdicts(folder: Path, train: list[Path], test: list[Path], seed: int) -> tuple[list[dict], str, float]:
    """Init, run and score; the rows, what was said on standard error, and the seconds in all."""
    copy_flat(train, folder / "healthy", seed)
    made, first = command(folder, "init", "healthy")
    ran, second = command(folder, "run", "spec.toml", "--set", f"seed={seed}")
    scored, third = command(folder, "score", "runs/healthy", *map(str, test))
    rows = [json.loads(line) for line in scored.stdout.splitlines()]
    assert {Path(row["path"]).name for row in rows} == {path.name for path in test}
    return rows, made.stderr + ran.stdout + ran.stderr + scored.stderr, first + second + third


def medians(rows: list[dict]) -> tuple[float, float]:
    """Median p-value of normal clips and of anomalies, by their names."""
    by_kind = {kind: [r["p_value"] for r in rows if Path(r["path"]).name.startswith(kind)] for kind in KINDS}
    return statistics.median(by_kind["normal"]), statistics.median(by_kind["anomaly"])


KINDS = ("normal", "anomaly")


def of_id(folder: Path, id_: str, seeds: list[int]) -> bool:
    """Go the way for one id of a machine; whether all is as demanded."""
    train = sorted(folder.glob(f"train/normal_id_{id_}_*.wav"))
    test = sorted(folder.glob(f"test/*_id_{id_}_*.wav"))
    good = True
    for seed in seeds:
        with tempfile.TemporaryDirectory() as temporary:
            rows, said, seconds = verdicts(Path(temporary), train, test, seed)
        normal, anomaly = medians(rows)
        called = {k: [r["verdict"] for r in rows if Path(r["path"]).name.startswith(k)] for k in KINDS}
        good &= anomaly < normal and seconds < LIMIT
        print(f"{folder.name} id {id_}, {len(train)} healthy clips, seed {seed}, {seconds:.0f} s in all")
        for kind, median in zip(KINDS, (normal, anomaly), strict=True):
            said_of = called[kind]
            print(
                f"         {len(said_of)} {kind} clips: median p-value {median:.2g}; called anomalous "
                f"{said_of.count('anomalous')}, undecided {said_of.count('undecided')}"
            )
        for line in said.splitlines() if seed == seeds[0] else ():
            if line.startswith("note:") or "support" in line:
                print(f"         {line}")
    return good


def main(data: Path) -> int:
    """Return 0 if all is as demanded."""
    drone = of_id(data / "drone_dev" / "drone", "00", [0, 1, 2])
    few = of_id(data / "mimii_fixture" / "fan", "00", [0, 1, 2])
    return 0 if drone and few else 1


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]).resolve()))
