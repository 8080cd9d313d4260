"""Training and scoring of torch networks, shared by all neural detectors."""

from asdkit.training.detector import NetworkDetector
from asdkit.training.network import WindowNetwork

__all__ = ["NetworkDetector", "WindowNetwork"]
