"""From 16-bit WAV files to packed log-mel rows: time, threads, memory."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from itertools import cycle
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import peers
from benchmarks.harness import OURS, Case, Result, run, summary

SUITE = "features"
DISTINCT = 16  # clips that take turns, so that none is read from the nearest cache


def measure(quick: bool) -> Iterator[Result]:
    """One file at a time beside the peers; many over threads; memory of a whole machine."""
    import soundfile

    from asdkit import audio

    with tempfile.TemporaryDirectory() as folder:
        paths = [str(Path(folder) / f"{i}.wav") for i in range(DISTINCT)]
        for i, path in enumerate(paths):
            soundfile.write(path, peers.clip(10.0, i), peers.RATE, subtype="PCM_16")
        samples = 10 if quick else 60
        parameters: dict[str, float | int | str] = {"threads": 1, "n_fft": 1024, "clip_s": 10.0}
        to_rows = _to_rows(paths)
        yield from run(Case(SUITE, "file to rows", parameters, to_rows, peers.same_decibels, samples=samples))
        # In a case of its own, since it makes no rows: what reading alone costs.
        turns = _turns(paths)
        reading = {
            OURS: to_rows[OURS],
            "asdkit.audio.read, no features": turns(lambda path: audio.read(path, sample_rate=peers.RATE)),
            "soundfile.read float32, no features": turns(lambda path: soundfile.read(path, dtype="float32")),
            "soundfile.read int16, no features": turns(lambda path: soundfile.read(path, dtype="int16")),
        }
        yield from run(Case(SUITE, "file to rows beside reading alone", parameters, reading, samples=samples))
        yield from _threads(paths, 5 if quick else 30)
        for store in ("memory", "memmap"):
            yield from _memory(paths, store, 400 if quick else 4000)


def _turns(paths: list[str]) -> Callable[[Callable[[str], Any]], Callable[[], Any]]:
    def turns(work: Callable[[str], Any]) -> Callable[[], Any]:
        turn = cycle(paths)
        return lambda: work(next(turn))

    return turns


def _to_rows(paths: list[str]) -> dict[str, Callable[[], Any]]:
    import librosa
    import soundfile

    from asdkit import audio
    from asdkit.kernels import log_mel

    rows = np.empty((313, peers.BANDS), np.float32)
    turns = _turns(paths)
    contenders = {OURS: turns(lambda path: log_mel(audio.read(path, sample_rate=peers.RATE), out=rows))}
    for name, factory in peers.FRONT_ENDS.items():
        front_end = factory(1024)
        if name == "librosa":
            contenders["librosa.load + librosa"] = turns(
                lambda path, front_end=front_end: front_end(librosa.load(path, sr=peers.RATE)[0])
            )
        else:
            contenders[f"soundfile + {name}"] = turns(
                lambda path, front_end=front_end: front_end(soundfile.read(path, dtype="float32")[0])
            )
    return contenders


def _threads(paths: list[str], samples: int) -> Iterator[Result]:
    """The same 200 files by one thread and by two; both may use both cores."""
    fill = _filler(paths, 200)
    contenders = {OURS: partial(fill, 2), "asdkit, 1 thread": partial(fill, 1)}
    parameters: dict[str, float | int | str] = {"threads": 2, "n_fft": 1024, "clip_s": 10.0, "clips": 200}

    def same(ours: Any, theirs: Any) -> str:
        return "" if np.array_equal(ours.frames, theirs.frames) else "rows differ"

    yield from run(Case(SUITE, "200 files", parameters, contenders, same, threads=2, samples=samples))


def _filler(paths: list[str], clips: int) -> Callable[..., Any]:
    from asdkit_logmel.config import LogMelConfig
    from asdkit_logmel.featurizer import LogMel

    from asdkit import audio
    from asdkit.feature_extraction import WaveSource, fill_features

    featurizer = LogMel(LogMelConfig())
    sources = []
    for i in range(clips):
        path = paths[i % len(paths)]
        sources.append(WaveSource(path, 160000, partial(audio.read, path, sample_rate=peers.RATE)))

    def fill(threads: int, **how: Any) -> Any:
        return fill_features(featurizer, sources, peers.RATE, threads=threads, **how)

    return fill


def _memory(paths: list[str], store: str, clips: int) -> Iterator[Result]:
    """Rise of memory in a process of its own, over that after imports and one clip."""
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.suites.features", store, str(clips), *paths],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    found: dict[str, float] = json.loads(done.stdout)
    parameters: dict[str, float | int | str] = {"threads": 2, "clips": clips, "clip_s": 10.0, "store": store}
    for name, megabytes in found.items():
        yield summary(SUITE, f"memory: {name}", parameters, OURS, [megabytes], unit="MB")


def _fill_and_weigh(store: str, clips: int, paths: list[str]) -> dict[str, float]:
    """Peak of resident and of anonymous memory while features are filled, sampled ten times a second."""
    fill = _filler(paths, clips)
    _filler(paths, 8)(2)
    Path("/proc/self/clear_refs").write_text("5")  # forget the peak so far
    before, anonymous = status("VmRSS"), [status("RssAnon")]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "frames" if store == "memmap" else None
        features = fill(2, path=path, progress=lambda done, total: anonymous.append(status("RssAnon")))
        anonymous.append(status("RssAnon"))
        return {
            "packed matrix": features.frames.nbytes / 1e6,
            "rise of peak resident memory": status("VmHWM") - before,
            "rise of anonymous memory": max(anonymous) - anonymous[0],
        }


def status(name: str) -> float:
    """A line of /proc/self/status in MB of 10^6 bytes."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(name + ":"):
            return int(line.split()[1]) * 1024 / 1e6
    raise OSError(f"/proc/self/status has no {name}")


if __name__ == "__main__":
    print(json.dumps(_fill_and_weigh(sys.argv[1], int(sys.argv[2]), sys.argv[3:])))
