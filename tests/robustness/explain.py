"""``python -m tests.robustness explain [--data DIR]``: what `asdkit explain` says of made and of healthy clips.

Made differences of each kind are put over made machines and, with ``--data``, over healthy clips of the tuning sets
that are no reference clips. Prints a row for each kind and origin: how many are named right, with their time within one
window (0.5 s) and their frequencies within 3 %. Then healthy clips that are no reference clips are explained, and the
claims on them are counted: with all reference clips, with ten, and with random gains. Fails below 96 % named right, or
above 2 % of healthy clips with a claim.
"""

from __future__ import annotations

import argparse
from collections import Counter
from pathlib import Path

import numpy as np

from asdkit import audio
from asdkit.explain.findings import HealthySound
from asdkit.explain.sound import measure
from tests.helpers.made_sounds import KINDS, machine, make, right, tone

RATE = 16000
STRONGER = {"motor_dev": 16.0}
"""Decibels added to made tones: healthy clips of eight speeds have strong lines at many frequencies."""


def waves_of(data: Path, machine_: str, id_: str) -> list[np.ndarray]:
    """Healthy training clips of an id."""
    paths = sorted((data / machine_).glob(f"*/train/normal_id_{id_}_*.wav"))
    return [audio.read(path, sample_rate=RATE).astype(np.float64) / 32768 for path in paths]


def origins(data: Path | None) -> dict[str, list[np.ndarray]]:
    """Healthy waves by origin."""
    rng = np.random.default_rng(1)
    found = {f"made machine {seed}": [machine(rng, 10, RATE, seed=seed) for _ in range(40)] for seed in (0, 1)}
    if data is not None:
        for machine_, id_ in (("drone_dev", "00"), ("drone_dev", "01"), ("motor_dev", "01"), ("motor_dev", "02")):
            found[f"{machine_} {id_}"] = waves_of(data, machine_, id_)
    return found


def split(waves: list[np.ndarray], seed: int, reference: int | None) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Reference clips, half or a number of them, and the others."""
    order = np.random.default_rng(seed).permutation(len(waves))
    count = len(waves) // 2 if reference is None else min(reference, len(waves) // 2)
    return [waves[i] for i in order[:count]], [waves[i] for i in order[count:]]


def healthy_sound(waves: list[np.ndarray]) -> HealthySound:
    """What the reference clips sound like."""
    sounds = [measure(wave, RATE) for wave in waves]
    return HealthySound([sound for sound in sounds if sound is not None])


def gained(waves: list[np.ndarray], decibels: float, seed: int) -> list[np.ndarray]:
    """Waves at random gains."""
    rng = np.random.default_rng(seed)
    return [wave * 10 ** (rng.uniform(-decibels, decibels) / 20) for wave in waves]


def made_row(
    waves: list[np.ndarray], kind: str, each: int, reference: int | None, gain: float, stronger: float = 0.0
) -> tuple[int, list[str]]:
    """How many made differences are named right, and what is wrong with the others."""
    known, new = split(waves, 0, reference)
    known, new = gained(known, gain, 1), gained(new, gain, 2)
    rng = np.random.default_rng(3)
    faults = []
    frequency = 0.0
    healthy = healthy_sound(known)
    for number in range(each):
        wave = new[number % len(new)]
        if kind == "missing line":
            if number % 10 == 0:
                frequency = float(rng.uniform(200, 0.4 * RATE))
                healthy = healthy_sound(
                    [w + tone(w, RATE, frequency, rng.uniform(26, 29), rng.uniform(0, 6)) for w in known]
                )
            found = healthy.find(measure(wave, RATE))
            named = found[0] if found else None
            text = "" if named and named.kind == kind and abs(named.low - frequency) < 0.03 * frequency else f"{named}"
        else:
            made = make(kind, wave, RATE, rng, known, stronger)
            found = healthy.find(measure(made.wave, RATE))
            text = right(made, found[0] if found else None)
        faults += [text] if text else []
    return each - len(faults), faults


def claims(waves: list[np.ndarray], reference: int | None, gain: float, seeds: int) -> tuple[int, int, Counter[str]]:
    """How many healthy clips there are, how many have a claim, and of which kinds."""
    clips, claimed, kinds = 0, 0, Counter[str]()
    for seed in range(seeds):
        known, new = split(waves, seed, reference)
        known, new = gained(known, gain, seed + 10), gained(new, gain, seed + 20)
        healthy = healthy_sound(known)
        for wave in new:
            found = healthy.find(measure(wave, RATE))
            clips += 1
            claimed += bool(found)
            kinds.update(finding.kind for finding in found)
    return clips, claimed, kinds


def main(arguments: list[str]) -> int:
    """Return 0 if enough is named right and few healthy clips have a claim."""
    parser = argparse.ArgumentParser(prog="python -m tests.robustness explain")
    parser.add_argument("--data", type=Path)
    parser.add_argument("--each", type=int, default=5)
    parser.add_argument("--reference", type=int)
    parser.add_argument("--gain", type=float, default=0.0)
    parser.add_argument("--seeds", type=int, default=2)
    options = parser.parse_args(arguments)
    passed = True
    by_origin = origins(options.data)
    total = Counter[str]()
    for origin, waves in by_origin.items():
        for kind in KINDS:
            good, faults = made_row(
                waves, kind, options.each, options.reference, options.gain, STRONGER.get(origin.split()[0], 0.0)
            )
            total["right"] += good
            total["made"] += options.each
            print(f"{origin:16} {kind:14} {good} of {options.each}  {'; '.join(faults[:3])}", flush=True)
    print(f"named right: {total['right']} of {total['made']}")
    passed &= total["right"] >= 0.96 * total["made"]
    for reference, gain in ((None, 0.0), (10, 0.0), (10, 6.0)):
        all_clips, all_claimed = 0, 0
        for origin, waves in by_origin.items():
            clips, claimed, kinds = claims(waves, reference, gain, options.seeds)
            all_clips, all_claimed = all_clips + clips, all_claimed + claimed
            what = ", ".join(f"{kind} {count}" for kind, count in kinds.items())
            setting = f"{reference or 'half'} reference clips, +-{gain:g} dB"
            print(f"{origin:16} {setting}: {claimed} of {clips} healthy clips  {what}")
        print(f"claims on healthy clips: {all_claimed} of {all_clips}")
        passed &= all_claimed <= 0.02 * all_clips
    return 0 if passed else 1
