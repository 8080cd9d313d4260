"""Options of the classical detectors."""

from __future__ import annotations

from typing import Any, ClassVar, Literal, get_args

from pydantic import model_validator

from asdkit.api import Cost, DetectorConfig, Field, JobSize, Scale

_FITS = 6  # one of all clips and one without each fifth of them
_STEPS = 20  # of a mixture's expectation maximisation, which usually ends sooner
_SUMMARY = 150  # operations in the time that a number of a window takes in its statistics, a median among them
_DISTANCE = 10  # operations in the time that a difference takes in a search for neighbours
_AT_ONCE = 4_000_000  # numbers gathered at a time

Statistic = Literal["mean", "power", "deviation", "change", "median-change", "shape", "fine", "ranked", "modulation"]
_OF_POWER = ("power", "shape", "fine", "modulation")  # statistics of powers, in decibels

Side = Literal["both", "above", "below"]
Normalisation = Literal["none", "ldn-ratio", "ldn-difference", "varmin", "ced"]

_SIDE: Any = Field(
    "both",
    description="differences from the training windows that count: all, only numbers above theirs, or only those below",
)


class StatisticsConfig(DetectorConfig):
    """Statistics that summarise a clip or window."""

    statistics: list[Statistic] = Field(
        ["power", "change", "median-change"],
        min_length=1,
        description="of each band: mean; power, the mean power in dB; standard deviation; of the steps from frame to "
        "frame, their standard deviation (change) and the median of their sizes; shape, the power less its mean over "
        "bands; fine, the power less its running mean over 9 bands; ranked, the mean over frames sorted downwards with "
        "weights rank_decay**n; and modulation, the power of envelopes in modulation bands (docs/classical.md)",
    )
    scales: ClassVar[tuple[Scale, ...]] = ("db", "power", "linear")

    def scale_problem(self, scale: Scale) -> str:
        """Statistics of powers mean nothing of linear numbers."""
        wrong = [f'"{name}"' for name in self.statistics if name in _OF_POWER]
        if scale != "linear" or not wrong:
            return ""
        others = ", ".join(f'"{name}"' for name in get_args(Statistic) if name not in _OF_POWER)
        return f"statistics: {', '.join(wrong)} of linear numbers mean nothing; expected some of {others}"

    rank_decay: float = Field(0.9, ge=0, le=1, description="of ranked: 1 gives the mean over frames, 0 the maximum")

    def cost(self, size: JobSize) -> Cost:
        """Summaries of all windows, kept a few times, and the model of them."""
        numbers = len(set(self.statistics)) * size.bands
        whole_clips = size.windows == size.clips  # gathered one by one
        gathered = size.frames * size.bands if whole_clips else min(_AT_ONCE, size.windows * size.frames * size.bands)
        at_once = max(size.windows, size.scored - size.windows)  # training windows, then the others
        memory = {"frames": 32.0 * at_once * numbers + 12.0 * gathered}
        summaries = _SUMMARY * len(set(self.statistics)) * (size.windows + size.scored) * size.frames * size.bands
        model, operations = self._model_cost(size, numbers)
        return Cost(memory | model, summaries + operations)

    def _model_cost(self, size: JobSize, numbers: int) -> tuple[dict[str, float], float]:
        """Return memory and operations of the model of summaries of so many numbers."""
        return {}, 0.0


class KnnConfig(StatisticsConfig):
    """Nearest neighbours, and local score normalisation (docs/classical.md)."""

    neighbours: int = Field(1, ge=1, description="how many nearest training windows of each statistic")
    metric: Literal["euclidean", "cosine"] = Field("euclidean", description="distance between standardised statistics")
    side: Side = _SIDE
    normalise: Normalisation = Field(
        "none", description="how a distance is related to those around the training window; for mixed domains"
    )
    local_neighbours: int = Field(
        16, ge=1, description="of ldn and ced: training windows around each; varmin takes 4, as published"
    )
    local_decay: float = Field(
        1.0, ge=0, le=1, description="of ldn and ced: weights local_decay**n of the distances to these, nearest first"
    )

    @model_validator(mode="after")
    def _consistent(self) -> KnnConfig:
        if self.metric == "cosine" and self.side != "both":
            raise ValueError(f'side = "{self.side}" needs metric = "euclidean": an angle has no side')
        return self

    def _model_cost(self, size: JobSize, numbers: int) -> tuple[dict[str, float], float]:
        """Distances of all windows from all training windows; the nearest are kept."""
        kept = min(self.neighbours, size.windows)
        differences = size.windows * (size.windows + size.scored) * numbers
        return {"neighbours": 24.0 * size.scored * kept}, float(_DISTANCE * differences)


class MahalanobisConfig(StatisticsConfig):
    """Mahalanobis distance."""

    side: Side = _SIDE

    def _model_cost(self, size: JobSize, numbers: int) -> tuple[dict[str, float], float]:
        """A covariance of each statistic, its root and the inverse of that."""
        covariances = numbers * size.bands
        fit = covariances * (6 * size.windows + 4 * size.bands)
        return {"statistics": 32.0 * covariances}, _FITS * fit + 2.0 * covariances * (size.windows + size.scored)


class PcaConfig(StatisticsConfig):
    """Residual of principal components."""

    side: Side = _SIDE
    share: float = Field(
        0.5,
        gt=0,
        lt=1,
        description="leading components that are projected out of each statistic, as a share of its training windows "
        "or numbers, whichever are fewer",
    )

    def _model_cost(self, size: JobSize, numbers: int) -> tuple[dict[str, float], float]:
        """A singular value decomposition of the training windows of each statistic."""
        components = min(size.windows, size.bands)
        fit = 4.0 * _FITS * size.windows * numbers * components
        return {"statistics": 24.0 * size.windows * numbers}, fit + 4.0 * numbers * components * size.scored


class GmmConfig(StatisticsConfig):
    """Gaussian mixture with diagonal covariances."""

    components: int = Field(2, ge=1, le=1000, description="Gaussians; fewer where there are fewer training windows")

    def _model_cost(self, size: JobSize, numbers: int) -> tuple[dict[str, float], float]:
        """The share of each component in each window, again in each step."""
        components = min(self.components, size.windows)
        fit = _FITS * _STEPS * size.windows + size.windows + size.scored
        return {"components": 32.0 * (size.windows + size.scored) * components}, 8.0 * components * numbers * fit
