"""Which clips a report explains, and by which score.

Worst clips explained: where their score comes from, how they sound, and the healthy excerpt most like them.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from asdkit.audio import Wave
from asdkit.bundle import Bundle, WindowScores
from asdkit.bundle.explain import explain_clip
from asdkit.data import LAYOUTS
from asdkit.errors import AsdkitError, BadAudio, DataError
from asdkit.explain import Explanation, Grid, NearestExcerpts
from asdkit.features import Features, FloatArray
from asdkit.interfaces import Featurizer
from asdkit.report.rankings import RankedClip, ranked
from asdkit.report.run_data import Run, ScoreTable

DoubleArray = npt.NDArray[np.float64]

MAX_EXPLAINED = 12
"""Clips on a page; each has about 150 kB."""

_EACH = 3  # of a machine


@dataclass(frozen=True)
class Chosen:
    """A clip to explain.

    Attributes
    ----------
    name
        Whose score is explained: the first system, or member where there is none.
    why
        What it stands for.
    learnt
        Whether detectors learnt from it: then its own score says little, and no heat map can be made.
    """

    machine: str
    name: str
    heard: RankedClip
    why: str
    learnt: bool = False


def choose(run: Run) -> list[Chosen]:
    """Choose clips worth a closer look, the same number of each machine as far as possible, the first of each first."""
    machines = [m for m in sorted(run.tables) if run.drawn(m)]
    by_machine = [_of_machine(run, machine)[:_EACH] for machine in machines]
    turns = [chosen[turn] for turn in range(_EACH) for chosen in by_machine if turn < len(chosen)]
    kept = turns[:MAX_EXPLAINED]
    return sorted(kept, key=lambda c: machines.index(c.machine))


def _of_machine(run: Run, machine: str) -> list[Chosen]:
    name = run.drawn(machine)[0]
    table = run.tables[machine]
    anomalous, unlabelled, normal = (ranked(table, name, "test", label) for label in (1, None, 0))
    held, learnt = (ranked(table, name, split, 0) for split in ("held", "train"))
    found = [
        *((heard, "anomalous, with the highest score") for heard in anomalous[:1]),
        *((heard, "without a label, with the highest score") for heard in unlabelled[:1]),
        *((heard, "normal, with the highest score: the first false alarm") for heard in normal[:1]),
        *((heard, "healthy, held out, with the highest score") for heard in held[:2]),
    ]
    if found:
        return [Chosen(machine, name, heard, why) for heard, why in found]
    return [Chosen(machine, name, heard, "healthy, learnt from, with the highest score", True) for heard in learnt]


BUDGET = 5.0
"""Seconds that all heat maps of a page may take; the first is made whatever it takes."""

GRID = Grid()
_TRAINING = 32  # clips of an id that the nearest excerpt is sought in
_EXCERPT = 1.0  # s shown around the worst place


@dataclass(frozen=True)
class Nearest:
    """The training excerpt most like the worst place.

    Attributes
    ----------
    here, there
        Frames [float32, ``[rows, bands]``] of the clip and of the training clip `clip`.
    begin, seconds
        When either begins [s].
    distance
        In standard deviations of each band, root mean square.
    """

    here: FloatArray
    there: FloatArray
    clip: str
    begin: float
    seconds: float
    distance: float


@dataclass(frozen=True)
class Explained:
    """One clip, explained.

    Attributes
    ----------
    frames
        By the first member's featurizer [float32, ``[rows, bands]``].
    frequencies
        Of its bands [float64, ``[bands]``, Hz]; None where it does not say.
    heat
        [float64, ``[times, bands]``] None where none can be made, which `remark` gives the reason for.
    heard
        Score of the system over time; None where it judges whole clips.
    p_value, supported_rate
        None where no clips were held out; below the supported rate a p-value is no promise.
    worst
        When the clip is at its worst [s].
    sound
        Wave at `sample_rate`.
    """

    chosen: Chosen
    frames: FloatArray
    frequencies: npt.NDArray[np.float64] | None
    seconds_per_frame: float
    heat: npt.NDArray[np.float64] | None
    remark: str
    heard: WindowScores | None
    worst: float
    nearest: Nearest | None
    p_value: float | None
    supported_rate: float | None
    sound: Wave
    sample_rate: int

    @property
    def worst_frequency(self) -> float | None:
        """Where the heat map is hottest [Hz]; None where there is none, or frequencies are not known."""
        if self.heat is None or not self.heat.max() > 0 or self.frequencies is None:
            return None
        cell = int(self.heat.max(axis=0).argmax())
        bands = len(self.frequencies)
        return float(np.interp((cell + 0.5) / self.heat.shape[1] * bands, np.arange(bands) + 0.5, self.frequencies))


def explain_worst(run: Run) -> tuple[list[Explained], list[str]]:
    """Explain the clips that `choose` names.

    Parameters
    ----------
    run
        The run. Its jobs and recordings are needed beside its results.

    Returns
    -------
    explained, left_out
        What could be explained, and why the rest could not, in a line each.
    """
    made: list[Explained] = []
    left_out: dict[str, None] = {}
    clock = _Clock()
    systems: dict[str, _System | str] = {}
    for chosen in choose(run):
        if chosen.machine not in systems:
            try:
                systems[chosen.machine] = _System(run, chosen.machine, chosen.name)
            except Exception as error:  # a plugin may raise anything; the rest of the page stands
                systems[chosen.machine] = _reason(error)
        system = systems[chosen.machine]
        if isinstance(system, str):
            left_out[f"worst clips of {chosen.machine}: {system}"] = None
            continue
        try:
            made.append(system.explained(chosen, clock))
        except Exception as error:
            left_out[f"{chosen.heard.clip}: {_reason(error)}"] = None
    return made, list(left_out)


def _reason(error: Exception) -> str:
    if isinstance(error, BadAudio):
        return f"the recording cannot be read ({error.reason})"
    return error.message if isinstance(error, AsdkitError) else f"{type(error).__name__}: {error}"


class _Clock:
    """Tells whether there is time for one more heat map."""

    def __init__(self) -> None:
        self.used = self.longest = 0.0

    def allows(self) -> bool:
        return self.used == 0 or self.used + self.longest <= BUDGET

    def count(self, seconds: float) -> None:
        self.used += seconds
        self.longest = max(self.longest, seconds)


class _System:
    """The system whose scores are explained, on one machine."""

    def __init__(self, run: Run, machine: str, name: str) -> None:
        settings = json.loads((run.folder / "settings.json").read_bytes())
        self.table: ScoreTable = run.tables[machine]
        self.root = LAYOUTS[settings["data"]["layout"]].root(Path(settings["data"]["root"]))
        self.bundle = Bundle.of_run(run.folder, name, machine)
        detectors = settings["machines"][machine]
        job = run.folder / "jobs" / detectors[self.bundle.members[0].name]["job"] / "job.json"
        self.digests: dict[str, str] = {c["name"]: c["sha256"] for c in json.loads(job.read_bytes())["clips"]}
        self._usual: dict[str, tuple[list[str], list[NearestExcerpts]]] = {}

    def explained(self, chosen: Chosen, clock: _Clock) -> Explained:
        """Explain one clip."""
        bundle, id_ = self.bundle, chosen.heard.id
        if id_ not in bundle.ids:
            raise DataError(f"its id {id_} has no training clips to hold it against")
        wave = self._wave(chosen.heard.clip)
        features = bundle.featurise([wave])
        (verdict,) = bundle.judge_features(features, [id_])
        names, usual = self._usual_of(id_)
        without = names.index(chosen.heard.clip) if chosen.heard.clip in names else None
        found, remark = self._heat(features, id_, usual, chosen, clock)
        per_frame = bundle.seconds_per_frame(bundle.members[0].featurizer)
        frames = features[bundle.members[0].featurizer].frames
        whole = all(member.frames == "clip" for member in bundle.members)
        heard = None if whole else bundle.over_time(list(verdict.windows.values()), id_)
        worst = _worst(found, heard, len(frames), per_frame)
        nearest = _nearest(frames, usual[bundle.members[0].featurizer], names, worst, per_frame, without)
        return Explained(
            chosen=chosen,
            frames=frames,
            frequencies=frequencies_of(bundle.featurizers[bundle.members[0].featurizer], bundle.sample_rate),
            seconds_per_frame=per_frame,
            heat=None if found is None else found.heat,
            remark=remark,
            heard=heard,
            worst=worst,
            nearest=nearest,
            p_value=verdict.p_value if not chosen.learnt else None,
            supported_rate=verdict.supported_rate,
            sound=wave,
            sample_rate=bundle.sample_rate,
        )

    def _heat(
        self, features: Sequence[Features], id_: str, usual: Sequence[NearestExcerpts], chosen: Chosen, clock: _Clock
    ) -> tuple[Explanation | None, str]:
        """Make the heat map, or say why there is none."""
        if chosen.learnt:
            return None, "No heat map: detectors learnt from this clip, and what they know they hardly find odd."
        if not clock.allows():
            return None, f"No heat map: those of this page may take {BUDGET:.0f} s in all."
        begin = time.perf_counter()
        found = explain_clip(self.bundle, features, id_, usual, GRID)
        clock.count(time.perf_counter() - begin)
        return found, "" if _is_hot(found) else "Nothing is hot: no part lowers the score where it is replaced."

    def _wave(self, name: str) -> Wave:
        """Read a recording, as it was when it was scored."""
        path = self.root / name
        if not path.exists():
            raise DataError(f"the recording is not at {path} any more")
        wave = self.bundle.read(path)
        if hashlib.sha256(wave.data).hexdigest() != self.digests.get(name):
            raise DataError("the recording is not the one that was scored any more")
        return wave

    def _usual_of(self, id_: str) -> tuple[list[str], list[NearestExcerpts]]:
        """Some training clips of an id, evenly drawn, and what is usual in them for each featurizer."""
        if id_ not in self._usual:
            every = [n for n, w in zip(self.table.clips, self.table.where(id_, "train"), strict=True) if w]
            names = [every[i] for i in np.unique(np.linspace(0, len(every) - 1, _TRAINING).round().astype(int))]
            features = self.bundle.featurise([self._wave(name) for name in names])
            self._usual[id_] = names, [NearestExcerpts(each) for each in features]
        return self._usual[id_]


def _is_hot(found: Explanation) -> bool:
    return bool(found.heat.max() > 0)


def _worst(found: Explanation | None, heard: WindowScores | None, rows: int, per_frame: float) -> float:
    """When a clip is at its worst [s]: where its heat map is hottest, else its score highest, else its middle."""
    if found is not None and _is_hot(found):
        return float((found.hottest[0] + 0.5) / found.heat.shape[0] * rows * per_frame)
    if heard is not None:
        return float(heard.seconds[np.argmax(heard.scores)])
    return rows / 2 * per_frame


def _nearest(
    frames: FloatArray,
    usual: NearestExcerpts,
    names: Sequence[str],
    worst: float,
    per_frame: float,
    without: int | None,
) -> Nearest | None:
    """Find the training excerpt nearest to what is around the worst place."""
    rows = min(len(frames), usual.longest, max(1, round(_EXCERPT / per_frame)))
    first = min(max(0, round(worst / per_frame) - rows // 2), len(frames) - rows)
    here = frames[first : first + rows]
    try:
        found = usual.nearest(here, exclude=without)
    except ValueError:
        return None  # the only training clip is this one
    there = usual.frames_of(found, rows)
    begin, elsewhere = first * per_frame, found.row * per_frame
    return Nearest(here, there, names[found.clip], begin, elsewhere, found.distance)


def frequencies_of(featurizer: Featurizer, sample_rate: int) -> DoubleArray | None:
    """Middle of each band [float64, ``[bands]``, Hz]; None where a featurizer does not know, or cannot be right."""
    ask = getattr(featurizer, "frequencies", None)
    if ask is None:
        return None
    try:
        found = np.asarray(ask(sample_rate), dtype=np.float64)
    except Exception:  # a plugin may raise anything; the picture stands without
        return None
    right = found.shape == (featurizer.bands,) and np.isfinite(found).all() and (np.diff(found) > 0).all()
    return found if right else None
