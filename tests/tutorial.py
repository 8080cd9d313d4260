"""Run ``docs/write-a-plugin.md`` in an empty folder, as a new user would: ``python -m tests.tutorial``.

Runs every command, applies every snippet where the page says, and prints the duration of each command. The clone is
this tree; other packages are installed at the versions of ``constraints.txt``.
"""

# ruff: noqa: T201 (prints a report)
from __future__ import annotations

import re
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

TREE = Path(__file__).parents[1]
PAGE = TREE / "docs" / "write-a-plugin.md"
FIRST = 6
"""Number of commands to a detector that runs and passes its checks."""


def blocks(language: str) -> list[str]:
    """Return the contents of the page's blocks of a language."""
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE.read_text(), re.DOTALL | re.MULTILINE)


def commands() -> list[str]:
    """Return all commands of the page, in order."""
    return [line for block in blocks("sh") for line in block.splitlines()]


def change_score(module: Path) -> None:
    """Replace the method ``score_windows`` by the one of the page."""
    (method,) = blocks("python")
    text, count = re.subn(r"    def score_windows\(.*\Z", lambda _: method, module.read_text(), flags=re.DOTALL)
    assert count == 1, "the new plugin has no method score_windows"
    module.write_text(text)


def cpu_seconds() -> float:
    """Return the CPU time of all finished commands; unlike wall time, it does not depend on other processes."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def run(folder: Path) -> float:
    """Run the page in an empty folder; return the duration of its first commands [s]."""
    total = 0.0
    for number, command in enumerate(commands(), start=1):
        if number == FIRST + 1:
            change_score(folder / "asdkit-my-idea" / "asdkit_my_idea" / "detector.py")
        words = command.replace("install path/to/asdkit", f"install -q -c {TREE / 'constraints.txt'} {TREE}")
        begin, busy = time.perf_counter(), cpu_seconds()
        ran = subprocess.run(words.split(), cwd=folder, capture_output=True, text=True, check=False)
        seconds = time.perf_counter() - begin
        total += seconds if number <= FIRST else 0
        print(f"{seconds:6.1f} s ({cpu_seconds() - busy:.1f} s of CPU)  {command}", flush=True)
        if ran.returncode:
            sys.exit(f"exit code {ran.returncode}\n{ran.stdout}\n{ran.stderr}")
        if "check-plugin" in command:
            assert " 0 failed" in ran.stderr, ran.stderr
        if " demo " in command:
            print(ran.stdout)
            assert re.search(r"^my-idea +member( +\d+\.\d+ \(\d+\.\d+\))+$", ran.stdout, re.MULTILINE), ran.stdout
    return total


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as name:
        duration = run(Path(name))
    print(f"{FIRST} commands from an empty folder to a running detector that passes its checks: {duration:.0f} s")
