"""What is said of one clip."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import numpy.typing as npt

from asdkit.features import FloatArray


@dataclass(frozen=True)
class WindowScores:
    """A clip's windows as one member heard them.

    Attributes
    ----------
    seconds
        [float64, ``[windows]``] Middle of each, from the clip's start.
    scores
        [float32, ``[windows]``] Higher is more anomalous.
    """

    seconds: npt.NDArray[np.float64]
    scores: FloatArray


@dataclass(frozen=True)
class Verdict:
    """What is said of one clip.

    Attributes
    ----------
    score
        Of the system; higher is more anomalous.
    id
        The machine id that it was scored as.
    id_known
        False where no id of the bundle was given: then `id` is the one that the clip fits best.
    p_value
        Share of healthy clips of that id that score so high or higher; below `supported_rate` it is extrapolated and
        supports no promise. None where no clips were held out.
    anomalous
        None where the clips held out cannot tell at the rate asked.
    reason
        Why they cannot, or that they promise nothing of what was decided; else empty.
    supported_rate
        Least false-alarm rate that the clips held out of that id support.
    worst_seconds
        Middle of the window that raised the score most, from the clip's start; None where windows are whole clips.
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

    @property
    def extrapolated(self) -> bool:
        """Whether the clip scores above all that were held out, so that no clips support its p-value."""
        return self.p_value is not None and self.p_value <= (self.supported_rate or 0)

    @property
    def verdict(self) -> Literal["normal", "anomalous", "undecided"]:
        """The same in one word."""
        if self.anomalous is None:
            return "undecided"
        return "anomalous" if self.anomalous else "normal"
