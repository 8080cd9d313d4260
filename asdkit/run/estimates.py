"""Estimates of the memory and time of jobs before any work, from counts alone.

Times rest on `OPERATIONS_PER_S`, for one thread of a CPU. ``python -m tests.robustness estimates`` measures jobs
beside their estimates.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from asdkit.config import Cost, JobSize
from asdkit.interfaces import Featurizer
from asdkit.plugin_calls import guarded, plugin_call
from asdkit.run.job import SCORED_AT_ONCE
from asdkit.run.jobs import Job, PlannedClip

OPERATIONS_PER_S = 5e10
"""Floating-point operations a second of one thread in products of float32 matrices of the size of a batch.

``python -m tests.robustness estimates`` measures this machine's: 100e9 on the one that the constants were fitted on,
a server with AVX-512; half of that is nearer to what the project's users have.
"""

_START_S = 4.0  # imports, and a first use of compiled kernels
_BAND_S = 6e-8  # of a frame's band: decoding, spectrum and mel filters
_VARIANT_BYTES = 600  # of a (clip, variant): its name, its source and its facts
_LIBRARIES = 300 << 20  # bytes of Python and the libraries that a job loads
_FLOAT = 4


@dataclass(frozen=True)
class Estimate:
    """Estimated need of one job.

    Attributes
    ----------
    train_windows, test_windows
        Windows of the training clips without copies, and of the test clips.
    memory
        Bytes at the peak, in parts by the key of the detector's table that each grows with; ``""``: libraries.
    seconds
        Time of one job on the CPU.
    complete
        Whether the plugins state their cost; else memory and time are lower bounds.
    """

    job: Job
    train_windows: int
    test_windows: int
    memory: Mapping[str, float]
    seconds: float
    complete: bool

    @property
    def bytes(self) -> float:
        """Memory at the peak."""
        return sum(self.memory.values())


@dataclass(frozen=True)
class _Counts:
    """Clips, frames and windows."""

    clips: int = 0
    rows: int = 0
    windows: int = 0


def estimate_job(job: Job, samples: Mapping[str, int], threads: int) -> Estimate:
    """Estimate a job.

    Parameters
    ----------
    job
        The job.
    samples
        Number of samples of each clip at the spec's rate, by name.
    threads
        Threads that it may use.

    Raises
    ------
    PluginError
        If a plugin's estimate fails.
    """
    featurizer: Featurizer = job.plugins[1].construct(job.settings.featurizer.config)
    with plugin_call(featurizer, "bands"):
        bands = int(featurizer.bands)
    train, held, test = (_count(job, featurizer, clips, samples) for clips in (job.train, job.held, job.test))
    added, complete = _added_length(job)
    fits = [_count(job, featurizer, clips, samples) for clips in job.groups().values()]
    ids = len({c.clip.id for c in job.train})
    costs = []
    for own in fits:
        scored = own.windows + (held.windows + test.windows) // len(fits) + 1
        costs.append(_cost(job, _size(job, own, bands, ids, scored)))
    complete = complete and all(cost is not None for cost in costs)
    known = [cost for cost in costs if cost is not None]
    block = min(SCORED_AT_ONCE, held.clips + test.clips) * (held.rows + test.rows) / max(1, held.clips + test.clips)
    memory = _feature_memory(job, max(fits, key=lambda own: own.rows), block, bands, added)
    for option, size in max((cost.memory for cost in known), key=lambda m: sum(m.values()), default={}).items():
        memory[option] = memory.get(option, 0.0) + size
    frames = train.rows * (1 + added) + held.rows + test.rows
    seconds = frames * bands * _BAND_S + sum(cost.operations for cost in known) / OPERATIONS_PER_S
    return Estimate(job, train.windows, test.windows, memory, _START_S + seconds / threads, complete)


def _count(job: Job, featurizer: Featurizer, clips: Sequence[PlannedClip], samples: Mapping[str, int]) -> _Counts:
    """Count frames and windows: once for all clips of one length."""
    settings = job.settings
    rows = windows = 0
    for length, count in Counter(samples[c.clip.name] for c in clips).items():
        with plugin_call(featurizer, "rows"):
            own = int(featurizer.rows(length))
        rows += count * own
        windows += count * (1 if settings.frames == "clip" else max(0, (own - settings.frames) // settings.hop + 1))
    return _Counts(len(clips), rows, windows)


def _added_length(job: Job) -> tuple[float, bool]:
    """Return the length that wave variants add to the training clips, and whether all augmenters state theirs."""
    total, complete = 0.0, True
    for settings, plugin in zip(job.settings.augmenters, job.plugins[2:], strict=True):
        with guarded(plugin.title, "added_length"):
            own = settings.config.added_length
            total += own or 0.0
        complete = complete and own is not None
    return total, complete


def _size(job: Job, own: _Counts, bands: int, ids: int, scored: int) -> JobSize:
    frames, outline = job.settings.frames, job.settings.outline(ids)
    assert outline.ids is not None
    assert outline.classes is not None
    mean = -(-own.rows // max(1, own.clips))
    return JobSize(
        frames=mean if frames == "clip" else frames,
        bands=bands,
        ids=outline.ids,
        classes=outline.classes,
        clips=own.clips,
        windows=own.windows,
        scored=scored,
    )


def _cost(job: Job, size: JobSize) -> Cost | None:
    """Ask the detector's options for the cost; a number beyond all floats is an infinite cost."""
    plugin = job.plugins[0]
    with guarded(plugin.title, "cost"):
        try:
            cost = job.settings.config.cost(size)
            if cost is None:
                return None
            return Cost({key: float(part) for key, part in cost.memory.items()}, float(cost.operations))
        except OverflowError:
            return Cost({"": math.inf}, math.inf)


def _feature_memory(job: Job, own: _Counts, block: float, bands: int, added: float) -> dict[str, float]:
    """Return the memory of libraries, frames and the list of variants, in parts."""
    stored = 0 if job.settings.featurizer.store == "memmap" else _FLOAT * bands
    variants = sum(len(augmenter.config.variant_names) for augmenter in job.settings.augmenters) if added else 0
    return {
        "": float(_LIBRARIES),
        "featurizer": max(stored * own.rows, _FLOAT * bands * block),
        "augmenters": stored * own.rows * added + _VARIANT_BYTES * own.clips * variants,
    }
