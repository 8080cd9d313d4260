"""The demo's machine room: number of clips, levels, background noise, and the files."""

from __future__ import annotations

import csv
import os
import zlib
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from asdkit.data.demo.machines import MACHINES
from asdkit.data.demo.waveforms import Signal, Take, band, decibels, noise, ringing, strikes_at, tones, turns, unit
from asdkit.errors import UsageError
from asdkit.text import suggestion_or_choices

RATE = 16_000
COLUMNS = ("path", "machine", "id", "split", "label", "fault", "severity")

# Units of a type, numbered as in the challenge's development data: nominal speed relative to the first unit, and level
# over the background noise [dB]. A fault that slows a machine makes it sound like the next unit, so that a detector
# that does not distinguish units takes it for normal.
UNITS = {"00": (1.0, 6.0), "02": (0.88, 3.0), "04": (0.77, 0.0), "06": (0.68, -3.0)}

# Levels relative to the normal sound [dB].
WEAR = (-24.0, -14.0)  # level of each fault's sound in a healthy unit: no unit is new
FAULT = (-24.0, -8.0)  # added level of a fault's sound, from severity 0 to 1
DRAG = 0.12  # relative loss of speed with a fault of severity 1: friction, lost pressure, a slipping belt

NOISE_SPREAD = 2.0  # standard deviation of the background noise level between clips [dB]
LEVEL, LEVEL_SPREAD = -35.0, 4.0  # level of a machine in a recording [dB re full scale], and its largest deviation


@dataclass(frozen=True)
class DemoRecording:
    """One clip to synthesise; severity 0 is a healthy machine."""

    path: str
    machine: str
    id: str
    split: str
    label: str
    fault: str = ""
    severity: float = 0.0


def make_machine_room(
    root: Path,
    *,
    seed: int = 0,
    machines: Sequence[str] = tuple(MACHINES),
    ids: int = 3,
    train: int = 14,
    normal: int = 8,
    anomaly: int = 8,
    seconds: float = 4.0,
) -> None:
    """Write a synthetic machine room in the DCASE 2020 layout (WAV, 16 kHz, 16 bit, mono).

    The same arguments give the same bytes. ``manifest.csv``, written last, lists each clip's fault and its severity, in
    equal steps from above 0 (hardly audible) to 1 (clearly audible).

    Parameters
    ----------
    root
        Folder to write into.
    seed
        Seed of all randomness.
    machines
        Machine types: ``"fan"``, ``"pump"``, ``"slider"``, ``"valve"``.
    ids
        Units of each type, 1 to 4.
    train, normal, anomaly
        Number of training clips, normal test clips and anomalous test clips of each unit.
    seconds
        Length of a clip [s].

    Raises
    ------
    UsageError
        Unknown machine type.
    """
    for name in machines:
        if name not in MACHINES:
            raise UsageError(f'the machine room has no "{name}"{suggestion_or_choices(name, MACHINES)}')
    recordings = [
        recording
        for machine in machines
        for machine_id in list(UNITS)[:ids]
        for recording in _plan(machine, machine_id, train, normal, anomaly)
    ]
    samples = round(seconds * RATE)

    def make(recording: DemoRecording) -> None:
        _write(root / recording.path, record(recording, seed, samples))

    with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        list(pool.map(make, recordings))
    _write_manifest(root / "manifest.csv", recordings)


def _plan(machine: str, machine_id: str, train: int, normal: int, anomaly: int) -> Iterator[DemoRecording]:
    """Yield the recordings of one unit; its faults alternate with increasing severity."""

    def name(split: str, label: str, number: int) -> str:
        return f"{machine}/{split}/{label}_id_{machine_id}_{number:08d}.wav"

    for number in range(train + normal):  # numbers continue from training to test, as in the challenge's data
        split = "train" if number < train else "test"
        yield DemoRecording(name(split, "normal", number), machine, machine_id, split, "normal")
    for number in range(anomaly):
        fault = MACHINES[machine].faults[number % 2]
        path = name("test", "anomaly", number)
        yield DemoRecording(path, machine, machine_id, "test", "anomaly", fault, (number + 1) / anomaly)


def _rng(seed: int, name: str) -> np.random.Generator:
    """Return a generator for one named thing, so that adding machines or clips does not change the others."""
    return np.random.default_rng([seed, zlib.crc32(name.encode())])


def record(recording: DemoRecording, seed: int, samples: int) -> npt.NDArray[np.int16]:
    """Synthesise one clip [int16, ``[samples]``]."""
    build = _rng(seed, f"{recording.machine}/{recording.id}")
    size, over_noise = UNITS[recording.id]
    machine = MACHINES[recording.machine](build, size)
    wear = build.uniform(*WEAR, size=2)
    take = Take(_rng(seed, recording.path), samples, RATE)
    sound, *additions = machine.record(take, 1 - DRAG * recording.severity)
    for fault, worn, addition in zip(machine.faults, wear, additions, strict=True):
        level = decibels(worn + take.rng.normal())
        if fault == recording.fault:
            level = np.hypot(level, decibels(FAULT[0] + (FAULT[1] - FAULT[0]) * recording.severity))
        sound = sound + level * addition
    sound = sound + decibels(NOISE_SPREAD * take.rng.normal() - over_noise) * _background(take)
    sound = sound * decibels(LEVEL + take.rng.uniform(-LEVEL_SPREAD, LEVEL_SPREAD))
    return np.clip(np.round(sound * 32768), -32768, 32767).astype(np.int16)


def _background(take: Take) -> Signal:
    """Background noise of a factory, power about 1: rumble, murmur, mains hum, a distant machine, impacts."""
    rumble = 1 / np.sqrt(np.maximum(take.bins, 30.0))
    murmur = band(take, take.rng.uniform(300, 900), 1.0)
    hum = tones(take, turns(take, 50.0), np.array([1.0, 0.6, 0.3, 0.2]))
    far = tones(take, turns(take, take.rng.uniform(15, 60)), take.rng.exponential(1.0, 25))
    clanks = take.rng.uniform(0, take.samples, take.rng.poisson(0.4 * take.samples / take.rate))
    struck = strikes_at(take, clanks, take.rng.lognormal(0, 0.5, len(clanks)))
    steady = noise(take, np.hypot(unit(rumble), 0.5 * unit(murmur))) + 0.3 * unit(hum) + 0.4 * unit(far)
    return unit(steady) + 2 * ringing(take, struck, take.rng.uniform(600, 3000), 0.03)


def _write(path: Path, wave: npt.NDArray[np.int16]) -> None:
    import soundfile

    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, wave, RATE, subtype="PCM_16")


def _write_manifest(path: Path, recordings: Sequence[DemoRecording]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        for recording in recordings:
            severity = f"{recording.severity:.3f}" if recording.fault else ""
            writer.writerow(
                [
                    recording.path,
                    recording.machine,
                    recording.id,
                    recording.split,
                    recording.label,
                    recording.fault,
                    severity,
                ]
            )
