"""The one torch loop that neural detectors share: drawing, gathering, stepping, checkpoints, scoring."""

from asdkit.training.detector import NetworkDetector
from asdkit.training.network import WindowNetwork

__all__ = ["NetworkDetector", "WindowNetwork"]
