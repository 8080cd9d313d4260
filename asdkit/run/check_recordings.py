"""Check all recordings before a run starts, and report all faults at once."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from asdkit import audio
from asdkit.config import Config
from asdkit.data import Clip
from asdkit.errors import BadAudio, DataError
from asdkit.interfaces import Featurizer
from asdkit.plugin_calls import plugin_call
from asdkit.plugins import Plugin, Registry
from asdkit.spec import Spec
from asdkit.text import plural, printable


@dataclass(frozen=True)
class Skipped:
    """A bad recording that was left out, and why."""

    name: str
    reason: str


@dataclass(frozen=True)
class Checked:
    """The result of a check.

    Attributes
    ----------
    clips
        The good clips.
    samples
        Number of samples of each good clip at the spec's rate, by name.
    skipped
        The bad clips; empty unless the spec says ``on_bad_audio = "skip"``.
    notes
        What a person should know about good clips, one line each.
    """

    clips: list[Clip]
    samples: dict[str, int]
    skipped: list[Skipped]
    notes: list[str]


@dataclass(frozen=True)
class _Good:
    """What was found about a good clip."""

    samples: int
    cancels: bool
    note: str


def check_audio(spec: Spec, clips: Sequence[Clip], registry: Registry) -> Checked:
    """Check the file of every clip, and that it is long enough for every detector of its machine.

    Raises
    ------
    DataError
        If a recording is bad and the spec says ``on_bad_audio = "stop"``, naming all of them; or if a machine has no
        good training clip left.
    """
    requirements = {machine: _least_frames(spec, machine, registry) for machine in {c.machine for c in clips}}

    def check(clip: Clip) -> _Good | str:
        """Return what was found, or why the clip is bad."""
        channel, containers = spec.data.channel, spec.data.containers
        try:
            info = audio.check(clip.path, channel=channel, containers=containers)
            cancels = channel == "mean" and audio.mean_cancels(clip.path, info, containers)
        except BadAudio as error:
            return error.reason
        if reason := audio.too_long(info, spec.data.sample_rate):
            return reason
        samples = audio.samples_at(info, spec.data.sample_rate)
        for name, frames, featurizer in requirements[clip.machine]:
            rows = featurizer.rows(samples)
            if rows < frames:
                seconds = samples / spec.data.sample_rate
                return f"shorter than a window of {name}: {seconds:.2f} s gives {rows} of {frames} frames"
        return _Good(samples, cancels, info.note)

    with ThreadPoolExecutor(min(8, (os.cpu_count() or 1) + 2)) as pool:
        results = list(zip(clips, pool.map(check, clips, chunksize=1), strict=True))
    found = [(clip, result) for clip, result in results if isinstance(result, _Good)]
    good = [clip for clip, _ in found]
    samples = {clip.name: result.samples for clip, result in found}
    bad = [(clip, result) for clip, result in results if isinstance(result, str)]
    untrainable = sorted({c.machine for c in clips} - {c.machine for c in good if c.split == "train"})
    lines = [f"{printable(str(clip.path))}: {reason}" for clip, reason in bad]
    lines += [f"machine {machine} has no training clip that can be used" for machine in untrainable]
    if bad and spec.data.on_bad_audio == "stop":
        raise DataError(
            "\n".join(lines),
            hint=f"{len(bad)} of {len(clips)} recordings are bad. Repair or remove them, or set "
            'data.on_bad_audio = "skip" to run without them (they will be listed).',
        )
    if untrainable:
        raise DataError(
            "\n".join(lines),
            hint="A detector is trained on recordings of the healthy machine: put some in its train folder.",
        )
    return Checked(good, samples, [Skipped(clip.name, reason) for clip, reason in bad], _notes(found))


def cancelled_note(machine: str, name: str) -> str:
    """Return the note on a machine whose recordings have channels that cancel, as in one of that name."""
    return (
        f"{machine}: the channels cancel, so their mean is almost silent, as in {name}: scores say nothing about the "
        "machine; set data.channel to the index of one channel"
    )


def _notes(found: Sequence[tuple[Clip, _Good]]) -> list[str]:
    """Note machines whose channels cancel, and headers that need a remark, with a count."""
    cancelled: dict[str, str] = {}
    remarks: dict[str, list[str]] = {}
    for clip, result in found:
        if result.cancels:
            cancelled.setdefault(clip.machine, clip.name)
        if result.note:
            remarks.setdefault(result.note, []).append(clip.name)
    notes = [cancelled_note(machine, name) for machine, name in cancelled.items()]
    return notes + [f"{plural(len(names), 'recording')}, such as {names[0]}: {text}" for text, names in remarks.items()]


def _least_frames(spec: Spec, machine: str, registry: Registry) -> list[tuple[str, int, Featurizer]]:
    """Return name, frames of a window and featurizer of each detector of a machine."""
    featurizers: dict[str, Featurizer] = {}
    requirements = []
    for name, settings in spec.detectors_for(machine).items():
        featurizer = settings.featurizer
        if featurizer.name not in featurizers:
            plugin = registry.find("featurizer", featurizer.use)
            featurizers[featurizer.name] = _make_featurizer(plugin, featurizer.config)
        frames = 1 if settings.frames == "clip" else settings.frames
        requirements.append((name, frames, featurizers[featurizer.name]))
    return requirements


def _make_featurizer(plugin: Plugin, config: Config) -> Featurizer:
    """Construct a featurizer and call it once; any error is a `PluginError`."""
    featurizer: Featurizer = plugin.construct(config)
    with plugin_call(featurizer, "rows"):
        featurizer.rows(1)
    return featurizer
