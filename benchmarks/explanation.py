"""Whether the hottest place of a heat map is where a tone burst was planted, and what a map costs.

``python -m benchmarks.explanation [--clips N] [--detectors NAME ...]``: detectors are fitted on the synthetic machine
room with the settings of `asdkit demo`; in healthy test clips of every id a tone burst of a quarter of a second is
planted, 18 dB above the clip at its peak, anywhere in time and from 500 Hz to 7 kHz. A hit: the hottest of 16 by 16
cells overlaps the burst in time and frequency. A heat map explains the score, not the sound: a burst counts where it
raised the score by more than three standard deviations of the scores of the id's other healthy test clips.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from functools import partial
from importlib.resources import files
from pathlib import Path

import numpy as np

from asdkit import audio
from asdkit.api import Features, FloatArray, Wave, Windows
from asdkit.data.demo import make_machine_room
from asdkit.explain import Explanation, Grid, MemberInput, NearestExcerpts, Scorer, explain
from asdkit.kernels.mel import mel_edges
from asdkit.run import FittedArrays, fit_arrays
from asdkit.scoring import pool_scores
from asdkit.spec import Spec, load_spec

RATE = 16_000
BURST = 0.25  # s
LOUD = 18.0  # dB
NOTICED = 3.0  # standard deviations
MORE = """
[detectors.mahalanobis]
use = "mahalanobis"
[detectors.knn]
use = "knn"
[detectors.gmm]
use = "gmm"
[detectors.knn-windows]
use = "knn"
frames = 16
hop = 4
pool = "max"
"""


def burst(wave: Wave, rng: np.random.Generator) -> tuple[Wave, float, float]:
    """A wave [float32] with a tone burst planted, the burst's begin [s] and its pitch [Hz]."""
    sound = np.asarray(wave, dtype=np.float64) / (32768 if wave.dtype == np.int16 else 1)
    begin = rng.uniform(0.1, len(sound) / RATE - BURST - 0.1)
    pitch = float(np.exp(rng.uniform(np.log(500), np.log(7000))))
    time_s = np.arange(round(BURST * RATE)) / RATE
    place = slice(round(begin * RATE), round(begin * RATE) + len(time_s))
    level = 10 ** (LOUD / 20) * np.sqrt(2 * np.mean(sound**2))
    sound[place] += level * np.sin(2 * np.pi * pitch * time_s) * np.hanning(len(time_s))
    return sound.astype(np.float32), begin, pitch


def is_hit(found: Explanation, grid: Grid, rows: int, bands: int, begin: float, pitch: float) -> bool:
    """Whether the hottest cell overlaps the burst: frames of 64 ms, 32 ms apart; mel bands up to 8 kHz."""
    times, groups = grid.edges(rows, bands)
    time_cell, band_cell = found.hottest
    seconds = [(times[time_cell] - 1) * 0.032, (times[time_cell + 1]) * 0.032]
    edges = mel_edges(bands, 0.0, RATE / 2, False)
    hertz = edges[groups[band_cell]], edges[groups[band_cell + 1] + 1]
    return bool(seconds[0] < begin + BURST and seconds[1] > begin and hertz[0] < pitch < hertz[1])


def parts_of(fitted: FittedArrays, id_: str, usual: NearestExcerpts, frames: FloatArray) -> MemberInput:
    """A clip as a fitted detector hears it."""
    settings = fitted.settings
    detector = fitted.detectors.get("") or fitted.detectors[id_]

    def score(features: Features, windows: Windows) -> FloatArray:
        return detector.score(features, windows, [id_] * features.clips, fitted.ctx)

    pool = partial(pool_scores, pool=settings.pool)
    return MemberInput(frames, usual, Scorer(score, pool, settings.frames, settings.hop))


def features_of(fitted: FittedArrays, waves: Sequence[Wave]) -> Features:
    """Features of waves by a detector's featurizer."""
    made = [np.empty((fitted.featurizer.rows(len(w)), fitted.featurizer.bands), np.float32) for w in waves]
    for wave, out in zip(waves, made, strict=True):
        fitted.featurizer.fill(wave, RATE, out)
    return Features(np.concatenate(made), np.cumsum([0, *map(len, made)]).astype(np.int64))


def machines(room: Path) -> Iterator[tuple[str, list[Path], list[Path]]]:
    """Each machine of the room, its training clips and its healthy test clips."""
    for folder in sorted(p for p in room.iterdir() if p.is_dir()):
        yield folder.name, sorted(folder.glob("train/*.wav")), sorted(folder.glob("test/normal*.wav"))


def main() -> int:
    """Print a line of hits for each detector."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.explanation", description=__doc__)
    parser.add_argument("--clips", type=int, default=2, help="clips of each machine id; default: %(default)s")
    parser.add_argument("--detectors", nargs="+", metavar="NAME")
    args = parser.parse_args()
    grid = Grid()
    with tempfile.TemporaryDirectory() as temporary:
        room = Path(temporary) / "machine-room-0"
        make_machine_room(room)
        spec = Path(temporary) / "spec.toml"
        text = files("asdkit_demo").joinpath("demo.toml").read_text(encoding="utf-8")
        spec.write_text(text.replace("[systems.baseline]", f"{MORE}\n[systems.baseline]"))
        settings = load_spec(spec)
        for name in args.detectors or settings.detector_names:
            hits, noticed, seconds = measure(settings, name, room, args.clips, grid)
            sys.stdout.write(
                f"{name:12} the burst is the hottest place in {hits.sum():2} of {len(hits)} clips; of "
                f"{noticed.sum():2} that it noticed, in {(hits & noticed).sum():2}; {np.median(seconds):.2f} s a map\n"
            )
            sys.stdout.flush()
    return 0


def measure(spec: Spec, name: str, room: Path, clips: int, grid: Grid) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Hits and noticed bursts [bool, ``[bursts]``], and seconds of each map [``[bursts]``], of one detector."""
    rng = np.random.default_rng(0)
    hits, noticed, seconds = [], [], []
    for _, train, healthy in machines(room):
        ids = [path.name.split("_")[2] for path in train]
        waves = [audio.read(path, sample_rate=RATE, channel="mean") for path in train]
        fitted = fit_arrays(spec, name, waves, ids)
        for id_ in sorted(set(ids)):
            usual = NearestExcerpts(features_of(fitted, [w for w, i in zip(waves, ids, strict=True) if i == id_]))
            clean = [audio.read(p, sample_rate=RATE, channel="mean") for p in healthy if f"_id_{id_}_" in p.name]
            usually = fitted.score(clean, [id_] * len(clean))
            for which, sound in enumerate(clean[:clips]):
                wave, begin, pitch = burst(sound, rng)
                frames = features_of(fitted, [wave]).frames
                start = time.perf_counter()
                found = explain([parts_of(fitted, id_, usual, frames)], grid=grid)
                seconds.append(time.perf_counter() - start)
                hits.append(is_hit(found, grid, *frames.shape, begin, pitch))
                noticed.append(found.score - usually[which] > NOTICED * np.std(np.delete(usually, which), ddof=1))
    return np.array(hits), np.array(noticed), np.array(seconds)


if __name__ == "__main__":
    sys.exit(main())
