"""Healthy clips that a bundle keeps to compare new recordings with: chosen, stored and read again.

They are training clips of each id, evenly spaced over all of them: at most `MAX_CLIPS`, `MAX_SECONDS` of each, and so
few that all ids together take at most `MAX_BYTES`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from asdkit.audio import Decoded, Wave
from asdkit.bundle.description import Description
from asdkit.bundle.system import TrainedSystem
from asdkit.data.scan import layout_root
from asdkit.errors import AsdkitError, BadAudio, DataError
from asdkit.run.records import ClipRecord
from asdkit.run.state_codec import decode_state, encode_state
from asdkit.run.store import RunPaths, read_job, read_settings
from asdkit.text import printable

MAX_CLIPS = 32
MAX_SECONDS = 15.0
"""Of one clip; the rest of a longer one is left out."""

MAX_ID_SECONDS = 240.0
"""Of all clips of one id."""

MAX_BYTES = 64 << 20
_FULL_SCALE = 32767


@dataclass(frozen=True)
class HealthyClip:
    """A healthy clip, at the bundle's rate."""

    name: str
    wave: Wave


def choose_evenly(names: Sequence[str], seconds: float, ids: int, sample_rate: int) -> list[str]:
    """Choose evenly spaced clips within the limits of a bundle.

    Parameters
    ----------
    names
        Of the training clips of one id.
    seconds
        Duration of the longest of them.
    ids
        Number of ids of the bundle.
    sample_rate
        Hz.
    """
    each = max(min(seconds, MAX_SECONDS), 1e-3)
    total = min(MAX_ID_SECONDS, MAX_BYTES / (2 * sample_rate * ids))
    count = max(1, min(len(names), MAX_CLIPS, int(total / each)))
    return [names[i] for i in np.unique(np.linspace(0, len(names) - 1, count).round().astype(int))] if names else []


def clips_of_run(system: TrainedSystem, folder: Path, id_: str) -> list[HealthyClip]:
    """Read the healthy clips of an id from the recordings of a run.

    Raises
    ------
    DataError
        If a recording is missing or has changed since the detectors were trained on it.
    """
    settings = read_settings(RunPaths(folder))
    machine, member = system.description.machine, system.members[0].name
    job = read_job(RunPaths(folder).job(settings.machines[machine][member].job))
    records = {clip.name: clip for clip in job.clips if clip.split == "train" and clip.id == id_}
    lengths = [clip.samples for clip in records.values() if clip.samples is not None]
    longest = max(lengths, default=round(MAX_SECONDS * system.sample_rate)) / system.sample_rate
    root = layout_root(settings.data.layout, settings.data.layout_options, Path(settings.data.root))
    chosen = choose_evenly(list(records), longest, len(system.ids), system.sample_rate)
    end = round(MAX_SECONDS * system.sample_rate)
    return [HealthyClip(name, read_unchanged(system, root, records[name]).wave[:end]) for name in chosen]


def read_unchanged(system: TrainedSystem, root: Path, record: ClipRecord) -> Decoded:
    """Read a recording of a run, if it is the one that was scored; raises `DataError`."""
    path = root / record.name
    if not path.exists():
        raise DataError(f"the recording is no longer at {path}")
    try:
        decoded = system.decode(path)
    except BadAudio as error:
        raise DataError(f"the recording cannot be read ({error.reason})") from None
    if hashlib.sha256(decoded.wave.data).hexdigest() != record.sha256:
        raise DataError("the recording has changed since it was scored")
    return decoded


def encode_clips(clips: Sequence[HealthyClip]) -> bytes:
    """Encode clips with 16 bits a sample; float waves are scaled by their peak."""
    samples, scales = [], []
    for clip in clips:
        scale = 0.0  # int16 as it is
        wave = clip.wave
        if wave.dtype != np.int16:
            scale = float(np.abs(wave).max(initial=0.0)) / _FULL_SCALE or 1.0
            wave = np.round(wave / scale).astype(np.int16)
        samples.append(wave)
        scales.append(scale)
    offsets = np.cumsum([0, *(len(wave) for wave in samples)], dtype=np.int64)
    joined = np.concatenate(samples) if samples else np.zeros(0, np.int16)
    return encode_state({"samples": joined, "offsets": offsets, "scales": np.array(scales, dtype=np.float64)})


def clips_of_bundle(where: str, description: Description, files: Mapping[str, bytes], id_: str) -> list[HealthyClip]:
    """Read the healthy clips of an id that a bundle holds.

    Raises
    ------
    DataError
        If it holds none, or the file is damaged.
    """
    part = next(part for part in description.ids if part.name == id_)
    if part.healthy is None:
        raise DataError(
            f"{where} holds no healthy clips of id {printable(id_)}",
            hint="Export it again with a newer asdkit, where the run's recordings are.",
        )
    damaged = DataError(f"{where}: {part.healthy.file}: not the healthy clips of id {printable(id_)}")
    try:
        state = decode_state(files[part.healthy.file])
        samples, offsets, scales = (np.asarray(state[key]) for key in ("samples", "offsets", "scales"))
    except (ValueError, KeyError, AsdkitError):
        raise damaged from None
    count = len(part.healthy.clips)
    if (
        [str(array.dtype) for array in (samples, offsets, scales)] != ["int16", "int64", "float64"]
        or (samples.ndim, offsets.shape, scales.shape) != (1, (count + 1,), (count,))
        or offsets[0] != 0
        or offsets[-1] != len(samples)
        or (np.diff(offsets) < 1).any()
        or not (np.isfinite(scales) & (scales >= 0)).all()
    ):
        raise damaged
    clips = []
    for index, name in enumerate(part.healthy.clips):
        wave = samples[offsets[index] : offsets[index + 1]]
        clips.append(HealthyClip(name, (wave * scales[index]).astype(np.float32) if scales[index] else wave))
    return clips
