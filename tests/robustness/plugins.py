"""Misbehaving plugins against `run`, `score` and `check-plugin`: each is named, no other is, the rest is done."""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.helpers.rogues import install_rogue
from tests.mutants import rogue
from tests.robustness import rooms
from tests.robustness.figures import Figures

COMMANDS = ("run", "score", "check-plugin")
ROGUE = '\n[detectors.R]\nuse = "rogue"\n'
CALIBRATION = "\n[calibration]\nheld_out = 0.5\nfalse_alarm_rate = 0.3\n"
LIMIT_S = 240.0
SLEEPY_S = 12.0  # when a run with a sleeping plugin gets its signals
CRASHES = ("os.abort", "SIGKILL")
HARMLESS = {
    "run": ("seed", "inputs in place", "print", "close sys.stdout"),
    "score": ("seed", "NaN state", "print", "close sys.stdout"),
}
"""Kinds that a command need not name: they have no effect there (generators are seeded by name, each job has its own
frames, a stored state was checked, standard streams cannot be closed by `sys.stdout`), or are plain to see (print)."""


@dataclass
class Cell:
    """What a command did with a kind: exit code, output, why that is wrong (empty: it is not)."""

    code: int | None
    out: str
    err: str
    fault: str = ""

    @property
    def said(self) -> str:
        """The first line that names the plugin."""
        lines = [line for line in (self.err + self.out).splitlines() if "rogue" in line and "rogue prints" not in line]
        failed = [line for line in self.out.splitlines() if line.startswith("failed")]  # of check-plugin
        return " ".join((failed or lines or [""])[0].split())


def make_rooms(folder: Path) -> None:
    """Write recordings, a spec of an innocent and a rogue detector, a bundle of both, and files to score."""
    folder.mkdir(parents=True, exist_ok=True)
    install_rogue(folder / "site")
    rooms.make_room(folder / "room", 1)
    spec = rooms.make_spec(folder, [rooms.KNN.format(i=1, n=1), ROGUE, CALIBRATION], ["K1", "R"])
    for i, seconds in enumerate((1.0, 2.0, 1.0)):
        rooms.write_clip(folder / "new" / f"{i}_id_00.wav", 90 + i, seconds=seconds)
    for args in (("run", spec, "--out", "sound"), ("export", "sound", "--system", "all", "--out", "b.asdkit")):
        ran = command(folder, "", "fit", *args)
        assert ran.code == 0, ran.err
    sound = command(folder, "", "fit", "check-plugin", "rogue")
    assert sound.code == 0, sound.out  # what follows is due to the kind


def command(folder: Path, kind: str, at: str, *args: object) -> Cell:
    """Run a command with the rogue installed; a sleeping one gets Ctrl-C."""
    path = os.pathsep.join(filter(None, [str(folder / "site"), os.environ.get("PYTHONPATH", "")]))
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        process = subprocess.Popen(
            rooms.command(*args),
            cwd=folder,
            env=rooms.environment(ROGUE=kind, ROGUE_AT=at, PYTHONPATH=path),
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=err,
            start_new_session=True,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),  # a background job ignores it
        )
        if kind == "sleep" and args[0] != "check-plugin":
            time.sleep(SLEEPY_S)
            for _ in range(2 if args[0] == "run" else 1):  # the first asks a run to stop at the next batch
                process.send_signal(signal.SIGINT)
                time.sleep(0.5)
        try:
            code = process.wait(LIMIT_S)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            code = None
        time.sleep(0.2 if code is None or code < 0 else 0)  # for the report of the last call
        texts = []
        for file in (out, err):
            file.seek(0)
            texts.append(file.read().decode(errors="backslashreplace"))
    return Cell(code, *texts)


def try_kind(folder: Path, kind: str, name: str) -> Cell:
    """Run one command with one kind and judge it."""
    if name == "run":
        args = ("run", "spec.toml", "--out", f"out-{rogue.KINDS.index(kind)}")
        cell = command(folder, kind, "fit", *args)
        cell.fault = judge(cell, kind, name) or judge_run(folder / args[-1], cell, kind)
    elif name == "score":
        cell = command(folder, kind, "score", "score", "b.asdkit", "new")
        cell.fault = judge(cell, kind, name) or judge_score(cell, kind)
    else:
        limit = "8" if kind == "sleep" else "120"
        cell = command(folder, kind, "fit", "check-plugin", "rogue", "--timeout", limit)
        cell.fault = judge(cell, kind, name) or ("" if cell.code == 4 else "expected exit code 4")
    return cell


def judge(cell: Cell, kind: str, name: str) -> str:
    """Say what is wrong with a command's output; empty where nothing is."""
    text = cell.out + cell.err
    if cell.code is None:
        return "hangs"
    for bad in ("Traceback", "bug in asdkit", "Fatal Python error"):
        if bad in text:
            return f"prints {bad!r}"
    if any("'knn'" in line or "K1: failed" in line for line in cell.err.splitlines()):
        return "blames the innocent detector"
    return "" if cell.said or kind in HARMLESS.get(name, ()) else "silent"


def judge_run(out: Path, cell: Cell, kind: str) -> str:
    """Say whether the innocent detector's job is done."""
    if kind == "raise at import":
        return "" if cell.code == 4 else "expected exit code 4"
    done = [json.loads(path.read_text())["settings"]["use"] for path in out.glob("jobs/*/*/job.json")]
    if kind in CRASHES and not (cell.code == 1 and "died" in cell.err):
        return "expected exit code 1, and the job that died"
    return "" if "knn" in done else "the innocent job is not done"


def judge_score(cell: Cell, kind: str) -> str:
    """Say whether the other files are scored."""
    if kind in ("raise at import", "raise in constructor"):
        return "" if cell.code == 4 else "expected exit code 4"
    rows = [json.loads(line) for line in cell.out.splitlines()]
    scored = {Path(row["path"]).name for row in rows if row["verdict"] != "bad"}
    wanted = {"0_id_00.wav"} if kind == "sleep" else {"0_id_00.wav", "2_id_00.wav"}
    return "" if wanted <= scored else f"scored only {sorted(scored)}"


def check(folder: Path, kinds: Sequence[str], commands: Sequence[str], figures: Figures) -> None:
    """Try kinds with commands; print a line for each cell."""
    make_rooms(folder)
    for kind in kinds:
        for name in commands:
            cell = try_kind(folder, kind, name)
            verdict = "" if cell.fault else "as demanded"
            line = f"exit {cell.code}; {cell.said[:160]}"
            figures.report(f"{kind} | {name}", line, cell.fault or verdict, not cell.fault)
            if cell.fault:
                print(cell.err[-1500:], cell.out[-500:])


def main(argv: list[str]) -> int:
    """Run the matrix."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kind", action="append", choices=rogue.KINDS)
    parser.add_argument("--command", action="append", choices=COMMANDS)
    options = parser.parse_args(argv)
    figures = Figures()
    with tempfile.TemporaryDirectory() as folder:
        check(Path(folder), options.kind or rogue.KINDS, options.command or COMMANDS, figures)
    print(f"{len(figures.missed)} cells are not as demanded: {', '.join(figures.missed) or 'none'}")
    return figures.exit_code
