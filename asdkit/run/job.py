"""One job: read recordings, extract features, fit detectors, score clips, publish the result."""

from __future__ import annotations

import shutil
import sys
import time
import traceback
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Literal

import numpy as np

from asdkit.context import Context
from asdkit.errors import AsdkitError, AsdkitWarning, Stopped
from asdkit.feature_extraction import fill_features, fit_featurizer
from asdkit.features import Features, FloatArray, cut_windows
from asdkit.interfaces import Detector, Featurizer
from asdkit.plugin_calls import plugin_call
from asdkit.process_state import end_left_processes
from asdkit.run.job_context import FeaturizerContext, JobContext
from asdkit.run.jobs import Job, PlannedClip, uses_conditions
from asdkit.run.records import ClipRecord, JobRecord
from asdkit.run.state_codec import encoded_state
from asdkit.run.store import FEATURIZER, RunPaths, publish, state_name, write_job
from asdkit.run.training_data import (
    RecordingReader,
    WaveVariant,
    load_augmenters,
    make_training,
    wave_variants,
    with_conditions,
)
from asdkit.scoring import pool_scores, score_windows, why_no_weight
from asdkit.text import error_line
from asdkit.version import __version__

SCORED_AT_ONCE = 256
"""Clips whose features are in memory at a time while clips are scored."""


@dataclass(frozen=True)
class Outcome:
    """How a job ended."""

    key: str
    status: Literal["done", "failed", "stopped"]
    message: str = ""
    seconds: float = 0.0


def run_job(job: Job, paths: RunPaths, device: str, threads: int) -> Outcome:
    """Run one job. An error is reported in the outcome and written to the job's log.

    Parameters
    ----------
    job
        The job.
    paths
        The run.
    device
        ``"cpu"`` or ``"cuda"``.
    threads
        Threads it may use.
    """
    begin = time.perf_counter()
    work = paths.work(job)
    try:
        with redirect_stdout(sys.stderr):  # standard output is for results
            _JobRun(job, paths, device, threads).run()
    except KeyboardInterrupt:
        raise
    except Stopped as error:
        if not paths.stop_file.exists():
            message = f"stopped, but nobody asked for it: {error.message}"
            return Outcome(job.key, "failed", message, time.perf_counter() - begin)
        return Outcome(job.key, "stopped", seconds=time.perf_counter() - begin)
    except BaseException as error:  # a plugin may raise anything, SystemExit included; the run goes on
        return Outcome(job.key, "failed", _log_error(error, work / "log.txt"), time.perf_counter() - begin)
    finally:
        end_left_processes()
    shutil.rmtree(work, ignore_errors=True)
    return Outcome(job.key, "done", seconds=time.perf_counter() - begin)


def _log_error(error: BaseException, log: Path) -> str:
    """Write the traceback to the job's log; return the error as one line."""
    where = f" (traceback in {log})"
    try:
        log.write_text(traceback.format_exc(), encoding="utf-8", errors="backslashreplace")
    except OSError:  # perhaps the error is a full disk
        where = ""
    if isinstance(error, AsdkitError):
        return error.message + (where if error.__cause__ is not None else "")
    return error_line(error) + where


@dataclass
class _JobRun:
    """The steps of one job and what they share.

    Attributes
    ----------
    scores
        Window scores [float32, ``[windows]``] by clip name.
    clip_facts
        By clip name: digest, silence, length, sample rate, number of windows.
    no_weight
        Why systems fuse without this detector; empty if they fuse with it.
    """

    job: Job
    paths: RunPaths
    device: str
    threads: int
    seconds: dict[str, float] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    scores: dict[str, FloatArray] = field(default_factory=dict)
    clip_facts: dict[str, dict[str, Any]] = field(default_factory=dict)
    no_weight: str = ""

    def run(self) -> None:
        """Do all steps; the result appears under its final name complete or not at all."""
        result = self.paths.work(self.job) / "result"
        shutil.rmtree(result, ignore_errors=True)
        result.mkdir()
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", AsdkitWarning)
            featurizer: Featurizer = self.job.plugins[1].construct(self.job.settings.featurizer.config)
            self._fit_featurizer(featurizer, result)
            detectors: dict[str, Detector] = {}
            for id_, clips in self.job.groups().items():
                detectors[id_] = self._fit(id_, clips, featurizer)
                (result / state_name(id_)).write_bytes(encoded_state(detectors[id_]))
            self._score_remaining(detectors, featurizer)
            self.no_weight = self._why_no_weight(detectors, featurizer)
        self._collect_notes(caught)
        self._write(result)
        publish(result, self.paths.done(self.job))

    def _fit_featurizer(self, featurizer: Featurizer, result: Path) -> None:
        """Fit a featurizer that has a state to the real training clips, and store the state."""
        reader = self._reader(wave_variants(self.job.train, []))
        ctx = self._context("", kind=FeaturizerContext)
        with self._timed("fit featurizer"):
            if fit_featurizer(featurizer, reader.sources(), self.job.sample_rate, ctx):
                (result / FEATURIZER).write_bytes(encoded_state(featurizer))

    def _reader(self, variants: Sequence[WaveVariant]) -> RecordingReader:
        return RecordingReader(variants, self.job.sample_rate, self.job.channel, self.job.containers)

    def _context(self, id_: str, digest: str = "", *, kind: type[JobContext] = JobContext) -> JobContext:
        return kind(
            device=self.device,
            seed=Context(seed=self.job.seed).seed_for(f"{self.job.machine}/{id_}"),
            threads=self.threads,
            work=self.paths.work(self.job),
            stop_file=self.paths.stop_file,
            id_=id_,
            digest=digest,
        )

    def _fit(self, id_: str, clips: list[PlannedClip], featurizer: Featurizer) -> Detector:
        """Fit one detector and score its own training clips."""
        settings = self.job.settings
        augmenters = load_augmenters(settings.augmenters, self.job.plugins[2:])
        memmap = self.paths.work(self.job) / "features.f32" if settings.featurizer.store == "memmap" else None
        variants = wave_variants(clips, augmenters)
        features, digest = self._extract(clips, variants, featurizer, self._context(id_), memmap)
        if uses_conditions(self.job.plugins[0]):
            features = with_conditions(features, clips)
        training = make_training(settings, [c.clip.id for c in clips], features, augmenters)
        detector: Detector = self.job.plugins[0].construct(settings.config)
        with self._timed("fit"), plugin_call(detector, "fit"):
            detector.fit(training, self._context(id_, digest))
        self._score({id_: detector}, features.select(0, len(clips)), clips)
        if memmap:
            memmap.unlink()  # this file stays mapped; the next detector gets a new one
        return detector

    def _score_remaining(self, detectors: dict[str, Detector], featurizer: Featurizer) -> None:
        """Score clips held out and test clips, both in the same way."""
        remaining = (*self.job.held, *self.job.test)
        ctx = self._context("")
        for first in range(0, len(remaining), SCORED_AT_ONCE):
            clips = remaining[first : first + SCORED_AT_ONCE]
            features, _ = self._extract(clips, wave_variants(clips, []), featurizer, ctx, map_large=True)
            self._score(detectors, features, clips)

    def _why_no_weight(self, detectors: dict[str, Detector], featurizer: Featurizer) -> str:
        """Ask the detectors, where they can tell, by the clips held out: `asdkit.scoring.why_no_weight`."""
        clips = self.job.held
        if not clips or not all(hasattr(detector, "why_no_weight") for detector in detectors.values()):
            return ""
        ctx = self._context("")
        features, _ = self._extract(clips, wave_variants(clips, []), featurizer, ctx, map_large=True)
        with self._timed("score"):
            windows = cut_windows(features.offsets, self.job.settings.frames, self.job.settings.hop)
            return why_no_weight(detectors, features, windows, [c.clip.id for c in clips], ctx)

    def _extract(
        self,
        clips: Sequence[PlannedClip],
        variants: Sequence[WaveVariant],
        featurizer: Featurizer,
        ctx: JobContext,
        memmap: Path | None = None,
        map_large: bool = False,
    ) -> tuple[Features, str]:
        """Extract features of `variants`, the first of which are `clips`; return them and a digest of the content."""
        reader = self._reader(variants)
        with self._timed("features"):
            sources = reader.sources()
            features = fill_features(
                featurizer,
                sources,
                self.job.sample_rate,
                threads=self.threads,
                path=memmap,
                map_large=map_large,
                progress=lambda done, total: ctx.progress(stage="features", clips=done, of=total),
                should_stop=ctx.should_stop,
            )
        for index, clip in enumerate(clips):
            self.clip_facts.setdefault(clip.clip.name, {}).update(
                {
                    "sha256": reader.digests[index].hex(),
                    "sound": reader.sounds[index].hex(),
                    "silent": reader.silent[index],
                    "cancelled": reader.cancelled[index],
                    "samples": sources[index].samples,
                    "sample_rate": reader.rates[index],
                    "rms": reader.levels[index].rms,
                    "peak": reader.levels[index].peak,
                }
            )
        return features, reader.digest()

    def _score(self, detectors: dict[str, Detector], features: Features, clips: Sequence[PlannedClip]) -> None:
        """Score clips and keep their window scores."""
        settings = self.job.settings
        ids, known_ids = [c.clip.id for c in clips], sorted({c.clip.id for c in self.job.train})
        if uses_conditions(self.job.plugins[0]):
            features = with_conditions(features, clips)
        with self._timed("score"):
            windows = cut_windows(features.offsets, settings.frames, settings.hop)
            scores = score_windows(detectors, settings.use, features, windows, ids, known_ids, self._context(""))
        for index, clip in enumerate(clips):
            first, last = int(windows.offsets[index]), int(windows.offsets[index + 1])
            self.scores[clip.clip.name] = scores[first:last]
            self.clip_facts[clip.clip.name]["windows"] = last - first

    @contextmanager
    def _timed(self, step: str) -> Iterator[None]:
        begin = time.perf_counter()
        yield
        self.seconds[step] = self.seconds.get(step, 0.0) + time.perf_counter() - begin

    def _collect_notes(self, caught: Sequence[warnings.WarningMessage]) -> None:
        """Keep warnings that are meant for the user as notes of the result; pass the others on."""
        for warning in caught:
            if issubclass(warning.category, AsdkitWarning):
                self.notes.append(str(warning.message))
            else:
                warnings.warn_explicit(warning.message, warning.category, warning.filename, warning.lineno)
        unknown = sorted({c.clip.id for c in self.job.test} - {c.clip.id for c in self.job.train})
        if unknown:
            self.notes.append(f"not in training, scored as the known id with the lowest score: id {', '.join(unknown)}")
        self.notes = list(dict.fromkeys(self.notes))

    def _write(self, result: Path) -> None:
        job = self.job
        clips = [c.clip for c in job.clips]
        held = {c.clip.name for c in job.held}
        offsets = np.concatenate([[0], np.cumsum([len(self.scores[c.name]) for c in clips])]).astype(np.int64)
        window_scores = np.concatenate([self.scores[c.name] for c in clips])
        record = JobRecord(
            machine=job.machine,
            settings=job.settings.canonical(),
            seed=job.seed,
            device=self.device,
            threads=self.threads,
            versions=versions(),
            seconds={step: round(seconds, 3) for step, seconds in self.seconds.items()},
            notes=self.notes,
            no_weight=self.no_weight,
            clips=[
                ClipRecord(name=c.name, id=c.id, split="held" if c.name in held else c.split, **self.clip_facts[c.name])
                for c in clips
            ],
        )
        write_job(result, record, pool_scores(window_scores, offsets, job.settings.pool))


@cache
def versions() -> dict[str, str]:
    """Return the versions of what a result depends on."""
    from importlib.metadata import version
    from platform import python_version

    names = ("numpy", "numba", "torch", "scipy", "scikit-learn", "soundfile")
    return {"asdkit": __version__, "python": python_version(), **{n: version(n) for n in names}}
