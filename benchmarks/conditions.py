"""Recordings under harder conditions: ``python -m benchmarks.conditions ROOT OUT [--gain LOW HIGH] [--train N]``.

Copies a folder of the DCASE 2020 layout: at random gains, where level says nothing; with few training clips of each id;
with each id as a machine of its own, where there are no ids to tell apart. `benchmarks.seeds` then runs a spec on the
copy: ``--set data.root=OUT``. `benchmarks.regret` does both for several sets and `CONDITIONS`.
"""

from __future__ import annotations

import argparse
import hashlib
import shutil
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from asdkit.data import Clip, find_clips
from asdkit.data.demo import make_machine_room
from asdkit.errors import AsdkitError, DataError
from asdkit.files import write_atomic

GAINS, GAINS_OF_LOUD = (-12.0, 6.0), (-18.0, 0.0)  # dB; the latter where 6 dB would cut off any clip of a set
FEW = 10
CONDITIONS: dict[str, dict[str, Any]] = {
    "recorded": {},
    "gain": {"gain": GAINS},
    "few": {"train": FEW},
    "apart": {"apart": True},
}
"""Options of `write`, by name."""
NEEDED = {"training": 2, "normal test": 3, "anomalous test": 3}
"""Clips that an id must have for its figures to be of any use."""


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
    try:
        clips = find_clips("dcase2020", args.root)
        count = write(clips, args.out, gain=args.gain, train=args.train, apart=args.apart, seed=args.seed)
    except AsdkitError as error:
        print(error, file=sys.stderr)
        return int(error.exit_code)
    print(f"{count} clips in {args.out}")
    return 0


def write(
    clips: Sequence[Clip],
    out: Path,
    *,
    gain: Sequence[float] = (0.0, 0.0),
    train: int | None = None,
    apart: bool = False,
    seed: int = 0,
) -> int:
    """Copy clips into a folder under the conditions that the options of the command describe; return how many."""
    rng = np.random.default_rng(seed)
    kept = chosen(clips, train, rng)
    for clip in kept:
        machine = f"{clip.machine}-{clip.id}" if apart else clip.machine
        copy(clip, out / machine / clip.path.parent.name / clip.path.name, rng.uniform(*gain))
    return len(kept)


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
    """Write a clip at another gain [dB], 16 bit; at 0 dB, its bytes. Refuse one that would be cut off."""
    target.parent.mkdir(parents=True, exist_ok=True)
    if gain == 0:
        shutil.copyfile(clip.path, target)
        return
    wave, rate = read(clip)
    wave = wave * 10 ** (gain / 20)
    if np.abs(wave).max(initial=0) > 1:
        raise DataError(f"{clip.path}: {gain:.1f} dB would cut it off; use a lower gain")
    soundfile.write(target, wave, rate, subtype="PCM_16")


def read(clip: Clip) -> tuple[np.ndarray, int]:
    """Samples of full scale 1, and their rate [Hz]."""
    try:
        return soundfile.read(clip.path, dtype="float64")
    except soundfile.LibsndfileError as error:
        raise DataError(f"{clip.path}: {error.error_string}") from None


def prepare(name: str, root: str, wanted: Sequence[str], folder: Path) -> tuple[dict[str, Path], list[str]]:
    """Copy a set under each condition, unless that is done.

    Parameters
    ----------
    name
        Of the set, for notes.
    root
        Its folder, or ``demo:N``: the synthetic machine room of seed N.
    wanted
        Keys of `CONDITIONS`.
    folder
        For the copies of this set.

    Returns
    -------
    copies, notes
        The folder of each condition, and what was left out: ids with too few clips; conditions that change nothing.
    """
    source = Path(root)
    if root.startswith("demo:"):
        source, number = folder / root.replace(":", "-"), int(root.removeprefix("demo:"))
        once(source, lambda part: make_machine_room(part, seed=number))
    clips, left_out = usable(find_clips("dcase2020", source))
    needed = ", ".join(f"{count} {kind}" for kind, count in NEEDED.items())
    notes = [f"{name}: left out, because an id needs {needed} clips: {', '.join(left_out)}"] if left_out else []
    if not clips:
        raise DataError(f"no id of {root} has enough clips ({needed})")
    require_same(clips, folder / "source.txt")
    copies = {}
    for condition in wanted:
        if same_as_recorded(condition, clips):
            notes.append(f"{name} {condition}: left out, because it is the same as recorded")
            continue
        options = CONDITIONS[condition]
        if "gain" in options and peak(clips) * 10 ** (GAINS[1] / 20) > 1:
            options = {"gain": GAINS_OF_LOUD}
        copies[condition] = folder / condition
        once(copies[condition], lambda part, options=options: write(clips, part, **options))
    return copies, notes


def usable(clips: Sequence[Clip]) -> tuple[list[Clip], list[str]]:
    """Clips of the ids that have enough, and the other ids."""
    counts = {(clip.machine, clip.id): dict.fromkeys(NEEDED, 0) for clip in clips}
    for clip in clips:
        kind = "training" if clip.split == "train" else {0: "normal test", 1: "anomalous test"}.get(clip.label)
        if kind:
            counts[clip.machine, clip.id][kind] += 1
    enough = {id_ for id_, have in counts.items() if all(have[kind] >= least for kind, least in NEEDED.items())}
    left_out = [" ".join(id_) for id_ in counts if id_ not in enough]
    return [clip for clip in clips if (clip.machine, clip.id) in enough], left_out


def same_as_recorded(condition: str, clips: Sequence[Clip]) -> bool:
    """Whether a condition changes nothing: no id has more training clips, or no machine has more ids."""
    training = Counter((clip.machine, clip.id) for clip in clips if clip.split == "train")
    if condition == "few":
        return max(training.values()) <= FEW
    return condition == "apart" and len(training) == len({machine for machine, _ in training})


def peak(clips: Sequence[Clip]) -> float:
    """Largest sample of all clips; full scale is 1."""
    return max(float(np.abs(read(clip)[0]).max(initial=0)) for clip in clips)


def require_same(clips: Sequence[Clip], record: Path) -> None:
    """Refuse copies made of other recordings than these, by their names, sizes and times."""
    files = [(clip.name, clip.path.stat().st_size, clip.path.stat().st_mtime_ns) for clip in clips]
    digest = hashlib.sha256(repr(files).encode()).hexdigest()
    record.parent.mkdir(parents=True, exist_ok=True)
    if not record.exists():
        write_atomic(record, digest.encode())
    elif record.read_text() != digest:
        raise DataError(f"{record.parent} has copies of other recordings; delete it, or give another folder")


def once(folder: Path, make: Callable[[Path], object]) -> None:
    """Make a folder unless it exists; one that is there is complete."""
    if folder.exists():
        return
    part = folder.with_name(f"{folder.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    make(part)
    part.rename(folder)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
