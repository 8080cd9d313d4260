"""Mutated ONNX graphs: refused in words or scored; none crashes, reads a file, or is another one to onnx's checker."""

from __future__ import annotations

import argparse
import os
import resource
import tempfile
import time
from pathlib import Path

from asdkit.bundle.onnx_export import graphs_of
from asdkit.plugins import discover
from tests.helpers.onnx_mutants import Seed, fuzz, small_seeds
from tests.helpers.onnx_networks import untrained
from tests.robustness.figures import Figures

GOOD = {"refused", "failed", "scored", "control", "canary read"}
NETWORKS = (
    ("autoencoder", {"hidden": 8}),
    ("group-made", {"hidden": [8]}),
    ("group-made", {"hidden": [8], "order": "causal", "components": 2}),
)
SECONDS = 5.0


def seeds() -> list[Seed]:
    """Return small graphs, and those of built-in networks."""
    registry, found = discover(), small_seeds()
    for use, options in NETWORKS:
        [(graph, ids)] = graphs_of(untrained(registry, use, options), bands=16).values()
        found += [Seed(graph, 5, ids)] * 3
    return found


def check(folder: Path, count: int, start: int, figures: Figures) -> None:
    """Open and run so many mutants; the one at work is in ``mutant.onnx`` should the process end."""
    last, slowest = time.process_time(), 0.0

    def note(data: bytes) -> None:
        nonlocal last, slowest
        slowest, last = max(slowest, time.process_time() - last), time.process_time()
        (folder / "mutant.onnx").write_bytes(data)

    graphs = seeds()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    last = time.process_time()
    counts = fuzz(graphs, range(start, start + count), folder, note)
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    faults = {what: number for what, number in counts.items() if what not in GOOD}
    told = ", ".join(f"{counts[what]:,} {what}" for what in ("refused", "failed", "scored"))
    figures.report("mutated ONNX graphs", told, "", bool(counts["scored"]))
    figures.report("  crashes, other to the checker, other shapes", str(faults or 0), "0", not faults)
    figures.report("  files read", str(counts["canary read"]), "0", not counts["canary read"])
    figures.report("  reading a file is noticed", str(counts["control"]), "1", counts["control"] == 1)
    figures.report("  slowest", f"{slowest:.3f} s of CPU", f"<= {SECONDS:.0f} s", slowest <= SECONDS)
    figures.report("  memory grew by", f"{grown:.0f} MiB", "<= 1000 MiB", grown <= 1000)


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=20_000)
    parser.add_argument("--start", type=int, default=0, help="number of the first mutant")
    options = parser.parse_args(argv)
    figures = Figures()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        check(Path(folder), options.count, options.start, figures)
        os.chdir("/")
    return figures.exit_code
