"""Look at every recording before any work: all faults of the data at once."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from asdkit import audio
from asdkit.config import Config
from asdkit.data import Clip
from asdkit.errors import BadAudio, DataError, PluginError
from asdkit.interfaces import Featurizer
from asdkit.text import error_line

if TYPE_CHECKING:
    from asdkit.plugins import Plugin, Registry
    from asdkit.spec import DetectorSettings, Spec


@dataclass(frozen=True)
class Skipped:
    """A recording left out because it is bad, and why."""

    name: str
    reason: str


@dataclass(frozen=True)
class Checked:
    """What a check found.

    Attributes
    ----------
    clips
        The good clips.
    samples
        Samples of each good clip at the spec's rate, by name.
    skipped
        The bad ones; empty unless the spec says ``on_bad_audio = "skip"``.
    """

    clips: list[Clip]
    samples: dict[str, int]
    skipped: list[Skipped]


def check_audio(spec: Spec, clips: Sequence[Clip], registry: Registry) -> Checked:
    """Check every clip's file, and that it is long enough for every detector of its machine.

    Raises
    ------
    DataError
        Naming every bad recording, under ``on_bad_audio = "stop"``; or if a machine has no good training clip left.
    """
    needed = {machine: _least_rows(spec, machine, registry) for machine in {c.machine for c in clips}}

    def look(clip: Clip) -> int | str:
        try:
            info = audio.check(clip.path, channel=spec.data.channel, containers=spec.data.containers)
        except BadAudio as error:
            return error.reason
        samples = audio.samples_at(info, spec.data.sample_rate)
        for name, frames, featurizer in needed[clip.machine]:
            rows = featurizer.rows(samples)
            if rows < frames:
                seconds = samples / spec.data.sample_rate
                return f"shorter than a window of {name}: {seconds:.2f} s gives {rows} of {frames} frames"
        return samples

    with ThreadPoolExecutor(min(8, (os.cpu_count() or 1) + 2)) as pool:
        found = list(pool.map(look, clips, chunksize=1))
    good = [c for c, f in zip(clips, found, strict=True) if isinstance(f, int)]
    samples = {c.name: f for c, f in zip(clips, found, strict=True) if isinstance(f, int)}
    bad = [(c, f) for c, f in zip(clips, found, strict=True) if isinstance(f, str)]
    without = sorted({c.machine for c in clips} - {c.machine for c in good if c.split == "train"})
    lines = [f"{_shown(c.path)}: {reason}" for c, reason in bad]
    lines += [f"machine {machine} has no training clip that can be used" for machine in without]
    if bad and spec.data.on_bad_audio == "stop":
        raise DataError(
            "\n".join(lines),
            hint=f"{len(bad)} of {len(clips)} recordings are bad. Repair or remove them, or set "
            'data.on_bad_audio = "skip" to go on without them (they will be listed).',
        )
    if without:
        raise DataError(
            "\n".join(lines),
            hint="A detector learns from recordings of the healthy machine: put some in its train folder.",
        )
    return Checked(good, samples, [Skipped(c.name, reason) for c, reason in bad])


def _least_rows(spec: Spec, machine: str, registry: Registry) -> list[tuple[str, int, Featurizer]]:
    """For each detector of a machine: its name, the frames of a window, and its featurizer."""
    made: dict[str, Featurizer] = {}
    needed = []
    for name, settings in spec.detectors_for(machine).items():
        featurizer = settings.featurizer
        if featurizer.name not in made:
            made[featurizer.name] = _made(registry.find("featurizer", featurizer.use), featurizer.config)
        needed.append((name, 1 if settings.frames == "clip" else settings.frames, made[featurizer.name]))
    return needed


def _made(plugin: Plugin, config: Config) -> Featurizer:
    """Construct a featurizer, and see that it answers; whatever it raises is the plugin's fault."""
    assert plugin.entry is not None  # a plugin that was found has one
    try:
        featurizer: Featurizer = plugin.entry.load()(config)
        featurizer.rows(1)
    except Exception as error:
        raise PluginError(
            f"featurizer {plugin.name!r} of {plugin.distribution} {plugin.version}: {error_line(error)}",
            hint=f"Update {plugin.distribution}, or use another featurizer.",
        ) from None
    return featurizer


def windows_of(settings: DetectorSettings, featurizer: Featurizer, samples: Sequence[int]) -> int:
    """How many windows clips of these lengths give."""
    if settings.frames == "clip":
        return len(samples)
    return sum(max(0, (featurizer.rows(n) - settings.frames) // settings.hop + 1) for n in samples)


def _shown(path: Path) -> str:
    """Path as one printable line, whatever bytes its name holds."""
    return str(path).encode("utf-8", "backslashreplace").decode().replace("\n", "\\n").replace("\r", "\\r")
