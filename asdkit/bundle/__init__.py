"""A trained system on its own: take it out of a run, open it, score recordings, decide.

Opened by registered plugin names alone: no code, no pickle, nothing outside the file.
"""

from asdkit.bundle.bundle import Bundle, SystemScores
from asdkit.bundle.calibration import Decision, Judge, Reference, Rule
from asdkit.bundle.verdict import Verdict, WindowScores

__all__ = ["Bundle", "Decision", "Judge", "Reference", "Rule", "SystemScores", "Verdict", "WindowScores"]
