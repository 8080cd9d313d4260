"""A trained system on its own: take it out of a run, open it, score recordings, decide.

Opened by registered plugin names alone: no code, no pickle, nothing outside the file.
"""

from asdkit.bundle.bundle import Bundle, ClipScores
from asdkit.bundle.calibration import CalibrationScores, Calibrator, Decision, ThresholdRule
from asdkit.bundle.result import Verdict, WindowScores

__all__ = [
    "Bundle",
    "CalibrationScores",
    "Calibrator",
    "ClipScores",
    "Decision",
    "ThresholdRule",
    "Verdict",
    "WindowScores",
]
