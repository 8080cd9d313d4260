"""Record Python's audit events: opening a spec, a run or a bundle reads no pickle, and no command makes a socket."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.robustness import rooms
from tests.robustness.figures import Figures

HOOK = """
import atexit, json, sys, traceback
events = []
def hook(event, args):
    if event == "pickle.find_class" or event == "socket.__new__":
        stack = [frame.f_code.co_filename for frame, _ in traceback.walk_stack(None)]
        numba = any("/numba/" in name or "/llvmlite/" in name for name in stack)
        events.append([event, numba, str(args[1:])[:80]])
sys.addaudithook(hook)
def write_events():
    with open({path!r}, "w") as file:
        json.dump(events, file)
atexit.register(write_events)
"""
OPENING = {
    "a spec": "from asdkit.spec import load_spec; from pathlib import Path; load_spec(Path('spec.toml'))",
    "a run": """
from asdkit.run.state_codec import read_state
from asdkit.run.store import read_verified, unchanged, verify
from pathlib import Path
import json
from safetensors.numpy import load
for job in Path('run/jobs').glob('*/*'):
    assert unchanged(job) is None and verify(job) is None
    json.loads(read_verified(job, 'job.json'))
    load(read_verified(job, 'scores.safetensors'))
    for path in job.glob('state*'):
        read_state(path)
from asdkit.bundle import Bundle
Bundle.of_run('run', 'all')
""",
    "a bundle": "from asdkit.bundle import Bundle; Bundle.load('room.asdkit')",
}
COMMANDS = (
    ["plugins"],
    ["check", "spec.toml"],
    ["data", "room"],
    ["run", "spec.toml", "--out", "again"],
    ["report", "again"],
    ["export", "run", "--system", "all", "--out", "second.asdkit"],
    ["score", "room.asdkit", "room/m0000/test"],
)


def record_events(folder: Path, code: str) -> list[tuple[str, bool, str]]:
    """Run Python code in a new process; return its audit events: name, whether Numba's, arguments."""
    path = folder / "events.json"
    ran = subprocess.run(
        [sys.executable, "-c", HOOK.format(path=str(path)) + code],
        cwd=folder,
        env=rooms.environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    return [tuple(event) for event in json.loads(path.read_text())]


def check(folder: Path, figures: Figures) -> None:
    """Open and run everything with the hook, after a run without it that compiles the kernels."""
    rooms.make_room(folder / "room", 1, train=8)
    spec = rooms.make_spec(folder, [rooms.KNN.format(i=1, n=1), rooms.TRAINED.format(epochs=2)], ["K1", "A"])
    for args in (["run", spec, "--out", "run"], ["export", "run", "--system", "all", "--out", "room.asdkit"]):
        ran = rooms.run(folder, *args)
        assert ran.returncode == 0, ran.stderr
    control = record_events(
        folder, "import pathlib, pickle, socket; pickle.loads(pickle.dumps(pathlib.Path())); socket.socket()"
    )
    assert {event for event, *_ in control} == {"pickle.find_class", "socket.__new__"}, "the hook records nothing"
    for what, code in OPENING.items():
        pickles = [event for event in record_events(folder, code) if event[0] == "pickle.find_class" and not event[1]]
        figures.report(f"pickle.find_class while opening {what}", len(pickles), "0", not pickles)
    for args in COMMANDS:
        code = f"import sys\nsys.argv = ['asdkit', *{args!r}]\nfrom asdkit.cli import main\nmain()"
        events = record_events(folder, code)
        sockets = [event for event in events if event[0] == "socket.__new__"]
        figures.report(f"sockets made by asdkit {args[0]}", len(sockets), "0", not sockets)


def main(argv: list[str]) -> int:
    """Run the check."""
    argparse.ArgumentParser(description=__doc__).parse_args(argv)
    figures = Figures()
    with tempfile.TemporaryDirectory() as folder:
        check(Path(folder), figures)
    return figures.exit_code
