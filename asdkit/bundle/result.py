"""Scores of clips, and the verdict on one clip."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from asdkit.features import FloatArray, Windows
from asdkit.scoring import DoubleArray


@dataclass(frozen=True)
class WindowScores:
    """Window scores of one clip by one member.

    Attributes
    ----------
    seconds
        [float64, ``[windows]``] Middle of each window, from the start of the clip.
    scores
        [float32, ``[windows]``] Higher is more anomalous.
    """

    seconds: DoubleArray
    scores: FloatArray


@dataclass(frozen=True)
class ClipScores:
    """Scores of several clips.

    Attributes
    ----------
    fused
        [float64, ``[clips]``] Scores of the system.
    members
        [float64, ``[clips, members]``] Clip scores of its members.
    windows, window_scores
        For each member: its windows, and their scores [float32, ``[windows]``].
    """

    fused: DoubleArray
    members: DoubleArray
    windows: list[Windows]
    window_scores: list[FloatArray]


@dataclass(frozen=True)
class Verdict:
    """Score, p-value and decision for one clip.

    Attributes
    ----------
    score
        Score of the system; higher is more anomalous.
    id
        The machine id that the clip was scored as.
    id_known
        False if no id of the bundle was given; then `id` is the one that the clip fits best.
    p_value
        Share of healthy clips of that id that are expected to score as high, or higher. Below `supported_rate` it is
        extrapolated and has no guarantee. None if no clips were held out, or the clip is silent.
    anomalous
        None if the clips held out do not support a decision at the given rate, or the clip is silent.
    reason
        Why there is no decision, or why it has no guarantee; else empty.
    supported_rate
        Lowest false-alarm rate that the clips held out of that id support.
    worst_seconds
        Middle of the window that raised the score most, from the start of the clip; None if each window is a whole
        clip.
    members
        Clip score of each member.
    windows
        Window scores of each member.
    """

    score: float
    id: str
    id_known: bool
    p_value: float | None
    anomalous: bool | None
    reason: str
    supported_rate: float | None
    worst_seconds: float | None
    members: Mapping[str, float]
    windows: Mapping[str, WindowScores] = field(repr=False)

    def fit(self) -> tuple[float, float]:
        """Return how well the clip fits the id it was scored as: its p-value, if any, then how low it scores."""
        return (-1.0 if self.p_value is None else self.p_value, -self.score)

    def undecided(self, reason: str) -> Verdict:
        """Return this verdict without p-value and decision, for a clip whose score says nothing."""
        return replace(self, p_value=None, anomalous=None, reason=reason)

    @property
    def extrapolated(self) -> bool:
        """Whether the score is above all calibration scores, so that the p-value has no guarantee."""
        return self.p_value is not None and self.p_value <= (self.supported_rate or 0)

    @property
    def verdict(self) -> Literal["normal", "anomalous", "undecided"]:
        """`anomalous` as a word."""
        if self.anomalous is None:
            return "undecided"
        return "anomalous" if self.anomalous else "normal"
