"""Recording the machine room: who is recorded how often, how loud, in what noise, and where the files lie."""

from __future__ import annotations

import csv
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from asdkit.dataset.demo.machines import MACHINES
from asdkit.dataset.demo.sound import Signal, Take, band, decibels, noise, ringing, strikes_at, tones, turns, unit

RATE = 16_000
IDS = ("00", "02", "04", "06")  # the numbers of the challenge's development data
COLUMNS = ("path", "machine", "id", "split", "label", "fault", "severity")

SIZES = (1.0, 0.88, 0.77, 0.68)  # of the units in turn
DRAG = 0.1
WEAR = (-24.0, -14.0)
NOISE_SPREAD = 2.0
FAULT_LEVELS = (-20.0, -4.0)  # of the mildest and the gravest fault, relative to the healthy machine [dB]
SIGNAL_TO_NOISE = (6.0, 3.0, 0.0, -3.0)  # of the units in turn: some stand in a noisier corner [dB]


@dataclass(frozen=True)
class Recording:
    """One clip to make."""

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
    machines: Sequence[str] = ("fan", "pump", "slider", "valve"),
    ids: int = 3,
    train: int = 14,
    normal: int = 8,
    anomaly: int = 8,
    seconds: float = 4.0,
) -> None:
    """Write a synthetic machine room in the DCASE 2020 layout (16 kHz, 16 bit, mono).

    The same arguments make the same bytes. ``manifest.csv`` tells each clip's fault and its severity, from above 0
    (to be made out with difficulty) to 1 (plain to hear).

    Parameters
    ----------
    root
        Folder to write into.
    seed
        What all follows from.
    machines
        Machine types.
    ids
        Units of each type, up to 4.
    train, normal, anomaly
        Clips of each unit: for training, and normal and anomalous for testing.
    seconds
        Length of a clip [s].
    """
    rows = []
    for machine in machines:
        for unit_index in range(ids):
            for recording in _recordings(machine, IDS[unit_index], train, normal, anomaly):
                wave = _record(recording, seed, SIGNAL_TO_NOISE[unit_index], round(seconds * RATE))
                _write(root / recording.path, wave)
                rows.append(recording)
    _write_manifest(root / "manifest.csv", rows)


def _recordings(machine: str, machine_id: str, train: int, normal: int, anomaly: int) -> Iterator[Recording]:
    for split, label, count in (("train", "normal", train), ("test", "normal", normal), ("test", "anomaly", anomaly)):
        for index in range(count):
            # Numbers go on from training to test, as in the challenge's data.
            number = index + (train if (split, label) == ("test", "normal") else 0)
            path = f"{machine}/{split}/{label}_id_{machine_id}_{number:08d}.wav"
            if label == "normal":
                yield Recording(path, machine, machine_id, split, label)
            else:
                kinds = MACHINES[machine].faults
                yield Recording(
                    path, machine, machine_id, split, label, kinds[index % len(kinds)], (index + 1) / anomaly
                )


def _rng(seed: int, *words: str) -> np.random.Generator:
    """Randomness of one thing alone: adding a machine or a clip leaves the others as they were."""
    return np.random.default_rng([seed, zlib.crc32("/".join(words).encode())])


def _record(recording: Recording, seed: int, signal_to_noise: float, samples: int) -> npt.NDArray[np.int16]:
    unit_rng = _rng(seed, recording.machine, recording.id)
    built = MACHINES[recording.machine](unit_rng, SIZES[IDS.index(recording.id)])
    wear = unit_rng.uniform(*WEAR, size=2)
    take = Take(_rng(seed, recording.path), samples, RATE)
    sound, *faults = built.record(take, 1 - DRAG * recording.severity)
    mild, grave = FAULT_LEVELS
    for name, worn, fault in zip(built.faults, wear, faults, strict=True):
        level = decibels(worn + take.rng.normal(0, 1.0))
        if name == recording.fault:
            level = np.hypot(level, decibels(mild + (grave - mild) * recording.severity))
        sound = sound + level * fault
    heard = sound + decibels(take.rng.normal(0, NOISE_SPREAD) - signal_to_noise) * _factory(take)
    gain = decibels(-26 + take.rng.uniform(-4, 4))
    wave: npt.NDArray[np.int16] = np.clip(np.round(heard * gain * 32768), -32768, 32767).astype(np.int16)
    return wave


def _factory(take: Take) -> Signal:
    """Noise of a hall: rumble, hum of the mains, other machines far away, and now and then a clank."""
    rumble = 1 / np.sqrt(np.maximum(take.bins, 30.0))
    murmur = band(take, take.rng.uniform(300, 900), 1.0)
    hall = noise(take, np.hypot(rumble / np.linalg.norm(rumble), 0.5 * murmur / np.linalg.norm(murmur)))
    hum = tones(take, turns(take, 50.0), np.array([1.0, 0.6, 0.3, 0.2]))
    far = tones(take, turns(take, take.rng.uniform(15, 60)), take.rng.exponential(1.0, 25))
    hall = hall + 0.3 * unit(hum) + 0.4 * unit(far)
    clanks = take.rng.uniform(0, take.samples, take.rng.poisson(0.4 * take.samples / take.rate))
    struck = strikes_at(take, clanks, take.rng.lognormal(0, 0.5, len(clanks)))
    heard: Signal = unit(hall) + 12 * ringing(take, struck, take.rng.uniform(600, 3000), 0.03) / np.sqrt(30)
    return heard


def _write(path: Path, wave: npt.NDArray[np.int16]) -> None:
    import soundfile

    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, wave, RATE, subtype="PCM_16")


def _write_manifest(path: Path, rows: Sequence[Recording]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        for row in rows:
            severity = f"{row.severity:.3f}" if row.fault else ""
            writer.writerow([row.path, row.machine, row.id, row.split, row.label, row.fault, severity])
