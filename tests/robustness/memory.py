"""Score long recordings: bounded memory, and the score of the recording read whole."""

from __future__ import annotations

import argparse
import json
import os
import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from tests.robustness import rooms
from tests.robustness.figures import Figures

LIMIT_MB = 600
RECORDINGS = {  # rate [Hz], channels, bytes of a sample, samples
    "an hour at 16 kHz": (16_000, 1, 2, 57_600_000),
    "ten minutes of 8 channels, 24 bits, 48 kHz": (48_000, 8, 3, 28_800_000),
    "64 MB at 1 kHz": (1_000, 1, 2, 32_000_000),
}
WHOLE = """
import sys
from asdkit import feature_extraction, mapped, scoring
from asdkit.bundle import bundle
from asdkit.cli import main
mapped.LARGEST_IN_MEMORY = feature_extraction._PART_SAMPLES = scoring._PART_ROWS = bundle._TIMES = 1 << 60
main()
"""


def write_recording(path: Path, rate: int, channels: int, width: int, samples: int) -> None:
    """Write noise whose level changes slowly, as WAV of 16 or 24 bits."""
    size = samples * channels * width
    with path.open("wb") as file:
        rates = struct.pack("<HHIIHH", 1, channels, rate, rate * channels * width, channels * width, 8 * width)
        file.write(struct.pack("<4sI4s4sI", b"RIFF", 36 + size, b"WAVE", b"fmt ", 16) + rates)
        file.write(struct.pack("<4sI", b"data", size))
        rng = np.random.default_rng(0)
        for first in range(0, samples, rate * 10):
            count = min(rate * 10, samples - first)
            noise = rng.normal(0, 0.02 * (2 + np.sin(first / rate / 100)), (count * channels, 1))
            whole = np.clip(np.round(noise * 2 ** (8 * width - 1)), -(2 ** (8 * width - 1)), 2 ** (8 * width - 1) - 1)
            file.write(whole.astype("<i4").view(np.uint8)[:, :width].tobytes())


def make_bundle(folder: Path) -> Path:
    """Train a network and a detector of whole clips on a small machine."""
    rooms.make_room(folder / "room", 1)
    spec = rooms.make_spec(folder, [rooms.KNN.format(i=1, n=1), rooms.TRAINED.format(epochs=1)], ["K1", "A"])
    text = spec.read_text().replace("sample_rate = 8000", "sample_rate = 16000")
    spec.write_text(text.replace("n_fft = 256\nhop_length = 128\nn_mels = 32\n", ""))
    for args in (
        ["run", spec, "--out", folder / "run"],
        ["export", folder / "run", "--system", "all", "-o", "a.asdkit"],
    ):
        ran = rooms.run(folder, *args)
        assert ran.returncode == 0, ran.stderr
    return folder / "a.asdkit"


def score(command: list[str], bundle: Path, recording: Path) -> tuple[dict[str, object], float, float]:
    """Score a recording in a process of its own; return its row, the peak of the resident set [MB], and the seconds."""
    begin = time.monotonic()
    with subprocess.Popen(
        [*command, "score", str(bundle), str(recording), "--format", "jsonl"], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        row = process.stdout.read()
        _, _, used = os.wait4(process.pid, 0)
        process.returncode = 0
    return json.loads(row or "{}"), used.ru_maxrss * 1024 / 1e6, time.monotonic() - begin


def check(folder: Path, bundle: Path, figures: Figures, *, compare: bool) -> None:
    """Score each recording in parts and, to compare, whole."""
    command = [sys.executable, "-m", "asdkit"]
    for name, form in RECORDINGS.items():
        recording = folder / "long.wav"
        write_recording(recording, *form)
        row, peak, seconds = score(command, bundle, recording)
        figures.report(f"{name}: peak resident set", f"{peak:.0f} MB", f"below {LIMIT_MB} MB", peak < LIMIT_MB)
        figures.report(f"{name}: time", f"{seconds:.0f} s")
        if compare:
            whole, whole_peak, _ = score([sys.executable, "-c", WHOLE], bundle, recording)
            same = bool(row) and row == whole
            figures.report(f"{name}: row of the recording read whole ({whole_peak:.0f} MB)", same, "True", same)
        recording.unlink()


def main(argv: list[str]) -> int:
    """Run the check."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bundle", type=Path, help="another system than a small one that is trained here")
    parser.add_argument("--no-whole", action="store_true", help="do not read recordings whole, which takes 6 GB")
    options = parser.parse_args(argv)
    figures = Figures()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        bundle = options.bundle or make_bundle(folder)
        check(folder, bundle.absolute(), figures, compare=not options.no_whole)
    return figures.exit_code
