"""Bundles: take a trained system out of a run, open it, score recordings, decide.

A bundle names registered plugins. Opening one runs no code from the file and reads no other file.
"""

from asdkit.bundle.bundle import Bundle
from asdkit.bundle.calibration import CalibrationScores, Calibrator, Decision, ThresholdRule
from asdkit.bundle.result import ClipScores, Verdict, WindowScores

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
