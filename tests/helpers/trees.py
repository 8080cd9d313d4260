"""Trees of tiny files in each edition's layout, with as many clips as are known to belong there."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path

HEAD = b"RIFF" + struct.pack("<I", 36 + 32) + b"WAVE" + b"fmt "
WAV = HEAD + struct.pack("<IHHIIHH", 16, 1, 1, 16000, 32000, 2, 16) + b"data" + struct.pack("<I", 32) + bytes(32)


def make(root: Path, names: Iterator[str]) -> Path:
    """Make recordings of 16 samples of silence: links to one file, for there are thousands."""
    root.mkdir(parents=True, exist_ok=True)
    one = root / ".one"
    one.write_bytes(WAV)
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.hardlink_to(one)
    return root


def dcase2020_fan() -> Iterator[str]:
    """Both parts of the fan, evaluation without labels."""
    for id_, anomalies in zip(("00", "02", "04", "06"), (407, 359, 348, 361), strict=True):
        yield from (f"dev_data/fan/train/normal_id_{id_}_{i:08}.wav" for i in range(3))
        yield from (f"dev_data/fan/test/normal_id_{id_}_{i:08}.wav" for i in range(100))
        yield from (f"dev_data/fan/test/anomaly_id_{id_}_{i:08}.wav" for i in range(anomalies))
    for id_, clips in zip(("01", "03", "05"), (426, 458, 458), strict=True):
        yield from (f"eval_data/fan/train/normal_id_{id_}_{i:08}.wav" for i in range(3))
        yield from (f"eval_data/fan/test/id_{id_}_{i:08}.wav" for i in range(clips))


def dcase2021_gearbox(counts: dict[tuple[str, str], int]) -> Iterator[str]:
    """Evaluation part of the gearbox, with the test clips of each section and domain given."""
    for (section, domain), clips in counts.items():
        if domain == "source":
            yield from (
                f"gearbox/train/section_{section}_source_train_normal_{i:04}_strength_1_ambient.wav" for i in range(5)
            )
        else:
            yield from (f"gearbox/train/section_{section}_target_train_normal_{i:04}_id_1.wav" for i in range(3))
        yield from (f"gearbox/{domain}_test/section_{section}_{domain}_test_{i:04}.wav" for i in range(clips))


def dcase2022_bearing(test: str = "section_{section}_test_{i:04}.wav") -> Iterator[str]:
    """Evaluation part of the bearing."""
    for section in ("03", "04", "05"):
        yield from (f"bearing/train/section_{section}_source_train_normal_{i:04}_vel_6_loc_A.wav" for i in range(990))
        yield from (f"bearing/train/section_{section}_target_train_normal_{i:04}_vel_8_loc_B.wav" for i in range(10))
        yield from (f"bearing/test/{test.format(section=section, i=i)}" for i in range(200))


def later(machine: str, attributes: str, *, labelled: bool = False) -> Iterator[str]:
    """A machine of 2023 and later: one section, 200 test clips."""
    for domain, clips in (("source", 99), ("target", 10)):
        yield from (f"{machine}/train/section_00_{domain}_train_normal_{i:04}_{attributes}.wav" for i in range(clips))
    if labelled:
        for domain in ("source", "target"):
            for label in ("normal", "anomaly"):
                name = f"{machine}/test/section_00_{domain}_test_{label}"
                yield from (f"{name}_{i:04}_{attributes}.wav" for i in range(50))
    else:
        yield from (f"{machine}/test/section_00_{i:04}.wav" for i in range(200))


def mimii() -> Iterator[str]:
    """Two noise levels of a fan."""
    for snr in ("6_dB", "-6_dB"):
        for id_ in ("00", "02"):
            yield from (f"{snr}/fan/id_{id_}/normal/{i:08}.wav" for i in range(20))
            yield from (f"{snr}/fan/id_{id_}/abnormal/{i:08}.wav" for i in range(6))


def toyadmos() -> Iterator[str]:
    """One toy, two cases, four microphones."""
    for case in (1, 2):
        for channel in (1, 2, 3, 4):
            for i in range(1, 11):
                name = f"110001{i:04}_ToyCar_case{case}_normal_IND_ch{channel}_{i:04}.wav"
                yield f"ToyCar/case{case}/NormalSound_IND/{name}"
            for i in range(1, 4):
                name = f"120001{i:04}_ToyCar_case{case}_ab{i:02}_IND_ch{channel}_{i:04}.wav"
                yield f"ToyCar/case{case}/AnomalousSound_IND/{name}"
