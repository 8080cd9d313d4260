"""Recordings under harder conditions: ``python -m benchmarks.conditions ROOT OUT [--gain LOW HIGH] [--train N]``.

Copies a folder of the DCASE 2020 layout: at random gains, where level says nothing; with few training clips of each id;
with each id as a machine of its own, where there are no ids to tell apart. `benchmarks.seeds` then runs a spec on the
copy: ``--set data.root=OUT``.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import soundfile

from asdkit.data import Clip, find_clips


def main(arguments: Sequence[str]) -> int:
    """Copy, and say how many clips there are."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.conditions", description=__doc__)
    parser.add_argument("root", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--gain", type=float, nargs=2, default=(0.0, 0.0), metavar=("LOW", "HIGH"), help="dB")
    parser.add_argument("--train", type=int, metavar="N", help="training clips of each id (default: all)")
    parser.add_argument("--apart", action="store_true", help="each id is a machine")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args(arguments)
    if args.out.exists():
        parser.error(f"{args.out} exists already")
    rng = np.random.default_rng(args.seed)
    clips = chosen(find_clips("dcase2020", args.root), args.train, rng)
    for clip in clips:
        machine = f"{clip.machine}-{clip.id}" if args.apart else clip.machine
        copy(clip, args.out / machine / clip.path.parent.name / clip.path.name, rng.uniform(*args.gain))
    print(f"{len(clips)} clips in {args.out}")
    return 0


def chosen(clips: Sequence[Clip], train: int | None, rng: np.random.Generator) -> list[Clip]:
    """All clips but those of training beyond so many of each id, drawn at random."""
    kept: list[Clip] = []
    seen: dict[tuple[str, str], int] = {}
    for clip in (clips[i] for i in rng.permutation(len(clips))):
        if clip.split == "train":
            key = clip.machine, clip.id
            seen[key] = seen.get(key, 0) + 1
            if train is not None and seen[key] > train:
                continue
        kept.append(clip)
    return sorted(kept, key=lambda clip: clip.name)


def copy(clip: Clip, target: Path, gain: float) -> None:
    """Write a clip at another gain [dB], 16 bit; refuse one that would be cut off."""
    wave, rate = soundfile.read(clip.path, dtype="float64")
    wave = wave * 10 ** (gain / 20)
    if np.abs(wave).max(initial=0) > 1:
        raise SystemExit(f"{clip.path}: {gain:.1f} dB would cut it off; use a lower gain")
    target.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(target, wave, rate, subtype="PCM_16")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
