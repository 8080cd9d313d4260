"""How soon and how fast does ``asdkit score`` answer? ``python -m benchmarks.scoring [--files N]``, Linux.

Group MADE and the id classifier, trained for a moment (speed does not depend on how well), on recordings of 10 s:

- the time from the command's start to its first row, and clips a second from then on, by torch;
- the same by onnxruntime, torch kept out of reach, and how far its scores are from torch's;
- resident memory over many files in one call: after the first 500 and at its most.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from itertools import cycle, islice
from pathlib import Path
from statistics import median
from typing import Any

from asdkit.bundle import Bundle
from asdkit.bundle.export import export
from asdkit.data.demo import make_machine_room
from asdkit.plugins import discover
from asdkit.run import make_plan, run_plan
from asdkit.spec import load_spec

COLD = 3  # starts, of which the median is told
CLIPS = 200
FIRST, MANY = 500, 20_000

SPEC = """
asdkit = 1
name = "scoring"

[data]
layout = "dcase2020"
root = "room"

[calibration]
held_out = 0.5

[featurizers.logmel]
use = "log-mel"

[augmenters.mix]
use = "mix"

[detectors.G]
use = "group-made"
epochs = 2

[detectors.M]
use = "id-classifier"
epochs = 2
augmenters = ["mix"]

[systems.2-mean]
members = ["G", "M"]
fuser = { use = "z-score" }
"""


@dataclass(frozen=True)
class Scored:
    """Rows of one call, when each came [s after the start], and resident memory then [bytes]."""

    rows: list[dict[str, Any]]
    seconds: list[float]
    resident: list[int]


def prepare(folder: Path, *, graphs: bool, seconds: float = 10.0) -> None:
    """Train, and export ``torch.asdkit`` and, with `graphs`, ``onnx.asdkit``."""
    make_machine_room(folder / "room", machines=("fan",), ids=3, train=20, normal=10, anomaly=10, seconds=seconds)
    (folder / "spec.toml").write_text(SPEC)
    registry = discover()
    run_plan(make_plan(load_spec(folder / "spec.toml", registry=registry), folder / "run", registry))
    bundle = Bundle.of_run(folder / "run", registry=registry)
    (folder / "torch.asdkit").write_bytes(export(bundle))
    if graphs:
        (folder / "onnx.asdkit").write_bytes(export(bundle, onnx=True))
    (folder / "without" / "torch").mkdir(parents=True)
    refuse = 'raise ModuleNotFoundError("No module named \'torch\'", name="torch")\n'
    (folder / "without" / "torch" / "__init__.py").write_text(refuse)


def score(folder: Path, bundle: str, paths: Sequence[Path], *, torch: bool = True) -> Scored:
    """Run the command on paths given on standard input."""
    hidden = [] if torch else [str(folder / "without")]
    search = os.pathsep.join([*hidden, *filter(None, [os.environ.get("PYTHONPATH")])])
    begin = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-m", "asdkit", "score", str(folder / bundle), "-"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": search},
    )
    assert process.stdin is not None
    assert process.stdout is not None
    text = "".join(f"{path}\n" for path in paths).encode()
    feeding = threading.Thread(target=_feed, args=(process.stdin, text))
    feeding.start()
    rows, seconds, resident = [], [], []
    for line in process.stdout:
        seconds.append(time.perf_counter() - begin)
        resident.append(_resident(process.pid))
        rows.append(json.loads(line))
    feeding.join()
    if process.wait() or len(rows) != len(paths):
        raise RuntimeError(f"{bundle}: ended with {process.returncode} after {len(rows)} of {len(paths)} rows")
    return Scored(rows, seconds, resident)


def _feed(stream: Any, text: bytes) -> None:
    stream.write(text)
    stream.close()


def _resident(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE")
    except (OSError, IndexError):  # it has ended
        return 0


def farthest(one: Sequence[dict[str, Any]], other: Sequence[dict[str, Any]]) -> float:
    """Largest relative difference of members' clip scores."""
    pairs = [(a["members"][m], b["members"][m]) for a, b in zip(one, other, strict=True) for m in a["members"]]
    return max(abs(a - b) / abs(b) for a, b in pairs)


def lines(folder: Path, *, clips: int, many: int, graphs: bool) -> Iterator[str]:
    """Measure, a line of figures at a time."""
    files = sorted((folder / "room" / "fan" / "test").iterdir())
    several = list(islice(cycle(files), clips))
    made = {}
    for bundle, torch in (("torch.asdkit", True), ("onnx.asdkit", False)) if graphs else (("torch.asdkit", True),):
        cold = [score(folder, bundle, files[:1], torch=torch).seconds[0] for _ in range(COLD)]
        made[bundle] = scored = score(folder, bundle, several, torch=torch)
        rate = (len(several) - 1) / (scored.seconds[-1] - scored.seconds[0])
        yield f"{bundle}: first row after {median(cold):.2f} s, then {rate:.1f} clips/s"
    if graphs:
        yield f"largest relative difference of a score: {farthest(*(m.rows for m in made.values())):.1e}"
    with tempfile.TemporaryDirectory() as room:
        make_machine_room(Path(room), machines=("fan",), ids=3, train=1, normal=10, anomaly=10, seconds=2.5)
        short = sorted((Path(room) / "fan" / "test").iterdir())
        scored = score(folder, next(iter(reversed(made))), list(islice(cycle(short), many)), torch=not graphs)
    after, most = scored.resident[min(FIRST, many // 4)], max(scored.resident)
    yield (
        f"{many} files in one call, {scored.seconds[-1]:.0f} s: {after / 1e6:.0f} MB after {min(FIRST, many // 4)}, "
        f"at most {most / 1e6:.0f} MB (+{100 * (most / after - 1):.1f} %)"
    )


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=MANY, help="in the call whose memory is watched")
    asked = parser.parse_args(arguments)
    graphs = find_spec("onnxruntime") is not None and find_spec("onnxscript") is not None
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        prepare(folder, graphs=graphs)
        for line in lines(folder, clips=CLIPS, many=asked.files, graphs=graphs):
            print(line, flush=True)


if __name__ == "__main__":
    main()
