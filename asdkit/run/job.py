"""One job from its clips to its scores: read, featurise, fit, score, publish."""

from __future__ import annotations

import shutil
import sys
import time
import traceback
import warnings
from collections.abc import Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from asdkit.context import Context
from asdkit.errors import AsdkitError, AsdkitWarning, Stopped
from asdkit.feature_extraction import fill_features
from asdkit.features import Features, FloatArray, cut_windows
from asdkit.interfaces import Detector, Featurizer
from asdkit.run.job_context import JobContext
from asdkit.run.records import ClipRecord, JobRecord
from asdkit.run.state import encode_state
from asdkit.run.store import RunPaths, publish, state_name, write_job
from asdkit.run.training_data import Reader, WaveVariant, make_augmenters, make_training, recordings_of
from asdkit.scoring import pool_scores, score_windows
from asdkit.text import error_line
from asdkit.version import __version__

if TYPE_CHECKING:
    from asdkit.run.jobs import Job, PlannedClip

_BLOCK = 256  # clips to score featured at a time: bounded memory however many there are


@dataclass(frozen=True)
class Outcome:
    """How a job ended."""

    key: str
    status: Literal["done", "failed", "stopped"]
    message: str = ""
    seconds: float = 0.0


def run_job(job: Job, place: RunPaths, device: str, threads: int) -> Outcome:
    """Run one job; whatever goes wrong in it is told in the outcome and kept in the job's log.

    Parameters
    ----------
    job
        What to do.
    place
        Where to work and where to publish.
    device
        ``"cpu"`` or ``"cuda"``.
    threads
        Threads it may use.
    """
    begin = time.perf_counter()
    work = place.work(job)
    try:
        with redirect_stdout(sys.stderr):  # standard output is for results
            _Work(job, place, device, threads).run()
    except (KeyboardInterrupt, GeneratorExit):
        raise
    except Stopped:
        return Outcome(job.key, "stopped", seconds=time.perf_counter() - begin)
    except BaseException as error:  # a plugin may raise anything, SystemExit included; the run goes on
        return Outcome(job.key, "failed", _told(error, work / "log.txt"), time.perf_counter() - begin)
    shutil.rmtree(work, ignore_errors=True)
    return Outcome(job.key, "done", seconds=time.perf_counter() - begin)


def _told(error: BaseException, log: Path) -> str:
    """What went wrong, in a line; the traceback goes to the job's log."""
    where = f" (traceback in {log})"
    try:
        log.write_text(traceback.format_exc(), encoding="utf-8", errors="backslashreplace")
    except OSError:  # a full disk may be what went wrong
        where = ""
    if isinstance(error, AsdkitError):
        return error.message
    return error_line(error) + where


@dataclass
class _Work:
    """The steps of one job, with what they share."""

    job: Job
    place: RunPaths
    device: str
    threads: int
    timings: dict[str, float] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    known: dict[str, dict[str, Any]] = field(default_factory=dict)  # clip name -> digest, silence, windows

    def run(self) -> None:
        job, work = self.job, self.place.work(self.job)
        result = work / "result"
        shutil.rmtree(result, ignore_errors=True)
        result.mkdir()
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", AsdkitWarning)
            featurizer = self._featurizer()
            groups = self._groups()
            scores: dict[str, FloatArray] = {}
            detectors: dict[str, Detector] = {}
            for part, clips in groups.items():
                detectors[part] = self._fit(part, clips, featurizer, scores)
                state = encode_state(detectors[part].state())
                (result / state_name(part)).write_bytes(state)
            self._score_others(detectors, featurizer, scores)
        self._collect(caught)
        self._write(result, scores)
        publish(result, self.place.done(job))

    def _featurizer(self) -> Featurizer:
        entry = self.job.plugins[1].entry
        assert entry is not None
        featurizer: Featurizer = entry.load()(self.job.settings.featurizer.config)
        return featurizer

    def _detector(self) -> Detector:
        entry = self.job.plugins[0].entry
        assert entry is not None
        detector: Detector = entry.load()(self.job.settings.config)
        return detector

    def _groups(self) -> dict[str, list[PlannedClip]]:
        """Training clips of each detector to be made: one for the machine, or one for each id."""
        if self.job.settings.scope == "machine":
            return {"": list(self.job.train)}
        groups: dict[str, list[PlannedClip]] = {}
        for clip in self.job.train:
            groups.setdefault(clip.clip.id, []).append(clip)
        return groups

    def _context(self, part: str, digest: str = "") -> JobContext:
        seed = Context(seed=self.job.seed).seed_for(f"{self.job.machine}/{part}")
        return JobContext(
            device=self.device,
            seed=seed,
            threads=self.threads,
            work=self.place.work(self.job),
            stop_file=self.place.stop_file,
            part=part,
            digest=digest,
        )

    def _read(
        self,
        clips: Sequence[PlannedClip],
        recordings: Sequence[WaveVariant],
        featurizer: Featurizer,
        ctx: JobContext,
        memmap: Path | None = None,
    ) -> tuple[Features, str]:
        """Features of recordings, the first of which are `clips` as they are; and the digest of their content."""
        begin = time.perf_counter()
        reader = Reader(recordings, self.job.sample_rate, self.job.channel, self.job.containers)
        sources = reader.sources()
        features = fill_features(
            featurizer,
            sources,
            self.job.sample_rate,
            threads=self.threads,
            path=memmap,
            progress=lambda done, of: ctx.progress(stage="features", clips=done, of=of),
            should_stop=ctx.should_stop,
        )
        self._count("features", begin)
        for index, clip in enumerate(clips):
            self.known[clip.clip.name] = {
                "sha256": reader.digests[index].hex(),
                "silent": reader.silent[index],
                "samples": sources[index].samples,
                "sample_rate": reader.rates[index],
            }
        return features, reader.digest()

    def _fit(
        self, part: str, clips: list[PlannedClip], featurizer: Featurizer, scores: dict[str, FloatArray]
    ) -> Detector:
        """Fit one detector and score its own training clips."""
        entries = [plugin.entry for plugin in self.job.plugins[2:] if plugin.entry is not None]
        augmenters = make_augmenters(self.job.settings.augmenters, entries)
        memmap = self.place.work(self.job) / "features.f32" if self.job.settings.featurizer.store == "memmap" else None
        recordings = recordings_of(clips, augmenters)
        features, digest = self._read(clips, recordings, featurizer, self._context(part), memmap)
        training = make_training(self.job.settings, [c.clip.id for c in clips], features, augmenters)
        ctx = self._context(part, digest)
        begin = time.perf_counter()
        detector = self._detector()
        detector.fit(training, ctx)
        self._count("fit", begin)
        self._score({part: detector}, features.select(0, len(clips)), clips, scores)
        if memmap:
            memmap.unlink()  # the next part gets a file of its own: this one is still mapped
        return detector

    def _score_others(
        self, detectors: dict[str, Detector], featurizer: Featurizer, scores: dict[str, FloatArray]
    ) -> None:
        """Score what nothing was learnt from: clips held out and test clips, in one way."""
        others = (*self.job.held, *self.job.test)
        ctx = self._context("")
        for first in range(0, len(others), _BLOCK):
            clips = others[first : first + _BLOCK]
            features, _ = self._read(clips, recordings_of(clips, []), featurizer, ctx)
            self._score(detectors, features, clips, scores)

    def _score(
        self,
        detectors: dict[str, Detector],
        features: Features,
        clips: Sequence[PlannedClip],
        scores: dict[str, FloatArray],
    ) -> None:
        """Score clips into `scores`, each by the detector of its id; by all, the best taken, if none is its own."""
        begin = time.perf_counter()
        windows = cut_windows(features.offsets, self.job.settings.frames, self.job.settings.hop)
        ids, known_ids = [c.clip.id for c in clips], sorted({c.clip.id for c in self.job.train})
        values = score_windows(detectors, self.job.settings.use, features, windows, ids, known_ids, self._context(""))
        for index, clip in enumerate(clips):
            first, last = int(windows.offsets[index]), int(windows.offsets[index + 1])
            scores[clip.clip.name] = values[first:last]
            self.known[clip.clip.name]["windows"] = last - first
        self._count("score", begin)

    def _count(self, step: str, begin: float) -> None:
        self.timings[step] = self.timings.get(step, 0.0) + time.perf_counter() - begin

    def _collect(self, caught: Sequence[warnings.WarningMessage]) -> None:
        for warning in caught:
            if issubclass(warning.category, AsdkitWarning):
                self.notes.append(str(warning.message))
            else:
                warnings.warn_explicit(warning.message, warning.category, warning.filename, warning.lineno)
        trained = {c.clip.id for c in self.job.train}
        unseen = sorted({c.clip.id for c in self.job.test} - trained)
        if unseen:
            self.notes.append(f"not in training, scored by the best of the known ids: id {', '.join(unseen)}")
        self.notes = list(dict.fromkeys(self.notes))

    def _write(self, result: Path, scores: dict[str, FloatArray]) -> None:
        job = self.job
        clips = [c.clip for c in job.clips]
        held = {c.clip.name for c in job.held}
        offsets = np.concatenate([[0], np.cumsum([len(scores[c.name]) for c in clips])]).astype(np.int64)
        window_scores = np.concatenate([scores[c.name] for c in clips])
        pooled = pool_scores(window_scores, offsets, job.settings.pool)
        record = JobRecord(
            machine=job.machine,
            settings=job.settings.canonical(),
            seed=job.seed,
            device=self.device,
            threads=self.threads,
            versions=versions(),
            seconds={k: round(v, 3) for k, v in self.timings.items()},
            notes=self.notes,
            clips=[
                ClipRecord(name=c.name, id=c.id, split="held" if c.name in held else c.split, **self.known[c.name])
                for c in clips
            ],
        )
        write_job(result, record, pooled)


@cache
def versions() -> dict[str, str]:
    """Versions of what a result depends on."""
    from importlib.metadata import version
    from platform import python_version

    names = ("numpy", "numba", "torch", "scipy", "scikit-learn", "soundfile")
    return {"asdkit": __version__, "python": python_version(), **{n: version(n) for n in names}}
